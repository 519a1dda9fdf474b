"""The words on a figure: labels with units, title, notes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from fastalliance.analysis import names_of_codes
from fastalliance.plotting.schema import as_array, estimate_name, is_binary

if TYPE_CHECKING:
    import xarray as xr


def plain(text: object) -> str:
    """Return `text` such that matplotlib does not read dollar signs as mathematics."""
    return str(text).replace("$", r"\$")


def with_unit(name: object, unit: object) -> str:
    """Return ``"name [unit]"``; the unit of shares, "1", is left out."""
    return plain(name) if str(unit) in ("1", "") else f"{plain(name)} [{plain(unit)}]"


def label(variable: xr.DataArray, fallback: str | None = None) -> str:
    """Return name and unit of a variable or coordinate, from its attributes.

    `fallback` is used where there is no long name, or one that only spells out the variable's name
    ("success mean"), which reads worse on an axis.
    """
    spelled = str(variable.name).replace("_", " ")
    name = str(variable.attrs.get("long_name", spelled))
    return with_unit(
        fallback if fallback and name == spelled else name, variable.attrs.get("units", "1")
    )


# Of outputs that are named by a verb.
_NOUNS = {"collapsed": "collapse", "dissolved": "dissolution"}


def output_label(ds: xr.Dataset, output: str) -> str:
    """Return the label of the estimate of `output`."""
    name = estimate_name(ds, output)
    words = output.replace("_", " ")
    if output in _NOUNS and is_binary(ds, output):
        return f"probability of {_NOUNS[output]}"
    if name.endswith("_share"):
        fallback = f"share of {words}"
    elif name == output:
        fallback = words
    else:
        fallback = f"{words} probability" if is_binary(ds, output) else f"mean {words}"
    return label(ds[name], fallback)


def value_of(coordinate: xr.DataArray) -> str:
    """Return a scalar coordinate in words: ``"entry rate 0.1 [1/month]"``, ``"mode calm"``."""
    name = coordinate.attrs.get("long_name", str(coordinate.name).replace("_", " "))
    value = float(coordinate)
    number = names_of_codes(coordinate).get(value, f"{value:.4g}")
    return with_unit(f"{name} {number}", coordinate.attrs.get("units", "1"))


def title(
    ds: xr.Dataset,
    n_replicates: int | None,
    *,
    per_point: bool = False,
    number: int | None = None,
) -> str:
    """Return model, replicates and seed, as far as the attributes have them.

    `number` is that of the only replicate, where it is known.
    """
    parts = [plain(ds.attrs["model"])] if "model" in ds.attrs else []
    if number is not None:
        parts.append(f"replicate {number}")
    elif n_replicates is not None:
        noun = "replicate" if n_replicates == 1 else "replicates"
        parts.append(f"{n_replicates:,} {noun}" + (" per point" if per_point else ""))
    if "seed" in ds.attrs:
        parts.append(f"seed {ds.attrs['seed']}")
    return ", ".join(parts)


def fixed_note(fixed: Mapping[str, xr.DataArray]) -> str:
    """Return which axes were fixed at which values, or an empty text."""
    return "at " + ", ".join(value_of(c) for c in fixed.values()) if fixed else ""


def warnings_note(ds: xr.Dataset, output: str) -> str:
    """Return what a reader must know of a result: incomplete, invalid replicates; mostly empty."""
    notes = []
    if not is_complete(ds):
        notes.append(f"incomplete: {_progress(ds, output)}")
    if "n_invalid" in ds.data_vars:
        n_invalid = int(np.nansum(as_array(ds["n_invalid"])))
        if n_invalid:
            notes.append(f"{n_invalid:,} invalid replicates left out")
    return "; ".join(notes)


def is_complete(ds: xr.Dataset) -> bool:
    """Return whether the study behind `ds` has finished."""
    return bool(ds.attrs.get("complete", True))


def _progress(ds: xr.Dataset, output: str) -> str:
    if "tiles_done" in ds.attrs and "n_tiles" in ds.attrs:
        return f"{ds.attrs['tiles_done']:,} of {ds.attrs['n_tiles']:,} tiles"
    values = as_array(ds[estimate_name(ds, output)])
    return f"{np.count_nonzero(np.isfinite(values)):,} of {values.size:,} points"
