"""What the numba loops share, as most people write it."""

# mypy: disallow-untyped-decorators=False, disallow-untyped-defs=False, disallow-untyped-calls=False

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
from numba import njit

from fastalliance.bench.populations import Run
from fastalliance.parameters import Parameter

Floats = npt.NDArray[np.float64]


def records(points: Floats, parameters: Iterable[Parameter]) -> npt.NDArray[np.void]:
    """Points (point, parameter) as records with the names of `parameters`."""
    record = np.dtype([(parameter.name, np.float64) for parameter in parameters])
    return np.ascontiguousarray(points).view(record)[:, 0]


def population_run(
    simulate: Callable[..., None], parameters: Iterable[Parameter], n_outputs: int
) -> Run:
    """`simulate` as a `Run`, which draws by numba's own generator from the seed's low 32 bits.

    `simulate` takes records of points, seed, dt, n_steps, n_members, n_industries, and writes
    outputs (point, replicate, output).
    """

    def run(
        points: Floats,
        *,
        seed: int,
        n_replicates: int,
        dt: float,
        n_steps: int,
        n_members: int,
        n_industries: int,
    ) -> Floats:
        outputs = np.empty((len(points), n_replicates, n_outputs))
        rows = records(points, parameters)
        simulate(rows, seed & 0xFFFFFFFF, dt, n_steps, n_members, n_industries, outputs)
        return outputs.transpose(2, 0, 1)

    return run


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
