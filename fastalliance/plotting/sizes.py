"""The distribution of cascade sizes, or of any other output, over replicates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from fastalliance.errors import DesignError, suggestion
from fastalliance.plotting.axes import axis_of
from fastalliance.plotting.figure import (
    BLUE,
    GREY,
    LABEL_SIZE,
    ORANGE,
    SMALL_SIZE,
    hatch_span,
    new_figure,
)
from fastalliance.plotting.labels import is_complete, label
from fastalliance.plotting.panels import (
    MAX_PANELS,
    Panel,
    legend_outside,
    say_missing,
    small_multiples,
)
from fastalliance.plotting.parameters import n_members, parameter, varies
from fastalliance.plotting.schema import FloatArray, as_array

if TYPE_CHECKING:
    import xarray as xr

REPLICATE = "replicate"
SIZES = ("exit_share", "cascade_share")
_N_BINS = (25, 60)  # fewest and most, where the number of members allows
_PLAIN_BINS = 40
# A bar below this share of the tallest one cannot be told from the axis.
_VISIBLE = 0.02
_APART = 0.25  # of the range: what lies further from the tallest bar is another part
_MIN_SHARE = 1e-3
_SHARES = "share of alliances"
_ROOM = 0.84  # of the height is for bars
_PLAIN = FuncFormatter(lambda value, _: f"{value:g}")


@dataclass(frozen=True)
class _Bins:
    """Bins of equal width.

    Attributes
    ----------
    edges : floats of shape (n + 1,)
    """

    edges: FloatArray

    def shares(self, values: FloatArray) -> FloatArray:
        """Return the share of the values, those that are there, in each bin."""
        known = values[np.isfinite(values)]
        counts = np.histogram(known, self.edges)[0]
        return np.asarray(counts / max(known.size, 1))

    @property
    def middles(self) -> FloatArray:
        """Centres of the bins."""
        return (self.edges[1:] + self.edges[:-1]) / 2

    @property
    def width(self) -> float:
        """Their common width."""
        return float(self.edges[1] - self.edges[0])


def draw_sizes(ds: xr.Dataset, output: str | None) -> Figure:
    """Draw how an output is distributed over replicates, by default the share that left.

    A panel for each point of the design; a single axis of many values gives a map instead, of
    which each column is a distribution.
    """
    name = _kept_output(ds, output)
    dims = [str(d) for d in ds[name].dims if d != REPLICATE]
    if len(dims) == 1 and ds.sizes[dims[0]] > MAX_PANELS and dims[0] in ds.indexes:
        return _draw_map(ds, name, dims[0])
    figure, panels = small_multiples(ds, dims, (label(ds[name]), _SHARES))
    everywhere = _bins(ds, name, as_array(ds[name]))
    shares = [everywhere.shares(as_array(part[name])) for _, part in panels]
    logarithmic = _wants_log(shares)
    for panel, heights in zip(panels, shares, strict=True):
        _draw_panel(panel, ds, name, everywhere, heights)
    panels[0].ax.set_xlim(everywhere.edges[0], everywhere.edges[-1])
    _scale_heights(panels[0].ax, np.concatenate(shares), logarithmic=logarithmic)
    legend_outside(figure, _handles(ds, name))
    return figure


def _kept_output(ds: xr.Dataset, output: str | None) -> str:
    """Return the output whose replicates are drawn.

    Raises
    ------
    DesignError
        The result holds no replicates, or none of that output.
    """
    kept = [str(n) for n, v in ds.data_vars.items() if REPLICATE in v.dims]
    kept = [n for n in kept if not {"time", "member"} & set(ds[n].dims)]
    if not kept:
        raise DesignError(
            "the result holds no replicates; run the study with keep: {replicates: true}"
        )
    if output is not None and output not in kept:
        raise DesignError(f"there are no replicates of {output!r}{suggestion(output, kept)}")
    name = output or next((n for n in SIZES if n in kept), None)
    if name is None:
        raise DesignError(
            f"{ds.attrs.get('model', 'the model')} has no cascades; name the output whose "
            f"distribution is wanted (--output), such as {kept[0]}"
        )
    return name


def _bins(ds: xr.Dataset, name: str, values: FloatArray) -> _Bins:
    """Return bins that hold equally many of the sizes that are possible.

    Shares of n members are multiples of 1/n: bins of another width would hold now more, now fewer
    of them, and show teeth that are not there.
    """
    known = values[np.isfinite(values)]
    n = _denominator(ds, name)
    if n is None:
        low, high = (known.min(), known.max()) if known.size and name not in SIZES else (0.0, 1.0)
        unit = _spacing(ds, name)
        steps = (known - low) / unit
        if known.size and name not in SIZES and np.array_equal(steps, np.rint(steps)):
            width = max(-(-int(steps.max()) // _N_BINS[1]), 1)
            n_bins = int(steps.max()) // width + 1
            edges = float(low) + (np.arange(n_bins + 1) * width - 0.5) * unit
            return _Bins(np.asarray(edges, dtype=np.float64))
        if low == high:
            low, high = low - 0.5, high + 0.5
        return _Bins(np.linspace(low, high, _PLAIN_BINS + 1))
    widths = range(max(-(-n // _N_BINS[1]), 1), max(n // _N_BINS[0], 1) + 1)
    width = next((w for w in widths if n % w == 0), widths[0])
    # The first bin is that of no exits alone, the others hold `width` numbers of exits each.
    n_bins = -(-n // width) + 1
    return _Bins(((np.arange(n_bins + 1) - 1) * width + 0.5) / n)


def _spacing(ds: xr.Dataset, name: str) -> float:
    """Return what times and counts are multiples of: the time step, or one."""
    timed = ds[name].attrs.get("units") == ds.attrs.get("time_unit", "")
    return float(ds.attrs.get("dt", 1.0)) if timed else 1.0


def _denominator(ds: xr.Dataset, name: str) -> int | None:
    """Return how many members a share is of; None where that is not known or not one number."""
    members = n_members(ds)
    if name not in SIZES or members is None:
        return None
    if name == "exit_share":
        return _firms(ds, members)
    seeds = parameter(ds, "seed_exits")
    return None if seeds is None else max(int(members) - int(seeds), 1)


def _firms(ds: xr.Dataset, members: float) -> int | None:
    """Return how many firms ever are members; None where that is left to chance or varies."""
    varied = [name for name in ("entry_rate", "initial_share") if varies(ds, name)]
    if varied or parameter(ds, "entry_rate"):
        return None
    start = parameter(ds, "initial_share")
    return int(members) if start is None else max(int(start * members + 0.5), 1)


def _wants_log(shares: Sequence[FloatArray]) -> bool:
    """Return whether a part of a distribution far from its peak would be too low to be seen."""
    for heights in shares:
        positions = np.arange(heights.size)
        far = heights[abs(positions - int(heights.argmax())) > _APART * heights.size]
        if far.size and far.sum() >= _MIN_SHARE and far.max() < _VISIBLE * heights.max():
            return True
    return False


def _scale_heights(ax: Axes, heights: FloatArray, *, logarithmic: bool) -> None:
    """Set the vertical scale such that the bars leave room for a line of text above them."""
    tallest = float(heights.max(initial=0.0)) or 1.0
    if not logarithmic:
        ax.set_ylim(0.0, tallest / _ROOM)
        return
    lowest = float(heights[heights > 0].min()) / 2
    ax.set_yscale("log")
    ax.set_ylim(lowest, lowest * (tallest / lowest) ** (1 / _ROOM))
    ax.yaxis.set_major_formatter(_PLAIN)


def _draw_panel(panel: Panel, ds: xr.Dataset, name: str, bins: _Bins, heights: FloatArray) -> None:
    ax, part = panel
    values = as_array(part[name])
    if not np.isfinite(values).any():
        say_missing(ax, "no value" if is_complete(ds) else "not computed yet")
        return
    ax.bar(bins.middles, heights, width=bins.width, color=BLUE, alpha=0.75, linewidth=0.0)
    ax.axvline(_mean(values), ymax=_ROOM, color=ORANGE, lw=1.4)
    collapse = _collapse_share(part, name)
    if collapse is not None:
        ax.axvline(collapse, ymax=_ROOM, color=GREY, lw=1.0, ls=":")
    collapsed = _collapsed(part, name, collapse)
    if collapsed is not None:
        text = f"collapsed: {100 * collapsed:.3g} %"
        ax.text(0.98, 0.95, text, transform=ax.transAxes, ha="right", va="top", size=SMALL_SIZE)


def _mean(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _collapse_share(ds: xr.Dataset, name: str) -> float | None:
    """Return from which share of exits on an alliance has collapsed."""
    return parameter(ds, "collapse_share") if name == "exit_share" else None


def _collapsed(ds: xr.Dataset, name: str, collapse: float | None) -> float | None:
    """Return the share of alliances that collapsed, where the picture is of exits."""
    values = as_array(ds[name])
    if collapse is not None:
        return float(np.mean(values[np.isfinite(values)] >= collapse - 1e-12))
    told = name == "exit_share" and REPLICATE in ds.get("collapsed", ds[name].mean()).dims
    return _mean(as_array(ds["collapsed"])) if told else None


def _handles(ds: xr.Dataset, name: str) -> list[Artist]:
    handles: list[Artist] = [Line2D([], [], color=ORANGE, lw=1.4, label="mean")]
    if _collapse_share(ds, name) is not None or "collapse_share" in ds.coords:
        handles.append(Line2D([], [], color=GREY, lw=1.0, ls=":", label="collapse from here on"))
    return handles


def _draw_map(ds: xr.Dataset, name: str, dim: str) -> Figure:
    """Draw one distribution beside the other along an axis, shares as colours."""
    axis = axis_of(ds, dim)
    values = as_array(ds[name].transpose(dim, REPLICATE))
    bins = _bins(ds, name, values)
    shares = np.array([bins.shares(row) for row in values])
    shares[~np.isfinite(values).any(axis=1)] = np.nan
    figure = new_figure(6.4, 4.4)
    ax = figure.add_subplot()
    positive = shares[shares > 0]
    least = float(positive.min()) if positive.size else _MIN_SHARE
    norm = LogNorm(least, max(float(positive.max(initial=0.0)), 10 * least))
    # Nothing is white, so that gaps between the modes are seen.
    drawn = ax.pcolormesh(
        axis.edges,
        bins.edges,
        np.ma.masked_less_equal(shares, 0.0).T,
        cmap=ListedColormap(mpl.colormaps["Blues"](np.linspace(0.15, 1.0, 256))),
        norm=norm,
        rasterized=True,
    )
    axis.dress(ax, "x", LABEL_SIZE)
    ax.set_ylabel(label(ds[name]), fontsize=LABEL_SIZE)
    ax.set_xlim(axis.edges[0], axis.edges[-1])
    ax.tick_params(labelsize=SMALL_SIZE)
    means = np.array([_mean(row) for row in values])
    ax.plot(axis.positions, means, color=ORANGE, lw=1.6)
    for i in np.flatnonzero(~np.isfinite(means)):
        hatch_span(ax, axis.edges[i], axis.edges[i + 1])
    bar = figure.colorbar(drawn, ax=ax, pad=0.02, fraction=0.06)
    bar.ax.yaxis.set_major_formatter(_PLAIN)
    bar.set_label(_SHARES, fontsize=LABEL_SIZE)
    bar.ax.tick_params(labelsize=SMALL_SIZE)
    bar.outline.set_linewidth(0.6)
    legend_outside(figure, [Line2D([], [], color=ORANGE, lw=1.6, label="mean")])
    return figure
