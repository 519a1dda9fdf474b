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
from matplotlib.patches import Patch

from fastalliance.errors import DesignError
from fastalliance.plotting.figure import (
    BLUE,
    GREY,
    LABEL_SIZE,
    ORANGE,
    SMALL_SIZE,
    TITLE_SIZE,
    check_path,
    new_figure,
    save,
    tidy,
)
from fastalliance.plotting.labels import fixed_note, label, plain, title, with_unit
from fastalliance.plotting.schema import FloatArray, as_array, select

if TYPE_CHECKING:
    import xarray as xr

# More lines than this are a blot; quantile bands say more.
MAX_LINES = 50
_SUFFIX = "_path"
_NO_PARAMETERS = ("replicate", "time", "quantile", "point")
_MAX_NAMED = 6  # parameters above a figure
_ENDS = ("dissolution", "collapse")
_LINE_LENGTH = 80  # characters
_COLOURS = {"": BLUE, "a": BLUE, "b": ORANGE}
# The second one dashed, so that the first shows below it where both are equal.
_STYLES = {"": "-", "a": "-", "b": (0, (4, 2))}
_BANDS = ((0.05, 0.95), (0.25, 0.75))


def plot_trajectories(
    ds: xr.Dataset,
    *,
    path: str | os.PathLike[str] | None = None,
    at: Mapping[str, float | str] | None = None,
) -> Figure:
    """Draw recorded states over time, one panel per quantity, both partners' in one panel.

    Up to 50 replicates are drawn as lines, more as median and quantile bands. A single
    replicate's dissolution or collapse is marked where the outputs have its time.

    Parameters
    ----------
    ds : Dataset
        Variables ``X_path(replicate, time)``, as `simulate` with ``record_every`` returns them.
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
        There are no trajectories, or axes of a design are left.
    ConfigError
        The path has another suffix.
    FastAllianceError
        The file cannot be written.
    """
    if path is not None:
        check_path(path)
    chosen, fixed = select(ds, at)
    groups = _groups(chosen)
    figure, panels = _small_multiples(len(groups), with_unit("time", _time_unit(chosen)))
    for ax, (quantity, sides) in zip(panels, groups.items(), strict=True):
        _draw_quantity(ax, chosen, quantity, sides)
    _add_legend(figure, chosen, groups)
    replicates = _n_replicates(chosen, groups)
    heading = title(chosen, replicates, number=_only_replicate(chosen))
    above = [heading, _point_note(chosen, fixed)]
    figure.suptitle("\n".join(filter(None, above)), fontsize=TITLE_SIZE)
    if path is not None:
        save(figure, path)
    return figure


def _point_note(ds: xr.Dataset, fixed: Mapping[str, xr.DataArray]) -> str:
    """Return at which point the replicates are: its varied parameters, or its number if many."""
    scalars = {str(name): c for name, c in ds.coords.items() if c.ndim == 0}
    varied = {name: c for name, c in scalars.items() if name not in _NO_PARAMETERS}
    if not fixed and len(varied) > _MAX_NAMED and "point" in ds.attrs:
        return f"at design point {ds.attrs['point']}"
    note = fixed_note({**varied, **fixed})
    return textwrap.fill(note, _LINE_LENGTH, break_long_words=False, break_on_hyphens=False)


def _groups(ds: xr.Dataset) -> dict[str, dict[str, str]]:
    """Return quantity -> side ("a", "b", or "" for an unpaired one) -> variable."""
    paths = [str(n) for n in ds.data_vars if str(n).endswith(_SUFFIX) and "time" in ds[n].dims]
    if not paths:
        raise DesignError(
            "the dataset has no trajectories (X_path): simulate with record_every, "
            "or keep trajectories in the study"
        )
    left = [str(d) for d in ds[paths[0]].dims if d not in ("replicate", "time")]
    if left:
        choice = ", ".join(f"--at {dim}=VALUE" for dim in left)
        raise DesignError(f"trajectories are drawn for one point of a design: select it ({choice})")
    states = [name.removesuffix(_SUFFIX) for name in paths]
    groups: dict[str, dict[str, str]] = {}
    for state in states:
        quantity, _, side = state.rpartition("_")
        paired = side in ("a", "b") and {f"{quantity}_a", f"{quantity}_b"} <= set(states)
        key, side = (quantity, side) if paired else (state, "")
        groups.setdefault(key, {})[side] = state + _SUFFIX
    return groups


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
        values = _by_replicate(ds[name])
        _draw_values(ax, time, values, side)
        extremes.append(values[np.isfinite(values)])
    first = ds[next(iter(sides.values()))]
    unit = str(first.attrs.get("units", "1"))
    words = quantity.replace("_", " ")
    name = with_unit(words, unit) if len(sides) > 1 else label(first, words)
    ax.set_ylabel(name, fontsize=LABEL_SIZE)
    ax.set_xlim(time[0], time[-1])
    every = np.concatenate(extremes)
    share = unit == "1" and every.size and every.min() >= 0 and every.max() <= 1
    if share or not every.any():
        ax.set_ylim(-0.03, 1.03)
    ended = _end(ds)
    if ended is not None:
        ax.axvline(ended[1], color=GREY, lw=1.0, ls="--")


def _by_replicate(variable: xr.DataArray) -> FloatArray:
    if "replicate" not in variable.dims:
        return as_array(variable)[np.newaxis, :]
    return as_array(variable.transpose("replicate", "time"))


def _draw_values(ax: Axes, time: FloatArray, values: FloatArray, side: str) -> None:
    colour = _COLOURS[side]
    n_replicates = values.shape[0]
    if n_replicates <= MAX_LINES:
        if n_replicates == 1:
            ax.plot(time, values[0], color=colour, lw=1.8, ls=_STYLES[side])
        else:
            alpha = min(max(6 / n_replicates, 0.3), 0.8)
            ax.plot(time, values.T, color=colour, lw=0.8, alpha=alpha)
        return
    for low, high in _BANDS:
        ax.fill_between(
            time, *_quantiles(values, (low, high)), color=colour, alpha=0.2, linewidth=0
        )
    ax.plot(time, _quantiles(values, (0.5,))[0], color=colour, lw=1.8, ls=_STYLES[side])


def _quantiles(values: FloatArray, levels: tuple[float, ...]) -> FloatArray:
    """Return quantiles over the replicates that are finite; NaN at times where none is."""
    result = np.full((len(levels), values.shape[1]), np.nan)
    known = np.isfinite(values).any(axis=0)
    result[:, known] = np.nanquantile(values[:, known], levels, axis=0)
    return result


def _end(ds: xr.Dataset) -> tuple[str, float] | None:
    """Return how and when the only replicate ended; None for several, or if it did not."""
    for end in _ENDS:
        name = f"{end}_time"
        if name in ds.data_vars and ds[name].size == 1:
            when = float(as_array(ds[name]).item())
            if np.isfinite(when):
                return end, when
    return None


def _add_legend(figure: Figure, ds: xr.Dataset, groups: dict[str, dict[str, str]]) -> None:
    paired = any("b" in sides for sides in groups.values())
    handles: list[Artist] = []
    n_replicates = _n_replicates(ds, groups)
    for side in "ab" if paired else "":
        style = "-" if 1 < n_replicates <= MAX_LINES else _STYLES[side]
        handles.append(
            Line2D([], [], color=_COLOURS[side], lw=1.8, ls=style, label=f"partner {side}")
        )
    if n_replicates > MAX_LINES:
        colour = GREY if paired else BLUE
        handles.append(Line2D([], [], color=colour, lw=1.8, label="median"))
        for (low, high), alpha in zip(_BANDS, (0.2, 0.4), strict=True):
            text = f"{100 * low:g} to {100 * high:g} % of replicates"
            handles.append(Patch(facecolor=colour, alpha=alpha, label=text))
    ended = _end(ds)
    if ended is not None:
        unit = _time_unit(ds)
        text = f"{ended[0]} time {ended[1]:g}" + (f" {unit}" if unit != "1" else "")
        handles.append(Line2D([], [], color=GREY, lw=1.0, ls="--", label=plain(text)))
    if handles:
        figure.legend(
            handles=handles,
            loc="outside lower center",
            ncols=len(handles) if len(groups) > 4 else 2,
            frameon=False,
            fontsize=SMALL_SIZE,
        )


def _n_replicates(ds: xr.Dataset, groups: dict[str, dict[str, str]]) -> int:
    name = next(iter(next(iter(groups.values())).values()))
    return int(ds[name].sizes.get("replicate", 1))


def _only_replicate(ds: xr.Dataset) -> int | None:
    if "replicate" not in ds.coords or ds["replicate"].size != 1:
        return None
    return int(ds["replicate"].values.item())


def _time_unit(ds: xr.Dataset) -> str:
    return str(ds["time"].attrs.get("units", ds.attrs.get("time_unit", "1")))
