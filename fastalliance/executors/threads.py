"""The threads executor: serial kernels that release the GIL, on a pool of threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

Result = TypeVar("Result")
_POLL = 0.2  # seconds; lets the main thread handle signals while tiles run


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

    The first exception of a task is raised after the tasks that were running have ended and been
    yielded; no further one is started then.

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
    """
    waiting = iter(tiles)
    running: set[Future[Result]] = set()
    failure: BaseException | None = None
    pool = ThreadPoolExecutor(threads, thread_name_prefix="tile")
    try:
        while True:
            while len(running) < threads and failure is None and not stop.is_set():
                tile = next(waiting, None)
                if tile is None:
                    break
                running.add(pool.submit(task, tile))
            if not running:
                break
            done, running = wait(running, timeout=_POLL, return_when=FIRST_COMPLETED)
            for future in done:
                error = future.exception()
                if error is None:
                    yield future.result()
                else:
                    failure = failure or error
            if not done:
                yield None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    if failure is not None:
        raise failure
