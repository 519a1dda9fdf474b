"""Which tiles are done: rows of tile number and digest, in files that never change.

A file ``<writer>-<number>.json`` appears whole, after the data that it vouches for. When a writer
has made 64 files, it merges them into one and removes them; 64 merged files are merged again. So
a run of 10^5 batches has fewer than 200 files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from fastalliance.errors import StoreError
from fastalliance.faults import fault_point
from fastalliance.store import files
from fastalliance.store.objects import Place
from fastalliance.store.paths import DOCUMENT

FAN_OUT = 64
FORMATS = (1, 2)  # 2: with the store that the rows belong to
MAX_FILE_BYTES = 2**28

Rows = dict[int, str]


class Ledger:
    """The rows of all writers, and the files of one of them.

    Parameters
    ----------
    directory, scratch : Place
        Where the rows are kept, and where files are made before they get their name.
    n_tiles : int
        Number of tiles of the run.
    writer : str
        Name of this writer, different from every other's.
    group : str, optional
        Beginning of the names of this writer's files and of its predecessors', which no other
        writes: that of a shard.
    store_id : str, optional
        Identifies the store; rows of another, which a late request may bring, do not count.
    check : callable, optional
        Raises where this writer may write no more.
    """

    def __init__(
        self,
        directory: Place,
        scratch: Place,
        n_tiles: int,
        writer: str,
        group: str = "",
        *,
        store_id: str = "",
        check: Callable[[], None] | None = None,
    ) -> None:
        self._directory = directory
        self._scratch = scratch
        self._n_tiles = n_tiles
        self._writer = f"{group}{writer}"
        self._group = group
        self._store_id = store_id
        self._require_lease = check
        self._n_written = 0
        self._levels: list[list[tuple[Place, Rows]]] = [[]]
        self.rows = read_rows(directory, n_tiles, store_id)

    def check(self, tile: int, sha: str) -> None:
        """Raise StoreError if the tile is no tile, or is recorded with another digest."""
        if not 0 <= tile < self._n_tiles:
            raise StoreError(f"tile {tile} is none of the {self._n_tiles} tiles of the run")
        check_same(tile, self.rows.get(tile, sha), sha)

    def reload(self) -> None:
        """Read again what all writers have recorded."""
        self.rows = read_rows(self._directory, self._n_tiles, self._store_id)

    def add(self, rows: Iterable[tuple[int, str]], *, last: bool = False) -> None:
        """Record tiles whose data are on the disk; tiles recorded already are passed over.

        The `last` rows of a group go into one file with all earlier ones of the group: the
        ledger of 1,000 shards should not be 60,000 files.
        """
        new: Rows = {}
        for tile, sha in rows:
            self.check(tile, sha)
            check_same(tile, new.get(tile, sha), sha)
            if tile not in self.rows:
                new[int(tile)] = sha
        if not new:
            return
        if last and self._group:
            self._merge_group(new)
            self.rows.update(new)
            return
        path = self._write(new)
        self.rows.update(new)
        self._levels[0].append((path, new))
        self._merge_full_levels()

    def merge(self, above: int = 1) -> None:
        """Keep the rows of all writers in one file if there are more than `above` of them.

        Only for a writer that has no other beside it.
        """
        old = row_files(self._directory)
        if len(old) > above:
            self.reload()  # after listing: nothing is removed that was not read
            self._write(self.rows)
            for path in old:
                path.unlink(missing_ok=True)
            self._levels = [[]]

    def merge_group(self) -> None:
        """Keep the rows of this writer and its predecessors in one file."""
        if len(self._group_files()) > 1:
            self._merge_group({})

    def _merge_group(self, new: Rows) -> None:
        while True:
            old = self._group_files()
            try:
                rows = _read_files(old, self._n_tiles, self._store_id)
                break
            except FileNotFoundError:
                continue  # merged by a finaliser, or by a predecessor that was only stopped
        self._write({**rows, **new})
        fault_point("during-merge")
        for path in old:
            path.unlink(missing_ok=True)
        self._levels = [[]]

    def _group_files(self) -> list[Place]:
        listed = row_files(self._directory)
        return [path for path in listed if self._group and path.name.startswith(self._group)]

    def _merge_full_levels(self) -> None:
        level = 0
        while len(self._levels[level]) >= FAN_OUT:
            merged: Rows = {}
            for _, rows in self._levels[level]:
                merged.update(rows)
            path = self._write(merged)
            fault_point("during-merge")
            for old, _ in self._levels[level]:
                old.unlink(missing_ok=True)
            self._levels[level] = []
            level += 1
            if level == len(self._levels):
                self._levels.append([])
            self._levels[level].append((path, merged))

    def _write(self, rows: Mapping[int, str]) -> Place:
        listed = [[tile, rows[tile]] for tile in sorted(rows)]
        document: dict[str, Any] = {"format": 1, "rows": listed}
        if self._store_id:
            document |= {"format": 2, "store": self._store_id}
        document["sha256"] = _checksum(document)
        path = self._directory / f"{self._writer}-{self._n_written:06d}.json"
        files.put(path, json.dumps(document).encode(), self._scratch, check=self._require_lease)
        files.flush_directory(self._directory)
        self._n_written += 1
        return path


def check_same(tile: int, recorded: str, computed: str) -> None:
    """Raise StoreError if a tile was computed twice with different values."""
    if recorded != computed:
        raise StoreError(
            f"tile {tile} was computed twice with different values (SHA-256 {recorded} recorded, "
            f"{computed} now): the model is not deterministic, or the machine is faulty"
        )


def read_rows(directory: Place, n_tiles: int, store_id: str = "") -> Rows:
    """Read the rows of all writers to a store, also while one of them merges its files.

    Raises
    ------
    StoreError
        A file is damaged, or two files contradict each other.
    """
    while True:
        try:
            return _read_files(row_files(directory), n_tiles, store_id)
        except FileNotFoundError:
            continue  # merged meanwhile: its rows are in a file that exists by now


def _read_files(paths: list[Place], n_tiles: int, store_id: str) -> Rows:
    found: Rows = {}
    read = partial(read_file, n_tiles=n_tiles, store_id=store_id)
    for rows in files.each(paths[0], read, paths) if paths else ():
        for tile, sha in rows:
            check_same(tile, found.setdefault(tile, sha), sha)
    return found


def row_files(directory: Place) -> list[Place]:
    """Return the files of a ledger."""
    return [
        directory / name
        for name in files.names(directory)
        if name.endswith(".json") and name != DOCUMENT
    ]


def read_file(path: Place, n_tiles: int, store_id: str = "") -> list[tuple[int, str]]:
    """Return the rows of one file of a ledger, none of another store's; StoreError if damaged."""
    data = files.read_at_most(path, MAX_FILE_BYTES, "a ledger")
    try:
        document = json.loads(data)
        version, rows = document["format"], document["rows"]
        intact = document["sha256"] == _checksum(document)
        ours = document.get("store", store_id) == store_id
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        version, rows, intact, ours = 1, [], False, True
    if version not in FORMATS:
        raise StoreError(
            f"{files.show(path)} has ledger format {version}, this version reads up to "
            f"{max(FORMATS)}; upgrade fastalliance"
        )
    if intact and not ours:
        return []
    if not intact or not all(_is_row(row, n_tiles) for row in rows):
        raise StoreError(
            f"{files.show(path)} is damaged; remove that file and run the same command again: the "
            "tiles that it listed are computed anew"
        )
    return [(tile, sha) for tile, sha in rows]


def _is_row(row: Any, n_tiles: int) -> bool:
    return (
        isinstance(row, list)
        and len(row) == 2
        and type(row[0]) is int
        and 0 <= row[0] < n_tiles
        and isinstance(row[1], str)
    )


def _checksum(document: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the rows, and of the store that they belong to where one is named."""
    rows, store = document["rows"], document.get("store")
    covered = rows if store is None else [store, rows]
    return hashlib.sha256(json.dumps(covered).encode()).hexdigest()
