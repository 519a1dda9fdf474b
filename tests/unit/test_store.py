"""A run's store: written, recorded, finalised, and read by anybody."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr

from fastalliance.errors import StoreError
from fastalliance.store import (
    ArraySpec,
    Layout,
    MemoryStore,
    RunStore,
    TileData,
    TileStore,
)
from tests.faults import toy


@pytest.fixture(params=["disk", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TileStore]:
    if request.param == "memory":
        yield MemoryStore(toy.layout())
    else:
        with RunStore.open(tmp_path / "run.zarr", toy.layout()) as opened:
            yield opened


# What both kinds of store do ------------------------------------------------------------------


def test_missing__shrinks_as_tiles_are_recorded(store: TileStore) -> None:
    assert store.missing().tolist() == [0, 1, 2, 3, 4, 5]
    shas = {tile: store.write(tile, toy.tile_data(tile)) for tile in (4, 1)}
    assert store.missing().tolist() == [0, 1, 2, 3, 4, 5]
    store.record([(4, shas[4])])
    assert store.missing().tolist() == [0, 1, 2, 3, 5]
    store.record([(1, shas[1]), (4, shas[4])])
    assert store.missing().tolist() == [0, 2, 3, 5]


def test_read_packed__shows_recorded_tiles_only(store: TileStore) -> None:
    store.record([(1, store.write(1, toy.tile_data(1)))])
    store.write(2, toy.tile_data(2))
    values = store.read_packed("statistics", 1, 3)
    np.testing.assert_array_equal(values[0], toy.tile_data(1).packed["statistics"])
    assert np.isnan(values[1]).all()
    assert store.read_packed("statistics", 2, 2).shape == (0, 4, 3)


@pytest.mark.parametrize("bounds", [(-1, 2), (0, 7), (3, 2)])
def test_read_packed__outside_the_run_is_refused(store: TileStore, bounds: tuple[int, int]) -> None:
    with pytest.raises(StoreError, match="are not among the 6"):
        store.read_packed("statistics", *bounds)


def test_read_packed__of_an_unknown_array_is_refused(store: TileStore) -> None:
    with pytest.raises(StoreError, match="moments is no packed array"):
        store.read_packed("moments", 0, 1)


def test_nondeterminism__is_refused_with_both_hashes(store: TileStore) -> None:
    sha = store.write(1, toy.tile_data(1))
    store.record([(1, sha)])
    changed = toy.tile_data(1)
    changed.packed["statistics"][0, 0] += 1e-16 + abs(changed.packed["statistics"][0, 0]) * 1e-15
    with pytest.raises(StoreError, match=f"tile 1 .* different values .*{sha}"):
        store.write(1, changed)
    with pytest.raises(StoreError, match=f"{sha} recorded, {'0' * 64} now"):
        store.record([(1, "0" * 64)])
    expected = toy.tile_data(1).packed["statistics"]
    np.testing.assert_array_equal(store.read_packed("statistics", 1, 2)[0], expected)


@pytest.mark.parametrize("tile", [-1, 6])
def test_tile__outside_the_run_is_refused(store: TileStore, tile: int) -> None:
    with pytest.raises(StoreError, match=f"tile {tile} is none of the 6"):
        store.write(tile, toy.tile_data(0))
    with pytest.raises(StoreError, match=f"tile {tile} is none of the 6"):
        store.record([(tile, "0" * 64)])


BLOCK = np.zeros((4, 3))
REPLICATES = ((slice(0, 4), slice(0, 5)), np.zeros((4, 5)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (TileData({}, {"x": REPLICATES}), "packed must be"),
        (TileData({"statistics": BLOCK, "more": BLOCK}, {"x": REPLICATES}), "packed must be"),
        (TileData({"statistics": BLOCK[:3]}, {"x": REPLICATES}), r"must be of \(4, 3\)"),
        (TileData({"statistics": BLOCK.astype("f4")}, {"x": REPLICATES}), "must be float64"),
        (TileData({"statistics": BLOCK}, {"y": REPLICATES}), "y is no direct array"),
        (TileData({"statistics": BLOCK}, {"x": (REPLICATES[0], BLOCK)}), "does not fit values"),
    ],
)
def test_tile_data__that_do_not_fit_are_refused(
    store: TileStore, data: TileData, message: str
) -> None:
    with pytest.raises(StoreError, match=message):
        store.write(0, data)


def test_finalise__before_all_tiles_are_done_is_refused(store: TileStore) -> None:
    store.record([(0, store.write(0, toy.tile_data(0)))])
    with pytest.raises(StoreError, match="5 of 6 tiles are not done, the first is 1"):
        store.finalise(toy.slabs(store, 6))


def test_finalise__with_gaps_or_strangers_is_refused_and_can_be_repeated(store: TileStore) -> None:
    store.record([(tile, store.write(tile, toy.tile_data(tile))) for tile in range(6)])
    slabs = list(toy.slabs(store, 6))
    with pytest.raises(StoreError, match="16 values of x_mean, it has 24"):
        store.finalise(slabs[:-1])
    with pytest.raises(StoreError, match="slab of y"):
        store.finalise([{"y": slabs[0]["x_mean"]}])
    assert not store.complete
    store.finalise(slabs)
    assert store.complete
    store.finalise([])  # nothing to do any more


def test_memory_and_disk__hold_the_same_values(tmp_path: Path) -> None:
    memory = MemoryStore(toy.layout())
    with memory:
        toy.drive(memory, 6)
    path = toy.finished(tmp_path / "run.zarr")
    assert set(memory.arrays) == {"x", "x_mean", "x_std", "n_invalid"}
    with xr.open_zarr(path, consolidated=False) as dataset:
        for name, values in memory.arrays.items():
            np.testing.assert_array_equal(dataset[name].values, values)
            assert not np.isnan(values[1:]).all()


# Reading by others ----------------------------------------------------------------------------


def test_finished_store__reads_with_plain_xarray_and_no_warnings(tmp_path: Path) -> None:
    path = toy.finished(tmp_path / "run.zarr")
    expected = np.concatenate([toy.tile_data(tile).packed["statistics"] for tile in range(6)])
    with xr.open_zarr(path, consolidated=False) as dataset:
        assert set(dataset.data_vars) == {"x", "x_mean", "x_std", "n_invalid"}
        assert set(dataset.coords) == {"point", "trust", "rule"}
        assert dataset.sizes == {"point": 24, "replicate": 5}
        np.testing.assert_array_equal(dataset["x_mean"].values, expected[:, 0])
        np.testing.assert_array_equal(dataset["n_invalid"].values, expected[:, 2])
        np.testing.assert_array_equal(dataset["trust"].values, np.linspace(0, 1, 24))
        assert dataset["point"].dtype == np.int64
        assert dataset["x_mean"].attrs["units"] == "1"
        assert dataset["rule"].attrs == {"flag_values": [0, 1], "flag_meanings": "a b"}
        assert dataset.attrs["complete"] is True
        assert dataset.attrs["configuration"]["parameters"]["halflife"] == "Infinity"
        assert dataset.attrs["seed"] == 7
        assert dataset.attrs["finished"] >= dataset.attrs["created"]
        assert {"numpy_version", "python_version", "cpu"} <= set(dataset.attrs)


@pytest.mark.parametrize("make", [toy.finished, lambda path: toy.unfinished(path, [1])])
def test_every_node__is_known_to_zarr(tmp_path: Path, make: Any) -> None:
    group = zarr.open_group(make(tmp_path / "run.zarr"), mode="r")
    names = {name for name, _ in group.members(max_depth=None)}
    assert {"x", "point", "_run", "_run/ledger", "_run/lease", "_run/scratch"} <= names
    assert xr.open_datatree(group.store, engine="zarr", consolidated=False).groups == ("/", "/_run")


def test_unfinished_store__reads_as_incomplete(tmp_path: Path) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [1])
    with xr.open_zarr(path, consolidated=False) as dataset:
        assert dataset.attrs["complete"] is False
        assert set(dataset.data_vars) == {"x"}
        assert np.isnan(dataset["x"].values[:4]).all()
        replicates = toy.tile_data(1).direct["x"][1]
        np.testing.assert_array_equal(dataset["x"].values[4:8], replicates)


def test_finished_store__keeps_the_ledger_and_drops_the_packed_arrays(tmp_path: Path) -> None:
    path = toy.finished(tmp_path / "run.zarr")
    assert sorted(os.listdir(path / "_run")) == ["lease", "ledger", "scratch", "zarr.json"]
    assert len(list((path / "_run/ledger").glob("*-*.json"))) == 1


def test_final_arrays__may_be_written_in_slabs_that_cut_chunks(tmp_path: Path) -> None:
    path = tmp_path / "run.zarr"
    values = np.random.default_rng(0).normal(size=(5, 7))
    layout = Layout(
        n_tiles=1,
        packed={},
        direct=(),
        final=(ArraySpec("v", ("a", "b"), (5, 7), (2, 3), {}),),
        coordinates=(),
        attrs=toy.attributes(),
    )
    with RunStore.open(path, layout) as store:
        store.record([(0, store.write(0, TileData({})))])
        cuts = [(0, 1), (1, 4), (4, 5)]
        rows = ({"v": ((slice(a, b), slice(None)), values[a:b])} for a, b in cuts)
        store.finalise(rows)
    with xr.open_zarr(path, consolidated=False) as dataset:
        np.testing.assert_array_equal(dataset["v"].values, values)


# Writing --------------------------------------------------------------------------------------


def test_write__from_many_threads(tmp_path: Path) -> None:
    n_tiles = 24
    path = tmp_path / "run.zarr"
    with RunStore.open(path, toy.layout(n_tiles)) as store:
        rows: list[tuple[int, str]] = []

        def work(first: int) -> None:
            tiles = range(first, n_tiles, 4)
            rows.extend([(tile, store.write(tile, toy.tile_data(tile))) for tile in tiles])

        threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        store.record(rows)
        store.finalise(toy.slabs(store, n_tiles))
    assert toy.values_hash(path) == toy.values_hash(toy.finished(tmp_path / "one.zarr", n_tiles))


def test_writer__can_be_sent_to_another_process(tmp_path: Path) -> None:
    with RunStore.open(tmp_path / "run.zarr", toy.layout()) as store:
        writer = pickle.loads(pickle.dumps(store.writer))
        store.record([(2, writer.write(2, toy.tile_data(2)))])
        np.testing.assert_array_equal(
            store.read_packed("statistics", 2, 3)[0], toy.tile_data(2).packed["statistics"]
        )
    with pytest.raises(StoreError, match="taken this store over"):
        writer.write(3, toy.tile_data(3))


@pytest.mark.parametrize(
    "region",
    [(slice(2, 6), slice(0, 5)), (slice(4, 8), slice(0, 4)), (slice(22, 26), slice(0, 5))],
)
def test_write__direct_regions_must_be_the_tile_s_whole_chunks(
    tmp_path: Path, region: tuple[slice, ...]
) -> None:
    shape = tuple(part.stop - part.start for part in region)
    data = TileData({"statistics": BLOCK}, {"x": (region, np.zeros(shape))})
    with (
        RunStore.open(tmp_path / "run.zarr", toy.layout()) as store,
        pytest.raises(StoreError, match="x"),
    ):
        store.write(1, data)
    assert os.listdir(tmp_path / "run.zarr" / "x") == ["zarr.json"]


def test_write__direct_without_stride_needs_whole_chunks_only(tmp_path: Path) -> None:
    path = tmp_path / "run.zarr"
    layout = Layout(
        n_tiles=2,
        packed={},
        direct=(ArraySpec("x", ("point",), (10,), (4,), {}),),
        final=(),
        coordinates=(),
        attrs=toy.attributes(),
    )
    values = np.arange(10.0)
    with RunStore.open(path, layout) as store:
        first = store.write(0, TileData({}, {"x": ((slice(0, 4),), values[:4])}))
        second = store.write(1, TileData({}, {"x": ((slice(4, 10),), values[4:])}))
        with pytest.raises(StoreError, match="does not consist of whole chunks"):
            store.write(0, TileData({}, {"x": ((slice(0, 3),), values[:3])}))
        store.record([(0, first), (1, second)])
        (path / "x/c.2").rename(path / "x/moved")
        with pytest.raises(StoreError, match="array x is damaged"):
            store.finalise([])
        (path / "x/moved").rename(path / "x/c.2")
        store.finalise([])
    with xr.open_zarr(path, consolidated=False) as dataset:
        np.testing.assert_array_equal(dataset["x"].values, values)


def test_closed_store__refuses_to_write(tmp_path: Path) -> None:
    store = RunStore.open(tmp_path / "run.zarr", toy.layout())
    store.close()
    store.close()
    with pytest.raises(StoreError, match="complete or closed"):
        store.write(0, toy.tile_data(0))
    with pytest.raises(StoreError, match="complete or closed"):
        store.record([(0, "0" * 64)])


def test_forgotten_store__releases_its_lease(tmp_path: Path) -> None:
    RunStore.open(tmp_path / "run.zarr", toy.layout())
    RunStore.open(tmp_path / "run.zarr", toy.layout()).close()
