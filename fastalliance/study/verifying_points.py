"""Comparing labelled statistics with what recomputed tiles give, chunk by chunk."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fastalliance.store.chunks import chunk_index
from fastalliance.store.verification import Contents, Damage
from fastalliance.store.verification_repair import Repair
from fastalliance.study import labels
from fastalliance.study.statistics import Statistics
from fastalliance.study.tiles import Tiling
from fastalliance.study.verifying_tiles import TileResult, count_different

Floats = npt.NDArray[np.float64]


@dataclass
class PointsResult:
    """What the comparison of a slab's statistics showed; fields as those of `TileResult`."""

    boxes: dict[int, list[str]]  # the chunks of statistics that differ in each box of points
    n_values: int = 0
    n_different: int = 0
    damage: list[Damage] = field(default_factory=list)
    repaired: list[Damage] = field(default_factory=list)


@dataclass
class _Slab:
    """The recomputed boxes of one chunk of points, until all that are wanted are there."""

    number: int
    region: tuple[slice, ...]
    wanted: set[int]
    whole: bool  # whether all of the slab is recomputed
    trusted: bool = True
    results: dict[int, dict[str, Floats]] = field(default_factory=dict)


class PointsChecker:
    """Compares the statistics of all points whose tiles are recomputed; tiles come in any order.

    Parameters
    ----------
    contents : Contents
        A complete store.
    tiling, statistics
        As those of the study.
    tiles : collection of int
        The tiles that will be recomputed.
    repair : Repair or None
        Writes damaged chunks, if that is wanted.
    """

    def __init__(
        self,
        contents: Contents,
        tiling: Tiling,
        statistics: Statistics,
        tiles: Collection[int],
        repair: Repair | None,
    ) -> None:
        self._contents, self._tiling, self._statistics = contents, tiling, statistics
        self._repair = repair
        n_blocks = tiling.n_blocks
        counts: dict[int, int] = {}
        for tile in tiles:
            counts[tile // n_blocks] = counts.get(tile // n_blocks, 0) + 1
        boxes = {box for box, n in counts.items() if n == n_blocks}
        self.tiles = {box * n_blocks + block for box in boxes for block in range(n_blocks)}
        self._slabs: dict[int, _Slab] = {}  # by box
        for number, (region, inside) in enumerate(labels.slabs(tiling)):
            wanted = boxes.intersection(inside)
            slab = _Slab(number, region, wanted, len(wanted) == len(inside))
            self._slabs.update(dict.fromkeys(wanted, slab))
        self._blocks: dict[int, dict[int, dict[str, Floats]]] = {}

    def add(self, tile: TileResult) -> PointsResult | None:
        """Take a recomputed tile; return the comparison of its slab if it was the last of it."""
        if tile.tile not in self.tiles:
            return None
        box, block = divmod(tile.tile, self._tiling.n_blocks)
        slab = self._slabs[box]
        slab.trusted &= tile.trusted
        blocks = self._blocks.setdefault(box, {})
        blocks[block] = tile.packed
        tile.packed = {}
        if len(blocks) < self._tiling.n_blocks:
            return None
        slab.results[box] = self._finished(box, self._blocks.pop(box))
        if len(slab.results) < len(slab.wanted):
            return None
        result = self._compare(slab)
        slab.results = {}
        return result

    def _finished(self, box: int, blocks: dict[int, dict[str, Floats]]) -> dict[str, Floats]:
        """Return the statistics of a box of points, as the end of a run does."""
        n_points = self._tiling.tile(box * self._tiling.n_blocks).n_points
        ordered = [blocks[block] for block in range(self._tiling.n_blocks)]
        raw = None
        if labels.RAW in ordered[0]:
            raw = np.concatenate([b[labels.RAW][:, :n_points] for b in ordered], axis=-1)
        merged = self._statistics.merge([b[labels.STATISTICS][:n_points] for b in ordered])
        return self._statistics.finish(merged, raw)

    def _compare(self, slab: _Slab) -> PointsResult:
        result = PointsResult({box: [] for box in slab.results})
        for name in next(iter(slab.results.values())):
            index = chunk_index(self._contents.info(name), slab.number)
            stored = self._contents.read_chunk(name, index)
            if isinstance(stored, Damage):
                result.damage.append(stored)
                if self._repair is not None and slab.whole and slab.trusted:
                    whole = self._assembled(slab, name)
                    self._repair.write_chunk(self._contents, name, index, whole)
                    result.repaired.append(stored)
                continue
            for box, values in slab.results.items():
                part = np.asarray(stored[self._place(slab, box)])
                n_different = count_different(part, values[name].reshape(part.shape))
                result.n_values += part.size
                result.n_different += n_different
                if n_different:
                    result.boxes[box].append(self._contents.chunk_name(name, index))
        return result

    def _assembled(self, slab: _Slab, name: str) -> Floats:
        index = chunk_index(self._contents.info(name), slab.number)
        region = self._contents.region(name, index)
        whole = np.full(tuple(part.stop - part.start for part in region), np.nan)
        for box, values in slab.results.items():
            place = self._place(slab, box)
            whole[place] = values[name].reshape(whole[place].shape)
        return whole

    def _place(self, slab: _Slab, box: int) -> tuple[slice, ...]:
        """Return where a box of points lies in its slab."""
        region = self._tiling.tile(box * self._tiling.n_blocks).region
        return tuple(
            slice(part.start - base.start, part.stop - base.start)
            for part, base in zip(region, slab.region, strict=True)
        )
