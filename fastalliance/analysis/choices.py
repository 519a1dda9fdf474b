"""Codes of choices and categories, and their names as a result's attributes tell them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr


def names_of_codes(variable: xr.DataArray) -> dict[float, str]:
    """Return the names of the codes of a choice or category; empty for numbers.

    They stand in the attributes ``flag_values`` and ``flag_meanings``, as CF has it.
    """
    names = str(variable.attrs.get("flag_meanings", "")).split()
    return dict(zip(map(float, variable.attrs["flag_values"]), names, strict=True)) if names else {}
