"""The zarr documents and chunks that are written, compared with zarr-python's own."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from numcodecs.zstd import Zstd
from zarr.codecs import ZstdCodec

from fastalliance.errors import StoreError
from fastalliance.store import TileData, digest
from fastalliance.store.chunks import read_array, write_region
from fastalliance.store.format import (
    DTYPES,
    ArrayInfo,
    array_document,
    decode_chunk,
    encode_chunk,
    group_document,
    parse_array,
    read_document,
)
from fastalliance.store.plain import from_plain, to_plain

INFO = ArrayInfo("v", "float64", ("a", "b"), (5, 7), (2, 3))


def zarr_array(path: Path, info: ArrayInfo) -> zarr.Array[Any]:
    fill = {"f": np.nan, "b": False}.get(np.dtype(info.dtype).kind, 0)
    return zarr.open_group(path, mode="a").create_array(
        info.name,
        shape=info.shape,
        chunks=info.chunks,
        dtype=info.dtype,
        fill_value=fill,
        compressors=[ZstdCodec(level=1, checksum=True)],
        chunk_key_encoding={"name": "default", "separator": "."},
        dimension_names=info.dims,
        attributes={"units": "1"},
        config={"write_empty_chunks": True},
    )


@pytest.mark.parametrize("dtype", sorted(DTYPES))
@pytest.mark.parametrize("shape", [(), (4,), (5, 7)])
def test_array_document__is_zarr_s_own(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    chunks = tuple(min(3, n) for n in shape)
    info = ArrayInfo("v", dtype, tuple("ab"[: len(shape)]), shape, chunks)
    zarr_array(tmp_path, info)
    written = json.loads((tmp_path / "v/zarr.json").read_text())
    assert array_document(info, {"units": "1"}) == written
    assert parse_array("v", written) == info


def test_group_document__is_zarr_s_own(tmp_path: Path) -> None:
    zarr.create_group(tmp_path, attributes={"seed": 7})
    assert group_document({"seed": 7}) == json.loads((tmp_path / "zarr.json").read_text())


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8", "bool"])
def test_chunks__go_both_ways_between_zarr_and_us(tmp_path: Path, dtype: str) -> None:
    info = ArrayInfo("v", dtype, ("a", "b"), (5, 7), (2, 3))
    values = (np.random.default_rng(1).normal(size=(5, 7)) * 50).astype(dtype)
    array = zarr_array(tmp_path, info)
    everything = (slice(0, 5), slice(0, 7))
    write_region(tmp_path / "v", info, everything, values, tmp_path, whole_chunks=True)
    np.testing.assert_array_equal(np.asarray(array[:]), values)
    array[:] = values[::-1]
    np.testing.assert_array_equal(read_array(tmp_path / "v", info), values[::-1])


NO_CHECKSUM = {"name": "zstd", "configuration": {"level": 1, "checksum": False}}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("data_type", "string"),
        ("data_type", {"name": "fixed_length_utf32", "configuration": {"length_bytes": 8}}),
        ("data_type", None),
        ("codecs", [{"name": "bytes", "configuration": {"endian": "little"}}]),
        ("codecs", [{"name": "pickle"}, {"name": "zstd", "configuration": {"checksum": True}}]),
        ("codecs", "zstd"),
        ("codecs", [{"name": "bytes"}, NO_CHECKSUM]),
        ("storage_transformers", [{"name": "any"}]),
        ("chunk_key_encoding", {"name": "v2"}),
        ("chunk_grid", {"name": "rectilinear"}),
        ("chunk_grid", None),
        ("chunk_grid", {"name": "regular", "configuration": {"chunk_shape": [2**40, 3]}}),
        ("chunk_grid", {"name": "regular", "configuration": {"chunk_shape": [0, 3]}}),
        ("chunk_grid", {"name": "regular", "configuration": {"chunk_shape": [2]}}),
        ("shape", [-1, 7]),
        ("shape", [5.0, 7]),
        ("shape", None),
        ("dimension_names", None),
        ("dimension_names", ["a"]),
    ],
)  # fmt: skip
def test_array_document__outside_the_allow_list_is_refused(key: str, value: Any) -> None:
    document = {**array_document(INFO, {}), key: value}
    with pytest.raises(StoreError, match="array v is refused"):
        parse_array("v", document)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"zarr_format": 2}', '{"zarr_format": 3, "node_type": "array"}', "[" * 10**5],
)
def test_document__that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "zarr.json").write_text(text)
    with pytest.raises(StoreError, match=r"zarr\.json"):
        read_document(tmp_path / "zarr.json", "group")


def test_document__that_is_huge_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "zarr.json").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(StoreError, match="too many for metadata"):
        read_document(tmp_path / "zarr.json", "group")


def frame(content: np.ndarray[Any, Any], checksum: bool = True) -> bytes:
    return bytes(Zstd(level=1, checksum=checksum).encode(content))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "does not start as a zstd frame"),
        (b"\0" * 100, "does not start as a zstd frame"),
        (frame(np.zeros((2, 3)), checksum=False), "no checksum"),
        (frame(np.zeros((2, 4))), "declares 64 bytes where 48 are due"),
        (frame(np.zeros(2**24)), "declares 134217728 bytes where 48 are due"),
        (encode_chunk(np.zeros((2, 3)))[:-1], "."),
        (encode_chunk(np.zeros((2, 3))) + b"more", "."),
        (encode_chunk(np.zeros((2, 3))) + encode_chunk(np.ones((2, 3))), "."),
        (b"\x28\xb5\x2f\xfd\x04\x00", "does not declare its size"),
        (b"\x28\xb5\x2f\xfd\xe4" + struct.pack("<Q", 2**60), "declares 1152921504606846976 bytes"),
        (b"\x28\xb5\x2f\xfd\x64\x01", "does not declare its size"),
    ],
)
def test_chunk__of_another_size_or_without_checksum_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode_chunk(data, INFO)


@pytest.mark.parametrize("n", [1, 31, 32, 33, 255, 256, 8191, 8192, 8193, 100_000])
def test_chunk__of_every_size_round_trips(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    info = ArrayInfo("v", "float64", ("a",), (n,), (n,))
    assert decode_chunk(encode_chunk(values), info).tobytes() == values.tobytes()


def test_chunk__strided_and_big_endian_values_are_stored_in_c_order_little_endian() -> None:
    values = np.arange(12.0).reshape(2, 6)
    for same in (np.asfortranarray(values), values.astype(">f8"), np.repeat(values, 2, 1)[:, ::2]):
        assert encode_chunk(same) == encode_chunk(values)


# Digest ---------------------------------------------------------------------------------------


def test_digest__is_of_names_shapes_dtypes_and_values() -> None:
    base = digest(TileData({"a": np.array([1.0, 2.0])}))
    written_out = b"a|<f8|(2,)|" + struct.pack("<2d", 1.0, 2.0)
    assert base == hashlib.sha256(written_out).hexdigest()
    others = [
        TileData({"b": np.array([1.0, 2.0])}),
        TileData({"a": np.array([[1.0, 2.0]])}),
        TileData({"a": np.array([2.0, 1.0])}),
        TileData({"a": np.array([1.0, 2.0], dtype="f4")}),
        TileData({"a": np.array([1.0, 2.0]), "b": np.array([1.0])}),
    ]
    assert len({base, *map(digest, others)}) == 6


def test_digest__does_not_depend_on_order_layout_or_kind_of_nan() -> None:
    values = np.random.default_rng(2).normal(size=(3, 4))
    values[1, 1] = np.nan
    other = values.copy()
    other.view(np.uint64)[1, 1] = 0xFFF8_0000_0000_1234
    region = (slice(0, 3), slice(0, 4))
    base = digest(TileData({"a": values, "b": values}, {"x": (region, values)}))
    assert (
        digest(TileData({"b": other, "a": np.asfortranarray(values)}, {"x": (region, values)}))
        == base
    )
    assert (
        digest(TileData({"a": values.astype(">f8"), "b": values}, {"x": (region, values)})) == base
    )
    assert np.isnan(values).sum() == 1


def test_digest__tells_the_sign_of_zero() -> None:
    assert digest(TileData({"a": np.array([0.0])})) != digest(TileData({"a": np.array([-0.0])}))


# Plain data -----------------------------------------------------------------------------------


def test_plain__round_trips_what_json_has_no_word_for() -> None:
    value = {"a": (1, math.inf, -math.inf), "b": {"c": [True, None, "text", 0.1]}}
    plain = to_plain(value)
    assert plain == {"a": [1, "Infinity", "-Infinity"], "b": {"c": [True, None, "text", 0.1]}}
    assert from_plain(json.loads(json.dumps(plain, allow_nan=False))) == {
        **value,
        "a": [1, math.inf, -math.inf],
    }
    assert math.isnan(from_plain(to_plain(math.nan)))


def test_plain__numpy_values_become_python_s() -> None:
    value = to_plain(
        {"a": np.float64(0.1), "b": np.int64(3), "c": np.arange(2), "d": np.bool_(True)}
    )
    assert value == {"a": 0.1, "b": 3, "c": [0, 1], "d": True}
    assert [type(v) for v in value.values()] == [float, int, list, bool]
