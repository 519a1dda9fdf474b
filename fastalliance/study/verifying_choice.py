"""Which tiles a verification recomputes: a sample, all, and those that a repair needs."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Literal

from fastalliance.store import files
from fastalliance.store.format import chunk_key
from fastalliance.store.verification import LEDGER, Contents, Damage, Index
from fastalliance.study import labels
from fastalliance.study.tiles import Tiling

HANDFUL = 8


def sampled(contents: Contents, tiling: Tiling, tiles: int | Literal["all"], seed: int) -> set[int]:
    """Return tiles that are done: all, or some drawn by a seed.

    Where a point has several blocks of replicates, whole points are drawn as long as the number
    allows one: only then can their statistics be compared.
    """
    done = range(tiling.n_tiles) if contents.handle.complete else sorted(contents.rows)
    if tiles == "all" or tiles >= len(done):
        return set(done)
    draw = random.Random(seed)
    n_blocks = tiling.n_blocks
    if n_blocks > 1 and tiles >= n_blocks:
        whole = _whole_boxes(done, n_blocks)
        boxes = draw.sample(whole, min(tiles // n_blocks, len(whole)))
        if boxes:
            return {box * n_blocks + block for box in boxes for block in range(n_blocks)}
    return set(draw.sample(done, tiles))


def _whole_boxes(done: range | list[int], n_blocks: int) -> range | list[int]:
    """Return the boxes of points whose tiles are all done."""
    if isinstance(done, range):
        return range(len(done) // n_blocks)
    present = set(done)
    boxes = sorted({tile // n_blocks for tile in done})
    return [b for b in boxes if present.issuperset(range(b * n_blocks, (b + 1) * n_blocks))]


def needed(contents: Contents, tiling: Tiling, damage: Iterable[Damage]) -> set[int]:
    """Return the tiles from which damaged files can be made anew."""
    found: set[int] = set()
    slabs: set[int] = set()
    for item in damage:
        if item.name == LEDGER:
            found |= unlisted(contents, tiling)
        elif item.tile is not None:
            found.add(item.tile)
        elif item.name in contents.run["final"] and item.chunk is not None:
            slabs.add(contents.number(item.name, item.chunk))
    if slabs:
        for number, (_, boxes) in enumerate(labels.slabs(tiling)):
            if number in slabs:
                found |= _tiles_of(boxes, tiling)
    return found


def unlisted(contents: Contents, tiling: Tiling) -> set[int]:
    """Return the tiles that a damaged ledger may have listed, with all others of their points.

    Of an unfinished store, those of whose data nothing is missing.
    """
    lost = set(range(tiling.n_tiles)) - set(contents.rows)
    if contents.handle.complete:
        boxes = {tile // tiling.n_blocks for tile in lost}
        return _tiles_of(boxes, tiling)
    for name in (*contents.handle.packed, *contents.handle.direct):
        present = set(files.names(contents.directory(name)))
        lost = {t for t in lost if _is_present(contents.tile_chunks(t).get(name), present)}
    return lost


def _is_present(index: Index | None, present: set[str]) -> bool:
    return index is None or chunk_key(index) in present


def _tiles_of(boxes: Iterable[int], tiling: Tiling) -> set[int]:
    n_blocks = tiling.n_blocks
    return {box * n_blocks + block for box in boxes for block in range(n_blocks)}
