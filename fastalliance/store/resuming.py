"""May this run go on with that store? Its configuration, kernels, tiling and files decide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fastalliance.errors import StoreError
from fastalliance.store import provenance
from fastalliance.store.chunks import check_tiles_present, packed_info
from fastalliance.store.documents import check_array
from fastalliance.store.files import show
from fastalliance.store.layout import Layout
from fastalliance.store.paths import Paths
from fastalliance.store.plain import to_plain
from fastalliance.store.skeleton import spec_info, tiling

# What may change from one part of a run to the next; kept in the attribute `history`.
_RECORDED = (
    "fastalliance_version",
    "kernel_hash",
    "python_version",
    "numpy_version",
    "numba_version",
    "llvmlite_version",
    "cpu",
    "git_commit",
)


def check_same_study(
    paths: Paths,
    old: Mapping[str, Any],
    attrs: Mapping[str, Any],
    *,
    allow_version_change: bool,
) -> None:
    """Raise StoreError unless a store, whose attributes are `old`, is of the run of `attrs`."""
    new = to_plain(attrs)
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


def history_entry(attrs: Mapping[str, Any], run_id: str) -> dict[str, Any]:
    """Return what the attribute `history` keeps of one part of a run."""
    return {
        "time": provenance.now(),
        "run": run_id,
        **{key: attrs[key] for key in _RECORDED if key in attrs},
    }


def extended_history(
    attrs: Mapping[str, Any], layout: Layout, run_id: str, *, side_by_side: bool = False
) -> list[dict[str, Any]] | None:
    """Return the history with this part of the run, or None if nothing in it is new.

    New is what differs from the last part; of parts that run side by side, as shards do on
    several kinds of machines, what differs from each.
    """
    history: list[dict[str, Any]] = list(attrs.get("history", []))
    entry = history_entry({**provenance.environment(), **to_plain(layout.attrs)}, run_id)
    known = history if side_by_side else history[-1:]
    what = [entry.get(key) for key in _RECORDED]
    same = any([part.get(key) for key in _RECORDED] == what for part in known)
    return None if same else [*history, entry]
