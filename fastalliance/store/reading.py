"""Reading a store, finished or not: checked when it is opened, and chunk by chunk afterwards."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastalliance.errors import StoreError
from fastalliance.store import files, lease
from fastalliance.store.chunks import (
    RERUN,
    check_present,
    check_tiles_present,
    missing_message,
    packed_info,
    read_array,
    read_tiles,
)
from fastalliance.store.documents import check_array, load_attributes, load_run
from fastalliance.store.files import show
from fastalliance.store.format import (
    ArrayInfo,
    parse_array,
    read_document,
    structure_digest,
)
from fastalliance.store.ledger import Rows, read_rows
from fastalliance.store.location import locate
from fastalliance.store.objects import Place
from fastalliance.store.paths import Paths, document
from fastalliance.store.shards import Shard

if TYPE_CHECKING:
    from zarr.abc.store import Store


@dataclass(frozen=True)
class StoreHandle:
    """A store that was checked when it was opened; made by `read`.

    Attributes
    ----------
    path : Place
        The store's directory.
    attrs : dict
        The attributes of the group.
    complete : bool
        Whether the run has been finalised.
    n_tiles : int
        Number of tiles of the run.
    rows : dict of int to str
        The tiles that are done, and the SHA-256 of their values.
    packed : dict of str to tuple of int
        Packed arrays and the shape of one tile in them; gone once the run is complete.
    direct : dict of str to int or None
        Labelled arrays that tiles write, and their `ArraySpec.tile_stride`.
    documents : dict of str to dict
        The metadata of the labelled arrays and coordinates as they were checked; without the final
        ones while the run is incomplete.
    """

    path: Place
    attrs: dict[str, Any]
    complete: bool
    n_tiles: int
    rows: Rows
    packed: dict[str, tuple[int, ...]]
    direct: dict[str, int | None]
    documents: dict[str, dict[str, Any]]

    @cached_property
    def arrays(self) -> dict[str, ArrayInfo]:
        """The labelled arrays and coordinates."""
        return {name: parse_array(name, written) for name, written in self.documents.items()}

    @property
    def done(self) -> npt.NDArray[np.int64]:
        """Numbers of the tiles that are done, ascending."""
        return np.array(sorted(self.rows), dtype=np.int64)

    def read_packed(self, name: str, first: int, last: int) -> npt.NDArray[np.float64]:
        """Return a packed array of the tiles first, ..., last - 1; NaN where not done.

        Raises
        ------
        StoreError
            The data of a tile that is done are missing or damaged, or the run was finalised since.
        """
        if name not in self.packed:
            raise StoreError(f"{name} is no packed array of {show(self.path)}")
        paths = Paths(self.path)
        info = packed_info(name, self.n_tiles, self.packed[name])
        with files.os_errors(self.path, f"reading {name}"):
            try:
                return read_tiles(paths.packed(name), info, self.rows, first, last)
            except StoreError:
                if load_attributes(paths)["complete"]:
                    raise StoreError(
                        f"{show(self.path)} has been finished since it was opened; open it again"
                    ) from None
                raise

    def read_array(self, name: str) -> npt.NDArray[Any]:
        """Return a whole labelled array; a missing or damaged chunk raises StoreError."""
        if name not in self.arrays:
            raise StoreError(f"{name} is no array of {show(self.path)}")
        with files.os_errors(self.path, f"reading {name}"):
            return read_array(Paths(self.path).array(name), self.arrays[name])

    def zarr_store(self) -> Store:
        """Return the store for zarr and xarray, read-only, every chunk checked as it is read.

        Metadata are those that were checked: no other reading of them, and no other content.
        """
        from fastalliance.store.checked import CheckedStore

        strides = {} if self.complete else self.direct
        return CheckedStore.at(self.path, self.documents, self.arrays, strides, self.rows)


@dataclass(frozen=True)
class Status:
    """What a store holds and what it lacks; made by `status`.

    Attributes
    ----------
    path : Place
        The store's directory.
    complete : bool
        Whether the run has been finalised.
    n_tiles, n_done : int
        Number of tiles, and of those that are done.
    n_points : int or None
        Number of points of the design, where the attributes tell it as ``n_points``.
    n_invalid : int or None
        Replicates that left the finite numbers; None until the run is complete.
    owner : Owner or None
        Who computes all tiles now, if anybody.
    shards : dict of Shard to Owner
        The shards that run now, each with who computes it.
    configuration_hash : str
        Hash of everything that can change results.
    versions : dict of str to str
        Versions of fastalliance, Python and packages, without the suffix ``_version``.
    started, finished : str or None
        Times in UTC.
    n_bytes : int
        Bytes on disk.
    """

    path: Place
    complete: bool
    n_tiles: int
    n_done: int
    n_points: int | None
    n_invalid: int | None
    owner: lease.Owner | None
    shards: dict[Shard, lease.Owner]
    configuration_hash: str
    versions: dict[str, str]
    started: str | None
    finished: str | None
    n_bytes: int


def read(url: str | os.PathLike[str]) -> StoreHandle:
    """Open a store for reading and check that nothing of what it declares done is missing.

    Raises
    ------
    StoreError
        There is no store, it is damaged, of a newer format, or has a dtype or codec that
        fastalliance does not write.
    """
    path = locate(url)
    with files.os_errors(path, "reading the store"):
        paths = Paths(path)
        attrs = load_attributes(paths)
        try:
            return _checked(paths, attrs)
        except StoreError:
            if attrs["complete"] or not load_attributes(paths)["complete"]:
                raise
        # The run was finished, and its packed arrays removed, just while they were checked.
        return _checked(paths, load_attributes(paths))


def status(url: str | os.PathLike[str]) -> Status:
    """Return what a store holds and lacks, and who writes to it; reads no results.

    Raises
    ------
    StoreError
        There is no store, its metadata are damaged, or it is of a newer format.
    """
    path = locate(url)
    with files.os_errors(path, "reading the store"):
        paths = Paths(path)
        attrs, run = load_attributes(paths), load_run(paths)
        n_points = attrs.get("n_points")
        return Status(
            path=path,
            complete=attrs["complete"] is True,
            n_tiles=run["n_tiles"],
            n_done=len(read_rows(paths.ledger, run["n_tiles"], run["id"])),
            n_points=n_points if isinstance(n_points, int) else None,
            n_invalid=_n_invalid(paths) if attrs["complete"] is True else None,
            owner=lease.running(paths.lease),
            shards=_running_shards(paths),
            configuration_hash=str(attrs["configuration_hash"]),
            versions={
                key.removesuffix("_version"): str(value)
                for key, value in attrs.items()
                if key.endswith("_version") and key != "schema_version"
            },
            started=attrs.get("created"),
            finished=attrs.get("finished"),
            n_bytes=files.size_of(path),
        )


def _checked(paths: Paths, attrs: dict[str, Any]) -> StoreHandle:
    run = load_run(paths)
    complete = attrs["complete"] is True
    handle = StoreHandle(
        path=paths.root,
        attrs=attrs,
        complete=complete,
        n_tiles=run["n_tiles"],
        rows=read_rows(paths.ledger, run["n_tiles"], run["id"]),
        packed={} if complete else {name: tuple(s) for name, s in run["packed"].items()},
        direct={name: entry["tile_stride"] for name, entry in run["direct"].items()},
        documents=labelled_documents(paths, run, complete),
    )
    check_foreign(paths, handle)
    _check_data(paths, handle)
    return handle


def labelled_documents(
    paths: Paths, run: dict[str, Any], complete: bool
) -> dict[str, dict[str, Any]]:
    """Return the metadata of the labelled arrays; refuse what is not as it was written."""
    known = {**run["arrays"], **(run["final"] if complete else {})}

    def read(name: str) -> dict[str, Any]:
        path = document(paths.array(name))
        try:
            written = read_document(path, "array")
        except FileNotFoundError:
            raise StoreError(missing_message(path, name)) from None
        parse_array(name, written)
        if structure_digest(written) != known[name]:
            raise StoreError(
                f"array {name} is damaged: {show(path)} is not what was written; {RERUN}"
            )
        return written

    return dict(zip(known, files.each(paths.root, read, known), strict=True))


def check_foreign(paths: Paths, handle: StoreHandle) -> None:
    """Refuse arrays that somebody added if reading them could need more than the allow-list."""
    for name in files.names(paths.root):
        path = document(paths.root / name)
        if name != "_run" and name not in handle.arrays and path.exists():
            parse_array(name, read_document(path, "array"), foreign=True)


def _check_data(paths: Paths, handle: StoreHandle) -> None:
    """Refuse a store that lacks a chunk which it declares done, naming array and tile."""
    if handle.complete and len(handle.rows) != handle.n_tiles:
        raise StoreError(
            f"{show(paths.root)} is damaged: it is marked complete, but its ledger lists "
            f"{len(handle.rows)} of {handle.n_tiles} tiles"
        )

    def check(name: str) -> None:
        info = handle.arrays[name]
        if handle.complete or name not in handle.direct:
            check_present(paths.array(name), info, None)
        elif (stride := handle.direct[name]) is not None:
            check_tiles_present(paths.array(name), info, handle.rows, stride)

    files.each(paths.root, check, handle.arrays)
    for name, shape in handle.packed.items():
        info = packed_info(name, handle.n_tiles, shape)
        check_array(paths.packed(name), info)
        check_tiles_present(paths.packed(name), info, handle.rows)


def _running_shards(paths: Paths) -> dict[Shard, lease.Owner]:
    found = {}
    for name in lease.held_names(paths.lease):
        shard = Shard.of_lease(name)
        if shard is not None and (owner := lease.running(paths.lease, name)) is not None:
            found[shard] = owner
    return dict(sorted(found.items()))


def _n_invalid(paths: Paths) -> int | None:
    directory = paths.array("n_invalid")
    if not document(directory).exists():
        return None
    info = parse_array("n_invalid", read_document(document(directory), "array"))
    return int(np.nansum(read_array(directory, info)))
