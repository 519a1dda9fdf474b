"""The metadata documents of a store: read with checks, and written at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastalliance.errors import StoreError
from fastalliance.store import files, objects
from fastalliance.store.chunks import RERUN, missing_message
from fastalliance.store.files import show
from fastalliance.store.format import (
    ArrayInfo,
    are_lengths,
    document_bytes,
    group_document,
    parse_array,
    read_document,
)
from fastalliance.store.layout import REQUIRED_ATTRIBUTES, RESERVED_NAMES, is_array_name
from fastalliance.store.objects import ObjectPath, Place
from fastalliance.store.paths import Paths, document
from fastalliance.store.plain import from_plain
from fastalliance.store.skeleton import FORMAT, is_begun, refusal

SCHEMA_VERSION = 1


def load_attributes(paths: Paths, *, to_write: bool = False) -> dict[str, Any]:
    """Return the attributes of a store.

    Parameters
    ----------
    to_write : bool
        Whether a run wants to write there, which what is no store then keeps from its place.

    Raises
    ------
    StoreError
        It is no store of fastalliance, its metadata are damaged, or its format is newer.
    """
    try:
        with files.os_errors(paths.root, "reading the store"):
            written = read_document(document(paths.root), "group")
    except StoreError as error:
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            with files.os_errors(paths.root, "reading the store"):
                raise StoreError(_absence(paths, to_write)) from None
        raise
    attrs: dict[str, Any] = from_plain(written["attributes"])
    version = attrs.get("schema_version")
    if "fastalliance_version" not in attrs or type(version) is not int:
        raise StoreError(_foreign(paths, to_write))
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{show(paths.root)} has schema version {version}, this version of fastalliance reads "
            f"up to {SCHEMA_VERSION}; upgrade fastalliance (the store was written by "
            f"{attrs['fastalliance_version']})"
        )
    lacking = [name for name in (*REQUIRED_ATTRIBUTES, "complete") if name not in attrs]
    if lacking:
        raise StoreError(
            f"{show(document(paths.root))} is damaged: it lacks {', '.join(lacking)}; {RERUN}"
        )
    return attrs


def load_run(paths: Paths) -> dict[str, Any]:
    """Return the attributes of a store's run: identity, tiling, and names of its arrays."""
    try:
        run: dict[str, Any] = read_document(document(paths.run), "group")["attributes"]
    except FileNotFoundError:
        raise StoreError(
            f"{show(document(paths.run))} is missing: the store is damaged; {RERUN}"
        ) from None
    if not _describes_run(run):
        raise StoreError(
            f"{show(document(paths.run))} does not describe a run of fastalliance; {RERUN}"
        )
    for directory in (paths.ledger, paths.lease, paths.scratch):
        if not directory.is_dir():
            raise StoreError(f"{show(directory)} is missing: the store is damaged; {RERUN}")
    return {"id": "", **run}  # stores of earlier versions have none


def _describes_run(run: Mapping[str, Any]) -> bool:
    """Say whether a run's attributes are as written; names in them will become parts of paths."""
    tables: list[dict[str, Any]] = []
    for key in ("packed", "direct", "arrays", "final"):
        table = run.get(key)
        if not isinstance(table, dict) or not all(map(is_array_name, table)):
            return False
        tables.append(table)
    packed, direct, arrays, final = tables
    return (
        run.get("format") == FORMAT
        and isinstance(run.get("id", ""), str)
        and type(run.get("n_tiles")) is int
        and not set(packed) & set(RESERVED_NAMES)
        and all(are_lengths(shape) for shape in packed.values())
        and all(isinstance(entry, dict) and "tile_stride" in entry for entry in direct.values())
        and all(isinstance(digest, str) for digest in (*arrays.values(), *final.values()))
    )


def write_attributes(
    paths: Paths, attrs: Mapping[str, Any], check: Callable[[], None] | None = None
) -> None:
    """Replace the attributes of a store at once, unless `check` raises."""
    written = document_bytes(group_document(attrs))
    root = document(paths.root)
    if isinstance(root, ObjectPath):
        objects.replace(root, written, check)
        return
    files.put(root, written, paths.scratch, check=check)


def check_array(directory: Place, expected: ArrayInfo) -> None:
    """Raise StoreError unless the metadata of an array are there and as expected."""
    path = document(directory)
    try:
        found = parse_array(expected.name, read_document(path, "array"))
    except FileNotFoundError:
        raise StoreError(missing_message(path, expected.name)) from None
    if found != expected:
        raise StoreError(
            f"array {expected.name} is damaged: {show(path)} describes {found}, not {expected}; "
            f"{RERUN}"
        )


def _absence(paths: Paths, to_write: bool) -> str:
    if not paths.root.exists():
        return f"there is no store at {show(paths.root)}"
    if isinstance(paths.root, ObjectPath) and is_begun(paths.root):
        return (
            f"{show(paths.root)} is being created, or its creation was interrupted: run the same "
            "command again"
        )
    if paths.run.is_dir():
        return f"{show(document(paths.root))} is missing: the store is damaged; {RERUN}"
    return _foreign(paths, to_write)


def _foreign(paths: Paths, to_write: bool) -> str:
    return refusal(paths.root) if to_write else f"{show(paths.root)} is no store of fastalliance"
