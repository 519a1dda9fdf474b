"""Names, dimensions and attributes of a study's results."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastalliance.library.model import Model
from fastalliance.outputs import Output, Ratio
from fastalliance.parameters import Parameter
from fastalliance.store import ArraySpec, Coordinate, Layout
from fastalliance.study.statistics import Statistics
from fastalliance.study.summaries import Variable, describe

if TYPE_CHECKING:
    import xarray as xr

    from fastalliance.study.tiles import Tiling

Floats = npt.NDArray[np.float64]
_SLAB_POINTS = 2**18  # points that are labelled at a time; bounds memory
STATISTICS = "statistics"  # packed array: (tile, point, column)
RAW = "raw"  # packed array: (tile, quantile output, point, replicate)


def parameter_attrs(parameter: Parameter) -> dict[str, Any]:
    """Return the attributes of a parameter's coordinate."""
    attrs = describe(parameter.name, parameter.unit, parameter.description or parameter.long_name)
    attrs["long_name"] = parameter.long_name
    if parameter.choices:
        attrs["flag_values"] = [float(code) for code in parameter.choices.values()]
        attrs["flag_meanings"] = " ".join(parameter.choices)
    return attrs


def output_attrs(output: Output, time_unit: str) -> dict[str, Any]:
    """Return the attributes of an output's raw values."""
    unit = time_unit if output.kind == "time" else output.unit
    attrs = describe(output.name, unit, output.description or output.long_name)
    if output.categories:
        attrs["flag_values"] = [float(code) for code in output.categories.values()]
        attrs["flag_meanings"] = " ".join(output.categories)
    return attrs


def index_coordinate(name: str, size: int, description: str) -> Coordinate:
    """Return an index 0, 1, ... along the dimension `name`."""
    return Coordinate(
        name, (name,), np.arange(size, dtype=np.int64), describe(name, "1", description)
    )


def replicate_coordinate(size: int, first: int = 0) -> Coordinate:
    """Return the replicate numbers first, first + 1, ...; each can be replayed by its number."""
    attrs = describe("replicate", "1", "number of the replicate; any one can be replayed by it")
    return Coordinate("replicate", ("replicate",), np.arange(first, first + size), attrs)


def time_coordinate(n_steps: int, record_steps: int, dt: float, unit: str) -> Coordinate:
    """Return the recorded times from 0 to the horizon."""
    times = np.array([k * dt for k in range(0, n_steps + 1, record_steps)])
    return Coordinate("time", ("time",), times, describe("time", unit, "time since the start"))


def design_coordinates(
    model: Model, kind: str, dims: tuple[str, ...], values: Mapping[str, Floats]
) -> list[Coordinate]:
    """Return the coordinates of the varied parameters, and of ``point`` where there is one."""
    coordinates = [
        Coordinate(
            name,
            (name,) if kind == "grid" else dims,
            column,
            parameter_attrs(model.parameter(name)),
        )
        for name, column in values.items()
    ]
    if dims == ("point",) and kind != "grid":
        size = len(next(iter(values.values())))
        coordinates.append(index_coordinate("point", size, "number of the design point"))
    return coordinates


def final_spec(variable: Variable, tiling: Tiling, dims: tuple[str, ...]) -> ArraySpec:
    """Return the labelled array of a statistic, in chunks of whole slabs."""
    shape, chunks = tiling.shape, slab_shape(tiling)
    if variable.extra_dim:
        dims, shape = (*dims, variable.extra_dim), (*shape, variable.extra_size)
        chunks = (*chunks, variable.extra_size)
    return ArraySpec(variable.name, dims, shape, chunks, variable.attrs)


def slab_shape(tiling: Tiling) -> tuple[int, ...]:
    """Return the box of points that are labelled at a time: whole tiles, contiguous in C order."""
    shape = list(tiling.box_shape)
    room = max(_SLAB_POINTS // tiling.points_per_tile, 1)
    for axis, n_boxes in reversed(list(enumerate(tiling.boxes_along))):
        taken = min(n_boxes, room)
        shape[axis] = min(taken * shape[axis], tiling.shape[axis])
        if taken < n_boxes:
            break
        room //= n_boxes
    return tuple(shape)


def slabs(tiling: Tiling) -> Iterator[tuple[tuple[slice, ...], range]]:
    """Yield each slab's region and its boxes, in order."""
    first = 0
    for slab in replace(tiling, box_shape=slab_shape(tiling), replicates=1):
        lengths = [part.stop - part.start for part in slab.region]
        n_boxes = math.prod(-(-n // b) for n, b in zip(lengths, tiling.box_shape, strict=True))
        yield slab.region, range(first, first + n_boxes)
        first += n_boxes


def declarations(model: Model) -> dict[str, Any]:
    """Return the model's outputs as plain data, so that a store can be labelled without it."""
    return {
        "time_unit": model.time_unit,
        "outputs": [asdict(output) for output in model.output_variables],
        "ratios": [asdict(ratio) for ratio in model.ratios],
        "states": [state.name for state in model.recorded],
    }


def statistics_from(
    plain: Mapping[str, Any], quantiles: Iterable[float], n_blocks: int
) -> Statistics:
    """Return the statistics that `declarations` describe."""
    return Statistics(
        outputs=tuple(Output(**output) for output in plain["outputs"]),
        ratios=tuple(Ratio(**ratio) for ratio in plain["ratios"]),
        time_unit=plain["time_unit"],
        quantiles=tuple(quantiles),
        n_blocks=n_blocks,
    )


def ordered(plain: Mapping[str, Any], names: list[str]) -> list[str]:
    """Return `names` of result variables in the order of the model's declarations.

    Statistics first, then kept outputs, then trajectories, then whatever else there is.
    """
    statistics = statistics_from(plain, (0.5,), 1)
    order = [variable.name for variable in statistics.variables()]
    order += [output["name"] for output in plain["outputs"]]
    order += [f"{state}_path" for state in plain["states"]]
    known = [name for name in order if name in names]
    return known + sorted(set(names) - set(known))


def dataset(
    coordinates: Iterable[Coordinate],
    variables: Mapping[str, tuple[tuple[str, ...], Any, dict[str, Any]]],
    attrs: Mapping[str, Any],
) -> xr.Dataset:
    """Return an in-memory dataset."""
    import xarray as xr

    return xr.Dataset(
        dict(variables),
        coords={c.name: (c.dims, c.values, c.attrs) for c in coordinates},
        attrs=dict(attrs),
    )


def layout_specs(layout: Layout) -> dict[str, ArraySpec]:
    """Return all labelled arrays of a layout by name."""
    return {spec.name: spec for spec in (*layout.final, *layout.direct)}


def empty(spec: ArraySpec) -> Floats:
    """Return an array of a spec's shape, NaN everywhere."""
    return np.full(spec.shape, np.nan)
