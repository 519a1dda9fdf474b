"""Making a store: whole or not at all, and never in the place of anything else."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastalliance.errors import StoreError
from fastalliance.faults import fault_point
from fastalliance.store import files, siblings
from fastalliance.store.claims import claim
from fastalliance.store.files import show
from fastalliance.store.format import document_bytes, group_document
from fastalliance.store.layout import Layout
from fastalliance.store.lease import RUN, Lease
from fastalliance.store.paths import Paths, document
from fastalliance.store.shards import Shard
from fastalliance.store.skeleton import is_store, refusal, write_skeleton


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
    new = [parent for parent in path.parents if not parent.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for made in new:
            files.flush_directory(made.parent)
    except FileNotFoundError:  # as in /proc, where nothing has vanished
        raise StoreError(
            f"{show(path)} cannot be created: no directory can be made in "
            f"{show(files.nearest_existing(path))}; choose another path"
        ) from None


def _build(root: Path, layout: Layout, attrs: Mapping[str, Any], lease_name: str) -> Lease:
    paths = Paths(root)
    root.mkdir()
    write_skeleton(paths, layout)
    files.write_new(document(root), document_bytes(group_document(attrs)), flush=False)
    files.flush_tree(root)
    return Lease.acquire(paths.lease, paths.scratch, lease_name)
