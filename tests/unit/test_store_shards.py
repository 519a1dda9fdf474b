"""Shards of one store: whose tiles, whose leases, whose ledger files, and who finishes."""

from __future__ import annotations

import json
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

N_TILES = 6


def opened(path: Path, text: str, **options: bool) -> RunStore:
    return RunStore.open(path, toy.layout(N_TILES), shard=Shard.parse(text), **options)


def write(store: RunStore, *tiles: int) -> None:
    store.record([(tile, store.write(tile, toy.tile_data(tile))) for tile in tiles])


def driven(path: Path, text: str) -> bool:
    with opened(path, text) as store:
        toy.drive(store, N_TILES)
        return store.complete


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


# Who excludes whom ------------------------------------------------------------------------------


def forge(path: Path, name: str, generation: int = 9, **changes: object) -> Path:
    """Put a lease of another host into a store."""
    forged = path / f"_run/lease/{name}-{generation:06d}.held"
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


def age(path: Path, held: Path, seconds: float) -> None:
    """Let a lease have been refreshed last so long ago, by the clock of its file system."""
    now = (path / "_run/scratch").stat().st_mtime
    os.utime(held, (now - seconds, now - seconds))


def silence(path: Path, name: str) -> None:
    """Make a lease of this process look like that of one far away that is stopped."""
    (held,) = (path / "_run/lease").glob(f"{name}-*.held")
    content = json.loads(held.read_text())
    held.write_text(json.dumps({**content, "host": "elsewhere", "token": "0" * 12 + "-4711-1f"}))
    age(path, held, 61)


def one_line(error: pytest.ExceptionInfo[StoreError]) -> str:
    text = str(error.value)
    assert len(text.splitlines()) == 1
    return text


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
