"""Checking a store file by file: what is wrong is listed, so that it can be put right.

`read` refuses a store at its first fault. Here only metadata are refused, which nothing can put
right; ledger files and chunks that are missing, truncated or changed become a `Damage` each.
"""

from __future__ import annotations

import bisect
import errno
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from fastalliance.errors import StoreError
from fastalliance.store import files
from fastalliance.store.chunks import chunk_index, packed_info
from fastalliance.store.documents import check_array, load_attributes, load_run
from fastalliance.store.files import show
from fastalliance.store.format import ArrayInfo, chunk_key, decode_chunk
from fastalliance.store.layout import TileData, digest
from fastalliance.store.ledger import Rows, check_same, read_file, row_files
from fastalliance.store.location import locate
from fastalliance.store.objects import Place
from fastalliance.store.paths import Paths
from fastalliance.store.reading import StoreHandle, check_foreign, labelled_documents
from fastalliance.store.skeleton import FILES_NODE

Index = tuple[int, ...]
LEDGER = "ledger"


@dataclass(frozen=True)
class Damage:
    """A file of a store that is not as it was written.

    Attributes
    ----------
    name : str
        The array, or ``"ledger"``.
    reason : str
        What is wrong.
    path : Place, optional
        The file; None where it is not known which of a tile's files is wrong.
    chunk : tuple of int, optional
        Index of the chunk.
    tile : int, optional
        The tile that wrote it.
    """

    name: str
    reason: str
    path: Place | None = None
    chunk: Index | None = None
    tile: int | None = None

    def __str__(self) -> str:
        of = f" (tile {self.tile})" if self.tile is not None else ""
        where = f"{show(self.path)} " if self.path is not None else ""
        kind = "the ledger" if self.name == LEDGER else f"array {self.name}"
        return f"{kind}{of} is damaged: {where}{self.reason}"


@dataclass(frozen=True)
class Read:
    """What one part of a scan read.

    Attributes
    ----------
    chunks, n_bytes : int
        Chunks that were asked for, and the bytes of their files.
    damage : tuple of Damage
        What is wrong with them.
    """

    chunks: int
    n_bytes: int
    damage: tuple[Damage, ...]


@dataclass(frozen=True)
class Contents:
    """A store whose metadata are sound; made by `inspect`.

    Attributes
    ----------
    handle : StoreHandle
        The store; its rows are those of intact ledger files.
    run : dict
        The attributes of its run.
    ledger_files : int
        Number of ledger files.
    ledger_damage : tuple of Damage
        Ledger files that are damaged, or rows that a complete store lacks.
    """

    handle: StoreHandle
    run: dict[str, Any]
    ledger_files: int
    ledger_damage: tuple[Damage, ...]

    @property
    def paths(self) -> Paths:
        """Where things lie."""
        return Paths(self.handle.path)

    @property
    def rows(self) -> Rows:
        """The tiles that are done, and their digests."""
        return self.handle.rows

    @property
    def coordinates(self) -> list[str]:
        """Names of the arrays that were written when the store was created."""
        return [name for name in self.run["arrays"] if name not in self.handle.direct]

    def info(self, name: str) -> ArrayInfo:
        """Describe a packed or labelled array."""
        if name in self.handle.packed:
            return packed_info(name, self.handle.n_tiles, self.handle.packed[name])
        return self.handle.arrays[name]

    def directory(self, name: str) -> Place:
        """Return the directory of a packed or labelled array."""
        packed = name in self.handle.packed
        return self.paths.packed(name) if packed else self.paths.array(name)

    def chunk_name(self, name: str, index: Index) -> str:
        """Return how messages name a chunk: its file within the store."""
        return f"{name}/{chunk_key(index)}"

    def region(self, name: str, index: Index) -> tuple[slice, ...]:
        """Return the part of an array that a chunk holds."""
        info = self.info(name)
        return tuple(
            slice(i * c, min((i + 1) * c, n))
            for i, c, n in zip(index, info.chunks, info.shape, strict=True)
        )

    def tile_chunks(self, tile: int) -> dict[str, Index]:
        """Return the chunks that a tile writes, packed ones while the run is unfinished."""
        found: dict[str, Index] = {
            name: (tile, *[0] * len(shape)) for name, shape in self.handle.packed.items()
        }
        for name, stride in self.handle.direct.items():
            if tile % (stride or 1) == 0:
                found[name] = chunk_index(self.info(name), tile // (stride or 1))
        return found

    def owner(self, name: str, index: Index) -> int | None:
        """Return the tile that writes a chunk; None of arrays that no tile writes."""
        if name in self.handle.packed:
            return index[0]
        if name not in self.handle.direct:
            return None
        return self.number(name, index) * (self.handle.direct[name] or 1)

    def number(self, name: str, index: Index) -> int:
        """Return the number of a chunk in C order."""
        number = 0
        for i, n in zip(index, self.info(name).chunk_grid, strict=True):
            number = number * n + i
        return number

    def read_chunk(self, name: str, index: Index) -> npt.NDArray[Any] | Damage:
        """Return the values of a chunk, without what lies beyond the array, or what is wrong."""
        return self._read(name, index)[0]

    def _read(self, name: str, index: Index) -> tuple[npt.NDArray[Any] | Damage, int]:
        path = self.directory(name) / chunk_key(index)
        damage = Damage(name, "", path, index, self.owner(name, index))
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return replace(damage, reason="is missing"), 0
        except OSError as error:
            if error.errno != errno.EIO:  # a broken disk is damage; no permission is not
                raise
            return replace(damage, reason="cannot be read: the disk reports an error"), 0
        try:
            values = decode_chunk(data, self.info(name))
        except ValueError as error:
            return replace(damage, reason=f"cannot be decoded: {error}"), len(data)
        region = self.region(name, index)
        return values[tuple(slice(0, part.stop - part.start) for part in region)], len(data)

    def _scan_chunk(self, name: str, index: Index) -> Read:
        values, size = self._read(name, index)
        return Read(1, size, (values,) if isinstance(values, Damage) else ())

    def _scan_tile(self, tile: int) -> Read:
        """Read all that an unfinished store has of a tile, and compare its digest."""
        found: dict[str, npt.NDArray[Any]] = {}
        damage: list[Damage] = []
        total = 0
        chunks = self.tile_chunks(tile)
        for name, index in chunks.items():
            values, size = self._read(name, index)
            total += size
            if isinstance(values, Damage):
                damage.append(values)
            else:
                found[name] = values[0] if name in self.handle.packed else values
        if not damage and digest(TileData({}, _direct(found))) != self.rows[tile]:
            names = ", ".join(chunks)
            damage.append(Damage(names, "the values are not those in the ledger", None, None, tile))
        return Read(len(chunks), total, tuple(damage))


class Scan:
    """Reads and checks every chunk of a store, by parts 0, ..., n_parts - 1; safe on threads.

    A part is a chunk, or what an unfinished store has of a tile that is done.
    """

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        handle = contents.handle
        whole = handle.arrays if handle.complete else contents.coordinates
        self._names = list(whole)
        grids = [contents.info(name).chunk_grid for name in self._names]
        counts = [int(np.prod(grid, dtype=np.int64)) for grid in grids]
        self._ends = list(itertools.accumulate(counts))
        self._tiles = [] if handle.complete else sorted(handle.rows)

    @property
    def n_parts(self) -> int:
        """Number of parts."""
        return self._n_chunks + len(self._tiles)

    @property
    def n_arrays(self) -> int:
        """Number of arrays that are read."""
        handle = self._contents.handle
        return len(handle.arrays) + len(handle.packed)

    @property
    def _n_chunks(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __call__(self, part: int) -> Read:
        """Read one part."""
        contents = self._contents
        with files.os_errors(contents.handle.path, "reading the store"):
            if part >= self._n_chunks:
                return contents._scan_tile(self._tiles[part - self._n_chunks])
            array = bisect.bisect_right(self._ends, part)
            name = self._names[array]
            first = self._ends[array - 1] if array else 0
            return contents._scan_chunk(name, chunk_index(contents.info(name), part - first))


def inspect(url: str | os.PathLike[str]) -> Contents:
    """Open a store, check all of its metadata, and read what is intact of its ledger.

    Raises
    ------
    StoreError
        There is no store; metadata are damaged, of a newer format or outside the allow-list; or
        two ledger files contradict each other.
    """
    path = locate(url)
    paths = Paths(path)
    with files.os_errors(path, "reading the store"):
        attrs, run = load_attributes(paths), load_run(paths)
        complete = attrs["complete"] is True
        rows, n_files, damage = _read_ledger(paths.ledger, run["n_tiles"], run["id"])
        handle = StoreHandle(
            path=path,
            attrs=attrs,
            complete=complete,
            n_tiles=run["n_tiles"],
            rows=rows,
            packed={} if complete else {name: tuple(s) for name, s in run["packed"].items()},
            direct={name: entry["tile_stride"] for name, entry in run["direct"].items()},
            documents=labelled_documents(paths, run, complete),
        )
        check_foreign(paths, handle)
        for directory in (paths.ledger, paths.lease, paths.scratch):
            check_array(directory, FILES_NODE)
        for name, shape in handle.packed.items():
            check_array(paths.packed(name), packed_info(name, handle.n_tiles, shape))
    lacking = handle.n_tiles - len(rows)
    if complete and lacking and not damage:
        reason = f"lacks {lacking:,} of {handle.n_tiles:,} tiles of a complete store"
        damage.append(Damage(LEDGER, reason, paths.ledger))
    return Contents(handle, run, n_files, tuple(damage))


def require_unchanged(contents: Contents) -> None:
    """Raise StoreError if the run was finished, and its packed arrays removed, since `inspect`."""
    handle = contents.handle
    if not handle.complete and load_attributes(contents.paths)["complete"]:
        raise StoreError(
            f"{show(handle.path)} has been finished since it was opened; verify it again"
        )


def _read_ledger(directory: Place, n_tiles: int, store_id: str) -> tuple[Rows, int, list[Damage]]:
    """Return the rows of intact files, the number of files, and what is wrong with the others."""
    while True:
        rows: Rows = {}
        damage: list[Damage] = []
        paths = row_files(directory)
        try:
            for path, listed in _listed(paths, n_tiles, store_id, damage):
                for tile, sha in listed:
                    try:
                        check_same(tile, rows.setdefault(tile, sha), sha)
                    except StoreError as error:
                        raise StoreError(f"{show(path)}: {error}") from None
        except FileNotFoundError:
            continue  # merged meanwhile by a run: its rows are in a file that exists by now
        return rows, len(paths), damage


def _listed(
    paths: list[Place], n_tiles: int, store_id: str, damage: list[Damage]
) -> Iterator[tuple[Place, list[tuple[int, str]]]]:
    for path in paths:
        try:
            yield path, read_file(path, n_tiles, store_id)
        except StoreError:
            damage.append(Damage(LEDGER, "is truncated or changed", path))


def _direct(values: dict[str, npt.NDArray[Any]]) -> dict[str, Any]:
    return {name: ((), array) for name, array in values.items()}
