"""May this run go on with that store? Its configuration, kernels, tiling and files decide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fastalliance.errors import StoreError
from fastalliance.store import files, provenance
from fastalliance.store.chunks import check_tiles_present, packed_info
from fastalliance.store.creation import FORMAT, refusal, spec_info, tiling
from fastalliance.store.files import show
from fastalliance.store.format import (
    ArrayInfo,
    document_bytes,
    group_document,
    parse_array,
    read_document,
)
from fastalliance.store.layout import Layout
from fastalliance.store.paths import Paths, document
from fastalliance.store.plain import from_plain, to_plain

SCHEMA_VERSION = 1
# What may change from one part of a run to the next; kept in the attribute `history`.
_RECORDED = ("fastalliance_version", "kernel_hash", *provenance.environment())


def load_attributes(paths: Paths) -> dict[str, Any]:
    """Return the attributes of a store.

    Raises
    ------
    StoreError
        It is no store of fastalliance, its metadata are damaged, or its format is newer.
    """
    try:
        with files.os_errors(paths.root, "reading the store"):
            attrs = read_document(document(paths.root), "group")["attributes"]
    except StoreError as error:
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            raise StoreError(_absence(paths)) from None
        raise
    attrs = from_plain(attrs)
    version = attrs.get("schema_version")
    if "fastalliance_version" not in attrs or type(version) is not int:
        raise StoreError(refusal(paths.root))
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{show(paths.root)} has schema version {version}, this version of fastalliance reads "
            f"up to {SCHEMA_VERSION}; upgrade fastalliance (the store was written by "
            f"{attrs['fastalliance_version']})"
        )
    return attrs


def load_run(paths: Paths) -> dict[str, Any]:
    """Return the attributes of a store's run: tiling, ledger, and names of its arrays."""
    try:
        run: dict[str, Any] = read_document(document(paths.run), "group")["attributes"]
    except FileNotFoundError:
        raise StoreError(
            f"{show(document(paths.run))} is missing: the store is damaged; restore it from a "
            "copy, or start the run anew with --overwrite"
        ) from None
    if run.get("format") != FORMAT or type(run.get("n_tiles")) is not int:
        raise StoreError(f"{show(document(paths.run))} does not describe a run of fastalliance")
    return run


def write_attributes(paths: Paths, attrs: Mapping[str, Any]) -> None:
    """Replace the attributes of a store at once."""
    files.put(document(paths.root), document_bytes(group_document(attrs)), paths.scratch)


def check_same_study(
    paths: Paths, old: Mapping[str, Any], layout: Layout, *, allow_version_change: bool
) -> None:
    """Raise StoreError unless a store belongs to the study and kernels of `layout`."""
    new = to_plain(layout.attrs)
    if old["configuration_hash"] != new["configuration_hash"]:
        lines = provenance.difference(to_plain(old["configuration"]), new["configuration"])
        lines = lines or ["(the configurations read alike, their hashes differ)"]
        raise StoreError(
            f"{show(paths.root)} holds another study; choose another path, or replace it with "
            "--overwrite. What differs (store -> now):\n  " + "\n  ".join(lines)
        )
    if old["kernel_hash"] != new["kernel_hash"] and not allow_version_change:
        raise StoreError(
            f"{show(paths.root)} was computed with other kernels (version "
            f"{old['fastalliance_version']}, kernels {old['kernel_hash']}; now version "
            f"{new['fastalliance_version']}, kernels {new['kernel_hash']}); go on with the old "
            "version, mix both with --allow-version-change, or start anew with --overwrite"
        )


def check_same_tiling(paths: Paths, run: Mapping[str, Any], layout: Layout) -> None:
    """Raise StoreError unless a store is cut into the same tiles as `layout`."""
    new = tiling(layout)
    lines = provenance.difference({key: run.get(key) for key in new}, new)
    if lines:
        raise StoreError(
            f"{show(paths.root)} is cut into other tiles; resume it with the tile size, kept "
            "replicates and trajectories that it was started with. What differs (store -> now):"
            "\n  " + "\n  ".join(lines)
        )


def check_arrays(paths: Paths, layout: Layout, done: Iterable[int]) -> None:
    """Raise StoreError if an array's metadata, or the data of a tile that is done, are missing."""
    done = list(done)
    for name, shape in layout.packed.items():
        info = packed_info(name, layout.n_tiles, shape)
        check_array(paths.packed(name), info)
        check_tiles_present(paths.packed(name), info, done)
    for spec in layout.direct:
        info = spec_info(spec)
        check_array(paths.array(spec.name), info)
        if spec.tile_stride is not None:
            check_tiles_present(paths.array(spec.name), info, done, spec.tile_stride)


def check_array(directory: Any, expected: ArrayInfo) -> None:
    """Raise StoreError unless the metadata of an array are there and as expected."""
    path = document(directory)
    try:
        found = parse_array(expected.name, read_document(path, "array"))
    except FileNotFoundError:
        raise StoreError(
            f"array {expected.name} is damaged: {show(path)} is missing; restore it from a copy, or "
            "start the run anew with --overwrite"
        ) from None
    if found != expected:
        raise StoreError(
            f"array {expected.name} is damaged: {show(path)} describes {found}, not {expected}; "
            "restore it from a copy, or start the run anew with --overwrite"
        )


def history_entry(attrs: Mapping[str, Any], run_id: str) -> dict[str, Any]:
    """Return what the attribute `history` keeps of one part of a run."""
    return {
        "time": provenance.now(),
        "run": run_id,
        **{key: attrs[key] for key in _RECORDED if key in attrs},
    }


def extended_history(
    attrs: Mapping[str, Any], layout: Layout, run_id: str
) -> list[dict[str, Any]] | None:
    """Return the history with this part of the run, or None if nothing in it is new."""
    history: list[dict[str, Any]] = list(attrs.get("history", []))
    entry = history_entry({**provenance.environment(), **to_plain(layout.attrs)}, run_id)
    changed = not history or any(
        history[-1].get(key) != entry.get(key) for key in entry if key not in ("time", "run")
    )
    return [*history, entry] if changed else None


def _absence(paths: Paths) -> str:
    if not paths.root.exists():
        return f"there is no store at {show(paths.root)}"
    if paths.run.is_dir():
        return (
            f"{show(document(paths.root))} is missing: the store is damaged; restore it from a "
            "copy, or start the run anew with --overwrite"
        )
    return refusal(paths.root)
