"""Damage of every kind: a store refuses in one line that names the place, or holds right values."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from fastalliance.errors import StoreError
from fastalliance.store import RunStore, read
from tests.faults import toy
from tests.faults.refusals import one_line

N_FLIPS = max(3, int(os.environ.get("FASTALLIANCE_FLIPS", "150")))


def flip(path: Path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


def flips_of(path: Path, draw: random.Random, n: int) -> Iterator[int]:
    """Flip random bits of a file, a third of them in its first 16 bytes, and put each back."""
    original = path.read_bytes()
    for i in range(n):
        length = min(16, len(original)) if i % 3 == 0 else len(original)
        bit = draw.randrange(8 * length)
        flip(path, bit)
        yield bit
        path.write_bytes(original)


def test_flipped_bits__packed_chunk_raises_or_changes_nothing(tmp_path: Path) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [0, 1])
    expected = toy.tile_data(1).packed["statistics"]
    messages = []
    handle = read(path)
    for bit in flips_of(path / "_run/statistics/c.1.0.0", random.Random(1), N_FLIPS):
        try:
            values = handle.read_packed("statistics", 1, 2)[0]
        except StoreError as error:
            messages.append(str(error))
        else:
            np.testing.assert_array_equal(values, expected, err_msg=f"bit {bit}")
    assert len(messages) > 0.9 * N_FLIPS
    assert all("statistics (tile 1) is damaged" in text for text in messages)


@pytest.mark.parametrize("checked", [True, False], ids=["our reader", "plain xarray"])
def test_flipped_bits__final_and_direct_chunks_raise_or_change_nothing(
    tmp_path: Path, checked: bool
) -> None:
    path = toy.finished(tmp_path / "run.zarr")
    source = read(path).zarr_store() if checked else path
    messages = []
    draw = random.Random(2)
    for file in ("x_mean/c.0", "x/c.1.0", "trust/c.0"):
        name = file.partition("/")[0]
        with xr.open_zarr(path, consolidated=False) as dataset:
            expected = dataset[name].values
        for bit in flips_of(path / file, draw, N_FLIPS // 3):
            try:
                with xr.open_zarr(source, consolidated=False, chunks=None) as dataset:
                    values = dataset[name].values
            except (StoreError, RuntimeError, ValueError, MemoryError) as error:
                messages.append(str(error))
                named = isinstance(error, StoreError) and f"array {name} is damaged" in str(error)
                if checked and not named:
                    raise
            else:
                np.testing.assert_array_equal(values, expected, err_msg=f"{file}, bit {bit}")
    assert len(messages) > 0.9 * 3 * (N_FLIPS // 3)


def test_flipped_bits__ledger_is_refused(tmp_path: Path) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [0, 1, 2])
    (rows,) = [p for p in (path / "_run/ledger").iterdir() if p.name != "zarr.json"]
    messages = []
    for bit in flips_of(rows, random.Random(3), N_FLIPS):
        try:
            done = read(path).done.tolist()
        except StoreError as error:
            messages.append(str(error))
        else:
            assert done == [0, 1, 2], f"bit {bit}"
    assert len(messages) > 0.9 * N_FLIPS
    assert all("ledger" in text for text in messages)


@pytest.mark.parametrize("damage", ["truncated", "deleted", "emptied"])
def test_damaged_packed_chunk__names_array_and_tile(tmp_path: Path, damage: str) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [0, 3])
    chunk = path / "_run/statistics/c.3.0.0"
    data = chunk.read_bytes()
    chunk.unlink()
    if damage != "deleted":
        chunk.write_bytes(data[:-5] if damage == "truncated" else b"")

    def use() -> None:
        with RunStore.open(path, toy.layout()) as store:
            store.read_packed("statistics", 0, 6)

    for attempt in (use, lambda: read(path).read_packed("statistics", 0, 6)):
        with pytest.raises(StoreError, match=r"array statistics \(tile 3\) is damaged") as error:
            attempt()
        assert "--overwrite" in one_line(error)


def test_missing_direct_chunk__of_a_finished_tile_is_refused(tmp_path: Path) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [0, 3])
    (path / "x/c.3.0").unlink()
    with pytest.raises(StoreError, match=r"array x \(tile 3\) is damaged"):
        RunStore.open(path, toy.layout())
    with pytest.raises(StoreError, match=r"array x \(tile 3\) is damaged"):
        read(path)


@pytest.mark.parametrize("file", ["x_mean/c.0", "x/c.2.0", "point/c.0", "rule/c"])
def test_missing_chunk__of_a_finished_store_is_refused(tmp_path: Path, file: str) -> None:
    path = toy.finished(tmp_path / "run.zarr")
    (path / file).unlink()
    with pytest.raises(StoreError, match=f"array {file.partition('/')[0]} is damaged") as error:
        read(path)
    assert file in one_line(error)


def test_missing_chunk__after_opening_is_never_read_as_nan(tmp_path: Path) -> None:
    path = toy.finished(tmp_path / "run.zarr")
    with xr.open_zarr(read(path).zarr_store(), consolidated=False) as dataset:
        (path / "x_mean/c.0").unlink()
        with pytest.raises(StoreError, match="array x_mean"):
            dataset["x_mean"].load()


def test_missing_array__of_a_finished_store_is_refused(tmp_path: Path) -> None:
    path = toy.finished(tmp_path / "run.zarr")
    shutil.rmtree(path / "x_std")
    with pytest.raises(StoreError, match="array x_std is damaged"):
        read(path)


@pytest.mark.parametrize(
    "file", ["zarr.json", "_run/zarr.json", "_run/statistics/zarr.json", "x/zarr.json"]
)
@pytest.mark.parametrize("length", [0, 40, -2])
def test_truncated_metadata__is_refused_and_left_as_it_is(
    tmp_path: Path, file: str, length: int
) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [0])
    target = path / file
    target.write_bytes(target.read_bytes()[:length])
    before = toy.tree(path)
    for attempt in (lambda: RunStore.open(path, toy.layout()), lambda: read(path)):
        with pytest.raises(StoreError, match="damaged") as error:
            attempt()
        assert file in one_line(error)
    after = toy.tree(path)
    assert {k: v for k, v in after.items() if "lease" not in k} == {
        k: v for k, v in before.items() if "lease" not in k
    }


@pytest.mark.parametrize("file", ["zarr.json", "_run/zarr.json", "x/zarr.json", "_run/ledger"])
def test_missing_metadata__is_refused(tmp_path: Path, file: str) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [0])
    target = path / file
    if target.is_dir():
        shutil.rmtree(target)
    else:
        target.unlink()
    for attempt in (lambda: RunStore.open(path, toy.layout()), lambda: read(path)):
        with pytest.raises(StoreError, match="damaged") as error:
            attempt()
        assert file in one_line(error)


def test_truncated_metadata__can_be_overwritten(tmp_path: Path) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [0])
    (path / "zarr.json").write_bytes(b"{")
    with RunStore.open(path, toy.layout(), overwrite=True) as store:
        toy.drive(store, 6)
    assert toy.values_hash(path) == toy.values_hash(toy.finished(tmp_path / "other.zarr"))


def test_ledger_of_a_complete_store__must_be_full(tmp_path: Path) -> None:
    path = toy.finished(tmp_path / "run.zarr")
    for rows in (path / "_run/ledger").glob("*-*.json"):
        rows.unlink()
    for attempt in (lambda: RunStore.open(path, toy.layout()), lambda: read(path)):
        with pytest.raises(StoreError, match="ledger lists 0 of 6 tiles"):
            attempt()


def test_run_document__with_a_path_for_a_name_is_refused(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    path = toy.finished(tmp_path / "run.zarr")
    document = json.loads((path / "_run/zarr.json").read_text())
    document["attributes"]["packed"] = {"../../victim": [1]}
    (path / "_run/zarr.json").write_text(json.dumps(document))
    for attempt in (lambda: RunStore.open(path, toy.layout()), lambda: read(path)):
        with pytest.raises(StoreError, match="does not describe a run"):
            attempt()
    assert victim.is_dir()


def test_ledger_of_absurd_length__is_refused_unread(tmp_path: Path) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [0])
    with (path / "_run/ledger/long-000000.json").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(StoreError, match="too many for a ledger"):
        read(path)
