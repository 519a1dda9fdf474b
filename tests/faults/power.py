"""A disk whose power is cut: what was not brought to it by fsync may be gone.

While a run works, every call that flushes, names or removes something is followed by looking at
what a cut at that moment could leave. Content survives if its file was flushed. Names survive if
their directory was flushed since; of those that changed later, nothing, everything, or any single
one may have reached the disk, because file systems keep no order between them.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Names = dict[str, tuple[int, bool]]  # of a directory: number of the inode, whether a directory
Left = frozenset[tuple[str, bytes | None]]  # paths and contents; None of a directory
_CALLS = ("mkdir", "link", "rename", "replace", "unlink", "rmdir")


class PowerCuts:
    """What a disk may be left with, while `watch` is on.

    Attributes
    ----------
    left : dict
        What may be left, and what was promised by then; the latest where it may be left twice.
    """

    def __init__(self, root: Path) -> None:
        self.left: dict[Left, Any] = {}
        self._promised: Any = None
        self._root = root
        self._root_inode = root.stat().st_ino
        self._names: dict[int, Names] = {}
        self._sizes: dict[int, int] = {}
        self._contents: dict[int, bytes] = {}
        self._open: list[int] = []
        self._lock = threading.Lock()

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        """Look at the disk after every call."""
        patch.setattr(os, "fsync", self._fsync)
        for name in _CALLS:
            patch.setattr(os, name, self._then_look(getattr(os, name)))

    def promise(self, what: Any) -> None:
        """Say what must not be lost from now on."""
        with self._lock:
            self._promised = what
            self._look()

    def close(self) -> None:
        """Let go of the files."""
        for descriptor in self._open:
            os.close(descriptor)

    def _then_look(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def then_look(*arguments: Any, **options: Any) -> Any:
            with self._lock:
                result = call(*arguments, **options)
                self._look()
            return result

        return then_look

    def _fsync(self, descriptor: int) -> None:
        """Note what is on the disk now; the real call would only take time."""
        with self._lock:
            status = os.fstat(descriptor)
            if stat.S_ISDIR(status.st_mode):
                self._names[status.st_ino] = _names(descriptor)
            else:
                self._sizes[status.st_ino] = status.st_size
                self._contents.pop(status.st_ino, None)
            self._open.append(os.dup(descriptor))  # so that no other gets the number of the inode
            self._look()

    def _look(self) -> None:
        """Note all that a cut at this moment may leave."""
        now: dict[int, Names] = {}
        self._walk(self._root, self._root_inode, now)
        changed = [
            (inode, name)
            for inode in self._reachable(self._root_inode)
            for name in {**now.get(inode, {}), **self._names.get(inode, {})}
            if inode in now and now[inode].get(name) != self._names.get(inode, {}).get(name)
        ]
        for chosen in ([], *([change] for change in changed)):
            kept = {inode: dict(names) for inode, names in self._names.items()}
            for inode, name in chosen:
                kept.setdefault(inode, {}).pop(name, None)
                if name in now[inode]:
                    kept[inode][name] = now[inode][name]
            self._note(kept)
        self._note(now)

    def _note(self, kept: dict[int, Names]) -> None:
        found = frozenset(self._content(kept, self._root_inode, ""))
        self.left.pop(found, None)
        self.left[found] = self._promised

    def _walk(self, directory: Path | str, inode: int, now: dict[int, Names]) -> None:
        now[inode] = _names(directory)
        for name, (below, is_directory) in now[inode].items():
            path = os.path.join(directory, name)
            if is_directory:
                self._walk(path, below, now)
            elif below in self._sizes and below not in self._contents:
                self._contents[below] = Path(path).read_bytes()[: self._sizes[below]]

    def _reachable(self, inode: int) -> Iterator[int]:
        yield inode
        for below, is_directory in self._names.get(inode, {}).values():
            if is_directory:
                yield from self._reachable(below)

    def _content(
        self, kept: dict[int, Names], inode: int, prefix: str
    ) -> Iterator[tuple[str, bytes | None]]:
        for name, (below, is_directory) in kept.get(inode, {}).items():
            yield prefix + name, None if is_directory else self._contents.get(below, b"")
            if is_directory:
                yield from self._content(kept, below, f"{prefix}{name}/")


def write(left: Left, root: Path) -> None:
    """Make files and directories of what is left."""
    root.mkdir()
    for name, content in sorted(left, key=lambda entry: entry[0]):
        if content is None:
            (root / name).mkdir()
        else:
            (root / name).write_bytes(content)


def _names(directory: Path | str | int) -> Names:
    with os.scandir(directory) as entries:
        return {e.name: (e.inode(), e.is_dir(follow_symlinks=False)) for e in entries}
