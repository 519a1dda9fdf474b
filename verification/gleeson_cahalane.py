"""Gleeson and Cahalane (2007): the share that leaves in the end, from a share of seeds.

    python -m verification.gleeson_cahalane [--tiny] [--seed N]

Configuration-model graphs with given degrees, normal thresholds, a share rho0 of random seeds,
nothing but ties; away from the edges of the window, where finite graphs differ. Targets hold as
N -> infinity; standard errors are those between graphs. The few parallel edges and self-loops of
such a graph (a number that does not grow with N) are dropped.
"""

from __future__ import annotations

import itertools
import sys
import warnings
from collections.abc import Iterator

import numpy as np

import fastalliance as fa
from benchmarks.watts import HORIZON, TIES_ALONE
from tests.exact import cascade_theory as theory
from verification.claims import Row, clustered, run

# Share of the members of each degree.
DEGREES = {
    "all 5": {5: 1.0},
    "4 or 8": {4: 0.5, 8: 0.5},
    "2 to 20": {2: 0.4, 3: 0.3, 4: 0.15, 6: 0.1, 20: 0.05},
}
# Seeds, mean and spread of thresholds: little amplified, moderately, and nearly all.
CASES = ((0.05, 0.4, 0.1), (0.1, 0.5, 0.2), (0.05, 0.35, 0.2))


def exit_shares(
    degrees: dict[int, float],
    seeds: float,
    mean: float,
    sd: float,
    *,
    members: int,
    graphs: int,
    per_graph: int,
    seed: int,
) -> np.ndarray:
    """Return the share that left in the end, (replicate); replicate r is on graph r mod graphs."""
    counts = [round(share * members) for share in degrees.values()]
    recipe = {
        "kind": "configuration",
        "degrees": np.repeat(list(degrees), counts),
        "seed": seed,
        "pool": graphs,
    }
    with warnings.catch_warnings():
        # Of the edges that are dropped, and of thresholds <= 0, which the theory knows.
        warnings.simplefilter("ignore", UserWarning)
        study = fa.Study(
            model="exit_cascade",
            parameters=TIES_ALONE
            | {
                "threshold_mean": mean,
                "threshold_sd": sd,
                "seed_exits": round(seeds * members),
            },
            structure={
                "members": members,
                "industries": 1,
                "network": recipe,
                "centralities": np.zeros(members),
            },
            replicates=graphs * per_graph,
            seed=seed,
            horizon=HORIZON,
            dt=1.0,
            keep={"replicates": True},
        )
        return study.run()["exit_share"].values


def verify(tiny: bool, seed: int) -> Iterator[Row]:
    """Yield the rows."""
    size = (
        {"members": 2000, "graphs": 16, "per_graph": 2}
        if tiny
        else {"members": 40_000, "graphs": 40, "per_graph": 10}
    )
    cases = itertools.product(DEGREES.items(), CASES)
    for i, ((name, degrees), (seeds, mean, sd)) in enumerate(cases):
        probabilities = [degrees.get(k, 0.0) for k in range(max(degrees) + 1)]
        response = theory.normal_thresholds(mean, sd)
        target = theory.gleeson_cahalane(probabilities, seeds, response)
        shares = exit_shares(degrees, seeds, mean, sd, **size, seed=seed + i)
        claim = f"final share, degrees {name}, rho0 {seeds:g}, theta {mean:g} +- {sd:g}"
        yield clustered(claim, target, shares, size["graphs"])


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    return run(verify, __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main())
