"""A run that has lost its lease neither repeats a write to an object store, nor clears it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from fastalliance.errors import StoreError
from fastalliance.store import RunStore, objects
from tests.faults import toy
from tests.faults.s3_proxy import Fault
from tests.faults.s3_stores import RETRY_SECONDS, Remote, remote

pytest.importorskip("moto")
pytest.importorskip("obstore")


@pytest.fixture(scope="module")
def s3() -> Iterator[Remote]:
    with remote() as made:
        yield made


@pytest.fixture(autouse=True)
def clean(s3: Remote, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(RETRY_SECONDS, "60")
    with s3.one_test():
        yield


def in_background(action: Any, *arguments: Any) -> tuple[threading.Thread, list[str]]:
    """Start an action; return its thread and, once it has ended, what it was refused with."""
    refused: list[str] = []

    def run() -> None:
        try:
            action(*arguments)
        except StoreError as error:
            refused.append(str(error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, refused


def wait_for(condition: Any) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


def without_leases(s3: Remote, url: str) -> list[str]:
    return [name for name in s3.files(url) if not name.startswith("_run/lease/")]


def test_tile__is_not_written_again_by_a_run_that_has_lost_its_lease(s3: Remote) -> None:
    url = s3.url("late")
    first = RunStore.open(url, toy.layout())
    failing = s3.proxy.add(Fault.STATUS, "PUT", r"/_run/[a-z]+/c\.")
    thread, refused = in_background(first.write, 0, toy.tile_data(0))
    wait_for(lambda: failing.fitting > 1)
    second = RunStore.open(url, toy.layout(), overwrite=True, break_lock=True)
    s3.proxy.clear()
    thread.join(30)
    assert refused
    assert "another run has taken this store over" in refused[0]
    assert not [name for name in s3.files(url) if "/c." in name and name.startswith("_run/")]
    first.close()
    second.close()


def test_maker__that_lost_its_lease_clears_nothing(
    s3: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One stops just before it would clear the place; another has made a store by then."""
    url, stopped, go_on = s3.url("stopped"), threading.Event(), threading.Event()
    listed = objects.keys

    def slow(path: Any, chunk: int = 1000) -> Any:
        if threading.current_thread() is not threading.main_thread() and chunk != 1:
            stopped.set()
            go_on.wait(30)
        return listed(path, chunk)

    monkeypatch.setattr(objects, "keys", slow)
    monkeypatch.setattr("fastalliance.store.lease.STALE_AFTER", 1.0)
    monkeypatch.setattr("fastalliance.store.lease.REFRESH_EVERY", 1000.0)
    thread, refused = in_background(lambda: RunStore.open(url, toy.layout()))
    wait_for(stopped.is_set)
    with RunStore.open(url, toy.layout()) as store:
        for tile in range(6):
            store.record([(tile, store.write(tile, toy.tile_data(tile)))])
        store.finalise(toy.slabs(store, 6))
    before = without_leases(s3, url)
    go_on.set()
    thread.join(30)
    assert not refused  # it finds the finished store
    assert without_leases(s3, url) == before
