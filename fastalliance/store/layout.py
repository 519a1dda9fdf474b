"""Plain descriptions of a store: its arrays and coordinates, one tile's data, and its digest."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from fastalliance.errors import StoreError
from fastalliance.store.format import DTYPES, MAX_CHUNK_BYTES

Region = tuple[slice, ...]
Slab = Mapping[str, tuple[Region, npt.NDArray[np.float64]]]

REQUIRED_ATTRIBUTES = (
    "configuration",
    "configuration_hash",
    "kernel_hash",
    "seed",
    "schema_version",
    "fastalliance_version",
)
# Directories of `_run` beside the packed arrays.
RESERVED_NAMES = ("ledger", "lease", "scratch")


@dataclass(frozen=True)
class ArraySpec:
    """A labelled float64 array of the finished dataset; its fill value is NaN.

    Parameters
    ----------
    name : str
        Name of the variable.
    dims : tuple of str
        Names of its dimensions.
    shape, chunks : tuple of int
        Lengths of the array and of one chunk along each dimension.
    attrs : dict
        Attributes of the variable (units, long_name, description, ...).
    tile_stride : int, optional
        Of a direct array whose chunk number c, in C order, is written by tile ``c * tile_stride``
        and by no other. Known, a missing chunk of a finished tile is noticed when the store is
        opened; unknown, only when it is finalised.
    """

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    attrs: dict[str, Any] = field(default_factory=dict)
    tile_stride: int | None = None


@dataclass(frozen=True)
class Coordinate:
    """A coordinate, written when the store is created; numbers only, choices as their codes."""

    name: str
    dims: tuple[str, ...]
    values: npt.NDArray[Any]
    attrs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Layout:
    """Everything that a store has to know of a run.

    Parameters
    ----------
    n_tiles : int
        Number of tiles.
    packed : dict of str to tuple of int
        Names of the packed arrays and the shape of one tile in them.
    direct : tuple of ArraySpec
        Labelled arrays that tiles write themselves, in whole chunks.
    final : tuple of ArraySpec
        Labelled arrays that are written once every tile is done.
    coordinates : tuple of Coordinate
        Coordinates of the labelled arrays.
    attrs : dict
        Provenance; becomes the attributes of the group.
    """

    n_tiles: int
    packed: dict[str, tuple[int, ...]]
    direct: tuple[ArraySpec, ...]
    final: tuple[ArraySpec, ...]
    coordinates: tuple[Coordinate, ...]
    attrs: dict[str, Any]

    def __post_init__(self) -> None:
        if self.n_tiles < 1:
            raise StoreError(f"layout: n_tiles must be at least 1, got {self.n_tiles}")
        missing = [name for name in REQUIRED_ATTRIBUTES if name not in self.attrs]
        if missing:
            raise StoreError(f"layout: attrs lack {', '.join(missing)}")
        specs = (*self.direct, *self.final)
        names = [*self.packed, *(s.name for s in specs), *(c.name for c in self.coordinates)]
        _check_names(names)
        for name, shape in self.packed.items():
            if name in RESERVED_NAMES:
                raise StoreError(f"layout: a packed array must not be named {name!r}")
            _check_chunk(name, shape, 8)
        for spec in specs:
            _check_spec(spec)
        for coordinate in self.coordinates:
            _check_coordinate(coordinate)


@dataclass(frozen=True)
class TileData:
    """What one tile computed: a packed block by name, and direct regions with their values."""

    packed: dict[str, npt.NDArray[np.float64]]
    direct: dict[str, tuple[Region, npt.NDArray[np.float64]]] = field(default_factory=dict)


class TileStore(Protocol):
    """What a driver needs of a place to keep tiles; a `RunStore` and a `MemoryStore` are such."""

    @property
    def complete(self) -> bool:
        """Whether the run has been finalised."""

    def missing(self, *, everyone: bool = False) -> npt.NDArray[np.int64]:
        """Return the numbers of the tiles that are not done yet, ascending.

        Of a shard its own ones only, unless `everyone` asks for those of all, as they are now.
        """

    def require_space(self, n_bytes: int) -> None:
        """Refuse to start where `n_bytes` more do not fit."""

    def write(self, tile: int, data: TileData) -> str:
        """Keep the data of a tile and return the digest of its values."""

    def record(self, rows: Iterable[tuple[int, str]]) -> None:
        """Note tiles, with their digests, as done."""

    def read_packed(self, name: str, first: int, last: int) -> npt.NDArray[np.float64]:
        """Return a packed array of the tiles first, ..., last - 1; NaN where not done."""

    def finalise(self, slabs: Iterable[Slab]) -> None:
        """Write the final arrays and mark the run complete."""

    def close(self) -> None:
        """Let go of whatever the store holds."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


def digest(data: TileData) -> str:
    """Return the SHA-256 of a tile's values, as hexadecimal digits.

    It covers the names (sorted), dtypes, shapes and values in C order as little-endian bytes, with
    one bit pattern for every NaN; so it depends neither on the codec nor on the machine.
    """
    arrays = {**data.packed, **{name: values for name, (_, values) in data.direct.items()}}
    sha = hashlib.sha256()
    for name in sorted(arrays):
        values = arrays[name]
        header = f"{name}|{values.dtype.newbyteorder('<').str}|{values.shape}|"
        sha.update(header.encode())
        sha.update(_canonical(values).data)
    return sha.hexdigest()


def _canonical(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return `values` C-contiguous and little-endian, with the one NaN that NumPy itself makes."""
    little = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    if little.dtype.kind == "f":
        nan = np.isnan(little)
        if nan.any():
            little = np.where(nan, np.array(np.nan, dtype=little.dtype), little)
    return little


def check_tile_data(
    data: TileData, packed: Mapping[str, tuple[int, ...]], direct: Iterable[str]
) -> None:
    """Raise StoreError unless a tile's data have the names, shapes and dtype of the layout."""
    if set(data.packed) != set(packed):
        raise StoreError(f"tile data: packed must be {sorted(packed)}, got {sorted(data.packed)}")
    unknown = sorted(set(data.direct) - set(direct))
    if unknown:
        raise StoreError(f"tile data: {', '.join(unknown)} is no direct array of the layout")
    for name, values in data.packed.items():
        if values.shape != packed[name]:
            raise StoreError(f"tile data: {name} must be of {packed[name]}, got {values.shape}")
    for name, values in _all_values(data):
        if values.dtype != np.float64:
            raise StoreError(f"tile data: {name} must be float64, got {values.dtype}")


def is_array_name(name: object) -> bool:
    """Say whether an array may have this name: a public identifier, so a plain file name."""
    return isinstance(name, str) and name.isidentifier() and not name.startswith("_")


def _all_values(data: TileData) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    yield from data.packed.items()
    for name, (_, values) in data.direct.items():
        yield name, values


def _check_names(names: list[str]) -> None:
    for name in names:
        if not is_array_name(name):
            raise StoreError(f"layout: array name {name!r} must be a public Python identifier")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise StoreError(f"layout: array names must be unique, got {', '.join(repeated)} twice")


def _check_spec(spec: ArraySpec) -> None:
    if not len(spec.dims) == len(spec.shape) == len(spec.chunks):
        raise StoreError(
            f"layout: {spec.name} needs as many dims as lengths of shape and chunks, "
            f"got {spec.dims}, {spec.shape}, {spec.chunks}"
        )
    if min(spec.shape, default=1) < 1:
        raise StoreError(f"layout: {spec.name} must not be empty, got shape {spec.shape}")
    _check_chunk(spec.name, spec.chunks, 8)


def _check_chunk(name: str, chunk: tuple[int, ...], itemsize: int) -> None:
    n_bytes = math.prod(chunk) * itemsize
    if not 0 < n_bytes <= MAX_CHUNK_BYTES or min(chunk, default=1) < 1:
        raise StoreError(
            f"layout: a chunk of {name} must have 1 to {MAX_CHUNK_BYTES} bytes, got {chunk}"
        )


def _check_coordinate(coordinate: Coordinate) -> None:
    values = coordinate.values
    if values.dtype.name not in DTYPES:
        raise StoreError(
            f"layout: coordinate {coordinate.name} must hold numbers (choices as their codes with "
            f"flag_values and flag_meanings), got dtype {values.dtype}"
        )
    if len(coordinate.dims) != values.ndim or values.size == 0:
        raise StoreError(
            f"layout: coordinate {coordinate.name} with dims {coordinate.dims} must have as many "
            f"axes and not be empty, got shape {values.shape}"
        )
