"""Comparison of counts with an exact distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.chance import LIMIT, z_of_share


def assert_distribution(
    values: NDArray[np.number],
    probabilities: Sequence[float] | NDArray[np.float64],
    least: float = 5.0,
) -> None:
    """Compare how often 0, 1, ... occur with their probabilities, each by its own z.

    What is expected fewer than `least` times is put together.
    """
    counts = np.bincount(np.asarray(values, dtype=np.int64), minlength=len(probabilities))
    n = len(values)
    assert counts.size == len(probabilities)
    probabilities = np.asarray(probabilities, dtype=float)
    assert probabilities.sum() == pytest.approx(1.0, abs=1e-9)
    assert counts[probabilities == 0.0].sum() == 0
    rare = probabilities * n < least
    for count, probability in zip(counts[~rare], probabilities[~rare], strict=True):
        assert abs(z_of_share(count, n, min(probability, 1.0 - 1e-15))) < LIMIT
    expected = probabilities[rare].sum() * n
    assert abs(counts[rare].sum() - expected) < LIMIT * math.sqrt(expected + least)
