"""Trajectories of alliances: a row for each recorded state, a stack for each design point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fastalliance.plotting.fans import (
    COLOURS,
    MAX_LINES,
    STYLES,
    draw_fan,
    draw_single,
    fan_handles,
)
from fastalliance.plotting.fates import Fate, fates
from fastalliance.plotting.figure import BLUE, GREY, SMALL_SIZE
from fastalliance.plotting.labels import is_complete, label
from fastalliance.plotting.marks import mark_handles, mark_times
from fastalliance.plotting.panels import Stack, legend_outside, say_missing, stacked_multiples
from fastalliance.plotting.paths import (
    REPLICATE,
    STEPPED,
    STORY,
    TIME,
    Quantities,
    by_replicate,
    named,
    quantities,
    quantity_label,
    story,
)
from fastalliance.plotting.schema import FloatArray, as_array

if TYPE_CHECKING:
    import xarray as xr

# A fate that few replicates share is lines: their quantiles would say little.
_FEW = MAX_LINES // 2


def draw_stacks(ds: xr.Dataset, outputs: Sequence[str] | None) -> Figure:
    """Draw the recorded states of a study's replicates, by default membership and trust.

    Every point of the design has a stack of panels. Where the result tells how each replicate
    ended, the two fates have their own fans.

    Raises
    ------
    DesignError
        The result holds no trajectories, or not of `outputs`, or too many points.
    """
    found = quantities(ds)
    shown = named(found, outputs) if outputs is not None else story(found)
    names = [name for sides in shown.values() for name in sides.values()]
    for name in names:
        ds[name].load()  # once, not part by part
    first = ds[names[0]]
    dims = [str(d) for d in first.dims if d not in (REPLICATE, TIME)]
    # Units below names: a row is no higher than a short name is long.
    labels = [quantity_label(ds, *item).replace(" [", "\n[") for item in shown.items()]
    figure, stacks = stacked_multiples(ds, dims, label(ds[TIME]), labels)
    for stack in stacks:
        _draw_stack(stack, shown, in_titles=bool(dims))
    _set_limits(stacks, shown)
    handles = _handles(ds, stacks, shown, in_titles=bool(dims))
    if handles:
        legend_outside(figure, handles)
    return figure


def n_recorded(ds: xr.Dataset) -> int:
    """Return how many replicates have trajectories, at the point that has most of them."""
    return int(_recorded(ds).sum(axis=-1).max(initial=0))


def _recorded(ds: xr.Dataset) -> npt.NDArray[np.bool_]:
    """Return which replicates (last axis) have trajectories."""
    first = ds[next(iter(next(iter(quantities(ds).values())).values()))]
    if REPLICATE not in first.dims:
        first = first.expand_dims(REPLICATE)
    return np.asarray(np.isfinite(as_array(first.transpose(..., REPLICATE, TIME))).any(axis=-1))


def _draw_stack(stack: Stack, shown: Quantities, *, in_titles: bool) -> None:
    part = stack.part
    time = as_array(part[TIME])
    recorded = _recorded(part)
    known = _fates(part)
    for ax, (quantity, sides) in zip(stack.axes, shown.items(), strict=True):
        for side, name in sorted(sides.items()):
            values = by_replicate(part[name])
            _draw_fates(ax, time, values, recorded, known, side, stepped=quantity in STEPPED)
    mark_times(stack.axes, part)
    if not recorded.any():
        say_missing(stack.axes[0], "no value" if is_complete(part) else "not computed yet")
    elif in_titles:
        _write_shares(stack.axes[0], known)


def _fates(part: xr.Dataset) -> list[Fate]:
    """Return the fates at a point; none of a single replicate, which is drawn as itself."""
    recorded = _recorded(part)
    return fates(part, recorded) if recorded.sum() > 1 else []


def _draw_fates(
    ax: Axes,
    time: FloatArray,
    values: FloatArray,
    recorded: npt.NDArray[np.bool_],
    known: list[Fate],
    side: str,
    *,
    stepped: bool,
) -> None:
    """Draw a state's recorded replicates, each fate in its colour."""
    style = STYLES[side]
    groups = [(fate.colour, fate.those) for fate in known]
    for colour, those in groups or [(COLOURS[side], recorded)]:
        if recorded.sum() == 1 and those.any():
            draw_single(ax, time, values[those][0], colour, style, stepped=stepped)
            continue
        few = len(groups) > 1 and those.sum() <= _FEW
        bands = bool(recorded.sum() > MAX_LINES and not few)
        draw_fan(ax, time, values[those], colour, style, bands=bands, stepped=stepped)


def _write_shares(ax: Axes, known: list[Fate]) -> None:
    """Write both shares in their colours above a stack, under its title."""
    if not known:
        return
    name = ax.get_title()
    ax.set_title(f"{name}\n", fontsize=SMALL_SIZE)  # the empty line is theirs
    better, worse = known
    ax.set_title(better.text, loc="left", fontsize=SMALL_SIZE, color=better.colour)
    ax.set_title(worse.text, loc="right", fontsize=SMALL_SIZE, color=worse.colour)


def _set_limits(stacks: list[Stack], shown: Quantities) -> None:
    """Let shares fill their axis, so that pictures of different studies compare."""
    time = as_array(stacks[0].part[TIME])
    stacks[0].axes[0].set_xlim(time[0], time[-1])
    for row, sides in enumerate(shown.values()):
        parts = [as_array(stack.part[name]) for stack in stacks for name in sides.values()]
        known = np.concatenate([part[np.isfinite(part)] for part in parts])
        unit = stacks[0].part[next(iter(sides.values()))].attrs.get("units", "1")
        share = str(unit) == "1" and known.size and known.min() >= 0 and known.max() <= 1
        if share or not known.any():
            stacks[0].axes[row].set_ylim(-0.03, 1.03)


def _handles(
    ds: xr.Dataset, stacks: list[Stack], shown: Quantities, *, in_titles: bool
) -> list[Artist]:
    handles: list[Artist] = []
    paired = any("b" in sides and "a" in sides for sides in shown.values())
    first = stacks[0].part
    known = fates(first, _recorded(first)) if n_recorded(ds) > 1 else []
    for fate in known:
        text = fate.name if in_titles else fate.text
        handles.append(Line2D([], [], color=fate.colour, lw=1.8, label=text))
    for side in "ab" if paired else "":
        colour = GREY if known else COLOURS[side]
        handles.append(
            Line2D([], [], color=colour, lw=1.8, ls=STYLES[side], label=f"partner {side}")
        )
    if n_recorded(ds) > MAX_LINES:
        handles += fan_handles(GREY if known or paired else BLUE)
    handles += mark_handles(ds)
    if _any_empty(ds, shown):
        # Left out, they would leave their fan to the few that are still there, whose trust is high.
        text = "without members, trust counts as 0"
        handles.append(Line2D([], [], ls="none", label=text))
    return handles


def _any_empty(ds: xr.Dataset, shown: Quantities) -> bool:
    """Return whether the trust of alliances is drawn that have no members left."""
    members, trust = (f"{name}_path" for name in STORY)
    if not any(trust in sides.values() for sides in shown.values()):
        return False
    return members in ds.data_vars and bool((as_array(ds[members]) == 0).any())
