"""From packed tiles to labelled statistics."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fastalliance.study import labels
from fastalliance.study.statistics import Statistics
from fastalliance.study.tiles import Tiling

Floats = npt.NDArray[np.float64]
# Points that are labelled in one go, which changes no value. 10^4 tiles of 10 points and 99
# variables took 0.6 s of CPU so, and 5.5 s tile by tile.
_POINTS = 2**12


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
        n_points = math.prod(shape)
        values = {
            v.name: np.full((n_points, v.extra_size) if v.extra_dim else n_points, np.nan)
            for v in statistics.variables()
        }
        low = 0
        for group in _groups(tiling, statistics, boxes):
            # Boxes are contiguous in C order, in the design and so in a slab.
            sizes = [tiling.tile(box * tiling.n_blocks).n_points for box in group]
            high = low + sum(sizes)
            results = _results(tiling, statistics, store, group, sizes)
            known = np.repeat([_is_done(tiling, box, done) for box in group], sizes)
            for name, result in results.items():
                values[name][low:high][known] = result[known]
            low = high
        yield {
            name: (
                (*region, slice(0, array.shape[-1])) if array.ndim > 1 else region,
                array.reshape((*shape, *array.shape[1:])),
            )
            for name, array in values.items()
        }


def _groups(tiling: Tiling, statistics: Statistics, boxes: range) -> Iterator[range]:
    """Yield boxes in groups; one by one where the raw values of all their replicates are needed."""
    raw = statistics.quantile_outputs and tiling.n_blocks > 1
    size = 1 if raw else group_size(tiling)
    return (boxes[low : low + size] for low in range(0, len(boxes), size))


def group_size(tiling: Tiling) -> int:
    """Return how many boxes are labelled in one go."""
    return max(_POINTS // (tiling.points_per_tile * tiling.n_blocks), 1)


def _is_done(tiling: Tiling, box: int, done: set[int] | None) -> bool:
    first = box * tiling.n_blocks
    return done is None or done.issuperset(range(first, first + tiling.n_blocks))


def _results(
    tiling: Tiling, statistics: Statistics, store: PackedReader, boxes: range, sizes: list[int]
) -> dict[str, Floats]:
    """Return the values of all variables at the points of some boxes, in their order."""
    n_blocks = tiling.n_blocks
    tiles = (boxes.start * n_blocks, boxes.stop * n_blocks)
    packed = store.read_packed(labels.STATISTICS, *tiles)
    packed = packed.reshape(len(boxes), n_blocks, *packed.shape[1:])
    blocks = [
        np.concatenate([box[i, :size] for box, size in zip(packed, sizes, strict=True)])
        for i in range(n_blocks)
    ]
    raw = None
    if statistics.quantile_outputs and n_blocks > 1:
        kept = store.read_packed(labels.RAW, *tiles)[:, :, : sizes[0]]
        raw = np.concatenate(list(kept), axis=-1)
    return statistics.finish(statistics.merge(blocks), raw)
