"""Directories beside a store, for what must appear or disappear at once.

A store is built as ``.<name>.creating-<process>`` and renamed; one that is replaced is renamed to
``.<name>.replaced-<process>`` before it is deleted. What a dead process left is put right here.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from pathlib import Path

from fastalliance.errors import StoreError
from fastalliance.store import files, process

CREATING = "creating"
REPLACED = "replaced"
_number = itertools.count()


def new(path: Path, kind: str) -> Path:
    """Return an unused name beside `path`."""
    return path.parent / f"{_prefix(path, kind)}{process.token()}-{next(_number)}"


def recover(path: Path) -> None:
    """Put right what a killed process left beside `path`.

    A store that was being replaced gets its place back if the new one did not arrive; half-made
    and replaced stores are removed. Those of living processes are left alone.

    Raises
    ------
    StoreError
        Another process is replacing the store just now.
    """
    for left in _left(path, REPLACED):
        if not is_free(path):
            continue
        if not files.is_orphan(left, _token(path, REPLACED, left)):
            raise StoreError(
                f"{files.show(path)} is being replaced by another process; the earlier store is "
                f"{files.show(left)}"
            )
        with contextlib.suppress(FileNotFoundError):  # another shard puts it right, too
            left.rename(path)
    for kind in (REPLACED, CREATING):
        for left in _left(path, kind):
            if files.is_orphan(left, _token(path, kind, left)):
                files.remove(left)


def is_free(path: Path) -> bool:
    """Say whether a store can be created here: there is nothing, or an empty directory."""
    if not path.exists():
        return True
    return path.is_dir() and not any(path.iterdir())


def _left(path: Path, kind: str) -> list[Path]:
    prefix = _prefix(path, kind)
    return [path.parent / name for name in files.names(path.parent) if name.startswith(prefix)]


def _token(path: Path, kind: str, left: Path) -> str:
    return left.name.removeprefix(_prefix(path, kind))


def _prefix(path: Path, kind: str) -> str:
    """Return how such names start; a long name is cut, since a component has 255 bytes."""
    name = path.name
    if len(name.encode(errors="surrogateescape")) > 100:
        name = name[:30] + hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:16]
    return f".{name}.{kind}-"
