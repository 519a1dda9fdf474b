"""The threads executor: serial kernels that release the GIL, on a pool of threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from fastalliance.errors import StoreError
from fastalliance.executors.failures import Failures
from fastalliance.executors.silence import Silence, tiles_that_run

Result = TypeVar("Result")
_POLL = 0.15  # seconds; lets the main thread handle signals and the ledger while tiles run


def thread_count(threads: int | str | None = "auto") -> int:
    """Return the number of threads: the given one, or the cores that this process may use."""
    if isinstance(threads, int):
        return threads
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_on_threads(
    task: Callable[[int], Result],
    tiles: Iterable[int],
    *,
    threads: int,
    stop: threading.Event,
) -> Generator[Result | None]:
    """Yield the results of ``task(tile)`` as tiles finish, and None now and then while waiting.

    Parameters
    ----------
    task : callable
        Runs one tile; called on pool threads.
    tiles : iterable of int
        Tile numbers, started in this order.
    threads : int
        Number of tiles that run at once.
    stop : threading.Event
        Set it to start no more tiles.

    Raises
    ------
    TileError
        Tiles failed twice, the second time with nothing beside them; all others are done, unless
        many failed.
    StoreError
        The first one of a task, after the tasks that were running have ended and been yielded.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="tile")
    runs = _Runs(task, pool, stop)
    try:
        with runs.silence.watched():
            yield from runs.results(tiles, threads)
            yield from runs.results(runs.failures.again(), 1)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    if runs.refused is not None:
        raise runs.refused
    if not stop.is_set():
        runs.failures.report()


class _Runs(Generic[Result]):
    """Tiles on a pool, and what became of those that failed."""

    def __init__(
        self, task: Callable[[int], Result], pool: ThreadPoolExecutor, stop: threading.Event
    ) -> None:
        self.task, self.pool, self.stop = task, pool, stop
        self.failures = Failures()
        self.refused: BaseException | None = None  # what ends the run
        self.running: dict[Future[Result], int] = {}
        self.silence = Silence(lambda: tiles_that_run(list(self.running.copy().values())))

    def results(self, tiles: Iterable[int], most: int) -> Generator[Result | None]:
        """Run tiles, at most so many at once."""
        waiting = iter(tiles)
        running = self.running
        while True:
            while len(running) < most and not self._ends():
                tile = next(waiting, None)
                if tile is None:
                    break
                running[self.pool.submit(self.task, tile)] = tile
            if not running:
                return
            done, _ = wait(running, timeout=_POLL, return_when=FIRST_COMPLETED)
            for future in done:
                tile = running.pop(future)
                self.silence.end()
                error = future.exception()
                if error is None:
                    yield future.result()
                elif isinstance(error, Exception) and not isinstance(error, StoreError):
                    self.failures.add(tile, error)
                else:
                    self.refused = self.refused or error
            if not done:
                self.silence.check()
                yield None

    def _ends(self) -> bool:
        return self.stop.is_set() or self.refused is not None or self.failures.too_many
