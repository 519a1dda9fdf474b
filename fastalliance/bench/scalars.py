"""What the numba loops share, as most people write it."""

# mypy: disallow-untyped-decorators=False, disallow-untyped-defs=False, disallow-untyped-calls=False

from __future__ import annotations

import math

import numpy as np
from numba import njit


@njit(cache=True)
def clip01(x):
    """`x` between 0 and 1."""
    return min(1.0, max(0.0, x))


@njit(cache=True)
def logistic(x, midpoint, steepness):
    """S-curve of `x`."""
    return 1.0 / (1.0 + math.exp(-steepness * (x - midpoint)))


@njit(cache=True)
def first_of_descending(values, n):
    """Indices of the `n` largest values, ties by the lower index."""
    return np.argsort(-values, kind="mergesort")[:n]  # stable
