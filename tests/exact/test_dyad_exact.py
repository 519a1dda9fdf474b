"""Exact checks X1 to X4 of the dyad, and the exact law of its noise.

Statistical checks hold |z| < 5.85 (a false-alarm rate of 5e-9 each) at a fixed seed; each says what
it would take to be seen.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq

import fastalliance as fa
from tests.chance import LIMIT, SEED, z_of_difference, z_of_mean, z_of_share, z_of_variance
from tests.oracle.dyad import OUTPUTS

PAIRED = ("trust", "engagement", "openness", "benefit", "private_value")


def logistic(x, midpoint, steepness):
    return 1.0 / (1.0 + math.exp(-steepness * (x - midpoint)))


# --- X1: symmetry and fixed points ---------------------------------------------------------------

QUIET = {"trust_noise": 0.0, "dissolution_engagement": 0.0}
FORMS = [
    {},
    {"openness_midpoint": 0.3, "openness_steepness": 12.0},
    {"engagement_midpoint": 0.25, "engagement_steepness": 20.0, "trust_weight": 0.1},
    {"openness_midpoint": 0.45, "engagement_steepness": 14.0, "trust_weight": 1.0},
]


def fixed_points(form):
    """Return the roots of T = L(wT + (1 - w)T; mE, sE) L(T; mO, sO): low, middle, high."""
    m_e, s_e = form.get("engagement_midpoint", 0.35), form.get("engagement_steepness", 9.0)
    m_o, s_o = form.get("openness_midpoint", 0.40), form.get("openness_steepness", 9.0)

    def excess(trust):
        return logistic(trust, m_e, s_e) * logistic(trust, m_o, s_o) - trust

    grid = np.linspace(0.0, 1.0, 2001)
    signs = np.sign([excess(trust) for trust in grid])
    crossings = np.flatnonzero(signs[:-1] * signs[1:] < 0)
    return [brentq(excess, grid[i], grid[i + 1], xtol=1e-15) for i in crossings]


@pytest.mark.parametrize("form", FORMS)
def test_x1_symmetric__stays_symmetric_and_ends_at_a_fixed_point(form):
    low, _, high = fixed_points(form)
    study = fa.Study(
        model="dyad",
        parameters=QUIET | form,
        design=fa.grid(initial_trust=np.linspace(0.02, 0.98, 25)),
        replicates=1,
        seed=SEED,
        horizon=3000.0,
        keep={"replicates": True},
    )
    ends = study.run().isel(replicate=0)
    for name in PAIRED:
        np.testing.assert_array_equal(ends[f"{name}_a"].values, ends[f"{name}_b"].values)
    trust = ends["trust_a"].values
    nearest = np.where(np.abs(trust - low) < np.abs(trust - high), low, high)
    # Both are reached, and none stays near the unstable one in the middle.
    assert {low, high} == set(nearest)
    m_e, s_e = form.get("engagement_midpoint", 0.35), form.get("engagement_steepness", 9.0)
    m_o, s_o = form.get("openness_midpoint", 0.40), form.get("openness_steepness", 9.0)
    for i, goal in enumerate(nearest):
        expected = [goal, logistic(goal, m_e, s_e), logistic(goal, m_o, s_o), goal]
        found = [ends[f"{name}_a"].values[i] for name in PAIRED[:4]]
        np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize("form", FORMS)
def test_x1_middle_fixed_point__separates_failure_from_success(form):
    # Started at the middle fixed point in everything but trust, trust decides: the point lies on
    # the separatrix. 1e-7 is enough to tell.
    _, middle, _ = fixed_points(form)
    m_e, s_e = form.get("engagement_midpoint", 0.35), form.get("engagement_steepness", 9.0)
    start = {"initial_engagement": logistic(middle, m_e, s_e), "initial_benefit": middle}
    study = fa.Study(
        model="dyad",
        parameters=QUIET | form | start,
        design=fa.table({"initial_trust": [middle - 1e-7, middle + 1e-7]}),
        replicates=1,
        seed=SEED,
        horizon=600.0,
    )
    low_end, high_end = study.run()["trust_a_mean"].values
    assert low_end < middle - 0.05
    assert high_end > middle + 0.05


# --- X2: swapped partners ------------------------------------------------------------------------

LOPSIDED = {
    "initial_trust": 0.55,
    "private_orientation": 0.05,
    "private_defence": 0.1,
    "private_opportunism": 0.05,
    "building_effort": 0.3,
    "incident_rate": 0.1,
    "incident_favourable": 0.4,
}


def both_ways(parameters, *, replicates, seed, swapped_seed):
    """Run with a gap of 0.3 and a share of 0.25, and with the partners swapped."""
    runs = []
    for gap, share, number in [(0.3, 0.25, seed), (-0.3, 0.75, swapped_seed)]:
        values = parameters | {"initial_trust_gap": gap, "value_share": share}
        runs.append(
            fa.simulate("dyad", parameters=LOPSIDED | values, replicates=replicates, seed=number)
        )
    return runs


def swapped(name):
    """Return the name of the same output of the other partner."""
    for ours, theirs in (("_a", "_b"), ("_b", "_a")):
        if name.endswith(ours):
            return name.removesuffix(ours) + theirs
    return name


@pytest.mark.parametrize(
    "noise", [{"trust_noise": 0.0}, {"trust_noise": 0.2, "noise_correlation": 1.0}]
)
def test_x2_swapped_partners__swap_the_outputs_bit_for_bit(noise):
    first, second = both_ways(noise, replicates=500, seed=SEED, swapped_seed=SEED)
    for name in OUTPUTS:
        ours, theirs = first[name].values, second[swapped(name)].values
        assert ours.tobytes() == theirs.tobytes(), name
    # The partners do differ, so that a swap means something.
    assert np.mean(first["benefit_a"] != first["benefit_b"]) > 0.5
    assert np.mean(first["private_value_a"] != first["private_value_b"]) > 0.5


@pytest.mark.parametrize("correlation", [0.0, -0.7, 0.6])
def test_x2_swapped_partners__in_distribution_with_their_own_noise(correlation):
    # A difference of 9 % of an output's spread between the two runs is seen.
    noise = {"trust_noise": 0.2, "noise_correlation": correlation}
    first, second = both_ways(noise, replicates=20_000, seed=SEED, swapped_seed=SEED + 1)
    for name in OUTPUTS:
        ours, theirs = first[name].values, second[swapped(name)].values
        ours, theirs = ours[~np.isnan(ours)], theirs[~np.isnan(theirs)]
        assert abs(z_of_difference(ours, theirs)) < LIMIT, name


# --- X3: constant trust --------------------------------------------------------------------------


@pytest.mark.parametrize("dt", [0.125, 0.5])
def test_x3_constant_trust__engagement_and_openness_relax_by_eulers_factor(dt):
    trust = {"a": 0.55, "b": 0.35}
    parameters = {
        "initial_trust": 0.45,
        "initial_trust_gap": 0.2,
        "initial_engagement": 0.9,
        "trust_noise": 0.0,
        "trust_gain": 0.0,
        "trust_loss": 0.0,
        "trust_weight": 1.0,
        "private_orientation": 0.3,
        "private_withholding": 0.8,
        "private_gain": 0.7,
        "value_rate": 2.0,
        "dissolution_engagement": 0.0,
    }
    ends = fa.simulate(
        "dyad", parameters=parameters, replicates=1, horizon=24.0, dt=dt, record_every=dt
    ).isel(replicate=0)
    k = np.arange(round(24.0 / dt) + 1)
    engagement, openness = {}, {}
    for i in "ab":
        np.testing.assert_allclose(ends[f"trust_{i}_path"], trust[i], rtol=1e-15)
        goal = logistic(trust[i], 0.35, 9.0)
        engagement[i] = goal + (0.9 - goal) * (1.0 - dt / 3.0) ** k
        free = logistic(trust[i], 0.40, 9.0)
        goal = free * (1.0 - 0.8 * 0.3)
        openness[i] = goal + (free - goal) * (1.0 - dt / 2.0) ** k
        np.testing.assert_allclose(ends[f"engagement_{i}_path"], engagement[i], rtol=1e-12)
        np.testing.assert_allclose(ends[f"openness_{i}_path"], openness[i], rtol=1e-12)
    # The accumulated values are sums over the states at the start of each step.
    value = np.sqrt(engagement["a"] * openness["a"] * engagement["b"] * openness["b"])[:-1]
    assert ends["joint_value"].item() == pytest.approx(2.0 * dt * value.sum(), rel=1e-12)
    for i, j in (("a", "b"), ("b", "a")):
        taken = 0.3 * (engagement[i] * openness[j])[:-1]
        expected = 2.0 * 0.7 * dt * taken.sum()
        assert ends[f"private_value_{i}"].item() == pytest.approx(expected, rel=1e-12)


# --- X4: incidents alone -------------------------------------------------------------------------


@pytest.mark.parametrize("favourable", [0.0, 1.0])
def test_x4_incidents_alone__trust_is_a_power_of_a_binomial(favourable):
    # T_k = T0 (1 - J)^N with N binomial of k and 1 - exp(-lam dt); mirrored if favourable. A rate
    # 1 % off has |z| about 13, lam dt in place of 1 - exp(-lam dt) about 120.
    rate, size, dt, horizon, start = 0.16, 0.3, 1.0, 12.0, {"a": 0.8, "b": 0.6}
    parameters = {
        "initial_trust": 0.7,
        "initial_trust_gap": 0.2,
        "trust_gain": 0.0,
        "trust_loss": 0.0,
        "trust_noise": 0.0,
        "incident_rate": rate,
        "incident_size": size,
        "incident_favourable": favourable,
        "dissolution_engagement": 0.0,
    }
    ends = fa.simulate(
        "dyad", parameters=parameters, replicates=1_000_000, seed=SEED, horizon=horizon, dt=dt
    )
    k, probability = round(horizon / dt), 1.0 - math.exp(-rate * dt)
    incidents = {}
    for i in "ab":
        trust, start_i = ends[f"trust_{i}"].values, start[i]
        if favourable:
            trust, start_i = 1.0 - trust, 1.0 - start_i
        mean = start_i * (1.0 - size * probability) ** k
        square = start_i**2 * (1.0 - probability * (2.0 * size - size**2)) ** k
        assert abs(z_of_mean(trust, mean, math.sqrt(square - mean**2))) < LIMIT
        incidents[i] = np.log(trust / start_i) / math.log(1.0 - size)
        np.testing.assert_allclose(incidents[i], np.round(incidents[i]), atol=1e-9)
        spread = math.sqrt(k * probability * (1.0 - probability))
        assert abs(z_of_mean(incidents[i], k * probability, spread)) < LIMIT
    # An incident is experienced by both.
    np.testing.assert_array_equal(np.round(incidents["a"]), np.round(incidents["b"]))


def test_x4_incidents_alone__share_of_favourable_ones():
    # One step: a trust of 0.5 ends at 0.5 -+ 0.15 or where it was, with probabilities
    # p (1 - q), p q and 1 - p.
    parameters = {
        "initial_trust": 0.5,
        "trust_gain": 0.0,
        "trust_loss": 0.0,
        "trust_noise": 0.0,
        "incident_rate": 1.6,
        "incident_favourable": 0.3,
    }
    trust = fa.simulate(
        "dyad", parameters=parameters, replicates=200_000, seed=SEED, horizon=0.125
    )["trust_a"].values
    probability = 1.0 - math.exp(-1.6 * 0.125)
    for value, expected in [(0.35, probability * 0.7), (0.65, probability * 0.3)]:
        hits = np.isclose(trust, value, rtol=1e-12).sum()
        assert abs(z_of_share(hits, trust.size, expected)) < LIMIT
    assert np.mean(trust == 0.5) == pytest.approx(1.0 - probability, abs=0.01)


# --- Noise ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("correlation", [0.0, 0.6, -0.9])
@pytest.mark.parametrize("dt", [0.125, 0.5])
def test_noise__one_step_is_normal_with_the_stated_spread_and_correlation(correlation, dt):
    # dT_i = sigma sqrt(dt) T_i (1 - T_i) z_i. 2 % in the spread, or 0.03 in the correlation, is
    # seen.
    sigma, trust = 0.3, {"a": 0.6, "b": 0.3}
    parameters = {
        "initial_trust": 0.45,
        "initial_trust_gap": 0.3,
        "trust_gain": 0.0,
        "trust_loss": 0.0,
        "trust_noise": sigma,
        "noise_correlation": correlation,
    }
    ends = fa.simulate(
        "dyad", parameters=parameters, replicates=200_000, seed=SEED, horizon=dt, dt=dt
    )
    z = {}
    for i in "ab":
        spread = sigma * math.sqrt(dt) * trust[i] * (1.0 - trust[i])
        z[i] = (ends[f"trust_{i}"].values - trust[i]) / spread
        assert abs(z_of_mean(z[i], 0.0, 1.0)) < LIMIT
        assert abs(z_of_variance(z[i], 1.0)) < LIMIT
        fourth = (z[i] ** 4 - 3.0) / math.sqrt(96.0)
        assert abs(z_of_mean(fourth, 0.0, 1.0)) < LIMIT
    product = (z["a"] * z["b"] - correlation) / math.sqrt(1.0 + correlation**2)
    assert abs(z_of_mean(product, 0.0, 1.0)) < LIMIT


def test_noise__steps_are_independent():
    # Two steps without drift: z of the second against z of the first.
    parameters = {
        "initial_trust": 0.5,
        "trust_gain": 0.0,
        "trust_loss": 0.0,
        "trust_noise": 0.3,
        "dissolution_engagement": 0.0,
    }
    paths = fa.simulate(
        "dyad",
        parameters=parameters,
        replicates=100_000,
        seed=SEED,
        horizon=0.5,
        dt=0.25,
        record_every=0.25,
    )
    for i in "ab":
        trust = paths[f"trust_{i}_path"].transpose("time", "replicate").values
        z = np.diff(trust, axis=0) / (0.3 * 0.5 * trust[:-1] * (1.0 - trust[:-1]))
        assert abs(z_of_variance(z[1], 1.0)) < LIMIT
        assert abs(z_of_mean(z[0] * z[1], 0.0, 1.0)) < LIMIT


def test_noise__is_independent_of_incidents():
    # One step with both: an incident takes 0.15 from a trust of 0.5, noise moves it by 0.0088 z,
    # so that the two can be told apart.
    parameters = {
        "initial_trust": 0.5,
        "trust_gain": 0.0,
        "trust_loss": 0.0,
        "trust_noise": 0.1,
        "incident_rate": 1.6,
    }
    ends = fa.simulate("dyad", parameters=parameters, replicates=200_000, seed=SEED, horizon=0.125)
    happened = ends["trust_a"].values < 0.425
    probability = 1.0 - math.exp(-1.6 * 0.125)
    assert abs(z_of_share(happened.sum(), happened.size, probability)) < LIMIT
    for i in "ab":
        undone = ends[f"trust_{i}"].values + np.where(happened, 0.15, 0.0)
        z = (undone - 0.5) / (0.1 * math.sqrt(0.125) * 0.25)
        for part in (z[happened], z[~happened]):
            assert abs(z_of_mean(part, 0.0, 1.0)) < LIMIT
            assert abs(z_of_variance(part, 1.0)) < LIMIT
