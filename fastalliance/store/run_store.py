"""A run's store on disk: created, resumed or refused, written by tiles, recorded, finalised."""

from __future__ import annotations

import contextlib
import math
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
from fastalliance.store import creation, files, provenance, resuming, siblings
from fastalliance.store.chunks import packed_info, read_tiles
from fastalliance.store.files import show
from fastalliance.store.finalising import finalise, remove_packed
from fastalliance.store.layout import Layout, Slab, TileData
from fastalliance.store.lease import Lease
from fastalliance.store.ledger import FAN_OUT, Ledger
from fastalliance.store.location import locate
from fastalliance.store.paths import Paths
from fastalliance.store.writer import TileWriter


class RunStore:
    """A store that a run writes to; use `RunStore.open`, and close it or use it in a ``with``.

    Attributes
    ----------
    path : Path
        The store's directory.
    layout : Layout
        What the run keeps in it.
    attrs : dict
        The attributes of the group.
    """

    def __init__(
        self, path: Path, layout: Layout, attrs: dict[str, Any], lease: Lease | None
    ) -> None:
        self.path = path
        self.layout = layout
        self.attrs = attrs
        self._paths = Paths(path)
        self._lease = lease
        self._lock = threading.Lock()
        writer = lease.run_id if lease else "none"
        with files.os_errors(path, "reading the ledger"):
            self._ledger = Ledger(
                self._paths.ledger, self._paths.scratch, layout.n_tiles, writer
            )
        if lease is not None:
            lease.start()
            # Also releases when the object is forgotten, and at the end of the interpreter.
            weakref.finalize(self, lease.release)

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
    ) -> RunStore:
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
            Go on with a store that other kernels computed; it is noted in its history.
        resume : bool
            Go on with a store of the same configuration; otherwise refuse it.

        Raises
        ------
        StoreError
            The store is another study's, in use, damaged, or of a newer format; the path holds
            something else; or the file system refuses.
        """
        path = locate(url)
        with files.os_errors(path, "opening the store"):
            siblings.recover(path)
            free = siblings.is_free(path)
        if free:
            attrs = _first_attributes(layout)
            return cls(path, layout, attrs, creation.create(path, layout, attrs))
        if overwrite:
            attrs = _first_attributes(layout)
            lease = creation.replace(path, layout, attrs, break_lock=break_lock)
            return cls(path, layout, attrs, lease)
        return cls._resume(path, layout, break_lock, allow_version_change, resume)

    @classmethod
    def _resume(
        cls, path: Path, layout: Layout, break_lock: bool, allow_version_change: bool, resume: bool
    ) -> RunStore:
        paths = Paths(path)
        attrs = resuming.load_attributes(paths)
        resuming.check_same_study(paths, attrs, layout, allow_version_change=allow_version_change)
        if not resume:
            raise StoreError(
                f"{show(path)} exists and resuming is off; choose another path, or replace it "
                "with --overwrite"
            )
        run = resuming.load_run(paths)
        if attrs["complete"] and not any(paths.packed(name).exists() for name in run["packed"]):
            return cls._finished(path, layout, attrs, run["n_tiles"])
        with files.os_errors(path, "locking the store"):
            lease = Lease.acquire(paths.lease, paths.scratch, break_lock=break_lock)
        try:
            store = cls._under_lease(path, layout, lease)
        except BaseException:
            lease.release()
            raise
        return store

    @classmethod
    def _finished(cls, path: Path, layout: Layout, attrs: dict[str, Any], n_tiles: int) -> RunStore:
        """Return a finished store: no lease, since there is nothing to write."""
        store = cls(path, layout, attrs, None)
        if len(store._ledger.rows) != n_tiles:
            raise StoreError(
                f"{show(path)} is damaged: it is marked complete, but its ledger lists "
                f"{len(store._ledger.rows)} of {n_tiles} tiles"
            )
        return store
