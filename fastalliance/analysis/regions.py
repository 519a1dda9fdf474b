"""Walking through large arrays a bounded part at a time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator


def regions(shape: tuple[int, ...], max_cells: int) -> Iterator[tuple[slice, ...]]:
    """Yield regions of up to `max_cells` cells that follow one another in C order."""
    if not shape:
        yield ()
        return
    axis = next(i for i in range(len(shape)) if math.prod(shape[i + 1 :]) <= max_cells)
    step = max_cells // math.prod(shape[axis + 1 :])
    rest = tuple(slice(0, n) for n in shape[axis + 1 :])
    for head in itertools.product(*(range(n) for n in shape[:axis])):
        before = tuple(slice(i, i + 1) for i in head)
        for low in range(0, shape[axis], step):
            yield (*before, slice(low, min(low + step, shape[axis])), *rest)
