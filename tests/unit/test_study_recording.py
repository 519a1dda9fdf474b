"""What finished is in the ledger within a quarter of a second: more cannot be lost by a kill."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from fastalliance.executors import dask, threads
from fastalliance.study import runner
from fastalliance.study.progress import NoProgress

POLL = max(dask._POLL, threads._POLL)  # seconds between two looks of an executor at its tiles


class Ledger:
    """Notes when each tile was recorded."""

    def __init__(self) -> None:
        self.recorded: dict[int, float] = {}
        self.calls = 0

    def record(self, rows: list[tuple[int, str]]) -> None:
        self.calls += 1
        self.recorded.update({tile: time.monotonic() for tile, _ in rows})


@pytest.mark.parametrize("pause", [0.0, 0.01, 0.07, 0.15, POLL, 3.0])
def test_recording__takes_a_quarter_of_a_second(
    monkeypatch: pytest.MonkeyPatch, pause: float
) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    arrived: dict[int, float] = {}

    def results() -> Iterator[tuple[int, str, int] | None]:
        nonlocal now
        for tile in range(40):
            waited = 0.0
            while waited + POLL < pause:  # an executor says nothing now and then
                now += POLL
                waited += POLL
                yield None
            now += pause - waited
            arrived[tile] = now
            yield tile, "digest", 1
        now += POLL
        yield None

    ledger: Any = Ledger()
    runner._collect(results(), ledger, NoProgress())  # type: ignore[arg-type]
    assert ledger.recorded.keys() == arrived.keys()
    assert max(ledger.recorded[tile] - arrived[tile] for tile in arrived) <= 0.25 + 1e-9
    assert ledger.calls <= 1 + now / runner._RECORD_SECONDS  # not a file for every tile


def test_recording__of_a_run_that_ends_early_keeps_what_is_done() -> None:
    def results() -> Iterator[tuple[int, str, int]]:
        yield 3, "digest", 1
        raise KeyboardInterrupt

    ledger: Any = Ledger()
    with pytest.raises(KeyboardInterrupt):
        runner._collect(results(), ledger, NoProgress())  # type: ignore[arg-type]
    assert list(ledger.recorded) == [3]
