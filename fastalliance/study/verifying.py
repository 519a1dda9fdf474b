"""Proving a stored result: files and checksums, tiles computed anew, and what they give."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from fastalliance.engine import prepare_driver
from fastalliance.errors import ConfigError, FastAllianceError
from fastalliance.executors import run_on_threads, thread_count
from fastalliance.library.model import Model
from fastalliance.store.verification import inspect, require_unchanged
from fastalliance.store.verification_repair import Repair, repairing
from fastalliance.study.axes import require_memory
from fastalliance.study.checks import path_text, whole_number
from fastalliance.study.interrupts import Interrupts
from fastalliance.study.layout import layout
from fastalliance.study.planning import plan
from fastalliance.study.progress import ProgressLike, make_progress
from fastalliance.study.rebuilding import model_of, rebuild, warn_of_other_kernels
from fastalliance.study.tile_data import TileComputer
from fastalliance.study.tiles import Tiling
from fastalliance.study.verifying_choice import HANDFUL, needed, sampled
from fastalliance.study.verifying_coordinates import check_coordinates
from fastalliance.study.verifying_findings import Findings
from fastalliance.study.verifying_points import PointsChecker
from fastalliance.study.verifying_report import Verification
from fastalliance.study.verifying_scan import scan
from fastalliance.study.verifying_study import (
    has_its_hash,
    rebuild_without_arrays,
    require_layout,
)
from fastalliance.study.verifying_tiles import TileChecker

if TYPE_CHECKING:
    from fastalliance.study.study import Study


@dataclass(frozen=True)
class _Options:
    """How a store is verified; see `verify`."""

    tiles: int | Literal["all"]
    seed: int
    threads: int
    progress: bool | ProgressLike


def verify(
    store: str | os.PathLike[str],
    *,
    model: Model | None = None,
    tiles: int | Literal["all"] = HANDFUL,
    seed: int = 0,
    repair: bool = False,
    threads: int | Literal["auto"] = "auto",
    progress: bool | ProgressLike = False,
) -> Verification:
    """Prove a stored result: read every chunk, and compute tiles anew from its configuration.

    Recomputed tiles are compared bit for bit with the SHA-256 in the ledger, and with the
    statistics, kept replicates, members and trajectories that the store has of them.

    Parameters
    ----------
    store : path
        The store; of an unfinished one, the tiles that are done are verified.
    model : Model, optional
        Your own model, where the store is one of yours.
    tiles : int or "all"
        How many tiles are recomputed.
    seed : int
        Draws which ones.
    repair : bool
        Compute anew what is damaged or missing, and write that and nothing else. What was
        recomputed and contradicts an intact ledger is never written.
    threads : int or "auto"
        Threads; all cores of this process by default.
    progress : bool or Progress
        Whether to show progress on standard error.

    Returns
    -------
    Verification
        Counts, problems and a verdict; true where all is well. It prints as a table.

    Raises
    ------
    StoreError
        There is no store, its metadata are damaged (they are never made anew), or it is in use
        and `repair` is wanted.
    ModelError
        The store is of a model of your own, which is not given.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import fastalliance as fa
    >>> folder = tempfile.TemporaryDirectory()
    >>> store = pathlib.Path(folder.name) / "run.zarr"
    >>> _ = fa.Study("dyad", replicates=10).run(store=store)
    >>> verify(store, tiles="all").verdict
    'equal: 1 of 1 tiles recomputed bit for bit'
    >>> folder.cleanup()
    """
    url = path_text(store, "store")
    if tiles != "all":
        tiles = whole_number(tiles, "tiles", 1)
    if model is not None and not isinstance(model, Model):
        raise ConfigError(f"model must be a fa.Model, got {model!r}")
    if threads != "auto":
        threads = whole_number(threads, "threads", 1)
    seed = whole_number(seed, "seed", 0)
    options = _Options(tiles, seed, thread_count(threads), progress)
    with ExitStack() as stack:
        lease = stack.enter_context(repairing(url) if repair else nullcontext())
        contents = inspect(url)
        chosen = model_of(contents.handle, model)
        other_kernels = warn_of_other_kernels(
            contents.handle, chosen, ", nothing without a digest is repaired"
        )
        interrupts = stack.enter_context(Interrupts())
        found = Findings(contents, other_kernels=other_kernels, repairing=repair)
        _verify(found, chosen, lease, options, interrupts.stop)
        require_unchanged(contents)
    return found.report(None if tiles == "all" else seed)


def _verify(
    found: Findings,
    model: Model,
    repair: Repair | None,
    options: _Options,
    stop: threading.Event,
) -> None:
    contents = found.contents
    parts, scanned = scan(contents, options.threads, stop, shown=options.progress is True)
    found.take_scan(parts, scanned)
    study = _study(found, model, adopt=options.tiles != "all")
    if study is None:
        return
    tiling = Tiling.from_plain(contents.handle.attrs["tiling"])
    arrangement = layout(study, tiling)
    require_layout(contents, arrangement)
    if has_its_hash(contents.handle, study):
        found.take_coordinates(check_coordinates(contents, arrangement, repair))
    else:
        found.proved = False
        found.differences.append(
            "the stored configuration and coordinates do not have the hash of the store: one of "
            "them was changed, or another version hashed them otherwise"
        )
    chosen = sampled(contents, tiling, options.tiles, options.seed)
    if repair is not None:
        chosen |= needed(contents, tiling, found.damage)
    else:  # which of a tile's files is wrong, or whether the ledger is, only computing it tells
        unclear = [d.tile for d in found.damage if d.tile is not None and d.chunk is None]
        chosen.update(unclear[:HANDFUL])
    _recompute(
        found,
        TileComputer(study, tiling, study.statistics(tiling)),
        sorted(chosen),
        repair,
        options,
        stop,
    )
    if repair is not None:
        found.repair_ledger(repair)


def _study(found: Findings, model: Model, *, adopt: bool) -> Study | None:
    """Return the store's study; None, with the reason noted, where its inputs are damaged.

    Where the stored coordinates are damaged, or not those of its hash, the configuration alone
    may tell what they were.
    """
    handle = found.contents.handle
    study, reason = None, ""
    try:
        study = rebuild(handle, model, adopt=adopt)
    except FastAllianceError as error:
        reason = str(error)
    if study is not None and has_its_hash(handle, study):
        return study
    proved = rebuild_without_arrays(handle, model)
    if proved is None and study is None:
        found.obstacle = f"{reason} (what a study was given cannot be computed anew)"
    return proved or study


def _recompute(
    found: Findings,
    computer: TileComputer,
    tiles: Sequence[int],
    repair: Repair | None,
    options: _Options,
    stop: threading.Event,
) -> None:
    """Recompute tiles on threads and note what they show."""
    if not tiles:
        return
    contents, study, tiling = found.contents, computer.study, computer.tiling
    size = plan(study, options.threads, tiling)
    require_memory(size.memory_bytes, "the verification", "use fewer threads")
    points = None
    if contents.handle.complete:
        points = PointsChecker(contents, tiling, computer.statistics, tiles, repair)
    with make_progress(options.progress, study.unit) as progress:
        progress.start(sum(computer.steps(tiling.tile(tile)) for tile in tiles), 0)
        first = tiling.tile(tiles[0])
        prepare_driver(study.model, study.points(first.first_point, first.n_points), study.given)
        progress.begin()
        checker = TileChecker(
            computer,
            contents,
            repair,
            proved=found.proved,
            wanted=points.tiles if points is not None else (),
            cores=threading.Semaphore(options.threads),
            stop=stop,
        )
        # one thread more than cores: while a tile is being compared, the next one computes
        results = run_on_threads(checker, tiles, threads=options.threads + 1, stop=stop)
        with closing(results):
            for result in results:
                if result is None:
                    continue
                progress.advance(result.steps)
                compared = points.add(result) if points is not None else None
                found.take_tile(result)
                if compared is not None:
                    found.take_points(compared, tiling.n_blocks)
        if stop.is_set():
            raise KeyboardInterrupt(_interrupted(found, len(tiles)))
        progress.finish()


def _interrupted(found: Findings, wanted: int) -> str:
    repaired = "; what was repaired stays repaired" if found.repaired else ""
    return f"interrupted after {found.n_recomputed} of {wanted} tiles{repaired}"
