"""A scheduler that hangs, and what killed runs leave in one that goes on."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fastalliance.errors import ClusterError
from fastalliance.executors import connected, connecting
from fastalliance.store import status
from tests.cli.command import command, started
from tests.faults.clusters import Cluster, cluster, wait_for_tiles
from tests.faults.test_dask_security import STUDY as SHORT

pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

STUDY = SHORT.replace("replicates: 1024", "replicates: 4096")
RUN = ("run", "study.yaml", "--quiet", "--points-per-tile", "4")
PROGRAM = """
import sys
from fastalliance.cli import main
from fastalliance.executors import dask, silence

silence.SILENT, dask.PATIENCE, dask.FAREWELL = 1.0, 0.5, 0.5
sys.exit(main())
"""


@contextlib.contextmanager
def hanging(made: Cluster) -> Iterator[None]:
    """Stop a scheduler, and keep it so, whatever else on this machine lets processes go on."""
    over = threading.Event()

    def stop() -> None:
        while not over.wait(0.05):
            os.kill(made.scheduler.pid, signal.SIGSTOP)

    os.kill(made.scheduler.pid, signal.SIGSTOP)
    thread = threading.Thread(target=stop)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        os.kill(made.scheduler.pid, signal.SIGCONT)


class Driver:
    """A run in a process of its own, and what it says."""

    def __init__(self, address: str, log: Path) -> None:
        self.log = log
        with log.open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, *RUN, "--scheduler", address],
                stdout=subprocess.DEVNULL,
                stderr=err,
                text=True,
            )

    def says(self, text: str) -> None:
        """Wait until it has said so."""
        end = time.monotonic() + 60.0
        while text not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.05)

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)


@contextlib.contextmanager
def driver(address: str, log: Path) -> Iterator[Driver]:
    made = Driver(address, log)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait()


def test_scheduler__that_hangs_is_said_and_two_interrupts_end_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("study.yaml").write_text(STUDY)
    store = Path("run.zarr")
    with cluster(1, "--no-nanny") as made:
        with driver(made.address, tmp_path / "first.log") as run:
            wait_for_tiles(store, 2, run.process)
            with hanging(made):
                run.says("warning: no tile has finished for 0 minutes; the dask scheduler does not")
                run.interrupt()
                run.says("again to stop now")
            assert run.process.wait(60) == 130  # the running tiles have finished
            run_says = run.log.read_text()
        assert "interrupted after" in run_says
        n_done = status(store).n_done
        assert n_done < status(store).n_tiles
        with driver(made.address, tmp_path / "second.log") as run:
            wait_for_tiles(store, n_done + 1, run.process)
            with hanging(made):
                run.says("the dask scheduler does not answer")
                run.interrupt()
                run.says("again to stop now")
                run.interrupt()
                assert run.process.wait(20) == 130
            run_says = run.log.read_text()
        assert "fastalliance: stopped at once" in run_says
        assert "Traceback" not in run_says
    assert status(store).owner is None
    assert command(*RUN).code == 0
    assert command("verify", store, "--tiles", "4", "--quiet").code == 0


def test_scheduler__that_hangs_at_the_start_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with cluster(0) as made:
        with connected(made.address, 1):
            pass
        monkeypatch.setattr(connecting, "ANSWER", 1.0)
        with (
            hanging(made),
            pytest.raises(ClusterError, match="no dask scheduler answers at tcp"),
            connected(made.address, 1),
        ):
            pass


def kept(client: Any) -> list[str]:
    """Return the studies that a scheduler gives to every new worker."""

    def names(dask_scheduler: Any) -> list[str]:
        return [name for name in dask_scheduler.worker_plugins if "fastalliance" in name]

    found: list[str] = client.run_on_scheduler(names)
    return found


def test_study__of_a_killed_run_is_taken_from_the_scheduler_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed")
    monkeypatch.chdir(tmp_path)
    Path("study.yaml").write_text(STUDY)
    with (
        cluster(1, "--no-nanny") as made,
        distributed.Client(made.address, set_as_default=False) as client,
    ):
        run = (*RUN, "--scheduler", made.address)
        with started(*run) as killed, started(*run, "--store", "other.zarr") as alive:
            wait_for_tiles(Path("run.zarr"), 1, killed)
            wait_for_tiles(Path("other.zarr"), 1, alive)
            assert len(kept(client)) == 2
            killed.kill()
            killed.wait()
            assert len(kept(client)) == 2  # nobody tells the scheduler
            with connected(made.address, 1):
                assert len(kept(client)) == 1
            # nobody has taken the other one's study away
            wait_for_tiles(Path("other.zarr"), status("other.zarr").n_done + 3, alive)
            alive.send_signal(signal.SIGINT)
            _, err = alive.communicate(timeout=60)
            assert alive.returncode == 130, err
            assert "interrupted after" in err
        assert kept(client) == []
