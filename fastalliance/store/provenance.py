"""Where a result comes from: versions, processor, commit; and how two configurations differ."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

MAX_DIFFERENCES = 20
_PACKAGES = ("numpy", "numba", "llvmlite", "zarr", "numcodecs")
_ABSENT = object()


def environment() -> dict[str, Any]:
    """Return the attributes that describe this machine and installation; no names of either."""
    found: dict[str, Any] = {"python_version": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[f"{package}_version"] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    found["cpu"] = cpu_name()
    found["machine"] = platform.machine()
    commit = git_commit(Path(__file__).resolve().parents[2])
    if commit:
        found["git_commit"] = commit
    return found


def now() -> str:
    """Return the time as ISO 8601 text, in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def cpu_name() -> str:
    """Return the processor's name as the system gives it."""
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        text = ""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


def git_commit(source: Path) -> str | None:
    """Return the commit that a source directory has checked out; None where it is no checkout."""
    try:
        git = source / ".git"
        if git.is_file():  # a worktree or submodule: a file that names the directory
            git = source / git.read_text().removeprefix("gitdir:").strip()
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref:"):
            return head or None
        return _resolve(git, head.removeprefix("ref:").strip())
    except OSError:
        return None


def _resolve(git: Path, reference: str) -> str | None:
    common = git / "commondir"
    roots = [git, git / common.read_text().strip()] if common.exists() else [git]
    for root in roots:
        if (root / reference).exists():
            return (root / reference).read_text().strip()
        if (root / "packed-refs").exists():
            for line in (root / "packed-refs").read_text().splitlines():
                commit, _, name = line.partition(" ")
                if name == reference:
                    return commit
    return None


def difference(old: Any, new: Any) -> list[str]:
    """Return one line per field that differs, ``design.grid.trust: 0.1 -> 0.2``, sorted.

    At most 20 lines, and one that counts the rest.
    """
    lines = sorted(_differences("", old, new))
    if len(lines) > MAX_DIFFERENCES:
        rest = len(lines) - MAX_DIFFERENCES
        lines = [*lines[:MAX_DIFFERENCES], f"and {rest} more"]
    return lines


def _differences(where: str, old: Any, new: Any) -> Iterator[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        if "sha256" in old and "sha256" in new:  # what the rest describes is the same or not
            if old["sha256"] != new["sha256"]:
                yield f"{where}: {_digested(old, new)} -> {_digested(new, old)}"
            return
        for key in {**old, **new}:
            name = f"{where}.{key}" if where else str(key)
            yield from _differences(name, old.get(key, _ABSENT), new.get(key, _ABSENT))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for i, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _differences(f"{where}[{i}]", before, after)
    elif old != new or isinstance(old, bool) != isinstance(new, bool):
        yield f"{where}: {_brief(old)} -> {_brief(new)}"


def _digested(value: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Return what is known of data by their digest, where it is another than that of others."""
    numbers = (key for key, item in value.items() if isinstance(item, int) and key in other)
    changed = [f"{key} {value[key]:,}" for key in numbers if value[key] != other[key]]
    return ", ".join([*changed, f"sha256 {str(value['sha256'])[:12]}"])


def _brief(value: Any) -> str:
    if value is _ABSENT:
        return "(not set)"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:40]}... ({len(text)} characters)"
