"""Exact check X6 of the exit cascade: relabelled members, and higher thresholds.

Statistical checks hold |z| < 5.85 (a false-alarm rate of 5e-9 each) at a fixed seed.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import fastalliance as fa
from tests.chance import LIMIT, SEED, z_of_difference
from tests.oracle.exit_cascade import OUTPUTS

MODEL = "exit_cascade"
NO_HAZARD = {"base_hazard": 0.0}

# --- X6: relabelling, and higher thresholds -------------------------------------------------------


def relabelled(structure, order):
    """Return the structure in which place i is taken by who was in place order[i]."""
    place = np.argsort(order)
    return structure | {
        "thresholds": structure["thresholds"][order],
        "centralities": structure["centralities"][order],
        "network": place[structure["network"]],
    }


def a_structure(rng, members=60, industries=4, mean_threshold=0.5):
    """Return an alliance with a network and all different thresholds and centralities."""
    edges = {tuple(sorted(rng.choice(members, 2, replace=False))) for _ in range(90)}
    return {
        "members": members,
        "industries": industries,
        "network": np.array(sorted(edges)),
        "thresholds": rng.normal(mean_threshold, 0.25, members),
        "centralities": rng.random(members),
    }


ORDERS = {
    "within industries": lambda rng: np.concatenate(
        [rng.permutation(15) + 15 * g for g in range(4)]
    ),
    "industries": lambda rng: (np.array([2, 0, 3, 1])[:, None] * 15 + np.arange(15)).ravel(),
}


@pytest.mark.parametrize("order", ORDERS)
def test_x6_relabelling__without_hazard_the_same_exits(order):
    rng = np.random.default_rng(8)
    structure = a_structure(rng)
    order = ORDERS[order](rng)
    parameters = NO_HAZARD | {"tie_weight": 0.4, "seed_exits": 7, "seed_rule": 1.0, "memory": 20.0}
    one, other = (
        fa.simulate(
            MODEL, parameters=parameters, structure=given, replicates=1, seed=SEED, members=True
        ).isel(replicate=0)
        for given in (structure, relabelled(structure, order))
    )
    assert 15 < one["exits"].item() < 60
    np.testing.assert_array_equal(other["exit_time"].values, one["exit_time"].values[order])
    for name in OUTPUTS:
        np.testing.assert_equal(other[name].item(), one[name].item(), err_msg=name)


@pytest.mark.parametrize("order", ORDERS)
def test_x6_relabelling__leaves_distributions_unchanged(order):
    # A difference of 6 % of an output's spread is seen.
    rng = np.random.default_rng(9)
    structure = a_structure(rng, mean_threshold=0.65)
    order = ORDERS[order](rng)
    parameters = {"tie_weight": 0.4, "seed_exits": 2, "seed_rule": 0.3}
    one, other = (
        fa.simulate(MODEL, parameters=parameters, structure=given, replicates=20_000, seed=seed)
        for given, seed in ((structure, SEED), (relabelled(structure, order), SEED + 1))
    )
    for name in OUTPUTS:
        ours, theirs = one[name].values, other[name].values
        ours, theirs = ours[~np.isnan(ours)], theirs[~np.isnan(theirs)]
        z = z_of_difference(ours, theirs) if np.ptp(ours) > 0 or np.ptp(theirs) > 0 else 0.0
        assert abs(z) < LIMIT, name
    assert 0.05 < one["collapsed"].mean() < 0.95


def never_is_last(times):
    """Return times with NaN, which says never, after all others."""
    return np.where(np.isnan(times), np.inf, times)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"immunity": 1.0, "prominence_weight": 5.0},
        {"tie_weight": 0.7, "seed_exits": 4, "seed_rule": -0.5},
        {"seed_exits": 6, "seed_rule": 1.0, "uncertainty_halflife": 30.0},
        {"uncertainty": 1.4, "centrality_skew": 0.5},
    ],
    ids=str,
)
def test_x6_higher_thresholds__never_add_an_exit_nor_hasten_one(parameters):
    rng = np.random.default_rng(10)
    structure = a_structure(rng, members=80, industries=6, mean_threshold=0.45)
    del structure["centralities"]
    times = []
    for raised in (np.zeros(80), np.full(80, 0.02), np.full(80, 0.02) + rng.exponential(0.05, 80)):
        given = structure | {"thresholds": structure["thresholds"] + raised}
        run = fa.simulate(
            MODEL,
            parameters=NO_HAZARD | parameters,
            structure=given,
            replicates=500,
            seed=SEED,
            members=True,
        )
        times.append(never_is_last(run["exit_time"].values))
    for lower, higher in ((0, 1), (1, 2)):
        assert (times[higher] >= times[lower]).all()
        assert (times[higher] > times[lower]).any()


def test_x6_higher_mean_threshold__never_adds_an_exit():
    runs = [
        fa.simulate(
            MODEL,
            parameters=NO_HAZARD | {"threshold_mean": mean, "seed_exits": 12},
            replicates=2_000,
            seed=SEED,
            members=True,
        )
        for mean in (0.30, 0.33, 0.4)
    ]
    for lower, higher in pairwise(runs):
        assert (higher["exit_share"] <= lower["exit_share"]).all()
        assert (higher["exit_share"] < lower["exit_share"]).any()
        ours, theirs = (never_is_last(run["exit_time"].values) for run in (lower, higher))
        assert (theirs >= ours).all()
