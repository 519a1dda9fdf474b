"""Full, read-only and vanished disks, and what others left there: refused in one line, or held."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from fastalliance.errors import StoreError
from fastalliance.store import RunStore, creation, files, process, read, status
from tests.faults import toy
from tests.faults.disks import fill, mounted
from tests.faults.refusals import one_line


def test_full_disk__while_writing_stops_and_resumes(tmp_path: Path) -> None:
    expected = toy.values_hash(toy.finished(tmp_path / "reference.zarr"))
    with mounted(tmp_path / "small", "1m") as small:
        path = small / "run.zarr"
        with RunStore.open(path, toy.layout()) as store:
            store.record([(0, store.write(0, toy.tile_data(0)))])
            ballast = fill(small, 0)
            with pytest.raises(StoreError, match=r"writing tile 1 failed: No space left") as error:
                store.write(1, toy.tile_data(1))
            assert str(path) in one_line(error)
            assert "free some space" in str(error.value)
            with pytest.raises(StoreError, match="writing the ledger failed: No space left"):
                store.record([(1, "0" * 64)])
        ballast.unlink()
        with RunStore.open(path, toy.layout()) as store:
            assert store.missing().tolist() == [1, 2, 3, 4, 5]
            ballast = fill(small, 16 * 1024)
            with pytest.raises(StoreError, match="No space left"):
                toy.drive(store, 6)
        ballast.unlink()
        with RunStore.open(path, toy.layout()) as store:
            toy.drive(store, 6)
        assert toy.values_hash(path) == expected


def test_full_disk__while_creating_leaves_nothing(tmp_path: Path) -> None:
    with mounted(tmp_path / "small", "1m") as small:
        fill(small, 8192)
        with pytest.raises(StoreError, match="No space left on device; the disk is full"):
            RunStore.open(small / "run.zarr", toy.layout())
        assert [p.name for p in small.iterdir()] == ["ballast"]


def test_full_disk__while_finalising_keeps_the_packed_data(tmp_path: Path) -> None:
    with mounted(tmp_path / "small", "1m") as small:
        path = toy.unfinished(small / "run.zarr", list(range(6)))
        with RunStore.open(path, toy.layout()) as store:
            ballast = fill(small, 8192)
            with pytest.raises(StoreError, match="finalising the store failed: No space left"):
                store.finalise(toy.slabs(store, 6))
            assert not store.complete
            ballast.unlink()
            store.finalise(toy.slabs(store, 6))
        assert toy.values_hash(path) == toy.values_hash(toy.finished(tmp_path / "reference.zarr"))


def test_read_only_file_system__is_refused(tmp_path: Path) -> None:
    with mounted(tmp_path / "small", "1m") as small:
        path = toy.unfinished(small / "run.zarr", [0])
        subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
        for target in (path, small / "new.zarr"):
            with pytest.raises(StoreError, match="the file system is read-only") as error:
                RunStore.open(target, toy.layout())
            assert str(target) in one_line(error)
        assert read(path).done.tolist() == [0]
        assert status(path).n_done == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_directory_without_permission__is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StoreError, match="permission denied"):
            RunStore.open(tmp_path / "run.zarr", toy.layout())
    finally:
        tmp_path.chmod(0o700)


def test_vanished_directory__is_noticed_at_the_next_write(tmp_path: Path) -> None:
    path = tmp_path / "run.zarr"
    with RunStore.open(path, toy.layout()) as store:
        shutil.rmtree(path)
        with pytest.raises(StoreError, match="has vanished"):
            store.write(0, toy.tile_data(0))
        with pytest.raises(StoreError, match="has vanished"):
            store.record([(0, "0" * 64)])
    assert not path.exists()


def test_vanished_array__is_noticed_at_the_next_write(tmp_path: Path) -> None:
    path = tmp_path / "run.zarr"
    with RunStore.open(path, toy.layout()) as store:
        shutil.rmtree(path / "_run/statistics")
        with pytest.raises(StoreError, match="has vanished"):
            store.write(0, toy.tile_data(0))


def test_too_little_space__is_refused_with_what_is_needed(tmp_path: Path) -> None:
    with (
        RunStore.open(tmp_path / "run.zarr", toy.layout()) as store,
        pytest.raises(StoreError, match=r"needs 1\.0 TiB, [0-9.]+ [GT]iB are free") as error,
    ):
        store.require_space(2**40)
    assert "run.zarr" in one_line(error)


def test_interrupt__while_replacing_puts_the_old_store_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = toy.finished(tmp_path / "run.zarr")
    before = toy.values_hash(path)

    def interrupt(name: str) -> None:
        if name == "during-replace":
            raise KeyboardInterrupt

    monkeypatch.setattr(creation, "fault_point", interrupt)
    with pytest.raises(KeyboardInterrupt):
        RunStore.open(path, toy.layout(), overwrite=True)
    assert os.listdir(tmp_path) == ["run.zarr"]
    assert toy.values_hash(path) == before
    RunStore.open(path, toy.layout()).close()


@pytest.mark.parametrize("age", [0.0, 2 * files.ORPHAN_AGE])
def test_replacing__by_another_host_is_waited_for_or_undone(tmp_path: Path, age: float) -> None:
    path = toy.finished(tmp_path / "run.zarr")
    aside = tmp_path / f".run.zarr.replaced-{'0' * 12}-4711-1f-0"
    path.rename(aside)
    draft = tmp_path / f".run.zarr.creating-{'0' * 12}-4711-1f-0"
    draft.mkdir()
    for left in (aside, draft):
        os.utime(left, (time.time() - age,) * 2)
    if age:
        assert RunStore.open(path, toy.layout()).complete
        assert os.listdir(tmp_path) == ["run.zarr"]
    else:
        with pytest.raises(StoreError, match="is being replaced by another process"):
            RunStore.open(path, toy.layout())
        assert set(os.listdir(tmp_path)) == {aside.name, draft.name}


def test_scratch__keeps_what_living_processes_write(tmp_path: Path) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [0])
    scratch = path / "_run/scratch"
    living = f"part-{process.token()}-99"
    dead = f"part-{process.host_tag()}-{os.getpid()}-1-5"
    elsewhere = f"part-{'0' * 12}-4711-1f-0"
    for name in (living, dead, elsewhere):
        (scratch / name).write_text("")
    RunStore.open(path, toy.layout()).close()
    assert set(os.listdir(scratch)) == {"zarr.json", living, elsewhere}


def test_file_system_without_hard_links__still_leases_exclusively(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "run.zarr"
    with RunStore.open(path, toy.layout()) as store:
        with pytest.raises(StoreError, match="in use by"):
            RunStore.open(path, toy.layout())
        toy.drive(store, 6)
    scratch = path / "_run/scratch"
    assert not files.create_exclusively(path / "zarr.json", b"", scratch)
    assert toy.values_hash(path) == toy.values_hash(toy.finished(tmp_path / "other.zarr"))
