"""Regions of arrays as chunk files: writing whole chunks, reading them, missing none."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from fastalliance.errors import StoreError
from fastalliance.store import files
from fastalliance.store.format import ArrayInfo, chunk_key, decode_chunk, encode_chunk
from fastalliance.store.layout import Region
from fastalliance.store.objects import Place

_Index = tuple[int, ...]
RERUN = "restore the file from a copy, or start the run anew with --overwrite"


def packed_info(name: str, n_tiles: int, shape: tuple[int, ...]) -> ArrayInfo:
    """Describe a packed array: tiles along the first dimension, one chunk a tile."""
    dims = tuple(f"_{name}_{i}" for i in range(len(shape) + 1))
    return ArrayInfo(name, "float64", dims, (n_tiles, *shape), (1, *shape))


def write_region(
    directory: Place,
    info: ArrayInfo,
    region: Region,
    values: npt.NDArray[Any],
    scratch: Place,
    *,
    whole_chunks: bool,
    flush: bool = True,
    check: Callable[[], None] | None = None,
) -> None:
    """Write values into a region of an array.

    Parameters
    ----------
    directory, scratch : Place
        The array's directory, and one for temporary files.
    info : ArrayInfo
        The array.
    region : tuple of slice
        Where the values belong; lengths in whole chunks, unless they end with the array.
    values : array
        As many as the region has.
    whole_chunks : bool
        Refuse a region that covers a chunk in part, as two writers of one chunk would lose data.
        Otherwise such a chunk is read, changed and written; then there must be no other writer.
    flush : bool
        Whether the data are on the disk when this returns.
    check : callable, optional
        Raises where the writer has lost its lease; then no chunk of another is replaced.

    Raises
    ------
    StoreError
        The region does not fit the array, the values, or whole chunks.
    """
    bounds = _bounds(info, region, values.shape)
    for index in _chunks_of(info, bounds):
        inside, outside, whole = _overlap(info, bounds, index)
        part = values[outside]
        if part.shape != info.chunks:
            if not whole and whole_chunks:
                raise StoreError(f"array {info.name}: {region} does not consist of whole chunks")
            chunk = _empty(info) if whole else _existing(directory, info, index)
            chunk[inside] = part
            part = chunk
        files.put(
            directory / chunk_key(index), encode_chunk(part), scratch, flush=flush, check=check
        )


def read_chunk(
    directory: Place, info: ArrayInfo, index: _Index, what: str = ""
) -> npt.NDArray[Any]:
    """Return one chunk; a missing or damaged one raises StoreError and is never read as NaN."""
    path = directory / chunk_key(index)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise StoreError(missing_message(path, info.name, what)) from None
    return checked_chunk(data, path, info, what)


def checked_chunk(data: bytes, path: Place, info: ArrayInfo, what: str = "") -> npt.NDArray[Any]:
    """Return a chunk's values from its bytes; StoreError names the array if they are damaged."""
    try:
        return decode_chunk(data, info)
    except ValueError as error:
        of = f" ({what})" if what else ""
        raise StoreError(
            f"array {info.name}{of} is damaged: {files.show(path)}: {error}; {RERUN}"
        ) from None


def missing_message(path: Place, name: str, what: str = "") -> str:
    """Say that a file of an array is missing which should be there."""
    of = f" ({what})" if what else ""
    return f"array {name}{of} is damaged: {files.show(path)} is missing; {RERUN}"


def read_tiles(
    directory: Place, info: ArrayInfo, done: Collection[int], first: int, last: int
) -> npt.NDArray[np.float64]:
    """Return a packed array's tiles first, ..., last - 1; NaN where a tile is not done."""
    if not 0 <= first <= last <= info.shape[0]:
        raise StoreError(f"tiles {first} to {last} are not among the {info.shape[0]} of the run")
    out = np.full((last - first, *info.shape[1:]), np.nan)
    tiles = [tile for tile in range(first, last) if tile in done]

    def read(tile: int) -> npt.NDArray[Any]:
        index = (tile, *[0] * (len(info.shape) - 1))
        return read_chunk(directory, info, index, f"tile {tile}")

    for tile, chunk in zip(tiles, files.each(directory, read, tiles), strict=True):
        out[tile - first] = chunk[0]
    return out


def read_array(directory: Place, info: ArrayInfo) -> npt.NDArray[Any]:
    """Return a whole array, all of whose chunks must be there."""
    out = np.empty(info.shape, dtype=info.dtype)
    bounds = [(0, n) for n in info.shape]

    def read(index: _Index) -> None:
        inside, outside, _ = _overlap(info, bounds, index)
        out[outside] = read_chunk(directory, info, index)[inside]

    files.each(directory, read, _chunks_of(info, bounds))
    return out


def check_present(
    directory: Place, info: ArrayInfo, expected: Iterable[_Index] | None, what: str = ""
) -> None:
    """Raise StoreError if a chunk file is missing; by default, of all chunks of the array."""
    present = set(files.names(directory))
    for index in expected if expected is not None else _all_chunks(info):
        if chunk_key(index) not in present:
            raise StoreError(missing_message(directory / chunk_key(index), info.name, what))


def check_tiles_present(
    directory: Place, info: ArrayInfo, done: Iterable[int], stride: int | None = None
) -> None:
    """Raise StoreError, naming array and tile, if the chunk of a finished tile is missing.

    Parameters
    ----------
    stride : int, optional
        For a direct array: its chunk c is that of tile ``c * stride``. By default, packed.
    """
    present = set(files.names(directory))
    for tile in done:
        if stride is None:
            index: _Index = (tile, *[0] * (len(info.shape) - 1))
        elif tile % stride:
            continue
        else:
            index = chunk_index(info, tile // stride)
        if chunk_key(index) not in present:
            path = directory / chunk_key(index)
            raise StoreError(missing_message(path, info.name, f"tile {tile}"))


def chunk_index(info: ArrayInfo, number: int) -> _Index:
    """Return the index of a chunk from its number in C order."""
    return tuple(int(i) for i in np.unravel_index(number, info.chunk_grid))


def chunks_in(info: ArrayInfo, region: Region, shape: tuple[int, ...]) -> list[_Index]:
    """Return the indices of the chunks that a region of values of `shape` touches."""
    return list(_chunks_of(info, _bounds(info, region, shape)))


def _bounds(info: ArrayInfo, region: Region, shape: tuple[int, ...]) -> list[tuple[int, int]]:
    if len(region) != len(info.shape):
        raise StoreError(f"array {info.name}: {region} must have a slice per dimension")
    bounds = []
    for part, length in zip(region, info.shape, strict=True):
        start, stop, step = part.indices(length)
        too_far = part.stop is not None and part.stop > length
        if step != 1 or stop <= start or too_far:
            raise StoreError(f"array {info.name} of {info.shape}: {region} does not fit")
        bounds.append((start, stop))
    if tuple(stop - start for start, stop in bounds) != shape:
        raise StoreError(f"array {info.name}: {region} does not fit values of {shape}")
    return bounds


def _chunks_of(info: ArrayInfo, bounds: list[tuple[int, int]]) -> Iterator[_Index]:
    ranges = [
        range(start // c, -(-stop // c))
        for (start, stop), c in zip(bounds, info.chunks, strict=True)
    ]
    return itertools.product(*ranges)


def _all_chunks(info: ArrayInfo) -> Iterator[_Index]:
    return itertools.product(*(range(n) for n in info.chunk_grid))


def _overlap(
    info: ArrayInfo, bounds: list[tuple[int, int]], index: _Index
) -> tuple[Any, Any, bool]:
    """Return where a region lies in a chunk, where the chunk lies in it, and if it covers it."""
    inside, outside, whole = [], [], True
    for (start, stop), c, i, length in zip(bounds, info.chunks, index, info.shape, strict=True):
        low, high = max(start, i * c), min(stop, (i + 1) * c)
        inside.append(slice(low - i * c, high - i * c))
        outside.append(slice(low - start, high - start))
        whole = whole and low == i * c and high == min((i + 1) * c, length)
    return tuple(inside), tuple(outside), whole


def _empty(info: ArrayInfo) -> npt.NDArray[Any]:
    fill = np.nan if np.dtype(info.dtype).kind == "f" else 0
    return np.full(info.chunks, fill, dtype=info.dtype)


def _existing(directory: Place, info: ArrayInfo, index: _Index) -> npt.NDArray[Any]:
    """Return a copy of a chunk to change, empty where it was not written yet."""
    if not (directory / chunk_key(index)).exists():
        return _empty(info)
    return read_chunk(directory, info, index).copy()
