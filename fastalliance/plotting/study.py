"""Choosing and assembling the figure of a study from the dimensions of its design."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fastalliance.errors import DesignError
from fastalliance.plotting.curves import MAX_FAMILY, draw_curve, draw_family
from fastalliance.plotting.figure import (
    SMALL_SIZE,
    TITLE_SIZE,
    WARNING,
    check_path,
    new_figure,
    save,
)
from fastalliance.plotting.labels import fixed_note, title, warnings_note
from fastalliance.plotting.maps import draw_maps
from fastalliance.plotting.scatter import draw_scatter, hidden_note
from fastalliance.plotting.schema import (
    POINT,
    check_outputs,
    companion_output,
    default_output,
    estimate_name,
    select,
)
from fastalliance.plotting.summary import draw_summary

if TYPE_CHECKING:
    import xarray as xr


def plot_study(
    ds: xr.Dataset,
    *,
    output: str | Sequence[str] | None = None,
    path: str | os.PathLike[str] | None = None,
    at: Mapping[str, float | str] | None = None,
) -> Figure:
    """Draw the result of a study.

    One grid axis gives curves with their 95 % interval, two give phase maps (curves, where one of
    the two has at most five values), both with the tipping threshold of a 0/1 output: the linear
    interpolation of where its probability crosses 1/2. Samples and tables give a scatter over the
    first two varied parameters, a single point a summary.

    Parameters
    ----------
    ds : Dataset
        Statistics of a study, as `Study.run` and `open` return them.
    output : str or sequence of str, optional
        What to draw, one panel each. If not given: "success", or else the first 0/1 output, or
        else the first output; and for two-dimensional grids beside it "joint_value" or the first
        real output. A single point shows all outputs.
    path : str or path, optional
        Where to save the figure: ``.png``, ``.svg`` or ``.pdf``. An existing plot is replaced.
    at : mapping of str to float or str, optional
        Axes to fix, each at the coordinate nearest to the value; a choice by its name.

    Returns
    -------
    Figure
        A matplotlib figure that is not registered with pyplot.

    Raises
    ------
    DesignError
        An unknown output or axis, or more than two axes are left to draw.
    ConfigError
        The path has another suffix.
    FastAllianceError
        The file cannot be written.
    """
    if path is not None:
        check_path(path)
    outputs = _chosen(ds, output)
    chosen, fixed = select(ds, at)
    figure = _draw(chosen, outputs, explicit=output is not None)
    _caption(figure, chosen, outputs[0], fixed_note(fixed))
    if path is not None:
        save(figure, path)
    return figure


def _chosen(ds: xr.Dataset, output: str | Sequence[str] | None) -> list[str]:
    if output is None:
        return [default_output(ds)]
    outputs = [output] if isinstance(output, str) else list(dict.fromkeys(output))
    if not outputs:
        raise DesignError("no output to plot was named")
    check_outputs(ds, outputs)
    return outputs


def _draw(ds: xr.Dataset, outputs: list[str], *, explicit: bool) -> Figure:
    dims = _common_dims(ds, outputs)
    if not dims:
        return draw_summary(ds, outputs if explicit else None)
    if len(dims) > 2:
        sizes = ", ".join(f"{d} ({ds.sizes[d]})" for d in dims)
        raise DesignError(
            f"a plot shows at most two axes, and the result has {len(dims)}: {sizes}; "
            f"fix {len(dims) - 2} of them (at, or --at {dims[-1]}=VALUE)"
        )
    if POINT in dims:
        return _draw_points(ds, outputs)
    if len(dims) == 1:
        return _draw_curves(ds, outputs, dims[0])
    return _draw_two(ds, outputs, (dims[0], dims[1]), explicit=explicit)


def _common_dims(ds: xr.Dataset, outputs: list[str]) -> tuple[str, ...]:
    dims = tuple(map(str, ds[estimate_name(ds, outputs[0])].dims))
    for output in outputs[1:]:
        if set(map(str, ds[estimate_name(ds, output)].dims)) != set(dims):
            raise DesignError(f"{outputs[0]} and {output} have different axes: plot them apart")
    return dims


def _draw_curves(ds: xr.Dataset, outputs: list[str], dim: str) -> Figure:
    figure, panels = _panels(len(outputs), width=6.4, height=3.9, columns=1)
    for ax, output in zip(panels, outputs, strict=True):
        draw_curve(ax, ds, output, dim)
    return figure


def _draw_two(
    ds: xr.Dataset, outputs: list[str], dims: tuple[str, str], *, explicit: bool
) -> Figure:
    long, short = sorted(dims, key=lambda dim: -ds.sizes[dim])
    if ds.sizes[short] <= MAX_FAMILY < ds.sizes[long]:
        figure, panels = _panels(len(outputs), width=6.4, height=3.9, columns=1)
        for ax, output in zip(panels, outputs, strict=True):
            draw_family(ax, ds, output, long, short)
        return figure
    beside = None if explicit else companion_output(ds, outputs[0])
    shown = [*outputs, beside] if beside else outputs
    figure, panels = _panels(len(shown), width=5.3, height=4.3, columns=2)
    draw_maps(figure, panels, ds, shown, dims)
    return figure


def _draw_points(ds: xr.Dataset, outputs: list[str]) -> Figure:
    figure, panels = _panels(len(outputs), width=5.9, height=4.3, columns=2)
    for ax, output in zip(panels, outputs, strict=True):
        draw_scatter(figure, ax, ds, output)
    return figure


def _panels(n: int, *, width: float, height: float, columns: int) -> tuple[Figure, list[Axes]]:
    """Return a figure of `n` panels of `width` x `height` inches in up to `columns` columns."""
    n_columns = min(n, columns)
    n_rows = -(-n // n_columns)
    figure = new_figure(width * n_columns, height * n_rows)
    return figure, [figure.add_subplot(n_rows, n_columns, i + 1) for i in range(n)]


def _caption(figure: Figure, ds: xr.Dataset, output: str, fixed: str) -> None:
    """Put model, replicates and seed above the panels, and between them what limits the result."""
    per_point = bool(ds[estimate_name(ds, output)].dims)
    figure.suptitle(title(ds, ds.attrs.get("replicates"), per_point=per_point), fontsize=TITLE_SIZE)
    warning = warnings_note(ds, output)
    hidden = hidden_note(ds) if POINT in ds.dims else ""
    text = "; ".join(filter(None, (fixed, hidden, warning)))
    if text:
        colour = WARNING if warning else "0.25"
        figure.axes[0].set_title(text, loc="left", fontsize=SMALL_SIZE, color=colour)
