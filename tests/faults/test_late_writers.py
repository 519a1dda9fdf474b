"""A run that stands still, loses its store, and wakes up does nothing to whoever has it by then.

Standing still: the machine was suspended, or its file server did not answer. Here the other run
does its work at a point of the first, in the same process.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastalliance.errors import StoreError
from fastalliance.store import (
    RunStore,
    TileData,
    files,
    finalising,
    lease,
    object_requests,
    opening,
    process,
    read,
)
from fastalliance.store import run_store as running
from fastalliance.store import writer as writing
from fastalliance.store.location import locate
from fastalliance.store.paths import Paths
from tests.faults import toy

N_TILES = 4
POINTS = (
    "between-arrays",
    "after-data",
    "before-ledger",
    "during-finalise",
    "during-publish",
    "before-complete",
    "after-complete",
)


def theirs(tile: int) -> TileData:
    """Return other values than the first run's."""
    ours = toy.tile_data(tile)
    return TileData(
        {name: values + 1.0 for name, values in ours.packed.items()},
        {name: (region, values + 1.0) for name, (region, values) in ours.direct.items()},
    )


class Replacement:
    """Another study in the place of the first; half of it is done while the first stands still."""

    def __init__(self, url: str) -> None:
        self.url = url

    def begin(self, *, overwrite: bool = True) -> None:
        layout = toy.layout(N_TILES, configuration_hash="other", seed=8)
        self.store = RunStore.open(self.url, layout, overwrite=overwrite, break_lock=overwrite)
        self.add(range(N_TILES // 2))

    def add(self, tiles: range) -> None:
        self.store.record([(tile, self.store.write(tile, theirs(tile))) for tile in tiles])

    def end(self) -> None:
        if not self.store.complete:
            self.add(range(N_TILES // 2, N_TILES))
            self.store.finalise(toy.slabs(self.store, N_TILES))
        self.store.close()

    def assert_whole(self) -> None:
        handle = read(self.url)
        assert handle.complete
        assert (handle.attrs["configuration_hash"], handle.attrs["seed"]) == ("other", 8)
        x, mean = handle.read_array("x"), handle.read_array("x_mean")
        for tile in range(N_TILES):
            data = theirs(tile)
            rows = slice(tile * toy.POINTS_PER_TILE, (tile + 1) * toy.POINTS_PER_TILE)
            np.testing.assert_array_equal(x[rows], data.direct["x"][1])
            np.testing.assert_array_equal(mean[rows], data.packed["statistics"][:, 0])


def at_point(monkeypatch: pytest.MonkeyPatch, point: str, action: Callable[[], None]) -> list[str]:
    """Do something once, when a run reaches a point; return the points reached by then."""
    reached: list[str] = []

    def fault_point(name: str) -> None:
        if name == point and point not in reached:
            reached.append(name)
            action()

    for module in (writing, running, finalising):
        monkeypatch.setattr(module, "fault_point", fault_point)
    return reached


@pytest.fixture(params=["disk", "bucket"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "disk":
        yield str(tmp_path / "run.zarr")
        return
    pytest.importorskip("moto")
    pytest.importorskip("obstore")
    s3 = request.getfixturevalue("s3")
    with s3.one_test():
        yield s3.url(f"late-{request.node.name}".replace("[", "-").replace("]", ""))


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    from tests.faults.s3_stores import remote

    with remote() as made:
        yield made


@pytest.mark.parametrize("finished", [False, True], ids=["begun", "finished"])
@pytest.mark.parametrize("point", POINTS)
def test_replaced_run__wakes_up_and_changes_nothing(
    url: str, monkeypatch: pytest.MonkeyPatch, point: str, finished: bool
) -> None:
    replacement = Replacement(url)

    def replace() -> None:
        replacement.begin()
        if finished:
            replacement.end()

    with RunStore.open(url, toy.layout(N_TILES)) as store:
        reached = at_point(monkeypatch, point, replace)
        lost = pytest.raises(StoreError, match="another run has taken this store over")
        nothing_left = point == "after-complete" and finished and "s3:" not in url
        with contextlib.nullcontext() if nothing_left else lost:
            toy.drive(store, N_TILES)
    assert reached == [point]
    replacement.end()
    replacement.assert_whole()


def test_finaliser__that_is_overtaken_gives_back_what_it_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.zarr"

    def stop() -> None:
        raise KeyboardInterrupt

    with RunStore.open(path, toy.layout(N_TILES)) as store:
        at_point(monkeypatch, "during-publish", stop)
        with pytest.raises(KeyboardInterrupt):
            toy.drive(store, N_TILES)

    def overtake() -> None:
        with RunStore.open(path, toy.layout(N_TILES), break_lock=True) as other:
            other.finalise(toy.slabs(other, N_TILES))

    with RunStore.open(path, toy.layout(N_TILES)) as store:
        reached = at_point(monkeypatch, "during-move", overtake)
        with pytest.raises(StoreError):
            store.finalise(toy.slabs(store, N_TILES))
    assert reached == ["during-move"]
    assert toy.values_hash(path) == toy.values_hash(toy.finished(tmp_path / "whole.zarr", N_TILES))


def test_late_finaliser__leaves_the_draft_of_who_took_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, write_final = tmp_path / "run.zarr", finalising.write_final

    def overtaken(*ours: Any) -> None:
        monkeypatch.setattr(finalising, "write_final", write_final)
        with RunStore.open(path, toy.layout(N_TILES), break_lock=True) as other:

            def slabs() -> Iterator[Any]:
                for i, slab in enumerate(toy.slabs(other, N_TILES)):
                    if i:
                        with pytest.raises(StoreError, match="another run has taken"):
                            write_final(*ours)
                    yield slab

            other.finalise(slabs())

    monkeypatch.setattr(finalising, "write_final", overtaken)
    with (
        RunStore.open(path, toy.layout(N_TILES)) as store,
        pytest.raises(StoreError, match="another run has taken"),
    ):
        toy.drive(store, N_TILES)
    assert toy.values_hash(path) == toy.values_hash(toy.finished(tmp_path / "whole.zarr", N_TILES))


# A store that is replaced while another run opens it ---------------------------------------------


@pytest.mark.parametrize("finished", [False, True], ids=["begun", "finished"])
def test_resuming__a_store_that_is_replaced_before_the_lease_is_held(
    url: str, monkeypatch: pytest.MonkeyPatch, finished: bool
) -> None:
    with RunStore.open(url, toy.layout(N_TILES)) as store:
        store.record([(0, store.write(0, toy.tile_data(0)))])
    claim, replacement = opening.claim, Replacement(url)

    def late(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(opening, "claim", claim)
        replacement.begin()
        if finished:
            replacement.end()
        else:
            replacement.store.close()
        return claim(*arguments, **options)

    monkeypatch.setattr(opening, "claim", late)
    with pytest.raises(StoreError, match="holds another study"):
        RunStore.open(url, toy.layout(N_TILES))
    if not finished:
        replacement.begin(overwrite=False)
        replacement.end()
    replacement.assert_whole()


def test_finished_store__that_is_being_replaced_is_not_tidied(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with RunStore.open(url, toy.layout(N_TILES)) as store:
        at_point(monkeypatch, "after-complete", stop)
        with pytest.raises(KeyboardInterrupt):
            toy.drive(store, N_TILES)  # complete, and the packed array is still there
    monkeypatch.undo()
    alone, replacement = opening.alone, Replacement(url)

    def late(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(opening, "alone", alone)
        replacement.begin()
        return alone(*arguments, **options)

    monkeypatch.setattr(opening, "alone", late)
    with pytest.raises(StoreError):
        RunStore.open(url, toy.layout(N_TILES))
    replacement.end()
    replacement.assert_whole()


# Places ------------------------------------------------------------------------------------------


def test_store__inside_a_store_is_refused(url: str) -> None:
    with RunStore.open(url, toy.layout(N_TILES)) as store:
        toy.drive(store, N_TILES)
    for inside in (f"{url}/inner.zarr", f"{url}/a/b/inner.zarr"):
        with pytest.raises(StoreError, match=r"lies inside the store .*choose a path outside"):
            RunStore.open(inside, toy.layout(N_TILES))
    with RunStore.open(url, toy.layout(N_TILES)) as store:
        assert store.complete


def test_attempt__that_left_something_around_another_store_does_not_remove_it(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3.one_test():
        outer, inner = s3.url("around").removesuffix("/run.zarr"), s3.url("around")

        def stop(name: str) -> None:
            if name == "before-publish":
                raise KeyboardInterrupt

        from fastalliance.store import creation_objects

        monkeypatch.setattr(creation_objects, "fault_point", stop)
        with pytest.raises(KeyboardInterrupt):
            RunStore.open(outer, toy.layout(N_TILES))
        monkeypatch.undo()
        files.put(locate(inner) / "zarr.json", b"{}", Paths(locate(inner)).scratch)
        with pytest.raises(StoreError):
            RunStore.open(outer, toy.layout(N_TILES))
        assert (locate(inner) / "zarr.json").is_file()


# File servers ------------------------------------------------------------------------------------


def test_link__whose_reply_is_lost_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.link

    def lost(source: Path, target: Path) -> None:
        link(source, target)
        raise FileExistsError

    monkeypatch.setattr(os, "link", lost)
    assert files.create_exclusively(tmp_path / "lease", b"1", tmp_path)
    monkeypatch.setattr(os, "link", link)
    assert not files.create_exclusively(tmp_path / "lease", b"2", tmp_path)
    assert (tmp_path / "lease").read_bytes() == b"1"


def test_lease__is_refreshed_again_after_the_store_was_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "REFRESH_EVERY", 0.02)
    path = tmp_path / "run.zarr"
    with RunStore.open(path, toy.layout(N_TILES)) as store:
        path.rename(tmp_path / "away")
        time.sleep(0.2)
        (tmp_path / "away").rename(path)
        (held,) = (path / "_run" / "lease").glob("run-*.held")
        os.utime(held, ns=(0, 0))
        end = time.monotonic() + 10.0
        while held.stat().st_mtime_ns == 0:
            assert time.monotonic() < end, "it is not refreshed any more"
            time.sleep(0.01)
        store.record([(0, store.write(0, toy.tile_data(0)))])


def test_lease__that_another_holds_is_not_refreshed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "REFRESH_EVERY", 0.02)
    path = tmp_path / "run.zarr"
    with (
        RunStore.open(path, toy.layout(N_TILES)),
        RunStore.open(path, toy.layout(N_TILES), break_lock=True) as other,
    ):
        other.close()
        (released,) = (path / "_run" / "lease").glob("run-*.released")
        os.utime(released, ns=(0, 0))
        time.sleep(0.2)
        assert released.stat().st_mtime_ns == 0


def test_orphans__are_dated_by_the_clock_that_dates_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "state_of", lambda token: process.State.UNKNOWN)
    young, old = tmp_path / f"{files.TEMPORARY}a-1", tmp_path / f"{files.TEMPORARY}b-1"
    young.touch()
    old.touch()
    os.utime(old, (0.0, 0.0))
    monkeypatch.setattr(time, "time", lambda: 4e9)  # this host's clock is wrong
    monkeypatch.setattr(time, "time_ns", lambda: int(4e18))
    assert files.orphans(tmp_path) == [old]
    shutil.rmtree(tmp_path)
    assert files.orphans(tmp_path) == []


def test_orphans__where_nothing_can_be_written_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(place: Path) -> int:
        raise PermissionError

    monkeypatch.setattr(process, "state_of", lambda token: process.State.UNKNOWN)
    monkeypatch.setattr(files, "server_time", refuse)
    old = tmp_path / f"{files.TEMPORARY}a-1"
    old.touch()
    os.utime(old, (0.0, 0.0))
    assert files.orphans(tmp_path) == []


def test_check__that_a_request_makes_and_that_is_denied_is_not_repeated() -> None:
    pytest.importorskip("obstore")
    asked = []

    def request(obstore: Any, client: Any) -> None:
        asked.append(1)
        raise object_requests.ObjectStoreError("S3 denies access", "see to the credentials")

    with pytest.raises(object_requests.ObjectStoreError, match="denies access"):
        object_requests.ask("s3://bucket", request)
    assert asked == [1]
