"""Rendered drivers on disk, private to the user: compiled once, loaded in a fraction of a second.

numba keys its cache by a file's path and time, so a driver lies in a file of its own whose name
contains the digest of everything that it depends on. Whatever goes wrong here costs compilation
and one warning, never a result.
"""

from __future__ import annotations

import linecache
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fastalliance.errors import FastAllianceError
from fastalliance.faults import fault_point

ENVIRONMENT = "FASTALLIANCE_CACHE_DIR"
Compile = Callable[[Callable[..., Any], bool], Any]


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


def load(
    name: str, source: str, formulas: Mapping[str, Any], compile_: Compile, cached: bool
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
    compile_ : callable ``(function, cache) -> compiled``
        Compiles ``run``, with or without numba's on-disk cache.
    cached : bool
        Whether the on-disk cache may be used at all.
    """
    if cached:
        try:
            path = _write(name, source)
            return compile_(_execute(source, str(path), formulas), True)
        except FastAllianceError:
            raise  # the model's fault, not the cache's
        except Exception as error:  # whatever a damaged file makes of unpickling
            _warn(error)
    return compile_(_execute(source, f"<fastalliance {name}>", formulas), False)


def _warn(error: Exception) -> None:
    warnings.warn(
        f"kernel cache {directory()} cannot be used ({type(error).__name__}: {error}); "
        f"compiling in memory. Set {ENVIRONMENT} to a private, writable directory.",
        CacheWarning,
        stacklevel=2,
    )


def _write(name: str, source: str) -> Path:
    folder = directory()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _require_private(folder)
    path = folder / f"{name}.py"
    if path.exists() and path.read_text(encoding="utf-8") == source:
        return path
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(source)
        fault_point("during-cache-write")
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


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
