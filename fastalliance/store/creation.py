"""Making a store: whole or not at all, and never in the place of anything else."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastalliance.errors import StoreError
from fastalliance.faults import fault_point
from fastalliance.store import files, siblings
from fastalliance.store.chunks import packed_info, write_region
from fastalliance.store.claims import claim
from fastalliance.store.files import show
from fastalliance.store.format import (
    MAX_CHUNK_BYTES,
    ArrayInfo,
    array_document,
    document_bytes,
    group_document,
    parse_array,
    read_document,
    structure_digest,
)
from fastalliance.store.layout import ArraySpec, Coordinate, Layout
from fastalliance.store.lease import RUN, Lease
from fastalliance.store.paths import Paths, document
from fastalliance.store.shards import Shard

FORMAT = "fastalliance-run"
_FILES_NODE = ArrayInfo("files", "uint8", ("_files",), (0,), (1,))


def create(
    path: Path, layout: Layout, attrs: Mapping[str, Any], shard: Shard | None = None
) -> Lease | None:
    """Create a store at a free path and return the lease on it, held from its first moment.

    The lease is that of the shard, if there is one, and that of all tiles otherwise.

    None if the path is not free any more: another run was faster.

    Raises
    ------
    StoreError
        The file system refuses.
    """
    with files.os_errors(path, "creating the store"):
        _make_parent(path)
        draft = siblings.new(path, siblings.CREATING)
        try:
            lease = _build(draft, layout, attrs, RUN if shard is None else shard.lease)
            fault_point("before-publish")
            draft.rename(path)  # refused where a directory with anything in it is by now
        except BaseException as error:
            shutil.rmtree(draft, ignore_errors=True)
            if isinstance(error, OSError) and error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                return None
            raise
        files.flush_directory(path.parent)
    lease.directory = Paths(path).lease
    return lease


def replace(path: Path, layout: Layout, attrs: Mapping[str, Any], *, break_lock: bool) -> Lease:
    """Replace a store by a new one; a kill leaves the one or the other.

    Raises
    ------
    StoreError
        What is there is no store of fastalliance, is in use, or the file system refuses.
    """
    if not is_store(path):
        raise StoreError(refusal(path))
    old = Paths(path)
    with files.os_errors(path, "replacing the store"):
        for directory in (old.lease, old.scratch):
            directory.mkdir(exist_ok=True)
        old_lease = claim(old, break_lock=break_lock)
        draft, aside = siblings.new(path, siblings.CREATING), siblings.new(path, siblings.REPLACED)
        try:
            lease = _build(draft, layout, attrs, RUN)
            fault_point("before-replace")
            path.rename(aside)
            fault_point("during-replace")
            draft.rename(path)
        except BaseException:
            if aside.exists() and not path.exists():
                aside.rename(path)
            old_lease.release()
            shutil.rmtree(draft, ignore_errors=True)
            raise
        files.flush_directory(path.parent)
        fault_point("after-replace")
        files.remove(aside)
    lease.directory = Paths(path).lease
    return lease


def _make_parent(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError:  # as in /proc, where nothing has vanished
        raise StoreError(
            f"{show(path)} cannot be created: no directory can be made in "
            f"{show(files.nearest_existing(path))}; choose another path"
        ) from None


def is_store(path: Path) -> bool:
    """Say whether a directory is a store of fastalliance; one readable document is enough."""
    paths = Paths(path)
    attrs = _attributes(paths.run)
    if attrs is not None:
        return attrs.get("format") == FORMAT
    attrs = _attributes(paths.root)
    return attrs is not None and {"fastalliance_version", "configuration_hash"} <= set(attrs)


def refusal(path: Path) -> str:
    """Say to who wants to write that a path holds something that is not ours."""
    kind = "is a file" if path.is_file() else "exists and is no store of fastalliance"
    return f"{show(path)} {kind}; it is left untouched: choose another path, or remove it yourself"


def structures(specs: Iterable[ArraySpec]) -> dict[str, str]:
    """Return the digest of each array's structure, by which a reader recognises it."""
    return {spec.name: structure_digest(array_document(spec_info(spec), {})) for spec in specs}


def spec_info(spec: ArraySpec) -> ArrayInfo:
    """Describe a labelled array as it is stored."""
    return ArrayInfo(spec.name, "float64", spec.dims, spec.shape, spec.chunks)


def tiling(layout: Layout) -> dict[str, Any]:
    """Return how a run is cut into tiles; a run can only be resumed with the same."""
    return {
        "n_tiles": layout.n_tiles,
        "packed": {name: list(shape) for name, shape in layout.packed.items()},
        "direct": {
            spec.name: {
                "shape": list(spec.shape),
                "chunks": list(spec.chunks),
                "tile_stride": spec.tile_stride,
            }
            for spec in layout.direct
        },
    }


def write_array_document(directory: Path, info: ArrayInfo, attrs: Mapping[str, Any]) -> None:
    """Make the directory of an array that nobody else can see yet."""
    directory.mkdir()
    files.write_new(document(directory), document_bytes(array_document(info, attrs)), flush=False)


def _build(root: Path, layout: Layout, attrs: Mapping[str, Any], lease_name: str) -> Lease:
    paths = Paths(root)
    root.mkdir()
    paths.run.mkdir()
    for directory in (paths.ledger, paths.lease, paths.scratch):
        write_array_document(directory, _FILES_NODE, {})
    for name, shape in layout.packed.items():
        write_array_document(paths.packed(name), packed_info(name, layout.n_tiles, shape), {})
    fault_point("during-create")
    for spec in layout.direct:
        write_array_document(paths.array(spec.name), spec_info(spec), spec.attrs)
    known = structures(layout.direct)
    for coordinate in layout.coordinates:
        known[coordinate.name] = _write_coordinate(paths, coordinate)
    run = {"format": FORMAT, **tiling(layout), "arrays": known, "final": {}}
    files.write_new(document(paths.run), document_bytes(group_document(run)), flush=False)
    files.write_new(document(root), document_bytes(group_document(attrs)), flush=False)
    files.flush_tree(root)
    return Lease.acquire(paths.lease, paths.scratch, lease_name)


def _write_coordinate(paths: Paths, coordinate: Coordinate) -> str:
    values = np.asarray(coordinate.values)
    chunks = _coordinate_chunks(values.shape, values.dtype.itemsize)
    info = ArrayInfo(coordinate.name, values.dtype.name, coordinate.dims, values.shape, chunks)
    directory = paths.array(coordinate.name)
    write_array_document(directory, info, coordinate.attrs)
    region = tuple(slice(0, n) for n in values.shape)
    scratch = paths.scratch
    write_region(directory, info, region, values, scratch, whole_chunks=True, flush=False)
    written = read_document(document(directory), "array")
    parse_array(coordinate.name, written)
    return structure_digest(written)


def _coordinate_chunks(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Return one chunk for all, or cut the first dimension where that would be too large."""
    if not shape:
        return ()
    row = itemsize * int(np.prod(shape[1:], dtype=np.int64))
    return (max(1, min(shape[0], MAX_CHUNK_BYTES // 8 // row)), *shape[1:])


def _attributes(directory: Path) -> dict[str, Any] | None:
    try:
        attrs: dict[str, Any] = read_document(document(directory), "group")["attributes"]
    except (StoreError, OSError):
        return None
    return attrs
