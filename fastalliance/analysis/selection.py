"""Points of a design chosen by the values of its axes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fastalliance.analysis.choices import names_of_codes
from fastalliance.errors import DesignError, exact, suggestion

if TYPE_CHECKING:
    import xarray as xr

POINT = "point"
RAW_DIMS = frozenset({"replicate", "time", "member"})


def chosen_indices(ds: xr.Dataset, at: Mapping[str, float | str] | None) -> dict[str, int]:
    """Return where along each axis that `at` fixes its value stands.

    That is the coordinate nearest to a number, and a choice of that name or code.

    Raises
    ------
    DesignError
        `at` names no axis of `ds`, or a value outside that axis.
    """
    return {dim: _index(ds, dim, value) for dim, value in (at or {}).items()}


def _index(ds: xr.Dataset, dim: str, value: float | str) -> int:
    axes = [str(d) for d in ds.dims if d in ds.coords and d not in ("quantile", *RAW_DIMS)]
    if POINT in ds.dims:
        axes.append(POINT)
    if dim not in axes:
        raise DesignError(f"the design has no axis {dim!r} to select on{suggestion(dim, axes)}")
    values = np.asarray(ds[dim].values, dtype=np.float64)
    names = names_of_codes(ds[dim])
    codes = {name: code for code, name in names.items()}
    try:
        number = codes[value] if isinstance(value, str) and value in codes else float(value)
    except (TypeError, ValueError):
        number = np.nan
    same = np.flatnonzero(values == number)
    if same.size:
        return int(same[0])
    if names:
        there = [names.get(code, exact(code)) for code in values.tolist()]
        raise DesignError(f"the axis {dim} has no value {value!r}{suggestion(str(value), there)}")
    if np.isnan(number):
        raise DesignError(f"{dim} is selected by a number, got {value!r}")
    return _nearest(dim, values, number)


def _nearest(dim: str, values: npt.NDArray[np.float64], value: float) -> int:
    finite = values[np.isfinite(values)]
    if not (finite.size and finite.min() <= value <= finite.max()):
        span = f"{finite.min():.12g}..{finite.max():.12g}" if finite.size else "no finite value"
        raise DesignError(f"{dim} = {exact(value)} lies outside the design's axis ({span})")
    return int(np.nanargmin(np.abs(np.where(np.isfinite(values), values, np.nan) - value)))
