"""The summary of a run: its size and speed, the outputs over the design, the thresholds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fastalliance.analysis import FLAGS, crossing_along, names_of_codes
from fastalliance.cli.comparison import show_comparison, spread
from fastalliance.cli.console import Column, counted, number, print_line, show_pairs, show_table
from fastalliance.plotting.schema import (
    default_output,
    estimate_name,
    interval,
    is_binary,
    output_names,
)

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

    from fastalliance.cli.running import Watch
    from fastalliance.study.study import Study

_MAX_REAL_OUTPUTS = 4
_NO_CROSSING = {
    "always": "none, at least 1/2 everywhere",
    "never": "none, below 1/2 everywhere",
    "not monotone": "more than one value",
    "missing": "unknown, points are missing",
}
# Of an output and an axis.
_SENTENCES = {
    "always": "{0} is at least 1/2 at every {1}",
    "never": "{0} is below 1/2 at every {1}",
    "not monotone": "{0} crosses 1/2 more than once along {1}",
    "missing": "where {0} crosses 1/2 along {1} is unknown: points are missing",
}


def show_summary(ds: xr.Dataset, study: Study, watch: Watch) -> None:
    """Print what was run, how fast, and an excerpt of the result.

    Parameters
    ----------
    ds : Dataset
        The result.
    study : Study
        What was run.
    watch : Watch
        What the run told about its progress.
    """
    show_pairs([*_size(study), *_speed(watch, study.unit)])
    invalid = ds["n_invalid"].values
    if invalid.any():
        print_line(
            f"INVALID: {counted(np.nansum(invalid), 'replicate')} at "
            f"{counted((invalid > 0).sum(), 'point')} left the finite numbers; the statistics "
            "exclude them",
            alarm=True,
        )
    print_line()
    if study.design.n_points == 1:
        _show_point(ds.squeeze(study.design.dims), study)
    else:
        _show_ranges(ds, study)
    _show_thresholds(ds, study)


def _size(study: Study) -> list[tuple[str, str]]:
    design = study.design
    n_instances = design.n_points * study.replicates
    if design.kind == "grid":
        axes = " x ".join(f"{name} {len(values):,}" for name, values in study.coordinates.items())
    else:
        axes = f"{design.kind} over {', '.join(study.coordinates)}"
    return [
        ("model", study.model.name),
        ("design points", f"{design.n_points:,}" + (f" ({axes})" if axes else "")),
        ("replicates per point", f"{study.replicates:,}"),
        ("instances", f"{n_instances:,} of {study.n_steps:,} steps{_members(study)}"),
    ]


def _members(study: Study) -> str:
    if study.model.population is None:
        return ""
    size = study.model.population.size
    most = "up to " if size in study.coordinates else ""
    return f" of {most}{study.most_members:,} {size}"


def _speed(watch: Watch, unit: str) -> list[tuple[str, str]]:
    if not watch.total:
        return [("computed", "nothing, the store was complete")]
    rows = []
    if watch.found:
        rows.append(("already in the store", f"{watch.found / watch.total:.1%}"))
    rate = watch.computed / max(watch.seconds, 1e-9) / 1e6
    ran_on = f" on {counted(watch.threads, 'thread')}" if watch.threads else ""
    rows.append(("speed", f"{rate:,.0f} M {unit}/s{ran_on}"))
    rows.append(("wall time", f"{watch.wall_seconds:,.1f} s"))
    return rows


def _outputs_shown(ds: xr.Dataset, study: Study) -> list[str]:
    """Return the 0/1 outputs and the first others, counts and times last."""
    declared = [output.name for output in study.model.output_variables]
    late = {o.name for o in study.model.output_variables if o.kind in ("count", "time")}
    names = sorted(output_names(ds), key=lambda n: declared.index(n) if n in declared else 1e9)
    binary = [name for name in names if is_binary(ds, name)]
    others = [name for name in names if name not in binary]
    others.sort(key=lambda name: (name in late, _unit(ds, name) == "1"))
    return binary + others[:_MAX_REAL_OUTPUTS]


def _unit(ds: xr.Dataset, output: str) -> str:
    return str(ds[estimate_name(ds, output)].attrs.get("units", "1"))


def _label(ds: xr.Dataset, study: Study, output: str) -> str:
    if is_binary(ds, output):
        return f"P({output})"
    name = estimate_name(ds, output)
    if name.endswith("_share"):
        return f"share {_category(study, output)}"
    return output if name == output else f"mean {output}"  # a ratio is no mean


def _category(study: Study, output: str) -> str:
    """Return ``"stage=few"`` of the output that results call ``"stage_few"``."""
    for declared in study.model.output_variables:
        for category in declared.categories or ():
            if output == f"{declared.name}_{category}":
                return f"{declared.name}={category}"
    return output


def _show_point(ds: xr.Dataset, study: Study) -> None:
    """Print the outputs at the only point of a design."""
    rows = []
    for name in _outputs_shown(ds, study):
        value = number(float(ds[estimate_name(ds, name)]))
        ends = np.array(interval(ds, name) or (np.nan, np.nan))
        reach = " to ".join(map(number, ends)) if np.isfinite(ends).all() else ""
        rows.append((_label(ds, study, name), value, reach, _unit(ds, name)))
    columns = (Column("output"), Column("value", right=True), Column("95 % interval"))
    show_table((*columns, Column("unit")), rows)


def _show_ranges(ds: xr.Dataset, study: Study) -> None:
    """Print the smallest and largest value of each output over the design."""
    rows = []
    for name in _outputs_shown(ds, study):
        values = ds[estimate_name(ds, name)].values
        known = values[np.isfinite(values)]
        ends = (number(known.min()), number(known.max())) if known.size else ("", "")
        rows.append((_label(ds, study, name), *ends, _unit(ds, name)))
    columns = (Column("over the design"), Column("lowest", right=True))
    show_table((*columns, Column("highest", right=True), Column("unit")), rows)


def _show_thresholds(ds: xr.Dataset, study: Study) -> None:
    """Print where a 0/1 output crosses 1/2 along the first axis of a grid of one or two axes."""
    design, output = study.design, default_output(ds)
    axes = [axis for axis, size in zip(design.dims, design.shape, strict=True) if size > 1]
    if design.kind != "grid" or not is_binary(ds, output) or not 1 <= len(axes) <= 2:
        return
    if names_of_codes(ds[axes[0]]):  # between two choices there is nothing
        show_comparison(ds.squeeze([d for d in design.dims if d not in axes]), output, axes)
        return
    found = crossing_along(ds.squeeze([d for d in design.dims if d not in axes]), output, axes[0])
    digits = _digits(study.coordinates[axes[0]])
    print_line()
    if len(axes) == 1:
        print_line(_sentence(found, f"P({output})", axes[0], digits))
        return
    second = axes[1]
    names = names_of_codes(found[second])
    values = found[second].values.tolist()
    rows = [
        (
            names.get(values[i]) or number(values[i]),
            *_threshold(found.isel({second: i}), digits),
        )
        for i in spread(found.sizes[second])
    ]
    columns = (Column(second, right=True), Column(axes[0]), Column("95 % interval"))
    show_table(columns, rows, f"P({output}) crosses 1/2 at")


def _sentence(found: xr.Dataset, probability: str, axis: str, digits: int) -> str:
    """Return in one sentence where a probability crosses 1/2 along the only axis."""
    flag = FLAGS[int(found["flag"])]
    if flag != "crossing":
        return _SENTENCES[flag].format(probability, axis)
    threshold, reach = _threshold(found, digits)
    return f"{probability} crosses 1/2 at {axis} {threshold}" + (f" ({reach})" if reach else "")


def _threshold(found: xr.Dataset, digits: int) -> tuple[str, str]:
    """Return a threshold and its interval as text."""
    flag = FLAGS[int(found["flag"])]
    if flag != "crossing":
        return _NO_CROSSING[flag], ""
    low, high = float(found["threshold_low"]), float(found["threshold_high"])
    reach = f"{low:.{digits}f} to {high:.{digits}f}" if np.isfinite([low, high]).all() else ""
    return f"{float(found['threshold']):.{digits}f}", reach


def _digits(axis: npt.NDArray[np.float64]) -> int:
    """Return how many decimals show a hundredth of an axis' smallest step."""
    step = float(np.diff(np.sort(axis)).min())
    return max(2 - math.floor(round(math.log10(step), 6)), 0)
