"""A study's store layout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

import fastalliance
from fastalliance.engine import kernel_hash
from fastalliance.store import SCHEMA_VERSION, ArraySpec, Coordinate, Layout
from fastalliance.store.provenance import environment
from fastalliance.study import labels
from fastalliance.study.summaries import describe

if TYPE_CHECKING:
    from fastalliance.study.study import Study
    from fastalliance.study.tiles import Tiling


def layout(study: Study, tiling: Tiling) -> Layout:
    """Return the arrays, coordinates and attributes of a study's store."""
    statistics = study.statistics(tiling)
    dims = study.design.dims
    final = tuple(labels.final_spec(variable, tiling, dims) for variable in statistics.variables())
    return Layout(
        n_tiles=tiling.n_tiles,
        packed=packed_shapes(study, tiling),
        direct=direct_specs(study, tiling, dims),
        final=final,
        coordinates=tuple(coordinates(study)),
        attrs=attributes(study, tiling),
    )


def packed_shapes(study: Study, tiling: Tiling) -> dict[str, tuple[int, ...]]:
    """Return the packed arrays and the shape of one tile in each."""
    statistics = study.statistics(tiling)
    shapes: dict[str, tuple[int, ...]] = {
        labels.STATISTICS: (tiling.points_per_tile, statistics.n_columns)
    }
    if statistics.quantile_outputs and tiling.n_blocks > 1:
        n_outputs = len(statistics.quantile_outputs)
        shapes[labels.RAW] = (n_outputs, tiling.points_per_tile, tiling.replicates_per_tile)
    return shapes


def direct_specs(study: Study, tiling: Tiling, dims: tuple[str, ...]) -> tuple[ArraySpec, ...]:
    """Return the arrays of kept replicates and trajectories."""
    specs: list[ArraySpec] = []
    keep, model = study.configuration.keep, study.model
    all_kept = study.keeps_all_replicates
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
        recorded = study.replicates if all_kept else study.recorded_replicates
        specs.extend(
            ArraySpec(
                f"{state.name}_path",
                (*dims, "replicate", "time"),
                (*tiling.shape, recorded, n_times),
                (*tiling.box_shape, min(recorded, tiling.replicates_per_tile), n_times),
                labels.output_attrs(state, model.time_unit),
                tile_stride=1 if all_kept else tiling.n_blocks,
            )
            for state in model.recorded
        )
    specs.extend(
        ArraySpec(
            output.name,
            (*dims, "replicate", "member"),
            (*tiling.shape, study.replicates, study.most_members),
            (*tiling.box_shape, tiling.replicates_per_tile, study.most_members),
            labels.output_attrs(output, model.time_unit),
            tile_stride=1,
        )
        for output in study.member_outputs
    )
    return tuple(specs)


def coordinates(study: Study) -> list[Coordinate]:
    """Return the coordinates of a study's results."""
    found = labels.design_coordinates(
        study.model, study.design.kind, study.design.dims, study.coordinates
    )
    if study.quantiles:
        attrs = describe("quantile", "1", "share of replicates at or below the value")
        found.append(Coordinate("quantile", ("quantile",), np.array(study.quantiles), attrs))
    all_kept = study.keeps_all_replicates
    if all_kept or study.record_steps:
        size = study.replicates if all_kept else study.recorded_replicates
        found.append(labels.replicate_coordinate(size))
    found.extend(
        member_coordinates(study, study.fixed, study.most_members, named=bool(study.member_outputs))
    )
    if study.record_steps:
        unit = study.model.time_unit
        found.append(labels.time_coordinate(study.n_steps, study.record_steps, study.dt, unit))
    return found


def member_coordinates(
    study: Study, fixed: Mapping[str, float], members: int, *, named: bool
) -> list[Coordinate]:
    """Return members' numbers and industries, where they are wanted, and what they were given.

    Parameters
    ----------
    fixed : mapping of str to float
        Sizes of all populations of the result, those left out that vary.
    members : int
        Length of the dimension `member`.
    named : bool
        Whether the result has that dimension.
    """
    found: list[Coordinate] = []
    if named:
        found.append(labels.index_coordinate("member", members, "number of the member"))
        population = study.model.population
        if population and population.size in fixed and "industries" in fixed:
            attrs = describe("industry", "1", "number of the member's industry")
            values = np.arange(members) * int(fixed["industries"]) // members
            found.append(Coordinate("industry", ("member",), values, attrs))
    if study.model.population is not None:
        found.extend(study.given.coordinates(fixed))
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
        **({"population": model.population.size} if model.population is not None else {}),
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
        attrs["tiling"] = {"dims": list(study.design.dims), **tiling.to_plain()}
    return attrs
