"""Reading result Datasets: which outputs they hold, where, and with what interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastalliance.analysis.selection import POINT, RAW_DIMS, chosen_indices
from fastalliance.errors import DesignError, suggestion

if TYPE_CHECKING:
    import xarray as xr

FloatArray = NDArray[np.float64]

# 97.5 % point of the normal distribution: half the width of a 95 % interval in standard errors.
Z95 = 1.959963984540054


def output_names(ds: xr.Dataset) -> list[str]:
    """Return the names of the outputs, ratios and shares that `ds` has statistics of."""
    names = {str(name): set(map(str, ds[name].dims)) for name in ds.data_vars}
    found = []
    for name, dims in names.items():
        if dims & RAW_DIMS:
            continue
        if name.endswith("_mean") and f"{name.removesuffix('_mean')}_count" in names:
            found.append(name.removesuffix("_mean"))
        elif f"{name}_stderr" in names:  # a ratio, whatever its name ends in
            found.append(name)
        elif name.endswith("_share"):
            found.append(name.removesuffix("_share"))
    return found


def is_binary(ds: xr.Dataset, output: str) -> bool:
    """Return whether `output` is a 0/1 output: its mean is a probability with an interval."""
    return all(f"{output}_{part}" in ds.data_vars for part in ("mean", "low", "high"))


def estimate_name(ds: xr.Dataset, output: str) -> str:
    """Return the name of the variable with the estimate of `output`."""
    if f"{output}_stderr" in ds.data_vars and f"{output}_mean" not in ds.data_vars:
        return output
    names = (f"{output}_mean", f"{output}_share", output)
    return next(name for name in names if name in ds.data_vars)


def check_outputs(ds: xr.Dataset, outputs: list[str]) -> None:
    """Raise DesignError unless `ds` has statistics of every one of `outputs`."""
    known = output_names(ds)
    if not known:
        raise DesignError(
            "the dataset has no statistics to plot (X_mean with X_count); "
            "trajectories of single replicates are drawn by plot_trajectories"
        )
    for output in outputs:
        if output not in known:
            raise DesignError(f"there is no output {output!r} to plot{suggestion(output, known)}")


def default_output(ds: xr.Dataset) -> str:
    """Return "success", else "collapsed", else the first 0/1 output, else the first output."""
    check_outputs(ds, [])
    known = output_names(ds)
    binary = [name for name in known if is_binary(ds, name)]
    return next((name for name in ("success", "collapsed") if name in known), [*binary, *known][0])


def companion_output(ds: xr.Dataset, first: str) -> str | None:
    """Return what a second panel shows beside `first`, or None.

    That is "joint_value", "trust" or "exit_share", else the first real output: those with a unit
    come before shares, which mostly repeat the probability.
    """
    dims = ds[estimate_name(ds, first)].dims
    known = [n for n in output_names(ds) if n != first and f"{n}_stderr" in ds.data_vars]
    known = [n for n in known if ds[estimate_name(ds, n)].dims == dims]
    for name in ("joint_value", "trust", "exit_share"):
        if name in known:
            return name
    with_unit = [n for n in known if ds[estimate_name(ds, n)].attrs.get("units", "1") != "1"]
    return next(iter(with_unit + known), None)


def inseparable_output(ds: xr.Dataset, first: str) -> str | None:
    """Return what is shown with `first` in every picture, as trust is with collapse, or None."""
    known = output_names(ds)
    return "trust" if first == "collapsed" and {"membership", "trust"} <= set(known) else None


def interval(ds: xr.Dataset, output: str) -> tuple[FloatArray, FloatArray] | None:
    """Return the ends of the 95 % interval of the estimate of `output`, if it has one.

    A single replicate has none worth drawing: Wilson's would be 0 to 0.79 or 0.21 to 1.
    """
    if ds.attrs.get("replicates") == 1:
        return None
    if is_binary(ds, output):
        return as_array(ds[f"{output}_low"]), as_array(ds[f"{output}_high"])
    if f"{output}_stderr" not in ds.data_vars:
        return None
    middle = as_array(ds[estimate_name(ds, output)])
    reach = Z95 * as_array(ds[f"{output}_stderr"])
    return middle - reach, middle + reach


def as_array(variable: xr.DataArray) -> FloatArray:
    """Return the values of `variable` in memory as float64."""
    return np.asarray(variable.values, dtype=np.float64)


def select(
    ds: xr.Dataset, at: Mapping[str, float | str] | None
) -> tuple[xr.Dataset, dict[str, xr.DataArray]]:
    """Return `ds` at the coordinates nearest to `at`, and the coordinates that were fixed.

    Axes of length 1 are fixed too. The remaining grid axes are in increasing order.

    Raises
    ------
    DesignError
        `at` names no axis of `ds`, or a value outside that axis.
    """
    indices = chosen_indices(ds, at)
    raw = {*RAW_DIMS, "quantile"}
    for axis, size in ds.sizes.items():
        if size == 1 and str(axis) not in raw:
            indices.setdefault(str(axis), 0)
    chosen = ds.isel(indices)
    fixed = {
        str(n): c
        for n, c in chosen.coords.items()
        if c.ndim == 0 and set(ds[n].dims) & set(indices)
    }
    grid = [d for d in chosen.dims if d in chosen.indexes and str(d) not in {*raw, POINT}]
    return (chosen.sortby(grid) if grid else chosen), fixed
