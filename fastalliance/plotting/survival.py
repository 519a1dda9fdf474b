"""Survival curves of members: over industries, centrality, or an axis of the design."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from fastalliance.analysis import names_of_codes
from fastalliance.analysis.survival import By, most_groups, survival
from fastalliance.plotting.figure import BLUE, DISTINCT, LABEL_SIZE, SMALL_SIZE
from fastalliance.plotting.labels import is_complete, label, plain, value_of
from fastalliance.plotting.panels import legend_outside, say_missing, small_multiples
from fastalliance.plotting.schema import FloatArray, as_array

if TYPE_CHECKING:
    import xarray as xr

GROUP = "group"
_DECILES = 10
_MAX_CURVES = 10  # values of a design's axis in one panel
# Viridis from yellow-green to violet: the more central, the darker.
_SEQUENCE = "viridis_r"
_LIGHTEST = 0.1


class _Curves(NamedTuple):
    """What the curves of a panel are: their dimension (None: one curve), names and colours."""

    dim: str | None
    names: list[str]
    colours: list[str]
    ordered: bool  # colours in order, explained by a bar


def draw_survival(ds: xr.Dataset, by: By | None) -> Figure:
    """Draw the share of members still in over time, a panel for each point of the design.

    Without `by`, the values of one axis of the design are the curves of a panel. Classes of
    centrality are deciles, or as many as the smallest alliance has firms.
    """
    groups = min(_DECILES, most_groups(ds)) if by == "centrality" else _DECILES
    curves = survival(ds, by=by, groups=groups)
    dims = [str(d) for d in curves["survival"].dims if d not in (GROUP, "time")]
    shown = _curves(curves, dims, by)
    over = [dim for dim in dims if dim != shown.dim]
    labels = (label(curves["time"]), "share of members still in")
    figure, panels = small_multiples(curves, over, labels)
    for ax, part in panels:
        _draw_panel(ax, part, shown, "no value" if is_complete(ds) else "not computed yet")
    _explain(figure, [ax for ax, _ in panels], curves, shown)
    return figure


def _curves(curves: xr.Dataset, dims: list[str], by: By | None) -> _Curves:
    if by is None:
        axis = next((d for d in dims if 1 < curves.sizes[d] <= _MAX_CURVES and d != "point"), None)
        if axis is None:
            return _Curves(None, [""], [BLUE], ordered=False)
        names = [value_of(c) for c in curves[axis]]
        few = bool(names_of_codes(curves[axis])) and len(names) <= len(DISTINCT)
        return _Curves(axis, names, _colours(len(names), distinct=few), ordered=False)
    n_groups = curves.sizes[GROUP]
    distinct = by == "industry" and n_groups <= len(DISTINCT)
    name = str(curves[GROUP].attrs["long_name"])
    names = [plain(f"{name} {int(g)}") for g in curves[GROUP].values]
    return _Curves(GROUP, names, _colours(n_groups, distinct=distinct), ordered=not distinct)


def _colours(n: int, *, distinct: bool) -> list[str]:
    if distinct:
        return list(DISTINCT[:n])
    shades = mpl.colormaps[_SEQUENCE](np.linspace(_LIGHTEST, 1.0, n))
    return [mpl.colors.to_hex(shade) for shade in shades]


def _draw_panel(ax: Axes, part: xr.Dataset, shown: _Curves, empty: str) -> None:
    time = as_array(part["time"])
    # The last step has no length of its own: it is drawn a little beyond the horizon.
    times = np.append(time, time[-1] + max(time[-1] - time[-2], 0.01 * time[-1]))
    middle, low, high = (_by_curve(part[f"survival{end}"], shown) for end in ("", "_low", "_high"))
    alpha = min(0.18, 1.5 / len(middle))  # many bands lie over each other
    for i, colour in enumerate(shown.colours):
        ends = (times, low[i], high[i])
        ax.fill_between(*ends, step="post", color=colour, alpha=alpha, linewidth=0.0)
    for values, colour in zip(middle, shown.colours, strict=True):
        ax.step(times, values, where="post", color=colour, lw=1.5)
    ax.set_xlim(times[0], times[-1])
    ax.set_ylim(0.0, 1.02)
    if not np.isfinite(middle).any():
        say_missing(ax, empty)


def _by_curve(shares: xr.DataArray, shown: _Curves) -> FloatArray:
    """Return shares as (curve, time), the last one twice."""
    order = ("time",) if shown.dim is None else (shown.dim, "time")
    values = np.atleast_2d(as_array(shares.transpose(*order)))
    return np.append(values, values[:, -1:], axis=1)


def _explain(figure: Figure, panels: list[Axes], curves: xr.Dataset, shown: _Curves) -> None:
    """Add the legend, and a colour bar where the colours are in order."""
    handles: list[Artist] = []
    if shown.ordered:
        _add_bar(figure, panels, curves, shown)
    elif shown.dim is not None:
        handles += [
            Line2D([], [], color=colour, lw=1.8, label=name)
            for name, colour in zip(shown.names, shown.colours, strict=True)
        ]
    if np.isfinite(as_array(curves["survival_low"])).any():
        handles.append(Patch(facecolor="0.55", alpha=0.35, label="95 % interval over alliances"))
    if handles:
        legend_outside(figure, handles)


def _add_bar(figure: Figure, panels: list[Axes], curves: xr.Dataset, shown: _Curves) -> None:
    labels = curves[GROUP].values
    n = len(labels)
    norm = BoundaryNorm(np.arange(n + 1) - 0.5, n)
    drawn = ScalarMappable(norm, ListedColormap(shown.colours))
    bar = figure.colorbar(drawn, ax=panels, pad=0.02, fraction=0.05)
    step = -(-n // _MAX_CURVES)
    bar.set_ticks(list(range(0, n, step)), labels=[str(int(v)) for v in labels[::step]])
    name = str(curves[GROUP].attrs["long_name"])
    order = f" ({n}: most central)" if name != "industry" and n > 1 else ""
    bar.set_label(plain(name + order), fontsize=LABEL_SIZE)
    bar.ax.tick_params(labelsize=SMALL_SIZE, length=0)
    bar.ax.minorticks_off()
    bar.outline.set_linewidth(0.6)
