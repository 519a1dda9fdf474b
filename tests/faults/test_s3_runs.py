"""Runs on one store by URL: killed and resumed, beside each other, in shards; damage repaired.

By default a choice of the named points, and 2 random kills; FASTALLIANCE_KILLS=500 asks for all
points and 50 random kills.
"""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

import fastalliance as fa
from fastalliance.errors import StoreError
from fastalliance.store import RunStore, Shard, read, status
from tests.faults import toy, toy_run
from tests.faults.forks import Forks
from tests.faults.s3_proxy import Fault
from tests.faults.s3_stores import Remote, key_of, names, remote, study

pytest.importorskip("moto")
pytest.importorskip("obstore")
if not hasattr(os, "fork"):
    pytest.skip("processes cannot be forked here", allow_module_level=True)

N_KILLS = max(1, int(os.environ.get("FASTALLIANCE_KILLS", "20")) // 10)
ALL = N_KILLS > 2
POINTS = (
    "before-publish",
    "after-data:3",
    "during-publish:2",
    *(
        "during-create",
        "between-arrays:4",
        "before-ledger:3",
        "after-ledger",
        "during-merge",
        "during-finalise:2",
        "before-complete",
        "after-complete",
        "during-removal",
    )
    * ALL,
)
LONG = pytest.mark.skipif(not ALL, reason="long: FASTALLIANCE_KILLS=30 or more asks for it")
N_TILES = toy_run.N_TILES
KILLED = -9
REFUSED = 3


@pytest.fixture(scope="module")
def s3() -> Iterator[Remote]:
    with remote() as made:
        yield made


@pytest.fixture(scope="module")
def forks(s3: Remote, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    with Forks(tmp_path_factory.mktemp("errors")) as process:
        yield process


@pytest.fixture(autouse=True)
def _one_test(s3: Remote) -> Iterator[None]:
    with s3.one_test():
        yield


@pytest.fixture
def url(s3: Remote, request: pytest.FixtureRequest) -> str:
    return s3.url(request.node.name.replace("[", "/").replace("]", "").replace(":", "-"))


@pytest.fixture(scope="module")
def undisturbed(s3: Remote, forks: Forks) -> tuple[str, list[str]]:
    url = s3.url("undisturbed")
    assert run(forks, url) == [0]
    return s3.values_hash(url), names(s3.files(url))


def command(url: str, shard: str = "", *more: str) -> list[str]:
    return [url, *(["--shard", shard] if shard else []), *more]


def run(
    forks: Forks, url: str, *shards: str, fault: str = "", more: tuple[str, ...] = ()
) -> list[int]:
    """Run a whole run, or shards at once, to their end, and return the exit codes."""
    commands = [command(url, shard, *more) for shard in shards or [""]]
    ends = [forks.end(number) for number in forks.start(*commands, fault=fault)]
    assert all(code in (0, KILLED) for code, _ in ends), ends
    return [code for code, _ in ends]


def until(condition: Callable[[], object]) -> None:
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("waited in vain")


def is_store(s3: Remote, url: str) -> bool:
    return "zarr.json" in s3.files(url)


def assert_right(s3: Remote, url: str, undisturbed: tuple[str, list[str]]) -> None:
    assert s3.values_hash(url) == undisturbed[0]
    s3.assert_clean(url)


def assert_shows_finished_tiles_only(handle) -> None:
    for tile in [] if handle.complete else handle.done.tolist():
        expected = toy.tile_data(tile).packed["statistics"]
        np.testing.assert_array_equal(handle.read_packed("statistics", tile, tile + 1)[0], expected)


# Kills -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", POINTS)
def test_kill__at_a_fault_point(
    s3: Remote, forks: Forks, url: str, undisturbed: tuple[str, list[str]], fault: str
) -> None:
    assert run(forks, url, fault=fault) == [KILLED], f"{fault} was not reached"
    if is_store(s3, url):
        assert_shows_finished_tiles_only(read(url))
        assert status(url).owner is None
    else:
        assert fault in ("during-create", "before-publish")
    began = time.monotonic()
    assert run(forks, url) == [0]
    assert time.monotonic() - began < 20, "a dead owner on this host is not waited for"
    assert_right(s3, url, undisturbed)
    assert names(s3.files(url)) == undisturbed[1]


def test_kills__at_random_times(
    s3: Remote, forks: Forks, undisturbed: tuple[str, list[str]]
) -> None:
    began = time.monotonic()
    assert run(forks, s3.url("random/timed")) == [0]
    seconds = time.monotonic() - began
    draw = random.Random(3)
    kills = rounds = 0
    while kills < N_KILLS:
        url = s3.url(f"random/{rounds}")
        (number,) = forks.start(command(url))
        time.sleep(draw.uniform(0.0, seconds))
        killed = forks.kill(number) == KILLED
        kills += killed
        if is_store(s3, url):
            assert_shows_finished_tiles_only(read(url))
        if not killed:
            assert_right(s3, url, undisturbed)
            rounds += 1
    url = s3.url(f"random/{rounds}")
    assert run(forks, url) == [0]
    assert_right(s3, url, undisturbed)


@pytest.mark.parametrize("fault", ["during-replace", *("after-replace",) * ALL])
def test_kill__while_replacing_leaves_the_new_store_or_none(
    s3: Remote, forks: Forks, url: str, undisturbed: tuple[str, list[str]], fault: str
) -> None:
    old = toy.layout(2, configuration_hash="old")
    with RunStore.open(url, old) as store:
        toy.drive(store, 2)
    assert run(forks, url, fault=fault, more=("--overwrite",)) == [KILLED]
    if fault == "after-replace":
        assert read(url).attrs["configuration_hash"] != "old"
    else:
        with pytest.raises(StoreError, match="start the run anew with --overwrite"):
            read(url)
    assert run(forks, url, more=("--overwrite",)) == [0]
    assert_right(s3, url, undisturbed)


# Two runs --------------------------------------------------------------------------------------


def test_second_run__is_refused_and_takes_over_once_the_first_is_dead(
    s3: Remote, forks: Forks, url: str, undisturbed: tuple[str, list[str]]
) -> None:
    (first,) = forks.start(command(url, "", "--seconds-per-tile", "30"))
    until(lambda: is_store(s3, url))
    assert status(url).owner.pid == first
    (second,) = forks.start(command(url))
    code, errors = forks.end(second)
    assert code == REFUSED
    assert f"{url} is in use by process {first} on " in errors
    assert len(errors.splitlines()) == 1
    assert forks.kill(first) == KILLED
    assert status(url).owner is None
    assert run(forks, url) == [0]
    assert_right(s3, url, undisturbed)


def test_run__that_lost_its_lease_stops_at_its_next_write(s3: Remote, url: str) -> None:
    with RunStore.open(url, toy.layout()) as first:
        digest = first.write(0, toy.tile_data(0))
        first.record([(0, digest)])
        with RunStore.open(url, toy.layout(), break_lock=True) as second:
            with pytest.raises(
                StoreError, match="another run has taken this store over by process"
            ):
                first.write(1, toy.tile_data(1))
            with pytest.raises(
                StoreError, match="another run has taken this store over by process"
            ):
                first.record([(1, digest)])
            toy.drive(second, 6)
    assert read(url).complete
    s3.assert_clean(url)


def test_store__that_vanishes_stops_the_run_and_is_not_made_again(s3: Remote, url: str) -> None:
    with RunStore.open(url, toy.layout()) as store:
        store.record([(0, store.write(0, toy.tile_data(0)))])
        folder = key_of(url)
        s3.server.delete(s3.server.keys(folder))
        with pytest.raises(StoreError, match="has vanished"):
            store.write(1, toy.tile_data(1))
        with pytest.raises(StoreError, match="has vanished"):
            store.record([(1, "0" * 64)])
    assert s3.server.keys(folder) == []


def test_reader__during_a_run_sees_finished_tiles_only(
    s3: Remote, forks: Forks, url: str, undisturbed: tuple[str, list[str]]
) -> None:
    (number,) = forks.start(command(url, "", "--seconds-per-tile", "0.15"))
    until(lambda: is_store(s3, url))
    seen = []
    while not (found := status(url)).complete:
        seen.append(found.n_done)
        with contextlib.suppress(StoreError) if seen[-1] == N_TILES else contextlib.nullcontext():
            assert_shows_finished_tiles_only(read(url))
    assert forks.end(number) == (0, "")
    assert seen == sorted(seen)
    assert len(set(seen)) >= 3, "it was not read in between"
    assert_right(s3, url, undisturbed)


# Shards ----------------------------------------------------------------------------------------


def test_shards__at_one_moment_create_one_store_and_finish_it(
    s3: Remote, forks: Forks, url: str, undisturbed: tuple[str, list[str]]
) -> None:
    assert run(forks, url, *(f"{index}/4" for index in range(4))) == [0] * 4
    assert_right(s3, url, undisturbed)
    assert names(s3.files(url)) == undisturbed[1]
    roots = s3.proxy.requests("PUT", r"run\.zarr/zarr\.json")
    assert [r.status for r in roots if r.condition == "If-None-Match"].count(200) == 1


def test_shards__slow_ones_are_not_disturbed_by_the_one_that_creates(
    s3: Remote, forks: Forks, url: str, undisturbed: tuple[str, list[str]]
) -> None:
    """Who creates a store clears its place first: not of what another has in flight there."""
    s3.proxy.add(Fault.SLOW, "HEAD", r"/_run/scratch/", numbers=[1], seconds=0.6)
    assert run(forks, url, "0/2", "1/2") == [0, 0]
    assert_right(s3, url, undisturbed)


@LONG
def test_shards__under_faults(
    s3: Remote, forks: Forks, url: str, undisturbed: tuple[str, list[str]]
) -> None:
    for seed, fault in enumerate((Fault.STATUS, Fault.DROP, Fault.LOSE_REPLY, Fault.CUT_REPLY)):
        s3.proxy.add(fault, probability=0.03, seed=seed, status=503)
    assert run(forks, url, "0/2", "1/2") == [0, 0]
    s3.proxy.clear()
    assert_right(s3, url, undisturbed)


@pytest.mark.parametrize(
    "fault", ["during-publish", *("before-publish", "after-data:4", "after-complete") * ALL]
)
def test_kill__of_every_shard_at_a_fault_point(
    s3: Remote, forks: Forks, url: str, undisturbed: tuple[str, list[str]], fault: str
) -> None:
    shards = ["0/2", "1/2"]
    assert KILLED in run(forks, url, *shards, fault=fault), f"{fault} was not reached"
    assert run(forks, url, *shards) == [0, 0]
    assert_right(s3, url, undisturbed)


@LONG
def test_same_shard__twice_is_refused(
    s3: Remote, forks: Forks, url: str, undisturbed: tuple[str, list[str]]
) -> None:
    first, sibling = forks.start(
        *(command(url, f"{index}/2", "--seconds-per-tile", "30") for index in range(2))
    )
    until(lambda: is_store(s3, url) and len(status(url).shards) == 2)
    assert list(status(url).shards) == [Shard(0, 2), Shard(1, 2)]
    ends = [forks.end(number) for number in forks.start(command(url, "0/2"), command(url))]
    assert [code for code, _ in ends] == [REFUSED, REFUSED]
    assert f"shard 0/2 of {url} is in use by process {first} on " in ends[0][1]
    assert f"{url} is being computed as shards of 2: " in ends[1][1]
    for number in (first, sibling):
        assert forks.kill(number) == KILLED
    assert run(forks, url, "0/2", "1/2") == [0, 0]
    assert_right(s3, url, undisturbed)


# Damage ----------------------------------------------------------------------------------------


def flipped(data: bytes) -> bytes:
    return data[:-4] + bytes([data[-4] ^ 1]) + data[-3:]


DAMAGES = {
    "deleted": None,
    "flipped": flipped,
    "truncated": lambda data: data[:-7],
    "empty": lambda data: b"",
}


@pytest.fixture(scope="module")
def kept(s3: Remote) -> dict[str, dict[str, bytes]]:
    """The objects of a finished and of an unfinished store, relative to it."""
    study().run(store=s3.url("kept"), points_per_tile=1, threads=2)
    with s3.outage("PUT", r"/_run/statistics/c\.1"), pytest.raises(StoreError):
        study().run(store=s3.url("part"), points_per_tile=1, threads=1)
    return {
        name: {file: s3.server.get(f"{name}/run.zarr/{file}") for file in s3.files(s3.url(name))}
        for name in ("kept", "part")
    }


@pytest.mark.parametrize(
    ("of", "file", "damage"),
    [
        ("kept", "x/c.1.0", "deleted"),
        ("kept", "x_path/c.2.0.0", "flipped"),
        ("part", "_run/statistics/c.0.0.0", "empty"),
    ],
)
def test_damaged_object__is_named_and_repaired(
    s3: Remote, url: str, kept: dict[str, dict[str, bytes]], of: str, file: str, damage: str
) -> None:
    key = key_of(url)
    for name, data in kept[of].items():
        s3.server.put(f"{key}/{name}", data)
    change = DAMAGES[damage]
    if change is None:
        s3.server.delete(f"{key}/{file}")
    else:
        s3.server.put(f"{key}/{file}", change(kept[of][file]))
    found = fa.verify(url, model=study().model, threads=1)
    assert not found.ok
    assert [entry for entry in found.damage if file in str(entry)], found
    assert fa.verify(url, model=study().model, threads=1, repair=True).ok
    assert s3.server.get(f"{key}/{file}") == kept[of][file]
    assert fa.verify(url, model=study().model, threads=1).ok
    assert read(url).complete is (of == "kept")


def test_opening__of_damaged_objects_is_an_error_with_their_names(
    s3: Remote, url: str, kept: dict[str, dict[str, bytes]]
) -> None:
    key = key_of(url)
    for name, data in kept["kept"].items():
        s3.server.put(f"{key}/{name}", data)
    for file in ("zarr.json", "_run/zarr.json", "x_mean/zarr.json"):
        s3.server.put(f"{key}/{file}", kept["kept"][file][:-9])
        with pytest.raises(StoreError, match=r"run\.zarr.*damaged") as failure:
            fa.open(url)
        assert len(str(failure.value).splitlines()) == 1
        s3.server.put(f"{key}/{file}", kept["kept"][file])
    ledger = next(file for file in kept["kept"] if "/ledger/" in file and "zarr" not in file)
    s3.server.put(f"{key}/{ledger}", flipped(kept["kept"][ledger]))
    with pytest.raises(StoreError, match=r"ledger.*is damaged"):
        fa.open(url)
