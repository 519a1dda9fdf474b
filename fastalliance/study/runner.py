"""Runs a study: tiles to the executor, data to the store, labels at the end."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Generator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastalliance.engine import prepare_driver, require_resolved, run_points
from fastalliance.errors import ConfigError, StoreError
from fastalliance.executors import run_on_threads, thread_count
from fastalliance.store import MemoryStore, RunStore, TileData, TileStore, read, require_space
from fastalliance.store.documents import load_attributes
from fastalliance.store.location import locate
from fastalliance.store.paths import Paths
from fastalliance.store.provenance import now
from fastalliance.store.resuming import check_same_study
from fastalliance.study import labels, opening
from fastalliance.study.axes import require_memory
from fastalliance.study.checks import warn_invalid
from fastalliance.study.interrupts import Interrupts
from fastalliance.study.layout import attributes, layout, plan
from fastalliance.study.progress import ProgressLike, make_progress
from fastalliance.study.restored import take_over_centralities
from fastalliance.study.results import final_slabs
from fastalliance.study.statistics import Statistics
from fastalliance.study.tiles import Tile, Tiling

if TYPE_CHECKING:
    import xarray as xr

    from fastalliance.store import Layout
    from fastalliance.study.plan import Plan
    from fastalliance.study.study import Study

Floats = npt.NDArray[np.float64]
_RECORD_SECONDS = 0.1  # between two ledger files


@dataclass(frozen=True)
class RunOptions:
    """How a study is run; nothing here can change a result."""

    store: str | None = None
    executor: str = "threads"
    threads: int | str = "auto"
    progress: bool | ProgressLike = False
    resume: bool = True
    overwrite: bool = False
    break_lock: bool = False
    allow_version_change: bool = False
    points_per_tile: int | None = None


@dataclass(frozen=True)
class TileRunner:
    """Computes tiles of a study and hands their data to a store; called on worker threads."""

    study: Study
    tiling: Tiling
    statistics: Statistics
    store: TileStore
    cores: threading.Semaphore  # so many tiles compute at once; one more may be writing
    stop: threading.Event

    def __call__(self, number: int) -> tuple[int, str, int] | None:
        """Run tile `number`; return it with its data's digest and its steps.

        A tile that waits for a core when the run is stopped is not computed: None.
        """
        tile = self.tiling.tile(number)
        with self.cores:
            if self.stop.is_set():
                return None
            data = self.compute(tile)
        digest = self.store.write(number, data)
        return number, digest, tile.n_replicates * self.study.work(tile.first_point, tile.n_points)

    def compute(self, tile: Tile) -> TileData:
        """Return the packed statistics and the kept raw results of one tile."""
        study = self.study
        points = study.points(tile.first_point, tile.n_points)
        common: dict[str, Any] = {
            "seed": study.seed,
            "first_point": tile.first_point,
            "first_replicate": tile.first_replicate,
            "common_random_numbers": study.common_random_numbers,
            "dt": study.dt,
            "n_steps": study.n_steps,
            "structures": study.given,
        }
        members = bool(study.member_outputs)
        block = run_points(
            study.model, points, n_replicates=tile.n_replicates, keep_members=members, **common
        )
        columns = self.statistics.reduce(block.outputs, block.invalid)
        packed = {labels.STATISTICS: self._padded(columns, (columns.shape[1],))}
        if self.statistics.quantile_outputs and self.tiling.n_blocks > 1:
            packed[labels.RAW] = self._raw(block.outputs)
        direct: dict[str, tuple[tuple[slice, ...], Floats]] = {}
        box = tuple(part.stop - part.start for part in tile.region)
        if study.configuration.keep.replicates:
            region = (*tile.region, tile.replicates)
            for output, values in zip(study.model.output_variables, block.outputs, strict=True):
                direct[output.name] = (region, values.reshape(*box, -1))
        if block.members is not None:
            direct.update(self._members(tile, block.members, box))
        if study.record_steps and (tile.block == 0 or self.study.keeps_all_replicates):
            direct.update(self._paths(tile, points, box, common))
        return TileData(packed, direct)

    def _members(
        self, tile: Tile, members: Floats, box: tuple[int, ...]
    ) -> dict[str, tuple[tuple[slice, ...], Floats]]:
        """Return the outputs of every member, NaN beyond those of smaller alliances."""
        most = self.study.most_members
        full = np.full((*members.shape[:3], most), np.nan)
        full[..., : members.shape[3]] = members
        region = (*tile.region, tile.replicates, slice(0, most))
        return {
            output.name: (region, values.reshape(*box, -1, most))
            for output, values in zip(self.study.member_outputs, full, strict=True)
        }

    def _paths(
        self, tile: Tile, points: Floats, box: tuple[int, ...], common: dict[str, Any]
    ) -> dict[str, tuple[tuple[slice, ...], Floats]]:
        """Return the trajectories of the first replicates, run again with recording on.

        Beside kept replicates they share the dimension `replicate`, and are NaN beyond the first.
        """
        study = self.study
        n_times = study.n_steps // study.record_steps + 1
        recorded = study.recorded_replicates
        width = tile.n_replicates if study.keeps_all_replicates else recorded
        shape = (len(study.model.recorded), tile.n_points, width, n_times)
        paths = np.full(shape, np.nan)
        if tile.block == 0:
            again = run_points(
                study.model,
                points,
                n_replicates=recorded,
                record_steps=study.record_steps,
                **common,
            )
            paths[:, :, :recorded] = again.paths
        first = tile.first_replicate
        region = (*tile.region, slice(first, first + width), slice(0, n_times))
        return {
            f"{state.name}_path": (region, path.reshape(*box, width, n_times))
            for state, path in zip(study.model.recorded, paths, strict=True)
        }

    def _padded(self, values: Floats, rest: tuple[int, ...]) -> Floats:
        full = np.full((self.tiling.points_per_tile, *rest), np.nan)
        full[: len(values)] = values
        return full

    def _raw(self, outputs: Floats) -> Floats:
        names = [output.name for output in self.statistics.outputs]
        wanted = [names.index(name) for name in self.statistics.quantile_outputs]
        shape = (len(wanted), self.tiling.points_per_tile, self.tiling.replicates_per_tile)
        raw = np.full(shape, np.nan)
        raw[:, : outputs.shape[1], : outputs.shape[2]] = outputs[wanted]
        return raw


def run(study: Study, options: RunOptions) -> xr.Dataset:
    """Run `study` to the end, or resume it, and return its dataset."""
    if options.executor != "threads":
        raise ConfigError(f"executor must be threads in this version, got {options.executor!r}")
    stored = _stored_attributes(options)
    tiling = _tiling(study, options, stored)
    size = plan(study, thread_count(options.threads), tiling)
    require_room(size, options.store)
    if stored is not None:
        _meet_stored(study, options, stored)
    arrangement = layout(study, tiling)
    if options.store is not None:
        require_resolved(study.model)
    with ExitStack() as stack:
        store = stack.enter_context(_open_store(options, arrangement))
        if not store.complete:
            _run_tiles(study, tiling, store, size, options)
        if isinstance(store, MemoryStore):
            ds = _in_memory(study, arrangement, store)
        else:
            stack.close()
            ds = opening.open(str(options.store))
    invalid = ds["n_invalid"].values
    warn_invalid(float(np.nansum(invalid)), int((invalid > 0).sum()))
    return ds


def _in_memory(study: Study, arrangement: Layout, store: MemoryStore) -> xr.Dataset:
    specs = labels.layout_specs(arrangement)
    names = labels.ordered(labels.declarations(study.model), list(store.arrays))
    arrays = {n: (specs[n].dims, store.arrays[n], specs[n].attrs) for n in names}
    return labels.dataset(arrangement.coordinates, arrays, {**store.attrs, "finished": now()})


def _meet_stored(study: Study, options: RunOptions, stored: dict[str, Any]) -> None:
    """Refuse another study's store before betweenness is computed, or take over what it keeps.

    Neither changes a result; both can save minutes. Damage is for the store's opening to find.
    """
    path = locate(str(options.store))
    allowed = options.allow_version_change
    check_same_study(Paths(path), stored, attributes(study), allow_version_change=allowed)
    if "network" in study.given.names:
        with contextlib.suppress(StoreError):
            take_over_centralities(study, read(path))


def _tiling(study: Study, options: RunOptions, stored: dict[str, Any] | None) -> Tiling:
    """Return the tiling: an existing store's own, so that another version can resume it."""
    same = stored is not None and stored.get("configuration_hash") == study.configuration_hash
    if stored is None or not same or "tiling" not in stored:
        return study.tiling(options.points_per_tile)
    return Tiling.from_plain(stored["tiling"])


def _stored_attributes(options: RunOptions) -> dict[str, Any] | None:
    """Return the attributes of the store that the run would continue, if there is one."""
    if options.store is None or options.overwrite:
        return None
    try:
        return load_attributes(Paths(locate(options.store)))
    except StoreError:
        return None  # none there, or a fault that opening it for the run will name


def _open_store(options: RunOptions, arrangement: Layout) -> TileStore:
    if options.store is None:
        return MemoryStore(arrangement)
    return RunStore.open(
        options.store,
        arrangement,
        overwrite=options.overwrite,
        break_lock=options.break_lock,
        allow_version_change=options.allow_version_change,
        resume=options.resume,
    )


def require_room(size: Plan, store: str | None) -> None:
    """Refuse what memory or the disk cannot hold, before anything is computed or written.

    Raises
    ------
    DesignError, StoreError
        Too large for the memory; too large for the store's disk.
    """
    if store is None:
        advice = "give a store, keep less, or make the design smaller"
        needed = size.memory_bytes + size.packed_bytes + size.total_bytes
        require_memory(needed, "the result", advice)
        return
    require_memory(size.memory_bytes, "the run", "use fewer threads or keep less")
    if not locate(store).exists():
        require_space(locate(store), size.packed_bytes + size.total_bytes)


def _run_tiles(
    study: Study, tiling: Tiling, store: TileStore, size: Plan, options: RunOptions
) -> None:
    missing = store.missing().tolist()
    to_come = size.packed_bytes + size.kept_bytes
    store.require_space(size.statistics_bytes + to_come * len(missing) // tiling.n_tiles)
    statistics = study.statistics(tiling)
    tiles = [tiling.tile(number) for number in missing]
    left = sum(tile.n_replicates * study.work(tile.first_point, tile.n_points) for tile in tiles)
    with Interrupts() as interrupts, make_progress(options.progress, study.unit) as progress:
        progress.start(size.work, size.work - left)
        if tiles:
            points = study.points(tiles[0].first_point, tiles[0].n_points)
            prepare_driver(study.model, points, study.given)
        progress.begin()
        stop, cores = interrupts.stop, threading.Semaphore(size.threads)
        runner = TileRunner(study, tiling, statistics, store, cores, stop)
        # one thread more than cores: while a tile is being written, the next one computes
        results = run_on_threads(runner, missing, threads=size.threads + 1, stop=stop)
        with closing(results):
            _collect(results, store, progress)
        if stop.is_set():
            raise KeyboardInterrupt(_kept(store, tiling, options))
        store.finalise(final_slabs(tiling, statistics, store))
        progress.finish()


def _collect(
    results: Generator[tuple[int, str, int] | None], store: TileStore, progress: ProgressLike
) -> None:
    """Note what finished in the ledger, every few seconds and at the end."""
    rows: list[tuple[int, str]] = []
    recorded = time.monotonic()
    try:
        for result in results:
            if result is not None:
                number, digest, steps = result
                rows.append((number, digest))
                progress.advance(steps)
            if rows and time.monotonic() - recorded > _RECORD_SECONDS:
                finished, rows, recorded = rows, [], time.monotonic()
                store.record(finished)
    finally:
        if rows:
            store.record(rows)


def _kept(store: TileStore, tiling: Tiling, options: RunOptions) -> str:
    done = tiling.n_tiles - len(store.missing())
    where = f"kept in {options.store}; run again to resume" if options.store else "not kept"
    return f"interrupted after {done} of {tiling.n_tiles} tiles, {where}"
