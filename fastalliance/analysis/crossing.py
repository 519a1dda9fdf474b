"""Tipping thresholds: where a probability crosses 1/2 along one axis of a design."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastalliance.errors import DesignError, suggestion

if TYPE_CHECKING:
    import xarray as xr

CrossingFlag = Literal["crossing", "always", "never", "not monotone", "missing"]
FLAGS: tuple[CrossingFlag, ...] = ("crossing", "always", "never", "not monotone", "missing")
LEVEL = 0.5

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Crossing:
    """Where a probability crosses 1/2 along an axis.

    Parameters
    ----------
    threshold : float
        Axis value of the crossing; NaN unless `flag` is "crossing".
    low, high : float
        Where the curves of the interval's ends cross 1/2, ``low <= threshold <= high``; NaN where
        that curve does not cross 1/2 on the axis, or no interval was given.
    flag : {"crossing", "always", "never", "not monotone", "missing"}
        "always" (at least 1/2) and "never" (below 1/2) hold at every axis value; "not monotone"
        means more than one crossing; "missing" that absent points leave the answer open.
    """

    threshold: float
    low: float
    high: float
    flag: CrossingFlag


def tipping_crossing(
    axis_values: ArrayLike,
    probability: ArrayLike,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
) -> Crossing:
    """Return where a probability crosses 1/2 along an axis, by linear interpolation.

    Sampling noise can carry an estimate over 1/2 and back more than once. Where an interval is
    given, such a curve counts as one crossing if its points that differ from 1/2 by more than the
    interval change sides exactly once: the middle one of the crossings between those sides.
    Otherwise it is "not monotone".

    Parameters
    ----------
    axis_values : array of shape (n,)
        In any order and unit.
    probability : array of shape (n,)
        Shares between 0 and 1; NaN where a point is missing.
    low, high : array of shape (n,), optional
        Ends of the interval of `probability` (95 % Wilson in results).

    Returns
    -------
    Crossing
        Threshold, its interval, and what kind of answer it is.

    Raises
    ------
    DesignError
        The arrays are not one-dimensional and of one length, or only one end is given.

    Examples
    --------
    >>> tipping_crossing([0.0, 0.5, 1.0], [0.0, 0.25, 0.75]).threshold
    0.75
    >>> tipping_crossing([0.0, 0.5, 1.0], [0.6, 0.7, 0.8]).flag
    'always'
    """
    if (low is None) != (high is None):
        raise DesignError("an interval has two ends: give both low and high, or neither")
    x, p = _vector(axis_values), _vector(probability)
    ends = None if low is None or high is None else (_vector(low), _vector(high))
    if any(v.size != x.size for v in (p, *(ends or ()))):
        raise DesignError("axis values, probability and interval must have one length")
    order = np.argsort(x, kind="stable")
    x, p = x[order], p[order]
    if ends is not None:
        ends = (ends[0][order], ends[1][order])
    present = np.isfinite(x) & np.isfinite(p)
    roots = _roots(x, p)
    change = ends and _only_change(ends[0][present], ends[1][present])
    flag = _flag(p[present], roots, change)
    if not present.all() and (flag in ("always", "never") or not np.isfinite(roots).all()):
        flag = "missing"
    if flag != "crossing":
        return Crossing(math.nan, math.nan, math.nan, flag)
    x_known, p_known = x[present], p[present]
    rising = bool(p_known[-1] >= LEVEL)
    if roots.size > 1 and change:
        before, after = change
        roots = roots[(x_known[before] <= roots) & (roots <= x_known[after])]
        rising = bool(p_known[after] >= LEVEL)
    threshold = float(roots[roots.size // 2])
    bounds = (math.nan, math.nan) if ends is None else _bounds(x, threshold, *ends, rising=rising)
    return Crossing(threshold, *bounds, flag)


def crossing_along(ds: xr.Dataset, output: str, dim: str) -> xr.Dataset:
    """Return the tipping threshold of a 0/1 output along one dimension of a grid.

    Parameters
    ----------
    ds : Dataset
        Result of a grid design, with ``<output>_mean``, ``<output>_low`` and ``<output>_high``.
    output : str
        Name of a 0/1 output, for example ``"success"``.
    dim : str
        Axis of the grid along which the crossing is sought, for example ``"initial_trust"``.

    Returns
    -------
    Dataset
        ``threshold``, ``threshold_low``, ``threshold_high`` (unit of `dim`) and ``flag`` (code of
        `FLAGS`, named in its attribute ``flag_meanings``) over the other dimensions.

    Raises
    ------
    DesignError
        The dataset has no such 0/1 output or no such axis.
    """
    import xarray as xr

    curves = [ds[name] for name in _interval_names(ds, output)]
    if dim not in curves[0].dims or dim not in ds.coords:
        axes = [str(d) for d in curves[0].dims if d in ds.coords]
        raise DesignError(f"{output} has no grid axis {dim!r}{suggestion(dim, axes)}")
    mean, low, high = (np.moveaxis(c.values, c.dims.index(dim), -1) for c in curves)
    x = ds[dim].values
    shape = mean.shape[:-1]
    numbers = np.full((3, *shape), np.nan)
    flags = np.zeros(shape, dtype=np.int8)
    for index in np.ndindex(shape):
        found = tipping_crossing(x, mean[index], low[index], high[index])
        numbers[(slice(None), *index)] = found.threshold, found.low, found.high
        flags[index] = FLAGS.index(found.flag)
    others = [d for d in curves[0].dims if d != dim]
    result = xr.Dataset(coords={d: ds.coords[d] for d in others if d in ds.coords})
    columns = dict(zip(("threshold", "threshold_low", "threshold_high"), numbers, strict=True))
    attrs = {name: _threshold_attributes(ds, output, dim, name) for name in columns}
    for name, values in {**columns, "flag": flags}.items():
        # fastpath: xarray would import dask.array, in half a second, to see that this is an array
        described = attrs.get(name) or _flag_attributes(output)
        result[name] = xr.Variable(others, values, described, fastpath=True)
    return result


def _vector(values: ArrayLike) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise DesignError(f"a crossing is sought along one axis, got {array.ndim} dimensions")
    return array


def _roots(x: FloatArray, p: FloatArray) -> FloatArray:
    """Return where the curve crosses 1/2, in order; NaN for a crossing inside a gap."""
    present = np.flatnonzero(np.isfinite(x) & np.isfinite(p))
    above = p[present] >= LEVEL
    steps = np.flatnonzero(above[1:] != above[:-1])
    i, j = present[steps], present[steps + 1]
    roots = x[i] + (LEVEL - p[i]) / (p[j] - p[i]) * (x[j] - x[i])
    return np.where(j == i + 1, roots, np.nan)


def _only_change(low: FloatArray, high: FloatArray) -> tuple[int, int] | None:
    """Return the points between which the interval changes its side of 1/2, if it does so once."""
    side = (low > LEVEL).astype(np.int8) - (high < LEVEL)
    decided = np.flatnonzero(side)
    changes = np.flatnonzero(np.diff(side[decided]))
    if changes.size != 1:
        return None
    return int(decided[changes[0]]), int(decided[changes[0] + 1])


def _flag(p: FloatArray, roots: FloatArray, change: tuple[int, int] | None) -> CrossingFlag:
    if p.size == 0:
        return "missing"
    if roots.size == 0:
        return "always" if p[0] >= LEVEL else "never"
    if roots.size == 1:
        return "crossing"
    return "not monotone" if change is None or roots.size % 2 == 0 else "crossing"


def _bounds(
    x: FloatArray, threshold: float, low: FloatArray, high: FloatArray, *, rising: bool
) -> tuple[float, float]:
    """Return the outermost crossings of the interval's ends on either side of `threshold`."""
    before, after = (
        (_roots(x, high), _roots(x, low)) if rising else (_roots(x, low), _roots(x, high))
    )
    before, after = before[before <= threshold], after[after >= threshold]
    return (
        float(before[0]) if before.size else math.nan,
        float(after[-1]) if after.size else math.nan,
    )


def _interval_names(ds: xr.Dataset, output: str) -> tuple[str, str, str]:
    names = [str(name) for name in ds.data_vars]
    binary = [n.removesuffix("_low") for n in names if n.endswith("_low")]
    binary = [n for n in binary if f"{n}_mean" in names and f"{n}_high" in names]
    if output not in binary:
        raise DesignError(f"there is no 0/1 output {output!r}{suggestion(output, binary)}")
    return f"{output}_mean", f"{output}_low", f"{output}_high"


def _threshold_attributes(ds: xr.Dataset, output: str, dim: str, name: str) -> dict[str, str]:
    axis = str(ds[dim].attrs.get("long_name", dim.replace("_", " ")))
    what = {
        "threshold": "where the estimate crosses 1/2, by linear interpolation",
        "threshold_low": "where an end of the estimate's 95 % interval first crosses 1/2",
        "threshold_high": "where an end of the estimate's 95 % interval last crosses 1/2",
    }[name]
    return {
        "long_name": f"{name.replace('_', ' ')} of {axis}",
        "units": str(ds[dim].attrs.get("units", "1")),
        "description": f"Value of {axis} at which the mean of {output} is 1/2: {what}.",
    }


def _flag_attributes(output: str) -> dict[str, object]:
    return {
        "long_name": "kind of threshold",
        "units": "1",
        "description": f"Whether the mean of {output} crosses 1/2 once along the axis.",
        "flag_values": np.arange(len(FLAGS), dtype=np.int8),
        "flag_meanings": " ".join(flag.replace(" ", "_") for flag in FLAGS),
    }
