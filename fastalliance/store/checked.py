"""A zarr store for reading that never shows a missing or damaged chunk as data."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Container, Mapping
from typing import TYPE_CHECKING, Any, Self

from zarr.storage import LocalStore, ObjectStore, WrapperStore

from fastalliance.errors import StoreError
from fastalliance.store import objects
from fastalliance.store.chunks import checked_chunk, missing_message
from fastalliance.store.files import os_errors
from fastalliance.store.format import ArrayInfo, document_bytes
from fastalliance.store.object_requests import ObjectStoreError, explained, insist_seconds
from fastalliance.store.objects import ObjectPath, Place
from fastalliance.store.paths import DOCUMENT

if TYPE_CHECKING:
    from zarr.abc.buffer import Buffer
    from zarr.abc.store import ByteRequest, Store
    from zarr.core.buffer import BufferPrototype

_PAUSE = 0.5  # seconds before an answer that was cut short is asked for again


class CheckedStore(WrapperStore[Any]):
    """A store whose chunks are decoded once, as a check, when they are read.

    Plain zarr reads a missing chunk as its fill value, and names neither array nor file when a
    checksum fails.
    """

    _place: Place
    _documents: Mapping[str, Mapping[str, Any]]
    _arrays: Mapping[str, ArrayInfo]
    _strides: Mapping[str, int | None]
    _done: Container[int]

    @classmethod
    def at(
        cls,
        path: Place,
        documents: Mapping[str, Mapping[str, Any]],
        arrays: Mapping[str, ArrayInfo],
        strides: Mapping[str, int | None],
        done: Container[int],
    ) -> Self:
        """Return the store at `path`.

        Parameters
        ----------
        path : Path or ObjectPath
            The store's place.
        documents : dict of str to dict
            The metadata of its labelled arrays, which are not read again.
        arrays : dict of str to ArrayInfo
            Its labelled arrays.
        strides : dict of str to int or None
            Those of which chunks may be missing, because the run is not complete, and the
            `tile_stride` of each.
        done : container of int
            The tiles in the ledger. A chunk of another tile is not shown, even if it is there.
        """
        store = cls(_plain_store(path))
        store._place = path
        store._documents, store._arrays = documents, arrays
        store._strides, store._done = strides, done
        return store

    def __str__(self) -> str:
        return f"checked:{self._place}"  # obstore's clients must not be printed

    __repr__ = __str__

    def _with_store(self, store: Store) -> Self:
        return self.at(self._place, self._documents, self._arrays, self._strides, self._done)

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return the bytes of a document or chunk; StoreError if a chunk is not as it should be."""
        name, _, file = key.partition("/")
        if file == DOCUMENT and name in self._documents and byte_range is None:
            return prototype.buffer.from_bytes(document_bytes(self._documents[name]))
        data = await self._get(key, prototype, byte_range)
        info = self._arrays.get(name)
        if info is None or not (file == "c" or file.startswith("c.")) or byte_range is not None:
            return data
        path = self._place / key
        if data is None:
            if name not in self._strides:
                raise StoreError(missing_message(path, name, "chunk"))
            return None
        if not self._is_done(name, info, file):
            return None
        checked_chunk(data.to_bytes(), path, info)
        return data

    async def _get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None
    ) -> Buffer | None:
        if not isinstance(self._place, ObjectPath):
            return await super().get(key, prototype, byte_range)
        with os_errors(self._place / key, "reading"):
            started = time.monotonic()
            while True:
                try:
                    return await super().get(key, prototype, byte_range)
                except Exception as error:  # of obstore's own classes
                    found = explained(error, self._place.bucket)
                # The client repeats requests, but not what was cut short.
                passes = isinstance(found, ObjectStoreError) and found.passes
                if not passes or time.monotonic() - started + _PAUSE > insist_seconds():
                    raise found
                await asyncio.sleep(_PAUSE)

    def _is_done(self, name: str, info: ArrayInfo, file: str) -> bool:
        """Say whether the tile that writes a chunk is in the ledger."""
        stride = self._strides.get(name)
        if stride is None:
            return True
        number = 0
        for index, n, chunk in zip(file.split(".")[1:], info.shape, info.chunks, strict=True):
            number = number * -(-n // chunk) + int(index)
        return number * stride in self._done


def _plain_store(path: Place) -> Store:
    if isinstance(path, ObjectPath):
        return ObjectStore(objects.client_for(path), read_only=True)
    return LocalStore(path, read_only=True)
