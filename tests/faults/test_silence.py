"""A run in which nothing finishes says so; it never hangs in silence."""

from __future__ import annotations

import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

import fastalliance as fa
from fastalliance.cli.exits import warnings_as_lines
from fastalliance.executors import run_on_threads, silence
from fastalliance.executors.silence import Silence, SilenceWarning, tiles_that_run
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


def said(silent: Silence) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        silent.say()
    assert all(item.category is SilenceWarning for item in caught)
    return [str(item.message) for item in caught]


def test_silence__is_said_after_ten_minutes_and_ever_less_often(clock) -> None:
    silent = Silence(lambda: "the reason")
    clock(9.9)
    assert said(silent) == []
    clock(0.2)
    assert said(silent) == ["no tile has finished for 10 minutes; the reason"]
    clock(9.0)
    assert said(silent) == []
    clock(2.0)
    assert said(silent) == ["no tile has finished for 21 minutes; the reason"]
    silent.end()
    clock(9.0)
    assert said(silent) == []
    clock(1.1)
    assert said(silent) == ["no tile has finished for 10 minutes; the reason"]
    assert tiles_that_run([3]) == "tiles that run: 3"
    assert tiles_that_run(range(7)) == "tiles that run: 0, 1, 2, 3 and 3 more"


def test_silence__is_said_while_the_run_waits_for_what_never_answers(monkeypatch) -> None:
    monkeypatch.setattr(silence, "SILENT", 0.05)
    with (
        pytest.warns(SilenceWarning, match="no tile has finished .*; the reason$"),
        Silence(lambda: "the reason").watched(),
    ):
        threading.Event().wait(0.5)


def test_silence__ends_a_run_where_warnings_are_errors(monkeypatch) -> None:
    monkeypatch.setattr(silence, "SILENT", 0.05)
    over = threading.Event()

    def task(tile: int) -> int:
        over.wait(20)
        return tile

    with pytest.raises(SilenceWarning, match=r"tiles that run: 4$"):
        list(run_on_threads(task, [4], threads=1, stop=threading.Event()))
    over.set()


def test_threads__name_the_tiles_that_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "SILENT", 0.05)

    def task(tile: int) -> int:
        time.sleep(0.5 if tile == 4 else 0.0)
        return tile

    with pytest.warns(SilenceWarning, match="no tile has finished .* tiles that run: 4$"):
        found = list(run_on_threads(task, [4], threads=2, stop=threading.Event()))
    assert [tile for tile in found if tile is not None] == [4]


def test_command__says_every_silence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(silence, "SILENT", 0.0)
    monkeypatch.setattr(sys, "warnoptions", [])  # those of the tests
    with warnings_as_lines():
        for _ in range(2):
            Silence(lambda: "nobody knows why").say()
    said = "warning: no tile has finished for 0 minutes; nobody knows why"
    assert capsys.readouterr().err.count(said) == 2


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
