"""Parameters and sizes of a result, whether they vary over the design or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastalliance.analysis.members import size_name

if TYPE_CHECKING:
    import xarray as xr


def parameter(ds: xr.Dataset, name: str) -> float | None:
    """Return a parameter's value; None where it varies or is not known."""
    return _value(ds, "parameters", name)


def varies(ds: xr.Dataset, name: str) -> bool:
    """Return whether a parameter or size varies over the points that `ds` has."""
    return name in ds.coords and bool(ds[name].ndim)


def n_members(ds: xr.Dataset) -> float | None:
    """Return the size of an alliance; None where it varies or is not known."""
    name = size_name(ds)
    found = _value(ds, "structure", name)
    if found is None and "member" in ds.sizes and not varies(ds, name):
        return float(ds.sizes["member"])
    return found


def _value(ds: xr.Dataset, section: str, name: str) -> float | None:
    if varies(ds, name):
        return None
    if name in ds.coords:
        return float(ds[name])
    found = (ds.attrs.get("configuration", {}).get(section) or {}).get(name)
    return None if found is None else float(found)
