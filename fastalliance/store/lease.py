"""One owner at a time: leases on a store, refreshed while their owners live.

A lease is a file ``run-000003.held`` that names its owner; its number, the generation, only ever
grows. Taking over generation n means creating generation n + 1, which the file system allows to
one process only; releasing means renaming ``.held`` to ``.released``, which needs no disk space.
The owner touches its file every ten seconds. No locks of the operating system are involved.

Leases of different names do not know of each other: ``run`` is that of a run of all tiles,
``shard-2-of-8`` that of a shard, ``final`` that of who changes what is common to shards, and
``create`` that of who makes a store in an object store. Which exclude each other is for `claims`
to see to.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fastalliance.errors import StoreError
from fastalliance.store import files, process
from fastalliance.store.object_requests import brief
from fastalliance.store.objects import Place
from fastalliance.store.shards import Shard

RUN = "run"
FINAL = "final"
CREATE = "create"
REFRESH_EVERY = 10.0
STALE_AFTER = 60.0
POLL_EVERY = 0.5
_RELEASE_SECONDS = 5.0  # that a server is asked which fails; a dead owner's lease is taken anyway
_given_up: set[tuple[str, str]] = set()  # leases, and runs, of this process

_FILE = re.compile(
    r"(run|final|create|shard-\d{1,6}-of-\d{1,6})-(\d{6,18})\.(held|released)", re.ASCII
)


class SupersededError(Exception):
    """What a lease was wanted for has been done by another meanwhile."""


@dataclass(frozen=True)
class Owner:
    """Who holds a lease.

    Attributes
    ----------
    host, pid, started : str, int, str
        Host name, process number, and when the run started (UTC).
    token : str
        Identifies the process, see `process`.
    run_id : str
        Identifies the run.
    generation : int
        Number of the lease.
    refreshed : int
        When it was refreshed last, in nanoseconds of the file server's clock.
    age : float
        Seconds since then, by the same clock.
    name : str
        Name of the lease.
    """

    host: str
    pid: int
    started: str
    token: str
    run_id: str
    generation: int
    refreshed: int
    age: float
    name: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, started {self.started}"

    @property
    def state(self) -> process.State:
        """Whether that process lives; unknown on another host.

        A run of this process that has given up, but could not release its lease, counts as dead.
        """
        if (self.name, self.run_id) in _given_up and self.token == process.token():
            return process.State.DEAD
        return process.state_of(self.token)


def look(directory: Place, name: str = RUN, now: int | None = None) -> Owner | None:
    """Return who holds a lease in `directory`, or None; whether it lives is not asked.

    The age is that at `now`, in nanoseconds; by default, by this host's clock.
    """
    return _look(directory, name, now or time.time_ns())[1]


def held_names(directory: Place) -> list[str]:
    """Return the names of the leases in `directory` that somebody holds, alive or not."""
    found: dict[str, list[tuple[int, str]]] = {}
    for name, generation, suffix in _all_generations(directory):
        found.setdefault(name, []).append((generation, suffix))
    return [name for name, generations in found.items() if _newest(generations)[1]]


def running(directory: Place, name: str = RUN) -> Owner | None:
    """Return who holds a lease, unless that process is dead, or silent and out of sight."""
    owner = look(directory, name)
    if owner is None or owner.state is process.State.ALIVE:
        return owner
    silent = owner.state is process.State.DEAD or owner.age >= STALE_AFTER
    return None if silent else owner


class Lease:
    """The right to write to a store, or to a part of it; lost when another run takes it over.

    Use `acquire`; `start` begins the refreshing, `release` ends it.
    """

    def __init__(self, directory: Place, generation: int, run_id: str, name: str = RUN) -> None:
        self.directory = directory
        self.generation = generation
        self.run_id = run_id
        self.name = name
        self._pid = os.getpid()
        self._stop = threading.Event()
        self._started = False

    @classmethod
    def acquire(
        cls,
        directory: Place,
        scratch: Place,
        name: str = RUN,
        *,
        break_lock: bool = False,
        wait: bool = False,
        run_id: str | None = None,
        until: Callable[[], bool] | None = None,
    ) -> Lease:
        """Take a lease in `directory`, from a dead or silent owner if need be.

        An owner on this host is asked for by its process number and start. One on another host
        is given up after 60 seconds without a refresh; until then this call waits, and it is
        refused as soon as it sees a refresh. With ``wait=True`` it waits for living owners, too,
        while they refresh their lease, or until `until` says that this is of no use any more.

        Raises
        ------
        StoreError
            Another run holds the lease.
        SupersededError
            `until` said so.
        """
        run_id = run_id or uuid.uuid4().hex[:8]
        watch = Watch()
        while True:
            # The generation that was judged, not the latest by then: that may be another run's.
            generation, owner = _look(directory, name, files.server_time(scratch))
            gone = owner is None or watch.finds_gone(owner) or (wait and watch.finds_silent(owner))
            if gone or break_lock:
                if _create(directory, scratch, name, generation + 1, run_id):
                    return cls(directory, generation + 1, run_id, name)
                break_lock = False  # somebody else was faster: that run is not to be broken
                continue
            if owner is not None and not wait and watch.finds_alive(owner):
                raise StoreError(refusal(directory, name, owner))
            time.sleep(POLL_EVERY)
            if until is not None and until():
                raise SupersededError

    @property
    def path(self) -> Place:
        """The file of the lease."""
        return self.directory / _file(self.name, self.generation)

    def start(self) -> None:
        """Begin to refresh the lease in a daemon thread; harmless when repeated."""
        if self._started:
            return
        self._started = True
        threading.Thread(
            target=_keep_fresh,
            args=(self.directory, self.generation, self.run_id, self.name, self._stop),
            name="fastalliance-lease",
            daemon=True,
        ).start()

    def check(self) -> None:
        """Raise StoreError if another run has taken the lease over."""
        check_held(self.directory, self.generation, self.run_id, self.name)

    def release(self) -> None:
        """Stop refreshing and let the next run in; harmless when repeated or when lost."""
        if self._stop.is_set() or os.getpid() != self._pid:
            return  # a forked child that ends must not release its parent's lease
        self._stop.set()
        _given_up.add((self.name, self.run_id))
        held = self.path
        with contextlib.suppress(OSError), brief(_RELEASE_SECONDS):
            if is_held(self.directory, self.generation, self.run_id, self.name):
                files.rename(held, held.with_suffix(".released"))

    def forget(self) -> None:
        """Remove what is left of the released lease."""
        released = self.directory / _file(self.name, self.generation, "released")
        with contextlib.suppress(OSError), brief(_RELEASE_SECONDS):
            released.unlink(missing_ok=True)


def revoke(directory: Place, scratch: Place, owner: Owner, name: str) -> None:
    """Make sure that `owner` has lost its lease, which nobody holds then."""
    run_id = uuid.uuid4().hex[:8]
    if _create(directory, scratch, name, owner.generation + 1, run_id):
        Lease(directory, owner.generation + 1, run_id, name).release()


def forget_shards(directory: Place) -> None:
    """Remove the released leases of shards, which nobody takes any more: the run is complete."""
    for name, generation, suffix in _all_generations(directory):
        if suffix == "released" and (name == CREATE or Shard.of_lease(name) is not None):
            (directory / _file(name, generation, suffix)).unlink(missing_ok=True)


class Watch:
    """What one waiting run has seen of the lease that it waits for."""

    def __init__(self) -> None:
        self._seen: tuple[int, int] | None = None
        self._since = time.monotonic()
        self._refreshed = False

    def finds_gone(self, owner: Owner) -> bool:
        """Say whether the owner is dead, or silent for so long that it counts as dead."""
        seen = (owner.generation, owner.refreshed)
        self._refreshed = self._seen not in (None, seen)
        if self._seen != seen:
            self._seen, self._since = seen, time.monotonic()
        if owner.state is not process.State.UNKNOWN:
            return owner.state is process.State.DEAD
        return self.finds_silent(owner)

    def finds_silent(self, owner: Owner) -> bool:
        """Say whether the owner, as it was shown to `finds_gone`, has not refreshed for long."""
        # Two clocks, because the server's may jump: its own, and this process's.
        return max(owner.age, time.monotonic() - self._since) >= STALE_AFTER

    def finds_alive(self, owner: Owner) -> bool:
        """Say whether the owner is known to live: it runs on this host, or was seen to refresh."""
        return owner.state is process.State.ALIVE or self._refreshed


def is_held(directory: Place, generation: int, run_id: str, name: str = RUN) -> bool:
    """Say whether a run's lease is still the one that counts.

    The run is compared as well, for the case that the whole store was replaced.
    """
    if _latest(directory, name) != (generation, True):
        return False
    try:
        return _read(directory, name, generation, 0).run_id == run_id
    except FileNotFoundError:
        return False


def check_held(directory: Place, generation: int, run_id: str, name: str = RUN) -> None:
    """Raise StoreError unless a run's lease is still the one that counts."""
    if is_held(directory, generation, run_id, name):
        return
    store = files.show(directory.parent.parent)
    if not directory.is_dir():
        raise StoreError(
            f"{store} has vanished while the run was writing to it, or {socket.gethostname()} does "
            "not see it: a store must lie where all workers and shards see it"
        )
    owner = look(directory, name)
    by = f" by {owner}" if owner else ""
    shard = Shard.of_lease(name)
    what = "this store" if shard is None else f"shard {shard} of this store"
    raise StoreError(
        f"{store}: another run has taken {what} over{by}; this run stops here, what it "
        "recorded is kept"
    )


def refusal(directory: Place, name: str, owner: Owner) -> str:
    """Say to who wants a lease that it is held, by whom, and what can be done."""
    store, shard = files.show(directory.parent.parent), Shard.of_lease(name)
    what = store if shard is None else f"shard {shard} of {store}"
    return (
        f"{what} is in use by {owner} (refreshed {owner.age:.0f} s ago); wait for it, stop it, or "
        "take over with --break-lock"
    )


def _keep_fresh(
    directory: Place, generation: int, run_id: str, name: str, stop: threading.Event
) -> None:
    while not stop.wait(REFRESH_EVERY):
        try:
            if is_held(directory, generation, run_id, name):
                files.touch(directory / _file(name, generation))
            elif _latest(directory, name)[0]:
                return  # another's; the next write says so
        except OSError:
            pass
        # A file server, or a store, that is not there now may be so in ten seconds.


def _create(directory: Place, scratch: Place, name: str, generation: int, run_id: str) -> bool:
    """Create a generation; False when another run was faster."""
    path = directory / _file(name, generation)
    content = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "token": process.token(),
        "run_id": run_id,
    }
    if not files.create_exclusively(path, json.dumps(content).encode(), scratch):
        return False
    others = [g for g, _ in _generations(directory, name) if g >= generation]
    if others != [generation]:
        # We looked long ago: the generation that we took over was taken, and released, before.
        path.unlink(missing_ok=True)
        return False
    for old, suffix in _generations(directory, name):
        if old < generation:
            (directory / _file(name, old, suffix)).unlink(missing_ok=True)
    return True


def _look(directory: Place, name: str, now: int) -> tuple[int, Owner | None]:
    """Return the highest generation of a lease and who holds it, if anybody."""
    while True:
        generation, held = _latest(directory, name)
        if not held:
            return generation, None
        with contextlib.suppress(FileNotFoundError):  # released meanwhile: look again
            return generation, _read(directory, name, generation, now)


def _latest(directory: Place, name: str) -> tuple[int, bool]:
    """Return the highest generation and whether it is held; (0, False) where there is none."""
    return _newest(_generations(directory, name))


def _newest(generations: list[tuple[int, str]]) -> tuple[int, bool]:
    generation, suffix = max(generations, default=(0, "released"))
    # Of one number both may exist for a moment, see `_create`; "held" then counts.
    return generation, suffix == "held" or (generation, "held") in generations


def _generations(directory: Place, name: str) -> list[tuple[int, str]]:
    """Return generation and suffix of each file of a lease."""
    # By the start first: among the leases of 1,000 shards that is 20 times as fast.
    listed = [file for file in files.names(directory) if file.startswith(f"{name}-")]
    return [(int(match[2]), match[3]) for match in _matches(listed) if match[1] == name]


def _all_generations(directory: Place) -> list[tuple[str, int, str]]:
    return [(m[1], int(m[2]), m[3]) for m in _matches(files.names(directory))]


def _matches(listed: list[str]) -> Iterator[re.Match[str]]:
    return (match for match in map(_FILE.fullmatch, listed) if match)


def _file(name: str, generation: int, suffix: str = "held") -> str:
    return f"{name}-{generation:06d}.{suffix}"


def _read(directory: Place, name: str, generation: int, now: int) -> Owner:
    """Read a lease; one that is damaged belongs to somebody unknown."""
    data, refreshed = files.read_dated(directory / _file(name, generation), 65536, "a lease")
    try:
        content = json.loads(data)
        fields = [str(content[key]) for key in ("host", "started", "token", "run_id")]
        pid = int(content["pid"])
    except (ValueError, KeyError, TypeError):
        fields, pid = ["an unknown host", "at an unknown time", "", ""], 0
    host, started, token, run_id = fields
    age = max(0.0, (now - refreshed) / 1e9)
    return Owner(host, pid, started, token, run_id, generation, refreshed, age, name)
