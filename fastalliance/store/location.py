"""From a URL to a place: the only module that knows which kinds of stores there are."""

from __future__ import annotations

import os
import re
import urllib.parse
from pathlib import Path

from fastalliance.errors import StoreError
from fastalliance.store.files import os_errors, show

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]+)://")
_REMOTE = ("s3", "gs", "az")
MAX_COMPONENT_BYTES = 255


def locate(url: str | os.PathLike[str]) -> Path:
    """Return the directory that a path or ``file://`` URL names, with symbolic links followed.

    Raises
    ------
    StoreError
        The URL is remote or of an unknown kind, or the path cannot exist.
    """
    text = os.fspath(url)
    match = _SCHEME.match(text)
    if match is not None:
        text = _local_path(match[1].lower(), text)
    if not text:
        raise StoreError("the store's path is empty; give a path such as results/run.zarr")
    if "\0" in text:
        raise StoreError(f"the store's path {text!r} contains a NUL character")
    for component in Path(text).parts:
        if len(os.fsencode(component)) > MAX_COMPONENT_BYTES:
            raise StoreError(
                f"the store's path has a component of {len(os.fsencode(component))} bytes, at most "
                f"{MAX_COMPONENT_BYTES} are possible: {show(component[:40])}..."
            )
    with os_errors(Path(text), "opening the store"):
        return Path(os.path.realpath(Path(text).expanduser()))


def _local_path(scheme: str, url: str) -> str:
    """Return the path in a ``file://`` URL; no message repeats a URL, which may hold a secret."""
    if scheme in _REMOTE:
        raise StoreError(
            f"remote stores ({scheme}://) are not supported in this version; give a local path"
        )
    if scheme != "file":
        raise StoreError(f"stores by {scheme}:// are not supported; give a local path")
    parts = urllib.parse.urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise StoreError("a file:// URL must name a path on this host: file:///path/to/run.zarr")
    return urllib.parse.unquote(parts.path)
