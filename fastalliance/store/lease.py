"""One run at a time: a lease on a store, refreshed while its owner lives.

A lease is a file ``run-000003.held`` that names its owner; its number, the generation, only ever
grows. Taking over generation n means creating generation n + 1, which the file system allows to
one process only; releasing means renaming ``.held`` to ``.released``, which needs no disk space.
The owner touches its file every ten seconds. No locks of the operating system are involved.
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
from dataclasses import dataclass
from pathlib import Path

from fastalliance.errors import StoreError
from fastalliance.store import files, process

REFRESH_EVERY = 10.0
STALE_AFTER = 60.0
POLL_EVERY = 0.5

_FILE = re.compile(r"run-(\d{6,})\.(held|released)")


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
    """

    host: str
    pid: int
    started: str
    token: str
    run_id: str
    generation: int
    refreshed: int
    age: float

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, started {self.started}"

    @property
    def state(self) -> process.State:
        """Whether that process lives; unknown on another host."""
        return process.state_of(self.token)


def holder(directory: Path, now: int | None = None) -> Owner | None:
    """Return who holds the lease in `directory`, or None; whether it lives is not asked.

    The age is that at `now`, in nanoseconds; by default, by this host's clock.
    """
    return _look(directory, now or time.time_ns())[1]


def running(directory: Path) -> Owner | None:
    """Return who holds the lease, unless that process is dead, or silent and out of sight."""
    owner = holder(directory)
    if owner is None or owner.state is process.State.ALIVE:
        return owner
    silent = owner.state is process.State.DEAD or owner.age >= STALE_AFTER
    return None if silent else owner


class Lease:
    """The right to write to a store; lost when another run takes it over.

    Use `acquire`; `start` begins the refreshing, `release` ends it.
    """

    def __init__(self, directory: Path, generation: int, run_id: str) -> None:
        self.directory = directory
        self.generation = generation
        self.run_id = run_id
        self._pid = os.getpid()
        self._stop = threading.Event()

    @classmethod
    def acquire(cls, directory: Path, scratch: Path, *, break_lock: bool = False) -> Lease:
        """Take the lease in `directory`, from a dead or silent owner if need be.

        An owner on this host is asked for by its process number and start. One on another host
        is given up after 60 seconds without a refresh; until then this call waits, and it is
        refused as soon as it sees a refresh.

        Raises
        ------
        StoreError
            Another run holds the lease.
        """
        run_id = uuid.uuid4().hex[:8]
        watch = _Watch()
        while True:
            # The generation that was judged, not the latest by then: that may be another run's.
            generation, owner = _look(directory, files.server_time(scratch))
            if owner is None or break_lock or watch.finds_gone(owner):
                if _create(directory, scratch, generation + 1, run_id):
                    return cls(directory, generation + 1, run_id)
                break_lock = False  # somebody else was faster: that run is not to be broken
                continue
            if watch.finds_alive(owner):
                raise StoreError(_refusal(directory, owner))
            time.sleep(POLL_EVERY)

    def start(self) -> None:
        """Begin to refresh the lease in a daemon thread."""
        threading.Thread(
            target=_keep_fresh,
            args=(self.directory, self.generation, self.run_id, self._stop),
            name="fastalliance-lease",
            daemon=True,
        ).start()

    def check(self) -> None:
        """Raise StoreError if another run has taken the lease over."""
        check_held(self.directory, self.generation, self.run_id)

    def release(self) -> None:
        """Stop refreshing and let the next run in; harmless when repeated or when lost."""
        if self._stop.is_set() or os.getpid() != self._pid:
            return  # a forked child that ends must not release its parent's lease
        self._stop.set()
        held = self.directory / _name(self.generation)
        with contextlib.suppress(OSError):
            if is_held(self.directory, self.generation, self.run_id):
                held.rename(held.with_suffix(".released"))


class _Watch:
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
        # Two clocks, because the server's may jump: its own, and this process's.
        return max(owner.age, time.monotonic() - self._since) >= STALE_AFTER

    def finds_alive(self, owner: Owner) -> bool:
        """Say whether the owner is known to live: it runs on this host, or was seen to refresh."""
        return owner.state is process.State.ALIVE or self._refreshed


def is_held(directory: Path, generation: int, run_id: str) -> bool:
    """Say whether a run's lease is still the one that counts.

    The run is compared as well, for the case that the whole store was replaced.
    """
    if _latest(directory) != (generation, True):
        return False
    try:
        return _read(directory / _name(generation), generation, 0).run_id == run_id
    except FileNotFoundError:
        return False


def check_held(directory: Path, generation: int, run_id: str) -> None:
    """Raise StoreError unless a run's lease is still the one that counts."""
    if is_held(directory, generation, run_id):
        return
    store = files.show(directory.parent.parent)
    if not directory.is_dir():
        raise StoreError(f"{store} has vanished while the run was writing to it")
    owner = holder(directory)
    by = f" by {owner}" if owner else ""
    raise StoreError(
        f"{store}: another run has taken this store over{by}; this run stops here, what it "
        "recorded is kept"
    )


def _keep_fresh(directory: Path, generation: int, run_id: str, stop: threading.Event) -> None:
    while not stop.wait(REFRESH_EVERY):
        try:
            if not is_held(directory, generation, run_id):
                return  # lost, or the store has vanished: the next write says so
            os.utime(directory / _name(generation))
        except OSError:
            continue  # a file server that does not answer now may do so in ten seconds


def _create(directory: Path, scratch: Path, generation: int, run_id: str) -> bool:
    """Create a generation; False when another run was faster."""
    path = directory / _name(generation)
    content = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "token": process.token(),
        "run_id": run_id,
    }
    if not files.create_exclusively(path, json.dumps(content).encode(), scratch):
        return False
    others = [g for g, _ in _generations(directory) if g >= generation]
    if others != [generation]:
        # We looked long ago: the generation that we took over was taken, and released, before.
        path.unlink(missing_ok=True)
        return False
    for old, suffix in _generations(directory):
        if old < generation:
            (directory / _name(old, suffix)).unlink(missing_ok=True)
    return True


def _refusal(directory: Path, owner: Owner) -> str:
    return (
        f"{files.show(directory.parent.parent)} is in use by {owner} (refreshed {owner.age:.0f} s "
        "ago); wait for it, stop it, or take over with --break-lock"
    )


def _look(directory: Path, now: int) -> tuple[int, Owner | None]:
    """Return the highest generation and who holds it, if anybody."""
    while True:
        generation, held = _latest(directory)
        if not held:
            return generation, None
        with contextlib.suppress(FileNotFoundError):  # released meanwhile: look again
            return generation, _read(directory / _name(generation), generation, now)


def _latest(directory: Path) -> tuple[int, bool]:
    """Return the highest generation and whether it is held; (0, False) where there is none."""
    generation, suffix = max(_generations(directory), default=(0, "released"))
    # Of one number both may exist for a moment, see `_create`; "held" then counts.
    held = suffix == "held" or (generation, "held") in _generations(directory)
    return generation, held


def _generations(directory: Path) -> list[tuple[int, str]]:
    matches = map(_FILE.fullmatch, files.names(directory))
    return [(int(match[1]), match[2]) for match in matches if match]


def _name(generation: int, suffix: str = "held") -> str:
    return f"run-{generation:06d}.{suffix}"


def _read(path: Path, generation: int, now: int) -> Owner:
    """Read a lease; one that is damaged belongs to somebody unknown."""
    with path.open("rb") as file:  # opening makes network file systems ask for the fresh time
        refreshed = os.fstat(file.fileno()).st_mtime_ns
        data = file.read(65536)
    try:
        content = json.loads(data)
        fields = [str(content[key]) for key in ("host", "started", "token", "run_id")]
        pid = int(content["pid"])
    except (ValueError, KeyError, TypeError):
        fields, pid = ["an unknown host", "at an unknown time", "", ""], 0
    host, started, token, run_id = fields
    age = max(0.0, (now - refreshed) / 1e9)
    return Owner(host, pid, started, token, run_id, generation, refreshed, age)
