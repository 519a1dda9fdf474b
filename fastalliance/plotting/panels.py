"""Small multiples: the same picture at every point of up to two axes of a design."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fastalliance.analysis.selection import POINT
from fastalliance.errors import DesignError
from fastalliance.plotting.figure import LABEL_SIZE, SMALL_SIZE, new_figure, tidy
from fastalliance.plotting.labels import plain, value_of
from fastalliance.plotting.scatter import varied_parameters

if TYPE_CHECKING:
    import xarray as xr

MAX_PANELS = 16
_MAX_NAMED = 3  # parameters of a sample's point above its panel
_MAX_COLUMNS = 4
_LEGEND_WIDTH = 2.2  # inches an entry


class Panel(NamedTuple):
    """Axes, and the part of the result that belongs on them."""

    ax: Axes
    part: xr.Dataset


class Stack(NamedTuple):
    """Axes over each other that share their horizontal one, and the part of the result on them."""

    axes: list[Axes]
    part: xr.Dataset


def small_multiples(
    ds: xr.Dataset, dims: Sequence[str], labels: tuple[str, str]
) -> tuple[Figure, list[Panel]]:
    """Return a figure with a panel for every point over `dims`, labelled on the outer axes.

    One dimension is wrapped into rows; of two, the first makes columns and the second rows.

    Raises
    ------
    DesignError
        There are more panels than anybody can read, or more than two dimensions.
    """
    n_panels, n_rows, n_columns = _arrangement(ds, dims)
    figure = new_figure(*_size(n_columns, n_rows))
    panels: list[Panel] = []
    for i, part in enumerate(_parts(ds, dims)):
        share = panels[0].ax if panels else None
        ax = figure.add_subplot(n_rows, n_columns, i + 1, sharex=share, sharey=share)
        _dress(ax, labels, lowest=i + n_columns >= n_panels, leftmost=i % n_columns == 0)
        if dims:
            ax.set_title(_name(ds, part, dims), fontsize=SMALL_SIZE)
        panels.append(Panel(ax, part))
    return figure, panels


def stacked_multiples(
    ds: xr.Dataset, dims: Sequence[str], time_label: str, labels: Sequence[str]
) -> tuple[Figure, list[Stack]]:
    """Return a figure with a stack of panels for every point over `dims`, a panel for each label.

    The panels of a stack share their horizontal axis, those of one label their vertical one.

    Raises
    ------
    DesignError
        As :func:`small_multiples`.
    """
    n_stacks, n_rows, n_columns = _arrangement(ds, dims)
    figure = new_figure(*_stacked_size(n_columns, n_rows, len(labels)))
    # One grid for all: the columns of nested ones would differ in width.
    grid = figure.add_gridspec(n_rows * len(labels), n_columns)
    stacks: list[Stack] = []
    for i, part in enumerate(_parts(ds, dims)):
        row, column = divmod(i, n_columns)
        axes: list[Axes] = []
        for j, text in enumerate(labels):
            across = stacks[0].axes[0] if stacks else next(iter(axes), None)
            beside = stacks[0].axes[j] if stacks else None
            place = grid[row * len(labels) + j, column]
            ax = figure.add_subplot(place, sharex=across, sharey=beside)
            lowest = j == len(labels) - 1 and i + n_columns >= n_stacks
            _dress(ax, (time_label, text), lowest=lowest, leftmost=column == 0)
            axes.append(ax)
        if dims:
            axes[0].set_title(_name(ds, part, dims), fontsize=SMALL_SIZE)
        stacks.append(Stack(axes, part))
    return figure, stacks


def legend_outside(figure: Figure, handles: Sequence[Artist]) -> None:
    """Put one legend for all panels under them, as wide as the figure allows."""
    n_columns = min(len(handles), int(figure.get_figwidth() / _LEGEND_WIDTH))
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=n_columns,
        frameon=False,
        fontsize=SMALL_SIZE,
    )


def say_missing(ax: Axes, text: str) -> None:
    """Write across an empty panel why it is empty."""
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", color="0.35", fontsize=LABEL_SIZE)


def _arrangement(ds: xr.Dataset, dims: Sequence[str]) -> tuple[int, int, int]:
    """Return how many panels there are, in how many rows and columns."""
    sizes = [ds.sizes[dim] for dim in dims]
    if len(dims) > 2 or np.prod(sizes) > MAX_PANELS:
        axes = ", ".join(f"{dim} ({size})" for dim, size in zip(dims, sizes, strict=True))
        raise DesignError(
            f"this picture has a panel for each point, at most {MAX_PANELS} over two axes, and "
            f"the result has {axes}: fix one (at, or --at {dims[-1]}=VALUE)"
        )
    n_panels = int(np.prod(sizes))
    n_columns = sizes[0] if len(dims) == 2 else _columns(n_panels)
    return n_panels, -(-n_panels // n_columns), n_columns


def _dress(ax: Axes, labels: tuple[str, str], *, lowest: bool, leftmost: bool) -> None:
    """Label the outer axes only."""
    tidy(ax)
    ax.tick_params(labelbottom=lowest, labelleft=leftmost)
    ax.set_xlabel(labels[0] if lowest else "", fontsize=LABEL_SIZE)
    ax.set_ylabel(labels[1] if leftmost else "", fontsize=LABEL_SIZE)


def _columns(n_panels: int) -> int:
    if n_panels <= _MAX_COLUMNS:
        return n_panels
    return 3 if n_panels in (5, 6, 9) else _MAX_COLUMNS


def _size(n_columns: int, n_rows: int) -> tuple[float, float]:
    if n_columns * n_rows == 1:
        return 6.4, 4.2
    return max(2.9 * n_columns + 0.6, 5.6), 2.45 * n_rows + 1.1


def _stacked_size(n_columns: int, n_rows: int, n_labels: int) -> tuple[float, float]:
    if n_columns * n_rows == 1:
        return 6.4, 2.1 * n_labels + 1.2
    height = 2.2 if n_labels == 1 else 1.45 * n_labels
    return max(2.9 * n_columns + 0.6, 5.6), (height + 0.45) * n_rows + 1.2


def _parts(ds: xr.Dataset, dims: Sequence[str]) -> Iterator[xr.Dataset]:
    """Yield the result's parts, the last dimension slowest: columns within rows."""
    shape = [ds.sizes[dim] for dim in reversed(dims)]
    for index in np.ndindex(*shape):
        yield ds.isel(dict(zip(reversed(dims), index, strict=True)))


def _name(ds: xr.Dataset, part: xr.Dataset, dims: Sequence[str]) -> str:
    if POINT not in dims:
        return "\n".join(value_of(part[dim]) for dim in dims)
    varied = varied_parameters(ds)[:_MAX_NAMED]
    return "\n".join(value_of(part[name]) for name in varied) or plain(f"point {int(part[POINT])}")
