"""Results of `multiparty` in the schema of studies and simulations, made by the model's twin."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import xarray as xr

from tests.oracle.multiparty import DEFAULTS, run

UNITS = {
    "collapse_time": "month",
    "exit_time": "month",
    "entry_time": "month",
    "seed_time": "month",
}
RULES = {"flag_values": [-1.0, 0.0, 1.0], "flag_meanings": "peripheral random central"}
OUTPUTS = ("membership", "exit_share", "collapsed", "collapse_time", "trust", "surplus")
PATHS = ("membership", "trust", "synergy")
OF_FIRMS = ("exit_time", "entry_time", "centrality", "capability")


def attrs_of(name: str) -> dict[str, Any]:
    found: dict[str, Any] = {"units": UNITS.get(name, "1"), "long_name": name.replace("_", " ")}
    return found | (RULES if name == "seed_rule" else {})


def simulated(
    *,
    parameters: dict[str, float] | None = None,
    slots: int = 12,
    industries: int = 3,
    replicates: int = 1,
    horizon: float = 20.0,
    dt: float = 0.5,
    every: int = 1,
    members: bool = True,
    seed: int = 7,
    first: int = 0,
) -> xr.Dataset:
    """Return what `simulate` returns of one point: outputs, and states every so many steps."""
    runs = [
        run(
            parameters,
            slots=slots,
            industries=industries,
            seed=seed,
            instance=first + r,
            horizon=horizon,
            dt=dt,
        )
        for r in range(replicates)
    ]
    time = np.arange(0.0, horizon + dt / 2, dt)[::every]
    ds = xr.Dataset(
        {name: ("replicate", [r[name] for r in runs], attrs_of(name)) for name in OUTPUTS},
        coords={
            "replicate": np.arange(replicates),
            "time": ("time", time, {"units": "month", "long_name": "time"}),
        },
    )
    for name in PATHS:
        paths = np.array([r[f"{name}_path"] for r in runs])[:, ::every]
        ds[f"{name}_path"] = (("replicate", "time"), paths, attrs_of(name))
    if members:
        of_member = np.arange(slots) * industries // slots
        ds = ds.assign_coords(member=np.arange(slots), industry=("member", of_member))
        for name in OF_FIRMS:
            values = np.array([r[name] for r in runs])
            ds[name] = (("replicate", "member"), values, attrs_of(name))
        for name in ("member_trust", "member_benefit"):
            paths = np.array([r[f"{name}_path"] for r in runs])[:, ::every].transpose(0, 2, 1)
            ds[f"{name}_path"] = (("replicate", "member", "time"), paths, attrs_of(name))
    ds.attrs = {
        "model": "multiparty",
        "population": "slots",
        "seed": seed,
        "replicates": replicates,
        "horizon": horizon,
        "dt": dt,
        "time_unit": "month",
        "complete": True,
        "configuration": {
            "parameters": DEFAULTS | (parameters or {}),
            "structure": {"slots": slots, "industries": industries},
        },
    }
    return ds


def study(
    axes: dict[str, list[float]], *, parameters: dict[str, float] | None = None, **options: Any
) -> xr.Dataset:
    """Return a study's result over a grid: statistics, kept replicates, members and states."""
    points = []
    for i, values in enumerate(itertools.product(*axes.values())):
        point = (parameters or {}) | dict(zip(axes, values, strict=True))
        points.append(simulated(parameters=point, first=i * 2**24, **options))
    names = [*OUTPUTS, *(f"{name}_path" for name in PATHS), *OF_FIRMS]
    shape = tuple(len(values) for values in axes.values())
    ds = xr.Dataset(coords=points[0].coords)
    for name, values in axes.items():
        ds = ds.assign_coords({name: (name, np.array(values, dtype=float), attrs_of(name))})
    for name in names:
        first = points[0][name]
        stacked = np.array([point[name].values for point in points]).reshape(*shape, *first.shape)
        ds[name] = ((*axes, *first.dims), stacked, first.attrs)
    ds.attrs = points[0].attrs | {
        "configuration": {
            "parameters": {
                k: v for k, v in (DEFAULTS | (parameters or {})).items() if k not in axes
            },
            "structure": points[0].attrs["configuration"]["structure"],
        }
    }
    return with_statistics(ds)


def with_statistics(ds: xr.Dataset) -> xr.Dataset:
    n = ds.sizes["replicate"]
    found = {}
    for name in OUTPUTS:
        mean, what = ds[name].mean("replicate"), name.replace("_", " ")
        found[f"{name}_mean"] = mean.assign_attrs(attrs_of(name) | {"long_name": f"mean {what}"})
        found[f"{name}_count"] = xr.full_like(mean, float(n))
        if name == "collapsed":
            reach = 1.96 * np.sqrt(mean * (1 - mean) / n)
            found["collapsed_low"], found["collapsed_high"] = mean - reach, mean + reach
        else:
            found[f"{name}_stderr"] = ds[name].std("replicate", ddof=1) / math.sqrt(n)
    return ds.assign(found)
