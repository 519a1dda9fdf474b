"""Putting right what is damaged in a store: single chunks, and rows of the ledger."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy.typing as npt

from fastalliance.faults import fault_point
from fastalliance.store import files
from fastalliance.store.chunks import write_region
from fastalliance.store.claims import claim
from fastalliance.store.documents import load_attributes, load_run
from fastalliance.store.lease import Lease
from fastalliance.store.ledger import Ledger
from fastalliance.store.location import locate
from fastalliance.store.paths import Paths
from fastalliance.store.verification import LEDGER, Contents, Index


class Repair:
    """Writes what was recomputed in the place of what is damaged, while it holds the lease."""

    def __init__(self, held: Lease) -> None:
        self._lease = held

    def write_chunk(
        self, contents: Contents, name: str, index: Index, values: npt.NDArray[Any]
    ) -> None:
        """Write one chunk; safe from many threads at once, for different chunks.

        Raises
        ------
        StoreError
            Another run has taken the store over, or the file system refuses.
        """
        directory = contents.directory(name)
        with files.os_errors(contents.handle.path, f"repairing {name}"):
            write_region(
                directory,
                contents.info(name),
                contents.region(name, index),
                values,
                contents.paths.scratch,
                whole_chunks=True,
                check=self._lease.check,
            )
            files.flush_directory(directory)
        fault_point("during-repair")

    def record(self, contents: Contents, rows: Mapping[int, str]) -> None:
        """Record tiles, with their digests, in the place of damaged ledger files.

        A kill in between leaves a ledger that lacks rows, which can be repaired as before.

        Raises
        ------
        StoreError
            Another run has taken the store over, or the file system refuses.
        """
        paths = contents.paths
        with files.os_errors(contents.handle.path, "repairing the ledger"):
            self._lease.check()
            for damage in contents.ledger_damage:
                if damage.name == LEDGER and damage.path not in (None, paths.ledger):
                    files.remove(damage.path)
            fault_point("during-ledger-repair")
            n_tiles = contents.handle.n_tiles
            ledger = Ledger(
                paths.ledger,
                paths.scratch,
                n_tiles,
                self._lease.run_id,
                store_id=contents.run["id"],
                check=self._lease.check,
            )
            ledger.add(sorted(rows.items()))
            files.flush_directory(paths.ledger)


@contextmanager
def repairing(url: str | os.PathLike[str]) -> Iterator[Repair]:
    """Hold the lease on a store, which keeps out runs and shards.

    Raises
    ------
    StoreError
        There is no store, it is in use, its metadata are damaged, or the file system refuses.
    """
    path = locate(url)
    paths = Paths(path)
    with files.os_errors(path, "opening the store"):
        load_attributes(paths)
        load_run(paths)
        held = claim(paths)
    try:
        held.start()
        with files.os_errors(path, "opening the store"):
            files.sweep(paths.scratch)  # what a repair that was killed left over
        yield Repair(held)
    finally:
        held.release()
