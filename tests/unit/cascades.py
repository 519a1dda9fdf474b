"""Results of exit cascades in the schema of studies, made by plain NumPy and the plainest loops.

What every member saw in every period is recorded on the way, for comparison.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import xarray as xr

from tests.oracle.exit_cascade import DEFAULTS

RULES = {"flag_values": [-1.0, 0.0, 1.0], "flag_meanings": "peripheral random central"}


class Seen:
    """What members saw: arrays (steps, members) of one alliance, NaN where they had left."""

    def __init__(self, n_steps: int, n_members: int) -> None:
        self.pressure, self.industry, self.alliance, self.ties = np.full(
            (4, n_steps, n_members), np.nan
        )
        self.thresholds = np.empty(n_members)


def simulate(
    p: dict[str, float],
    industries: np.ndarray,
    adjacency: np.ndarray | None,
    n_steps: int,
    dt: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, Seen]:
    """Return exit times and centralities of one alliance, and what its members saw."""
    n = industries.size
    b = rng.random(n) ** p["centrality_skew"]
    xi = rng.exponential(size=n)
    theta = p["threshold_mean"] + p["threshold_sd"] * rng.normal(size=n)
    score = p["seed_rule"] * b + (1 - abs(p["seed_rule"])) * rng.random(n)
    exit_time = np.full(n, np.nan)
    exit_time[np.argsort(-score, kind="stable")[: int(p["seed_exits"])]] = 0.0
    m = 1 + p["prominence_weight"] * b
    influence = np.where(exit_time == 0.0, 1.0, 0.0)  # of each member's exit, faded
    hazard = np.zeros(n)
    seen = Seen(n_steps, n)
    seen.thresholds = theta
    for k in range(n_steps):
        uncertainty = p["uncertainty"] * 2 ** (-k * dt / p["uncertainty_halflife"])
        inside = np.flatnonzero(np.isnan(exit_time))
        leaving = []
        for i in inside:
            peers = (industries == industries[i]) & (np.arange(n) != i)
            others = np.arange(n) != i
            neighbours = adjacency[i] if adjacency is not None else np.zeros(n, dtype=bool)
            seen.industry[k, i] = _share(m * influence, m, peers)
            seen.alliance[k, i] = _share(m * influence, m, others)
            seen.ties[k, i] = _share(influence, np.ones(n), neighbours)
            x = (
                p["industry_weight"] * seen.industry[k, i]
                + p["alliance_weight"] * seen.alliance[k, i]
                + p["tie_weight"] * seen.ties[k, i]
            )
            pressure = uncertainty * (1 - p["immunity"] * b[i]) * x
            seen.pressure[k, i] = pressure
            hazard[i] += p["base_hazard"] * math.exp(p["imitation"] * pressure) * dt
            if pressure >= theta[i] - 1e-9 or hazard[i] >= xi[i]:
                leaving.append(i)
        influence *= math.exp(-dt / p["memory"])
        exit_time[leaving] = (k + 1) * dt
        influence[leaving] += 1.0
    return exit_time, b, seen


def _share(left: np.ndarray, whole: np.ndarray, of: np.ndarray) -> float:
    return float(left[of].sum() / whole[of].sum()) if of.any() else 0.0


def cascades(
    *,
    members: int = 20,
    industries: int = 4,
    replicates: int = 6,
    horizon: float = 12.0,
    dt: float = 1.0,
    seed: int = 1,
    adjacency: list[np.ndarray] | None = None,
    points: dict[str, list[float]] | None = None,
    parameters: dict[str, float] | None = None,
    **axes: list[float],
) -> tuple[xr.Dataset, dict[tuple[int, int], Seen]]:
    """Return a study's result over a grid of `axes`, or over a table of `points`.

    And what members saw, by number of the point and of the replicate.
    """
    varied = points if points is not None else axes
    dims = ("point",) if points is not None else tuple(axes)
    if points is not None:
        rows: list[tuple[float, ...]] = list(zip(*points.values(), strict=True))
        shape: tuple[int, ...] = (len(rows),)
    else:
        rows = list(itertools.product(*axes.values()))
        shape = tuple(len(values) for values in axes.values())
    fixed = {**DEFAULTS, **(parameters or {})}
    of_member = np.arange(members) * industries // members
    rng = np.random.default_rng(seed)
    n_steps = round(horizon / dt)
    exit_time, centrality = np.empty((2, len(rows), replicates, members))
    seen = {}
    for j, row in enumerate(rows):
        p = {**fixed, **dict(zip(varied, row, strict=True))}
        for r in range(replicates):
            graph = adjacency[r % len(adjacency)] if adjacency else None
            found = simulate(p, of_member, graph, n_steps, dt, rng)
            exit_time[j, r], centrality[j, r], seen[j, r] = found
    ds = _dataset(exit_time, centrality, of_member, dims, shape, varied)
    structure: dict[str, Any] = {"members": members, "industries": industries}
    if adjacency:
        structure["network"] = {"kind": "given"}
    ds.attrs = {
        "model": "exit_cascade",
        "seed": seed,
        "replicates": replicates,
        "horizon": horizon,
        "dt": dt,
        "time_unit": "quarter",
        "complete": True,
        "configuration": {
            "model": "exit_cascade",
            "parameters": {k: v for k, v in fixed.items() if k not in varied},
            "structure": structure,
        },
    }
    return _with_outputs(ds, {**fixed}), seen


def _dataset(
    exit_time: np.ndarray,
    centrality: np.ndarray,
    industries: np.ndarray,
    dims: tuple[str, ...],
    shape: tuple[int, ...],
    varied: dict[str, list[float]],
) -> xr.Dataset:
    full = (*shape, *exit_time.shape[1:])
    raw = (*dims, "replicate", "member")
    coords: dict[str, Any] = {
        name: (
            name if name in dims else dims,
            np.asarray(values, dtype=float),
            {"long_name": name.replace("_", " "), "units": "1"}
            | (RULES if name == "seed_rule" else {}),
        )
        for name, values in varied.items()
    }
    if "point" in dims:
        coords["point"] = np.arange(shape[0])
    coords["replicate"] = np.arange(full[-2])
    coords["member"] = np.arange(full[-1])
    coords["industry"] = ("member", industries, {"long_name": "industry", "units": "1"})
    return xr.Dataset(
        {
            "exit_time": (raw, exit_time.reshape(full), {"units": "quarter"}),
            "centrality": (raw, centrality.reshape(full), {"units": "1"}),
        },
        coords=coords,
    )


def _with_outputs(ds: xr.Dataset, p: dict[str, float]) -> xr.Dataset:
    """Add kept replicates and their statistics."""
    n = ds.sizes["replicate"]
    left = ds["exit_time"].notnull().sum("member")
    share = left / ds.sizes["member"]
    seeds = p["seed_exits"]
    outputs = {
        "exit_share": share,
        "cascade_share": (left - seeds) / (ds.sizes["member"] - seeds),
        "collapsed": (share >= p["collapse_share"]).astype(float),
    }
    found = {}
    for name, values in outputs.items():
        words = name.replace("_", " ")
        found[name] = values.assign_attrs(units="1", long_name=words)
        mean = values.mean("replicate")
        found[f"{name}_mean"] = mean.assign_attrs(units="1", long_name=f"mean {words}")
        found[f"{name}_count"] = xr.full_like(mean, float(n))
        if name == "collapsed":
            reach = 1.96 * np.sqrt(mean * (1 - mean) / n)
            found[f"{name}_mean"].attrs["long_name"] = f"probability of {words}"
            found[f"{name}_low"], found[f"{name}_high"] = mean - reach, mean + reach
        else:
            found[f"{name}_stderr"] = values.std("replicate", ddof=1) / math.sqrt(n)
    found["n_invalid"] = xr.zeros_like(found["collapsed_mean"])
    return ds.assign(found)
