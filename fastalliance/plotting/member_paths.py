"""One alliance: every member's trust over time, who leaves when, and how many are left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fastalliance.errors import DesignError
from fastalliance.plotting.figure import BLUE, LABEL_SIZE, SMALL_SIZE, new_figure, tidy
from fastalliance.plotting.labels import label, with_unit
from fastalliance.plotting.marks import mark_handles, mark_times
from fastalliance.plotting.panels import legend_outside
from fastalliance.plotting.paths import MEMBER, REPLICATE, TIME, by_replicate, member_paths
from fastalliance.plotting.schema import FloatArray, as_array

if TYPE_CHECKING:
    import xarray as xr

_TRUST = "member_trust_path"
_DOT: dict[str, Any] = {"s": 15, "linewidths": 0.5, "edgecolors": "black"}
_LATER = "0.65"  # firms of which no centrality is kept
# Without the lightest, which thin lines on white do not show.
_SHADES = ListedColormap(mpl.colormaps["viridis_r"](np.linspace(0.12, 1.0, 256)))


class _Spell(NamedTuple):
    """A firm's membership, as far as it is recorded.

    Parameters
    ----------
    times, values : floats of shape (records,)
        Where the time of the exit is known, it follows with the last recorded value.
    centrality : float
        NaN where it is not known.
    left : bool
        Whether the firm leaves after it.
    """

    times: FloatArray
    values: FloatArray
    centrality: float
    left: bool


def draw_members(ds: xr.Dataset) -> Figure:
    """Draw the members of the only replicate of `ds`.

    Raises
    ------
    DesignError
        There are several.
    """
    n = ds.sizes.get(REPLICATE, 1)
    if n > 1:
        raise DesignError(
            f"members are drawn of one alliance, and there are {n:,} replicates: choose one "
            "(ds.isel(replicate=[0])), or leave the members out (ds.drop_dims('member'))"
        )
    alone = ds.isel({REPLICATE: 0}) if REPLICATE in ds.dims else ds
    paths = member_paths(alone)
    path = _TRUST if _TRUST in paths else paths[0]
    spells = list(_spells(alone, path))
    figure = new_figure(7.2, 6.0)
    above, below = _panels(figure, has_membership="membership_path" in alone)
    handles: list[Artist] = []
    if above is not None:
        _draw_membership(above, alone)
    handles += _draw_spells(below, spells)
    handles += _draw_mean(below, alone, path)
    _dress(below, alone, path)
    mark_times(figure.axes, ds)
    handles += mark_handles(ds)
    if any(np.isfinite(spell.centrality) for spell in spells):
        _add_bar(figure, below)
    if handles:
        legend_outside(figure, handles)
    return figure


def _panels(figure: Figure, *, has_membership: bool) -> tuple[Axes | None, Axes]:
    if not has_membership:
        return None, figure.add_subplot()
    grid = figure.add_gridspec(2, 1, height_ratios=(1, 2.4))
    above = figure.add_subplot(grid[0, 0])
    below = figure.add_subplot(grid[1, 0], sharex=above)
    tidy(above)
    above.tick_params(labelbottom=False)
    return above, below


def _draw_membership(ax: Axes, ds: xr.Dataset) -> None:
    values = by_replicate(ds["membership_path"])[0]
    ax.step(as_array(ds[TIME]), values, where="post", color=BLUE, lw=1.8)
    ax.set_ylabel(label(ds["membership_path"], "membership"), fontsize=LABEL_SIZE)
    ax.set_ylim(-0.03, 1.03)


def _draw_mean(ax: Axes, ds: xr.Dataset, path: str) -> list[Artist]:
    """Draw the mean over members as the model records it, where there are any."""
    name = path.removeprefix("member_")
    if name not in ds.data_vars:
        return []
    some = np.isfinite(as_array(ds[path].transpose(MEMBER, TIME))).any(axis=0)
    mean = np.where(some, by_replicate(ds[name])[0], np.nan)
    ax.plot(as_array(ds[TIME]), mean, color="white", lw=2.8)
    return [*ax.plot(as_array(ds[TIME]), mean, color="black", lw=1.5, label="mean of members")]


def _dress(ax: Axes, ds: xr.Dataset, path: str) -> None:
    tidy(ax)
    time = as_array(ds[TIME])
    ax.set_xlim(time[0], time[-1])
    ax.set_xlabel(label(ds[TIME]), fontsize=LABEL_SIZE)
    state = path.removeprefix("member_").removesuffix("_path").replace("_", " ")
    text = with_unit(f"{state} of each member", ds[path].attrs.get("units", "1"))
    ax.set_ylabel(text, fontsize=LABEL_SIZE)
    values = as_array(ds[path])
    known = values[np.isfinite(values)]
    if known.size == 0 or (known.min() >= 0 and known.max() <= 1):
        ax.set_ylim(-0.03, 1.03)


def _spells(ds: xr.Dataset, path: str) -> Iterator[_Spell]:
    """Yield the spells of all slots: the first firm's, and those of later ones.

    The first firm's exit is known; later ones are seen only at the records.
    """
    time = as_array(ds[TIME])
    paths = as_array(ds[path].transpose(MEMBER, TIME))
    nothing = np.full(len(paths), np.nan)
    of_first = (as_array(ds[n]) if n in ds else nothing for n in ("exit_time", "centrality"))
    for slot, left, centrality in zip(paths, *of_first, strict=True):
        there = np.isfinite(slot)
        first = there & ~(time >= left - 1e-9)
        for run in _runs(first):
            times, values = time[run], slot[run]
            if np.isfinite(left):
                times, values = np.append(times, left), np.append(values, values[-1])
            yield _Spell(times, values, centrality, bool(np.isfinite(left)))
        for run in _runs(there & ~first):
            yield _Spell(time[run], slot[run], np.nan, run.stop < time.size)


def _runs(there: npt.NDArray[np.bool_]) -> list[slice]:
    """Return where something is there without a gap."""
    steps = np.flatnonzero(np.diff(np.concatenate(([0], there.astype(np.int8), [0]))))
    return [slice(a, b) for a, b in zip(steps[::2].tolist(), steps[1::2].tolist(), strict=True)]


def _draw_spells(ax: Axes, spells: list[_Spell]) -> list[Artist]:
    """Draw lines and the dots at which they end, the most central firms on top."""
    order = sorted(spells, key=lambda s: (np.isfinite(s.centrality), s.centrality))
    colours = [_colour(spell.centrality) for spell in order]
    lines = [np.column_stack((spell.times, spell.values)) for spell in order]
    ax.add_collection(LineCollection(lines, colors=colours, linewidths=0.9, alpha=0.85))
    ends = [(line[-1], c) for line, c, s in zip(lines, colours, order, strict=True) if s.left]
    handles: list[Artist] = []
    if ends:
        x, y = np.transpose([end for end, _ in ends])
        # Dots at the horizon are whole.
        ax.scatter(x, y, c=[c for _, c in ends], zorder=3, clip_on=False, **_DOT)
        handles.append(ax.scatter([], [], color=_colour(0.5), label="a member leaves", **_DOT))
    if any(np.isnan(s.centrality) for s in order) and len({*map(str, colours)}) > 1:
        text = "firms that refilled a slot"
        handles.append(Line2D([], [], color=_LATER, lw=0.9, label=text))
    return handles


def _colour(centrality: float) -> Any:
    return _SHADES(centrality) if np.isfinite(centrality) else _LATER


def _add_bar(figure: Figure, ax: Axes) -> None:
    drawn = ScalarMappable(Normalize(0.0, 1.0), _SHADES)
    bar = figure.colorbar(drawn, ax=ax, pad=0.02, fraction=0.05)
    bar.set_label("centrality of the member", fontsize=LABEL_SIZE)
    bar.ax.tick_params(labelsize=SMALL_SIZE)
    bar.outline.set_linewidth(0.6)
