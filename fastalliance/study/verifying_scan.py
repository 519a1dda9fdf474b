"""Reading every chunk of a store on threads, with a bar on a terminal."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from fastalliance.executors import run_on_threads
from fastalliance.store.verification import Contents, Damage, Scan

_PARTS = 64  # read by one task: handing tasks to threads costs more than reading a small chunk


@dataclass
class Scanned:
    """What a scan read, and what is wrong."""

    chunks: int = 0
    n_bytes: int = 0
    damage: list[Damage] = field(default_factory=list)


class _Advance(Protocol):
    def __call__(self, parts: int) -> None: ...


def scan(
    contents: Contents, threads: int, stop: threading.Event, *, shown: bool
) -> tuple[Scan, Scanned]:
    """Read and check every chunk; damage is in the order of the store, on any number of threads."""
    parts = Scan(contents)
    found: dict[int, Scanned] = {}

    def read(task: int) -> int:
        mine = Scanned()
        for part in range(task * _PARTS, min((task + 1) * _PARTS, parts.n_parts)):
            one = parts(part)
            mine.chunks += one.chunks
            mine.n_bytes += one.n_bytes
            mine.damage += one.damage
        found[task] = mine
        return task

    tasks = range(-(-parts.n_parts // _PARTS))
    results = run_on_threads(read, tasks, threads=threads, stop=stop)
    with _bar(parts.n_parts, shown=shown) as advance, closing(results):
        for task in results:
            if task is not None:
                advance(_PARTS)
    if stop.is_set():
        raise KeyboardInterrupt("interrupted while the store was being read; nothing was changed")
    total = Scanned()
    for task in sorted(found):
        total.chunks += found[task].chunks
        total.n_bytes += found[task].n_bytes
        total.damage += found[task].damage
    return parts, total


@contextmanager
def _bar(total: int, *, shown: bool) -> Iterator[_Advance]:
    """Show a bar on a terminal, and nothing elsewhere."""
    if not (shown and sys.stderr.isatty()):
        yield lambda parts: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (BarColumn(bar_width=40), TaskProgressColumn(), TextColumn("reading every chunk"))
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=total)

        def advance(parts: int) -> None:
            progress.advance(task, parts)

        yield advance
