"""Rendered drivers on disk, private to the user: compiled once, loaded in a fraction of a second.

numba keys its cache by a file's path and time, so a driver lies in a file of its own whose name
contains the digest of everything that it depends on. Whatever goes wrong here costs compilation
and one warning, never a result.
"""

from __future__ import annotations

import hashlib
import json
import linecache
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from fastalliance.errors import FastAllianceError
from fastalliance.faults import fault_point

ENVIRONMENT = "FASTALLIANCE_CACHE_DIR"
_TEMPORARY = ".tmp."  # in the names of temporary files, numba's and ours
_TEMPORARY_SECONDS = 3600.0  # after which a temporary file belongs to no living process
_warned: set[Path] = set()


class CacheWarning(UserWarning):
    """The kernel cache cannot be used; kernels are compiled in memory."""


def directory() -> Path:
    """Return the cache directory: FASTALLIANCE_CACHE_DIR, or the user's cache directory."""
    given = os.environ.get(ENVIRONMENT)
    if given:
        return Path(given)
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "fastalliance"


class Compiler(Protocol):
    """How a driver is compiled."""

    def dispatcher(self, run: Callable[..., Any], cached: bool) -> Any:
        """Return a numba function that is not compiled yet."""

    def compile(self, dispatcher: Any, cached: bool) -> None:
        """Compile it, or load it from numba's cache."""


def load(
    name: str, source: str, formulas: Mapping[str, Any], compiler: Compiler, cached: bool
) -> Any:
    """Execute `source` with `formulas` as globals and return its compiled ``run``.

    Parameters
    ----------
    name : str
        File name without suffix; contains the digest of source and formulas.
    source : str
        Module that defines ``run``.
    formulas : mapping
        Globals of the module.
    compiler : Compiler
        Compiles ``run``, with or without numba's on-disk cache.
    cached : bool
        Whether the on-disk cache may be used at all.
    """
    trouble: Exception | None = None
    if cached:
        try:
            return _load_cached(name, source, formulas, compiler)
        except FastAllianceError:
            raise  # the model's fault, not the cache's
        except Exception as error:  # whatever a damaged file makes of unpickling
            trouble = error
    run = compiler.dispatcher(_execute(source, f"<fastalliance {name}>", formulas), False)
    compiler.compile(run, False)
    if trouble is not None:
        _warn(trouble)
    return run


def _load_cached(name: str, source: str, formulas: Mapping[str, Any], compiler: Compiler) -> Any:
    path = _write(name, source)
    run = compiler.dispatcher(_execute(source, str(path), formulas), True)
    compiled = Path(run.stats.cache_path)
    _sweep(compiled, name)
    seal = path.with_suffix(".sha256")
    _drop_unsealed(compiled, name, seal)
    compiler.compile(run, True)
    sums = _sums(compiled, name)
    if sums != _sealed(seal):
        _put(seal, json.dumps(sums))
    return run


def _drop_unsealed(folder: Path, name: str, seal: Path) -> None:
    """Remove compiled files that are not as they were written: numba would execute them.

    A flipped bit in machine code was seen to crash the process, at every start.
    """
    found = _sums(folder, name)
    if found != _sealed(seal):
        for file in found:
            (folder / file).unlink(missing_ok=True)


def _sums(folder: Path, name: str) -> dict[str, str]:
    """Return the SHA-256 of a driver's compiled files."""
    sums = {}
    for path in _files(folder, name):
        if _TEMPORARY not in path.name:
            with suppress(FileNotFoundError):  # another process has just replaced or removed it
                sums[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return sums


def _sweep(folder: Path, name: str) -> None:
    """Remove the temporary files of killed processes, numba's included."""
    for path in _files(folder, name):
        if _TEMPORARY in path.name:
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _TEMPORARY_SECONDS:
                    path.unlink()


def _files(folder: Path, name: str) -> list[Path]:
    if not folder.exists():
        return []
    return [path for path in sorted(folder.iterdir()) if path.name.startswith(f"{name}.")]


def _sealed(seal: Path) -> dict[str, str] | None:
    try:
        sums: dict[str, str] = json.loads(seal.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return sums


def _warn(error: Exception) -> None:
    """Warn once per process and directory: a model has several drivers."""
    folder = directory()
    if folder in _warned:
        return
    _warned.add(folder)
    warnings.warn(
        f"kernel cache {folder} cannot be used ({type(error).__name__}: {error}); compiling in "
        f"memory. Set {ENVIRONMENT} to a private, writable directory.",
        CacheWarning,
        stacklevel=2,
    )


def _write(name: str, source: str) -> Path:
    folder = directory()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _require_private(folder)
    _sweep(folder, name)
    path = folder / f"{name}.py"
    if not path.exists() or path.read_text(encoding="utf-8", errors="replace") != source:
        _put(path, source)
    return path


def _put(path: Path, text: str) -> None:
    """Write a file so that it appears whole."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f"{path.stem}{_TEMPORARY}")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        fault_point("during-cache-write")
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _require_private(folder: Path) -> None:
    """Refuse a directory that others own or may write: what lies in it is executed."""
    if not hasattr(os, "getuid"):
        return
    status = folder.stat()
    if status.st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user")
    if status.st_mode & 0o022:
        raise PermissionError(f"{folder} is writable by others (chmod 700 it)")


def _execute(source: str, filename: str, formulas: Mapping[str, Any]) -> Callable[..., Any]:
    namespace: dict[str, Any] = {"__name__": __name__, **formulas}
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    exec(compile(source, filename, "exec"), namespace)
    run: Callable[..., Any] = namespace["run"]
    run.__qualname__ = f"run_{Path(filename).stem}"  # unique among cached drivers' symbols
    return run
