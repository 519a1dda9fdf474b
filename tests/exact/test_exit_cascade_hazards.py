"""Exact check X3 of the exit cascade: hazards, and every feature together in small alliances.

Statistical checks hold |z| < 5.85 (a false-alarm rate of 5e-9 each) at a fixed seed; each says what
it would take to be seen.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import fastalliance as fa
from tests.chance import LIMIT, SEED, z_of_mean, z_of_share
from tests.exact import cascade_theory
from tests.exact.distributions import assert_distribution

MODEL = "exit_cascade"

# Everybody watches everybody, nobody stands out.
ALIKE = {"industry_weight": 0.0, "alliance_weight": 1.0, "immunity": 0.0, "prominence_weight": 0.0}
NO_THRESHOLD = {"threshold_mean": math.inf}


# --- X3: hazard alone -----------------------------------------------------------------------------


@pytest.mark.parametrize("dt", [0.25, 1.0, 2.0])
def test_x3_constant_hazard__exponential_exits(dt):
    # A rate 0.3 % off is seen. The variance is that of independent members.
    hazard, members, horizon = 0.03, 50, 24.0
    found = fa.simulate(
        MODEL,
        parameters=NO_THRESHOLD | {"base_hazard": hazard, "imitation": 0.0},
        structure={"members": members, "industries": 7},
        replicates=20_000,
        seed=SEED,
        horizon=horizon,
        dt=dt,
        members=True,
    )
    gone = -math.expm1(-hazard * horizon)
    spread = math.sqrt(gone * (1.0 - gone) / members)
    assert abs(z_of_mean(found["exit_share"].values, gone, spread)) < LIMIT
    # Exit times are geometric, those of two members independent.
    times = found["exit_time"].transpose("replicate", "member").values
    n = round(horizon / dt)
    steps = np.where(np.isnan(times), n + 1, times / dt)
    np.testing.assert_array_equal(steps, np.round(steps))
    stays = math.exp(-hazard * dt)
    geometric = [0.0, *(stays ** (k - 1) * (1.0 - stays) for k in range(1, n + 1)), stays**n]
    for member in (0, 17, 49):
        assert_distribution(steps[:, member], geometric)
    both = (~np.isnan(times[:, 0]) & ~np.isnan(times[:, 1])).sum()
    assert abs(z_of_share(both, len(times), gone**2)) < LIMIT


def test_x3_constant_hazard__dt_does_not_matter():
    # Draw by draw: the same members leave, in the step that contains the time of exit.
    parameters = NO_THRESHOLD | {"base_hazard": 0.03, "imitation": 0.0}
    times = [
        fa.simulate(MODEL, parameters=parameters, replicates=200, seed=SEED, dt=dt, members=True)[
            "exit_time"
        ].values
        for dt in (0.25, 2.0)
    ]
    np.testing.assert_array_equal(np.ceil(times[0] / 2.0) * 2.0, times[1])


@pytest.mark.parametrize("members", range(2, 10))
@pytest.mark.parametrize("imitation", [1.5, -2.0])
def test_x3_imitation__chain_binomial(members, imitation):
    # 0.02 to 0.03 in any probability is seen; imitation moves some by 0.06 and more.
    hazard, steps, replicates = 0.04, 12, 40_000
    chain = cascade_theory.chain_binomial(members, hazard=hazard, imitation=imitation)
    expected = cascade_theory.after(chain, steps)
    found = fa.simulate(
        MODEL,
        parameters=ALIKE | NO_THRESHOLD | {"base_hazard": hazard, "imitation": imitation},
        structure={"members": members, "industries": 1},
        replicates=replicates,
        seed=SEED,
        horizon=float(steps),
    )
    assert_distribution(found["exits"].values, expected)
    # The time of the first exit is geometric, that of the last the chain's absorption.
    first, last = found["first_exit_time"].values, found["last_exit_time"].values
    stays = chain[0, 0]
    for k in (1, 2, 5):
        assert abs(z_of_share((first == k).sum(), replicates, stays ** (k - 1) * (1 - stays))) < (
            LIMIT
        )
    for k in (6, steps):
        everybody = cascade_theory.after(chain, k)[members]
        count = ((found["exits"].values == members) & (last <= k)).sum()
        if 5 < everybody * replicates < replicates - 5:
            assert abs(z_of_share(count, replicates, everybody)) < LIMIT


@pytest.mark.parametrize("dt", [0.5, 2.0])
@pytest.mark.parametrize("weight", ["alliance_weight", "industry_weight", "tie_weight"])
def test_x3_fading__hazard_after_one_exit_with_memory_and_halving_uncertainty(weight, dt):
    # Two members, one gone at 0: the other's hazard in step k is h0 exp(beta U_k x_k), all known.
    # 0.01 in the probability of any time is seen; fading a step too late moves some by 0.02 and
    # more.
    hazard, imitation, halflife, memory = 0.03, 2.0, 8.0, 5.0
    off = {"industry_weight": 0.0, "alliance_weight": 0.0, "tie_weight": 0.0}
    found = fa.simulate(
        MODEL,
        parameters=ALIKE
        | NO_THRESHOLD
        | off
        | {
            weight: 1.2,
            "base_hazard": hazard,
            "imitation": imitation,
            "uncertainty_halflife": halflife,
            "memory": memory,
            "seed_exits": 1,
            "seed_rule": "central",
        },
        structure={
            "members": 2,
            "industries": 1,
            "centralities": np.array([1.0, 0.0]),
            "network": np.array([[0, 1]]),
        },
        replicates=100_000,
        seed=SEED,
        horizon=24.0,
        dt=dt,
    )
    n = round(24.0 / dt)
    times = dt * np.arange(n)
    pressures = 1.2 * 2.0 ** (-times / halflife) * np.exp(-times / memory)
    stays = np.exp(-np.cumsum(hazard * np.exp(imitation * pressures) * dt))
    probabilities = -np.diff([1.0, *stays, 0.0])
    exits, last = found["exits"].values, found["last_exit_time"].values
    assert_distribution(np.where(exits == 2, last / dt - 1, n), probabilities)


# --- All features but fading, few members: a Markov chain over the sets of those that left --------

SMALL = {
    "centralities": np.array([0.6, 0.0, 0.3, 0.5, 1.0]),
    "thresholds": np.array([np.inf, 0.85, np.inf, 1.1, np.inf]),
    "network": np.array([[0, 1], [0, 2], [1, 2], [2, 3]]),
}
SMALL_PARAMETERS = {
    "uncertainty": 1.3,
    "industry_weight": 0.8,
    "alliance_weight": 0.5,
    "tie_weight": 0.6,
    "immunity": 0.7,
    "prominence_weight": 5.0,
    "base_hazard": 0.05,
    "imitation": 2.0,
}


def small_pressure(gone, i):
    """Return the pressure on member i of the alliance above: industries {0, 1, 2} and {3, 4}."""
    industry, b = [0, 0, 0, 1, 1], SMALL["centralities"]
    m = 1.0 + SMALL_PARAMETERS["prominence_weight"] * b
    edges = [tuple(edge) for edge in SMALL["network"]]
    ties = [j for j in range(5) if (i, j) in edges or (j, i) in edges]
    peers = [j for j in range(5) if j != i and industry[j] == industry[i]]
    others = [j for j in range(5) if j != i]

    def left(watched):
        return sum(m[j] for j in watched if j in gone) / sum(m[j] for j in watched)

    x = SMALL_PARAMETERS["industry_weight"] * left(peers)
    x += SMALL_PARAMETERS["alliance_weight"] * left(others)
    if ties:
        x += SMALL_PARAMETERS["tie_weight"] * sum(j in gone for j in ties) / len(ties)
    return SMALL_PARAMETERS["uncertainty"] * (1.0 - SMALL_PARAMETERS["immunity"] * b[i]) * x


@pytest.mark.parametrize("steps", [2, 5, 11])
def test_every_feature__chain_over_the_sets_of_five_members(steps):
    # Industries, prominence, immunity, ties, thresholds and hazards together: all 32 sets. 5 % of
    # any weight, or 10 % of the immunity, are seen.
    chain = cascade_theory.subset_chain(
        small_pressure, SMALL["thresholds"], hazard=0.05, imitation=2.0
    )
    found = fa.simulate(
        MODEL,
        parameters=SMALL_PARAMETERS,
        structure={"members": 5, "industries": 2} | SMALL,
        replicates=400_000,
        seed=SEED,
        horizon=float(steps),
        members=True,
    )
    left = ~np.isnan(found["exit_time"].transpose("replicate", "member").values)
    assert_distribution(left @ (1 << np.arange(5)), cascade_theory.after(chain, steps))
