"""A run's store on disk: opened, written by tiles, recorded, finalised, closed."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from fastalliance.errors import StoreError
from fastalliance.faults import fault_point
from fastalliance.store import files, finalising
from fastalliance.store.chunks import packed_info, read_tiles
from fastalliance.store.files import show
from fastalliance.store.layout import Layout, Slab, TileData
from fastalliance.store.ledger import Ledger
from fastalliance.store.location import locate
from fastalliance.store.opening import Opened, Permissions, open_for_run
from fastalliance.store.paths import Paths
from fastalliance.store.writer import TileWriter


class RunStore:
    """A store that a run writes to; made by `RunStore.open`, used in a ``with`` or closed.

    Attributes
    ----------
    path : Path
        The store's directory.
    layout : Layout
        What the run keeps in it.
    attrs : dict
        The attributes of the group.
    """

    def __init__(self, path: Path, layout: Layout, opened: Opened) -> None:
        self.path = path
        self.layout = layout
        self.attrs: dict[str, Any] = opened.attrs
        self._paths = Paths(path)
        self._ledger: Ledger = opened.ledger
        self._lease = opened.lease
        self._writer: TileWriter | None = None
        self._lock = threading.Lock()
        if opened.lease is not None:
            self._writer = TileWriter.of(path, layout, opened.lease)
            opened.lease.start()
            # Releases also when the object is forgotten, and when the interpreter ends.
            weakref.finalize(self, opened.lease.release)

    @classmethod
    def open(
        cls,
        url: str | os.PathLike[str],
        layout: Layout,
        *,
        overwrite: bool = False,
        break_lock: bool = False,
        allow_version_change: bool = False,
        resume: bool = True,
    ) -> Self:
        """Create the store of a run, or resume it.

        Parameters
        ----------
        url : str or path
            A local path, or a ``file://`` URL.
        layout : Layout
            The run.
        overwrite : bool
            Replace a store that is there. Anything else that is there stays, and is refused.
        break_lock : bool
            Take a store over from a run that still holds it.
        allow_version_change : bool
            Go on with a store that other kernels computed; its history notes it.
        resume : bool
            Go on with a store of the same configuration; otherwise refuse it.

        Raises
        ------
        StoreError
            The store is another study's, in use, damaged, or of a newer format; the path holds
            something else; or the file system refuses.
        """
        path = locate(url)
        allowed = Permissions(overwrite, break_lock, allow_version_change, resume)
        with files.os_errors(path, "opening the store"):
            return cls(path, layout, open_for_run(path, layout, allowed))

    @property
    def complete(self) -> bool:
        """Whether the run has been finalised."""
        return bool(self.attrs["complete"])

    @property
    def writer(self) -> TileWriter:
        """What worker processes need to write tiles: plain data that can be pickled."""
        if self._writer is None:
            raise StoreError(f"{show(self.path)} is complete or closed; there is nothing to write")
        return self._writer

    def missing(self) -> npt.NDArray[np.int64]:
        """Return the numbers of the tiles that are not done yet, ascending."""
        if self.complete:
            return np.array([], dtype=np.int64)
        missing = np.ones(self.layout.n_tiles, dtype=bool)
        missing[list(self._ledger.rows)] = False
        return np.flatnonzero(missing)

    def require_space(self, n_bytes: int) -> None:
        """Raise StoreError unless the file system has room for `n_bytes` more."""
        files.require_space(self.path, n_bytes)

    def write(self, tile: int, data: TileData) -> str:
        """Write a tile's data and return the SHA-256 of its values; `record` makes it count.

        Safe from many threads at once, for different tiles.

        Raises
        ------
        StoreError
            The data do not fit the layout or differ from what was recorded of this tile, another
            run has taken the store over, or the file system refuses.
        """
        return self.writer.write(tile, data, self._ledger.rows.get(tile))

    def record(self, rows: Iterable[tuple[int, str]]) -> None:
        """Note tiles, with their digests, as done; each call makes a file, so call it now and then.

        Raises
        ------
        StoreError
            A tile is recorded with another digest already, another run has taken the store over,
            or the file system refuses.
        """
        rows = list(rows)
        if not rows:
            return
        with self._lock, files.os_errors(self.path, "writing the ledger"):
            self._check_lease()
            # The names of the data's files must be on the disk before the ledger vouches for them.
            for name in self.layout.packed:
                files.flush_directory(self._paths.packed(name))
            for spec in self.layout.direct:
                files.flush_directory(self._paths.array(spec.name))
            fault_point("before-ledger")
            self._ledger.add(rows)
            fault_point("after-ledger")

    def read_packed(self, name: str, first: int, last: int) -> npt.NDArray[np.float64]:
        """Return a packed array of the tiles first, ..., last - 1; NaN where not done.

        Raises
        ------
        StoreError
            The data of a tile that is done are missing or damaged.
        """
        if name not in self.layout.packed:
            raise StoreError(f"{name} is no packed array of the layout")
        info = packed_info(name, self.layout.n_tiles, self.layout.packed[name])
        with files.os_errors(self.path, f"reading {name}"):
            return read_tiles(self._paths.packed(name), info, self._ledger.rows, first, last)

    def finalise(self, slabs: Iterable[Slab]) -> None:
        """Write the final arrays, mark the store complete, and remove the packed arrays.

        Parameters
        ----------
        slabs : iterable of dict
            Regions and values of final arrays by name; together they cover each array exactly
            once. Regions that start and end with chunks are fastest.

        Raises
        ------
        StoreError
            Tiles are missing, data are damaged, slabs leave gaps, or the file system refuses.
        """
        if self.complete:
            return
        missing = self.missing()
        if missing.size:
            raise StoreError(
                f"{show(self.path)} cannot be finalised: {missing.size} of {self.layout.n_tiles} "
                f"tiles are not done, the first is {missing[0]}"
            )
        with self._lock, files.os_errors(self.path, "finalising the store"):
            self._check_lease()
            finalising.write_final(self._paths, self.layout.final, slabs)
            self._check_lease()
            finalising.publish(self._paths, self.layout)
            self._ledger.merge()
            self.attrs = finalising.complete(self._paths, self.attrs)
            finalising.remove_packed(self._paths, self.layout.packed)

    def close(self) -> None:
        """Release the lease; harmless when repeated."""
        self._writer = None
        if self._lease is not None:
            self._lease.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _check_lease(self) -> None:
        if self._lease is None or self._writer is None:
            raise StoreError(f"{show(self.path)} is complete or closed; there is nothing to write")
        self._lease.check()
