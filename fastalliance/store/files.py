"""Files that appear whole or not at all, and operating-system errors in one line with a remedy.

A place is a path, or one in an object store (`objects`), where much of this comes for free: an
object appears whole, and is kept once the request is answered.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import TypeVar

from fastalliance.errors import StoreError
from fastalliance.store import objects, process
from fastalliance.store.object_requests import ObjectStoreError
from fastalliance.store.objects import ObjectPath, Place

# Something temporary of a process that cannot be asked whether it lives is kept this long.
ORPHAN_AGE = 3600.0
TEMPORARY = "part-"  # how the names of temporary files begin
FLUSH_THREADS = 8
REQUESTS = 16  # at once, to an object store

Item = TypeVar("Item")
Result = TypeVar("Result")

_REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space, then run the same command again",
    errno.EDQUOT: "the disk quota is used up: free some space, then run the same command again",
    errno.EROFS: "the file system is read-only: choose a store on a writable one",
    errno.EACCES: "permission denied: choose another path, or change its permissions",
    errno.EPERM: "not permitted: choose another path, or change its permissions and attributes",
    errno.ENOENT: "it has vanished: restore it, or choose another path",
    errno.ESTALE: "it has vanished from its file server: restore it, or choose another path",
    errno.ENOTDIR: "a part of the path is a file: choose another path",
    errno.ENAMETOOLONG: "the path is too long: choose a shorter one",
    errno.EEXIST: "it exists already: choose another path, or remove it",
    errno.ENOTEMPTY: "it exists already: choose another path, or remove it",
    errno.EBUSY: "it is a mount point or in use: choose a path below it",
    errno.EIO: "the disk reports an error: check it, then run the same command again",
}
_number = itertools.count()


def show(path: Place | str) -> str:
    """Return a path for a message, without control characters."""
    text = str(path)
    return text if text.isprintable() else repr(text)


@contextlib.contextmanager
def os_errors(path: Place, action: str) -> Iterator[None]:
    """Turn an OSError into a StoreError that names the path, what was done, and a remedy."""
    try:
        yield
    except ObjectStoreError as error:
        raise StoreError(
            f"{show(path)}: {action} failed: {error.strerror}; {error.remedy}"
        ) from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        remedy = _REMEDIES.get(
            error.errno or 0, "see to the cause, then run the same command again"
        )
        raise StoreError(f"{show(path)}: {action} failed: {reason}; {remedy}") from error


def put(
    path: Place,
    data: bytes,
    scratch: Place,
    *,
    flush: bool = True,
    check: Callable[[], None] | None = None,
) -> None:
    """Write a file so that it appears whole, replaces what was there, and is on the disk.

    The directories must exist: a store that has vanished must not be made again in parts. With
    ``flush=False`` the file reaches the disk later, see `flush_tree`. `check` raises where the
    writer has lost its lease; then nothing is replaced. A writer that is stopped right after it,
    however long, finds that the file which it was about to rename has gone with its store.
    """
    if isinstance(path, ObjectPath):
        objects.write(path, data, check)
        return
    part = objects.local(temporary(scratch))
    try:
        write_new(part, data, flush=flush)
        if check is not None:
            check()
        part.replace(path)
    except BaseException:
        _unlink_quietly(part)
        raise


def create_exclusively(path: Place, data: bytes, scratch: Place) -> bool:
    """Write a file so that it appears whole; return False, and do nothing, if it exists."""
    if isinstance(path, ObjectPath):
        return objects.create(path, data)
    part = objects.local(temporary(scratch))
    try:
        write_new(part, data)
        os.link(part, path)
    except FileExistsError:
        return part.stat().st_nlink == 2  # the reply of a file server was lost: it is ours
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        return _create_without_links(path, data)
    finally:
        _unlink_quietly(part)
    return True


def flush_directory(path: Place) -> None:
    """Bring the names in a directory to the disk, where the system can do that."""
    if isinstance(path, Path) and os.name != "nt":
        _flush(path)


def flush_tree(root: Path) -> None:
    """Bring all files and names below a directory to the disk.

    By several threads: the file system then commits many files at once. 300 files of a study's
    arrays took 0.07 s instead of 1.0 s on a busy disk.
    """
    paths: list[Path] = []
    for directory, _, file_names in os.walk(root):
        paths += [Path(directory, name) for name in file_names]
        paths += [Path(directory)] if os.name != "nt" else []
    with ThreadPoolExecutor(FLUSH_THREADS) as pool:
        for _ in pool.map(_flush, paths):
            pass


def write_new(path: Place, data: bytes, *, flush: bool = True) -> None:
    """Write a file that does not exist yet."""
    if isinstance(path, ObjectPath):
        if not objects.create(path, data):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        return
    with path.open("xb", buffering=0) as file:
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]
        if flush:
            os.fsync(file.fileno())


def read_at_most(path: Place, limit: int, what: str) -> bytes:
    """Return the content of a file.

    Raises
    ------
    StoreError
        It has more than `limit` bytes, too many for `what`.
    FileNotFoundError
        There is no such file.
    """
    return read_dated(path, limit, what)[0]


def read_dated(path: Place, limit: int, what: str) -> tuple[bytes, int]:
    """Return the content of a file and when it was written, in nanoseconds of its server's clock.

    Raises
    ------
    StoreError
        It has more than `limit` bytes, too many for `what`.
    FileNotFoundError
        There is no such file.
    """
    if isinstance(path, ObjectPath):
        found = objects.read_dated(path, limit)
        if found is None:
            raise StoreError(_too_long(path, limit, what))
        return found
    with path.open("rb") as file:  # opening makes network file systems ask for the fresh time
        status = os.fstat(file.fileno())
        if status.st_size > limit:
            raise StoreError(_too_long(path, limit, what))
        return file.read(), status.st_mtime_ns


def touch(path: Place) -> None:
    """Date a file anew."""
    if isinstance(path, ObjectPath):
        objects.touch(path)
    else:
        os.utime(path)


def rename(path: Place, new: Place) -> None:
    """Give a file another name; in an object store, for a moment it has both."""
    if isinstance(path, ObjectPath):
        create_exclusively(new, path.read_bytes(), path.parent)
        path.unlink()
    else:
        path.rename(objects.local(new))


def names(path: Place) -> list[str]:
    """Return the sorted names in a directory; none where it does not exist."""
    if isinstance(path, ObjectPath):
        return objects.names(path)
    try:
        return sorted(os.listdir(path))
    except FileNotFoundError:
        return []


def each(place: Place, action: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Return the results of actions on files of a store, in the order of the items.

    One after another on a file system; several at once where each is a request to a server, which
    takes its time.
    """
    items = list(items)
    if not isinstance(place, ObjectPath) or len(items) < 2:
        return [action(item) for item in items]
    with ThreadPoolExecutor(REQUESTS) as pool:
        # each in a context of its own, with what this thread was told of requests
        futures = [pool.submit(copy_context().run, action, item) for item in items]
        return [future.result() for future in futures]


def size_of(path: Place) -> int:
    """Return the bytes of all files below a directory; those that vanish meanwhile do not count."""
    if isinstance(path, ObjectPath):
        return sum(size for _, size in objects.keys(path))
    total = 0
    for directory, _, file_names in os.walk(path):
        for name in file_names:
            with contextlib.suppress(FileNotFoundError):
                total += os.lstat(os.path.join(directory, name)).st_size
    return total


def server_time(scratch: Place) -> int:
    """Return the time in nanoseconds by the clock that dates the files of `scratch`."""
    probe = temporary(scratch)
    if isinstance(probe, ObjectPath):
        return objects.server_time(probe)
    try:
        with probe.open("xb") as file:
            return os.fstat(file.fileno()).st_mtime_ns
    finally:
        _unlink_quietly(probe)


def is_orphan(path: Place, token: str) -> bool:
    """Say whether something temporary was left by a process that is no more."""
    state = process.state_of(token)
    if state is process.State.UNKNOWN:
        try:
            now = server_time(path.parent)  # which dates the file; our own clock may be wrong
            return now - 1e9 * _modified(path) > 1e9 * ORPHAN_AGE
        except OSError:  # it has gone, or nothing can be written, and removed, there
            return False
    return state is process.State.DEAD


def orphans(scratch: Place) -> list[Place]:
    """Return the temporary files and directories that dead processes left in `scratch`."""
    found = [name for name in names(scratch) if name.startswith(TEMPORARY)]
    return [scratch / n for n in found if is_orphan(scratch / n, n.removeprefix(TEMPORARY))]


def sweep(scratch: Place) -> None:
    """Remove what dead processes left in a scratch directory."""
    for path in orphans(scratch):
        remove(path)


def remove(path: Place, check: Callable[[], None] | None = None) -> None:
    """Remove a file or a directory with all that is in it; nothing happens where there is none.

    Several shards may remove the same at once. What `check` raises keeps all of it there.
    """
    if isinstance(path, ObjectPath):
        objects.remove(path, check=check)
        return
    if check is not None:
        check()
    while path.is_dir() and not path.is_symlink():
        with contextlib.suppress(FileNotFoundError):  # another was faster, here or further down
            shutil.rmtree(path)
            return
    path.unlink(missing_ok=True)


def nearest_existing(path: Path) -> Path:
    """Return `path` or the nearest of its parents that exists."""
    return next(p for p in (path, *path.parents) if p.exists())


def require_space(path: Place, n_bytes: int) -> None:
    """Raise StoreError unless the file system of `path` has room for `n_bytes` more."""
    if isinstance(path, ObjectPath):
        return  # the provider has room, and a bill
    with os_errors(path, "asking for free space"):
        disk = shutil.disk_usage(nearest_existing(path))
    if disk.total == 0:  # does not count its space, as /proc; whether it takes files, writing says
        return
    if disk.free < n_bytes:
        raise StoreError(
            f"{show(path)}: the run needs {size_text(n_bytes)}, {size_text(disk.free)} are free; "
            "free some space, or choose another path"
        )


def size_text(n_bytes: float) -> str:
    """Return a number of bytes as text."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if n_bytes < 1024:
            return f"{n_bytes:.0f} {unit}" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1024
    return f"{n_bytes:,.1f} TiB"


def temporary(scratch: Place) -> Place:
    """Return an unused name in a scratch directory, by which `sweep` knows whose it was."""
    return scratch / f"{TEMPORARY}{process.token()}-{next(_number)}"


def _modified(path: Place) -> float:
    """Return when a file was written, in seconds."""
    if isinstance(path, ObjectPath):
        return objects.modified(path)
    return path.stat().st_mtime


def _too_long(path: Place, limit: int, what: str) -> str:
    return f"{show(path)} is refused: it has more than {size_text(limit)}, too many for {what}"


def _flush(path: Path) -> None:
    # Windows flushes only what is open for writing, and opens no directories.
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP) or not path.is_dir():
            raise
    finally:
        os.close(descriptor)


def _create_without_links(path: Path, data: bytes) -> bool:
    """Create a file exclusively where the file system has no hard links."""
    try:
        write_new(path, data)
    except FileExistsError:
        return False
    return True


def _unlink_quietly(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
