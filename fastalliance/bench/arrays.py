"""What the baselines in vectorised NumPy share."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt

from fastalliance.parameters import Parameter

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.intp]


def columns(rows: Floats, parameters: Iterable[Parameter]) -> SimpleNamespace:
    """Columns (instance, 1) by the names of `parameters`, of rows (instance, parameter)."""
    values = np.ascontiguousarray(rows.T)[:, :, np.newaxis]
    names = [parameter.name for parameter in parameters]
    return SimpleNamespace(**dict(zip(names, values, strict=True)))


def blocks(n_members: int, n_industries: int) -> tuple[Integers, Integers]:
    """First member and size of each industry, whose members are contiguous."""
    firsts = -(-np.arange(n_industries) * n_members // n_industries)  # rounded up
    return firsts, np.diff(firsts, append=n_members)


def first_of_descending(values: Floats, n: int) -> Integers:
    """Indices (instance, n) of the largest values, ties by the lower index."""
    return np.argsort(-values, axis=1, kind="stable")[:, :n]


def reciprocal(x: Floats, above: float = 0.0) -> Floats:
    """1/x, and 0 where there is nobody else."""
    return np.divide(1.0, x, out=np.zeros_like(x), where=x > above)


def clip01(x: Floats) -> Floats:
    """`x` between 0 and 1, in its memory."""
    return np.clip(x, 0.0, 1.0, out=x)


def logistic(x: Floats, midpoint: Floats, steepness: Floats) -> Floats:
    """S-curve of `x`; its exponential may overflow, which gives 0."""
    y = midpoint - x
    y *= steepness
    np.exp(y, out=y)
    y += 1.0
    return np.reciprocal(y, out=y)


def relaxed(x: Floats, goal: Floats, rate: Floats) -> Floats:
    """`x` after a step towards `goal`, whose memory it takes."""
    goal -= x
    goal *= rate
    goal += x
    return goal
