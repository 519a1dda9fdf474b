"""The plan of a study: its size, and what it takes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fastalliance.engine import block_bytes
from fastalliance.executors import thread_count
from fastalliance.store import ArraySpec
from fastalliance.study import checks, labels, rates
from fastalliance.study.layout import direct_specs, packed_shapes
from fastalliance.study.plan import Plan
from fastalliance.study.rates import Rates
from fastalliance.study.results import group_size

if TYPE_CHECKING:
    from fastalliance.study.study import Study
    from fastalliance.study.tiles import Tiling

_OWN_FILES = 8  # documents of the store, its places and the lease; a lease, a ledger file
_MAX_CORES = 10**9
_LEDGER_FILES = 60  # more while it runs, until they are merged


def planned(
    study: Study, cores: int | None, *, calibrate: bool, points_per_tile: int | None
) -> Plan:
    """Return the plan that `Study.plan` describes.

    Raises
    ------
    ConfigError
        A number is no whole one from 1 on, or there are more than 10^9 cores.
    """
    if cores is not None:
        cores = checks.whole_number(cores, "cores", 1, _MAX_CORES)
    if points_per_tile is not None:
        points_per_tile = checks.whole_number(points_per_tile, "points_per_tile", 1)
    tiling = study.tiling(points_per_tile)
    if not calibrate:
        return plan(study, cores, tiling)
    from fastalliance.study.calibration import measure

    return plan(study, cores, tiling, measure(study, tiling))


def plan(
    study: Study,
    cores: int | None = None,
    tiling: Tiling | None = None,
    measured: Rates | None = None,
) -> Plan:
    """Return the size of a study, and what it takes on some cores."""
    tiling = tiling or study.tiling()
    variables = study.statistics(tiling).variables()
    dims = study.design.dims
    kept = direct_specs(study, tiling, dims)
    final = [labels.final_spec(variable, tiling, dims) for variable in variables]
    packed = packed_shapes(study, tiling)
    n_points = study.design.n_points
    per_point = sum(variable.extra_size for variable in variables)
    own_files = _OWN_FILES + 2 * _n_coordinates(study) + _n_files(kept)
    n_cores = thread_count(cores or study.configuration.execution.threads)
    return Plan(
        model=study.model.name,
        points=n_points,
        replicates=study.replicates,
        instances=n_points * study.replicates,
        steps=study.n_steps,
        instance_steps=n_points * study.replicates * study.n_steps,
        members=study.most_members,
        work=study.replicates * study.work(0, n_points),
        tiles=tiling.n_tiles,
        points_per_tile=tiling.points_per_tile,
        statistics_bytes=8 * n_points * per_point,
        kept_bytes=8 * sum(math.prod(spec.shape) for spec in kept),
        packed_bytes=_bytes_of(packed) * tiling.n_tiles,
        **_memory(study, tiling, kept, packed, per_point),
        files_running=own_files + _LEDGER_FILES + len(packed) * (1 + tiling.n_tiles),
        files_finished=own_files + _n_files(final),
        cores=n_cores,
        driver_seconds=_driver_seconds(study, n_cores),
        rates=measured or usual_rates(study),
    )


def _memory(
    study: Study,
    tiling: Tiling,
    kept: Sequence[ArraySpec],
    packed: Mapping[str, tuple[int, ...]],
    per_point: int,
) -> dict[str, int]:
    """Return the fields of a plan that are bytes of memory."""
    outputs = tiling.points_per_tile * tiling.replicates_per_tile
    outputs *= 8 * len(study.model.output_variables)
    kept_bytes = 8 * sum(math.prod(spec.chunks) for spec in kept)
    tile = 2 * outputs + _bytes_of(packed) + kept_bytes  # twice: while it is reduced
    # of what is labelled in one go
    group = _bytes_of(packed) * tiling.n_blocks * group_size(tiling)
    of_structure = study.model.population is not None
    return {
        "thread_bytes": tile + _population_bytes(study),
        "tile_bytes": tile,
        "shared_bytes": study.given.n_bytes(study.sizes) if of_structure else 0,
        "labelling_bytes": 3 * group + 16 * math.prod(labels.slab_shape(tiling)) * per_point,
    }


def _bytes_of(packed: Mapping[str, tuple[int, ...]]) -> int:
    """Return the bytes that a tile has in arrays of these shapes."""
    return 8 * sum(math.prod(shape) for shape in packed.values())


def _driver_seconds(study: Study, cores: int) -> float:
    """Return what a driver takes for a tile: nothing that counts on threads of one machine."""
    alone = study.configuration.execution.executor != "dask" and cores <= thread_count()
    return 0.0 if alone else rates.DASK_SECONDS


def usual_rates(study: Study, reason: str = "") -> Rates:
    """Return the usual figures of the study's model, and why they are not measured."""
    population = study.model.population
    return rates.usual(rates.USUAL_STEPS if population is None else population.rate, reason)


def _population_bytes(study: Study) -> int:
    """Return the memory of a thread's members."""
    if study.model.population is None:
        return 0
    members = study.most_members
    return block_bytes(study.model, members, has_network="network" in study.given.names)


def _n_files(specs: Sequence[ArraySpec]) -> int:
    """Return the files of labelled arrays: a document and chunks each."""
    grids = (zip(spec.shape, spec.chunks, strict=True) for spec in specs)
    return sum(1 + math.prod(-(-n // c) for n, c in grid) for grid in grids)


def _n_coordinates(study: Study) -> int:
    """Return how many coordinates a result has, without what populations are given."""
    n_replicates = study.keeps_all_replicates or bool(study.record_steps)
    point = study.design.dims == ("point",) and study.design.kind != "grid"
    more = (point, bool(study.quantiles), n_replicates, bool(study.record_steps))
    return len(study.coordinates) + sum(more) + 2 * bool(study.member_outputs)
