"""A run's store on disk: opened, written by tiles, recorded, finalised, closed."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from fastalliance.errors import StoreError
from fastalliance.faults import fault_point
from fastalliance.store import files, finalising, lease
from fastalliance.store.chunks import packed_info, read_tiles
from fastalliance.store.claims import alone
from fastalliance.store.documents import load_attributes
from fastalliance.store.files import show
from fastalliance.store.layout import Layout, Slab, TileData
from fastalliance.store.lease import Lease
from fastalliance.store.ledger import Ledger
from fastalliance.store.location import locate
from fastalliance.store.object_requests import guarded
from fastalliance.store.objects import Place
from fastalliance.store.opening import Opened, Permissions, open_for_run
from fastalliance.store.paths import Paths
from fastalliance.store.shards import Shard
from fastalliance.store.writer import TileWriter


class RunStore:
    """A store that a run writes to; made by `RunStore.open`, used in a ``with`` or closed.

    Attributes
    ----------
    path : Place
        The store's directory.
    layout : Layout
        What the run keeps in it.
    attrs : dict
        The attributes of the group.
    shard : Shard or None
        Which tiles the run computes; None for all.
    """

    def __init__(
        self, path: Place, layout: Layout, opened: Opened, shard: Shard | None = None
    ) -> None:
        self.path = path
        self.layout = layout
        self.shard = shard
        self.attrs: dict[str, Any] = opened.attrs
        self._paths = Paths(path)
        self._ledger: Ledger = opened.ledger
        self._lease = opened.lease
        self._writer: TileWriter | None = None
        self._lock = threading.Lock()
        self._left = set(self._missing(shard).tolist()) if shard else set()
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
        shard: Shard | None = None,
    ) -> Self:
        """Create the store of a run, or resume it.

        A run of all tiles has the store for itself. Shards of one count share it, each under
        a lease of its own; the first that comes creates it.

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
        shard : Shard, optional
            Compute the tiles of this shard only; not with `overwrite`.

        Raises
        ------
        StoreError
            The store is another study's, in use, damaged, or of a newer format; the path holds
            something else; or the file system refuses.
        """
        path = locate(url)
        allowed = Permissions(overwrite, break_lock, allow_version_change, resume)
        with files.os_errors(path, "opening the store"):
            return cls(path, layout, open_for_run(path, layout, allowed, shard), shard)

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

    def missing(self, *, everyone: bool = False) -> npt.NDArray[np.int64]:
        """Return the numbers of the tiles that are not done yet, ascending.

        Parameters
        ----------
        everyone : bool
            Of a shard: read again what all shards have recorded, and return what is missing of
            all tiles. Otherwise those of the shard that nobody had done when it was opened, but
            for what it has recorded since. Without a shard, all tiles.

        Raises
        ------
        StoreError
            The ledger is damaged, or two writers have recorded different values of a tile.
        """
        if everyone and not self.complete:
            with self._lock, files.os_errors(self.path, "reading the ledger"):
                self._reload()
        return self._missing(None if everyone else self.shard)

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
        with (
            self._lock,
            files.os_errors(self.path, "writing the ledger"),
            guarded(self._check_lease().check),
        ):
            # The names of the data's files must be on the disk before the ledger vouches for them.
            for name in self.layout.packed:
                files.flush_directory(self._paths.packed(name))
            for spec in self.layout.direct:
                files.flush_directory(self._paths.array(spec.name))
            fault_point("before-ledger")
            tiles = {tile for tile, _ in rows}
            self._ledger.add(rows, last=self._left <= tiles)
            self._left -= tiles
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
            once. Regions that start and end with chunks are fastest. Of several shards one
            writes them; the others wait for it, take over if it dies, and read no slab.

        Raises
        ------
        StoreError
            Tiles are missing, data are damaged, slabs leave gaps, or the file system refuses.
        """
        if self.complete:
            return
        with self._lock, files.os_errors(self.path, "finalising the store"):
            claimed = self._check_lease()
            with alone(self._paths, claimed) as final, guarded(claimed.check):
                self._reload()
                if not self.complete:
                    self._finalise(slabs, claimed, final)

    def _finalise(self, slabs: Iterable[Slab], claimed: Lease, final: Lease) -> None:
        missing = self._missing()
        if missing.size:
            raise StoreError(
                f"{show(self.path)} cannot be finalised: {missing.size} of {self.layout.n_tiles} "
                f"tiles are not done, the first is {missing[0]}"
            )
        paths, aside = self._paths, self._paths.final(final.run_id)

        def check() -> None:
            claimed.check()
            final.check()

        try:
            finalising.write_final(paths, aside, self.layout.final, slabs, check)
        except StoreError:
            check()  # what is missing or different may be another run's
            raise
        check()
        finalising.publish(paths, aside, self.layout, check)
        self._ledger.merge()
        check()
        self.attrs = finalising.complete(paths, self.attrs, check)
        finalising.remove_packed(paths, self.layout.packed, check)
        lease.forget_shards(paths.lease)

    def _missing(self, shard: Shard | None = None) -> npt.NDArray[np.int64]:
        """Return what is missing, by the ledger as it was read last, of a shard or of all."""
        n_tiles = self.layout.n_tiles
        missing = np.full(n_tiles, not self.complete)
        if not self.complete:  # a finished store may be cut into other tiles than ours
            missing[list(self._ledger.rows)] = False
        if shard is None:
            return np.flatnonzero(missing)
        tiles = shard.tiles(n_tiles)
        missing_of_shard: npt.NDArray[np.int64] = tiles[missing[tiles]]
        return missing_of_shard

    def _reload(self) -> None:
        """Read again what other shards may have changed since: the ledger and the attributes."""
        self._ledger.reload()
        if self.shard is not None:
            self.attrs = load_attributes(self._paths)

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

    def _check_lease(self) -> Lease:
        if self._lease is None or self._writer is None:
            raise StoreError(f"{show(self.path)} is complete or closed; there is nothing to write")
        self._lease.check()
        return self._lease
