"""The ledger: few files, never two opinions on a tile, readable while it is merged."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from fastalliance.errors import StoreError
from fastalliance.store import ledger
from fastalliance.store.ledger import Ledger, read_rows

N_TILES = 20_000


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    directory, scratch = tmp_path / "ledger", tmp_path / "scratch"
    directory.mkdir()
    scratch.mkdir()
    return directory, scratch


def sha(tile: int) -> str:
    return f"{tile:064x}"


def test_files__stay_few(places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "FAN_OUT", 4)
    book = Ledger(*places, N_TILES, "w")
    most = 0
    for tile in range(200):
        book.add([(tile, sha(tile))])
        most = max(most, len(list(places[0].iterdir())))
    # At most 3 files of each of the 4 levels that 200 files make, and a merge in the making.
    assert most <= 16
    assert read_rows(places[0], N_TILES) == {tile: sha(tile) for tile in range(200)}
    assert list(places[1].iterdir()) == []


def test_files__never_change_once_they_are_there(
    places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "FAN_OUT", 4)
    book = Ledger(*places, N_TILES, "w")
    seen: dict[str, bytes] = {}
    for tile in range(40):
        book.add([(tile, sha(tile))])
        for path in places[0].iterdir():
            content = path.read_bytes()
            assert seen.setdefault(path.name, content) == content


def test_rows__of_several_writers_are_read_together(places: tuple[Path, Path]) -> None:
    Ledger(*places, N_TILES, "a").add([(1, sha(1)), (2, sha(2))])
    second = Ledger(*places, N_TILES, "b")
    second.add([(2, sha(2)), (3, sha(3))])
    assert second.rows == {tile: sha(tile) for tile in (1, 2, 3)}
    second.merge()
    assert [path.name for path in places[0].iterdir()] == ["b-000001.json"]
    assert read_rows(places[0], N_TILES) == second.rows


def test_rows__added_again_make_no_file(places: tuple[Path, Path]) -> None:
    book = Ledger(*places, N_TILES, "a")
    book.add([(1, sha(1))])
    book.add([(1, sha(1))])
    book.add([])
    assert len(list(places[0].iterdir())) == 1


def test_rows__that_contradict_each_other_are_refused(places: tuple[Path, Path]) -> None:
    first, second = Ledger(*places, N_TILES, "a"), Ledger(*places, N_TILES, "b")
    with pytest.raises(StoreError, match="tile 5 was computed twice"):
        first.add([(5, sha(5)), (5, sha(6))])
    assert first.rows == {}
    first.add([(5, sha(5))])
    second.add([(5, sha(6))])
    with pytest.raises(StoreError, match=f"SHA-256 {sha(5)} recorded, {sha(6)} now"):
        read_rows(places[0], N_TILES)


@pytest.mark.parametrize(
    "rows", [[[N_TILES, "0"]], [[-1, "0"]], [[1.0, "0"]], [[True, "0"]], [[1]], [[1, 2]], ["a"]]
)
def test_file__with_rows_that_are_none_is_refused(
    places: tuple[Path, Path], rows: list[object]
) -> None:
    document = {"format": 1, "rows": rows, "sha256": ledger._checksum({"rows": rows})}
    (places[0] / "a-0.json").write_text(json.dumps(document))
    with pytest.raises(StoreError, match=r"a-0\.json is damaged; remove that file"):
        read_rows(places[0], N_TILES)


@pytest.mark.parametrize("text", ["", "{}", "[]", "\x00" * 100, '{"format": 1, "rows": []}'])
def test_file__that_is_damaged_is_refused(places: tuple[Path, Path], text: str) -> None:
    (places[0] / "a-0.json").write_text(text)
    with pytest.raises(StoreError, match=r"a-0\.json is damaged; remove that file"):
        read_rows(places[0], N_TILES)


def test_file__of_a_newer_format_is_refused(places: tuple[Path, Path]) -> None:
    document = {"format": 3, "rows": [], "sha256": ""}
    (places[0] / "a-0.json").write_text(json.dumps(document))
    with pytest.raises(StoreError, match="ledger format 3, this version reads up to 2; upgrade"):
        read_rows(places[0], N_TILES)


def test_reading__ten_thousand_rows_is_fast(places: tuple[Path, Path]) -> None:
    book = Ledger(*places, N_TILES, "a")
    for first in range(0, 10_000, 200):
        book.add([(tile, sha(tile)) for tile in range(first, first + 200)])
    start = time.process_time()
    assert len(read_rows(places[0], N_TILES)) == 10_000
    assert time.process_time() - start < 5.0


def test_reading__while_files_are_merged_never_loses_a_row(
    places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "FAN_OUT", 2)
    book = Ledger(*places, N_TILES, "w")
    book.add([(0, sha(0))])
    counts: list[int] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            counts.append(len(read_rows(places[0], N_TILES)))

    reader = threading.Thread(target=look)
    reader.start()
    for tile in range(1, 60):
        book.add([(tile, sha(tile))])
    stop.set()
    reader.join()
    assert counts == sorted(counts)
    assert counts[0] >= 1
