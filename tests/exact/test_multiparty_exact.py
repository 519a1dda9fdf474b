"""Exact checks of `multiparty` without chance: X2 and X3 (the dyad), X4, X9 and X11.

X1, the generator's known answers, is in `test_generator.py`. The bounds on differences allow for
roundings alone; each says what was measured.
"""

from __future__ import annotations

import numpy as np
import pytest

import fastalliance as fa
from tests.chance import SEED
from tests.exact.multiparty_theory import DYAD, FROZEN, NO_EXIT, PLAIN, STATES

MODEL = "multiparty"
DT = 0.25


def simulate(parameters, *, slots, industries=1, horizon=120.0, every=DT, **options):
    """Run alliances with their members recorded."""
    given = {"replicates": 1, "seed": SEED, "members": True}
    return fa.simulate(
        MODEL,
        parameters=parameters,
        structure={"slots": slots, "industries": industries},
        horizon=horizon,
        record_every=every,
        **{**given, **options},
    )


def paths(ds, name):
    """Return a member's path, (replicate, member, time)."""
    return ds[f"member_{name}_path"].transpose("replicate", "member", "time").values


# --- X2 and X3: the dyad --------------------------------------------------------------------------


def dyad_path(model, parameters, trusts, replicate=0):
    """Return the states of a dyad that starts with these trusts, by name: (partner, time)."""
    a, b = trusts
    ds = fa.simulate(
        model,
        parameters=parameters
        | {
            "initial_trust": 0.5 * (a + b),
            "initial_trust_gap": a - b,
            "dissolution_engagement": 0.0,
        },
        replicate=replicate,
        seed=SEED,
        horizon=120.0,
        dt=DT,
        record_every=DT,
    )
    return {name: [ds[f"{name}_{side}_path"].values[0] for side in "ab"] for name in STATES}


# Two members with a trust of their own each, and how the dyad's parameters read in both models.
PAIRS = {
    "noise": ({"initial_trust": 0.65, "private_orientation": 0.1}, 50),
    "no noise": ({"initial_trust": 0.6, "trust_noise": 0.0, "private_orientation": 0.1}, 6),
    "no noise, another form": (
        {
            "initial_trust": 0.55,
            "trust_noise": 0.0,
            "initial_engagement": 0.3,
            "initial_benefit": 0.7,
            "trust_weight": 0.3,
            "engagement_steepness": 14.0,
            "openness_midpoint": 0.3,
            "base_attention": 0.5,
            "private_orientation": 0.05,
            "private_gain": 0.9,
            "private_harm": 0.2,
        },
        6,
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_x2_two_members__are_a_dyad(name):
    # 480 steps of four states. A rounding of 1e-16 a step, were it never forgotten, adds up to
    # 5e-14, and near the threshold differences grow; 7e-15 was measured.
    shared, replicates = PAIRS[name]
    ds = simulate(
        NO_EXIT | PLAIN | shared | {"initial_trust_sd": 0.15}, slots=2, replicates=replicates
    )
    trusts = paths(ds, "trust")
    assert (np.abs(trusts[:, 0, 0] - trusts[:, 1, 0]) > 1e-3).all()
    assert trusts.shape == (replicates, 2, 481)
    for replicate in range(replicates):
        pair = dyad_path(DYAD, shared, trusts[replicate, :, 0], replicate)
        for state in STATES:
            found = paths(ds, state)[replicate]
            np.testing.assert_allclose(found, pair[state], rtol=0.0, atol=1e-13)


@pytest.mark.parametrize("effect", [0.3, 4.0])
def test_x2_two_members__whatever_an_alliance_is_worth(effect):
    # Benefits are relative to the best that the network effect allows; participation is full.
    own = {"network_effect": effect, "participation_returns": 1.7}
    shared = {"initial_trust": 0.65, "trust_noise": 0.1}
    ds = simulate(NO_EXIT | PLAIN | own | shared, slots=2, replicates=4)
    for replicate in range(4):
        pair = dyad_path(DYAD, shared, paths(ds, "trust")[replicate, :, 0], replicate)
        for state in STATES:
            found = paths(ds, state)[replicate]
            np.testing.assert_allclose(found, pair[state], rtol=0.0, atol=1e-13)


ALIKE_IN_TRUST = NO_EXIT | PLAIN | {"initial_trust_sd": 0.0, "trust_noise": 0.0}


@pytest.mark.parametrize("slots", [2, 3, 7, 64, 512])
@pytest.mark.parametrize("shared", [{"initial_trust": 0.7, "private_orientation": 0.1}, {}])
def test_x3_identical_members__are_a_symmetric_dyad(slots, shared):
    # Means over others are of N - 1 equal numbers, differences of sums: N roundings. 6e-15 was
    # measured at 512 members, 1e-15 at 64.
    ds = simulate(ALIKE_IN_TRUST | shared, slots=slots, industries=2)
    start = paths(ds, "trust")[0, 0, 0]
    assert start == {"initial_trust": 0.6, **shared}["initial_trust"]
    pair = dyad_path("dyad", shared | {"trust_noise": 0.0}, (start, start))
    for state in STATES:
        found = paths(ds, state)[0]
        np.testing.assert_allclose(found, np.tile(pair[state][0], (slots, 1)), atol=1e-13, rtol=0.0)


def threshold(model, parameters, output, **options):
    """Return the least initial trust after which trust is above 1/2 at the horizon, to 1e-8."""
    low, high = 0.5, 0.6
    for _ in range(4):
        trusts = np.linspace(low, high, 65)
        study = fa.Study(
            model=model,
            parameters=parameters | {"trust_noise": 0.0},
            design=fa.table({"initial_trust": trusts}),
            replicates=1,
            seed=SEED,
            horizon=120.0,
            dt=DT,
            **options,
        )
        first = int(np.argmax(study.run()[f"{output}_mean"].values > 0.5))
        low, high = trusts[first - 1], trusts[first]
    return high


@pytest.mark.parametrize(("cost", "expected"), [(0.0, 0.520636), (0.1, 0.542189)])
@pytest.mark.parametrize("slots", [2, 9])
def test_x3_tipping_threshold(slots, cost, expected):
    given = ALIKE_IN_TRUST | {"membership_cost": cost}
    found = threshold(MODEL, given, "trust", structure={"slots": slots, "industries": 1})
    assert found == pytest.approx(expected, abs=6e-7)
    if cost == 0.0:
        pair = threshold("dyad", {"dissolution_engagement": 0.0}, "trust_a")
        assert found == pytest.approx(pair, abs=1e-8)


# --- X4: without a weight of payoff exits know nothing of trust -----------------------------------

OF_TRUST = [
    {},
    {"initial_trust": 0.2, "initial_trust_sd": 0.3, "trust_noise": 0.0},
    {"exit_shock": 9.0, "trust_gain": 1.0, "trust_loss": 1.9, "base_attention": 1.0},
    {"initial_engagement": 0.9, "initial_benefit": 0.1, "trust_weight": 0.1, "benefit_time": 1.0},
    {"openness_midpoint": 0.9, "engagement_steepness": 1.0, "openness_time": 9.0},
    {"private_orientation": 0.4, "network_effect": 3.0, "membership_cost": 0.9, "bargaining": 2.0},
]


def test_x4_decoupled__the_same_exits_bit_for_bit():
    runs = [
        fa.simulate(
            MODEL,
            parameters={"payoff_weight": 0.0, "seed_exits": 4, "seed_rule": "random"} | own,
            replicates=200,
            seed=SEED,
            members=True,
        )
        for own in OF_TRUST
    ]
    share = runs[0]["exit_share"].values
    assert 0.1 < share.mean() < 0.9
    assert share.std() > 0.1
    for run in runs[1:]:
        for name in ("exit_time", "membership", "largest_wave", "collapse_time", "central_exits"):
            np.testing.assert_array_equal(run[name].values, runs[0][name].values)
        assert (run["trust"].values != runs[0]["trust"].values).mean() > 0.5


# --- X9: shocks compose ---------------------------------------------------------------------------


@pytest.mark.parametrize(("slots", "industries"), [(6, 2), (20, 3), (64, 4), (64, 64)])
def test_x9_shocks__of_all_waves_are_the_shock_of_all_exits(slots, industries):
    # The exponents are rounded once a wave, of which there are at most 60: 2e-15 was measured.
    seeds = {"seed_exits": max(1, slots // 12), "seed_time": 3.0, "seed_rule": "random"}
    parameters = FROZEN | seeds | {"payoff_weight": 0.0, "base_hazard": 0.004, "exit_shock": 1.5}
    ds = simulate(parameters, slots=slots, industries=industries, every=60.0, replicates=60)
    trust, gone = paths(ds, "trust"), ~np.isnan(ds["exit_time"].transpose("replicate", ...).values)
    weight = 1.0 + 5.0 * ds["centrality"].transpose("replicate", ...).values
    industry = np.arange(slots) * industries // slots
    peers = industry[:, np.newaxis] == industry
    n_checked = 0
    for run in range(60):
        watched = weight[run] * ~np.eye(slots, dtype=bool)
        left = watched * gone[run]
        near = (watched * peers).sum(axis=1)
        exits = 0.3 * left.sum(axis=1) / watched.sum(axis=1)
        some = near > 0.0
        exits[some] += 0.7 * (left * peers).sum(axis=1)[some] / near[some]
        stays = ~gone[run]
        expected = trust[run, :, 0] * np.exp(-1.5 * exits)
        np.testing.assert_allclose(trust[run, stays, -1], expected[stays], rtol=2e-14)
        n_checked += (stays & (exits > 0.0)).sum()
    assert n_checked > 20


# --- X11: the group's accounting, from what is recorded -------------------------------------------


def of_firms(ds, name):
    """Return an attribute, (replicate, member, 1); 0 where there was no firm."""
    return np.nan_to_num(ds[name].transpose("replicate", "member").values)[..., np.newaxis]


def accounts(ds, p, slots):
    """Return who is there, pi, W, sigma, and E and O of others and of oneself.

    All from the members' own paths. W is 1 where nobody is there.
    """
    engagement, openness = paths(ds, "engagement"), paths(ds, "openness")
    present = ~np.isnan(engagement)
    pi = of_firms(ds, "capability") * present
    n, total = present.sum(axis=1, keepdims=True), pi.sum(axis=1, keepdims=True)
    some = np.where(n > 0, total, 1.0)
    e, o = np.nan_to_num(engagement), np.nan_to_num(openness)

    def of_others(x):
        others = total - pi
        several = present & (n > 1)
        mean = ((pi * x).sum(axis=1, keepdims=True) - pi * x) / np.where(several, others, 1.0)
        return np.where(several, np.maximum(mean, 0.0), 0.0)

    joint = (pi * np.sqrt(e * o * of_others(e * o))).sum(axis=1, keepdims=True)
    best = p["network_effect"] * (1.0 - p["private_orientation"])
    sigma = 1.0 + best * joint / some * (n / slots) ** p["participation_returns"]
    return present, pi, some, sigma, of_others(e), of_others(o), e, o


ACCOUNTS = {
    "network_effect": 1.6,
    "private_orientation": 0.04,
    "private_gain": 0.4,
    "private_harm": 0.7,
    "participation_returns": 0.8,
    "membership_cost": 0.15,
    "bargaining": 0.6,
    "centrality_premium": 1.2,
    "benefit_time": 3.0,
}


@pytest.fixture(scope="module")
def books():
    own = {"initial_trust": 0.8, "initial_share": 0.8, "seed_exits": 2, "uncertainty": 0.6}
    return simulate(ACCOUNTS | own, slots=30, industries=3, horizon=60.0, replicates=12)


def test_x11_synergy_and_surplus__from_the_members(books):
    _, _, total, sigma, *_ = accounts(books, ACCOUNTS, 30)
    found = books["synergy_path"].transpose("replicate", "time").values
    np.testing.assert_allclose(found, sigma[:, 0], rtol=1e-14)
    assert 1.2 < found.max() < 2.6
    np.testing.assert_array_equal(found[:, -1], books["synergy"])
    surplus = ((sigma - 1.0) * total)[:, 0, :-1].sum(axis=1) * DT / (60.0 * 30)
    np.testing.assert_allclose(books["surplus"].values, surplus, rtol=1e-13)


def test_x11_payoffs__add_up_to_the_group_s_profit(books):
    # A member's payoff in a step shows in its benefit a step later, 12 roundings larger.
    p = ACCOUNTS
    present, pi, total, sigma, e_others, o_others, e, o = accounts(books, p, 30)
    benefit = paths(books, "benefit")
    change = np.diff(benefit, axis=-1) * p["benefit_time"] / DT
    stays = present[..., 1:]
    now = benefit[..., :-1] + change
    private = p["private_gain"] * e * o_others - p["private_harm"] * e_others * o
    private = p["network_effect"] * p["private_orientation"] * private[..., :-1]
    rho = (1.0 + p["network_effect"] * now - private + p["membership_cost"]) / sigma[..., :-1]
    # alpha_i = rho_i pi_i / W are the shares of bargaining power.
    alpha = np.where(stays, rho * pi[..., :-1] / total[..., :-1], 0.0)
    centrality = of_firms(books, "centrality")
    power = np.where(pi > 0.0, pi, 1.0) ** p["bargaining"]
    power = np.where(present, power * (1.0 + p["centrality_premium"] * centrality), 0.0)
    whole_power = power.sum(axis=1, keepdims=True)
    shares = (power / np.where(whole_power > 0.0, whole_power, 1.0))[..., :-1]
    np.testing.assert_allclose(alpha[stays], shares[stays], rtol=0.0, atol=1e-14)
    # steps of two members or more in which nobody leaves, so that all shares are seen
    whole = (stays == present[..., :-1]).all(axis=1) & (present.sum(axis=1) > 1)[:, :-1]
    assert whole.mean() > 0.5
    assert not whole.all()
    np.testing.assert_allclose(alpha.sum(axis=1)[whole], 1.0, rtol=1e-13)
    payoff = (pi[..., :-1] * sigma[..., :-1] * rho).sum(axis=1, where=stays)
    profit = (sigma * total)[:, 0, :-1]
    np.testing.assert_allclose(payoff[whole], profit[whole], rtol=1e-13)
