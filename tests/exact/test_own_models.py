"""A user's own models against results from the literature (tests/own_models.py).

Statistical checks hold |z| < 5.85 (a false-alarm rate of 5e-9 each) at a fixed seed. Wherever the
Euler scheme has a value of its own in closed form, or from an integral equation, that value is the
target, so that no bias has to be allowed for; its distance from the continuous one is then checked
on its own, without randomness.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad

import fastalliance as fa
from tests.chance import LIMIT, SEED, z_of_mean, z_of_share, z_of_variance
from tests.exact import first_passage
from tests.own_models import (
    BISTABLE,
    GEOMETRIC_BROWNIAN_MOTION,
    MUTUAL_RESPONSE,
    ORNSTEIN_UHLENBECK,
)

# --- Ornstein-Uhlenbeck --------------------------------------------------------------------------


@pytest.mark.parametrize("dt", [0.125, 0.5])
@pytest.mark.parametrize("horizon", [1.0, 40.0])
def test_ornstein_uhlenbeck__mean_and_variance_of_the_scheme(dt, horizon):
    # Continuous time has a variance 7 to 33 % smaller; 3 % would be seen.
    theta, s, start = 1.0, 0.5, 1.0
    x = fa.simulate(ORNSTEIN_UHLENBECK, replicates=200_000, seed=SEED, horizon=horizon, dt=dt)[
        "x"
    ].values
    factor, n = 1.0 - theta * dt, round(horizon / dt)
    stationary = s**2 / (2.0 * theta - theta**2 * dt)
    variance = stationary * (1.0 - factor ** (2 * n))
    assert abs(z_of_mean(x, start * factor**n, math.sqrt(variance))) < LIMIT
    assert abs(z_of_variance(x, variance)) < LIMIT


def test_ornstein_uhlenbeck__correlation_over_time():
    dt, every, theta, s = 0.25, 0.5, 1.0, 0.5
    path = fa.simulate(
        ORNSTEIN_UHLENBECK,
        parameters={"start": 0.0},
        replicates=100_000,
        seed=SEED,
        horizon=20.0,
        dt=dt,
        record_every=every,
    )["x_path"].transpose("time", "replicate")
    variance = s**2 / (2.0 * theta - theta**2 * dt)
    earlier, later = path.values[-2], path.values[-1]
    correlation = (1.0 - theta * dt) ** round(every / dt)
    product = earlier * later / variance
    assert abs(z_of_mean(product, correlation, math.sqrt(1.0 + correlation**2))) < LIMIT


# --- Geometric Brownian motion -------------------------------------------------------------------

DRIFT, VOLATILITY = 0.5, 0.5
STEPS = (16, 32, 64, 128, 256)


def euler_mean(n):
    return (1.0 + DRIFT / n) ** n


def euler_square(n):
    """Return E[X^2] of the scheme after n steps to time 1."""
    return ((1.0 + DRIFT / n) ** 2 + VOLATILITY**2 / n) ** n


def mean_square_error(n):
    """Return E[(X - Y)^2] of the scheme X and the exact Y on the same noise."""
    cross = math.exp(DRIFT) * (1.0 + (DRIFT + VOLATILITY**2) / n) ** n
    return euler_square(n) - 2.0 * cross + math.exp(2.0 * DRIFT + VOLATILITY**2)


@pytest.fixture(scope="module")
def prices():
    """The scheme's and the exact value at time 1, per number of steps."""
    runs = {}
    for n in STEPS:
        run = fa.simulate(
            GEOMETRIC_BROWNIAN_MOTION,
            parameters={"drift": DRIFT, "volatility": VOLATILITY},
            replicates=200_000,
            seed=SEED + n,
            horizon=1.0,
            dt=1.0 / n,
        )
        runs[n] = run["euler"].values, run["exact"].values
    return runs


def slope(values):
    """Return the fitted order of `values` (one per number of steps) in dt."""
    return -np.polyfit(np.log(STEPS), np.log(values), 1)[0]


def test_geometric_brownian_motion__exact_path(prices):
    for n in STEPS:
        logarithm = np.log(prices[n][1])
        assert abs(z_of_mean(logarithm, DRIFT - VOLATILITY**2 / 2.0, VOLATILITY)) < LIMIT
        assert abs(z_of_variance(logarithm, VOLATILITY**2)) < LIMIT


def test_geometric_brownian_motion__strong_order_one_half(prices):
    found = []
    for n in STEPS:
        square = (prices[n][0] - prices[n][1]) ** 2
        assert abs(z_of_mean(square, mean_square_error(n))) < LIMIT
        found.append(math.sqrt(square.mean()))
    # The closed form's own slope over these steps is 0.53.
    assert slope(found) == pytest.approx(0.5, abs=0.05)


def test_geometric_brownian_motion__weak_order_one(prices):
    found = []
    for n in STEPS:
        euler, exact = prices[n]
        # The exact path as control variate: its mean is known, its noise cancels the scheme's.
        assert abs(z_of_mean(euler - exact, euler_mean(n) - math.exp(DRIFT))) < LIMIT
        found.append(math.exp(DRIFT) - (euler - exact + math.exp(DRIFT)).mean())
    # The closed form's own slope is 0.99, the standard error of the fitted one 0.02.
    assert slope(found) == pytest.approx(1.0, abs=0.12)


# --- Splitting probability and mean first passage ------------------------------------------------

LOW, HIGH, STARTS = -1.0, 1.2, (-0.2, 0.1, 0.3)


@pytest.mark.parametrize("dt", [0.01, 0.04])
def test_first_passage__the_chain_tends_to_the_integrals(dt):
    # With the ends moved out by the overshoot, what is left is of first order in dt.
    noise = 0.7
    further = first_passage.OVERSHOOT * noise * math.sqrt(dt)
    for start in STARTS:
        chain, _ = first_passage.of_euler_chain(start, LOW, HIGH, noise, dt)
        integral = first_passage.splitting_probability(start, LOW - further, HIGH + further, noise)
        assert chain == pytest.approx(integral, abs=0.15 * dt)
    noise, further = 1.0, first_passage.OVERSHOOT * math.sqrt(dt)
    _, chain = first_passage.of_euler_chain(-1.0, -4.5, 1.0, noise, dt)
    integral = first_passage.mean_first_passage(-1.0, 1.0 + further, noise)
    assert chain == pytest.approx(integral, rel=0.4 * dt)


@pytest.mark.parametrize("dt", [0.02, 0.04])
def test_splitting_probability__of_a_bistable_drift(dt):
    # 0.009 off in a probability is seen.
    noise, replicates = 0.7, 100_000
    ends = fa.Study(
        model=BISTABLE,
        parameters={"low": LOW, "high": HIGH, "noise": noise},
        design=fa.grid(start=STARTS),
        replicates=replicates,
        seed=SEED,
        horizon=60.0,
        dt=dt,
    ).run()
    further = first_passage.OVERSHOOT * noise * math.sqrt(dt)
    for i, start in enumerate(STARTS):
        assert ends["ended_count"].values[i] == replicates
        share = ends["reached_high_mean"].values[i]
        reach, time = first_passage.of_euler_chain(start, LOW, HIGH, noise, dt)
        assert abs(z_of_share(share * replicates, replicates, reach)) < LIMIT
        error = ends["ended_std"].values[i] / math.sqrt(replicates)
        assert abs(ends["ended_mean"].values[i] - time) < LIMIT * error
        # The integral itself, with the bias of first order in dt that the chain was found to have.
        integral = first_passage.splitting_probability(start, LOW - further, HIGH + further, noise)
        allowed = 0.15 * dt + LIMIT * math.sqrt(integral * (1.0 - integral) / replicates)
        assert share == pytest.approx(integral, abs=allowed)


def test_mean_first_passage__from_well_to_well():
    # 4 % off is seen; Kramers' formula is farther off than that, and is not the target.
    dt, noise, replicates = 0.04, 1.0, 50_000
    ends = fa.Study(
        model=BISTABLE,
        parameters={"low": -4.5, "high": 1.0, "noise": noise},
        design=fa.grid(start=[-1.0]),
        replicates=replicates,
        seed=SEED,
        horizon=160.0,
        dt=dt,
    ).run()
    assert ends["ended_count"].item() == replicates
    error = ends["ended_std"].item() / math.sqrt(replicates)
    _, chain = first_passage.of_euler_chain(-1.0, -4.5, 1.0, noise, dt)
    assert abs(ends["ended_mean"].item() - chain) < LIMIT * error
    further = first_passage.OVERSHOOT * noise * math.sqrt(dt)
    integral = first_passage.mean_first_passage(-1.0, 1.0 + further, noise)
    assert ends["ended_mean"].item() == pytest.approx(
        integral, abs=0.4 * dt * integral + LIMIT * error
    )


# --- Tipping with a closed form ------------------------------------------------------------------

HALVES = (0.3, 0.4, 0.45)


def tipping_point(half):
    return (1.0 - math.sqrt(1.0 - 4.0 * half**2)) / 2.0


def success_state(half):
    return (1.0 + math.sqrt(1.0 - 4.0 * half**2)) / 2.0


def sensitivity(trust):
    """Return S'(T) where S(T) = T: 2 K^2 T / (T^2 + K^2)^2 = 2 (1 - T)."""
    return 2.0 * (1.0 - trust)


def ends_of(mean, *, gap=0.0, half=0.4, horizon=400.0, dt=0.125):
    """Return the first partner's trust at the horizon for each mean trust at the start."""
    study = fa.Study(
        model=MUTUAL_RESPONSE,
        parameters={"gap": gap, "half": half},
        design=fa.table({"mean": mean}),
        replicates=1,
        seed=SEED,
        horizon=horizon,
        dt=dt,
    )
    return study.run()["first_mean"].values


def threshold(gap, half):
    """Return the mean trust, to 1e-11, above which the partners end in success."""
    low, high = 0.0, 1.0
    for _ in range(4):
        mean = np.linspace(low, high, 1001)
        succeeds = ends_of(mean, gap=gap, half=half) > 0.5
        assert (np.diff(succeeds.astype(int)) >= 0).all()
        first = int(np.argmax(succeeds))
        assert succeeds[first]
        assert first > 0
        low, high = mean[first - 1], mean[first]
    return (low + high) / 2.0


@pytest.mark.parametrize("half", HALVES)
def test_mutual_response__threshold_and_success_state(half):
    assert threshold(0.0, half) == pytest.approx(tipping_point(half), abs=1e-10)
    above = ends_of([tipping_point(half) + 0.01, 1.0], half=half)
    np.testing.assert_allclose(above, success_state(half), rtol=1e-12)
    np.testing.assert_allclose(ends_of([tipping_point(half) - 0.01], half=half), 0.0, atol=1e-12)


def test_mutual_response__saddle_node_at_one_half():
    # Just below K = 1/2 success is there, just above trust passes the bottleneck and is lost.
    half = np.array([0.5 - 1e-4, 0.5 + 1e-4])
    study = fa.Study(
        model=MUTUAL_RESPONSE,
        parameters={"mean": 1.0},
        design=fa.grid(half=half),
        replicates=1,
        seed=SEED,
        horizon=1000.0,
        dt=0.125,
    )
    below, above = study.run()["first_mean"].values
    assert below == pytest.approx(success_state(half[0]), abs=1e-9)
    assert above == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("excess", [1e-3, 1e-4])
def test_mutual_response__passage_time_past_the_saddle_node(excess):
    # From 1 down to 1/4 takes the integral of dT / (T - S(T)), about pi / sqrt(K^2 - 1/4).
    half, dt = 0.5 + excess, 0.0625
    path = fa.simulate(
        MUTUAL_RESPONSE,
        parameters={"mean": 1.0, "half": half},
        replicates=1,
        horizon=400.0,
        dt=dt,
        record_every=dt,
    )["first_path"].values.ravel()
    passed = dt * int(np.argmax(path < 0.25))
    expected = quad(
        lambda x: 1.0 / (x - x * x / (x * x + half * half)), 0.25, 1.0, points=[0.5], limit=500
    )[0]
    # Euler's error in the time is of order dt; the passage takes 95 or 310.
    assert passed == pytest.approx(expected, abs=2.0 * dt)
    assert passed == pytest.approx(math.pi / math.sqrt(half**2 - 0.25), rel=0.06)


@pytest.mark.parametrize("half", HALVES)
def test_mutual_response__growth_rates_at_the_threshold(half):
    # Small deviations from the tipping point grow at (S' - 1)/tau if common and shrink at
    # (S' + 1)/tau if opposite, by Euler's factors 1 + dt * rate.
    middle, tau, dt, small = tipping_point(half), 2.0, 0.125, 1e-6
    paths = fa.simulate(
        MUTUAL_RESPONSE,
        parameters={
            "mean": middle + small,
            "gap": 2.0 * small,
            "half": half,
            "adjustment_time": tau,
        },
        replicates=1,
        horizon=5.0,
        dt=dt,
        record_every=dt,
    ).isel(replicate=0)
    first, second = paths["first_path"].values, paths["second_path"].values
    k = np.arange(first.size)
    common = (first + second) / 2.0 - middle
    opposite = (first - second) / 2.0
    slope_there = sensitivity(middle)
    growth = small * (1.0 + dt * (slope_there - 1.0) / tau) ** k
    decay = small * (1.0 - dt * (slope_there + 1.0) / tau) ** k
    np.testing.assert_allclose(common, growth, rtol=1e-4)
    np.testing.assert_allclose(opposite, decay, rtol=1e-4)
    # and in continuous time, up to Euler's error of order dt
    rate = math.log(common[-1] / common[0]) / 5.0
    assert rate == pytest.approx((slope_there - 1.0) / tau, rel=dt * slope_there / tau)


@pytest.mark.parametrize("half", HALVES)
def test_mutual_response__separatrix_is_tangent_to_a_constant_sum(half):
    # Near the saddle the separatrix is mean = T* + c (gap/2)^2 + ..., without a linear term: c
    # from the invariance of that curve under the scheme, c (1 - dt (S' + 1))^2 =
    # c (1 + dt (S' - 1)) + dt S''/2.
    middle, dt = tipping_point(half), 0.125
    gaps = np.array([0.01, 0.02, 0.04])
    shifts = np.array([threshold(gap, half) - middle for gap in gaps])
    first = sensitivity(middle)
    k2 = half**2
    second = 2.0 * k2 * (k2 - 3.0 * middle**2) / (middle**2 + k2) ** 3
    curvature = (dt * second / 2.0) / ((1.0 - dt * (first + 1.0)) ** 2 - 1.0 - dt * (first - 1.0))
    # The next term is of order gap^2, 1 % of the first here; a linear one would double this ratio
    # from one gap to the next.
    np.testing.assert_allclose(shifts / (gaps / 2.0) ** 2, curvature, rtol=0.015)
