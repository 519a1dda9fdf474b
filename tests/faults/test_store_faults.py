"""Damage, full and read-only disks, leases: a store refuses in one line, or holds right values."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from fastalliance.errors import StoreError
from fastalliance.store import RunStore, creation, files, lease, process, read, status
from fastalliance.store.lease import Lease
from tests.faults import toy
from tests.faults.disks import fill, mounted

N_FLIPS = int(os.environ.get("FASTALLIANCE_FLIPS", "150"))


def one_line(error: pytest.ExceptionInfo[StoreError]) -> str:
    text = str(error.value)
    assert len(text.splitlines()) == 1
    return text


def flip(path: Path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


def flips_of(path: Path, draw: random.Random, n: int) -> Iterator[int]:
    """Flip random bits of a file, a third of them in its first 16 bytes, and put each back."""
    original = path.read_bytes()
    for i in range(n):
        length = min(16, len(original)) if i % 3 == 0 else len(original)
        bit = draw.randrange(8 * length)
        flip(path, bit)
        yield bit
        path.write_bytes(original)


# Damage ---------------------------------------------------------------------------------------


def test_flipped_bits__packed_chunk_raises_or_changes_nothing(tmp_path: Path) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [0, 1])
    expected = toy.tile_data(1).packed["statistics"]
    messages = []
    handle = read(path)
    for bit in flips_of(path / "_run/statistics/c.1.0.0", random.Random(1), N_FLIPS):
        try:
            values = handle.read_packed("statistics", 1, 2)[0]
        except StoreError as error:
            messages.append(str(error))
        else:
            np.testing.assert_array_equal(values, expected, err_msg=f"bit {bit}")
    assert len(messages) > 0.9 * N_FLIPS
    assert all("statistics (tile 1) is damaged" in text for text in messages)


@pytest.mark.parametrize("checked", [True, False], ids=["our reader", "plain xarray"])
def test_flipped_bits__final_and_direct_chunks_raise_or_change_nothing(
    tmp_path: Path, checked: bool
) -> None:
    path = toy.finished(tmp_path / "run.zarr")
    source = read(path).zarr_store() if checked else path
    messages = []
    draw = random.Random(2)
    for file in ("x_mean/c.0", "x/c.1.0", "trust/c.0"):
        name = file.partition("/")[0]
        with xr.open_zarr(path, consolidated=False) as dataset:
            expected = dataset[name].values
        for bit in flips_of(path / file, draw, N_FLIPS // 3):
            try:
                with xr.open_zarr(source, consolidated=False, chunks=None) as dataset:
                    values = dataset[name].values
            except (StoreError, RuntimeError, ValueError, MemoryError) as error:
                messages.append(str(error))
                named = isinstance(error, StoreError) and f"array {name} is damaged" in str(error)
                if checked and not named:
                    raise
            else:
                np.testing.assert_array_equal(values, expected, err_msg=f"{file}, bit {bit}")
    assert len(messages) > 0.9 * N_FLIPS


def test_flipped_bits__ledger_is_refused(tmp_path: Path) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [0, 1, 2])
    (rows,) = [p for p in (path / "_run/ledger").iterdir() if p.name != "zarr.json"]
    messages = []
    for bit in flips_of(rows, random.Random(3), N_FLIPS):
        try:
            done = read(path).done.tolist()
        except StoreError as error:
            messages.append(str(error))
        else:
            assert done == [0, 1, 2], f"bit {bit}"
    assert len(messages) > 0.9 * N_FLIPS
    assert all("ledger" in text for text in messages)


@pytest.mark.parametrize("damage", ["truncated", "deleted", "emptied"])
def test_damaged_packed_chunk__names_array_and_tile(tmp_path: Path, damage: str) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [0, 3])
    chunk = path / "_run/statistics/c.3.0.0"
    data = chunk.read_bytes()
    chunk.unlink()
    if damage != "deleted":
        chunk.write_bytes(data[:-5] if damage == "truncated" else b"")

    def use() -> None:
        with RunStore.open(path, toy.layout()) as store:
            store.read_packed("statistics", 0, 6)

    for attempt in (use, lambda: read(path).read_packed("statistics", 0, 6)):
        with pytest.raises(StoreError, match=r"array statistics \(tile 3\) is damaged") as error:
            attempt()
        assert "--overwrite" in one_line(error)


def test_missing_direct_chunk__of_a_finished_tile_is_refused(tmp_path: Path) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [0, 3])
    (path / "x/c.3.0").unlink()
    with pytest.raises(StoreError, match=r"array x \(tile 3\) is damaged"):
        RunStore.open(path, toy.layout())
    with pytest.raises(StoreError, match=r"array x \(tile 3\) is damaged"):
        read(path)


@pytest.mark.parametrize("file", ["x_mean/c.0", "x/c.2.0", "point/c.0", "rule/c"])
def test_missing_chunk__of_a_finished_store_is_refused(tmp_path: Path, file: str) -> None:
    path = toy.finished(tmp_path / "run.zarr")
    (path / file).unlink()
    with pytest.raises(StoreError, match=f"array {file.partition('/')[0]} is damaged") as error:
        read(path)
    assert file in one_line(error)


def test_missing_chunk__after_opening_is_never_read_as_nan(tmp_path: Path) -> None:
    path = toy.finished(tmp_path / "run.zarr")
    with xr.open_zarr(read(path).zarr_store(), consolidated=False) as dataset:
        (path / "x_mean/c.0").unlink()
        with pytest.raises(StoreError, match="array x_mean"):
            dataset["x_mean"].load()


def test_missing_array__of_a_finished_store_is_refused(tmp_path: Path) -> None:
    path = toy.finished(tmp_path / "run.zarr")
    shutil.rmtree(path / "x_std")
    with pytest.raises(StoreError, match="array x_std is damaged"):
        read(path)


@pytest.mark.parametrize(
    "file", ["zarr.json", "_run/zarr.json", "_run/statistics/zarr.json", "x/zarr.json"]
)
@pytest.mark.parametrize("length", [0, 40, -2])
def test_truncated_metadata__is_refused_and_left_as_it_is(
    tmp_path: Path, file: str, length: int
) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [0])
    target = path / file
    target.write_bytes(target.read_bytes()[:length])
    before = toy.tree(path)
    for attempt in (lambda: RunStore.open(path, toy.layout()), lambda: read(path)):
        with pytest.raises(StoreError, match="damaged") as error:
            attempt()
        assert file in one_line(error)
    after = toy.tree(path)
    assert {k: v for k, v in after.items() if "lease" not in k} == {
        k: v for k, v in before.items() if "lease" not in k
    }


@pytest.mark.parametrize("file", ["zarr.json", "_run/zarr.json", "x/zarr.json", "_run/ledger"])
def test_missing_metadata__is_refused(tmp_path: Path, file: str) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [0])
    target = path / file
    if target.is_dir():
        shutil.rmtree(target)
    else:
        target.unlink()
    for attempt in (lambda: RunStore.open(path, toy.layout()), lambda: read(path)):
        with pytest.raises(StoreError, match="damaged") as error:
            attempt()
        assert file in one_line(error)


def test_truncated_metadata__can_be_overwritten(tmp_path: Path) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [0])
    (path / "zarr.json").write_bytes(b"{")
    with RunStore.open(path, toy.layout(), overwrite=True) as store:
        toy.drive(store, 6)
    assert toy.values_hash(path) == toy.values_hash(toy.finished(tmp_path / "other.zarr"))


def test_ledger_of_a_complete_store__must_be_full(tmp_path: Path) -> None:
    path = toy.finished(tmp_path / "run.zarr")
    for rows in (path / "_run/ledger").glob("*-*.json"):
        rows.unlink()
    for attempt in (lambda: RunStore.open(path, toy.layout()), lambda: read(path)):
        with pytest.raises(StoreError, match="ledger lists 0 of 6 tiles"):
            attempt()


def test_run_document__with_a_path_for_a_name_is_refused(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    path = toy.finished(tmp_path / "run.zarr")
    document = json.loads((path / "_run/zarr.json").read_text())
    document["attributes"]["packed"] = {"../../victim": [1]}
    (path / "_run/zarr.json").write_text(json.dumps(document))
    for attempt in (lambda: RunStore.open(path, toy.layout()), lambda: read(path)):
        with pytest.raises(StoreError, match="does not describe a run"):
            attempt()
    assert victim.is_dir()


# Disks ----------------------------------------------------------------------------------------


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


def test_ledger_of_absurd_length__is_refused_unread(tmp_path: Path) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [0])
    with (path / "_run/ledger/long-000000.json").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(StoreError, match="too many for a ledger"):
        read(path)


# Leases ---------------------------------------------------------------------------------------


def forge_lease(path: Path, **changes: object) -> Path:
    """Put a lease of another owner into a store that nobody holds."""
    directory = path / "_run/lease"
    number = max(int(p.name[4:10]) for p in directory.glob("run-*"))
    forged = directory / f"run-{number + 1:06d}.held"
    content = {
        "host": "elsewhere",
        "pid": 4711,
        "started": "2026-01-01T00:00:00+00:00",
        "token": "0" * 12 + "-4711-1f",
        "run_id": "forged",
        **changes,
    }
    forged.write_text(json.dumps(content))
    return forged


def test_lease__a_second_run_in_this_process_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.zarr"
    with RunStore.open(path, toy.layout()):
        with pytest.raises(StoreError, match=f"in use by process {os.getpid()} on") as error:
            RunStore.open(path, toy.layout())
        assert "--break-lock" in one_line(error)
        with pytest.raises(StoreError, match="in use by"):
            RunStore.open(path, toy.layout(), overwrite=True)
    RunStore.open(path, toy.layout()).close()


def test_lease__of_a_process_with_our_number_but_another_start_is_taken_over(
    tmp_path: Path,
) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [0])
    token = f"{process.host_tag()}-{os.getpid()}-1"
    forge_lease(path, pid=os.getpid(), token=token)
    assert status(path).owner is None
    with RunStore.open(path, toy.layout()) as store:
        assert store.missing().tolist() == [1, 2, 3, 4, 5]


def test_lease__of_another_host_that_was_not_refreshed_is_taken_over(tmp_path: Path) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [0])
    forged = forge_lease(path)
    os.utime(forged, ns=(forged.stat().st_mtime_ns - 61 * 10**9,) * 2)
    with RunStore.open(path, toy.layout()) as store:
        assert store.missing().size == 5


def test_lease__of_another_host_is_waited_for_and_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [0])
    forged = forge_lease(path)
    monkeypatch.setattr(lease, "STALE_AFTER", 0.3)
    monkeypatch.setattr(lease, "POLL_EVERY", 0.05)
    # A server whose clock is far ahead: its dates alone would never make the lease stale.
    os.utime(forged, ns=(forged.stat().st_mtime_ns + 10**13,) * 2)
    with RunStore.open(path, toy.layout()) as store:
        assert store.missing().size == 5


def test_lease__of_another_host_that_is_refreshed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [0])
    forged = forge_lease(path)
    monkeypatch.setattr(lease, "POLL_EVERY", 0.05)
    refresh = threading.Timer(0.2, os.utime, [forged])
    refresh.start()
    with pytest.raises(StoreError, match="process 4711 on elsewhere, started 2026-01-01") as error:
        RunStore.open(path, toy.layout())
    refresh.join()
    assert "refreshed 0 s ago" in one_line(error)


def test_lease__is_refreshed_by_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "REFRESH_EVERY", 0.05)
    path = tmp_path / "run.zarr"
    with RunStore.open(path, toy.layout()):
        held = path / "_run/lease/run-000001.held"
        os.utime(held, (1, 1))
        for _ in range(100):
            if held.stat().st_mtime > 1:
                break
            threading.Event().wait(0.05)
        assert held.stat().st_mtime > 1


def test_lease__taken_over_stops_the_first_run(tmp_path: Path) -> None:
    path = tmp_path / "run.zarr"
    first = RunStore.open(path, toy.layout())
    sha = first.write(0, toy.tile_data(0))
    with RunStore.open(path, toy.layout(), break_lock=True) as second:
        for attempt in (
            lambda: first.write(1, toy.tile_data(1)),
            lambda: first.record([(0, sha)]),
        ):
            with pytest.raises(StoreError, match="taken this store over by process"):
                attempt()
        first.close()  # must not let a third run in
        with pytest.raises(StoreError, match="in use by"):
            RunStore.open(path, toy.layout())
        toy.drive(second, 6)
    assert toy.values_hash(path) == toy.values_hash(toy.finished(tmp_path / "other.zarr"))


def test_lease__is_not_released_by_a_forked_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.zarr"
    with RunStore.open(path, toy.layout()) as store:
        with monkeypatch.context() as child:
            child.setattr(os, "getpid", lambda: -1)
            assert store._lease is not None
            store._lease.release()
        with pytest.raises(StoreError, match="in use by"):
            RunStore.open(path, toy.layout())


def test_lease__of_a_replaced_store_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "run.zarr"
    first = RunStore.open(path, toy.layout())
    other = toy.layout(configuration_hash="other")
    with RunStore.open(path, other, overwrite=True, break_lock=True) as second:
        with pytest.raises(StoreError, match="taken this store over"):
            first.write(0, toy.tile_data(0))
        first.close()
        assert second.missing().size == 6
        second.write(0, toy.tile_data(0))


def test_lease__damaged_counts_as_held_by_somebody_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [0])
    forged = forge_lease(path)
    forged.write_text("{")
    monkeypatch.setattr(lease, "POLL_EVERY", 0.05)
    refresh = threading.Timer(0.2, os.utime, [forged])
    refresh.start()
    with pytest.raises(StoreError, match="an unknown host"):
        RunStore.open(path, toy.layout())
    refresh.join()
    RunStore.open(path, toy.layout(), break_lock=True).close()


def test_creation__by_many_at_once_is_one_s_and_refused_to_the_others(tmp_path: Path) -> None:
    path = tmp_path / "run.zarr"
    opened: list[RunStore] = []
    refused: list[str] = []
    barrier = threading.Barrier(6)

    def create() -> None:
        barrier.wait()
        try:
            opened.append(RunStore.open(path, toy.layout()))
        except StoreError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=create) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 1
    assert len(refused) == 5
    assert all(f"in use by process {os.getpid()}" in text for text in refused)
    assert os.listdir(tmp_path) == ["run.zarr"]
    opened[0].close()


def test_lease__of_a_run_that_finishes_while_we_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [0])
    acquire = Lease.acquire

    def acquire_late(*places: Path, break_lock: bool = False) -> Lease:
        monkeypatch.setattr(Lease, "acquire", acquire)
        toy.finished(path)
        return acquire(*places, break_lock=break_lock)

    monkeypatch.setattr(Lease, "acquire", acquire_late)
    with RunStore.open(path, toy.layout()) as store:
        assert store.complete
        assert store.missing().size == 0
    assert status(path).owner is None


def test_lease__of_many_takers_one_wins(tmp_path: Path) -> None:
    directory, scratch = tmp_path / "lease", tmp_path / "scratch"
    directory.mkdir()
    scratch.mkdir()
    dead = {"token": f"{process.host_tag()}-{os.getpid()}-1", "run_id": "dead"}
    for round_ in range(10):
        for old in directory.iterdir():
            old.unlink()
        content = {"host": "h", "pid": os.getpid(), "started": "then", **dead}
        (directory / "run-000007.held").write_text(json.dumps(content))
        won: list[Lease] = []
        lost: list[StoreError] = []
        barrier = threading.Barrier(6)

        def take(
            won: list[Lease] = won,
            lost: list[StoreError] = lost,
            barrier: threading.Barrier = barrier,
        ) -> None:
            barrier.wait()
            try:
                won.append(Lease.acquire(directory, scratch))
            except StoreError as error:
                lost.append(error)

        threads = [threading.Thread(target=take) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(won), len(lost)) == (1, 5), f"round {round_}"
        assert [p.name for p in directory.iterdir()] == ["run-000008.held"]
