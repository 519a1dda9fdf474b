"""Recorded states of a result: which there are, and which belong into one panel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastalliance.errors import DesignError, suggestion
from fastalliance.plotting.labels import label, with_unit
from fastalliance.plotting.schema import FloatArray, as_array

if TYPE_CHECKING:
    import xarray as xr

REPLICATE, MEMBER, TIME = "replicate", "member", "time"
_SUFFIX = "_path"
# What the story of an alliance is told by, where both are there.
STORY = ("membership", "trust")

# What changes when somebody leaves or enters, and stays as it is in between.
STEPPED = ("membership", "exits")

# Quantity -> side ("a", "b", or "" for an unpaired one) -> variable.
Quantities = dict[str, dict[str, str]]


def quantities(ds: xr.Dataset) -> Quantities:
    """Return the recorded quantities of alliances, a pair of partners' states as one.

    Raises
    ------
    DesignError
        There are none.
    """
    paths = [str(n) for n in ds.data_vars if str(n).endswith(_SUFFIX) and TIME in ds[n].dims]
    states = [name.removesuffix(_SUFFIX) for name in paths if MEMBER not in ds[name].dims]
    if not states:
        raise DesignError(
            "the dataset has no trajectories (X_path): simulate with record_every, "
            "or keep trajectories in the study"
        )
    groups: Quantities = {}
    for state in states:
        quantity, _, side = state.rpartition("_")
        paired = side in ("a", "b") and {f"{quantity}_a", f"{quantity}_b"} <= set(states)
        key, side = (quantity, side) if paired else (state, "")
        groups.setdefault(key, {})[side] = state + _SUFFIX
    return groups


def story(found: Quantities) -> Quantities:
    """Return membership and trust where both are recorded, otherwise everything."""
    return {name: found[name] for name in STORY} if set(STORY) <= set(found) else found


def named(found: Quantities, names: Sequence[str]) -> Quantities:
    """Return the quantities of these names; one partner's state ("trust_a") is one too.

    Raises
    ------
    DesignError
        A name is none of them.
    """
    single = {
        variable.removesuffix(_SUFFIX): {side: variable}
        for sides in found.values()
        for side, variable in sides.items()
    }
    known = {**single, **found}
    for name in names:
        if name not in known:
            raise DesignError(f"there are no trajectories of {name!r}{suggestion(name, known)}")
    return {name: known[name] for name in names}


def member_paths(ds: xr.Dataset) -> list[str]:
    """Return the recorded states of members."""
    return [str(n) for n, v in ds.data_vars.items() if {MEMBER, TIME} <= set(v.dims)]


def quantity_label(ds: xr.Dataset, quantity: str, sides: dict[str, str]) -> str:
    """Return the label of a quantity's axis."""
    first = ds[next(iter(sides.values()))]
    words = quantity.replace("_", " ")
    if len(sides) > 1:
        return with_unit(words, str(first.attrs.get("units", "1")))
    return label(first, words)


def by_replicate(variable: xr.DataArray) -> FloatArray:
    """Return the values as (replicate, time)."""
    if REPLICATE not in variable.dims:
        return as_array(variable)[None, :]
    return as_array(variable.transpose(REPLICATE, TIME))


def time_unit(ds: xr.Dataset) -> str:
    """Return the unit of time."""
    return str(ds[TIME].attrs.get("units", ds.attrs.get("time_unit", "1")))
