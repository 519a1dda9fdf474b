"""The dask executor: tiles as futures on a cluster, each written by the worker that computed it.

The task goes to every worker once, by a plugin; a future carries a tile's number alone. A tile
that was running on a worker that died is run again by dask; one on which workers keep dying is set
apart and run alone in the end, because dask blames whatever shared the worker with the culprit.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from fastalliance.errors import ClusterError, StoreError
from fastalliance.executors.connecting import FAREWELL
from fastalliance.executors.failures import MOST, Failures
from fastalliance.executors.jobqueue import no_workers
from fastalliance.executors.silence import Silence, tiles_that_run
from fastalliance.executors.within import within

if TYPE_CHECKING:
    from distributed import Client, Future

    from fastalliance.executors.dask_worker import Ship

Task = Callable[[int], Any]
RETRIES = 2  # of a tile that raises
PATIENCE = 5.0  # seconds without a connection to the scheduler after which it counts as gone
_POLL = 0.15  # seconds; lets the main thread handle signals and the ledger while tiles run
_COUNT_EVERY = 2.0  # seconds between two looks at how many threads there are


def run_on_dask(
    task: Task,
    tiles: Iterable[int],
    *,
    client: Client,
    stop: threading.Event,
    counted: Callable[[int], None] = lambda threads: None,
) -> Generator[Any | None]:
    """Yield the results of ``task(tile)`` as tiles finish, and None now and then while waiting.

    Parameters
    ----------
    task : callable
        Runs one tile; pickled, and called in worker processes.
    tiles : iterable of int
        Tile numbers, started in about this order.
    client : Client
    stop : threading.Event
        Set it to start no more tiles.
    counted : callable
        Told now and then how many threads the cluster has.

    Raises
    ------
    ClusterError
        The scheduler was lost.
    TileError
        Tiles failed on every retry; all others are done, unless many failed.
    StoreError
        The first one that a worker raises.
    """
    import cloudpickle

    from fastalliance.executors.dask_worker import Ship

    run = uuid.uuid4().hex
    plugin = Ship(run, cloudpickle.dumps(task), client.id)
    submission = _Submission(client, run, counted)
    with submission.silence.watched():
        try:
            submission.ship(plugin)
            yield from submission.results(tiles, stop)
        finally:
            submission.cancel()
            with contextlib.suppress(Exception):  # of a cluster that is no more, or hangs
                within(FAREWELL, lambda: client.unregister_worker_plugin(plugin.name))


class _Submission:
    """Futures of one run, and what became of tiles that failed."""

    def __init__(self, client: Client, run: str, counted: Callable[[int], None]) -> None:
        self.client = client
        self.run = run
        self.tell = counted
        self.running: dict[Future, int] = {}
        self.done: queue.SimpleQueue[Future] = queue.SimpleQueue()
        self.again: list[int] = []
        self.suspects: list[int] = []
        self.failures = Failures()
        self.alone = False
        self.connected = time.monotonic()
        self.silence = Silence(self._reason)
        self.asked: float | None = None  # when, where the scheduler has not answered yet
        self.counted = -_COUNT_EVERY
        self.room = 0

    def ship(self, plugin: Ship) -> None:
        """Bring the task to the workers."""
        try:
            with self._asking():
                self.client.register_plugin(plugin)
        except Exception as error:  # of a worker's own, in whatever class it sends it
            raise ClusterError(
                f"the workers cannot load the study: {type(error).__name__}: {error}; install the "
                "same version of fastalliance there"
            ) from error

    def results(self, tiles: Iterable[int], stop: threading.Event) -> Generator[Any | None]:
        """Run all tiles, and then those alone on which workers died."""
        while True:
            yield from self._all(tiles, stop)
            tiles = ()
            suspects, self.suspects = self.suspects, []
            if not suspects:
                break
            self.alone = True
            for tile in suspects:
                yield from self._all([tile], stop)
            self.alone = False
        if not stop.is_set():
            self.failures.report()

    def _all(self, tiles: Iterable[int], stop: threading.Event) -> Generator[Any | None]:
        waiting = deque(tiles)
        while True:
            self._submit(waiting, stop)
            if not self.running:
                if self._ends(stop) or not (waiting or self.again):
                    return
                self._check_alive()
                time.sleep(_POLL)
                yield None
                continue
            ended = self._ended()
            if not ended:
                self._check_alive()
                yield None
                continue
            self.silence.end()
            self._submit(waiting, stop)
            yield from self._results(ended)

    def _results(self, ended: list[tuple[Future, int]]) -> Generator[Any | None]:
        """Yield the results of tiles that have ended; then raise what ends the run, if any does."""
        results = self._fetch(ended)
        refused: Exception | None = None
        for future, tile in ended:
            try:
                yield results[future] if future in results else self._result(future, tile)
            except (ClusterError, StoreError) as error:
                refused = refused or error
        if refused is not None:
            raise refused

    def _ends(self, stop: threading.Event) -> bool:
        """Whether no more tiles are to be started."""
        return stop.is_set() or self.failures.too_many or len(self.suspects) > MOST

    def _most(self) -> int:
        """Return how many tiles to have on the cluster: two a thread, so that none waits."""
        if self.alone:
            return 1
        if time.monotonic() - self.counted > _COUNT_EVERY and self.client.status == "running":
            self.counted = time.monotonic()
            self._count()
        return self.room

    def _count(self) -> None:
        try:
            with self._asking():
                threads = sum(self.client.nthreads().values())
        except OSError:  # the connection is lost, which is for `_check_alive` to judge
            return
        self.room = 2 * threads
        self.tell(threads)

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        """Note that something is asked of the scheduler, which may hang."""
        self.asked = time.monotonic()
        try:
            yield
        finally:
            self.asked = None

    def _reason(self) -> str:
        """Return what is known of a silence; another thread asks."""
        asked = self.asked
        if asked is not None and time.monotonic() - asked > PATIENCE:
            return "the dask scheduler does not answer"
        running = list(self.running.copy().values()) if self.room else []
        return tiles_that_run(running) if running else no_workers(self.client)

    def _submit(self, waiting: deque[int], stop: threading.Event) -> None:
        """Fill the cluster up."""
        from fastalliance.executors.dask_worker import run_tile

        if self._ends(stop) or self.client.status != "running":
            return
        tiles: list[int] = []
        for _ in range(self._most() - len(self.running)):
            if not (self.again or waiting):
                break
            tiles.append(self.again.pop() if self.again else waiting.popleft())
        if not tiles:
            return
        keys = [f"tile-{tile}-{uuid.uuid4().hex}" for tile in tiles]
        runs = [self.run] * len(tiles)
        futures = self.client.map(run_tile, runs, tiles, key=keys, retries=RETRIES)
        for future, tile in zip(futures, tiles, strict=True):
            self.running[future] = tile
            future.add_done_callback(self.done.put)

    def _ended(self) -> list[tuple[Future, int]]:
        """Return the futures that have ended, with their tiles; wait a little for a first one.

        A driver that is behind finds many, and many at once cost less: 1.5 ms of CPU a tile, its
        scheduler's time included, where one by one took 4 ms.
        """
        ended = []
        with contextlib.suppress(queue.Empty):
            ended.append(self.done.get(timeout=_POLL))
            while True:
                ended.append(self.done.get_nowait())
        return [(future, self.running.pop(future)) for future in ended]

    def _fetch(self, ended: list[tuple[Future, int]]) -> dict[Future, Any]:
        """Return the results of all tiles that went well; of none where one cannot be fetched."""
        well = [future for future, _ in ended if future.status == "finished"]
        try:
            with self._asking():
                return dict(zip(well, self.client.gather(well), strict=True))
        except Exception:  # `_result` asks for each by itself then, and finds whose it is
            return {}

    def _result(self, future: Future, tile: int) -> Any | None:
        """Return the result of a finished future; note what failed, or is to be run again."""
        from distributed import KilledWorker

        if future.status in ("cancelled", "lost"):
            # with its worker, before it was fetched, or with the connection to the scheduler
            self.again.append(tile)
            return None
        try:
            with self._asking():
                return future.result()
        except KilledWorker:
            # also of a tile that was done, where its worker died before the result was fetched
            if self.alone:
                self.failures.add(tile, "every worker that ran it died")
            else:
                self.suspects.append(tile)
        except (ClusterError, StoreError):
            raise
        except Exception as error:
            if future.status in ("cancelled", "lost"):
                self.again.append(tile)
                return None
            self.failures.add(tile, error)
        return None

    def _check_alive(self) -> None:
        """Raise where the scheduler is gone, or a silence where it is an error."""
        if self.client.status == "running":
            self.connected = time.monotonic()
        elif time.monotonic() - self.connected > PATIENCE:
            raise self._lost()
        self.silence.check()

    def _lost(self) -> ClusterError:
        return ClusterError(
            "the dask scheduler is gone; run the same command again to resume, with the scheduler "
            "running"
        )

    def cancel(self) -> None:
        """Give up what still runs."""
        if self.running:
            with contextlib.suppress(Exception):  # of a cluster that is no more
                self.client.cancel(list(self.running), force=True)
            self.running = {}
