"""Who may write to a store: one run of all tiles, or shards of one count, one run each.

A run first announces itself by taking its own lease, and then looks for leases that exclude it.
Of two that start together each sees the other, and both step back for a random moment; so no
order of events lets both in. A lease in the way that is dead or silent is revoked, not passed
over: a process that was only stopped finds out before its next write.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections import defaultdict
from collections.abc import Iterator

from fastalliance.errors import StoreError
from fastalliance.store import files, lease
from fastalliance.store.lease import FINAL, RUN, Lease, Owner, Watch
from fastalliance.store.paths import Paths
from fastalliance.store.shards import Shard

# Whoever announces itself steps back within milliseconds if it must; who stays longer stays.
SETTLED_AFTER = 0.5
STEP_BACK = 0.25


def claim(paths: Paths, shard: Shard | None = None, *, break_lock: bool = False) -> Lease:
    """Take the lease of a run of all tiles, or of a shard; the one excludes the other.

    Parameters
    ----------
    paths : Paths
        The store.
    shard : Shard, optional
        The shard; by default, all tiles.
    break_lock : bool
        Take this lease, and those that exclude it, from runs that still hold them.

    Raises
    ------
    StoreError
        Another run, or shards of another count, hold leases that exclude this one.
    """
    name = RUN if shard is None else shard.lease
    while True:
        beaten = _clear_the_way(paths, shard, break_lock=break_lock)
        before = lease.look(paths.lease, name)
        held = Lease.acquire(paths.lease, paths.scratch, name, break_lock=break_lock)
        if not _in_the_way(paths, shard):
            _revoke_final(paths, beaten | {before.run_id if before else ""})
            return held
        held.release()
        break_lock = False  # whoever came meanwhile is not to be broken
        time.sleep(random.uniform(0.0, STEP_BACK))


@contextlib.contextmanager
def alone(paths: Paths, claimed: Lease | None = None) -> Iterator[Lease]:
    """Hold the lease on what all shards share: the attributes and the finished dataset.

    With a claim, waits for whoever holds it; without one, as for tidying up, is refused.

    Raises
    ------
    StoreError
        Without a claim: somebody living holds it.
    """
    run_id = claimed.run_id if claimed else None
    waits = claimed is not None
    held = Lease.acquire(paths.lease, paths.scratch, FINAL, wait=waits, run_id=run_id)
    held.start()
    try:
        yield held
    finally:
        held.release()


def _in_the_way(paths: Paths, shard: Shard | None) -> list[str]:
    """Return the names of held leases that exclude a run of all tiles, or a shard."""
    names = lease.held_names(paths.lease)
    if shard is None:
        return [name for name in names if name != RUN]
    others = [(name, Shard.of_lease(name)) for name in names]
    return [n for n, s in others if n == RUN or (s is not None and s.count != shard.count)]


def _clear_the_way(paths: Paths, shard: Shard | None, *, break_lock: bool) -> set[str]:
    """Wait until no lease excludes us, revoke those of the dead, and return whose they were."""
    watches: defaultdict[str, Watch] = defaultdict(Watch)
    first_seen: dict[tuple[str, int, str], float] = {}
    beaten: set[str] = set()
    while True:
        pause = 0.0
        names = _in_the_way(paths, shard)
        now = files.server_time(paths.scratch) if names else 0
        for name in names:
            owner = lease.look(paths.lease, name, now)
            if owner is None:
                continue
            if break_lock or watches[name].finds_gone(owner):
                lease.revoke(paths.lease, paths.scratch, owner, name)
                beaten.add(owner.run_id)
                continue
            pause = max(pause, SETTLED_AFTER)
            since = first_seen.setdefault((name, owner.generation, owner.run_id), time.monotonic())
            settled = time.monotonic() - since >= SETTLED_AFTER
            if settled and watches[name].finds_alive(owner):
                raise StoreError(_refusal(paths, name, owner, shard))
        if not pause:
            return beaten
        time.sleep(pause)


def _revoke_final(paths: Paths, run_ids: set[str]) -> None:
    """Take what all shards share from runs that have just lost their claim."""
    owner = lease.look(paths.lease, FINAL)
    if owner is not None and owner.run_id in run_ids:
        lease.revoke(paths.lease, paths.scratch, owner, FINAL)


def _refusal(paths: Paths, name: str, owner: Owner, wanted: Shard | None) -> str:
    other = Shard.of_lease(name)
    if other is None:
        return lease.refusal(paths.lease, name, owner)
    instead = f"run it with --shard I/{other.count}, " if wanted is not None else ""
    return (
        f"{files.show(paths.root)} is being computed as shards of {other.count}: {other} by "
        f"{owner} (refreshed {owner.age:.0f} s ago); {instead}wait for them, stop them, or take "
        "over with --break-lock"
    )
