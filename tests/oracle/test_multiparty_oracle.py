"""The twin of the multiparty alliance itself, before anything is compared with it.

The page's golden values, identities that hold in every run, and small cases worked out by hand.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.oracle import dyad, multiparty, philox

# Exits never happen; shares of the surplus are those of the capabilities, at no cost.
NO_EXIT = {"base_hazard": 0.0, "threshold_mean": math.inf, "threshold_sd": 0.0}
PLAIN = {"capability_sd": 0.0, "centrality_premium": 0.0, "membership_cost": 0.0}
# No one stands out, and trust neither moves nor matters.
ALIKE = {"prominence_weight": 0.0, "immunity": 0.0}
FROZEN = {"trust_gain": 0.0, "trust_loss": 0.0, "trust_noise": 0.0}
BY_PRESSURE_ONLY = ALIKE | {"base_hazard": 0.0, "threshold_sd": 0.0, "payoff_weight": 0.0}

# --- The page's golden values ---------------------------------------------------------------------

GOLDEN_SETS = {
    1: ({}, {}),
    2: ({"initial_trust": 0.7, "seed_exits": 3}, {}),
    3: (
        {
            "initial_share": 0.5,
            "entry_rate": 0.1,
            "private_orientation": 0.1,
            "initial_trust": 0.75,
            "bargaining": 0.8,
            "participation_returns": 0.25,
        },
        {"slots": 24, "industries": 5},
    ),
}
# fmt: off
GOLDEN = [
    (1, 0, (0.890625, 1, 0.109375, 0, 0.015625, 0, 120, 0.9873585275, 1.932414498,
            0.8530361252, 0.1538461538, 0.09803921569)),
    (1, 1, (0.859375, 1, 0.140625, 0, 0.015625, 0, 120, 0.9861964245, 1.914839999,
            0.7510579119, 0.07142857143, 0.16)),
    (1, 8589934597, (0.78125, 1, 0.21875, 0, 0.015625, 0, 120, 0.91104788, 1.868151896,
                     0.8316296202, 0.25, 0.2142857143)),
    (2, 0, (0.484375, 1, 0.515625, 0, 0.046875, 1, 73.5, 0.9774238762, 1.680491471,
            0.425004398, 0.5384615385, 0.5098039216)),
    (2, 1, (0.765625, 1, 0.234375, 0, 0.046875, 0, 120, 0.9749532003, 1.861135855,
            0.7555484667, 0.2142857143, 0.24)),
    (2, 8589934597, (0, 1, 1, 0, 0.09375, 1, 26.25, 0, 1, 0.1585230123, 1, 1)),
    (3, 0, (1, 1, 0.07692307692, 0.5833333333, 0.04166666667, 0, 120, 0.8648604831, 1.82375533,
            0.680264347, 0, 0.08695652174)),
    (3, 1, (0.04166666667, 0.7916666667, 0.9473684211, 0.2916666667, 0.125, 1, 32.75,
            1.565100991e-06, 1, 0.05862933555, 0.75, 1)),
    (3, 8589934597, (0.875, 1, 0.4, 0.9583333333, 0.08333333333, 0, 120, 0.7930889889,
                     1.778784334, 0.7588467132, 0, 0.4516129032)),
]
# fmt: on


@pytest.mark.parametrize(("number", "instance", "golden"), GOLDEN)
def test_golden_values__of_the_page(number, instance, golden):
    parameters, sizes = GOLDEN_SETS[number]
    run = multiparty.run(parameters, seed=20240601, instance=instance, **sizes)
    for name, value in zip(multiparty.OUTPUTS, golden, strict=False):
        assert abs(run[name] - value) <= 1e-9 * (1.0 + abs(value)), name
    for kind in ("central", "peripheral"):
        exits, members = run[f"{kind}_exits"], run[f"{kind}_members"]
        assert run[f"{kind}_exit_share"] == exits / members


# --- Against the dyad -----------------------------------------------------------------------------


def assert_each_is_partner_a(run, pair, member):
    for name in multiparty.STATES:
        path = [states[member] for states in run[f"member_{name}_path"]]
        np.testing.assert_allclose(path, pair[f"{name}_a_path"], rtol=0.0, atol=1e-13)


@pytest.mark.parametrize("instance", range(3))
def test_two_slots__are_the_dyad(monkeypatch, instance):
    # Exact check X2, with the noise that the dyad draws under tag 0 drawn under tag 5.
    monkeypatch.setattr(dyad, "PURPOSE_NOISE", multiparty.NOISE)
    shared = {"private_orientation": 0.1}
    trusts = {"initial_trust": 0.65, "initial_trust_sd": 0.15}
    address = {"seed": 8, "instance": instance, "horizon": 30.0, "dt": 0.25}
    run = multiparty.run(PLAIN | NO_EXIT | shared | trusts, slots=2, industries=1, **address)
    a, b = run["member_trust_path"][0]
    given = {"initial_trust": (a + b) / 2.0, "initial_trust_gap": a - b}
    pair = dyad.simulate(
        shared | given | {"dissolution_engagement": 0.0}, record_every=0.25, **address
    )
    assert a != b
    assert_each_is_partner_a(run, pair, 0)
    swapped = {f"{name}_a_path": pair[f"{name}_b_path"] for name in multiparty.STATES}
    assert_each_is_partner_a(run, swapped, 1)


@pytest.mark.parametrize("slots", [2, 5, 8])
def test_identical_members__are_the_symmetric_dyad(slots):
    # Exact check X3: the others' means are one's own values.
    quiet = {"trust_noise": 0.0, "initial_trust": 0.55, "private_orientation": 0.05}
    address = {"seed": 1, "instance": 2, "horizon": 30.0, "dt": 0.25}
    run = multiparty.run(
        PLAIN | NO_EXIT | quiet | {"initial_trust_sd": 0.0}, slots=slots, industries=2, **address
    )
    pair = dyad.simulate(quiet | {"dissolution_engagement": 0.0}, record_every=0.25, **address)
    for member in range(slots):
        assert_each_is_partner_a(run, pair, member)


def test_tipping_threshold__of_identical_members():
    # Exact check X3: .520636, and .542189 where membership costs .1.
    quiet = NO_EXIT | PLAIN | {"trust_noise": 0.0, "initial_trust_sd": 0.0}
    for cost, threshold in ((0.0, 0.520636), (0.1, 0.542189)):
        for side in (-1, 1):
            own = {"membership_cost": cost, "initial_trust": threshold + side * 1e-5}
            run = multiparty.run(quiet | own, slots=2, industries=1, seed=0, instance=0)
            assert (run["trust"] > 0.5) == (side > 0)


# --- Identities -----------------------------------------------------------------------------------


def test_exits__do_not_depend_on_trust_if_payoff_has_no_weight():
    # Exact check X4, bit for bit.
    parameters = {"payoff_weight": 0.0, "seed_exits": 3, "seed_time": 3.0, "uncertainty": 0.5}
    address = {"slots": 24, "industries": 3, "seed": 4, "instance": 5, "horizon": 24.0}
    plain = multiparty.run(parameters, **address)
    other = {"initial_trust": 0.2, "trust_noise": 0.4, "exit_shock": 9.0, "trust_loss": 1.5}
    moved = multiparty.run(parameters | other | {"openness_time": 9.0}, **address)
    assert 3 < sum(not math.isnan(time) for time in plain["exit_time"]) < 24
    np.testing.assert_array_equal(moved["exit_time"], plain["exit_time"])
    assert moved["membership_path"] == plain["membership_path"]
    assert moved["trust"] != plain["trust"]


def test_shocks__compose_to_the_shock_of_all_exits():
    # Exact check X9: what is left of trust depends on who has left, not on the waves.
    forced = {"seed_exits": 3, "seed_time": 2.0, "uncertainty": 0.4, "base_hazard": 0.01}
    parameters = FROZEN | forced | {"payoff_weight": 0.0, "exit_shock": 1.5}
    run = multiparty.run(parameters, slots=20, industries=3, seed=3, instance=1, horizon=36.0)
    weights = [1.0 + 5.0 * b for b in run["centrality"]]
    gone = [not math.isnan(time) for time in run["exit_time"]]
    assert len(set(run["membership_path"])) > 4
    assert 0 < sum(gone) < 20
    for i in range(20):
        if gone[i]:
            continue
        peers = [j for j in range(20) if j != i]
        near = [j for j in peers if j * 3 // 20 == i * 3 // 20]
        x = [
            sum(weights[j] for j in circle if gone[j]) / sum(weights[j] for j in circle)
            for circle in (near, peers)
        ]
        expected = run["member_trust_path"][0][i] * math.exp(-1.5 * (0.7 * x[0] + 0.3 * x[1]))
        assert run["member_trust_path"][-1][i] == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("initial_share", [1.0, 0.4])
def test_split__shares_out_the_whole_surplus(initial_share):
    # Exact check X11: sum alpha_i = 1 and sum pi_i sigma rho_i = sigma pi_n.
    p = multiparty.DEFAULTS | {"initial_share": initial_share, "bargaining": 1.7}
    a = multiparty.Alliance(p, 15, 4, 6, 7, 0.25, holders=[None] * 15)
    for i in multiparty.initial_members(initial_share, 15):
        multiparty.bear(a, i, 0)
    s = multiparty.add_up(a)
    assert s.sigma > 1.0
    assert sum(f.power / s.power for f in a.members) == pytest.approx(1.0, rel=1e-14)
    payoffs = sum(f.capability * s.sigma * multiparty.split(f, s) for f in a.members)
    assert payoffs == pytest.approx(s.sigma * s.capability, rel=1e-14)


# --- By hand --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("initial_share", "slots", "members"),
    [
        (0.3, 10, [3, 6, 9]),
        (0.25, 8, [3, 7]),
        (1.0, 3, [0, 1, 2]),
        (0.04, 12, []),
        (0.05, 10, [9]),
        (0.5, 3, [1, 2]),
    ],
)
def test_initial_members__are_interleaved(initial_share, slots, members):
    assert multiparty.initial_members(initial_share, slots) == members


@pytest.mark.parametrize(
    ("threshold", "times"),
    [(0.5, [1.0, 1.0]), (0.5 + 5e-13, [1.0, 1.0]), (0.5 + 5e-12, [math.nan, math.nan])],
)
def test_three_members__one_leaves_and_is_followed(threshold, times):
    # Half of the others are gone: pressure .7 / 2 + .3 / 2, to which a threshold may be equal.
    forced = {"seed_exits": 1, "seed_time": 0.0, "threshold_mean": threshold}
    run = multiparty.run(
        BY_PRESSURE_ONLY | forced,
        slots=3,
        industries=1,
        seed=2,
        instance=3,
        horizon=3.0,
        dt=0.5,
    )
    first = max(range(3), key=lambda i: run["centrality"][i])
    assert run["exit_time"][first] == 0.5
    np.testing.assert_array_equal([run["exit_time"][i] for i in range(3) if i != first], times)
    followed = times[0] == 1.0
    assert run["membership_path"] == [1.0, 2 / 3, *([0.0 if followed else 2 / 3] * 5)]
    assert run["largest_wave"] == (2 / 3 if followed else 1 / 3)
    assert (run["collapsed"], run["collapse_time"]) == ((1.0, 1.0) if followed else (0.0, 3.0))
    assert run["trust_path"][2:] != [0.0] * 5 or followed


def test_three_members__an_exit_hits_the_trust_of_both_others():
    forced = {"seed_exits": 1, "seed_time": 0.0, "threshold_mean": math.inf, "exit_shock": 0.8}
    run = multiparty.run(
        BY_PRESSURE_ONLY | FROZEN | forced,
        slots=3,
        industries=3,
        seed=2,
        instance=3,
        horizon=1.0,
    )
    # Each alone in its industry: only the alliance counts, of which half of the others leave.
    before, after = run["member_trust_path"][:2]
    for i in range(3):
        if math.isnan(after[i]):
            continue
        assert after[i] == pytest.approx(before[i] * math.exp(-0.8 * 0.3 / 2.0), rel=1e-15)
    assert sum(math.isnan(value) for value in after) == 1


def test_seeds__are_the_highest_scores_of_an_industry():
    # At 1.13, nearest to which a step begins at 1.25; two of the four of industry 1.
    rule = {"seed_exits": 2, "seed_industry": 1, "seed_rule": -0.25, "seed_time": 1.13}
    run = multiparty.run(NO_EXIT | rule, slots=12, industries=3, seed=6, instance=7, horizon=3.0)
    scores = {
        i: -0.25 * run["centrality"][i] + 0.75 * philox.uniforms(6, 7, 4, 0, i)[0]
        for i in range(4, 8)
    }
    seeds = sorted(scores, key=scores.get)[-2:]
    expected = [1.5 if i in seeds else math.nan for i in range(12)]
    np.testing.assert_array_equal(run["exit_time"], expected)


def test_seeds__may_be_leaving_anyway():
    # With a threshold below 0 in the first step, in which the three most central leave too.
    rule = {"seed_exits": 3, "seed_time": 0.0, "threshold_mean": 0.0, "threshold_sd": 0.3}
    run = multiparty.run(
        {"base_hazard": 0.0} | rule, slots=12, industries=3, seed=6, instance=7, horizon=0.25
    )
    central = sorted(range(12), key=lambda i: run["centrality"][i])[-3:]
    leaving = {i for i in range(12) if philox.normals(6, 7, multiparty.FIRM, 0, i)[1] <= 0.0}
    assert 0 < len(leaving.intersection(central)) < 3
    gone = {i for i in range(12) if run["exit_time"][i] == 0.25}
    assert gone == leaving.union(central)
    assert run["largest_wave"] == len(gone) / 12


def test_pressure__of_a_payoff_that_falls_short():
    # Nobody contributes, so that payoff is 1 - cost: after a step perceived benefit has moved
    # from 0 by dt / tau_B towards -cost / nu, and weighs 2 nu: 2 * .2 * .25 / 3 = .03333...
    parameters = PLAIN | {
        "membership_cost": 0.2,
        "network_effect": 2.5,
        "initial_engagement": 0.0,
        "initial_benefit": 0.0,
        "base_hazard": 0.0,
        "threshold_sd": 0.0,
    }
    address = {"slots": 5, "industries": 2, "seed": 6, "instance": 7, "horizon": 0.5}
    for threshold, left in ((0.1 / 3.0 - 1e-6, 1.0), (0.1 / 3.0 + 1e-6, 0.0)):
        run = multiparty.run(parameters | {"threshold_mean": threshold}, **address)
        assert (run["exit_share"], run["membership_path"][1]) == (left, 1.0)


def test_trust__is_clipped_before_the_shock():
    noisy = FROZEN | {"trust_noise": 1.0, "initial_trust": 0.85, "exit_shock": 0.8}
    forced = {"seed_exits": 1, "seed_time": 0.0, "threshold_mean": math.inf}
    run = multiparty.run(
        BY_PRESSURE_ONLY | noisy | forced,
        slots=40,
        industries=40,
        seed=6,
        instance=7,
        horizon=1.0,
        dt=1.0,
    )
    before, after = run["member_trust_path"]
    clipped = 0
    for i in range(40):
        z = philox.normals(6, 7, multiparty.NOISE, 0, i // 2)[i % 2]
        unclipped = before[i] * (1.0 + (1.0 - before[i]) * z)
        clipped += unclipped > 1.01 and not math.isnan(after[i])
        if not math.isnan(after[i]):
            shock = math.exp(-0.8 * 0.3 / 39.0)
            assert after[i] == pytest.approx(dyad.clip01(unclipped) * shock, rel=1e-14)
    assert clipped > 2


def test_hazard__runs_out_on_the_clock_of_each():
    # At a constant hazard of 1/20 a step: the first step in which the sum reaches the draw.
    hazard = {"base_hazard": 0.2, "imitation": 0.0, "threshold_mean": math.inf}
    run = multiparty.run(hazard, slots=9, industries=2, seed=11, instance=12, horizon=10.0)
    draws = [-math.log(philox.uniforms(11, 12, 2, 0, i)[1]) for i in range(9)]
    expected = [math.ceil(draw / 0.05) * 0.25 for draw in draws]
    expected = [time if time <= 10.0 else math.nan for time in expected]
    np.testing.assert_allclose(run["exit_time"], expected, rtol=1e-12)
    assert 0.0 < run["exit_share"] < 1.0


def test_vacancies__are_filled_in_the_next_step():
    # Entry is as good as certain: 1 - exp(-2 * (10 E O - 1)). Slots 1 and 3 are filled at the
    # start, 0 and 2 after a step; the seed leaves after the first and is replaced after the second.
    parameters = FROZEN | {
        "initial_share": 0.5,
        "initial_trust": 0.9,
        "initial_trust_sd": 0.01,
        "initial_engagement": 1.0,
        "network_effect": 10.0,
        "participation_returns": 0.0,
        "entry_rate": 2.0,
        "base_hazard": 0.0,
        "threshold_mean": math.inf,
        "seed_exits": 1,
        "seed_time": 0.0,
        "exit_shock": 0.0,
    }
    run = multiparty.run(parameters, slots=4, industries=2, seed=3, instance=9, horizon=4.0, dt=1.0)
    seed = max((1, 3), key=lambda i: run["centrality"][i])
    other = 4 - seed
    assert run["membership_path"] == [0.5, 0.75, 1.0, 1.0, 1.0]
    np.testing.assert_array_equal(run["entry_time"], [1.0, 0.0, 1.0, 0.0])
    assert run["exit_time"][seed] == 1.0
    assert math.isnan(run["exit_time"][other])
    trust = [states[seed] for states in run["member_trust_path"]]
    second = 0.9 + 0.01 * philox.normals(3, 9, multiparty.TRUST0, 2, seed)[0]
    assert math.isnan(trust[1])
    assert trust[2] == pytest.approx(second, rel=1e-15)
    assert (run["entry_share"], run["exit_share"]) == (0.75, 0.2)
    assert run["central_members"] + run["peripheral_members"] == 5
    assert run["central_exits"] + run["peripheral_exits"] == 1


def test_slots__come_and_go_as_two_state_chains():
    # Exact check X10, each slot by hand: value stays E0 L(T0), whoever is a member.
    parameters = FROZEN | {
        "imitation": 0.0,
        "base_hazard": 0.08,
        "entry_rate": 0.4,
        "initial_share": 0.5,
        "initial_trust": 0.7,
        "initial_trust_sd": 0.0,
        "participation_returns": 0.0,
        "engagement_time": 1e15,
        "openness_time": 1e15,
        "threshold_mean": math.inf,
        "payoff_weight": 0.0,
        "exit_shock": 0.0,
    }
    run = multiparty.run(parameters, slots=8, industries=2, seed=5, instance=1, horizon=60.0)
    value = 0.5 * dyad.logistic(0.7, 0.4, 9.0)
    assert min(run["membership_path"]) > 0.2
    np.testing.assert_allclose(run["synergy_path"], 1.0 + value, rtol=1e-12)
    probability = 1.0 - math.exp(-0.4 * (value - 0.1) * 0.25)
    for i in range(8):
        born, path = (0 if i % 2 else None), []
        for k in range(241):
            path.append(born is not None)
            if born is None:
                u = philox.uniforms(5, 1, multiparty.ENTRY, k, i // 2)[i % 2]
                born = k + 1 if u < probability else None
            else:
                draw = -math.log(philox.uniforms(5, 1, multiparty.CLOCK, born, i)[1])
                born = None if (k + 1 - born) * 0.02 >= draw else born
        there = [not math.isnan(states[i]) for states in run["member_trust_path"]]
        assert there == path
        assert len(set(path)) == 2


def test_outputs__of_an_alliance_that_nobody_joined():
    run = multiparty.run({"initial_share": 0.0, "entry_rate": 2.0}, slots=6, seed=0, instance=0)
    expected = dict.fromkeys(multiparty.OUTPUTS, 0.0) | {"collapse_time": 120.0, "synergy": 1.0}
    assert {name: run[name] for name in multiparty.OUTPUTS} == expected
    for name in ("exit_time", "entry_time", "centrality", "capability"):
        assert all(math.isnan(value) for value in run[name])
