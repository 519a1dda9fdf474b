"""Real dask schedulers and workers, processes of their own on the loopback interface."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from fastalliance.store import status

ROOT = Path(__file__).parents[2]
WORKER = ("--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1")


def start(*arguments: str, log: Path | None = None, **environment: str) -> subprocess.Popen[bytes]:
    """Start ``dask ...`` in a process group of its own, which can import the tests."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",  # each costs a worker's start
        **environment,
    }
    with (log or Path(os.devnull)).open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments],
            env=environment,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL a process and all that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Cluster:
    """A scheduler and its workers, with TLS where the environment has certificates for dask."""

    def __init__(self, log: Path | None = None, **environment: str) -> None:
        port = free_port()
        protocol = "tls" if environment else "tcp"
        self.address = f"{protocol}://127.0.0.1:{port}"
        self.options = {"log": log, **environment}
        listen = ("--host", "127.0.0.1", "--port", str(port), "--protocol", protocol)
        self.scheduler = start("scheduler", *listen, "--no-dashboard", log=log, **environment)
        self.workers: list[subprocess.Popen[bytes]] = []

    def add_worker(self, *options: str) -> subprocess.Popen[bytes]:
        worker = start("worker", self.address, *WORKER, *options, **self.options)
        self.workers.append(worker)
        return worker

    def wait(self, workers: int) -> None:
        from distributed import Client

        end = time.monotonic() + 60.0
        while True:
            try:
                with Client(self.address, timeout="5s", set_as_default=False) as client:
                    client.wait_for_workers(workers, timeout=30)
                    return
            except (OSError, TimeoutError):
                if time.monotonic() > end:
                    raise


@contextlib.contextmanager
def cluster(
    workers: int, *options: str, log: Path | None = None, **environment: str
) -> Iterator[Cluster]:
    """Yield a running cluster; everything is killed in the end."""
    made = Cluster(log, **environment)
    try:
        for _ in range(workers):
            made.add_worker(*options)
        if workers:
            made.wait(workers)
        yield made
    finally:
        for process in (*made.workers, made.scheduler):
            kill(process)


def wait_for_tiles(store: Path, number: int, process: subprocess.Popen[str]) -> None:
    """Wait until a process that runs has recorded so many tiles."""
    end = time.monotonic() + 180.0
    while not store.exists() or status(store).n_done < number:
        assert process.poll() is None, "it has ended"
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.05)
