"""From packed tiles to labelled statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from fastalliance.study import labels
from fastalliance.study.statistics import Statistics
from fastalliance.study.tiles import Tile, Tiling

Floats = npt.NDArray[np.float64]
Item = TypeVar("Item")
Result = TypeVar("Result")


class PackedReader(Protocol):
    """What holds packed tiles: a store that is being run, or one opened for reading."""

    def read_packed(self, name: str, first: int, last: int) -> Floats:
        """Return a packed array of the tiles first, ..., last - 1."""

    def each(self, action: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Return the results of actions that read packed arrays."""


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

        firsts = [box * tiling.n_blocks for box in boxes]
        if done is not None:
            firsts = [n for n in firsts if done.issuperset(range(n, n + tiling.n_blocks))]
        tiles = [tiling.tile(first) for first in firsts]
        results = store.each(partial(_box_results, tiling, statistics, store), tiles)
        for tile, found in zip(tiles, results, strict=True):
            where = tuple(
                slice(part.start - base.start, part.stop - base.start)
                for part, base in zip(tile.region, region, strict=True)
            )
            for name, result in found.items():
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
    tiling: Tiling, statistics: Statistics, store: PackedReader, tile: Tile
) -> dict[str, Floats]:
    """Return the statistics of a box, of whose blocks `tile` is the first."""
    tiles = range(tile.number, tile.number + tiling.n_blocks)
    blocks = store.read_packed(labels.STATISTICS, tiles.start, tiles.stop)[:, : tile.n_points]
    raw = None
    if statistics.quantile_outputs and len(tiles) > 1:
        packed = store.read_packed(labels.RAW, tiles.start, tiles.stop)[:, :, : tile.n_points]
        raw = np.concatenate(list(packed), axis=-1)
    return statistics.finish(statistics.merge(list(blocks)), raw)
