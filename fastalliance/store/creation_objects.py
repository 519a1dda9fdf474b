"""Making a store in an object store, where nothing can be renamed.

Whoever makes it holds the lease ``create`` meanwhile; the document of the root comes last, and
with it the store is there. What is left of an attempt that was killed has no such document and no
row in its ledger, and is removed by the next.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fastalliance.errors import StoreError
from fastalliance.faults import fault_point
from fastalliance.store import files, objects
from fastalliance.store.claims import claim
from fastalliance.store.format import document_bytes, group_document
from fastalliance.store.layout import Layout
from fastalliance.store.lease import CREATE, RUN, Lease, SupersededError
from fastalliance.store.objects import ObjectPath
from fastalliance.store.paths import Paths, document
from fastalliance.store.shards import Shard
from fastalliance.store.skeleton import is_begun, is_store, refusal, write_skeleton


def is_free(path: ObjectPath) -> bool:
    """Say whether a store can be created here: nothing is there, or what an attempt left."""
    return is_begun(path) if path.is_dir() else not path.is_file()


def create(
    path: ObjectPath, layout: Layout, attrs: Mapping[str, Any], shard: Shard | None = None
) -> Lease | None:
    """Create a store at a free place and return the lease on it, held from its first moment.

    The lease is that of the shard, if there is one, and that of all tiles otherwise.

    None if the place is not free any more: another run was faster.

    Raises
    ------
    StoreError
        The object store refuses.
    """
    paths = Paths(path)
    with (
        contextlib.suppress(SupersededError),
        files.os_errors(path, "creating the store"),
        _creating(paths, until=document(path).is_file) as creating,
    ):
        if document(path).is_file():
            return None

        def check() -> None:
            if document(path).is_file():
                raise SupersededError
            creating.check()

        _clear(paths, check)
        name = RUN if shard is None else shard.lease
        held = Lease.acquire(paths.lease, paths.scratch, name, break_lock=True)
        try:
            held.start()
            if _build(paths, layout, attrs, creating):
                return held
        except BaseException:
            held.release()
            raise
        held.release()
    return None


def replace(
    path: ObjectPath, layout: Layout, attrs: Mapping[str, Any], *, break_lock: bool
) -> Lease:
    """Replace a store by a new one; a kill in between leaves none, for the next run to make.

    Raises
    ------
    StoreError
        What is there is no store of fastalliance, is in use, or the object store refuses.
    """
    if not is_store(path):
        raise StoreError(refusal(path))
    paths = Paths(path)
    with files.os_errors(path, "replacing the store"):
        held = claim(paths, break_lock=break_lock)
        try:
            held.start()
            with _creating(paths) as creating:

                def check() -> None:
                    creating.check()
                    held.check()

                fault_point("before-replace")
                document(path).unlink()  # from here on nobody takes the rest for a store
                fault_point("during-replace")
                check()
                files.remove(paths.ledger)
                _clear(paths, check)
                if not _build(paths, layout, attrs, creating):
                    raise StoreError(f"{path} was created by another run meanwhile; run again")
        except BaseException:
            held.release()
            raise
        fault_point("after-replace")
    return held


def _build(paths: Paths, layout: Layout, attrs: Mapping[str, Any], creating: Lease) -> bool:
    """Write all of a new store; False if another run was faster."""
    try:
        write_skeleton(paths, layout)
    except FileExistsError:
        return False
    creating.check()
    fault_point("before-publish")
    return objects.create(_object(document(paths.root)), document_bytes(group_document(attrs)))


@contextlib.contextmanager
def _creating(paths: Paths, until: Callable[[], bool] | None = None) -> Iterator[Lease]:
    """Hold the right to make a store here; waits for whoever holds it, who is soon done.

    Raises `SupersededError` when `until` says that there is no need any more.
    """
    held = Lease.acquire(paths.lease, paths.scratch, CREATE, wait=True, until=until)
    try:
        held.start()
        objects.require_conditional_writes(_object(held.path))
        yield held
    finally:
        held.release()
        held.forget()


def _clear(paths: Paths, check: Callable[[], None]) -> None:
    """Remove all but the leases, and what others who wait for one have there for a moment."""
    leases, probes = _object(paths.lease), _object(paths.scratch / files.TEMPORARY)
    run = _object(document(paths.run))  # last: by it the rest is known for what it is
    objects.remove(_object(paths.root), (f"{leases.key}/", probes.key, run.key), check)
    check()
    run.unlink()


def _object(path: objects.Place) -> ObjectPath:
    assert isinstance(path, ObjectPath)
    return path
