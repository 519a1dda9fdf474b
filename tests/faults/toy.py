"""A small run for the tests of the store: its layout, its tiles' data, and a driver for it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fastalliance.store import (
    ArraySpec,
    Coordinate,
    Layout,
    RunStore,
    Slab,
    TileData,
    TileStore,
)

POINTS_PER_TILE = 4
N_COLUMNS = 3
N_REPLICATES = 5


def attributes(**changes: Any) -> dict[str, Any]:
    return {
        "configuration": {
            "model": "toy",
            "design": {"grid": {"trust": [0.0, 0.5, 1.0]}},
            "parameters": {"halflife": float("inf")},
        },
        "configuration_hash": "c0ffee",
        "kernel_hash": "beef",
        "seed": 7,
        "schema_version": 1,
        "fastalliance_version": "0.1.0",
        **changes,
    }


def layout(n_tiles: int = 6, **changes: Any) -> Layout:
    n_points = n_tiles * POINTS_PER_TILE
    units = {"units": "1", "long_name": "x", "description": "A number."}
    return Layout(
        n_tiles=n_tiles,
        packed={"statistics": (POINTS_PER_TILE, N_COLUMNS)},
        direct=(
            ArraySpec(
                "x",
                ("point", "replicate"),
                (n_points, N_REPLICATES),
                (POINTS_PER_TILE, N_REPLICATES),
                units,
                tile_stride=1,
            ),
        ),
        final=tuple(
            ArraySpec(name, ("point",), (n_points,), (2 * POINTS_PER_TILE,), units)
            for name in ("x_mean", "x_std", "n_invalid")
        ),
        coordinates=(
            Coordinate("point", ("point",), np.arange(n_points), units),
            Coordinate("trust", ("point",), np.linspace(0, 1, n_points), units),
            Coordinate("rule", (), np.array(1), {"flag_values": [0, 1], "flag_meanings": "a b"}),
        ),
        attrs=attributes(**changes),
    )


def tile_data(tile: int) -> TileData:
    """Return data that are random, but always the same for a tile; one value is NaN."""
    random = np.random.default_rng([3, tile])
    statistics = random.normal(size=(POINTS_PER_TILE, N_COLUMNS))
    statistics[:, 2] = tile % 3
    replicates = random.normal(size=(POINTS_PER_TILE, N_REPLICATES))
    replicates[0, 0] = np.nan
    rows = slice(tile * POINTS_PER_TILE, (tile + 1) * POINTS_PER_TILE)
    return TileData({"statistics": statistics}, {"x": ((rows, slice(0, N_REPLICATES)), replicates)})


def _nothing() -> None:
    pass


def slabs(store: TileStore, n_tiles: int, pause: Callable[[], None] = _nothing) -> Iterator[Slab]:
    """Label the packed statistics, two tiles at a time."""
    for first in range(0, n_tiles, 2):
        pause()
        last = min(first + 2, n_tiles)
        columns = store.read_packed("statistics", first, last).reshape(-1, N_COLUMNS)
        region = (slice(first * POINTS_PER_TILE, last * POINTS_PER_TILE),)
        names = ("x_mean", "x_std", "n_invalid")
        yield {name: (region, columns[:, i]) for i, name in enumerate(names)}


def drive(
    store: TileStore,
    n_tiles: int,
    batch: int = 2,
    pause: Callable[[], None] = _nothing,
    pause_at_end: Callable[[], None] = _nothing,
) -> None:
    """Compute what is missing, record it in batches, and finalise once nobody lacks a tile."""
    rows = []
    for tile in store.missing().tolist():
        pause()
        rows.append((tile, store.write(tile, tile_data(tile))))
        if len(rows) >= batch:
            store.record(rows)
            rows = []
    store.record(rows)
    if store.missing(everyone=True).size == 0:
        store.finalise(slabs(store, n_tiles, pause_at_end))


def finished(path: Path, n_tiles: int = 6) -> Path:
    """Make a finished store."""
    with RunStore.open(path, layout(n_tiles)) as store:
        drive(store, n_tiles)
    return path


def unfinished(path: Path, done: list[int], n_tiles: int = 6) -> Path:
    """Make a store of which some tiles are done and recorded."""
    with RunStore.open(path, layout(n_tiles)) as store:
        store.record([(tile, store.write(tile, tile_data(tile))) for tile in done])
    return path


def values_hash(path: Path) -> str:
    """Return a SHA-256 of all decoded values of a dataset, as plain xarray reads them."""
    import xarray as xr  # here, since the process to be killed should start fast

    sha = hashlib.sha256()
    with xr.open_zarr(path, consolidated=False) as dataset:
        assert dataset.attrs["complete"] is True
        for name in sorted(map(str, dataset.variables)):
            values = dataset[name].values
            sha.update(f"{name}{dataset[name].dims}{values.dtype}{values.shape}".encode())
            sha.update(values.tobytes())
    return sha.hexdigest()


def tree(path: Path) -> dict[str, bytes]:
    """Return the content of all files below a directory."""
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}
