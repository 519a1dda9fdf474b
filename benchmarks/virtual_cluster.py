"""A cluster of virtual workers, with a virtual clock: for what a driver does with 1,000 of them.

The driver is the real one: `Study.run`, the dask executor's client side, the store and its ledger.
It finds a client that behaves as dask's does: two tiles a worker, a tile of a worker that died is
run elsewhere, and one on which four have died is given up. While the driver works the clock runs in
real time; while it would wait the clock jumps to the next thing that happens; and it stands while
the workers' part is played: a tile's data, which the real `TileWriter` writes.

What is left out: the network, the scheduler's own time unless it is given as `dask_seconds`, and
results that are lost between a tile's end and its fetching.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import math
import queue
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any, Self
from unittest import mock

import numpy as np
from distributed import KilledWorker

from fastalliance.executors import dask as dask_executor
from fastalliance.executors import silence
from fastalliance.study import executing, runner

ALLOWED_FAILURES = 3  # dask's default: workers that may die on a tile before it is given up
PREFETCHED = 2  # tiles of a worker: one runs, one is there already


@dataclass(frozen=True)
class Troubles:
    """What goes wrong.

    Attributes
    ----------
    lifetime : float
        Seconds that a worker lives in the mean, exponentially distributed.
    restart : float
        Seconds after which another takes the place of a worker that died.
    poison : frozenset of int
        Tiles that kill their workers.
    """

    lifetime: float = math.inf
    restart: float = 30.0
    poison: frozenset[int] = frozenset()


class Clock:
    """Seconds: real ones while the driver works; inside ``with clock`` it stands, or is set."""

    def __init__(self) -> None:
        self.driver_seconds = self.driver_cpu = 0.0
        self._now = 0.0
        self._depth = 0
        self._go()

    def _go(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def __enter__(self) -> Self:
        if self._depth == 0:
            worked = time.perf_counter() - self._wall
            self.driver_seconds += worked
            self.driver_cpu += time.process_time() - self._cpu
            self._now += worked
        self._depth += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._go()

    def now(self) -> float:
        """Return the time."""
        return self._now + (0.0 if self._depth else time.perf_counter() - self._wall)

    def set(self, now: float) -> None:
        """Jump ahead to a time; never back."""
        self._now = max(self._now, now)


class Tile:
    """A tile on the cluster, with the methods of a dask future that the executor uses."""

    def __init__(self, number: int, run: Callable[[], Any]) -> None:
        self.number = number
        self.run = run
        self.status = "pending"
        self.deaths = 0
        self._outcome: Any = None
        self._then: list[Callable[[Tile], None]] = []

    def add_done_callback(self, then: Callable[[Tile], None]) -> None:
        """Call `then` with the tile at its end."""
        self._then.append(then)

    def result(self) -> Any:
        """Return what the task returned, or raise what ended it."""
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome

    def end(self, status: str, outcome: Any) -> None:
        """Say how it ended."""
        self.status, self._outcome = status, outcome
        for then in self._then:
            then(self)


class _Worker:
    """A worker of one thread."""

    def __init__(self, number: int) -> None:
        self.address = f"virtual://{number}"
        self.alive = True
        self.lives = 0  # so many have died; what they were doing is void
        self.began = 0.0  # the tile that runs
        self.tiles: deque[Tile] = deque()

    def clean(self) -> _Worker:
        """Return what dask's exception keeps of a worker."""
        return self


class VirtualCluster:
    """Workers, a scheduler, and the client that the dask executor talks to.

    Parameters
    ----------
    n_workers : int
    tile_seconds, spread : float
        Mean of a tile's time, and the standard deviation of its logarithm (lognormal).
    troubles : Troubles
    seed : int
        Of durations and deaths.
    dask_seconds : float
        What dask itself takes for a tile in the driver, one tile after the other.
    """

    status = "running"
    id = "virtual"
    scheduler = SimpleNamespace(address="inproc://virtual")
    cluster = None  # none that the client has started

    def __init__(
        self,
        n_workers: int,
        tile_seconds: float,
        spread: float = 0.3,
        troubles: Troubles = Troubles(),
        seed: int = 0,
        dask_seconds: float = 0.0,
    ) -> None:
        self.clock = Clock()
        self.troubles = troubles
        self.dask_seconds = dask_seconds
        self.workers = [_Worker(i) for i in range(n_workers)]
        self.handed_over = self.deaths = 0
        self.lost_seconds = 0.0  # of tiles whose worker died
        self.busy: Counter[int] = Counter()  # seconds of all workers, in each second of the clock
        self._n_busy, self._noted = 0, 0.0
        self.after_each: Callable[[], None] = lambda: None  # tile that the driver was told of
        self.at_end: Callable[[], None] = lambda: None
        self._log_mean, self._spread = math.log(tile_seconds) - spread**2 / 2, spread
        self._chance = np.random.default_rng(seed)
        self._order = itertools.count()
        self._happening: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._queued: deque[Tile] = deque()
        self._with_room: list[deque[_Worker]] = [deque(self.workers), deque()]
        self._ended: deque[Tile] = deque()
        for worker in self.workers:
            self._plan_death(worker, 0.0)

    # What the executor calls: the client ...

    def register_plugin(self, plugin: Any) -> None:
        """Bring the task, to all workers at once: they share this process."""
        with self.clock:
            plugin.setup(None)

    def unregister_worker_plugin(self, name: str) -> None:
        """Note the end of the run."""
        with self.clock:
            self.note_end()

    def note_end(self) -> None:
        """Let no more happen to the sums."""
        self._note_busy(self.clock.now(), 0)
        self.at_end()

    def nthreads(self) -> dict[str, int]:
        """Return the threads of each worker."""
        with self.clock:
            self._catch_up()
            return {worker.address: 1 for worker in self.workers if worker.alive}

    def map(
        self,
        function: Callable[..., Any],
        runs: list[str],
        tiles: list[int],
        *,
        key: list[str],
        retries: int,
    ) -> list[Tile]:
        """Take tiles in."""
        with self.clock:
            self.clock.set(self.clock.now() + len(tiles) * self.dask_seconds)
            self._catch_up()
            pairs = zip(runs, tiles, strict=True)
            submitted = [Tile(tile, partial(function, run, tile)) for run, tile in pairs]
            self._queued.extend(submitted)
            self._hand_out(self.clock.now())
            return submitted

    def gather(self, tiles: list[Tile]) -> list[Any]:
        """Return the results of tiles."""
        return [tile.result() for tile in tiles]

    def cancel(self, tiles: list[Tile], *, force: bool) -> None:
        """Forget tiles."""
        with self.clock:
            self._queued.clear()

    # ... the queue of ended tiles ...

    def put(self, tile: Tile) -> None:
        """Note a tile that has ended."""
        self._ended.append(tile)

    def get_nowait(self) -> Tile:
        """Return a tile that has ended already."""
        return self.get(0.0)

    def get(self, timeout: float) -> Tile:
        """Return a tile that has ended; wait for one, in virtual time."""
        with self.clock:
            self._catch_up()
            until = self.clock.now() + timeout
            while not self._ended:
                if not self._happening or self._happening[0][0] > until:
                    self.clock.set(until)
                    raise queue.Empty
                self._next()
            self.handed_over += 1
            self.after_each()
            return self._ended.popleft()

    # ... and the time.

    def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        with self.clock:
            self.clock.set(self.clock.now() + seconds)
            self._catch_up()

    # What happens on the cluster.

    def _at(self, when: float, what: Callable[..., None], *about: Any) -> None:
        heapq.heappush(self._happening, (when, next(self._order), what, about))

    def _next(self) -> None:
        when, _, what, about = heapq.heappop(self._happening)
        self.clock.set(when)
        what(when, *about)

    def _catch_up(self) -> None:
        """Let everything happen that did while the driver was at work."""
        while self._happening and self._happening[0][0] <= self.clock.now():
            self._next()

    def _hand_out(self, now: float) -> None:
        """Give queued tiles to workers, first to those that have nothing to do."""
        for n_tiles, with_room in enumerate(self._with_room):
            while self._queued and with_room:
                worker = with_room.popleft()
                if not worker.alive or len(worker.tiles) != n_tiles:
                    continue  # it is in another line by now
                worker.tiles.append(self._queued.popleft())
                if n_tiles == 0:
                    self._start(now, worker)
                self._line_up(worker)

    def _line_up(self, worker: _Worker) -> None:
        if len(worker.tiles) < PREFETCHED:
            self._with_room[len(worker.tiles)].append(worker)

    def _start(self, now: float, worker: _Worker) -> None:
        seconds = float(self._chance.lognormal(self._log_mean, self._spread))
        if worker.tiles[0].number in self.troubles.poison:
            self._at(now + seconds / 2, self._die, worker, worker.lives)
        self._at(now + seconds, self._finish, worker, worker.lives)
        worker.began = now
        self._note_busy(now, 1)

    def _finish(self, now: float, worker: _Worker, life: int) -> None:
        if life != worker.lives:
            return
        tile = worker.tiles.popleft()
        self._note_busy(now, -1)
        try:
            tile.end("finished", tile.run())
        except Exception as error:
            tile.end("error", error)
        if worker.tiles:
            self._start(now, worker)
        self._line_up(worker)
        self._hand_out(now)

    def _plan_death(self, worker: _Worker, now: float) -> None:
        if math.isfinite(self.troubles.lifetime):
            left = float(self._chance.exponential(self.troubles.lifetime))
            self._at(now + left, self._die, worker, worker.lives)

    def _die(self, now: float, worker: _Worker, life: int) -> None:
        """Let a worker die; whatever was on it is blamed, as dask does."""
        if life != worker.lives:
            return
        self.deaths += 1
        worker.alive, worker.lives = False, worker.lives + 1
        if worker.tiles:
            self.lost_seconds += now - worker.began
            self._note_busy(now, -1)
        orphans, worker.tiles = worker.tiles, deque()
        for tile in orphans:
            tile.deaths += 1
            if tile.deaths > ALLOWED_FAILURES:
                tile.end("error", KilledWorker(f"tile-{tile.number}", worker, ALLOWED_FAILURES))
            else:
                self._queued.appendleft(tile)
        self._at(now + self.troubles.restart, self._come_back, worker)
        self._hand_out(now)

    def _come_back(self, now: float, worker: _Worker) -> None:
        worker.alive = True
        self._plan_death(worker, now)
        self._line_up(worker)
        self._hand_out(now)

    def _note_busy(self, now: float, change: int) -> None:
        """Add up what workers did since the last change, second by second."""
        while self._noted < now:
            until = min(now, math.floor(self._noted) + 1.0)
            self.busy[int(self._noted)] += self._n_busy * (until - self._noted)
            self._noted = until
        self._n_busy += change


@contextlib.contextmanager
def driver_on(cluster: VirtualCluster) -> Iterator[None]:
    """Let the dask executor of this process run on a virtual cluster, by its clock."""
    clock = SimpleNamespace(monotonic=cluster.clock.now, sleep=cluster.sleep)
    ended = SimpleNamespace(SimpleQueue=lambda: cluster, Empty=queue.Empty)
    with (
        mock.patch.object(executing, "connected", return_value=contextlib.nullcontext(cluster)),
        mock.patch.object(dask_executor, "queue", ended),
        mock.patch.object(dask_executor, "time", clock),
        mock.patch.object(silence, "time", clock),
        mock.patch.object(runner, "time", clock),
    ):
        yield
