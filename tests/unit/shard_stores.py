"""Stores of the toy run that shards share, and leases of hosts far away."""

from __future__ import annotations

import json
import os
from pathlib import Path

from fastalliance.store import RunStore, Shard
from tests.faults import toy

N_TILES = 6


def opened(path: Path, text: str, **options: bool) -> RunStore:
    return RunStore.open(path, toy.layout(N_TILES), shard=Shard.parse(text), **options)


def write(store: RunStore, *tiles: int) -> None:
    store.record([(tile, store.write(tile, toy.tile_data(tile))) for tile in tiles])


def driven(path: Path, text: str) -> bool:
    with opened(path, text) as store:
        toy.drive(store, N_TILES)
        return store.complete


def forge(path: Path, name: str, generation: int = 9, **changes: object) -> Path:
    """Put a lease of another host into a store."""
    forged = path / f"_run/lease/{name}-{generation:06d}.held"
    content = {
        "host": "elsewhere",
        "pid": 4711,
        "started": "2026-01-01T00:00:00+00:00",
        "token": "0" * 12 + "-4711-1f",
        "run_id": "forged",
        **changes,
    }
    forged.write_text(json.dumps(content))
    return forged


def age(path: Path, held: Path, seconds: float) -> None:
    """Let a lease have been refreshed last so long ago, by the clock of its file system."""
    now = (path / "_run/scratch").stat().st_mtime
    os.utime(held, (now - seconds, now - seconds))


def silence(path: Path, name: str) -> None:
    """Make a lease of this process look like that of one far away that is stopped."""
    (held,) = (path / "_run/lease").glob(f"{name}-*.held")
    content = json.loads(held.read_text())
    held.write_text(json.dumps({**content, "host": "elsewhere", "token": "0" * 12 + "-4711-1f"}))
    age(path, held, 61)
