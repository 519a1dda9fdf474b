"""Opening a store for a run: create it, replace it, resume it, find it finished, or refuse."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastalliance.errors import StoreError
from fastalliance.store import creation, creation_objects, files, provenance, resuming, siblings
from fastalliance.store.claims import alone, claim
from fastalliance.store.documents import load_attributes, load_run, write_attributes
from fastalliance.store.files import show
from fastalliance.store.finalising import remove_packed
from fastalliance.store.layout import Coordinate, Layout
from fastalliance.store.lease import Lease, running
from fastalliance.store.ledger import FAN_OUT, Ledger
from fastalliance.store.objects import ObjectPath, Place
from fastalliance.store.paths import Paths
from fastalliance.store.shards import Shard
from fastalliance.store.skeleton import is_begun, is_store

_ATTEMPTS = 10  # to make a store where others want to, too


@dataclass(frozen=True)
class Opened:
    """A store that is ready for a run.

    Attributes
    ----------
    attrs : dict
        Its attributes.
    ledger : Ledger
        What is done.
    lease : Lease or None
        The right to write; None where there is nothing left to write.
    """

    attrs: dict[str, Any]
    ledger: Ledger
    lease: Lease | None


@dataclass(frozen=True)
class Permissions:
    """What the caller allows, see `RunStore.open`."""

    overwrite: bool
    break_lock: bool
    allow_version_change: bool
    resume: bool


def open_for_run(
    path: Place, layout: Layout, allowed: Permissions, shard: Shard | None = None
) -> Opened:
    """Create, replace or resume the store at `path`, for all tiles or a shard's, or refuse it.

    Raises
    ------
    StoreError
        See `RunStore.open`.
    """
    if shard is not None and allowed.overwrite:
        # The second shard would replace what the first has begun.
        raise StoreError(
            f"{show(path)}: --overwrite does not go with --shard; remove the store first, or "
            "replace it by a run without --shard"
        )
    free = _is_free(path)
    if free:
        _refuse_inside(path)
    attrs = _first_attributes(layout)
    lease = None
    if free:
        lease = _create(path, layout, attrs, shard)
    elif allowed.overwrite:
        lease = _replace(path, layout, attrs, break_lock=allowed.break_lock)
    if lease is None:
        return _resume(path, layout, allowed, shard)
    try:
        return Opened(attrs, _ledger(Paths(path), load_run(Paths(path)), lease), lease)
    except BaseException:
        lease.release()
        raise


def _is_free(path: Place) -> bool:
    """Say whether a store can be created here, after putting right what a kill left."""
    if isinstance(path, ObjectPath):
        # asked twice, because what is begun by another changes between two requests
        return creation_objects.is_free(path) or creation_objects.is_free(path)
    siblings.recover(path)
    return siblings.is_free(path)


def _create(
    path: Place, layout: Layout, attrs: dict[str, Any], shard: Shard | None
) -> Lease | None:
    if not isinstance(path, ObjectPath):
        return creation.create(path, layout, attrs, shard)
    lease = None
    for _ in range(_ATTEMPTS):
        lease = creation_objects.create(path, layout, attrs, shard)
        if lease is not None or not is_begun(path):
            break  # else the one that was faster has given up, or is not done yet
    return lease


def _replace(path: Place, layout: Layout, attrs: dict[str, Any], *, break_lock: bool) -> Lease:
    if isinstance(path, ObjectPath):
        return creation_objects.replace(path, layout, attrs, break_lock=break_lock)
    return creation.replace(path, layout, attrs, break_lock=break_lock)


def _refuse_inside(path: Place) -> None:
    """Refuse a place inside another store, which would be damaged by it, and replaced with it."""
    for parent in _above(path):
        if is_store(parent):
            raise StoreError(
                f"{show(path)} lies inside the store {show(parent)}; choose a path outside of it"
            )


def _above(path: Place) -> Iterable[Place]:
    if isinstance(path, Path):
        yield from path.absolute().parents
        return
    while path.key:
        path = path.parent
        yield path


def _resume(path: Place, layout: Layout, allowed: Permissions, shard: Shard | None) -> Opened:
    paths = Paths(path)
    attrs, run = _same_run(paths, layout, allowed)
    if attrs["complete"]:
        return _finished(paths, attrs, run)
    lease = claim(paths, shard, break_lock=allowed.break_lock)
    try:
        # Finished, or replaced by another study, while we waited for the lease?
        attrs, run = _same_run(paths, layout, allowed)
        if attrs["complete"]:
            lease.release()
            return _finished(paths, attrs, run)
        files.sweep(paths.scratch)
        ledger = _ledger(paths, run, lease)
        resuming.check_arrays(paths, layout, ledger.rows)
        if shard is None:
            ledger.merge(above=4 * FAN_OUT)
        else:
            ledger.merge_group()
        attrs = _with_history(paths, attrs, layout, lease)
    except BaseException:
        lease.release()
        raise
    return Opened(attrs, ledger, lease)


def _same_run(
    paths: Paths, layout: Layout, allowed: Permissions
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the attributes of a store and of its run; refuse one that is not this run's."""
    attrs = load_attributes(paths, to_write=True)
    resuming.check_same_study(
        paths, attrs, layout.attrs, allow_version_change=allowed.allow_version_change
    )
    if not allowed.resume:
        raise StoreError(
            f"{show(paths.root)} exists and resuming is off; choose another path, or replace it "
            "with --overwrite"
        )
    run = load_run(paths)
    if not attrs["complete"]:
        resuming.check_same_tiling(paths, run, layout)
    return attrs, run


def _with_history(
    paths: Paths, attrs: dict[str, Any], layout: Layout, lease: Lease
) -> dict[str, Any]:
    """Note this part of the run in the history if it is news, and return the attributes.

    Shards do so one after the other; a store that one of them finishes meanwhile stays as it is.
    """
    shards = Shard.of_lease(lease.name) is not None
    run_id = lease.run_id
    if resuming.extended_history(attrs, layout, run_id, side_by_side=shards) is None:
        return attrs
    lease.start()  # the wait may be long
    with alone(paths, lease) as held:
        attrs = load_attributes(paths)
        history = resuming.extended_history(attrs, layout, run_id, side_by_side=shards)
        if history is not None and not attrs["complete"]:
            attrs["history"] = history
            write_attributes(paths, attrs, check=held.check)
    return attrs


def _finished(paths: Paths, attrs: dict[str, Any], run: dict[str, Any]) -> Opened:
    """Return a finished store, after removing what a kill at the very end left over."""
    if files.orphans(paths.scratch) or any(paths.packed(n).exists() for n in run["packed"]):
        # Where somebody living holds the lease, it is about to do the same.
        with contextlib.suppress(StoreError, OSError), alone(paths) as held:
            _tidy(paths, run, held)
    ledger = _ledger(paths, run, None)
    if len(ledger.rows) != run["n_tiles"]:
        raise StoreError(
            f"{show(paths.root)} is damaged: it is marked complete, but its ledger lists "
            f"{len(ledger.rows)} of {run['n_tiles']} tiles"
        )
    return Opened(attrs, ledger, None)


def _tidy(paths: Paths, run: dict[str, Any], held: Lease) -> None:
    """Remove what a kill left over of a finished store; raise StoreError if it is replaced."""

    def check() -> None:
        held.check()
        same = load_run(paths)["id"] == run["id"] and load_attributes(paths)["complete"]
        if not same or running(paths.lease) is not None:
            raise StoreError(f"{show(paths.root)} is being replaced")

    check()
    files.sweep(paths.scratch)
    remove_packed(paths, run["packed"], check)


def _ledger(paths: Paths, run: Mapping[str, Any], lease: Lease | None) -> Ledger:
    writer = lease.run_id if lease else "reader"
    shard = Shard.of_lease(lease.name) if lease else None
    group = f"{shard.lease}-" if shard else ""
    return Ledger(
        paths.ledger,
        paths.scratch,
        run["n_tiles"],
        writer,
        group,
        store_id=run["id"],
        check=lease.check if lease else None,
    )


def _first_attributes(layout: Layout) -> dict[str, Any]:
    """Return the attributes of a new store: the study's, and where and when it began."""
    attrs = {**provenance.environment(), **layout.attrs, "complete": False}
    attrs.update(_coordinate_names(layout.coordinates))
    attrs["created"] = provenance.now()
    attrs["history"] = [resuming.history_entry(attrs, "first")]
    return attrs


def _coordinate_names(coordinates: Iterable[Coordinate]) -> dict[str, str]:
    """Return the CF attribute by which xarray knows coordinates that are no dimension's."""
    found = [c.name for c in coordinates if c.dims != (c.name,)]
    return {"coordinates": " ".join(found)} if found else {}
