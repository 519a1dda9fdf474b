"""`verify` finds every damage, and repairs it to the values of an undisturbed store."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import fastalliance as fa
from fastalliance.errors import StoreError
from fastalliance.study import labels, verifying
from tests.faults import verified
from tests.faults.verified import DAMAGES


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Undisturbed stores, never written to."""
    folder = tmp_path_factory.mktemp("stores")
    for kind in verified.STUDIES:
        verified.complete(kind, folder / f"{kind}.zarr")
    verified.unfinished("kept", folder / "kept-unfinished.zarr", [0, 2])
    verified.unfinished("blocks", folder / "blocks-unfinished.zarr", [0, 1, 4])
    verified.unfinished("members", folder / "members-unfinished.zarr", [1])
    return folder


@pytest.fixture
def copy(stores: Path, tmp_path: Path):
    def make(name: str) -> Path:
        return Path(shutil.copytree(stores / f"{name}.zarr", tmp_path / f"{name}.zarr"))

    return make


def verify(path: Path, **options: object) -> fa.study.verifying.Verification:
    model = verified.model_of(path.name.partition(".")[0].removesuffix("-unfinished"))
    return fa.verify(path, model=model, threads=1, **options)


CHUNKS = [
    ("kept", "level_end/c.1.0.0"),  # kept replicates
    ("kept", "level_path/c.2.0.0.0"),  # trajectories beside them
    ("kept", "hit_time_mean/c.0.0"),
    ("kept", "level_end_quantile/c.0.0.0"),
    ("kept", "start/c.0"),  # an axis
    ("kept", "time/c.0"),
    ("blocks", "hits_path/c.1.0.0"),  # trajectories of the first block only
    ("blocks", "level_end_mean/c.0"),
    ("blocks", "level_end_quantile/c.0.0"),  # of raw outputs of two blocks
    ("members", "exit_time/c.1.0.0"),
    ("members", "tie_second/c.0"),
    ("members", "given_thresholds/c.0.0"),
    ("members", "given_centralities/c.0.0"),
    ("kept-unfinished", "_run/statistics/c.2.0.0"),
    ("kept-unfinished", "n_hits/c.2.0.0"),
    ("blocks-unfinished", "_run/raw/c.1.0.0.0"),
    ("blocks-unfinished", "level_path/c.2.0.0"),  # of tile 4
    ("members-unfinished", "_run/statistics/c.1.0.0"),
    ("members-unfinished", "centrality/c.1.0.0"),
]


# Of truncated chunks one of each kind of array is enough: they are found as flipped bits are.
TRUNCATED = ("level_end/c.1.0.0", "hit_time_mean/c.0.0", "start/c.0", "_run/statistics/c.2.0.0")
DAMAGED_CHUNKS = [
    (store, file, damage)
    for store, file in CHUNKS
    for damage in DAMAGES
    if damage != "truncated" or file in TRUNCATED
]


@pytest.mark.parametrize(
    ("store", "file", "damage"), DAMAGED_CHUNKS, ids=["-".join(c) for c in DAMAGED_CHUNKS]
)
def test_damaged_chunk__is_found_and_repaired(copy, stores, store, file, damage):
    path = copy(store)
    DAMAGES[damage](path / file)
    before = verified.stamps(path)
    found = verify(path, tiles=1)
    assert not found
    (item,) = found.damage
    assert (item.name, item.path) == (file.removeprefix("_run/").split("/")[0], path / file)
    assert found.verdict.startswith("damaged: 1 damaged file: array ")
    assert verified.stamps(path) == before

    repaired = verify(path, tiles=1, repair=True)
    assert repaired, repaired
    assert repaired.repaired == repaired.damage == (item,)
    assert verified.files_of(path) == verified.files_of(stores / f"{store}.zarr")
    after = verified.stamps(path)
    assert {name for name in after if before.get(name) != after[name]} == {file}
    assert verify(path, tiles="all").damage == ()


def test_repair__recomputes_what_it_needs_only(copy):
    path = copy("kept")
    (path / "level_end/c.1.0.0").unlink()
    sampled = verify(path, tiles=1, seed=0).tiles_recomputed
    assert sampled == 1
    assert verify(path, tiles=1, seed=0, repair=True).tiles_recomputed <= 2


def test_repair__of_one_slab_of_many(tmp_path, monkeypatch):
    monkeypatch.setattr(labels, "_SLAB_POINTS", 2)
    path = verified.complete("kept", tmp_path / "kept.zarr")
    expected = verified.files_of(path)
    assert (path / "level_end_mean/c.2.0").exists()
    (path / "level_end_mean/c.1.0").write_bytes(b"")
    (path / "level_end_std/c.2.0").unlink()
    found = verify(path, tiles=1, repair=True)
    assert found
    assert len(found.repaired) == 2
    assert found.tiles_recomputed <= 3
    assert verified.files_of(path) == expected


def test_repair__of_everything_at_once(copy, stores):
    path = copy("kept")
    for chunk in path.glob("*/c.*"):
        if "_" in chunk.parent.name or chunk.parent.name == "fate":
            chunk.write_bytes(b"nothing")
    for file in verified.ledger_files(path):
        file.write_text("{}")
    found = verify(path, repair=True)
    assert found, found
    assert verified.files_of(path) == verified.files_of(stores / "kept.zarr")
    assert verified.rows_of(path) == verified.rows_of(stores / "kept.zarr")


def test_damage__that_appears_after_all_was_read_is_not_repaired_by_half(copy, stores, monkeypatch):
    """A chunk of statistics of many points, of which the sampled tiles have some only."""
    path = copy("kept")
    chunk = path / "level_end_mean/c.0.0"
    scan = verifying.scan

    def scan_then_damage(*arguments, **options):
        found = scan(*arguments, **options)
        chunk.unlink()
        return found

    with monkeypatch.context() as damaged:
        damaged.setattr(verifying, "scan", scan_then_damage)
        found = verify(path, tiles=1, repair=True)
    assert not found
    assert [item.path for item in found.damage] == [chunk]
    assert not found.repaired
    assert not chunk.exists()
    assert verify(path, tiles=1, repair=True)
    assert verified.files_of(path) == verified.files_of(stores / "kept.zarr")


def test_axes__that_no_configuration_tells_are_not_repaired(tmp_path):
    path = tmp_path / "kept.zarr"
    start = [i / 500 for i in range(1001)]  # so many that the configuration has their digest
    fa.Study(verified.SMALL, design=fa.grid(start=start), replicates=2).run(store=path)
    verified.flip(path / "start/c.0")
    before = verified.stamps(path)
    found = verify(path, repair=True)
    assert not found
    assert found.tiles_recomputed == 0
    assert found.verdict.startswith("not verified: array start is damaged")
    assert verified.stamps(path) == before


# The ledger -----------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("store", ["kept", "blocks"])
def test_damaged_ledger__of_a_complete_store(copy, stores, store, damage):
    path = copy(store)
    for file in verified.ledger_files(path):
        DAMAGES[damage](file)
    found = verify(path, tiles="all")
    assert not found
    assert [item.name for item in found.damage] == ["ledger"]
    assert (found.tiles_equal, found.tiles_different) == (0, 0)
    chunks = verified.files_of(path)
    assert verify(path, tiles=1, repair=True)
    assert verified.files_of(path) == chunks
    assert verified.rows_of(path) == verified.rows_of(stores / f"{store}.zarr")
    assert fa.open(path).attrs["complete"]


@pytest.mark.parametrize("damage", ["flipped", "truncated"])
def test_damaged_ledger__of_an_unfinished_store(copy, stores, damage):
    path = copy("blocks-unfinished")
    first, second, _ = verified.ledger_files(path)
    DAMAGES[damage](first)
    DAMAGES[damage](second)
    found = verify(path)
    assert len(found.damage) == 2
    repaired = verify(path, repair=True)
    assert repaired
    assert repaired.tiles_recomputed == repaired.n_done == 3
    assert verified.files_of(path) == verified.files_of(stores / "blocks-unfinished.zarr")
    assert verified.rows_of(path) == verified.rows_of(stores / "blocks-unfinished.zarr")


def test_damaged_ledger__lists_no_tile_whose_data_are_damaged(copy):
    path = copy("kept-unfinished")
    file = verified.ledger_files(path)[0]
    (tile,) = verified.rows_in(file)
    verified.truncate(file)
    verified.flip(path / f"_run/statistics/c.{tile}.0.0")
    assert verify(path, repair=True)
    assert sorted(verified.rows_of(path)) == sorted({0, 2} - {tile})


@pytest.mark.parametrize("file", ["level_end/c.1.0.0", "level_end_mean/c.0.0"])
def test_damaged_ledger__is_not_made_of_values_that_differ(copy, file):
    path = copy("kept")
    verified.truncate(verified.ledger_files(path)[0])
    verified.change(path, file)
    before = verified.stamps(path)
    found = verify(path, repair=True)
    assert not found
    assert len(found.differences) == 1
    assert [item.name for item in found.left] == ["ledger"]
    assert verified.stamps(path) == before


def test_damaged_ledger__lists_no_tile_whose_values_differ(copy):
    path = copy("kept-unfinished")
    file = verified.ledger_files(path)[0]
    (tile,) = verified.rows_in(file)
    verified.truncate(file)
    verified.change(path, f"n_hits/c.{tile}.0.0")
    changed = (path / f"n_hits/c.{tile}.0.0").read_bytes()
    assert verify(path, repair=True)
    assert sorted(verified.rows_of(path)) == sorted({0, 2} - {tile})
    assert (path / f"n_hits/c.{tile}.0.0").read_bytes() == changed


@pytest.mark.parametrize("store", ["kept", "kept-unfinished"])
def test_contradicting_ledger__is_reported_and_never_repaired(copy, store):
    path = copy(store)
    for file in verified.ledger_files(path):
        verified.change_ledger(file, 2)
    before = verified.stamps(path)
    for repair in (False, True):
        found = verify(path, tiles="all", repair=repair)
        assert not found
        assert (found.tiles_different, found.repaired) == (1, ())
        assert found.differences[0].startswith("tile 2 gives other values: SHA-256 0000")
    assert verified.stamps(path) == before


def test_contradicting_ledger__makes_no_data_of_its_tile(copy):
    path = copy("kept")
    (file,) = verified.ledger_files(path)
    verified.change_ledger(file, 2)
    (path / "level_end/c.2.0.0").unlink()
    (path / "level_end_mean/c.0.0").unlink()
    before = verified.stamps(path)
    found = verify(path, repair=True)
    assert len(found.left) == 2
    assert found.repaired == ()
    assert verified.stamps(path) == before


def test_ledger_files__that_contradict_each_other_are_refused(copy):
    path = copy("kept-unfinished")
    first, second = verified.ledger_files(path)
    shutil.copy(first, second.with_name("other-000000.json"))
    (tile,) = verified.rows_in(first)
    verified.change_ledger(second.with_name("other-000000.json"), tile)
    with pytest.raises(StoreError, match=f"tile {tile} was computed twice with different values"):
        verify(path)


# Wrong values under right checksums -----------------------------------------------------------


@pytest.mark.parametrize(
    ("store", "file"),
    [
        ("kept", "level_end/c.1.0.0"),
        ("kept", "level_path/c.1.0.0.0"),
        ("blocks", "hits_path/c.1.0.0"),
        ("members", "centrality/c.1.0.0"),
        ("kept-unfinished", "_run/statistics/c.2.0.0"),
        ("blocks-unfinished", "_run/raw/c.1.0.0.0"),
    ],
)
def test_wrong_values__of_a_tile_are_found_and_repaired(copy, stores, store, file):
    path = copy(store)
    verified.change(path, file)
    found = verify(path, tiles="all")
    assert not found
    (item,) = found.damage
    assert item.name == file.removeprefix("_run/").split("/")[0]
    assert "its values are not those in the ledger" in found.verdict
    assert found.differences == ()
    assert verify(path, tiles="all", repair=True)
    assert verified.files_of(path) == verified.files_of(stores / f"{store}.zarr")


def test_wrong_values__of_an_unfinished_store_are_found_without_luck(copy):
    """The digests of all its tiles are compared, whichever are recomputed."""
    for tile in (0, 1, 4):
        path = copy("blocks-unfinished")
        verified.change(path, f"_run/statistics/c.{tile}.0.0")
        assert [item.tile for item in verify(path, tiles=1).damage] == [tile]
        shutil.rmtree(path)


@pytest.mark.parametrize(
    ("store", "file", "says"),
    [
        ("kept", "hit_time_mean/c.0.0", "tile 2 gives other statistics: hit_time_mean/c.0.0"),
        ("kept", "level_end_quantile/c.0.0.0", "tile 2 gives other statistics: level_end_q"),
        ("blocks", "level_end_std/c.0", "tile 4 gives other statistics: level_end_std/c.0"),
        ("kept", "start/c.0", "coordinate start is not what the configuration gives"),
        ("kept", "replicate/c.0", "coordinate replicate is not what the configuration gives"),
        ("members", "given_thresholds/c.0.0", "coordinate given_thresholds is not what"),
        ("members", "given_centralities/c.0.0", "coordinate given_centralities is not what"),
    ],
)
def test_wrong_values__of_labelled_arrays_are_reported_and_left(copy, store, file, says):
    path = copy(store)
    verified.change(path, file)
    before = verified.stamps(path)
    for repair in (False, True):
        found = verify(path, tiles="all", repair=repair)
        assert not found
        assert found.differences[0].startswith(says)
        assert found.values_different >= 1
        assert (found.damage, found.tiles_different) == ((), 0)
    assert verified.stamps(path) == before


@pytest.mark.parametrize("lost_ledger", [False, True])
def test_wrong_values__of_an_axis_that_no_configuration_tells(tmp_path, lost_ledger):
    path = tmp_path / "kept.zarr"
    start = [i / 500 for i in range(1001)]
    fa.Study(verified.SMALL, design=fa.grid(start=start), replicates=2).run(store=path)
    verified.change(path, "start/c.0")
    (path / "level_end_mean/c.0").unlink()
    if lost_ledger:
        verified.truncate(verified.ledger_files(path)[0])
    before = verified.stamps(path)
    found = verify(path, tiles="all", repair=True)
    assert "do not have the hash of the store" in found.differences[0]
    assert len(found.left) == 1 + lost_ledger
    assert verified.stamps(path) == before
