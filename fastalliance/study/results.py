"""From packed tiles to labelled statistics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fastalliance.study import labels
from fastalliance.study.statistics import Statistics
from fastalliance.study.tiles import Tile, Tiling

Floats = npt.NDArray[np.float64]


class PackedReader(Protocol):
    """What holds packed tiles: a store that is being run, or one opened for reading."""

    def read_packed(self, name: str, first: int, last: int) -> Floats:
        """Return a packed array of the tiles first, ..., last - 1."""


def final_slabs(
    tiling: Tiling, statistics: Statistics, store: PackedReader, done: set[int] | None = None
) -> Iterator[dict[str, tuple[tuple[slice, ...], Floats]]]:
    """Yield the labelled statistics slab by slab: merged over blocks, in the design's shape.

    With `done`, points that lack a tile stay NaN.
    """
    for region, boxes in labels.slabs(tiling):
        shape = tuple(part.stop - part.start for part in region)
        values = {
            v.name: np.full((*shape, v.extra_size) if v.extra_dim else shape, np.nan)
            for v in statistics.variables()
        }
        for box in boxes:
            first = box * tiling.n_blocks
            tiles = range(first, first + tiling.n_blocks)
            if done is not None and not done.issuperset(tiles):
                continue
            tile = tiling.tile(first)
            where = tuple(
                slice(part.start - base.start, part.stop - base.start)
                for part, base in zip(tile.region, region, strict=True)
            )
            for name, result in _box_results(tile, tiles, statistics, store).items():
                target = values[name]
                target[where] = result.reshape(target[where].shape)
        yield {
            name: (
                (*region, slice(0, array.shape[-1])) if array.ndim > len(region) else region,
                array,
            )
            for name, array in values.items()
        }


def _box_results(
    tile: Tile, tiles: range, statistics: Statistics, store: PackedReader
) -> dict[str, Floats]:
    blocks = store.read_packed(labels.STATISTICS, tiles.start, tiles.stop)[:, : tile.n_points]
    raw = None
    if statistics.quantile_outputs and len(tiles) > 1:
        packed = store.read_packed(labels.RAW, tiles.start, tiles.stop)[:, :, : tile.n_points]
        raw = np.concatenate(list(packed), axis=-1)
    return statistics.finish(statistics.merge(list(blocks)), raw)
