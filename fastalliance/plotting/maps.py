"""Two-dimensional grids: phase maps with the tipping threshold drawn on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import Normal, Stroke

from fastalliance.analysis.crossing import FLAGS, LEVEL, crossing_along
from fastalliance.plotting.axes import Axis, axis_of
from fastalliance.plotting.colours import add_colour_bar, colour_map, colour_scale
from fastalliance.plotting.figure import (
    LABEL_SIZE,
    SMALL_SIZE,
    hatch_background,
    hatch_handle,
)
from fastalliance.plotting.labels import is_complete, output_label
from fastalliance.plotting.schema import FloatArray, as_array, estimate_name, is_binary

if TYPE_CHECKING:
    import xarray as xr

_NOT_MONOTONE = FLAGS.index("not monotone")
_MISSING = FLAGS.index("missing")

# White between black borders shows on every colour of both maps.
_LINE: dict[str, Any] = {
    "color": "white",
    "lw": 1.8,
    "path_effects": [Stroke(linewidth=3.4, foreground="black"), Normal()],
}


def draw_maps(
    figure: Figure, panels: list[Axes], ds: xr.Dataset, outputs: list[str], dims: tuple[str, str]
) -> None:
    """Draw a phase map of every output, and the first one's tipping threshold on all of them."""
    x, y = axis_of(ds, dims[0]), axis_of(ds, dims[1])
    missing = False
    for ax, output in zip(panels, outputs, strict=True):
        values = as_array(ds[estimate_name(ds, output)].transpose(*dims))
        _draw_map(figure, ax, ds, output, (x, y), values)
        missing |= not np.isfinite(values).all()
    handles: list[Artist] = []
    if is_binary(ds, outputs[0]):
        handles += _draw_threshold(panels, ds, outputs[0], (x, y))
    if missing:
        handles.append(hatch_handle("no value" if is_complete(ds) else "not computed yet"))
    if handles:
        figure.legend(
            handles=handles,
            loc="outside lower center",
            ncols=len(handles),
            frameon=False,
            fontsize=SMALL_SIZE,
        )


def _draw_map(
    figure: Figure,
    ax: Axes,
    ds: xr.Dataset,
    output: str,
    axes: tuple[Axis, Axis],
    values: FloatArray,
) -> None:
    x, y = axes
    mesh = ax.pcolormesh(
        x.edges,
        y.edges,
        values.T,
        cmap=colour_map(ds, output),
        norm=colour_scale(ds, output, values),
        rasterized=True,
    )
    x.dress(ax, "x", LABEL_SIZE)
    y.dress(ax, "y", LABEL_SIZE)
    place = ax.get_subplotspec()
    if place is not None and not place.is_first_col():
        ax.set_ylabel("")  # the panel to the left has the same axis
        ax.tick_params(labelleft=False)
    ax.tick_params(labelsize=SMALL_SIZE)
    if not np.isfinite(values).all():
        hatch_background(ax)
    add_colour_bar(figure, ax, mesh, ds, output)


def _draw_threshold(
    panels: list[Axes], ds: xr.Dataset, output: str, axes: tuple[Axis, Axis]
) -> list[Line2D]:
    """Draw where the probability of `output` crosses 1/2 and return the legend's entry."""
    x, y = axes
    if "index" in (x.scale, y.scale):
        return []
    text = f"tipping threshold ({output_label(ds, output)} 1/2)"
    along = [crossing_along(ds, output, axis.name) for axis in axes]
    single = [not (found["flag"].values == _NOT_MONOTONE).any() for found in along]
    if not any(single):
        _draw_contour(panels, ds, output, axes)
        return [Line2D([], [], label=text, **_LINE)]
    shares = [
        float(np.isfinite(found["threshold"].values).mean()) if usable else -1.0
        for found, usable in zip(along, single, strict=True)
    ]
    best = int(np.argmax(shares))  # the first axis where both serve equally
    if shares[best] == 0:
        missing = any((found["flag"].values == _MISSING).any() for found in along)
        state = "not found yet" if missing else "not on these axes"
        return [Line2D([], [], linestyle="none", label=f"{text}: {state}")]
    threshold = as_array(along[best]["threshold"])
    points = (threshold, y.values) if best == 0 else (x.values, threshold)
    for ax in panels:
        ax.plot(*points, label=text, marker="o", ms=3, markevery=_isolated(threshold), **_LINE)
    return [Line2D([], [], label=text, **_LINE)]


def _draw_contour(panels: list[Axes], ds: xr.Dataset, output: str, axes: tuple[Axis, Axis]) -> None:
    """Draw the boundary as a contour: it may cross rows and columns more than once."""
    x, y = axes
    values = as_array(ds[f"{output}_mean"].transpose(y.name, x.name))
    for ax in panels:
        lines = ax.contour(x.values, y.values, values, levels=[LEVEL], colors=_LINE["color"])
        lines.set(linewidth=_LINE["lw"], path_effects=_LINE["path_effects"])


def _isolated(values: FloatArray) -> list[int]:
    """Return the finite values without finite neighbours, of which a line shows nothing."""
    known = np.concatenate(([False], np.isfinite(values), [False]))
    return [int(i) for i in np.flatnonzero(known[1:-1] & ~known[:-2] & ~known[2:])]
