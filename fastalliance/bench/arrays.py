"""What the baselines in vectorised NumPy share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt

from fastalliance.bench.populations import Run
from fastalliance.parameters import Parameter

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.intp]

# Rows (instance, parameter), generator, dt, n_steps, n_members, n_industries to outputs
# (output, instance).
Chunk = Callable[[Floats, np.random.Generator, float, int, int, int], Floats]


def population_run(simulate: Chunk, n_outputs: int, n_at_once: int) -> Run:
    """`simulate` as a `Run`, whose chunks have `n_at_once` members of all instances together."""

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
        generator = generator_of(seed)
        size = max(1, n_at_once // n_members)
        return by_chunks(
            lambda rows: simulate(rows, generator, dt, n_steps, n_members, n_industries),
            points,
            n_replicates,
            n_outputs,
            size,
        )

    return run


def by_chunks(
    simulate: Callable[[Floats], Floats],
    points: Floats,
    n_replicates: int,
    n_outputs: int,
    size: int,
) -> Floats:
    """Outputs (output, point, replicate) of all instances, of which `simulate` takes `size`.

    `simulate` returns outputs (output, instance) of rows (instance, parameter).
    """
    n = len(points) * n_replicates
    outputs = np.empty((n_outputs, n))
    for first in range(0, n, size):
        last = min(first + size, n)
        outputs[:, first:last] = simulate(points[np.arange(first, last) // n_replicates])
    return outputs.reshape(n_outputs, len(points), n_replicates)


def generator_of(seed: int) -> np.random.Generator:
    """The fastest of NumPy's generators."""
    return np.random.Generator(np.random.SFC64(seed))


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
