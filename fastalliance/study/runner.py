"""Runs a study: tiles to the executor, data to the store, labels at the end."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastalliance.engine import require_resolved
from fastalliance.errors import StoreError, TileError
from fastalliance.executors import thread_count
from fastalliance.store import MemoryStore, RunStore, TileStore, read, require_space
from fastalliance.store.documents import load_attributes
from fastalliance.store.location import locate
from fastalliance.store.object_requests import ObjectStoreError
from fastalliance.store.paths import Paths
from fastalliance.store.provenance import now
from fastalliance.store.resuming import check_same_study
from fastalliance.study import labels, opening
from fastalliance.study.axes import require_memory
from fastalliance.study.checks import warn, warn_invalid
from fastalliance.study.executing import Done, on_dask, on_threads
from fastalliance.study.interrupts import Interrupts
from fastalliance.study.layout import attributes, layout
from fastalliance.study.options import RunOptions
from fastalliance.study.plan import size_text
from fastalliance.study.planning import plan
from fastalliance.study.progress import ProgressLike, make_progress
from fastalliance.study.replaying import command_of, describe
from fastalliance.study.restored import take_over_centralities
from fastalliance.study.results import final_slabs
from fastalliance.study.tile_data import TileComputer
from fastalliance.study.tiles import Tiling

if TYPE_CHECKING:
    import xarray as xr

    from fastalliance.store import Layout
    from fastalliance.study.plan import Plan
    from fastalliance.study.study import Study

Floats = npt.NDArray[np.float64]
_RECORD_SECONDS = 0.1  # between two ledger files


def run(study: Study, options: RunOptions) -> xr.Dataset:
    """Run `study` to the end, or resume it, and return its dataset."""
    options.check()
    stored = _stored_attributes(options)
    tiling = _tiling(study, options, stored)
    # what a scheduler's workers need is not this machine's
    size = plan(study, 1 if options.scheduler else thread_count(options.threads), tiling)
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
            ds = opening.dataset(str(options.store), quiet=options.shard is not None)
            if ds.attrs["configuration_hash"] != study.configuration_hash:
                raise StoreError(
                    f"{options.store} was replaced by another study meanwhile; choose another "
                    "path, or run again with --overwrite"
                )
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
            take_over_centralities(study, read(str(options.store)))


def _tiling(study: Study, options: RunOptions, stored: dict[str, Any] | None) -> Tiling:
    """Return the tiling: an existing store's own, so that another version can resume it."""
    same = stored is not None and stored.get("configuration_hash") == study.configuration_hash
    if stored is None or not same or "tiling" not in stored:
        return study.tiling(options.points_per_tile)
    tiling = Tiling.from_plain(stored["tiling"])
    asked = options.points_per_tile
    if asked is not None and study.tiling(asked).box_shape != tiling.box_shape:
        warn(
            f"{options.store} has tiles of {tiling.points_per_tile:,} points and keeps them; "
            f"points_per_tile {asked:,} is left aside"
        )
    return tiling


def _stored_attributes(options: RunOptions) -> dict[str, Any] | None:
    """Return the attributes of the store that the run would continue, if there is one."""
    if options.store is None or options.overwrite:
        return None
    try:
        return load_attributes(Paths(locate(options.store)))
    except StoreError as error:
        if isinstance(error.__cause__, ObjectStoreError):
            raise
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
        shard=options.shard,
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
    place = locate(store)
    if isinstance(place, Path) and not place.exists():
        require_space(place, size.packed_bytes + size.total_bytes)


def _run_tiles(
    study: Study, tiling: Tiling, store: TileStore, size: Plan, options: RunOptions
) -> None:
    missing = store.missing().tolist()
    to_come = size.packed_bytes + size.kept_bytes
    needed = size.statistics_bytes + to_come * len(missing) // tiling.n_tiles
    store.require_space(needed)
    statistics = study.statistics(tiling)
    computer = TileComputer(study, tiling, statistics)
    left = sum(computer.steps(tiling.tile(number)) for number in missing)
    with (
        _naming_space(needed),
        Interrupts() as interrupts,
        make_progress(options.progress, study.unit) as progress,
    ):
        # a shard knows of its own work alone
        total = size.work if options.shard is None else left
        progress.start(total, total - left)
        stop = interrupts.stop
        try:
            with _executor(
                computer, store, missing, stop, progress, size.cores, options
            ) as results:
                progress.begin()
                _collect(results, store, progress)
        except TileError as error:
            raise _explained(error, computer, options) from error
        if not interrupts.begin_labelling():
            raise KeyboardInterrupt(_kept(store, tiling, options))
        if options.shard is None or not store.missing(everyone=True).size:
            store.finalise(final_slabs(tiling, statistics, store))
        progress.finish()


@contextlib.contextmanager
def _naming_space(n_bytes: int) -> Iterator[None]:
    """Say, where the disk is full, how much all takes that was missing."""
    try:
        yield
    except StoreError as error:
        if os.strerror(errno.ENOSPC) not in str(error):
            raise
        text = f"{error} (what was missing at the start takes {size_text(n_bytes)})"
        raise StoreError(text) from error


def _executor(
    computer: TileComputer,
    store: TileStore,
    missing: list[int],
    stop: threading.Event,
    progress: ProgressLike,
    threads: int,
    options: RunOptions,
) -> contextlib.AbstractContextManager[Generator[Done | None]]:
    """Return what runs the missing tiles."""
    if options.executor == "dask" and missing:
        return on_dask(
            computer,
            store,
            missing,
            stop,
            scheduler=options.scheduler,
            workers=options.threads if options.jobs else threads,
            jobs=options.jobs,
            insecure=options.insecure,
            counted=progress.use,
        )
    progress.use(threads)
    return on_threads(computer, store, missing, stop, threads)


def _explained(error: TileError, computer: TileComputer, options: RunOptions) -> TileError:
    """Return an error with what the first failed tile was, and how to run it alone."""
    tile = computer.tiling.tile(min(error.tiles))
    kept = f"; the others are kept in {options.store}" if options.store else ""
    again = command_of(computer.study.model, tile, options.store)
    return TileError(
        f"{error}{kept}. It has {describe(tile)}, seed {computer.study.seed}; to see it fail: "
        f"{again}",
        error.tiles,
    )


def _collect(
    results: Generator[tuple[int, str, int] | None], store: TileStore, progress: ProgressLike
) -> None:
    """Note what finished in the ledger, every tenth of a second and at the end."""
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
    done = tiling.n_tiles - len(store.missing(everyone=True))
    where = f"kept in {options.store}; run again to resume" if options.store else "not kept"
    return f"interrupted after {done} of {tiling.n_tiles} tiles, {where}"
