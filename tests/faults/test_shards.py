"""Shards as processes of their own: started at one moment, killed, requeued, finishing at once.

10 random kills by default; FASTALLIANCE_KILLS=500 asks for 250.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fastalliance.store import Shard, read, status
from tests.faults import toy, toy_run
from tests.faults.forks import Forks
from tests.faults.test_run_kills import STUDY, WarmRuns

if not hasattr(os, "fork"):
    pytest.skip("processes cannot be forked here", allow_module_level=True)

REPOSITORY = Path(__file__).parents[2]
N_KILLS = max(1, int(os.environ.get("FASTALLIANCE_KILLS", "20")) // 2)
N_TILES = toy_run.N_TILES
KILLED = -9
REFUSED = 3


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    with Forks(tmp_path_factory.mktemp("errors")) as process:
        yield process


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("undisturbed") / "run.zarr"
    return toy.values_hash(toy.finished(path, N_TILES))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store" / "run.zarr"


def command(path: Path, shard: str = "", *more: str) -> list[str]:
    return [str(path), *(["--shard", shard] if shard else []), *more]


def run(forks: Forks, path: Path, *shards: str, fault: str = "") -> list[int]:
    """Run shards at once to their end, and return their exit codes."""
    numbers = forks.start(*(command(path, shard) for shard in shards), fault=fault)
    ends = [forks.end(number) for number in numbers]
    assert all(code in (0, KILLED) for code, _ in ends), ends
    return [code for code, _ in ends]


def until(condition: Callable[[], bool]) -> None:
    for _ in range(2000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("waited in vain")


def assert_clean(path: Path) -> None:
    """Nothing is left of killed processes, neither beside the store nor in its scratch."""
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert [p.name for p in (path / "_run/scratch").iterdir()] == ["zarr.json"]
    assert not (path / "_run/statistics").exists()


def n_ledger_files(path: Path) -> int:
    return len(list((path / "_run/ledger").glob("*-*.json")))


@pytest.mark.parametrize("round_", range(2))
def test_shards__eight_at_one_moment_create_one_store_and_finish_it(
    forks: Forks, path: Path, undisturbed: str, round_: int
) -> None:
    assert run(forks, path, *(f"{index}/8" for index in range(8))) == [0] * 8
    assert toy.values_hash(path) == undisturbed
    assert_clean(path)
    assert n_ledger_files(path) == 1


def test_shards__more_than_tiles(forks: Forks, path: Path, undisturbed: str) -> None:
    assert run(forks, path, *(f"{index}/16" for index in range(16))) == [0] * 16
    assert toy.values_hash(path) == undisturbed
    assert_clean(path)


def test_shards__one_after_the_other_in_processes_of_their_own(
    path: Path, undisturbed: str
) -> None:
    for index in range(2):
        arguments = command(path, f"{index}/2")
        module = [sys.executable, "-m", "tests.faults.toy_run"]
        subprocess.run([*module, *arguments], cwd=REPOSITORY, stdout=subprocess.PIPE, check=True)
    assert toy.values_hash(path) == undisturbed


def test_kills__of_shards_at_random_times_and_requeued(
    forks: Forks, tmp_path: Path, undisturbed: str
) -> None:
    draw = random.Random(9)
    kills = rounds = 0
    while kills < N_KILLS or rounds < 2:
        path = tmp_path / str(rounds) / "run.zarr"
        rounds += 1
        count = draw.choice([2, 3, 5])
        waiting = [f"{index}/{count}" for index in range(count)]
        while waiting:
            commands = [command(path, shard, "--seconds-per-tile", "0.02") for shard in waiting]
            running = dict(zip(waiting, forks.start(*commands), strict=True))
            time.sleep(draw.uniform(0.0, 0.3))
            doomed = draw.sample(waiting, draw.randint(0, len(waiting)))
            waiting = [shard for shard in doomed if forks.kill(running.pop(shard)) == KILLED]
            kills += len(waiting)
            if path.exists():
                read(path)  # never damaged, whatever was cut off
            ends = [forks.end(number) for number in running.values()]
            assert all(code == 0 for code, _ in ends), ends
        assert toy.values_hash(path) == undisturbed


@pytest.mark.parametrize(
    "fault",
    [
        "during-create",
        "before-publish",
        "between-arrays:2",
        "after-data:4",
        "before-ledger",
        "after-ledger:2",
        "during-merge",
    ],
)
def test_kill__of_every_shard_at_a_fault_point(
    forks: Forks, path: Path, undisturbed: str, fault: str
) -> None:
    shards = ["0/2", "1/2"]
    assert KILLED in run(forks, path, *shards, fault=fault), f"{fault} was not reached"
    assert run(forks, path, *shards) == [0, 0]
    assert toy.values_hash(path) == undisturbed
    assert_clean(path)


@pytest.mark.parametrize(
    "fault",
    [
        "during-finalise",
        "during-finalise:2",
        "during-publish",
        "during-publish:2",
        "before-complete",
        "after-complete",
        "during-removal",
    ],
)
def test_kill__of_the_finaliser_is_made_good_by_any_shard(
    forks: Forks, path: Path, undisturbed: str, fault: str
) -> None:
    assert run(forks, path, "0/3", "1/3") == [0, 0]
    assert run(forks, path, "2/3", fault=fault) == [KILLED]
    assert run(forks, path, "0/3", "1/3") == [0, 0]
    assert toy.values_hash(path) == undisturbed
    assert_clean(path)


def test_finaliser__killed_while_others_wait_is_replaced_by_one_of_them(
    forks: Forks, path: Path, undisturbed: str
) -> None:
    assert run(forks, path, "0/3", "1/3") == [0, 0]
    (slow,) = forks.start(command(path, "2/3", "--seconds-per-slab", "30"))
    until(lambda: status(path).n_done == N_TILES and any(path.glob("_run/scratch/final-*")))
    waiting = forks.start(command(path, "0/3"), command(path, "1/3"))
    until(lambda: len(status(path).shards) == 3)
    assert list(status(path).shards) == [Shard(0, 3), Shard(1, 3), Shard(2, 3)]
    assert forks.kill(slow) == KILLED
    assert [forks.end(number) for number in waiting] == [(0, ""), (0, "")]
    assert toy.values_hash(path) == undisturbed
    assert_clean(path)


def test_same_shard__twice_at_once_is_refused_and_requeued_once_the_first_is_dead(
    forks: Forks, path: Path, undisturbed: str
) -> None:
    slow = [command(path, f"{index}/2", "--seconds-per-tile", "30") for index in range(2)]
    first, sibling = forks.start(*slow)
    until(lambda: path.exists() and len(status(path).shards) == 2)
    (second,) = forks.start(command(path, "0/2"))
    code, errors = forks.end(second)
    assert code == REFUSED
    assert f"shard 0/2 of {path} is in use by process {first} on " in errors
    assert len(errors.splitlines()) == 1
    for number in (first, sibling):
        assert forks.kill(number) == KILLED
    assert status(path).shards == {}
    assert run(forks, path, "0/2", "1/2") == [0, 0]
    assert toy.values_hash(path) == undisturbed


@pytest.mark.parametrize("round_", range(2))
def test_race__of_a_whole_run_and_shards_of_two_counts_lets_one_kind_in(
    forks: Forks, path: Path, undisturbed: str, round_: int
) -> None:
    kinds = {"whole": [""], "of 2": ["0/2", "1/2"], "of 3": ["0/3", "1/3", "2/3"]}
    wanted = [(kind, shard) for kind, shards in kinds.items() for shard in shards]
    # Slow enough that nobody is done before the others have been refused.
    commands = [command(path, shard, "--seconds-per-tile", "0.25") for _, shard in wanted]
    numbers = forks.start(*commands)
    ends = [forks.end(number) for number in numbers]
    assert all(code in (0, REFUSED) for code, _ in ends), ends
    winners = {kind for (kind, _), (code, _) in zip(wanted, ends, strict=True) if code == 0}
    assert len(winners) == 1, ends
    for kind, shard in wanted:
        if kind in winners:
            assert run(forks, path, shard) == [0]
    assert toy.values_hash(path) == undisturbed
    assert_clean(path)


def test_real_runs__of_two_shards_at_once_killed_and_requeued(tmp_path: Path) -> None:
    configuration = tmp_path / "study.yaml"
    configuration.write_text(STUDY)
    whole, store = tmp_path / "whole.zarr", tmp_path / "shards" / "run.zarr"
    with (
        contextlib.closing(WarmRuns(configuration)) as first,
        contextlib.closing(WarmRuns(configuration)) as second,
    ):
        first.start(whole)
        assert first.end() == 0
        draw = random.Random(13)
        waiting = {"0/2": first, "1/2": second}
        kills = 0
        while waiting:
            numbers = {
                shard: runs.start(f"{store} --shard {shard}") for shard, runs in waiting.items()
            }
            if kills < max(1, N_KILLS // 4):
                time.sleep(draw.uniform(0.05, 0.3))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(numbers[draw.choice(sorted(numbers))], signal.SIGKILL)
            codes = {shard: runs.end() for shard, runs in waiting.items()}
            assert set(codes.values()) <= {0, KILLED}, codes
            kills += list(codes.values()).count(KILLED)
            waiting = {shard: runs for shard, runs in waiting.items() if codes[shard] == KILLED}
    assert kills > 0
    assert toy.values_hash(store) == toy.values_hash(whole)
    assert_clean(store)
