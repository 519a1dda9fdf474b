"""Choosing and assembling the figure of a study from the dimensions of its design."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fastalliance.analysis import names_of_codes
from fastalliance.analysis.selection import POINT, RAW_DIMS
from fastalliance.analysis.survival import By
from fastalliance.errors import DesignError, suggestion
from fastalliance.plotting.curves import MAX_CURVES, MAX_FAMILY, draw_curve, draw_family
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
    check_outputs,
    companion_output,
    default_output,
    estimate_name,
    inseparable_output,
    output_names,
    select,
)
from fastalliance.plotting.sizes import draw_sizes
from fastalliance.plotting.stacks import draw_stacks, n_recorded
from fastalliance.plotting.summary import draw_summary
from fastalliance.plotting.survival import draw_survival

if TYPE_CHECKING:
    import xarray as xr

KINDS = ("map", "curves", "trajectories", "survival", "sizes")
# Drawn from replicates and members, not from statistics.
RAW_KINDS = ("trajectories", "survival", "sizes")


def plot_study(
    ds: xr.Dataset,
    *,
    kind: str | None = None,
    output: str | Sequence[str] | None = None,
    by: By | None = None,
    path: str | os.PathLike[str] | None = None,
    at: Mapping[str, float | str] | None = None,
) -> Figure:
    """Draw the result of a study.

    One grid axis gives curves with their 95 % interval, two give phase maps (curves, where one of
    the two has at most five values), both with the tipping threshold of a 0/1 output: the linear
    interpolation of where its probability crosses 1/2. Samples and tables give a scatter over the
    first two varied parameters, a single point a summary. Trajectories, survival curves and cascade
    sizes have a panel for each point.

    Parameters
    ----------
    ds : Dataset
        Statistics of a study, as `Study.run` and `open` return them.
    kind : {"map", "curves", "trajectories", "survival", "sizes"}, optional
        Another picture than the design suggests: "trajectories", the recorded states over time,
        needs kept trajectories, and draws apart those who collapsed and those who survived (of the
        dyad: failed and succeeded) where replicates are kept too; "survival", the share of an exit
        model's members still in over time, and "sizes", the distribution of cascade sizes over
        replicates, need kept members and kept replicates.
    output : str or sequence of str, optional
        What to draw, one panel each. If not given: "success", or else "collapsed", or else the
        first 0/1 output, or else the first output; and for two-dimensional grids beside it
        "joint_value", "trust", "exit_share" or the first real output; beside the collapse of
        alliances whose membership and trust are outputs, trust in any design. A single point shows
        all outputs. Of "sizes": the output whose distribution is drawn, by default "exit_share".
        Of "trajectories": the states, by default membership and trust where both are recorded.
    by : {"industry", "centrality"}, optional
        Of "survival": a curve for each industry, or each decile of centrality.
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
        An unknown kind, output or axis, or more axes are left than can be drawn, or the result
        does not hold what is to be drawn.
    ConfigError
        The path has another suffix.
    FastAllianceError
        The file cannot be written.
    """
    if path is not None:
        check_path(path)
    _check_kind(kind, output, by)
    if kind in RAW_KINDS:
        chosen, fixed = select(ds, at)
        figure = _draw_raw(chosen, kind, _listed(output), by)
        raw = next(v for v in chosen.data_vars.values() if "replicate" in v.dims)
        per_point = not set(raw.dims) <= RAW_DIMS
        n = n_recorded(chosen) if kind == "trajectories" else chosen.attrs.get("replicates")
        _caption(figure, chosen, n, fixed_note(fixed), per_point=per_point)
    else:
        outputs = _chosen(ds, output)
        chosen, fixed = select(ds, at)
        figure = _draw(chosen, outputs, kind, explicit=output is not None)
        per_point = bool(chosen[estimate_name(chosen, outputs[0])].dims)
        n = chosen.attrs.get("replicates")
        _caption(figure, chosen, n, fixed_note(fixed), per_point=per_point)
    if path is not None:
        save(figure, path)
    return figure


def _check_kind(kind: str | None, output: object, by: str | None) -> None:
    if kind is not None and kind not in KINDS:
        raise DesignError(f"there is no picture of the kind {kind!r}{suggestion(kind, KINDS)}")
    if kind != "survival":
        if by is not None:
            raise DesignError("by (--by) groups the members of survival curves: kind survival")
    elif output is not None:
        raise DesignError("survival curves are of members, not of an output: leave output out")


def _listed(output: str | Sequence[str] | None) -> list[str] | None:
    """Return the named outputs once each; None where none was asked for."""
    if output is None:
        return None
    names = [output] if isinstance(output, str) else list(dict.fromkeys(output))
    if not names:
        raise DesignError("no output to plot was named")
    return names


def _draw_raw(ds: xr.Dataset, kind: str, names: list[str] | None, by: By | None) -> Figure:
    if kind == "trajectories":
        return draw_stacks(ds, names)
    if kind == "survival":
        return draw_survival(ds, by)
    if names is not None and len(names) > 1:
        raise DesignError("cascade sizes are drawn of one output at a time")
    return draw_sizes(ds, names[0] if names else None)


def _chosen(ds: xr.Dataset, output: str | Sequence[str] | None) -> list[str]:
    outputs = _listed(output)
    if outputs is None:
        return [default_output(ds)]
    check_outputs(ds, outputs)
    return outputs


def _draw(ds: xr.Dataset, outputs: list[str], kind: str | None, *, explicit: bool) -> Figure:
    dims = _common_dims(ds, outputs)
    if kind is not None and (not dims or POINT in dims or (kind == "map" and len(dims) == 1)):
        axes = ", ".join(dims) or "no axes"
        needed = "two grid axes" if kind == "map" else "one or two grid axes"
        raise DesignError(f"{kind} needs {needed}, and the result has {axes}: leave kind out")
    if not dims:
        return draw_summary(ds, outputs if explicit else None)
    if len(dims) > 2:
        sizes = ", ".join(f"{d} ({ds.sizes[d]})" for d in dims)
        raise DesignError(
            f"a plot shows at most two axes, and the result has {len(dims)}: {sizes}; "
            f"fix {len(dims) - 2} of them (at, or --at {dims[-1]}=VALUE)"
        )
    beside = None if explicit else inseparable_output(ds, outputs[0])
    together = [*outputs, beside] if beside else outputs
    if POINT in dims:
        return _draw_points(ds, together)
    if len(dims) == 1:
        return _draw_curves(ds, together, dims[0], alike=beside is not None)
    return _draw_two(ds, outputs, (dims[0], dims[1]), kind, explicit=explicit)


def _common_dims(ds: xr.Dataset, outputs: list[str]) -> tuple[str, ...]:
    dims = tuple(map(str, ds[estimate_name(ds, outputs[0])].dims))
    for output in outputs[1:]:
        if set(map(str, ds[estimate_name(ds, output)].dims)) != set(dims):
            raise DesignError(f"{outputs[0]} and {output} have different axes: plot them apart")
    return dims


def _draw_curves(
    ds: xr.Dataset, outputs: list[str], dim: str, family: str | None = None, *, alike: bool
) -> Figure:
    """Draw a panel for each output; `alike`: with the axis of shares, so that they compare."""
    figure, panels = _panels(len(outputs), width=6.4, height=3.9, columns=1)
    for ax, output in zip(panels, outputs, strict=True):
        if family is None:
            draw_curve(ax, ds, output, dim)
        else:
            draw_family(ax, ds, output, dim, family)
        if alike:
            ax.set_ylim(-0.03, 1.03)
    return figure


def _draw_two(
    ds: xr.Dataset, outputs: list[str], dims: tuple[str, str], kind: str | None, *, explicit: bool
) -> Figure:
    family = None if kind == "map" else _family(ds, dims, asked=kind == "curves")
    if family is not None:
        beside = None if explicit else inseparable_output(ds, outputs[0])
        together = [*outputs, beside] if beside else outputs
        along = dims[1 - dims.index(family)]
        return _draw_curves(ds, together, along, family, alike=beside is not None)
    beside = None if explicit else companion_output(ds, outputs[0])
    shown = [*outputs, beside] if beside else outputs
    figure, panels = _panels(len(shown), width=5.3, height=4.3, columns=2)
    draw_maps(figure, panels, ds, shown, dims)
    return figure


def _family(ds: xr.Dataset, dims: tuple[str, str], *, asked: bool) -> str | None:
    """Return the axis of which each value is a curve; None if a map shows more."""
    long, short = sorted(dims, key=lambda dim: -ds.sizes[dim])
    named = [dim for dim in dims if names_of_codes(ds[dim]) and ds.sizes[dim] <= MAX_FAMILY]
    if len(named) == 1:
        return named[0]  # between named values there is nothing that a map could show
    if asked and ds.sizes[short] > MAX_CURVES:
        raise DesignError(
            f"at most {MAX_CURVES} curves can be told apart, and {short} has {ds.sizes[short]} "
            f"values: fix it (at, or --at {short}=VALUE), or draw a map"
        )
    few = ds.sizes[short] <= MAX_FAMILY < ds.sizes[long]
    return short if asked or few else None


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


def _caption(
    figure: Figure, ds: xr.Dataset, n_replicates: int | None, fixed: str, *, per_point: bool
) -> None:
    """Put model, replicates and seed above the panels, and between them what limits the result."""
    heading = title(ds, n_replicates, per_point=per_point)
    warning = warnings_note(ds, default_output(ds)) if output_names(ds) else ""
    hidden = hidden_note(ds) if POINT in ds.dims else ""
    text = "; ".join(filter(None, (fixed, hidden, warning)))
    first = figure.axes[0]
    if text and first.get_title():  # of a panel
        figure.suptitle(f"{heading}\n{text}", fontsize=TITLE_SIZE)
        return
    figure.suptitle(heading, fontsize=TITLE_SIZE)
    if text:
        colour = WARNING if warning else "0.25"
        first.set_title(text, loc="left", fontsize=SMALL_SIZE, color=colour)
