"""SIGKILL at any moment, then the same command again: the values of an undisturbed run.

20 random kills by default; FASTALLIANCE_KILLS=500 asks for more.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from fastalliance.store import RunStore, read
from tests.faults import toy, toy_run

REPOSITORY = Path(__file__).parents[2]
N_KILLS = int(os.environ.get("FASTALLIANCE_KILLS", "20"))


def start(path: Path, *arguments: str, fault: str = "") -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.faults.toy_run", str(path), *arguments]
    environment = {**os.environ, "FASTALLIANCE_FAULT": fault}
    return subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(path: Path, *arguments: str, fault: str = "") -> int:
    process = start(path, *arguments, fault=fault)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (0, -9), errors
    return process.returncode


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("undisturbed") / "run.zarr"
    return toy.values_hash(toy.finished(path, toy_run.N_TILES))


def assert_clean(path: Path) -> None:
    """Nothing is left of killed processes, neither beside the store nor in its scratch."""
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert [p.name for p in (path / "_run" / "scratch").iterdir()] == ["zarr.json"]
    assert not (path / "_run" / "statistics").exists()


def test_kills__at_random_times(tmp_path: Path, undisturbed: str) -> None:
    path = tmp_path / "run.zarr"
    draw = random.Random(5)
    kills = 0
    while kills < N_KILLS:
        process = start(path, "--seconds-per-tile", "0.02")
        assert process.stdout is not None
        if draw.random() < 0.8:
            process.stdout.readline()  # the store is open: the rest takes about 0.4 s
        try:
            process.communicate(timeout=draw.uniform(0.0, 0.5))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
            continue
        assert process.returncode == 0
        assert toy.values_hash(path) == undisturbed
        path = tmp_path / f"run{kills}.zarr"
    assert run(path) == 0
    assert toy.values_hash(path) == undisturbed


@pytest.mark.parametrize(
    "fault",
    [
        "during-create",
        "before-publish",
        "between-arrays:4",
        "after-data:3",
        "before-ledger",
        "before-ledger:3",
        "after-ledger",
        "during-merge",
        "during-finalise",
        "during-finalise:2",
        "during-publish",
        "during-publish:2",
        "before-complete",
        "after-complete",
        "during-removal",
    ],
)
def test_kill__at_a_fault_point(tmp_path: Path, undisturbed: str, fault: str) -> None:
    path = tmp_path / "store" / "run.zarr"
    assert run(path, fault=fault) == -9, f"{fault} was not reached"
    if path.exists():
        # A reader between the kill and the restart sees finished tiles only, and their values.
        handle = read(path)
        for tile in [] if handle.complete else handle.done.tolist():
            expected = toy.tile_data(tile).packed["statistics"]
            assert (handle.read_packed("statistics", tile, tile + 1)[0] == expected).all()
    assert run(path) == 0
    assert toy.values_hash(path) == undisturbed
    assert_clean(path)


@pytest.mark.parametrize("fault", ["during-create", "before-replace", "during-replace"])
def test_kill__while_replacing_keeps_the_old_store(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "store" / "run.zarr"
    old = toy.layout(2, configuration_hash="old")
    with RunStore.open(path, old) as store:
        toy.drive(store, 2)
    before = toy.values_hash(path)
    assert run(path, "--overwrite", fault=fault) == -9
    with RunStore.open(path, old) as store:
        assert store.complete
    assert toy.values_hash(path) == before
    assert_clean(path)


def test_kill__after_replacing_keeps_the_new_store(tmp_path: Path, undisturbed: str) -> None:
    path = tmp_path / "store" / "run.zarr"
    with RunStore.open(path, toy.layout(2, configuration_hash="old")) as store:
        toy.drive(store, 2)
    assert run(path, "--overwrite", fault="after-replace") == -9
    assert run(path) == 0
    assert toy.values_hash(path) == undisturbed
    assert_clean(path)


def test_second_run__is_refused_and_takes_over_once_the_first_is_dead(
    tmp_path: Path, undisturbed: str
) -> None:
    path = tmp_path / "run.zarr"
    first = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.toy_run", str(path), "--hold"],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert first.stdout is not None
    assert first.stdout.readline() == "open\n"
    second = start(path)
    _, errors = second.communicate(timeout=60)
    assert second.returncode == 3
    assert f"in use by process {first.pid} on " in errors
    assert ", started 20" in errors
    assert len(errors.splitlines()) == 1
    first.kill()
    first.communicate()
    assert run(path) == 0
    assert toy.values_hash(path) == undisturbed
