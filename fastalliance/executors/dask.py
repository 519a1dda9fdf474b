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
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fastalliance.errors import ClusterError, ConfigError, StoreError
from fastalliance.executors.addresses import require_certificates, require_no_password
from fastalliance.executors.failures import MOST, Failures
from fastalliance.executors.jobqueue import SYSTEMS, job_cluster, no_workers
from fastalliance.executors.silence import Silence
from fastalliance.executors.threads import thread_count

if TYPE_CHECKING:
    from distributed import Client, Future

Task = Callable[[int], Any]
ANSWER = "10s"  # that a scheduler has to answer
RETRIES = 2  # of a tile that raises
PATIENCE = 5.0  # seconds without a connection to the scheduler after which it counts as gone
_POLL = 0.15  # seconds; lets the main thread handle signals and the ledger while tiles run
_COUNT_EVERY = 2.0  # seconds between two looks at how many threads there are


class ClusterWarning(UserWarning):
    """A cluster is open to others."""


@contextlib.contextmanager
def connected(
    scheduler: str | None,
    workers: int | str,
    *,
    insecure: bool = False,
    jobs: int | None = None,
) -> Iterator[Client]:
    """Yield a client of a running cluster, of jobs, or of this machine's own processes.

    Parameters
    ----------
    scheduler : str, optional
        Address of a scheduler (``tcp://host:8786``, ``tls://...``), the path of a scheduler file,
        or the name of a batch system. Without it a cluster is started that listens on the loopback
        interface alone.
    workers : int or "auto"
        Single-thread processes of a cluster that is started; of a batch system the cores of a job.
    insecure : bool
        An open network is accepted: no warning of a given scheduler without TLS. A cluster of this
        machine's processes listens on the loopback interface all the same.
    jobs : int, optional
        How many jobs of a batch system.

    Raises
    ------
    ConfigError
        The package distributed, or what a batch system needs, is missing.
    ClusterError
        There is no scheduler at that address, it wants certificates, or jobs are refused.
    """
    try:
        import distributed
    except ImportError:
        raise ConfigError(
            'executor dask needs the package distributed: pip install "fastalliance[dask]"'
        ) from None
    if scheduler is None or scheduler in SYSTEMS:
        if scheduler is None:
            started = _local_cluster(thread_count(workers))
        else:
            started = job_cluster(scheduler, jobs or 1, workers)
        with started as cluster, distributed.Client(cluster) as client:
            yield client
        return
    with _joined(scheduler) as client:
        if not insecure:
            _warn_of_open(client.scheduler.address)
        yield client


def check_scheduler(scheduler: str) -> None:
    """Refuse what is neither an address, nor a scheduler file, nor a batch system.

    Raises
    ------
    ConfigError
        It is none of them, or holds a password.
    """
    if scheduler in SYSTEMS:
        return
    require_no_password(scheduler)
    if "://" not in scheduler and not Path(scheduler).is_file():
        raise ConfigError(
            f"there is no scheduler file {scheduler}; give a file, or an address tcp://host:port, "
            f"or a batch system: {', '.join(SYSTEMS)}"
        )


def _joined(scheduler: str) -> Client:
    """Return a client of a running scheduler."""
    import dask
    import distributed

    check_scheduler(scheduler)
    require_certificates(scheduler)
    is_file = "://" not in scheduler
    try:
        where = {"scheduler_file": scheduler} if is_file else {"address": scheduler}
        if not is_file:  # a client of a wrong address ends only after half a minute
            distributed.comm.get_address_host_port(scheduler, strict=True)
        with dask.config.set({"distributed.comm.timeouts.connect": ANSWER}):
            return distributed.Client(**where, timeout=ANSWER, set_as_default=False)
    except (OSError, TimeoutError, ValueError, RuntimeError) as error:
        # a RuntimeError where dask's configuration requires encryption
        raise ClusterError(
            f"no dask scheduler answers at {scheduler}: {error} (one with TLS is tls://...)"
        ) from None


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
        The scheduler was lost.
    TileError
        Tiles failed on every retry; all others are done, unless many failed.
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
        yield from submission.results(tiles, stop)
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
        self.failures = Failures()
        self.alone = False
        self.connected = time.monotonic()
        self.silence = Silence()
        self.counted = -_COUNT_EVERY
        self.room = 0

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
            self.room = 2 * sum(self.client.nthreads().values())
        return self.room

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
        """Raise where the scheduler is gone; say where nothing has happened for long."""
        if self.client.status == "running":
            self.connected = time.monotonic()
        elif time.monotonic() - self.connected > PATIENCE:
            raise self._lost()
        running = list(self.running.values()) if self.room else []
        self.silence.say(running, no_workers(self.client))

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

    try:
        with dask.config.set({"distributed.scheduler.worker-saturation": 1.0}):
            return LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                silence_logs=50,  # what concerns the user comes as one line
                preload=["fastalliance.executors.dask_preload"],
            )
    except (OSError, RuntimeError, TimeoutError) as error:
        raise ClusterError(
            f"dask workers do not start on this machine: {error.__cause__ or error}; a script "
            'that runs a study on dask must do so below: if __name__ == "__main__":'
        ) from error


def _warn_of_open(address: str) -> None:
    """Warn of a scheduler that anybody in the network can give orders to."""
    parts = urlsplit(address)
    if parts.scheme in ("tls", "inproc") or _is_loopback(parts.hostname or ""):
        return
    warnings.warn(
        f"the dask scheduler at {address} takes orders from anybody who reaches it; use TLS "
        "(tls://), or say --insecure in a network that you trust",
        ClusterWarning,
        stacklevel=2,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
