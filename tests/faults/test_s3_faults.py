"""Object stores that fail now and then cost time, not values; those that fail for good end a run.

One seed of passing faults by default; FASTALLIANCE_S3_SEEDS=50 asks for 50.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import fastalliance as fa
from fastalliance.errors import StoreError
from fastalliance.store import RunStore, object_requests, objects, read, status
from fastalliance.store.location import locate
from fastalliance.store.objects import ObjectPath
from tests.faults import toy
from tests.faults.s3_proxy import Fault
from tests.faults.s3_stores import RETRY_SECONDS, Remote, names, remote, study

pytest.importorskip("moto")
pytest.importorskip("obstore")

SEEDS = range(int(os.environ.get("FASTALLIANCE_S3_SEEDS", "1")))
N_TILES = 3
# A request that is given up after R seconds may have begun its last attempt just before.
RETRIES = 0.4
MARGIN = 2.0
NO_STORE = "there is no store at|is being created, or its creation was interrupted"
PASSING = (Fault.STATUS, Fault.DROP, Fault.LOSE_REPLY, Fault.CUT_REPLY, Fault.CUT_REQUEST)


@pytest.fixture(scope="module")
def s3() -> Iterator[Remote]:
    with remote() as made:
        yield made


@pytest.fixture(autouse=True)
def _one_test(s3: Remote) -> Iterator[None]:
    with s3.one_test():
        yield


@pytest.fixture(scope="module")
def undisturbed(s3: Remote) -> tuple[str, list[str], int]:
    """Hash of the values, names of the files, and number of requests of an undisturbed run."""
    s3.proxy.reset()
    url = s3.url("undisturbed")
    run(url)
    return s3.values_hash(url), names(s3.files(url)), len(s3.proxy.requests())


def run(url: str) -> None:
    with RunStore.open(url, toy.layout(N_TILES)) as store:
        toy.drive(store, N_TILES, batch=1)


def assert_as_undisturbed(s3: Remote, url: str, undisturbed: tuple[str, list[str], int]) -> None:
    assert s3.values_hash(url) == undisturbed[0]
    assert names(s3.files(url)) == undisturbed[1]


def has_root(s3: Remote, url: str) -> bool:
    return "zarr.json" in s3.files(url)


def assert_shows_finished_tiles_only(s3: Remote, url: str) -> None:
    """A reader finds no store, or an incomplete one: what it shows are values of finished tiles."""
    if not has_root(s3, url):
        with pytest.raises(StoreError, match=NO_STORE):
            read(url)
        return
    handle = read(url)
    assert not handle.complete
    assert not {"x_mean", "x_std", "n_invalid"} & set(handle.arrays)
    for tile in handle.done.tolist():
        expected = toy.tile_data(tile).packed["statistics"]
        np.testing.assert_array_equal(handle.read_packed("statistics", tile, tile + 1)[0], expected)


# Faults that pass ------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_faults_now_and_then__leave_the_values_alone(
    s3: Remote, undisturbed: tuple[str, list[str], int], seed: int
) -> None:
    url = s3.url(f"now-and-then-{seed}")
    for number, fault in enumerate(PASSING):
        status_ = (500, 503, 429)[seed % 3]
        s3.proxy.add(fault, probability=0.04, seed=10 * seed + number, status=status_)
    s3.proxy.add(Fault.SLOW_REPLY, probability=0.05, seed=seed, seconds=0.1)
    run(url)
    hit = {fault: s3.proxy.count(fault=fault) for fault in PASSING}
    n_requests = len(s3.proxy.requests())
    s3.proxy.clear()
    assert_as_undisturbed(s3, url, undisturbed)
    assert sum(hit.values()) >= 15, hit
    assert n_requests <= undisturbed[2] + 4 * sum(hit.values()), "it asks more often than it must"


def test_faults_now_and_then__in_a_study_and_while_it_is_read(s3: Remote) -> None:
    url = s3.url("study")
    for number, fault in enumerate(PASSING):
        s3.proxy.add(fault, probability=0.03, seed=number, status=503)
    with study().run(store=url, points_per_tile=1, threads=2) as ours, study().run() as theirs:
        xr.testing.assert_equal(ours.load(), theirs.load())
    assert fa.verify(url, model=study().model, threads=1, tiles="all").ok
    assert sum(s3.proxy.count(fault=fault) for fault in PASSING) >= 10
    s3.proxy.clear()
    s3.assert_clean(url)


def test_opening__asks_for_each_document_once(s3: Remote) -> None:
    url = s3.url("documents")
    study().run(store=url).close()
    s3.proxy.reset()
    with fa.open(url) as ds:
        assert len(ds.data_vars) > 10
    asked = [request.target for request in s3.proxy.requests("GET", r"/[a-z]\w*/zarr\.json")]
    assert len(asked) == len(set(asked)) == len(ds.data_vars) + len(ds.coords)


@pytest.mark.parametrize("fault", [Fault.LOSE_REPLY, Fault.STATUS])
def test_conditional_writes__whose_every_first_answer_is_lost_are_no_conflicts(
    s3: Remote, undisturbed: tuple[str, list[str], int], fault: Fault
) -> None:
    """With 409, S3 says that another request to the object is under way, not that it is there."""
    url = s3.url(f"conditional-{fault.value}".replace(" ", "-"))
    rule = s3.proxy.add(fault, "PUT", conditional=True, numbers=range(1, 10_000, 2), status=409)
    run(url)
    s3.proxy.clear()
    assert rule.fitting >= 20
    assert_as_undisturbed(s3, url, undisturbed)
    assert status(url).owner is None


def test_replacement__that_comes_late_undoes_nothing(s3: Remote) -> None:
    place = locate(s3.url("replaced"))
    assert isinstance(place, ObjectPath)
    objects.put(place, b"first")
    s3.proxy.add(Fault.LOSE_REPLY, "PUT", numbers=[0, 1])
    objects.replace(place, b"second")  # done by the server, and repeated
    s3.proxy.clear()
    assert place.read_bytes() == b"second"
    seen = object_requests.ask(
        place.bucket, lambda obstore, client: obstore.head(client, place.key)
    )
    objects.replace(place, b"third")
    with pytest.raises(object_requests.ConflictError):
        object_requests.ask(
            place.bucket,
            lambda obstore, client: obstore.put(
                client, place.key, b"late", mode={"e_tag": seen["e_tag"]}
            ),
            conditional=True,
        )
    assert place.read_bytes() == b"third"


def test_slow_answers__and_dropped_requests_leave_the_values_alone(
    s3: Remote, undisturbed: tuple[str, list[str], int]
) -> None:
    url = s3.url("late")
    s3.proxy.add(Fault.DROP, "PUT", numbers=range(3, 200, 7))
    s3.proxy.add(Fault.SLOW, "PUT GET", probability=0.1, seed=3, seconds=0.3)
    run(url)
    s3.proxy.clear()
    time.sleep(0.4)
    assert_as_undisturbed(s3, url, undisturbed)


def test_request__that_is_never_answered_is_repeated(
    s3: Remote, undisturbed: tuple[str, list[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_requests, "_SILENCE", 1.0)  # seconds, of 30
    url = s3.url("silent")
    silent = s3.proxy.add(Fault.SLOW, "PUT", r"/c\.", numbers=[2], seconds=60)
    began = time.monotonic()
    run(url)
    assert 1.0 < time.monotonic() - began < 10.0
    assert silent.fitting > 2
    assert_as_undisturbed(s3, url, undisturbed)


# Faults that stay ------------------------------------------------------------------------------

OUTAGES = {
    "from the start": ("", range(1, 10_000)),
    "of the root": (r"run\.zarr/zarr\.json", range(1, 10_000)),
    "of a tile": (r"/statistics/c\.2", range(1, 10_000)),
    "of the ledger": (r"/ledger/.*-", range(3, 10_000)),
    "of a result": (r"/x_mean/c\.1", range(1, 10_000)),
    "of a result's document": (r"/x_std/zarr\.json", range(1, 10_000)),
    "of all from a moment": ("", range(100, 10_000)),
}


@pytest.mark.parametrize("outage", OUTAGES)
def test_writes__that_fail_for_good_end_in_time_and_show_nothing(
    s3: Remote,
    undisturbed: tuple[str, list[str], int],
    monkeypatch: pytest.MonkeyPatch,
    outage: str,
) -> None:
    """The trap: after failed writes plain zarr shows missing chunks as NaN."""
    monkeypatch.setenv(RETRY_SECONDS, str(RETRIES))
    url = s3.url(f"outage-{list(OUTAGES).index(outage)}")
    target, numbers = OUTAGES[outage]
    methods = "" if outage == "of all from a moment" else "PUT"
    s3.proxy.add(Fault.STATUS, methods, target, numbers=numbers, status=500)
    began = time.monotonic()
    with pytest.raises(StoreError, match="S3 answers with status 500; see to the conn") as failure:
        run(url)
    assert time.monotonic() - began < 3 * RETRIES + MARGIN
    assert "\n" not in str(failure.value)
    assert url in str(failure.value)
    s3.proxy.clear()
    assert_shows_finished_tiles_only(s3, url)
    run(url)
    assert_as_undisturbed(s3, url, undisturbed)


def test_reads__of_results_that_fail_for_good_show_nothing(
    s3: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = s3.url("unread")
    study().run(store=url, points_per_tile=1, threads=1)
    monkeypatch.setenv(RETRY_SECONDS, str(RETRIES))
    with fa.open(url) as ds:
        for fault in (Fault.STATUS, Fault.DROP, Fault.CUT_REPLY):
            s3.proxy.clear()
            s3.proxy.add(fault, "GET", r"/x_mean/c\.", status=500)
            began = time.monotonic()
            with pytest.raises(StoreError, match=r"x_mean/c\.0: reading failed: S3") as failure:
                ds["x_mean"].load()
            assert time.monotonic() - began < 8 * RETRIES + MARGIN
            assert "\n" not in str(failure.value)
        s3.proxy.clear()
        assert np.isfinite(ds["x_mean"].load()).all()
    for prefix in ("", "/x_mean/zarr", "/_run/ledger"):
        s3.proxy.clear()
        s3.proxy.add(Fault.DROP, "GET HEAD", prefix)
        with pytest.raises(StoreError, match="S3 does not answer"):
            fa.open(url)


def test_result__whose_chunk_is_gone_is_an_error_not_nan(s3: Remote) -> None:
    url = s3.url("gone")
    study().run(store=url, points_per_tile=1, threads=1)
    with fa.open(url) as ds:
        s3.server.delete("gone/run.zarr/x_mean/c.0")
        with pytest.raises(StoreError, match=r"x_mean/c\.0 is missing"):
            ds["x_mean"].load()
    with xr.open_zarr(s3.plain(url), consolidated=False) as plain:
        assert np.isnan(plain["x_mean"].values).all(), "this is the trap"
    with pytest.raises(StoreError, match=r"x_mean/c\.0 is missing"):
        fa.open(url)


def test_retries__are_bounded_by_a_number_of_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("-1", "soon", "nan", "1e9"):
        monkeypatch.setenv(RETRY_SECONDS, text)
        with pytest.raises(StoreError, match=f"{RETRY_SECONDS} must be a number of seconds >= 0"):
            status("s3://bucket/run.zarr")


def test_directory__of_a_local_store_is_not_asked_of_a_server(s3: Remote, tmp_path: Path) -> None:
    toy.finished(tmp_path / "run.zarr")
    assert status(tmp_path / "run.zarr").complete
    assert s3.proxy.requests() == []
