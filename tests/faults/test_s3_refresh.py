"""A run that refreshes its lease in an object store keeps it, whoever asks from another host."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fastalliance.errors import StoreError
from fastalliance.store import RunStore, lease, process
from tests.faults import toy
from tests.faults.s3_stores import Remote, remote

pytest.importorskip("moto")
pytest.importorskip("obstore")


@pytest.fixture
def s3() -> Iterator[Remote]:
    with remote() as made, made.one_test():
        yield made


def test_lease__that_is_refreshed_is_not_taken_over(
    s3: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "REFRESH_EVERY", 0.2)
    monkeypatch.setattr(lease, "POLL_EVERY", 0.1)
    # Long enough for a server that dates by the second, and for one refresh that comes late.
    monkeypatch.setattr(lease, "STALE_AFTER", 4.0)
    monkeypatch.setattr(process, "state_of", lambda token: process.State.UNKNOWN)  # another host's
    url = s3.url("refreshed")
    with RunStore.open(url, toy.layout()) as first:
        with pytest.raises(StoreError, match="in use by"):
            RunStore.open(url, toy.layout())
        first.record([(0, first.write(0, toy.tile_data(0)))])
