"""Shards of one store: whose tiles, whose ledger files, and who finishes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastalliance.errors import ConfigError, StoreError
from fastalliance.store import MemoryStore, RunStore, Shard, Slab, claims, lease, read, status
from fastalliance.store.lease import Lease
from tests.faults import toy
from tests.unit.shard_stores import N_TILES, age, driven, forge, opened, write


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    return toy.values_hash(toy.finished(tmp_path_factory.mktemp("alone") / "run.zarr", N_TILES))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.zarr"


# Which tiles ----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["0/1", "0/8", "7/8", " 2/8 ", "99999/100000"])
def test_text__of_a_shard(text: str) -> None:
    shard = Shard.parse(text)
    assert str(shard) == text.strip()
    assert Shard.of_lease(shard.lease) == shard


@pytest.mark.parametrize(
    "text",
    [
        *("", "8", "8/8", "-1/8", "1/0", "0/0", "1/-2", "a/b", "1/2/3", "1.0/2", "1 / 8"),
        *("\u0661/8", "0/100001", "0/99999999999999999999", "1/8\n2/8", "\x1b[2J"),
    ],
)
def test_text__of_no_shard_names_the_rule(text: str) -> None:
    with pytest.raises(ConfigError, match=r"shard must be I/N with 0 <= I < N .* from 0") as error:
        Shard.parse(text)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("index_and_count", [(True, 8), (0, 8.0), (8, 8), (-1, 8)])
def test_numbers__that_are_no_shard_are_refused(index_and_count: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="shard must be I/N"):
        Shard(*index_and_count)


@pytest.mark.parametrize("name", ["run", "final", "shard-3-of-3", "shard-1-of-0", "shard-1-of-2x"])
def test_lease_name__of_no_shard(name: str) -> None:
    assert Shard.of_lease(name) is None


@given(n_tiles=st.integers(0, 300), count=st.integers(1, 40))
def test_tiles__each_belongs_to_one_shard_and_shares_are_even(n_tiles: int, count: int) -> None:
    parts = [Shard(index, count).tiles(n_tiles) for index in range(count)]
    assert sorted(np.concatenate(parts).tolist()) == list(range(n_tiles))
    assert all(part.tolist() == sorted(part.tolist()) for part in parts)
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("count", [2, 3, 4, 8, 16, 60])
@pytest.mark.parametrize("length", [2, 4, 8, 10, 16])
def test_tiles__no_shard_gets_the_dearest_value_of_an_axis_every_time(
    count: int, length: int
) -> None:
    n_tiles = 40 * count * length
    tiles = np.arange(n_tiles)
    cost = np.where(tiles % length == length - 1, 10, 1)
    shares = [cost[Shard(index, count).tiles(n_tiles)].sum() for index in range(count)]
    # Dealt without the shifts of the rounds, the worst of these is 6.4 times the mean.
    assert max(shares) < 1.3 * np.mean(shares)


# Working side by side ---------------------------------------------------------------------------


def test_missing__is_a_shard_s_own_or_everyone_s(path: Path) -> None:
    with opened(path, "0/2") as first, opened(path, "1/2") as second:
        assert (first.missing().tolist(), second.missing().tolist()) == ([0, 3, 4], [1, 2, 5])
        write(first, 0, 4)
        assert first.missing().tolist() == [3]
        assert second.missing().tolist() == [1, 2, 5]
        for store in (first, second):
            assert store.missing(everyone=True).tolist() == [1, 2, 3, 5]
    with opened(path, "2/3") as other:  # other tiles, of which another shard has done some
        assert Shard(2, 3).tiles(N_TILES).tolist() == [1, 4]
        assert other.missing().tolist() == [1]
    with RunStore.open(path, toy.layout(N_TILES)) as whole:
        assert whole.missing().tolist() == whole.missing(everyone=True).tolist() == [1, 2, 3, 5]


def test_missing__in_memory_is_everyone_s() -> None:
    store = MemoryStore(toy.layout(N_TILES))
    store.record([(1, store.write(1, toy.tile_data(1)))])
    assert store.missing().tolist() == store.missing(everyone=True).tolist() == [0, 2, 3, 4, 5]


def test_last_shard__finishes_and_the_others_find_it_complete(path: Path, undisturbed: str) -> None:
    with opened(path, "0/3") as waiting:
        toy.drive(waiting, N_TILES)
        assert not waiting.complete
        assert not driven(path, "1/3")
        assert driven(path, "2/3")
        assert not waiting.complete
        assert waiting.missing(everyone=True).size == 0
        assert waiting.complete
        waiting.finalise(iter(()))  # nothing to do any more
    assert toy.values_hash(path) == undisturbed
    assert driven(path, "1/3")
    assert driven(path, "0/7")
    # Of leases only those are left that were held when the store was finished.
    left = {p.name.rpartition("-")[0] for p in (path / "_run/lease").glob("*-*")}
    assert left == {"final", "shard-0-of-3", "shard-2-of-3"}
    assert [p.name for p in (path / "_run/scratch").iterdir()] == ["zarr.json"]
    assert not (path / "_run/statistics").exists()


def test_finalise__while_another_shard_lacks_tiles_is_refused(path: Path) -> None:
    with opened(path, "0/2") as store:
        write(store, *store.missing().tolist())
        with pytest.raises(StoreError, match="3 of 6 tiles are not done, the first is 1"):
            store.finalise(toy.slabs(store, N_TILES))
        assert status(path).shards.keys() == {Shard(0, 2)}
        with opened(path, "1/2") as other:  # `final` is free again
            toy.drive(other, N_TILES)


def test_finalise__by_two_at_once_is_done_once(
    path: Path, undisturbed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "POLL_EVERY", 0.02)
    both = [opened(path, "0/2"), opened(path, "1/2")]
    for store in both:
        write(store, *store.missing().tolist())
    barrier, used = threading.Barrier(2), []

    def finish(store: RunStore) -> None:
        def slabs() -> Iterator[Slab]:
            used.append(store)
            time.sleep(0.1)
            yield from toy.slabs(store, N_TILES)

        barrier.wait()
        store.finalise(slabs())

    threads = [threading.Thread(target=finish, args=(store,)) for store in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(used) == 1
    assert all(store.complete for store in both)
    for store in both:
        store.close()
    assert toy.values_hash(path) == undisturbed


def test_readers__see_the_union_and_status_lists_who_runs(path: Path) -> None:
    with opened(path, "1/3") as second, opened(path, "0/3") as first:
        write(second, 1)
        write(first, 0)
        found = status(path)
        assert (found.n_done, found.owner, found.complete) == (2, None, False)
        assert list(found.shards) == [Shard(0, 3), Shard(1, 3)]
        assert {owner.pid for owner in found.shards.values()} == {os.getpid()}
        assert read(path).done.tolist() == [0, 1]
    assert status(path).shards == {}


def test_status__lists_no_dead_shard(path: Path) -> None:
    with opened(path, "0/3"):
        age(path, forge(path, "shard-1-of-3"), 61)
        forge(path, "shard-2-of-3")
        assert list(status(path).shards) == [Shard(0, 3), Shard(2, 3)]


def test_history__of_shards_on_two_kinds_of_machines_has_two_entries(path: Path) -> None:
    for index, version in enumerate(["0.1.0", "0.1.1", "0.1.0", "0.1.1"]):
        changed = toy.layout(N_TILES, fastalliance_version=version)
        with RunStore.open(path, changed, shard=Shard(index, 4)) as store:
            pass
    assert [e["fastalliance_version"] for e in store.attrs["history"]] == ["0.1.0", "0.1.1"]


def test_history__is_not_written_over_a_store_that_is_finished_meanwhile(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(path, "0/2") as first:
        toy.drive(first, N_TILES)
        with opened(path, "1/2") as last:
            write(last, *last.missing().tolist())

        def finish_first(*arguments: object, **options: object) -> Lease:
            monkeypatch.undo()
            first.finalise(toy.slabs(first, N_TILES))
            return Lease.acquire(*arguments, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(claims.Lease, "acquire", finish_first)
        newer = toy.layout(N_TILES, fastalliance_version="0.1.1")
        with RunStore.open(path, newer, shard=Shard(1, 2)) as store:
            assert store.complete
    assert read(path).complete


# Ledger files -----------------------------------------------------------------------------------


def ledger_files(path: Path) -> list[str]:
    return sorted(p.name for p in (path / "_run/ledger").glob("*-*.json"))


def test_ledger__a_shard_s_files_are_its_own_and_one_in_the_end(path: Path) -> None:
    with opened(path, "0/2") as first, opened(path, "1/2") as second:
        write(first, 0)
        write(first, 3)
        write(second, 1)
        names = ledger_files(path)
        assert [name.rpartition("-")[0][:-9] for name in names] == [
            "shard-0-of-2",
            "shard-0-of-2",
            "shard-1-of-2",
        ]
        write(first, 4)
        assert len(ledger_files(path)) == 2
        assert read(path).done.tolist() == [0, 1, 3, 4]


def test_ledger__a_requeued_shard_merges_its_predecessor_s_files_only(path: Path) -> None:
    with opened(path, "1/2") as other:
        write(other, 1)
        write(other, 2)
        with opened(path, "0/2") as killed:
            write(killed, 0)
            write(killed, 3)
        before = [name for name in ledger_files(path) if name.startswith("shard-1-")]
        with opened(path, "0/2") as again:
            assert again.missing().tolist() == [4]
        after = ledger_files(path)
        assert [name for name in after if name.startswith("shard-1-")] == before
        assert len(after) == len(before) + 1 == 3
        assert read(path).done.tolist() == [0, 1, 2, 3]


def test_ledger__shards_whose_names_begin_alike_keep_apart(path: Path) -> None:
    with opened(path, "1/2") as store:
        write(store, 1)
        write(store, 2)
    before = ledger_files(path)
    with opened(path, "1/20"), opened(path, "11/20"):
        assert ledger_files(path) == before


def test_tile__done_twice_by_shards_of_two_counts_has_one_digest(path: Path) -> None:
    with opened(path, "0/2") as store:
        write(store, 0)
    with opened(path, "1/3") as store:
        assert 0 in Shard(1, 3).tiles(N_TILES)
        write(store, 0)
        with pytest.raises(StoreError, match="tile 0 was computed twice"):
            store.record([(0, "0" * 64)])
    assert read(path).done.tolist() == [0]


def test_tile__done_with_two_values_by_two_writers_is_found(path: Path) -> None:
    with opened(path, "0/2") as first, opened(path, "1/2") as second:
        write(first, 0)
        second.record([(0, "0" * 64)])  # of which it did not know
        with pytest.raises(StoreError, match="tile 0 was computed twice"):
            first.missing(everyone=True)
