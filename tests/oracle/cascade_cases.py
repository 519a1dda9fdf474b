"""Random alliances and parameter sets for the model `exit_cascade`, over the whole of its bounds.

Plain seeded draws: a feature (hazard, thresholds, ties, fading, ...) is often off as a whole,
because a compiled model may leave out what is off, and often at the edge of its bounds.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# Even and odd, a member alone, and around multiples of the lane widths of all machines.
SIZES = (2, 3, 4, 5, 7, 8, 9, 10, 13, 16, 17, 31, 33, 50, 64, 65, 101)


@dataclass(frozen=True)
class Alliance:
    """Structural inputs, as the package takes them and as the twin does."""

    members: int
    industries: int
    edges: tuple[tuple[int, int], ...] | None = None
    thresholds: tuple[float, ...] | None = None
    centralities: tuple[float, ...] | None = None

    def structure(self) -> dict[str, Any]:
        """Return the `structure` of `fa.Study` and `fa.simulate`."""
        given: dict[str, Any] = {"members": self.members, "industries": self.industries}
        if self.edges is not None:
            given["network"] = np.array(self.edges, dtype=np.int64).reshape(-1, 2)
        if self.thresholds is not None:
            given["thresholds"] = np.array(self.thresholds)
        if self.centralities is not None:
            given["centralities"] = np.array(self.centralities)
        return given

    def twin(self) -> dict[str, Any]:
        """Return the keywords of the twin."""
        return {
            "members": self.members,
            "industries": self.industries,
            "neighbours": None if self.edges is None else neighbours(self.members, self.edges),
            "thresholds": self.thresholds,
            "centralities": self.centralities,
        }


def neighbours(members: int, edges: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Return the neighbours of each member."""
    found: list[list[int]] = [[] for _ in range(members)]
    for i, j in edges:
        found[i].append(j)
        found[j].append(i)
    return found


def random_edges(rng: random.Random, members: int) -> tuple[tuple[int, int], ...]:
    """Return the edges of a random graph; some members have none, and it may fall to pieces."""
    connected = rng.sample(range(members), max(2, math.ceil(0.8 * members)))
    pairs = [(min(i, j), max(i, j)) for i in connected for j in connected if i < j]
    n = min(len(pairs), rng.randint(1, 3 * members))
    return tuple(sorted(rng.sample(pairs, n)))


def random_alliance(
    rng: random.Random, *, members: int | None = None, network: bool | None = None
) -> Alliance:
    """Return sizes, and by chance a network and given arrays."""
    n = rng.choice(SIZES) if members is None else members
    industries = rng.choice((1, n, rng.randint(1, n), rng.randint(1, min(n, 7))))
    tied = rng.random() < 0.4 if network is None else network
    thresholds = centralities = None
    if rng.random() < 0.3:
        special = (math.inf, -math.inf, 0.0, 0.25, 0.5, 1.0)
        thresholds = tuple(
            rng.choice(special) if rng.random() < 0.3 else rng.uniform(-0.05, 1.5) for _ in range(n)
        )
    if rng.random() < 0.4:
        digits = rng.choice((1, 15))  # one digit: ties
        centralities = tuple(round(rng.random(), digits) for _ in range(n))
    edges = random_edges(rng, n) if tied else None
    return Alliance(n, industries, edges, thresholds, centralities)


def random_parameters(rng: random.Random, members: int) -> dict[str, float]:
    """Return every parameter, off its default or at an edge of its bounds."""

    def one_of(*values: float, low: float, high: float, often: float = 0.35) -> float:
        return rng.choice(values) if rng.random() < often else rng.uniform(low, high)

    parameters = {
        "uncertainty": one_of(0.0, 1.0, low=0.1, high=2.5),
        "uncertainty_halflife": one_of(math.inf, 1e-3, low=0.5, high=60.0),
        "industry_weight": one_of(0.0, low=0.0, high=1.5),
        "alliance_weight": one_of(0.0, low=0.0, high=1.5),
        "tie_weight": one_of(0.0, low=0.0, high=2.0),
        "immunity": one_of(0.0, 1.0, low=0.0, high=1.0),
        "centrality_skew": one_of(0.0, 1.0, low=0.0, high=9.0),
        "prominence_weight": one_of(0.0, low=0.0, high=6.0),
        "threshold_mean": one_of(math.inf, 0.5, low=-0.1, high=1.5),
        "threshold_sd": one_of(0.0, low=0.0, high=0.6),
        "base_hazard": rng.choice((0.0, 0.0, 10.0 ** rng.uniform(-4.0, 0.0), 0.02)),
        "imitation": one_of(0.0, 2000.0, -2000.0, low=-4.0, high=8.0),
        "memory": one_of(math.inf, 1e-3, low=0.3, high=40.0),
        "seed_exits": rng.choice((0, 0, 1, members, rng.randint(0, members), members // 4)),
        "seed_rule": one_of(-1.0, 0.0, 1.0, low=-1.0, high=1.0, often=0.6),
        "collapse_share": one_of(0.0, 1.0, rng.randint(0, members) / members, low=0.0, high=1.0),
    }
    # Most sets leave some of the twists out: with all of them at once little happens.
    quiet = {"uncertainty_halflife": math.inf, "memory": math.inf, "uncertainty": 1.0}
    return parameters | (quiet if rng.random() < 0.4 else {})
