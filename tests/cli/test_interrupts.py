"""Ctrl-C once and twice, and SIGTERM: exit 130, and the same command goes on from there."""

import contextlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import fastalliance as fa
from fastalliance.store import status
from tests.cli.command import command

# Says on standard error when tiles begin and end.
PROGRAM = """
import sys
from fastalliance.cli import main
from fastalliance.study.progress import Lines

class Announced(Lines):
    def start(self, total, done):
        super().start(total, done)
        print("started", file=sys.stderr, flush=True)

    def advance(self, steps):
        super().advance(steps)
        print("a tile", file=sys.stderr, flush=True)

import fastalliance.study.progress as progress
progress.Lines = Announced
sys.exit(main())
"""

# 64 tiles, 2 to 3 s on one core in all.
SHORT_TILES = """\
model: dyad
seed: 5
replicates: 1024
horizon: 30
design: {grid: {initial_trust: {linspace: [0.2, 0.9, 800]}}}
store: run.zarr
"""
# One tile takes more than a minute.
LONG_TILES = """\
model: dyad
seed: 5
replicates: 4096
dt: 0.00002
design: {grid: {initial_trust: [0.7, 0.8, 0.9, 1.0]}}
store: run.zarr
"""


@contextlib.contextmanager
def running(text: str) -> Iterator[subprocess.Popen[str]]:
    """Start a run in a process of its own and wait until its tiles begin."""
    Path("study.yaml").write_text(text)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "run", "study.yaml", "--threads", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        wait_for_line(process, "started")
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for_line(process: subprocess.Popen[str], wanted: str) -> None:
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        seen.append(line)
        if wanted in line:
            return
    raise AssertionError(f"ended without {wanted!r}: {seen}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal__keeps_the_tiles_and_resumes(number: signal.Signals) -> None:
    with running(SHORT_TILES) as process:
        wait_for_line(process, "a tile")
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert "stopping: the running tiles finish first" in err
    found = re.search(
        r"^fastalliance: interrupted after (\d+) of (\d+) tiles, kept in run.zarr; "
        r"run again to resume$",
        err,
        re.M,
    )
    assert found, err
    assert "Traceback" not in err
    after = status("run.zarr")
    assert (after.n_done, after.n_tiles) == (int(found[1]), int(found[2]))
    assert 0 < after.n_done < after.n_tiles
    assert after.owner is None
    outcome = command("run", "study.yaml", "--quiet")
    assert outcome.code == 0
    assert f"already in the store  {after.n_done / after.n_tiles:.1%}" in outcome.out
    undisturbed = fa.Study.from_yaml("study.yaml").run(store="other.zarr")
    resumed = fa.open("run.zarr")
    for name in undisturbed.data_vars:
        np.testing.assert_array_equal(resumed[name], undisturbed[name])


def test_second_signal__stops_at_once_and_can_be_resumed() -> None:
    with running(LONG_TILES) as process:
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        wait_for_line(process, "again to stop now")
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        took = time.monotonic() - began
    assert process.returncode == 130
    assert "fastalliance: stopped at once" in err
    assert "Traceback" not in err
    assert took < 30  # the tile would have taken longer
    after = status("run.zarr")
    assert (after.n_done, after.owner) == (0, None)
    # Not refused: the lease was given back.
    outcome = command("run", "study.yaml", "--set", "dt=0.125", "--overwrite", "--quiet")
    assert outcome.code == 0


def interrupt_in(monkeypatch: pytest.MonkeyPatch, name: str, times: int) -> None:
    """Let signals come as the runner calls a function of its own."""
    from fastalliance.study import runner

    original = getattr(runner, name)

    def disturbed(*arguments: object) -> object:
        for _ in range(times):
            signal.raise_signal(signal.SIGINT)
        return original(*arguments)

    monkeypatch.setattr(runner, name, disturbed)


def test_one_signal__while_the_result_is_labelled_ends_with_the_result(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("study.yaml").write_text(SHORT_TILES.replace("800", "4"))
    interrupt_in(monkeypatch, "final_slabs", times=1)
    outcome = command("run", "study.yaml", "--quiet")
    said = "\nthe tiles are done: the result is labelled first (again to stop now)\n"
    assert capfd.readouterr().err == said
    assert (outcome.code, outcome.err) == (0, "")
    assert "P(success)" in outcome.out
    assert fa.open("run.zarr").attrs["complete"] is True


def test_second_signal__while_the_result_is_labelled_stops_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("study.yaml").write_text(SHORT_TILES.replace("800", "4"))
    with monkeypatch.context() as disturbed:
        interrupt_in(disturbed, "final_slabs", times=2)
        outcome = command("run", "study.yaml", "--quiet")
    assert (outcome.code, outcome.out) == (130, "")
    assert outcome.err == (
        "fastalliance: stopped at once, before the result was labelled; a store keeps all tiles\n"
    )
    assert command("run", "study.yaml", "--quiet").code == 0


def test_one_signal__that_comes_with_the_last_tile_is_an_interrupt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("study.yaml").write_text(SHORT_TILES.replace("800", "4"))
    interrupt_in(monkeypatch, "_collect", times=1)
    outcome = command("run", "study.yaml", "--quiet", "--threads", "1")
    assert outcome.code == 130
    assert "run again to resume" in outcome.err


def test_sigterm__outside_a_run_is_an_interrupt_too(monkeypatch: pytest.MonkeyPatch) -> None:
    import fastalliance.cli.configurations as module

    def terminate(options: object) -> int:
        signal.raise_signal(signal.SIGTERM)
        return 0

    monkeypatch.setattr(module, "schema", terminate)
    before = signal.getsignal(signal.SIGTERM)
    outcome = command("schema")
    assert (outcome.code, outcome.err) == (130, "fastalliance: terminated\n")
    assert signal.getsignal(signal.SIGTERM) is before
