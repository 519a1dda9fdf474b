"""One-dimensional grids: an output against its axis, with interval and tipping threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from fastalliance.analysis import names_of_codes
from fastalliance.analysis.crossing import LEVEL, Crossing, tipping_crossing
from fastalliance.plotting.axes import Axis, axis_of
from fastalliance.plotting.figure import (
    BLUE,
    DISTINCT,
    GREY,
    LABEL_SIZE,
    ORANGE,
    hatch_handle,
    hatch_span,
    legend_below,
    tidy,
)
from fastalliance.plotting.labels import is_complete, output_label, value_of
from fastalliance.plotting.schema import (
    FloatArray,
    as_array,
    estimate_name,
    interval,
    is_binary,
)

if TYPE_CHECKING:
    import xarray as xr

# Up to this many values of a grid's shorter axis are drawn as curves, more as a map; and this many
# where curves are asked for.
MAX_FAMILY = 5
MAX_CURVES = 10
# Beyond this many points the markers merge into the line.
_MARKED = 40

NO_THRESHOLD = {
    "always": "no threshold (1/2 or more everywhere)",
    "never": "no threshold (below 1/2 everywhere)",
    "not monotone": "no single threshold (crosses 1/2 more than once)",
    "missing": "threshold unknown (points are missing)",
}


def draw_curve(ax: Axes, ds: xr.Dataset, output: str, dim: str) -> None:
    """Draw the estimate of `output` along `dim`, its interval, quantiles and tipping threshold."""
    axis = axis_of(ds, dim)
    _dress(ax, ds, output, axis)
    _draw_quantiles(ax, ds, output, axis)
    _draw_series(ax, ds, output, axis, BLUE, "estimate")
    if is_binary(ds, output) and not axis.names:
        _draw_threshold(ax, axis, crossing_of(ds, output, axis))
    missing = _hatch_missing(ax, axis, as_array(ds[estimate_name(ds, output)]))
    handles, _ = ax.get_legend_handles_labels()
    if missing:
        handles.append(hatch_handle("no value" if is_complete(ds) else "not computed yet"))
    legend_below(ax, handles, n_columns=2)


def draw_family(ax: Axes, ds: xr.Dataset, output: str, dim: str, family: str) -> None:
    """Draw one curve along `dim` for every value of the short axis `family`."""
    axis = axis_of(ds, dim)
    _dress(ax, ds, output, axis)
    members = [ds.isel({family: i}) for i in range(ds.sizes[family])]
    colours = _family_colours(ds, family)
    found = []
    if is_binary(ds, output) and not axis.names:
        found = [crossing_of(member, output, axis) for member in members]
    some_cross = any(crossing.flag not in ("always", "never") for crossing in found)
    for i, (member, colour) in enumerate(zip(members, colours, strict=True)):
        name = value_of(member[family])
        if some_cross:
            name += f": {_threshold_text(found[i])}"
            if found[i].flag == "crossing" and axis.scale != "index":
                ax.plot([found[i].threshold] * 2, [0.0, LEVEL], color=colour, ls="--", lw=1.1)
        _draw_series(ax, member, output, axis, colour, name)
        _hatch_missing(ax, axis, as_array(member[estimate_name(ds, output)]))
    if is_binary(ds, output):
        _draw_half(ax)
    handles: list[Artist] = [h for h in ax.get_legend_handles_labels()[0] if isinstance(h, Line2D)]
    if interval(ds, output) is not None:
        handles.append(Patch(facecolor="0.55", alpha=0.35, label="95 % interval"))
    legend_below(ax, handles, n_columns=1 if some_cross else 2)


def _family_colours(ds: xr.Dataset, family: str) -> list[Any]:
    """Return distinct colours for names, shades in order for numbers."""
    n = ds.sizes[family]
    if names_of_codes(ds[family]) and n <= len(DISTINCT):
        return list(DISTINCT[:n])
    return list(mpl.colormaps["viridis"](np.linspace(0.0, 0.85, n)))


def crossing_of(ds: xr.Dataset, output: str, axis: Axis) -> Crossing:
    """Return the tipping threshold of a 0/1 output over the only axis of `ds`."""
    parts = [as_array(ds[f"{output}_{part}"]) for part in ("mean", "low", "high")]
    return tipping_crossing(axis.values, *parts)


def _dress(ax: Axes, ds: xr.Dataset, output: str, axis: Axis) -> None:
    tidy(ax)
    axis.dress(ax, "x", LABEL_SIZE)
    ax.set_ylabel(output_label(ds, output), fontsize=LABEL_SIZE)
    ax.set_xlim(axis.positions[0], axis.positions[-1])
    if is_binary(ds, output):
        ax.set_ylim(-0.03, 1.03)


def _draw_series(
    ax: Axes, ds: xr.Dataset, output: str, axis: Axis, colour: object, name: str
) -> None:
    x = axis.positions
    y = as_array(ds[estimate_name(ds, output)])
    ends = interval(ds, output)
    if ends is not None:
        what = "95 % interval" if is_binary(ds, output) else "95 % interval of the mean"
        ax.fill_between(x, *ends, color=colour, alpha=0.25, linewidth=0.0, label=what)
    marker = "o" if x.size <= _MARKED or not np.isfinite(y).all() else ""
    # Markers on the borders are whole.
    ax.plot(x, y, color=colour, lw=1.8, marker=marker, ms=3.5, label=name, clip_on=not marker)


def _draw_quantiles(ax: Axes, ds: xr.Dataset, output: str, axis: Axis) -> None:
    name = f"{output}_quantile"
    if name not in ds.data_vars or ds.sizes["quantile"] < 2:
        return
    levels = as_array(ds["quantile"])
    values = as_array(ds[name].transpose("quantile", axis.name))
    low, high = int(levels.argmin()), int(levels.argmax())
    text = f"{100 * levels[low]:g} to {100 * levels[high]:g} % of replicates"
    ax.fill_between(
        axis.positions, values[low], values[high], color="0.85", linewidth=0.0, label=text
    )


def _draw_half(ax: Axes) -> None:
    ax.axhline(LEVEL, color=GREY, lw=0.8, ls=":")


def _draw_threshold(ax: Axes, axis: Axis, found: Crossing) -> None:
    _draw_half(ax)
    text = _threshold_text(found)
    if found.flag != "crossing" or axis.scale == "index":
        ax.plot([], [], linestyle="none", label=text)
        return
    if np.isfinite([found.low, found.high]).all():
        ax.axvspan(found.low, found.high, color=ORANGE, alpha=0.2, linewidth=0.0)
        text += f" ({found.low:.4g} to {found.high:.4g})"
    ax.axvline(found.threshold, color=ORANGE, lw=1.6, ls="--", label=f"tipping {text}")


def _threshold_text(found: Crossing) -> str:
    if found.flag == "crossing":
        return f"threshold {found.threshold:.4g}"
    return NO_THRESHOLD[found.flag]


def _hatch_missing(ax: Axes, axis: Axis, y: FloatArray) -> bool:
    """Hatch the cells of points without a value; return whether there is one."""
    missing = ~np.isfinite(y)
    edges = axis.edges.clip(axis.positions[0], axis.positions[-1])
    steps = np.flatnonzero(np.diff(np.concatenate(([0], missing.astype(np.int8), [0]))))
    for first, last in zip(steps[::2], steps[1::2], strict=True):
        hatch_span(ax, edges[first], edges[last])
    return bool(missing.any())
