"""Vertical lines over time: when members are forced to leave, and when a replicate ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from fastalliance.plotting.figure import GREY
from fastalliance.plotting.labels import plain
from fastalliance.plotting.parameters import parameter, varies
from fastalliance.plotting.paths import time_unit
from fastalliance.plotting.schema import as_array

if TYPE_CHECKING:
    import xarray as xr

_SEEDS: dict[str, Any] = {"color": GREY, "lw": 1.0, "ls": ":"}
_END: dict[str, Any] = {"color": GREY, "lw": 1.0, "ls": "--"}
_ENDS = ("dissolution", "collapse")


def mark_times(axes: Sequence[Axes], ds: xr.Dataset) -> None:
    """Draw the lines of a point of the design."""
    seeds, ended = _seed_time(ds), _end(ds)
    for ax in axes:
        if seeds is not None:
            ax.axvline(seeds, **_SEEDS)
        if ended is not None:
            ax.axvline(ended[1], **_END)


def mark_handles(ds: xr.Dataset) -> list[Artist]:
    """Return the legend's entries of the lines of all points of `ds`."""
    handles: list[Artist] = []
    if _seed_time(ds) is not None or varies(ds, "seed_exits") or varies(ds, "seed_time"):
        handles.append(Line2D([], [], label=_seeds_text(ds), **_SEEDS))
    ended = _end(ds)
    if ended is not None:
        unit = time_unit(ds)
        text = f"{ended[0]} time {ended[1]:g}" + (f" {unit}" if unit != "1" else "")
        handles.append(Line2D([], [], label=plain(text), **_END))
    return handles


def _seed_time(ds: xr.Dataset) -> float | None:
    return parameter(ds, "seed_time") if parameter(ds, "seed_exits") else None


def _seeds_text(ds: xr.Dataset) -> str:
    """Return "3 forced exits (month 12)", as far as it is the same everywhere."""
    number, when = parameter(ds, "seed_exits"), parameter(ds, "seed_time")
    text = "forced exits" if number is None else f"{number:g} forced exits"
    if number == 1:
        text = text.removesuffix("s")
    return text if when is None else plain(f"{text} ({time_unit(ds)} {when:g})")


def _end(ds: xr.Dataset) -> tuple[str, float] | None:
    """Return how and when the only replicate ended; None for several, or if it did not."""
    for end in _ENDS:
        name = f"{end}_time"
        if name in ds.data_vars and ds[name].size == 1:
            when = float(as_array(ds[name]).item())
            if np.isfinite(when) and not _survived(ds, when):
                return end, when
    return None


def _survived(ds: xr.Dataset, when: float) -> bool:
    """Return whether the time is only the horizon of an alliance that did not collapse."""
    intact = "collapsed" in ds.data_vars and not as_array(ds["collapsed"]).any()
    return intact and when >= float(ds.attrs.get("horizon", np.inf))
