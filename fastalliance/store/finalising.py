"""The end of a run: labelled arrays at once, `complete`, and the packed arrays removed.

Every step can be repeated, and the order makes that enough: the final arrays are written aside,
flushed, and renamed into the dataset; then `complete` flips; then the packed arrays go. A kill at
any moment leaves a store that is either complete or has all its packed data.

In an object store, where nothing can be renamed, the chunks are written in their place, and are
no array before its document follows. Two that do so at once write the same.
"""

from __future__ import annotations

import contextlib
import errno
import math
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from fastalliance.errors import StoreError
from fastalliance.faults import fault_point
from fastalliance.store import files, lease, provenance
from fastalliance.store.chunks import check_present, write_region
from fastalliance.store.documents import load_run, write_attributes
from fastalliance.store.format import ArrayInfo, array_document, document_bytes, group_document
from fastalliance.store.layout import ArraySpec, Layout, Region, Slab
from fastalliance.store.objects import ObjectPath, Place, local
from fastalliance.store.paths import FINAL_PREFIX, Paths, document
from fastalliance.store.skeleton import spec_info, structures, write_array_document


def write_final(
    paths: Paths,
    aside: Place,
    specs: Iterable[ArraySpec],
    slabs: Iterable[Slab],
    check: Callable[[], None],
) -> None:
    """Write the final arrays aside, from slabs that must hold each value of each exactly once.

    What `check` raises keeps chunks in an object store, where they are not aside, as they are.

    Raises
    ------
    StoreError
        A slab does not fit, or the slabs leave gaps.
    """
    if isinstance(aside, ObjectPath):
        _write_slabs(paths, paths.root, list(specs), slabs, check)
        return
    _sweep(paths, aside)
    try:
        aside.mkdir()
        specs = list(specs)
        for spec in specs:
            write_array_document(aside / spec.name, spec_info(spec), spec.attrs)
        _write_slabs(paths, aside, specs, slabs, check)
        files.flush_tree(aside)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)  # most of all on a full disk
        raise


def _sweep(paths: Paths, aside: Path) -> None:
    """Remove the drafts of earlier attempts, but not that of a run which has just taken over."""
    holder = lease.look(paths.lease, lease.FINAL)
    theirs = paths.final(holder.run_id).name if holder else ""
    for name in files.names(paths.scratch):
        ours = name == aside.name or name != theirs
        if name.startswith(FINAL_PREFIX) and ours:
            files.remove(paths.scratch / name)


def _write_slabs(
    paths: Paths,
    where: Place,
    specs: list[ArraySpec],
    slabs: Iterable[Slab],
    check: Callable[[], None],
) -> None:
    """Write the chunks of the final arrays below `where`."""
    infos = {spec.name: spec_info(spec) for spec in specs}
    n_written = dict.fromkeys(infos, 0)

    def write(name: str, region: Region, values: npt.NDArray[Any]) -> None:
        write_region(
            where / name,
            infos[name],
            region,
            values,
            paths.scratch,
            whole_chunks=False,
            flush=False,
            check=check,
        )
        n_written[name] += values.size

    for slab in slabs:
        if unknown := set(slab) - set(infos):
            raise StoreError(f"slab of {min(unknown)}, which is no final array of the layout")
        check()
        files.each(where, lambda entry: write(entry[0], *entry[1]), slab.items())
        fault_point("during-finalise")
    check_covered(infos, n_written)


def check_covered(infos: Mapping[str, ArrayInfo], n_written: Mapping[str, int]) -> None:
    """Raise StoreError unless as many values were written of each array as it has."""
    for name, info in infos.items():
        if n_written[name] != math.prod(info.shape):
            raise StoreError(
                f"the slabs hold {n_written[name]} values of {name}, it has {math.prod(info.shape)}"
            )


def publish(paths: Paths, aside: Place, layout: Layout, check: Callable[[], None]) -> None:
    """Move the final arrays into the dataset, each at once, and list them as the store's.

    Parameters
    ----------
    aside : Place
        Where they are.
    check : callable
        Raises StoreError if another run has taken over, which may have finished meanwhile.
    """
    for spec in layout.direct:
        check_present(paths.array(spec.name), spec_info(spec), None)
    run = load_run(paths)
    run["final"] = structures(layout.final)
    described = document_bytes(group_document(run))
    files.put(document(paths.run), described, paths.scratch, check=check)
    files.flush_directory(paths.run)  # `complete` must not be on the disk without the list
    if isinstance(aside, ObjectPath):
        check()
        files.each(paths.root, lambda spec: _describe(paths, spec, check), layout.final)
        return
    for spec in layout.final:
        check()
        _move(aside / spec.name, local(paths.array(spec.name)), paths.scratch)
        fault_point("during-publish")
    files.flush_directory(paths.root)
    files.remove(aside)


def _describe(paths: Paths, spec: ArraySpec, check: Callable[[], None]) -> None:
    """Make an array of the chunks that are in its place."""
    described = document_bytes(array_document(spec_info(spec), spec.attrs))
    files.put(document(paths.array(spec.name)), described, paths.scratch, check=check)
    fault_point("during-publish")


def _move(source: Path, target: Path, scratch: Place) -> None:
    """Move a directory into the place of what an earlier attempt left there.

    Where the source is gone, because another run took over while this one stood still, what is
    there is that run's, and gets its place back.
    """
    try:
        source.rename(target)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise
        old = local(files.temporary(scratch))
        fault_point("during-move")
        target.rename(old)
        try:
            source.rename(target)
        except OSError:
            with contextlib.suppress(OSError):
                old.rename(target)
            raise
        files.remove(old)


def complete(paths: Paths, attrs: Mapping[str, Any], check: Callable[[], None]) -> dict[str, Any]:
    """Mark the store complete, unless `check` raises, and return its attributes."""
    fault_point("before-complete")
    finished = {**attrs, "complete": True, "finished": provenance.now()}
    write_attributes(paths, finished, check)
    files.flush_directory(paths.root)
    fault_point("after-complete")
    return finished


def remove_packed(paths: Paths, names: Iterable[str], check: Callable[[], None]) -> None:
    """Remove the packed arrays of a complete store; none after `check` has raised."""
    for name in names:
        packed = paths.packed(name)
        if isinstance(packed, ObjectPath):
            files.remove(packed, check)
            fault_point("during-removal")
        elif packed.exists():
            check()
            # At once out of the group, so that nobody sees an array in pieces.
            aside = local(files.temporary(paths.scratch))
            packed.rename(aside)
            fault_point("during-removal")
            files.remove(aside)
