"""Leases: one run at a time, a dead one's place is taken over, and whoever lost it stops."""

from __future__ import annotations

import json
import os
import threading
import types
from pathlib import Path
from typing import Any

import pytest

from fastalliance.errors import StoreError
from fastalliance.store import RunStore, files, finalising, lease, process, read, status
from fastalliance.store.lease import Lease, SupersededError
from tests.faults import toy
from tests.faults.refusals import one_line
from tests.unit.shard_stores import forge


def forge_lease(path: Path, **changes: object) -> Path:
    """Put a lease of another owner into a store that nobody holds."""
    number = max(int(p.name[4:10]) for p in (path / "_run/lease").glob("run-*"))
    return forge(path, "run", number + 1, **changes)


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


@pytest.mark.parametrize(
    "moment", ["during-finalise:3", "during-publish:1", "during-publish:3", "before-complete:1"]
)
def test_lease__taken_over_while_the_first_run_finalises_stops_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    path, (point, count) = tmp_path / "run.zarr", moment.split(":")
    passed: list[str] = []
    takers: list[RunStore] = []

    def reach(name: str) -> None:
        passed.append(name)
        if name == point and passed.count(name) == int(count):
            takers.append(RunStore.open(path, toy.layout(), break_lock=True))

    first = RunStore.open(path, toy.layout())
    with monkeypatch.context() as patch:
        patch.setattr(finalising, "fault_point", reach)
        with pytest.raises(StoreError, match="taken this store over by process"):
            toy.drive(first, 6)
    assert passed[-1] == point, "it went on after it had lost its lease"
    first.close()
    assert not read(path).complete
    (second,) = takers
    with second:
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


def test_lease__that_comes_too_late_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its look and its file two others come, and the second one stays."""
    directory, scratch = tmp_path / "lease", tmp_path / "scratch"
    directory.mkdir()
    scratch.mkdir()
    create = files.create_exclusively
    others: list[Lease] = []

    def create_late(*arguments: Any) -> bool:
        monkeypatch.setattr(files, "create_exclusively", create)
        Lease.acquire(directory, scratch).release()
        others.append(Lease.acquire(directory, scratch))
        return create(*arguments)

    monkeypatch.setattr(files, "create_exclusively", create_late)
    with pytest.raises(StoreError, match=f"in use by process {os.getpid()}"):
        Lease.acquire(directory, scratch)
    others[0].check()
    assert [p.name for p in directory.iterdir()] == [others[0].path.name]


class Clock:
    """A clock that only sleeping moves; a lease is refreshed by it meanwhile."""

    def __init__(self, lease_file: Path, refreshes: list[float]) -> None:
        self.now = 1e9
        self._began = self.now
        self._file = lease_file
        self._due = [self.now + seconds for seconds in refreshes]
        self._refresh()

    @property
    def seconds(self) -> float:
        return self.now - self._began

    def time_ns(self) -> int:
        return int(self.now * 1e9)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self._due and self._due[0] <= self.now:
            del self._due[0]
            self._refresh()

    def _refresh(self) -> None:
        os.utime(self._file, ns=(self.time_ns(),) * 2)


def test_lease__of_another_host_outlives_refreshes_that_are_late_and_two_that_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait must have room for them: a busy file server ends nobody's run."""
    path = toy.unfinished(tmp_path / "run.zarr", [0])
    every = lease.REFRESH_EVERY
    refreshes = [3.5 * every * (i + 1) for i in range(20)]
    clock = Clock(forge_lease(path), refreshes)
    fake = types.SimpleNamespace(
        time_ns=clock.time_ns, sleep=clock.sleep, monotonic=lambda: clock.now
    )
    monkeypatch.setattr(lease, "time", fake)
    monkeypatch.setattr(files, "server_time", lambda scratch: clock.time_ns())
    directory, scratch = path / "_run/lease", path / "_run/scratch"

    def over() -> bool:
        assert lease.running(directory) is not None
        return clock.seconds > refreshes[-1]

    with pytest.raises(SupersededError):
        Lease.acquire(directory, scratch, wait=True, until=over)
    Lease.acquire(directory, scratch, wait=True)  # now nobody refreshes it any more
    assert clock.seconds - refreshes[-1] == pytest.approx(lease.STALE_AFTER, abs=2.0)
