"""A zarr store for reading that never shows a missing or damaged chunk as data."""

from __future__ import annotations

from collections.abc import Mapping
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
    _may_lack: frozenset[str]

    @classmethod
    def at(cls, path: Path, arrays: Mapping[str, ArrayInfo], may_lack: frozenset[str]) -> Self:
        """Return the store at `path`.

        Parameters
        ----------
        path : Path
            The store's directory.
        arrays : dict of str to ArrayInfo
            Its labelled arrays.
        may_lack : frozenset of str
            Those of which chunks may be missing, because the run is not complete.
        """
        store = cls(LocalStore(path, read_only=True))
        store._arrays = arrays
        store._may_lack = may_lack
        return store

    def _with_store(self, store: LocalStore) -> Self:
        return self.at(store.root, self._arrays, self._may_lack)

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
        if data is not None:
            checked_chunk(data.to_bytes(), path, info)
        elif name not in self._may_lack:
            raise StoreError(missing_message(path, name, "chunk"))
        return data
