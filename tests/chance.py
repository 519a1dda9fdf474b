"""What statistical tests share: the seed, the limit on |z|, and the z scores.

The seed is fixed, so that a run is repeatable; FASTALLIANCE_TEST_SEED=... draws afresh.
|z| < 5.85 has a false-alarm rate of 5e-9, hence of 1e-6 for a family of 200 such checks.
"""

from __future__ import annotations

import math
import os

import numpy as np
from numpy.typing import NDArray

SEED = int(os.environ.get("FASTALLIANCE_TEST_SEED", "7"))
LIMIT = 5.85


def z_of_mean(
    sample: NDArray[np.float64], expected: float, deviation: float | None = None
) -> float:
    """Return how many standard errors the mean of `sample` lies from `expected`.

    The sample's own standard deviation is taken where the exact one is not given.
    """
    spread = float(np.std(sample, ddof=1)) if deviation is None else deviation
    return (float(np.mean(sample)) - expected) / (spread / math.sqrt(sample.size))


def z_of_variance(sample: NDArray[np.float64], expected: float) -> float:
    """Return the z score of the variance of a normal `sample`."""
    ratio = float(np.var(sample, ddof=1)) / expected
    return (ratio - 1.0) / math.sqrt(2.0 / (sample.size - 1))


def z_of_share(count: float, n: int, expected: float) -> float:
    """Return the z score of `count` successes in `n` trials of probability `expected`."""
    return (count - n * expected) / math.sqrt(n * expected * (1.0 - expected))


def z_of_difference(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return the z score of the difference between the means of two independent samples."""
    variance = np.var(first, ddof=1) / first.size + np.var(second, ddof=1) / second.size
    difference = float(np.mean(first) - np.mean(second))
    return difference / math.sqrt(variance) if variance > 0.0 else difference * math.inf
