"""Comparing the coordinates of a store with those of its study, and writing damaged ones anew."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np

from fastalliance.store import Layout
from fastalliance.store.verification import Contents, Damage
from fastalliance.store.verification_repair import Repair
from fastalliance.study.verifying_tiles import count_different


@dataclass
class CoordinatesResult:
    """What the comparison of coordinates showed; fields as those of `TileResult`."""

    n_values: int = 0
    n_different: int = 0
    different: list[str] = field(default_factory=list)
    repaired: list[Damage] = field(default_factory=list)


def check_coordinates(
    contents: Contents, layout: Layout, repair: Repair | None
) -> CoordinatesResult:
    """Compare every coordinate chunk by chunk; damaged chunks are written anew if that is wanted.

    The study of `layout` must be proved to be the store's.
    """
    result = CoordinatesResult()
    for coordinate in layout.coordinates:
        name, values = coordinate.name, np.asarray(coordinate.values)
        for index in itertools.product(*map(range, contents.info(name).chunk_grid)):
            wanted = np.asarray(values[contents.region(name, index)])
            stored = contents.read_chunk(name, index)
            if isinstance(stored, Damage):
                if repair is not None:
                    repair.write_chunk(contents, name, index, wanted)
                    result.repaired.append(stored)
                continue
            n_different = count_different(stored, wanted)
            result.n_values += wanted.size
            result.n_different += n_different
            if n_different and name not in result.different:
                result.different.append(name)
    return result
