"""From a URL to a place: the only module that knows which kinds of stores there are."""

from __future__ import annotations

import os
import re
import urllib.parse
from pathlib import Path

from fastalliance.errors import ConfigError
from fastalliance.store.files import os_errors, show
from fastalliance.store.object_requests import SCHEMES
from fastalliance.store.objects import ObjectPath, Place

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]+)://")
_CUT_URL = re.compile(r"(s3|gs|az):/(?!/)")  # what pathlib makes of one
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{1,254}")
MAX_KEY_BYTES = 700  # of the store's own; a key has 1,024
MAX_COMPONENT_BYTES = 255


def locate(url: str | os.PathLike[str]) -> Place:
    """Return the place that a path or URL names; of a local one, with symbolic links followed.

    Raises
    ------
    ConfigError
        The URL is of an unknown kind, or nothing can be at that place.
    """
    text = os.fspath(url)
    if _CUT_URL.match(text):
        raise ConfigError(
            f"{text[:2]}:/ is no URL: give {text[:2]}://bucket/path/to/run.zarr as text, not as a "
            "pathlib.Path, which drops a slash"
        )
    match = _SCHEME.match(text)
    if match is not None and match[1].lower() in SCHEMES:
        return _object_path(match[1].lower(), text[match.end() :])
    if match is not None:
        text = _local_path(match[1].lower(), text)
    if not text:
        raise ConfigError("the store's path is empty; give a path such as results/run.zarr")
    if "\0" in text:
        raise ConfigError(f"the store's path {text!r} contains a NUL character")
    for component in Path(text).parts:
        if len(os.fsencode(component)) > MAX_COMPONENT_BYTES:
            raise ConfigError(
                f"the store's path has a component of {len(os.fsencode(component))} bytes, at most "
                f"{MAX_COMPONENT_BYTES} are possible: {show(component[:40])}..."
            )
    with os_errors(Path(text), "opening the store"):
        return Path(os.path.realpath(Path(text).expanduser()))


def _local_path(scheme: str, url: str) -> str:
    """Return the path in a ``file://`` URL; no message repeats a URL, which may hold a secret."""
    if scheme != "file":
        raise ConfigError(
            f"stores by {scheme}:// are not supported; give a path, or a URL that starts with "
            f"{', '.join(f'{name}://' for name in SCHEMES)} or file://"
        )
    parts = urllib.parse.urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise ConfigError("a file:// URL must name a path on this host: file:///path/to/run.zarr")
    return urllib.parse.unquote(parts.path)


def _object_path(scheme: str, rest: str) -> ObjectPath:
    """Return the place in a bucket; no message repeats a URL, which may hold a secret."""
    form = f"{scheme}://bucket/path/to/run.zarr"
    bucket, _, key = rest.partition("/")
    if "@" in bucket or "?" in rest or "#" in rest:
        raise ConfigError(
            f"a {scheme}:// URL holds neither credentials nor options: give {form}, and the "
            "credentials in the environment"
        )
    key = key.rstrip("/")
    if not _BUCKET.fullmatch(bucket) or not key:
        raise ConfigError(f"a {scheme}:// URL must name a bucket and a place in it: {form}")
    parts = key.split("/")
    if not key.isprintable() or any(part in ("", ".", "..") for part in parts):
        raise ConfigError(
            f"a {scheme}:// URL must not have empty, relative or unprintable parts: give {form}"
        )
    if len(key.encode()) > MAX_KEY_BYTES:
        raise ConfigError(
            f"the store's place in the bucket has {len(key.encode())} bytes, at most "
            f"{MAX_KEY_BYTES} are possible"
        )
    return ObjectPath(f"{scheme}://{bucket}", key)
