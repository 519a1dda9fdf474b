"""What a store has before its first tile: documents and coordinates; and how it is recognised."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np

from fastalliance.errors import StoreError
from fastalliance.faults import fault_point
from fastalliance.store import files
from fastalliance.store.chunks import packed_info, write_region
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
from fastalliance.store.objects import Place
from fastalliance.store.paths import DOCUMENT, Paths, document

FORMAT = "fastalliance-run"
FILES_NODE = ArrayInfo("files", "uint8", ("_files",), (0,), (1,))


def is_store(path: Place) -> bool:
    """Say whether a directory is a store of fastalliance; one readable document is enough."""
    paths = Paths(path)
    attrs = _attributes(paths.run)
    if attrs is not None:
        return attrs.get("format") == FORMAT
    attrs = _attributes(paths.root)
    return attrs is not None and {"fastalliance_version", "configuration_hash"} <= set(attrs)


def is_begun(path: Place) -> bool:
    """Say whether a place in an object store has what is left of making a store, and no more."""
    paths = Paths(path)
    if document(path).is_file() or any(n != DOCUMENT for n in files.names(paths.ledger)):
        return False
    # The document of the run is the first that is written, after the lease.
    there = set(files.names(path))
    if set(files.names(paths.run)) <= {paths.lease.name, paths.scratch.name}:
        return there == {paths.run.name}
    run = _attributes(paths.run)
    if run is None or run.get("format") != FORMAT:
        return False
    named = {paths.run.name, *run.get("arrays", ()), *run.get("final", ())}
    # Anything else is somebody else's, as a store that lies below, but for chunks of final arrays.
    return all(_holds_chunks_only(path / name) for name in there - named)


def _holds_chunks_only(path: Place) -> bool:
    found = files.names(path)
    return bool(found) and all(name == "c" or name.startswith("c.") for name in found)


def refusal(path: Place) -> str:
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


def write_array_document(directory: Place, info: ArrayInfo, attrs: Mapping[str, Any]) -> None:
    """Make an array that nobody else writes."""
    directory.mkdir()
    files.write_new(document(directory), document_bytes(array_document(info, attrs)), flush=False)


def write_skeleton(paths: Paths, layout: Layout) -> None:
    """Write all that a new store has but the document of its root; it is not flushed."""
    known = structures(layout.direct)
    known |= {
        c.name: structure_digest(array_document(_coordinate_info(c), c.attrs))
        for c in layout.coordinates
    }
    identity = {"format": FORMAT, "id": uuid.uuid4().hex}
    run = {**identity, **tiling(layout), "arrays": known, "final": {}}
    paths.run.mkdir()
    files.write_new(document(paths.run), document_bytes(group_document(run)), flush=False)
    nodes = [(directory, FILES_NODE) for directory in (paths.ledger, paths.lease, paths.scratch)]
    nodes += [
        (paths.packed(name), packed_info(name, layout.n_tiles, shape))
        for name, shape in layout.packed.items()
    ]
    files.each(paths.root, lambda node: write_array_document(*node, {}), nodes)
    fault_point("during-create")
    jobs: list[Callable[[], None]] = [
        partial(write_array_document, paths.array(spec.name), spec_info(spec), spec.attrs)
        for spec in layout.direct
    ]
    jobs += [partial(_write_coordinate, paths, c) for c in layout.coordinates]
    files.each(paths.root, lambda job: job(), jobs)


def _write_coordinate(paths: Paths, coordinate: Coordinate) -> None:
    info, values = _coordinate_info(coordinate), np.asarray(coordinate.values)
    directory = paths.array(coordinate.name)
    write_array_document(directory, info, coordinate.attrs)
    region = tuple(slice(0, n) for n in values.shape)
    scratch = paths.scratch
    write_region(directory, info, region, values, scratch, whole_chunks=True, flush=False)
    parse_array(coordinate.name, read_document(document(directory), "array"))


def _coordinate_info(coordinate: Coordinate) -> ArrayInfo:
    values = np.asarray(coordinate.values)
    chunks = _coordinate_chunks(values.shape, values.dtype.itemsize)
    return ArrayInfo(coordinate.name, values.dtype.name, coordinate.dims, values.shape, chunks)


def _coordinate_chunks(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Return one chunk for all, or cut the first dimension where that would be too large."""
    if not shape:
        return ()
    row = itemsize * int(np.prod(shape[1:], dtype=np.int64))
    return (max(1, min(shape[0], MAX_CHUNK_BYTES // 8 // row)), *shape[1:])


def _attributes(directory: Place) -> dict[str, Any] | None:
    try:
        attrs: dict[str, Any] = read_document(document(directory), "group")["attributes"]
    except (StoreError, OSError):
        return None
    return attrs
