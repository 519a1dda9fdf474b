"""Sampled and tabled designs: an output over the first one or two varied parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fastalliance.analysis.selection import POINT
from fastalliance.plotting.colours import add_colour_bar, colour_map, colour_scale
from fastalliance.plotting.figure import BLUE, LABEL_SIZE, SMALL_SIZE, legend_below, tidy
from fastalliance.plotting.labels import is_complete, label, output_label, plain
from fastalliance.plotting.schema import as_array, estimate_name, interval, is_binary

if TYPE_CHECKING:
    import xarray as xr

# More error bars than this hide the points.
_MAX_BARS = 200


def draw_scatter(figure: Figure, ax: Axes, ds: xr.Dataset, output: str) -> None:
    """Draw `output` over the varied parameter, or as colour over the first two of them."""
    varied = varied_parameters(ds)
    tidy(ax)
    if len(varied) < 2:
        _draw_over_one(ax, ds, output, ds[varied[0]] if varied else _numbers(ds))
    else:
        _draw_over_two(figure, ax, ds, output, varied)


def varied_parameters(ds: xr.Dataset) -> list[str]:
    """Return the coordinates along the points whose values differ, in their order."""
    names = [str(n) for n, c in ds.coords.items() if c.dims == (POINT,) and n != POINT]
    return [name for name in names if np.unique(as_array(ds[name])).size > 1]


def hidden_note(ds: xr.Dataset) -> str:
    """Return which parameters vary without being shown, or an empty text."""
    names = [plain(ds[n].attrs.get("long_name", n)) for n in varied_parameters(ds)[2:]]
    if len(names) > 3:
        return f"{len(names)} more parameters vary"
    return f"{', '.join(names)} {'varies' if len(names) == 1 else 'vary'} too" if names else ""


def _numbers(ds: xr.Dataset) -> xr.DataArray:
    """Return the points' numbers, for a table that varies nothing."""
    import xarray as xr

    return xr.DataArray(
        np.arange(ds.sizes[POINT]), dims=(POINT,), name=POINT, attrs={"long_name": "point number"}
    )


def _draw_over_one(ax: Axes, ds: xr.Dataset, output: str, parameter: xr.DataArray) -> None:
    x = as_array(parameter)
    y = as_array(ds[estimate_name(ds, output)])
    ends = interval(ds, output)
    if ends is not None and x.size <= _MAX_BARS:
        ax.vlines(x, *ends, color=BLUE, alpha=0.35, lw=1.0, label="95 % interval")
    ax.scatter(x, y, s=14, color=BLUE, linewidths=0.0, label="estimate", rasterized=x.size > 5000)
    ax.set_xlabel(label(parameter), fontsize=LABEL_SIZE)
    ax.set_ylabel(output_label(ds, output), fontsize=LABEL_SIZE)
    if is_binary(ds, output):
        ax.set_ylim(-0.03, 1.03)
    ax.legend(fontsize=SMALL_SIZE, framealpha=0.9, edgecolor="0.85")


def _draw_over_two(
    figure: Figure, ax: Axes, ds: xr.Dataset, output: str, varied: list[str]
) -> None:
    first, second = ds[varied[0]], ds[varied[1]]
    values = as_array(ds[estimate_name(ds, output)])
    known = np.isfinite(values)
    x, y = as_array(first), as_array(second)
    if not known.all():
        text = "no value" if is_complete(ds) else "not computed yet"
        ax.scatter(x[~known], y[~known], s=16, marker="x", color="0.6", linewidths=0.8, label=text)
        legend_below(ax, ax.get_legend_handles_labels()[0], n_columns=1)
    drawn = ax.scatter(
        x[known],
        y[known],
        c=values[known],
        s=float(np.clip(9000 / x.size, 4, 30)),
        cmap=colour_map(ds, output),
        norm=colour_scale(ds, output, values),
        edgecolors="0.35",
        linewidths=0.2,
        rasterized=x.size > 5000,
    )
    ax.set_xlabel(label(first), fontsize=LABEL_SIZE)
    ax.set_ylabel(label(second), fontsize=LABEL_SIZE)
    add_colour_bar(figure, ax, drawn, ds, output)
