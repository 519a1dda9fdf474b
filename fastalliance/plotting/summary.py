"""A single point: 0/1 outputs as intervals, the others as a short table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fastalliance.plotting.figure import (
    BLUE,
    LABEL_SIZE,
    SMALL_SIZE,
    new_figure,
    tidy,
)
from fastalliance.plotting.labels import plain
from fastalliance.plotting.schema import (
    as_array,
    estimate_name,
    interval,
    is_binary,
    output_names,
)

if TYPE_CHECKING:
    import xarray as xr

_ROW = 0.3  # inches
_COLUMNS = (0.02, 0.38, 0.55, 0.85)


def draw_summary(ds: xr.Dataset, outputs: list[str] | None) -> Figure:
    """Draw all outputs of a result without axes, or only `outputs`."""
    names = outputs if outputs is not None else output_names(ds)
    names = [n for n in names if ds[estimate_name(ds, n)].ndim == 0]
    binary = [n for n in names if is_binary(ds, n)]
    others = [n for n in names if n not in binary]
    heights = [0.7 + _ROW * len(binary)] if binary else []
    heights += [_ROW * (len(others) + 1)] if others else []
    figure = new_figure(6.4, sum(heights) + 0.5)
    # Two subfigures, not two axes of one grid: each keeps the full width whatever its labels take.
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    if binary:
        _draw_intervals(parts[0].add_subplot(), ds, binary)
    if others:
        _draw_table(parts[-1].add_subplot(), ds, others)
    return figure


def _draw_intervals(ax: Axes, ds: xr.Dataset, names: list[str]) -> None:
    tidy(ax)
    ax.grid(False, axis="y")
    for row, name in enumerate(names):
        middle = float(as_array(ds[estimate_name(ds, name)]))
        low, high = (float(end) for end in _ends(ds, name))
        ax.plot([low, high], [row, row], color=BLUE, lw=5, alpha=0.35, solid_capstyle="butt")
        ax.plot(middle, row, "o", color=BLUE, ms=6)
        ax.text(
            1.04, row, f"{middle:.3f}  ({low:.3f} to {high:.3f})", va="center", fontsize=SMALL_SIZE
        )
    ax.set_yticks(range(len(names)), labels=[plain(n.replace("_", " ")) for n in names])
    ax.tick_params(axis="y", length=0, labelsize=LABEL_SIZE)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlim(-0.01, 1.01)
    ax.set_xlabel("probability, with 95 % interval", fontsize=LABEL_SIZE)


def _draw_table(ax: Axes, ds: xr.Dataset, names: list[str]) -> None:
    ax.set_axis_off()
    ax.set_xlim(0, 1)
    ax.set_ylim(len(names) + 0.5, -0.5)
    _write_row(ax, 0, ("output", "mean", "95 % interval", "unit"), "bold")
    ax.axhline(0.5, color="0.6", lw=0.8)
    for row, name in enumerate(names, start=1):
        variable = ds[estimate_name(ds, name)]
        low, high = _ends(ds, name)
        reach = f"{low:.4g} to {high:.4g}" if np.isfinite([low, high]).all() else "–"
        cells = (name.replace("_", " "), f"{float(as_array(variable)):.4g}", reach)
        _write_row(ax, row, (*cells, str(variable.attrs.get("units", "1"))), "normal")


def _write_row(ax: Axes, row: int, cells: tuple[str, str, str, str], weight: str) -> None:
    for x, cell in zip(_COLUMNS, cells, strict=True):
        ax.text(x, row, plain(cell), va="center", fontsize=SMALL_SIZE, fontweight=weight)


def _ends(ds: xr.Dataset, name: str) -> tuple[float, float]:
    ends = interval(ds, name)
    return (np.nan, np.nan) if ends is None else (float(ends[0]), float(ends[1]))
