"""Exact check X5 of the exit cascade: threshold cascades on random graphs.

Watts (2002) and Gleeson and Cahalane (2007) hold for infinitely many members. Each estimate is
compared within 5.85 standard errors, taken from one graph to the next, plus the stated allowance
for N = 10,000 (measured deviations are given beside it).
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import fastalliance as fa
from tests.chance import LIMIT, SEED
from tests.exact import cascade_theory

# Normal thresholds are meant here to reach below 0, of which the package warns.
pytestmark = pytest.mark.filterwarnings("ignore:exit_cascade.* members have a threshold <= 0")

ONLY_TIES = {
    "industry_weight": 0.0,
    "alliance_weight": 0.0,
    "tie_weight": 1.0,
    "immunity": 0.0,
    "prominence_weight": 0.0,
    "base_hazard": 0.0,
}
MEMBERS, GRAPHS, PER_GRAPH = 10_000, 32, 300


def final_shares(mean_degree, *, replicates, **parameters):
    """Return exit shares, one row a graph of a pool of Erdos-Renyi graphs."""
    recipe = {"kind": "erdos_renyi", "mean_degree": mean_degree, "seed": SEED, "pool": GRAPHS}
    # Nothing watches centrality here, and given ones save the search for betweenness.
    centralities = np.zeros(MEMBERS)
    structure = {"members": MEMBERS, "industries": 1, "network": recipe}
    found = fa.simulate(
        "exit_cascade",
        parameters=ONLY_TIES | parameters,
        structure=structure | {"centralities": centralities},
        replicates=replicates * GRAPHS,
        seed=SEED,
        horizon=1_000.0,
    )
    assert not (found["last_exit_time"] >= 1_000.0).any()
    return found["exit_share"].values.reshape(replicates, GRAPHS).T


def mean_and_error(rows):
    """Return the mean, and its standard error when graphs are drawn at random, too."""
    means = rows.mean(axis=1)
    return means.mean(), means.std(ddof=1) / math.sqrt(len(means))


def test_x5_watts__window_of_mean_degrees():
    low, high = cascade_theory.watts_window(0.18)
    assert low == pytest.approx(1.0207, abs=5e-5)
    assert high == pytest.approx(5.7647, abs=5e-5)


@pytest.mark.parametrize(("mean_degree", "expected"), [(2.0, 0.754), (3.0, 0.873), (5.0, 0.695)])
def test_x5_watts__probability_that_one_exit_triggers_all(mean_degree, expected):
    exact = cascade_theory.watts_trigger_probability(mean_degree, 0.18)
    assert exact == pytest.approx(expected, abs=5e-4)
    shares = final_shares(
        mean_degree, replicates=PER_GRAPH, threshold_mean=0.18, threshold_sd=0.0, seed_exits=1
    )
    # Cascades are small or global, with nothing in between.
    is_global = shares > 0.3
    assert not ((shares > 0.05) & (shares < 0.5)).any()
    found, error = mean_and_error(is_global.astype(float))
    assert abs(found - exact) < LIMIT * error + 0.003


@pytest.mark.parametrize("mean_degree", [0.8, 7.0])
def test_x5_watts__no_global_cascades_outside_the_window(mean_degree):
    assert cascade_theory.watts_trigger_probability(mean_degree, 0.18) == pytest.approx(0.0)
    shares = final_shares(
        mean_degree, replicates=PER_GRAPH, threshold_mean=0.18, threshold_sd=0.0, seed_exits=1
    )
    assert (shares < 0.05).all()
    assert (shares > 1.5 / MEMBERS).any()


@pytest.mark.parametrize(
    ("mean_degree", "mean", "sd", "seeds"),
    [
        (4.0, 0.35, 0.2, 0.01),
        (4.0, 0.35, 0.1, 0.01),
        (6.0, 0.4, 0.15, 0.05),
        (3.0, 0.5, 0.0, 0.1),
        (5.0, 0.18, 0.0, 0.02),
    ],
)
def test_x5_gleeson_cahalane__final_share(mean_degree, mean, sd, seeds):
    response = (
        cascade_theory.normal_thresholds(mean, sd)
        if sd > 0.0
        else cascade_theory.same_threshold(mean)
    )
    degrees = cascade_theory.poisson(mean_degree)
    exact = cascade_theory.gleeson_cahalane(degrees, seeds, response)
    shares = final_shares(
        mean_degree,
        replicates=2,
        threshold_mean=mean,
        threshold_sd=sd,
        seed_exits=round(seeds * MEMBERS),
    )
    found, error = mean_and_error(shares)
    assert abs(found - exact) < LIMIT * error + 5.0 / MEMBERS
