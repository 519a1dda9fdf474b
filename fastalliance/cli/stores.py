"""Commands on stores: `status`, `plot`, `export`."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from fastalliance.cli.exits import DONE, UsageError
from fastalliance.cli.replicates import number_or_text
from fastalliance.configuration.messages import printable

if TYPE_CHECKING:
    from fastalliance.store import Owner, Shard, Status

_LISTED_SHARDS = 20


def status(options: argparse.Namespace) -> int:
    """Show what a store holds and lacks, and who writes to it."""
    from fastalliance.cli.console import show_pairs
    from fastalliance.store import status as read_status
    from fastalliance.study.plan import size_text

    found = read_status(options.store)
    share = found.n_done / found.n_tiles
    versions = sorted(found.versions.items(), key=lambda item: item[0] != "fastalliance")
    rows = [
        ("store", str(found.path)),
        ("state", "complete" if found.complete else "unfinished; run the study again to resume"),
        ("tiles done", f"{found.n_done:,} of {found.n_tiles:,} ({share:.1%})"),
        ("design points", "unknown" if found.n_points is None else f"{found.n_points:,}"),
        ("being written by", _writers(found)),
        *((f"shard {shard}", str(owner)) for shard, owner in _listed(found)),
        ("started", found.started or "unknown"),
        ("finished", found.finished or "no"),
        ("on disk", size_text(found.n_bytes)),
        ("configuration hash", found.configuration_hash[:16]),
        ("versions", ", ".join(f"{name} {version}" for name, version in versions)),
    ]
    if found.n_invalid is not None:
        rows.insert(4, ("invalid replicates", f"{found.n_invalid:,}"))
    show_pairs(rows)
    return DONE


def _writers(found: Status) -> str:
    """Say who writes to a store: a run, shards (of one count, but for moments), or nobody."""
    if found.owner is not None or not found.shards:
        return "nobody" if found.owner is None else str(found.owner)
    count = max(shard.count for shard in found.shards)
    text = f"{len(found.shards):,} of {count:,} shards"
    more = len(found.shards) - _LISTED_SHARDS
    return text if more <= 0 else f"{text}, the first {_LISTED_SHARDS} of which are"


def _listed(found: Status) -> Iterable[tuple[Shard, Owner]]:
    return islice(found.shards.items(), _LISTED_SHARDS)


def plot(options: argparse.Namespace) -> int:
    """Draw a stored result."""
    from fastalliance.cli.console import print_line
    from fastalliance.plotting import plot_study
    from fastalliance.study.opening import open as open_store

    store = options.store.rstrip("/")
    ds = open_store(store)
    path = options.to or str(_beside(store).with_suffix(".png"))
    at = _selection(options.at)
    plot_study(ds, kind=options.kind, output=options.output, by=options.by, at=at, path=path)
    print_line(f"picture: {path}")
    return DONE


def export(options: argparse.Namespace) -> int:
    """Write a stored result in a format of other programs."""
    from fastalliance.cli.console import print_line
    from fastalliance.export import check_target
    from fastalliance.export import export as write
    from fastalliance.study.opening import open as open_store

    if options.events and options.replicates:
        raise UsageError("give --events or --replicates: they are different tables")
    check_target(options.to, overwrite=options.overwrite, events=options.events)
    ds = open_store(options.store)
    paths = write(
        ds,
        options.to,
        replicates=options.replicates,
        events=options.events,
        overwrite=options.overwrite,
    )
    for path in paths:
        print_line(f"wrote {path}")
    return DONE


def _beside(store: str) -> Path:
    """Return a local path that ends in the store's name, as "." does not."""
    from fastalliance.store.location import locate
    from fastalliance.store.objects import ObjectPath

    place = locate(store)
    if isinstance(place, ObjectPath):
        return Path(place.name)
    path = Path(store)
    return path.resolve() if path.name in ("", "..") else path


def _selection(texts: list[str]) -> dict[str, float | str]:
    """Return what --at says: values by axis, numbers or names of choices."""
    found: dict[str, float | str] = {}
    for text in texts:
        name, _, value = (part.strip() for part in text.partition("="))
        if not (name and value):
            raise UsageError(f"--at must be AXIS=VALUE, got {printable(repr(text))}")
        found[name] = number_or_text(value)
    return found
