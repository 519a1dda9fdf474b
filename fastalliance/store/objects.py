"""Places in object stores (S3, Google Cloud Storage, Azure), as far as a store needs them.

An object appears whole, is dated by its server, and replaces what was there. There are no
directories, and nothing can be renamed. Where exactly one of several writers may succeed, a
conditional request decides.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from fastalliance.errors import StoreError
from fastalliance.store.object_requests import (
    ConflictError,
    ObjectStoreError,
    ask,
    brief,
    client_of,
    insist_seconds,
)

Result = TypeVar("Result")
_PAUSE = 0.1  # seconds between two looks at what another is about to write
_REPLACEMENTS = 5  # attempts; a second is needed where a reply was lost
_REMOVE_SECONDS = 20.0  # of what was seen to be there; later it may be another's
_TOUCH_SECONDS = 15.0  # it is tried again before long, and must not take as long as a lease lasts


@dataclass(frozen=True)
class ObjectPath:
    """A place in a bucket, with the methods of `pathlib.Path` that a store needs.

    Plain data: the credentials are those of the process that makes a request.

    Attributes
    ----------
    bucket : str
        URL of the bucket, ``s3://name``.
    key : str
        Name of the object or, for what lies below it, of the directory.
    """

    bucket: str
    key: str

    @property
    def scheme(self) -> str:
        """Kind of object store."""
        return self.bucket.partition("://")[0]

    @property
    def name(self) -> str:
        """Last part of the key."""
        return self.key.rpartition("/")[2]

    @property
    def parent(self) -> ObjectPath:
        """The place above."""
        return ObjectPath(self.bucket, self.key.rpartition("/")[0])

    def __truediv__(self, name: str) -> ObjectPath:
        return ObjectPath(self.bucket, f"{self.key}/{name}" if self.key else name)

    def __str__(self) -> str:
        return f"{self.bucket}/{self.key}"

    def with_suffix(self, suffix: str) -> ObjectPath:
        """Return the place with another suffix."""
        stem, dot, _ = self.name.rpartition(".")
        return self.parent / ((stem if dot else self.name) + suffix)

    def read_bytes(self) -> bytes:
        """Return the whole object; FileNotFoundError where there is none."""
        found = read_dated(self, sys.maxsize)
        assert found is not None
        return found[0]

    def exists(self) -> bool:
        """Say whether there is an object here, or any below."""
        return self.is_file() or self.is_dir()

    def is_file(self) -> bool:
        """Say whether there is an object here."""
        try:
            _ask(self, lambda obstore, client: obstore.head(client, self.key))
        except FileNotFoundError:
            return False
        return True

    def is_dir(self) -> bool:
        """Say whether there is any object below."""
        return next(keys(self, chunk=1), None) is not None

    def is_symlink(self) -> bool:
        """Say no."""
        return False

    def mkdir(self, *, parents: bool = False, exist_ok: bool = False) -> None:
        """Do nothing: a directory is there once something is in it."""

    def unlink(self, *, missing_ok: bool = False) -> None:
        """Remove the object, if there is one."""
        del missing_ok  # S3 does not tell
        with contextlib.suppress(FileNotFoundError):
            _ask(self, lambda obstore, client: obstore.delete(client, self.key))


Place = Path | ObjectPath


def local(place: Place) -> Path:
    """Return a place that is on a file system."""
    if isinstance(place, ObjectPath):
        raise TypeError(f"{place} is in an object store")
    return place


def put(path: ObjectPath, data: bytes) -> None:
    """Write an object, in the place of one that is there."""

    def send(obstore: ModuleType, client: Any) -> None:
        obstore.put(client, path.key, data, use_multipart=False)

    ask(path.bucket, send, n_bytes=len(data))


def create(path: ObjectPath, data: bytes) -> bool:
    """Write an object; return False, and do nothing, if there is one with other content.

    Where the reply to a request is lost and the repeated request finds an object with the same
    content, that is ours: contents must tell writers apart.
    """

    def send(obstore: ModuleType, client: Any) -> None:
        obstore.put(client, path.key, data, mode="create")

    started = time.monotonic()
    while True:
        try:
            ask(path.bucket, send, n_bytes=len(data), conditional=True)
        except ConflictError:
            pass
        else:
            return True
        with contextlib.suppress(FileNotFoundError):
            return path.read_bytes() == data
        # Somebody was about to write it, or has removed it since.
        if time.monotonic() - started > insist_seconds():
            raise ObjectStoreError("an object cannot be created", "run the same command again")
        time.sleep(_PAUSE)


def write(path: ObjectPath, data: bytes, check: Callable[[], None] | None = None) -> None:
    """Write an object that an earlier attempt may have left, so that no late request undoes it.

    `check` raises where what is there is not this writer's to replace.
    """
    if not create(path, data):
        replace(path, data, check)


def replace(path: ObjectPath, data: bytes, check: Callable[[], None] | None = None) -> None:
    """Write an object in the place of one that is there, so that no late request undoes it.

    A put that timed out may still be carried out. This one then finds that the object has changed.
    What `check` raises keeps it from being written; what is changed after `check` stays.
    """

    def send(obstore: ModuleType, client: Any) -> None:
        found = obstore.head(client, path.key)
        if check is not None:
            check()
        obstore.put(client, path.key, data, mode=_tags(found))

    for _ in range(_REPLACEMENTS):
        with contextlib.suppress(ConflictError):
            return ask(path.bucket, send, n_bytes=len(data), conditional=True)
        if path.read_bytes() == data:  # the reply was lost
            return None
    raise ObjectStoreError("somebody else changes the same object", "see who writes there")


def touch(path: ObjectPath) -> None:
    """Date an object anew, unless it is removed or changed meanwhile."""

    def renew(obstore: ModuleType, client: Any) -> None:
        found = obstore.get(client, path.key)
        obstore.put(client, path.key, bytes(found.bytes()), mode=_tags(found.meta))

    with contextlib.suppress(ConflictError), brief(_TOUCH_SECONDS):
        ask(path.bucket, renew, conditional=True)


def read_dated(path: ObjectPath, limit: int) -> tuple[bytes, int] | None:
    """Return an object and when it was written, in nanoseconds of the server's clock.

    None of an object of more than `limit` bytes; FileNotFoundError where there is none.
    """

    def read(obstore: ModuleType, client: Any) -> tuple[bytes, int] | None:
        found = obstore.get(client, path.key)
        size = found.meta["size"]
        if size > limit:
            return None
        data = bytes(found.bytes())
        if len(data) != size:
            raise ConnectionError("the answer was cut short")
        return data, int(found.meta["last_modified"].timestamp() * 1e9)

    return _ask(path, read)


def keys(path: ObjectPath, chunk: int = 1000) -> Iterator[tuple[str, int]]:
    """Yield key and bytes of each object below a place."""

    def listed(obstore: ModuleType, client: Any) -> list[Any]:
        stream = obstore.list(client, prefix=f"{path.key}/", chunk_size=chunk)
        return next(iter(stream), []) if chunk == 1 else [e for part in stream for e in part]

    for entry in _ask(path, listed):
        yield entry["path"], entry["size"]


def names(path: ObjectPath) -> list[str]:
    """Return the sorted names in a directory; none where it does not exist."""
    found = _ask(path, lambda o, client: o.list_with_delimiter(client, prefix=f"{path.key}/"))
    listed = [*found["common_prefixes"], *(entry["path"] for entry in found["objects"])]
    return sorted({key.rstrip("/").rpartition("/")[2] for key in listed})


def remove(
    path: ObjectPath, spared: tuple[str, ...] = (), check: Callable[[], None] | None = None
) -> None:
    """Remove an object and all below it, the metadata of arrays and groups first.

    So no reader takes for an array, or a group, what is there in part. Keys that start with
    one of `spared`, and an object at the place itself then, stay. `check` is asked after listing,
    and before each of the two parts is removed; it raises if that is not to be done any more.
    """
    found = [key for key, _ in keys(path) if not key.startswith(spared)]
    documents = sorted((key for key in found if key.endswith("/zarr.json")), key=len)
    itself = [] if spared else [path.key]
    for part in (itself + documents, sorted(set(found) - set(documents))):
        if part and check is not None:
            check()
        if part:
            _remove_all(path, part)


def modified(path: ObjectPath) -> float:
    """Return when an object was written, in seconds of the server's clock."""
    found = _ask(path, lambda obstore, client: obstore.head(client, path.key))
    return float(found["last_modified"].timestamp())


def server_time(probe: ObjectPath) -> int:
    """Return the time in nanoseconds by the server's clock; `probe` is a name that is free."""
    put(probe, b"")
    try:
        return int(modified(probe) * 1e9)
    finally:
        probe.unlink()


def require_conditional_writes(path: ObjectPath) -> None:
    """Raise StoreError if the server lets a second writer replace an object that it may not.

    `path` is an object that is there.
    """
    if create(path, f"not {time.time_ns()}".encode()):
        raise StoreError(
            f"{path}: this object store ignores conditional writes (If-None-Match), so nothing "
            "would keep two runs apart; choose another store"
        )


def client_for(path: ObjectPath) -> Any:
    """Return an obstore client whose keys are relative to `path`, for zarr."""
    return client_of(path.bucket, path.key)


def _tags(meta: Mapping[str, Any]) -> Any:
    """Return what tells this state of an object from others."""
    return {name: meta[name] for name in ("e_tag", "version") if meta[name]}


def _remove_all(path: ObjectPath, found: list[str]) -> None:
    try:
        with brief(_REMOVE_SECONDS):
            _ask(path, lambda obstore, client: obstore.delete(client, found))
    except FileNotFoundError:  # one of them, on Azure: another was faster
        for key in found:
            ObjectPath(path.bucket, key).unlink()


def _ask(path: ObjectPath, request: Callable[[ModuleType, Any], Result]) -> Result:
    return ask(path.bucket, request)
