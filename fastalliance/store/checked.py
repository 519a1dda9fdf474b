"""A zarr store for reading that never shows a missing or damaged chunk as data."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

from zarr.storage import LocalStore, WrapperStore

from fastalliance.errors import StoreError
from fastalliance.store.chunks import checked_chunk, missing_message
from fastalliance.store.format import ArrayInfo

if TYPE_CHECKING:
    from zarr.abc.buffer import Buffer
    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import BufferPrototype


class CheckedStore(WrapperStore[LocalStore]):
    """A store in a local directory whose chunks are decoded once, as a check, when they are read.

    Plain zarr reads a missing chunk as its fill value, and names neither array nor file when a
    checksum fails.
    """

    _arrays: Mapping[str, ArrayInfo]
    _strides: Mapping[str, int | None]
    _done: Container[int]

    @classmethod
    def at(
        cls,
        path: Path,
        arrays: Mapping[str, ArrayInfo],
        strides: Mapping[str, int | None],
        done: Container[int],
    ) -> Self:
        """Return the store at `path`.

        Parameters
        ----------
        path : Path
            The store's directory.
        arrays : dict of str to ArrayInfo
            Its labelled arrays.
        strides : dict of str to int or None
            Those of which chunks may be missing, because the run is not complete, and the
            `tile_stride` of each.
        done : container of int
            The tiles in the ledger. A chunk of another tile is not shown, even if it is there.
        """
        store = cls(LocalStore(path, read_only=True))
        store._arrays, store._strides, store._done = arrays, strides, done
        return store

    def _with_store(self, store: LocalStore) -> Self:
        return self.at(store.root, self._arrays, self._strides, self._done)

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return the bytes of a document or chunk; StoreError if a chunk is not as it should be."""
        data = await super().get(key, prototype, byte_range)
        name, _, file = key.partition("/")
        info = self._arrays.get(name)
        if info is None or not (file == "c" or file.startswith("c.")) or byte_range is not None:
            return data
        path = self._store.root / key
        if data is None:
            if name not in self._strides:
                raise StoreError(missing_message(path, name, "chunk"))
            return None
        if not self._is_done(name, info, file):
            return None
        checked_chunk(data.to_bytes(), path, info)
        return data

    def _is_done(self, name: str, info: ArrayInfo, file: str) -> bool:
        """Say whether the tile that writes a chunk is in the ledger."""
        stride = self._strides.get(name)
        if stride is None:
            return True
        number = 0
        for index, n, chunk in zip(file.split(".")[1:], info.shape, info.chunks, strict=True):
            number = number * -(-n // chunk) + int(index)
        return number * stride in self._done
