"""What members of a population are given beside parameters: arrays and a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Structure:
    """Given arrays and the network of populations of one size.

    Parameters
    ----------
    inputs : float64 (input, graph, member)
        The model's member inputs, in its order; one graph where they are the same in all.
    given : tuple of str
        Names of the inputs that were given, and ``"network"`` where there is one.
    first_neighbours : int64 (graph, member + 1)
        Offsets into `neighbours`; replicate r lives in graph r modulo their number.
    neighbours : int64 (entry)
        Members' neighbours, every tie twice.
    """

    inputs: Floats
    given: tuple[str, ...]
    first_neighbours: Integers
    neighbours: Integers

    @property
    def has_network(self) -> bool:
        """Whether members have neighbours."""
        return "network" in self.given


NOTHING = Structure(
    np.empty((0, 1, 0)), (), np.zeros((1, 1), dtype=np.int64), np.empty(0, dtype=np.int64)
)
Structures = Callable[[tuple[float, ...]], Structure]  # of the sizes, in the model's order


def nothing_given(sizes: tuple[float, ...]) -> Structure:
    """Return the structure of a population that is given nothing."""
    return NOTHING
