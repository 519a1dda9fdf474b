"""A run in which nothing finishes says so; it never hangs in silence."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

import fastalliance as fa
from fastalliance.executors import run_on_threads, silence
from fastalliance.executors.silence import Silence, SilenceWarning
from fastalliance.study.tile_data import TileComputer
from tests.unit.small_model import MODEL


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return a function that lets minutes pass."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def wait(minutes: float) -> None:
        now[0] += 60.0 * minutes

    return wait


def said(silent: Silence, running: list[int]) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        silent.say(running)
    assert all(item.category is SilenceWarning for item in caught)
    return [str(item.message) for item in caught]


def test_silence__is_said_after_ten_minutes_and_ever_less_often(clock) -> None:
    silent = Silence()
    clock(9.9)
    assert said(silent, [3]) == []
    clock(0.2)
    assert said(silent, [3]) == ["no tile has finished for 10 minutes; tiles that run: 3"]
    clock(9.0)
    assert said(silent, [3]) == []
    clock(2.0)
    assert said(silent, []) == ["no tile has finished for 21 minutes; there are no workers"]
    silent.end()
    clock(9.0)
    assert said(silent, [3]) == []
    clock(1.1)
    (text,) = said(silent, list(range(7)))
    assert text.endswith("for 10 minutes; tiles that run: 0, 1, 2, 3 and 3 more")


def test_threads__name_the_tiles_that_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "SILENT", 0.05)

    def task(tile: int) -> int:
        time.sleep(0.5 if tile == 4 else 0.0)
        return tile

    with pytest.warns(SilenceWarning, match="no tile has finished .* tiles that run: 4$"):
        found = list(run_on_threads(task, [4], threads=2, stop=threading.Event()))
    assert [tile for tile in found if tile is not None] == [4]


@pytest.mark.parametrize("options", [{}, {"shard": "0/1"}], ids=["threads", "shard"])
def test_study__that_hangs_says_so(tmp_path: Path, monkeypatch, options: dict[str, str]) -> None:
    monkeypatch.setattr(silence, "SILENT", 0.05)
    compute = TileComputer.compute

    def slow(self, tile):
        time.sleep(0.5)
        return compute(self, tile)

    monkeypatch.setattr(TileComputer, "compute", slow)
    study = fa.Study(MODEL, replicates=5)
    with pytest.warns(SilenceWarning, match="no tile has finished .* tiles that run: 0"):
        ds = study.run(store=tmp_path / "run.zarr", threads=1, **options)
    assert ds.attrs["complete"] is True
