"""A study's store layout and size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

import fastalliance
from fastalliance.engine import kernel_hash
from fastalliance.executors import thread_count
from fastalliance.store import SCHEMA_VERSION, ArraySpec, Coordinate, Layout
from fastalliance.store.provenance import environment
from fastalliance.study import labels
from fastalliance.study.plan import Plan
from fastalliance.study.summaries import describe

if TYPE_CHECKING:
    from fastalliance.study.study import Study
    from fastalliance.study.tiles import Tiling


def layout(study: Study, tiling: Tiling) -> Layout:
    """Return the arrays, coordinates and attributes of a study's store."""
    statistics = study.statistics(tiling)
    dims = study.design.dims
    final = tuple(labels.final_spec(variable, tiling, dims) for variable in statistics.variables())
    points = tiling.points_per_tile
    packed: dict[str, tuple[int, ...]] = {labels.STATISTICS: (points, statistics.n_columns)}
    if statistics.quantile_outputs and tiling.n_blocks > 1:
        shape = (len(statistics.quantile_outputs), points, tiling.replicates_per_tile)
        packed[labels.RAW] = shape
    return Layout(
        n_tiles=tiling.n_tiles,
        packed=packed,
        direct=direct_specs(study, tiling, dims),
        final=final,
        coordinates=tuple(coordinates(study)),
        attrs=attributes(study, tiling),
    )


def direct_specs(study: Study, tiling: Tiling, dims: tuple[str, ...]) -> tuple[ArraySpec, ...]:
    """Return the arrays of kept replicates and trajectories."""
    specs: list[ArraySpec] = []
    keep, model = study.configuration.keep, study.model
    if keep.replicates:
        specs.extend(
            ArraySpec(
                output.name,
                (*dims, "replicate"),
                (*tiling.shape, study.replicates),
                (*tiling.box_shape, tiling.replicates_per_tile),
                labels.output_attrs(output, model.time_unit),
                tile_stride=1,
            )
            for output in model.output_variables
        )
    if study.record_steps:
        n_times = study.n_steps // study.record_steps + 1
        recorded = study.replicates if keep.replicates else study.recorded_replicates
        specs.extend(
            ArraySpec(
                f"{state.name}_path",
                (*dims, "replicate", "time"),
                (*tiling.shape, recorded, n_times),
                (*tiling.box_shape, min(recorded, tiling.replicates_per_tile), n_times),
                labels.output_attrs(state, model.time_unit),
                tile_stride=1 if keep.replicates else tiling.n_blocks,
            )
            for state in model.recorded
        )
    return tuple(specs)


def coordinates(study: Study) -> list[Coordinate]:
    """Return the coordinates of a study's results."""
    keep = study.configuration.keep
    found = labels.design_coordinates(
        study.model, study.design.kind, study.design.dims, study.coordinates
    )
    if study.quantiles:
        attrs = describe("quantile", "1", "share of replicates at or below the value")
        found.append(Coordinate("quantile", ("quantile",), np.array(study.quantiles), attrs))
    if keep.replicates or study.record_steps:
        size = study.replicates if keep.replicates else study.recorded_replicates
        found.append(labels.replicate_coordinate(size))
    if study.record_steps:
        unit = study.model.time_unit
        found.append(labels.time_coordinate(study.n_steps, study.record_steps, study.dt, unit))
    return found


def attributes(study: Study, tiling: Tiling | None = None) -> dict[str, Any]:
    """Return the provenance that every result carries."""
    model = study.model
    attrs: dict[str, Any] = {
        "Conventions": "CF-1.11",
        "title": f"fastalliance study of {model.name}",
        "model": model.name,
        "summary": model.summary,
        "source": model.citation,
        "time_unit": model.time_unit,
        "seed": study.seed,
        "replicates": study.replicates,
        "horizon": study.horizon,
        "dt": study.dt,
        "configuration": study.resolved,
        "configuration_hash": study.configuration_hash,
        "kernel_hash": kernel_hash(model),
        "n_points": study.design.n_points,
        "schema_version": SCHEMA_VERSION,
        "fastalliance_version": fastalliance.__version__,
        **environment(),
    }
    if tiling is not None:
        attrs["outputs"] = labels.declarations(model)
        attrs["tiling"] = {
            "shape": list(tiling.shape),
            "dims": list(study.design.dims),
            "box_shape": list(tiling.box_shape),
            "replicates": tiling.replicates,
        }
    return attrs


def plan(study: Study, threads: int | None = None) -> Plan:
    """Return the size of a study."""
    tiling = study.tiling()
    statistics = study.statistics(tiling)
    dims = study.design.dims
    n_points = study.design.n_points
    kept = direct_specs(study, tiling, dims)
    per_point = sum(variable.extra_size for variable in statistics.variables())
    n_threads = thread_count(threads or study.configuration.execution.threads)
    tile_bytes = 8 * tiling.points_per_tile * tiling.replicates_per_tile
    slab_points = math.prod(labels.slab_shape(tiling))
    return Plan(
        model=study.model.name,
        points=n_points,
        replicates=study.replicates,
        instances=n_points * study.replicates,
        steps=study.n_steps,
        instance_steps=n_points * study.replicates * study.n_steps,
        tiles=tiling.n_tiles,
        statistics_bytes=8 * n_points * per_point,
        kept_bytes=8 * sum(math.prod(spec.shape) for spec in kept),
        memory_bytes=n_threads * tile_bytes * (2 * len(study.model.output_variables) + 4)
        + 16 * slab_points * per_point,
        threads=n_threads,
    )
