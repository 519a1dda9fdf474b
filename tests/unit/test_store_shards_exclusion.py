"""Shards of one store: who excludes whom, and who takes over from whom."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastalliance.errors import StoreError
from fastalliance.store import RunStore, Shard, Slab, claims, lease, read
from fastalliance.store.lease import Lease
from fastalliance.store.paths import Paths
from tests.faults import toy
from tests.faults.refusals import one_line
from tests.unit.shard_stores import N_TILES, driven, forge, opened, silence, write


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    return toy.values_hash(toy.finished(tmp_path_factory.mktemp("alone") / "run.zarr", N_TILES))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.zarr"


def test_same_shard__twice_at_once_is_refused(path: Path, undisturbed: str) -> None:
    with opened(path, "1/2") as store:
        with pytest.raises(StoreError, match=r"shard 1/2 of .* is in use by process") as error:
            opened(path, "1/2")
        assert f"process {os.getpid()} on " in one_line(error)
        assert "--break-lock" in one_line(error)
        toy.drive(store, N_TILES)
    assert driven(path, "0/2")
    assert toy.values_hash(path) == undisturbed


def test_whole_run__excludes_shards(path: Path) -> None:
    with RunStore.open(path, toy.layout(N_TILES)) as store:
        with pytest.raises(StoreError, match=f"in use by process {os.getpid()} on .*, started 20"):
            opened(path, "0/2")
        write(store, 0)
    with opened(path, "0/2") as shard:
        assert shard.missing().tolist() == [3, 4]


@pytest.mark.parametrize("overwrite", [False, True])
def test_shards__exclude_whole_runs(path: Path, overwrite: bool) -> None:
    with opened(path, "1/4") as store:
        with pytest.raises(StoreError, match="is being computed as shards of 4: 1/4 by") as error:
            RunStore.open(path, toy.layout(N_TILES), overwrite=overwrite)
        assert f"process {os.getpid()} on " in one_line(error)
        write(store, 1)
    with RunStore.open(path, toy.layout(N_TILES), overwrite=overwrite) as whole:
        assert (1 in whole.missing()) == overwrite


def test_shards__of_another_count_come_one_after_the_other(path: Path, undisturbed: str) -> None:
    with opened(path, "1/4") as store:
        with pytest.raises(StoreError, match="computed as shards of 4: 1/4 by process") as error:
            opened(path, "1/3")
        assert "--shard I/4" in one_line(error)
        toy.drive(store, N_TILES)
    for index in range(3):
        driven(path, f"{index}/3")
    assert toy.values_hash(path) == undisturbed


def test_overwrite__does_not_go_with_shards(path: Path) -> None:
    with pytest.raises(StoreError, match="--overwrite does not go with --shard") as error:
        opened(path, "0/2", overwrite=True)
    assert not path.exists()
    toy.finished(path, N_TILES)
    before = toy.tree(path)
    with pytest.raises(StoreError, match="remove the store first") as error:
        opened(path, "0/2", overwrite=True)
    one_line(error)
    assert toy.tree(path) == before


def test_break_lock__takes_over_this_shard_and_spares_its_siblings(path: Path) -> None:
    first = opened(path, "1/2")
    with opened(path, "0/2") as sibling, opened(path, "1/2", break_lock=True) as second:
        write(sibling, 0)
        with pytest.raises(StoreError, match="taken shard 1/2 of this store over by process"):
            first.write(1, toy.tile_data(1))
        first.close()
        write(second, 1)
        with pytest.raises(StoreError, match="shard 1/2 of"):
            opened(path, "1/2")


def test_break_lock__of_a_whole_run_stops_all_shards_and_the_other_way_round(path: Path) -> None:
    shards = [opened(path, f"{index}/3") for index in range(3)]
    with RunStore.open(path, toy.layout(N_TILES), break_lock=True) as whole:
        for tile, shard in enumerate(shards):
            with pytest.raises(StoreError, match=f"has taken shard {tile}/3 of this store over"):
                shard.write(tile, toy.tile_data(tile))
            shard.close()
        write(whole, 0)
        with opened(path, "0/2", break_lock=True) as shard:
            with pytest.raises(StoreError, match="taken this store over"):
                whole.write(1, toy.tile_data(1))
            assert shard.missing().tolist() == [3, 4]


def test_break_lock__takes_what_all_shards_share_from_a_finaliser_too(path: Path) -> None:
    paths = Paths(path)
    first = opened(path, "0/1")
    write(first, *first.missing().tolist())
    with claims.alone(paths, first._lease) as shared:  # as while it labels the result
        assert lease.FINAL in lease.held_names(paths.lease)
        with opened(path, "0/1", break_lock=True) as second:
            assert lease.FINAL not in lease.held_names(paths.lease)
            with pytest.raises(StoreError, match="taken"):
                shared.check()
            toy.drive(second, N_TILES)  # does not wait for it
    first.close()
    assert read(path).complete


@pytest.mark.parametrize("text", ["0/3", "whole"])
def test_stopped_shard__that_others_thought_dead_finds_out_before_it_writes(
    path: Path, text: str
) -> None:
    stopped = opened(path, "1/2")
    write(stopped, 1)
    silence(path, "shard-1-of-2")
    shard = None if text == "whole" else Shard.parse(text)
    with RunStore.open(path, toy.layout(N_TILES), shard=shard):
        for attempt in (
            lambda: stopped.write(2, toy.tile_data(2)),
            lambda: stopped.record([(2, "0" * 64)]),
            lambda: stopped.finalise(iter(())),
        ):
            with pytest.raises(StoreError, match="taken shard 1/2 of this store over"):
                attempt()
        stopped.close()
    assert read(path).done.tolist() == [1]


def test_stopped_finaliser__changes_nothing_once_another_has_finished(
    path: Path, undisturbed: str
) -> None:
    stopped = opened(path, "0/1")
    write(stopped, *stopped.missing().tolist())

    def slabs() -> Iterator[Slab]:
        yield from toy.slabs(stopped, N_TILES)
        for name in ("shard-0-of-1", "final"):
            silence(path, name)
        toy.finished(path, N_TILES)

    with pytest.raises(StoreError):
        stopped.finalise(slabs())
    stopped.close()
    assert toy.values_hash(path) == undisturbed
    assert [p.name for p in (path / "_run/scratch").iterdir()] == ["zarr.json"]


def test_requeued_shard__with_our_number_on_another_host_waits_and_takes_over(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(path, "1/2") as killed:
        write(killed, 1)
    token = f"{'0' * 12}-{os.getpid()}-1f"
    forge(path, "shard-1-of-2", host="node7", pid=os.getpid(), token=token)
    monkeypatch.setattr(lease, "STALE_AFTER", 0.3)
    monkeypatch.setattr(lease, "POLL_EVERY", 0.05)
    began = time.monotonic()
    with opened(path, "1/2") as store:
        assert time.monotonic() - began >= 0.25
        assert store.missing().tolist() == [2, 5]


@pytest.mark.parametrize("text", ["1/2", "0/3", "whole"])
def test_shard__elsewhere_that_refreshes_is_not_taken_over(
    path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    with opened(path, "0/2"):
        pass
    forged = forge(path, "shard-1-of-2")
    monkeypatch.setattr(lease, "POLL_EVERY", 0.05)
    monkeypatch.setattr(claims, "SETTLED_AFTER", 0.05)
    refresh = threading.Timer(0.2, os.utime, [forged])
    refresh.start()
    shard = None if text == "whole" else Shard.parse(text)
    with pytest.raises(StoreError, match="process 4711 on elsewhere, started 2026-01-01") as error:
        RunStore.open(path, toy.layout(N_TILES), shard=shard)
    refresh.join()
    assert "1/2" in one_line(error)
    with opened(path, "0/2"):  # its sibling does not mind
        pass


def test_lease__announced_and_given_back_within_moments_refuses_nobody(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy.unfinished(path, [0], N_TILES)
    places = (path / "_run/lease", path / "_run/scratch")
    other = Lease.acquire(*places, Shard(0, 3).lease)
    step_back = threading.Timer(0.1, other.release)
    step_back.start()
    with RunStore.open(path, toy.layout(N_TILES)):
        step_back.join()


@pytest.mark.parametrize("rounds", [6])
def test_claims__of_a_whole_run_and_of_shards_at_once_never_both_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rounds: int
) -> None:
    monkeypatch.setattr(claims, "SETTLED_AFTER", 0.1)
    monkeypatch.setattr(claims, "STEP_BACK", 0.05)
    path = toy.unfinished(tmp_path / "run.zarr", [0], N_TILES)
    wanted = [None, Shard(0, 2), Shard(1, 2), Shard(0, 3), Shard(1, 3), Shard(2, 3)]
    for round_ in range(rounds):
        won: list[RunStore] = []
        refused: list[str] = []
        barrier = threading.Barrier(len(wanted))

        def take(
            shard: Shard | None,
            won: list[RunStore] = won,
            refused: list[str] = refused,
            barrier: threading.Barrier = barrier,
        ) -> None:
            barrier.wait()
            try:
                won.append(RunStore.open(path, toy.layout(N_TILES), shard=shard))
            except StoreError as error:
                refused.append(str(error))

        threads = [threading.Thread(target=take, args=(shard,)) for shard in wanted]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all("in use by" in text or "computed as shards" in text for text in refused)
        counts = {store.shard.count if store.shard else 1 for store in won}
        assert len(counts) == 1, f"round {round_}: {[store.shard for store in won]}"
        for store in won:
            store.close()
