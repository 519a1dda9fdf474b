"""A tile that always fails: the others finish, and a command that can be copied runs it alone."""

from __future__ import annotations

import re
import shlex
import signal
import threading
from pathlib import Path

import numpy as np
import pytest

import fastalliance as fa
from fastalliance.cli.exits import TILES_FAILED
from fastalliance.errors import StoreError, TileError
from fastalliance.executors import run_on_threads
from fastalliance.executors.failures import MOST
from fastalliance.store import status
from fastalliance.study import tile_data, tiles
from fastalliance.study.model_file import load
from tests.cli.command import Outcome, command, started
from tests.faults.clusters import cluster

MODEL = Path(__file__).with_name("poison.py")
STUDY = """\
model: poison
seed: 5
replicates: 20
store: results/my run.zarr
design: {table: {crash: [0, 0, 0, 1, 0, 0], start: [0, 1, 2, 3, 4, 5]}}
"""
STORE = "results/my run.zarr"


@pytest.fixture(autouse=True)
def _a_study_of_six_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tiles, "_MIN_TILE_STEPS", 1)
    Path("study.yaml").write_text(STUDY)


def run(*options: str) -> Outcome:
    return command("run", "study.yaml", "--quiet", "--model-file", f"{MODEL}:MODEL", *options)


def named_command(outcome: Outcome) -> list[str]:
    """Return the arguments of the command that an error names, as a shell takes them."""
    assert outcome.code == TILES_FAILED, outcome
    assert len(outcome.err.splitlines()) == 1
    assert "points 3 to 3, replicates 0 to 19, seed 5" in outcome.err
    assert f"the others are kept in {STORE}" in outcome.err
    program, *arguments = shlex.split(outcome.err.split("to see it fail: ")[1])
    assert program == "fastalliance"
    assert arguments == ["replay", STORE, "--tile", "3", "--model-file", f"{MODEL}:MODEL"]
    return arguments


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of distributed
def test_crash__on_dask_leaves_the_others_and_on_threads_ends_the_process() -> None:
    pytest.importorskip("distributed")
    with cluster(1) as made:
        outcome = run("--scheduler", made.address)
    arguments = named_command(outcome)
    assert "error: tile 3 failed on every try (every worker that ran it died)" in outcome.err
    assert (status(STORE).n_done, status(STORE).n_tiles) == (5, 6)

    with started(*arguments) as alone:
        out, _ = alone.communicate(timeout=120)
        assert alone.returncode == -signal.SIGSEGV
    assert out == "tile 3 of 6: points 3 to 3, replicates 0 to 19, seed 5\n"

    # Resumed on threads, the tile ends the whole process; nothing of the others is lost.
    again = ("run", "study.yaml", "--quiet", "--model-file", f"{MODEL}:MODEL")
    with started(*again) as resumed:
        resumed.communicate(timeout=120)
        assert resumed.returncode == -signal.SIGSEGV
    after = status(STORE)
    assert (after.n_done, after.owner) == (5, None)
    whole = command("replay", STORE, "--tile", "2", "--model-file", f"{MODEL}:MODEL")
    assert (whole.code, whole.err) == (0, "")
    assert re.search(r"computed without a failure; SHA-256 of its values [0-9a-f]{64}$", whole.out)


def test_failure__on_threads_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    compute = tile_data.TileComputer.compute
    tried: list[int] = []

    def fail_at_three(self, tile):
        tried.append(tile.number)
        if tile.number == 3:
            raise MemoryError
        return compute(self, tile)

    with monkeypatch.context() as broken:
        broken.setattr(tile_data.TileComputer, "compute", fail_at_three)
        Path("study.yaml").write_text(STUDY.replace("1", "0", 1))
        outcome = run()
        arguments = named_command(outcome)
        assert "error: tile 3 failed on every try (not enough memory); " in outcome.err
        assert sorted(tried) == [0, 1, 2, 3, 3, 4, 5]
        assert tried[-1] == 3  # with nothing beside it
        assert status(STORE).n_done == 5
        failed = command(*arguments)
        assert failed.code == 1
        assert failed.err == (
            "fastalliance: error: not enough memory; make the study or its tiles smaller "
            "(fastalliance plan)\n"
        )
    assert command(*arguments).code == 0
    assert run().code == 0
    assert not np.isnan(fa.open(STORE)["x_mean"]).any()


def test_failure__without_a_store_names_what_python_runs() -> None:
    study = fa.Study(load(f"{MODEL}:FAILING"), replicates=8, seed=4)
    with pytest.raises(TileError, match=r"study\.replay\(point=0, replicate=0\)$") as failure:
        study.run()
    assert list(failure.value.tiles) == [0]
    assert "a formula raised ValueError: at the third step" in failure.value.tiles[0]
    with pytest.raises(fa.ModelError, match="at the third step"):
        study.replay(point=0, replicate=0)


def test_replay_of_a_tile__refuses_what_does_not_fit() -> None:
    assert run("--set", "design.table.crash=[0,0,0,0,0,0]").code == 0
    model = ("--model-file", f"{MODEL}:MODEL")
    for options, message in (
        (("--tile", "6", *model), "tile must be a whole number from 0 to 5, got 6"),
        (("--tile", "2", "--replicate", "1", *model), "not one replicate; leave out --replicate\n"),
        (("--tile", "2"), "which is not built in; give it: --model-file FILE.py:NAME"),
    ):
        outcome = command("replay", STORE, *options)
        assert outcome.code == 2
        assert message in outcome.err


# --- the threads executor -------------------------------------------------------------------------


def collect(task, tiles, found):
    results = run_on_threads(task, tiles, threads=3, stop=threading.Event())
    found.extend(result for result in results if result is not None)


def test_threads__a_failure_that_does_not_come_again_is_forgotten() -> None:
    tried: list[int] = []

    def task(tile: int) -> int:
        tried.append(tile)
        if tile == 2 and tried.count(2) == 1:
            raise MemoryError
        return tile

    found: list[int] = []
    collect(task, range(6), found)
    assert sorted(found) == list(range(6))


def test_threads__a_refusing_store_ends_the_run_at_once() -> None:
    tried: list[int] = []

    def task(tile: int) -> int:
        tried.append(tile)
        if tile == 2:
            raise StoreError("the disk is full")
        return tile

    found: list[int] = []
    with pytest.raises(StoreError, match="the disk is full"):
        collect(task, range(100), found)
    assert tried.count(2) == 1
    assert len(tried) < 100
    assert sorted([*found, 2]) == sorted(tried)  # those that ran have been yielded


def test_threads__many_failures_are_the_study_s_and_end_the_run() -> None:
    tried: list[int] = []

    def task(tile: int) -> int:
        tried.append(tile)
        raise ValueError("no tile\ncan be computed")

    with pytest.raises(TileError, match=r"so that the run was given up$") as failure:
        collect(task, range(1000), [])
    assert MOST < len(failure.value.tiles) == len(tried) <= MOST + 3
    assert failure.value.tiles[0] == "ValueError: no tile can be computed"


def test_threads__stopped_by_the_user_are_not_called_failed() -> None:
    stop = threading.Event()

    def task(tile: int) -> int:
        stop.set()
        raise ValueError("once")

    assert list(run_on_threads(task, range(5), threads=1, stop=stop)) in ([], [None])
