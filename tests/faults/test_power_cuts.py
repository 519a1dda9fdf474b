"""A power cut at any moment: what was recorded is there, nothing else is shown, and it resumes."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from fastalliance.store import RunStore, lease, process, read
from tests.faults import toy
from tests.faults.power import Left, PowerCuts, write

if os.name == "nt":
    pytest.skip("directories cannot be flushed here", allow_module_level=True)

STORE = "results/run.zarr"  # a directory that the run makes, too
N_TILES = 2
# What a power cut leaves of these, no reader looks at; the kills of other tests leave as much.
PASSING = re.compile(r"run\.zarr/_run/(lease|scratch)/|\.run\.zarr\.creating")
FINAL = {"x_mean", "x_std", "n_invalid"}


def chunks(path: Path) -> dict[str, bytes]:
    """Return the chunks of the dataset, which are the same for the same values."""
    tree = toy.tree(path)
    return {name: tree[name] for name in tree if "/c" in name and not name.startswith("_run/")}


def recorded(path: Path, disk: PowerCuts) -> None:
    """Make a finished store, and tell the disk what must be in it from which moment."""
    disk.promise((set(), False))
    done: set[int] = set()
    with RunStore.open(path, toy.layout(N_TILES)) as store:
        for tile in range(N_TILES):
            store.record([(tile, store.write(tile, toy.tile_data(tile)))])
            done = done | {tile}
            disk.promise((done, False))
        store.finalise(toy.slabs(store, N_TILES))
        disk.promise((done, True))


def assert_shown(path: Path, done: set[int], complete: bool, whole: dict[str, bytes]) -> None:
    """A store has what was promised, and data of all that it calls done."""
    handle = read(path)
    assert done <= set(handle.rows)
    assert handle.complete >= complete
    if handle.complete:
        assert set(handle.arrays) >= FINAL
        assert chunks(path) == whole
        return
    for tile in handle.rows:
        assert (path / f"x/c.{tile}.0").read_bytes() == whole[f"x/c.{tile}.0"]
        found = handle.read_packed("statistics", tile, tile + 1)[0]
        assert found.tobytes() == toy.tile_data(tile).packed["statistics"].tobytes()


def test_power_cut__at_any_moment_loses_nothing_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "disk").mkdir()
    disk = PowerCuts(tmp_path / "disk")
    with monkeypatch.context() as watched:
        # Our number with another start: once the power is back, that process is no more.
        token = f"{process.host_tag()}-{os.getpid()}-1"
        watched.setattr(process, "token", lambda: token)
        disk.watch(watched)
        recorded(tmp_path / "disk" / STORE, disk)
    disk.close()
    whole = chunks(tmp_path / "disk" / STORE)
    different: dict[Left, tuple[Left, tuple[set[int], bool]]] = {}
    for left, promised in disk.left.items():
        different[frozenset(e for e in left if not PASSING.search(e[0]))] = left, promised
    assert len(different) > 10
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # of what is tried out now
    # Nobody who lives holds a lease, even a torn one.
    monkeypatch.setattr(lease, "STALE_AFTER", 0.0)
    for number, (left, (done, complete)) in enumerate(different.values()):
        path = tmp_path / str(number) / STORE
        write(left, tmp_path / str(number))
        if path.exists() or done:
            assert_shown(path, done, complete, whole)
        with RunStore.open(path, toy.layout(N_TILES)) as store:
            toy.drive(store, N_TILES)
        assert chunks(path) == whole
