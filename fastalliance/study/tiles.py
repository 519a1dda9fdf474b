"""Cutting a study into tiles: boxes of design points times blocks of replicates."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from fastalliance.study.study import Study

BLOCK = 4096  # replicates per block, at most
_MAX_BLOCK_MEMBERS = 2**22  # members of all replicates of a block: some tenths of a second
_MIN_TILE_STEPS = 20_000_000  # about 0.05 s of one core; writing a tile takes some 3 ms
_MAX_TILE_STEPS = 300_000_000  # about 4 s of one core
_MAX_TILE_INSTANCES = 2**17  # bounds the memory of a tile's raw outputs
_TILE_BYTES = 2**28  # of raw outputs and trajectories that a tile holds in memory
_AIM_TILES = 64


@dataclass(frozen=True)
class Tile:
    """One unit of work: consecutive points (a box of the design) times consecutive replicates."""

    number: int
    box: int
    block: int
    first_point: int
    n_points: int
    first_replicate: int
    n_replicates: int
    region: tuple[slice, ...]  # the box, in the design's dimensions

    @property
    def replicates(self) -> slice:
        """The block of replicates."""
        return slice(self.first_replicate, self.first_replicate + self.n_replicates)


@dataclass(frozen=True)
class Tiling:
    """All tiles of a study. Boxes are contiguous in C order, so that a box is a range of points."""

    shape: tuple[int, ...]
    box_shape: tuple[int, ...]
    replicates: int
    block: int = BLOCK

    @property
    def n_blocks(self) -> int:
        """Blocks of replicates per point."""
        return -(-self.replicates // self.block)

    @property
    def boxes_along(self) -> tuple[int, ...]:
        """Number of boxes along each dimension."""
        return tuple(-(-n // b) for n, b in zip(self.shape, self.box_shape, strict=True))

    @property
    def n_boxes(self) -> int:
        """Number of boxes."""
        return math.prod(self.boxes_along)

    @property
    def n_tiles(self) -> int:
        """Number of tiles."""
        return self.n_boxes * self.n_blocks

    @property
    def points_per_tile(self) -> int:
        """Points of a full box."""
        return math.prod(self.box_shape)

    @property
    def replicates_per_tile(self) -> int:
        """Replicates of a full block."""
        return min(self.replicates, self.block)

    def to_plain(self) -> dict[str, Any]:
        """Return the tiling as plain data."""
        return {
            "shape": list(self.shape),
            "box_shape": list(self.box_shape),
            "replicates": self.replicates,
            "block": self.block,
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Return the tiling that `to_plain` gave."""
        block = plain.get("block", BLOCK)
        return cls(tuple(plain["shape"]), tuple(plain["box_shape"]), plain["replicates"], block)

    def tile(self, number: int) -> Tile:
        """Return tile `number` = box * n_blocks + block."""
        box, block = divmod(number, self.n_blocks)
        region, rest = [], box
        for n_boxes, n, size in reversed(
            list(zip(self.boxes_along, self.shape, self.box_shape, strict=True))
        ):
            rest, i = divmod(rest, n_boxes)
            region.append(slice(i * size, min((i + 1) * size, n)))
        region.reverse()
        first = 0
        for part, n in zip(region, self.shape, strict=True):
            first = first * n + part.start
        first_replicate = block * self.block
        return Tile(
            number=number,
            box=box,
            block=block,
            first_point=first,
            n_points=math.prod(part.stop - part.start for part in region),
            first_replicate=first_replicate,
            n_replicates=min(self.block, self.replicates - first_replicate),
            region=tuple(region),
        )

    def __iter__(self) -> Iterator[Tile]:
        return (self.tile(number) for number in range(self.n_tiles))


def block_size(members: int) -> int:
    """Return the replicates of a block: fixed by the members, so that statistics do not depend on
    tiles; fewer of larger populations, so that a block is no more than a second or so of work.
    """
    block = BLOCK
    while block > 1 and block * members > _MAX_BLOCK_MEMBERS:
        block //= 2
    return block


def cut(
    shape: tuple[int, ...],
    replicates: int,
    n_steps: int,
    points_per_tile: int | None = None,
    block_replicates: int = BLOCK,
) -> Tiling:
    """Return a tiling whose tiles take about 0.05 to 4 s of a core.

    Parameters
    ----------
    shape : tuple of int
        Points along each dimension of the design.
    replicates, n_steps : int
        Replicates per point and steps (of all members) per replicate.
    points_per_tile : int, optional
        Instead of the estimate, for tests and special machines. Results do not depend on it.
    block_replicates : int
        Replicates of a block, see `block_size`.
    """
    block = min(replicates, block_replicates)
    if points_per_tile is None:
        total = math.prod(shape) * replicates * n_steps
        aim = min(max(total // _AIM_TILES, _MIN_TILE_STEPS), _MAX_TILE_STEPS)
        instances = max(min(aim // n_steps, _MAX_TILE_INSTANCES), 1)
        points_per_tile = max(instances // block, 1)
    box = [1] * len(shape)
    room = points_per_tile
    for axis in reversed(range(len(shape))):
        size = min(shape[axis], room)
        n_boxes = -(-shape[axis] // size)
        box[axis] = -(-shape[axis] // n_boxes)  # even out the last box
        if box[axis] < shape[axis]:
            break
        room //= box[axis]
    return Tiling(shape, tuple(box), replicates, block_replicates)


def tiling_of(study: Study, points_per_tile: int | None) -> Tiling:
    """Return how a study is cut into tiles; results do not depend on it."""
    work, block = study.n_steps * study.most_members, block_size(study.most_members)
    shape, replicates = study.design.shape, study.replicates
    tiling = cut(shape, replicates, work, points_per_tile, block)
    room = max(_TILE_BYTES // max(_bytes_per_point(study, tiling), 1), 1)
    if room >= tiling.points_per_tile:
        return tiling
    return cut(shape, replicates, work, room, block)


def _bytes_per_point(study: Study, tiling: Tiling) -> int:
    """Return what a tile keeps per point in memory beyond its outputs."""
    n_values = 0
    if tiling.n_blocks > 1:  # exact quantiles need all raw outputs of a point at once
        n_values += len(study.statistics(tiling).quantile_outputs) * study.replicates
    if study.record_steps:
        all_kept = study.keeps_all_replicates
        recorded = tiling.replicates_per_tile if all_kept else study.recorded_replicates
        n_times = study.n_steps // study.record_steps + 1
        n_values += len(study.model.recorded) * recorded * n_times
    n_values += len(study.member_outputs) * study.most_members * tiling.replicates_per_tile
    return 8 * n_values
