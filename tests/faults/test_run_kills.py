"""SIGKILL of real `fastalliance run` processes, then the same command again: the same values.

20 kills at random times by default; FASTALLIANCE_KILLS=500 asks for more.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastalliance.store import read, status
from tests.faults import toy

REPOSITORY = Path(__file__).parents[2]
N_KILLS = int(os.environ.get("FASTALLIANCE_KILLS", "20"))
COLD_KILLS = 3  # of processes that still import, compile or load

# 16 tiles, each with a chunk of every kept array.
STUDY = """\
model: dyad
seed: 5
replicates: 100
horizon: 30
design: {grid: {initial_trust: {linspace: [0.2, 0.9, 64]}}}
statistics: {quantiles: [0.5]}
keep: {replicates: true, trajectories: {every: 10, replicates: 2}}
"""


class WarmRuns:
    """A process that starts runs in children of its own, one after the other."""

    def __init__(self, configuration: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.warm_run", str(configuration)],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._command = f"run {configuration} --quiet --threads 2 --store"

    def start(self, store: Path) -> int:
        """Start a run and return its process number; its summary goes nowhere."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{self._command} {store}\n")
        self._process.stdin.flush()
        return self._number()

    def end(self) -> int:
        """Wait for the run's end and return its exit code."""
        return self._number()

    def _number(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory in memory where there is one: a kill loses nothing that was written there."""
    memory = Path("/dev/shm")
    base = memory if os.access(memory, os.W_OK) else tmp_path_factory.mktemp("kills")
    with tempfile.TemporaryDirectory(dir=base, prefix="fastalliance-kills-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def configuration(folder: Path) -> Path:
    path = folder / "study.yaml"
    path.write_text(STUDY)
    return path


@pytest.fixture(scope="module")
def warm(configuration: Path) -> Iterator[WarmRuns]:
    with contextlib.closing(WarmRuns(configuration)) as runs:
        yield runs


@pytest.fixture(scope="module")
def undisturbed(warm: WarmRuns, configuration: Path) -> tuple[str, float]:
    """Hash of the values of an undisturbed run, and the seconds that it took."""
    store = configuration.parent / "undisturbed.zarr"
    warm.start(store)  # waits until all is loaded
    began = time.monotonic()
    assert warm.end() == 0
    seconds = time.monotonic() - began
    assert status(store).n_tiles == 16
    return toy.values_hash(store), seconds


def assert_clean(store: Path) -> None:
    """Nothing is left of killed runs, neither beside the store nor in its scratch."""
    assert [path.name for path in store.parent.iterdir()] == [store.name]
    assert [path.name for path in (store / "_run/scratch").iterdir()] == ["zarr.json"]
    assert not (store / "_run/statistics").exists()


def test_kills__of_runs_at_random_times(
    warm: WarmRuns, undisturbed: tuple[str, float], folder: Path
) -> None:
    expected, seconds = undisturbed
    draw = random.Random(11)
    store = folder / "0" / "run.zarr"
    kills = finished = half_done = 0
    while kills < N_KILLS:
        child = warm.start(store)
        time.sleep(draw.uniform(0.0, seconds))
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        code = warm.end()
        assert code in (0, -signal.SIGKILL)
        kills += code != 0
        if store.exists():
            handle = read(store)  # never damaged, whatever was cut off
            half_done += not handle.complete and handle.done.size > 0
        if code == 0:
            assert toy.values_hash(store) == expected
            finished += 1
            store = folder / str(finished) / "run.zarr"
    warm.start(store)
    assert warm.end() == 0
    assert toy.values_hash(store) == expected
    assert_clean(store)
    assert half_done >= N_KILLS // 10, "the kills came too early or too late to prove anything"


def test_kills__of_runs_from_their_very_start(
    configuration: Path, undisturbed: tuple[str, float], tmp_path: Path
) -> None:
    """The whole program: kills while it imports, loads the kernel, makes the store."""
    store = tmp_path / "store" / "run.zarr"
    command = [sys.executable, "-m", "fastalliance", "run", str(configuration), "--quiet"]
    command += ["--store", str(store)]
    draw = random.Random(12)
    for _ in range(COLD_KILLS):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(draw.uniform(0.3, 2.5))
        process.kill()
        process.wait()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    assert status(store).complete
    assert toy.values_hash(store) == undisturbed[0]
    assert_clean(store)
