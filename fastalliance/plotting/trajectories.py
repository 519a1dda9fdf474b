"""Trajectories of single replicates: small multiples, one panel per state quantity."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fastalliance.errors import DesignError
from fastalliance.plotting.fans import (
    COLOURS,
    MAX_LINES,
    STYLES,
    draw_fan,
    draw_single,
    fan_handles,
)
from fastalliance.plotting.figure import (
    BLUE,
    GREY,
    LABEL_SIZE,
    SMALL_SIZE,
    TITLE_SIZE,
    check_path,
    new_figure,
    save,
    tidy,
)
from fastalliance.plotting.labels import fixed_note, title, with_unit
from fastalliance.plotting.marks import mark_handles, mark_times
from fastalliance.plotting.member_paths import draw_members
from fastalliance.plotting.paths import (
    REPLICATE,
    STEPPED,
    STORY,
    TIME,
    Quantities,
    by_replicate,
    member_paths,
    quantities,
    quantity_label,
    time_unit,
)
from fastalliance.plotting.schema import FloatArray, as_array, select
from fastalliance.plotting.stacks import draw_stacks

if TYPE_CHECKING:
    import xarray as xr

_NO_PARAMETERS = ("replicate", "time", "quantile", "point")
_MAX_NAMED = 6  # parameters above a figure
_LINE_LENGTH = 80  # characters


def plot_trajectories(
    ds: xr.Dataset,
    *,
    path: str | os.PathLike[str] | None = None,
    at: Mapping[str, float | str] | None = None,
) -> Figure:
    """Draw recorded states over time, one panel per quantity, both partners' in one panel.

    Up to 50 replicates are drawn as lines, more as median and quantile bands. A single
    replicate's dissolution or collapse is marked where the outputs have its time, and so are
    forced exits. An alliance of which membership and trust are recorded shows these two over each
    other, and several replicates in the colours of their fates. Where its members' states are
    recorded, every member's trust is a line in the shade of its centrality, down to the dot at
    which it leaves.

    Parameters
    ----------
    ds : Dataset
        Variables ``X_path(replicate, time)``, as `simulate` with ``record_every`` returns them,
        or with ``members=True`` too ``member_X_path(replicate, member, time)`` of one replicate.
    path : str or path, optional
        Where to save the figure: ``.png``, ``.svg`` or ``.pdf``. An existing plot is replaced.
    at : mapping of str to float, optional
        For trajectories of a study: the point of the design, one value per axis.

    Returns
    -------
    Figure
        A matplotlib figure that is not registered with pyplot.

    Raises
    ------
    DesignError
        There are no trajectories, or axes of a design are left, or there are members' states of
        several replicates.
    ConfigError
        The path has another suffix.
    FastAllianceError
        The file cannot be written.
    """
    if path is not None:
        check_path(path)
    chosen, fixed = select(ds, at)
    found = _quantities(chosen) if not member_paths(chosen) else {}
    if member_paths(chosen):
        figure, n = draw_members(chosen), 1
    elif set(STORY) <= set(found):
        figure, n = draw_stacks(chosen, None), _n_replicates(chosen, found)
    else:
        figure, n = _draw_quantities(chosen, found), _n_replicates(chosen, found)
    heading = title(chosen, n, number=_only_replicate(chosen))
    above = [heading, _point_note(chosen, fixed)]
    figure.suptitle("\n".join(filter(None, above)), fontsize=TITLE_SIZE)
    if path is not None:
        save(figure, path)
    return figure


def _draw_quantities(ds: xr.Dataset, found: Quantities) -> Figure:
    """Draw a panel for each quantity, both partners' states in one."""
    figure, panels = _small_multiples(len(found), with_unit("time", time_unit(ds)))
    for ax, (quantity, sides) in zip(panels, found.items(), strict=True):
        _draw_quantity(ax, ds, quantity, sides)
    _add_legend(figure, ds, found)
    return figure


def _point_note(ds: xr.Dataset, fixed: Mapping[str, xr.DataArray]) -> str:
    """Return at which point the replicates are: its varied parameters, or its number if many."""
    scalars = {str(name): c for name, c in ds.coords.items() if c.ndim == 0}
    varied = {name: c for name, c in scalars.items() if name not in _NO_PARAMETERS}
    if not fixed and len(varied) > _MAX_NAMED and "point" in ds.attrs:
        return f"at design point {ds.attrs['point']}"
    note = fixed_note({**varied, **fixed})
    return textwrap.fill(note, _LINE_LENGTH, break_long_words=False, break_on_hyphens=False)


def _quantities(ds: xr.Dataset) -> Quantities:
    found = quantities(ds)
    first = next(iter(next(iter(found.values())).values()))
    left = [str(d) for d in ds[first].dims if d not in (REPLICATE, TIME)]
    if left:
        choice = ", ".join(f"--at {dim}=VALUE" for dim in left)
        raise DesignError(f"trajectories are drawn for one point of a design: select it ({choice})")
    return found


def _small_multiples(n: int, time_label: str) -> tuple[Figure, list[Axes]]:
    n_columns = min(n, 3 if n > 4 else 2)
    n_rows = -(-n // n_columns)
    figure = new_figure(max(3.4 * n_columns, 5.0), 2.3 * n_rows + 0.9)
    panels: list[Axes] = []
    for i in range(n):
        share = panels[0] if panels else None
        panels.append(figure.add_subplot(n_rows, n_columns, i + 1, sharex=share))
    for i, ax in enumerate(panels):
        lowest = i + n_columns >= n
        ax.tick_params(labelbottom=lowest)
        if lowest:
            ax.set_xlabel(time_label, fontsize=LABEL_SIZE)
    return figure, panels


def _draw_quantity(ax: Axes, ds: xr.Dataset, quantity: str, sides: dict[str, str]) -> None:
    tidy(ax)
    time = as_array(ds["time"])
    extremes = []
    for side, name in sorted(sides.items()):
        values = by_replicate(ds[name])
        _draw_values(ax, time, values, side, stepped=quantity in STEPPED)
        extremes.append(values[np.isfinite(values)])
    unit = str(ds[next(iter(sides.values()))].attrs.get("units", "1"))
    ax.set_ylabel(quantity_label(ds, quantity, sides), fontsize=LABEL_SIZE)
    ax.set_xlim(time[0], time[-1])
    every = np.concatenate(extremes)
    share = unit == "1" and every.size and every.min() >= 0 and every.max() <= 1
    if share or not every.any():
        ax.set_ylim(-0.03, 1.03)
    mark_times([ax], ds)


def _draw_values(
    ax: Axes, time: FloatArray, values: FloatArray, side: str, *, stepped: bool
) -> None:
    colour, style = COLOURS[side], STYLES[side]
    if len(values) == 1:
        draw_single(ax, time, values[0], colour, style, stepped=stepped)
    else:
        bands = len(values) > MAX_LINES
        draw_fan(ax, time, values, colour, style, bands=bands, stepped=stepped)


def _add_legend(figure: Figure, ds: xr.Dataset, groups: Quantities) -> None:
    paired = any("b" in sides for sides in groups.values())
    handles: list[Artist] = []
    n_replicates = _n_replicates(ds, groups)
    for side in "ab" if paired else "":
        style = "-" if 1 < n_replicates <= MAX_LINES else STYLES[side]
        handles.append(
            Line2D([], [], color=COLOURS[side], lw=1.8, ls=style, label=f"partner {side}")
        )
    if n_replicates > MAX_LINES:
        handles += fan_handles(GREY if paired else BLUE)
    handles += mark_handles(ds)
    if handles:
        figure.legend(
            handles=handles,
            loc="outside lower center",
            ncols=len(handles) if len(groups) > 4 else 2,
            frameon=False,
            fontsize=SMALL_SIZE,
        )


def _n_replicates(ds: xr.Dataset, groups: Quantities) -> int:
    name = next(iter(next(iter(groups.values())).values()))
    return int(ds[name].sizes.get("replicate", 1))


def _only_replicate(ds: xr.Dataset) -> int | None:
    if "replicate" not in ds.coords or ds["replicate"].size != 1:
        return None
    return int(ds["replicate"].values.item())
