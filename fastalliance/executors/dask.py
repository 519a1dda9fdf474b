"""The dask executor: tiles as futures on a cluster, each written by the worker that computed it.

The task goes to every worker once, by a plugin; a future carries a tile's number alone. A tile
that was running on a worker that died is run again by dask; one on which workers keep dying is set
apart and run alone in the end, because dask blames whatever shared the worker with the culprit.
"""

from __future__ import annotations

import contextlib
import ipaddress
import queue
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fastalliance.errors import ClusterError, ConfigError, FastAllianceError, StoreError

if TYPE_CHECKING:
    from distributed import Client, Future

Task = Callable[[int], Any]
ANSWER = "10s"  # that a scheduler has to answer
RETRIES = 2  # of a tile that raises
PATIENCE = 5.0  # seconds without a connection to the scheduler after which it counts as gone
SILENT = 600.0  # seconds without a tile after which that is said
_POLL = 0.2  # seconds; lets the main thread handle signals while tiles run
_COUNT_EVERY = 2.0  # seconds between two looks at how many threads there are


class ClusterWarning(UserWarning):
    """A cluster is open to others, or does nothing."""


@contextlib.contextmanager
def connected(scheduler: str | None, workers: int) -> Iterator[Client]:
    """Yield a client of a running cluster, or of one of this machine's own processes.

    Parameters
    ----------
    scheduler : str, optional
        Address of a scheduler (``tcp://host:8786``, ``tls://...``), or the path of a scheduler
        file. Without it a cluster is started that listens on the loopback interface alone.
    workers : int
        Single-thread processes of a cluster that is started.

    Raises
    ------
    ConfigError
        The package distributed is missing.
    ClusterError
        There is no scheduler at that address.
    """
    try:
        import dask
        import distributed
    except ImportError:
        raise ConfigError(
            'executor dask needs the package distributed: pip install "fastalliance[dask]"'
        ) from None
    if scheduler is None:
        with _local_cluster(workers) as cluster, distributed.Client(cluster) as client:
            yield client
        return
    is_file = "://" not in scheduler
    if is_file and not Path(scheduler).is_file():
        raise ClusterError(
            f"there is no scheduler file {scheduler}; give a file, or an address tcp://host:port"
        )
    try:
        where = {"scheduler_file": scheduler} if is_file else {"address": scheduler}
        with dask.config.set({"distributed.comm.timeouts.connect": ANSWER}):
            client = distributed.Client(**where, timeout=ANSWER, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterError(f"no dask scheduler answers at {scheduler}: {error}") from None
    with client:
        _warn_of_open(client.scheduler.address)
        yield client


def run_on_dask(
    task: Task, tiles: Iterable[int], *, client: Client, stop: threading.Event
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

    Raises
    ------
    ClusterError
        The scheduler was lost, or tiles failed on every retry: then all others are done.
    StoreError
        The first one that a worker raises.
    """
    import cloudpickle

    from fastalliance.executors.dask_worker import Ship

    run = uuid.uuid4().hex
    plugin = Ship(run, cloudpickle.dumps(task))
    try:
        client.register_plugin(plugin)
    except Exception as error:  # of a worker's own, in whatever class it sends it
        raise ClusterError(
            f"the workers cannot load the study: {type(error).__name__}: {error}; install the same "
            "version of fastalliance there"
        ) from error
    submission = _Submission(client, run)
    try:
        yield from submission.results(iter(tiles), stop)
    finally:
        submission.cancel()
        with contextlib.suppress(Exception):  # of a cluster that is no more
            client.unregister_worker_plugin(plugin.name)


class _Submission:
    """Futures of one run, and what became of tiles that failed."""

    def __init__(self, client: Client, run: str) -> None:
        self.client = client
        self.run = run
        self.running: dict[Future, int] = {}
        self.done: queue.SimpleQueue[Future] = queue.SimpleQueue()
        self.again: list[int] = []
        self.suspects: list[int] = []
        self.failed: dict[int, str] = {}
        self.alone = False
        self.heard = self.connected = time.monotonic()
        self.counted = -_COUNT_EVERY
        self.room = 0

    def results(self, waiting: Iterator[int], stop: threading.Event) -> Generator[Any | None]:
        """Run all tiles, and then those alone on which workers died."""
        yield from self._all(waiting, stop)
        self.alone = True
        for tile in list(self.suspects):
            yield from self._all(iter([tile]), stop)
        if self.failed:
            raise ClusterError(_report(self.failed), tiles=self.failed)

    def _all(self, waiting: Iterator[int], stop: threading.Event) -> Generator[Any | None]:
        while True:
            connected = self.client.status == "running"
            while connected and not stop.is_set() and len(self.running) < self._most():
                tile = self.again.pop() if self.again else next(waiting, None)
                if tile is None:
                    break
                self._submit(tile)
            if not self.running:
                if stop.is_set() or (connected and not self.again and self._most() > 0):
                    return
                self._check_alive()
                time.sleep(_POLL)
                yield None
                continue
            try:
                future = self.done.get(timeout=_POLL)
            except queue.Empty:
                self._check_alive()
                yield None
                continue
            self.heard = time.monotonic()
            yield self._result(future)

    def _most(self) -> int:
        """Return how many tiles to have on the cluster: two a thread, so that none waits."""
        if self.alone:
            return 1
        if time.monotonic() - self.counted > _COUNT_EVERY and self.client.status == "running":
            self.counted = time.monotonic()
            self.room = 2 * sum(self.client.nthreads().values())
        return self.room

    def _submit(self, tile: int) -> None:
        from fastalliance.executors.dask_worker import run_tile

        key = f"tile-{tile}-{uuid.uuid4().hex}"
        future = self.client.submit(run_tile, self.run, tile, key=key, retries=RETRIES)
        self.running[future] = tile
        future.add_done_callback(self.done.put)

    def _result(self, future: Future) -> Any | None:
        """Return the result of a finished future; note what failed, or is to be run again."""
        from distributed import KilledWorker

        from fastalliance.executors.dask_worker import NotShippedError

        tile = self.running.pop(future)
        if future.status in ("cancelled", "lost"):
            # with its worker, before it was fetched, or with the connection to the scheduler
            self.again.append(tile)
            return None
        try:
            return future.result()
        except KilledWorker:
            # also of a tile that was done, where its worker died before the result was fetched
            if self.alone:
                self.failed[tile] = "every worker that ran it died"
            else:
                self.suspects.append(tile)
        except (NotShippedError, StoreError):
            raise
        except Exception as error:
            if future.status in ("cancelled", "lost"):
                self.again.append(tile)
                return None
            name = "" if isinstance(error, FastAllianceError) else f"{type(error).__name__}: "
            self.failed[tile] = f"{name}{error}"
        return None

    def _check_alive(self) -> None:
        """Raise where the scheduler is gone; say where nothing has happened for long."""
        if self.client.status == "running":
            self.connected = time.monotonic()
        elif time.monotonic() - self.connected > PATIENCE:
            raise self._lost()
        silent = time.monotonic() - self.heard
        if silent > SILENT:
            self.heard = time.monotonic()
            tiles = ", ".join(map(str, list(self.running.values())[:4]))
            what = f"tiles {tiles} run" if self.running else "there are no workers"
            warnings.warn(
                f"no tile has finished for {silent / 60:.0f} minutes; {what}",
                ClusterWarning,
                stacklevel=2,
            )

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


def _local_cluster(workers: int) -> Any:
    """Return a cluster of processes of this machine that nobody else can reach."""
    import dask
    from distributed import LocalCluster

    with dask.config.set({"distributed.scheduler.worker-saturation": 1.0}):
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=40,
        )


def _warn_of_open(address: str) -> None:
    """Warn of a scheduler that anybody in the network can give orders to."""
    parts = urlsplit(address)
    if parts.scheme in ("tls", "inproc") or _is_loopback(parts.hostname or ""):
        return
    warnings.warn(
        f"the dask scheduler at {address} takes orders from anybody who reaches it; use TLS "
        "(tls://) outside a network that you trust",
        ClusterWarning,
        stacklevel=2,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _report(failed: dict[int, str]) -> str:
    first, reason = next(iter(failed.items()))
    more = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
    return f"tile {first} failed on every retry ({reason}){more}"
