"""The twin of the exit cascade itself, before anything is compared with it.

Closed forms and the known laws of tests/exact/cascade_theory.py, with few replicates.
"""

from __future__ import annotations

import math

import networkx
import numpy as np
import pytest

from tests.chance import LIMIT, SEED, z_of_mean, z_of_share
from tests.exact import cascade_theory
from tests.oracle import exit_cascade
from tests.oracle.cascade_cases import neighbours

# Everybody watches everybody, nobody stands out.
ALIKE = {"industry_weight": 0.0, "alliance_weight": 1.0, "immunity": 0.0, "prominence_weight": 0.0}
NO_HAZARD, NO_THRESHOLD = {"base_hazard": 0.0}, {"threshold_mean": math.inf}


def test_granovetter__the_hundred_and_the_one():
    thresholds = [i / 100 for i in range(100)]
    run = exit_cascade.simulate(
        ALIKE | NO_HAZARD,
        members=100,
        industries=1,
        seed=0,
        instance=0,
        horizon=200.0,
        thresholds=thresholds,
    )
    # i/99 reaches i/100 in every step: one after the other.
    assert run["exits_path"] == [min(k, 100) for k in range(201)]
    thresholds[1] = 0.02
    run = exit_cascade.simulate(
        ALIKE | NO_HAZARD,
        members=100,
        industries=1,
        seed=0,
        instance=0,
        thresholds=thresholds,
    )
    assert run["exits"] == 1


def test_two_members__by_hand():
    # Member 0 is a seed. m = 1.5, 2: x_1 = 0.6 * 1 + 0.4 * 1, damped by 0.5, fading by 1/2 a step
    # and uncertainty by 1/4 a step: pressures 1/2, 1/16, ...; hazard 0.1 (e^(1/2) + e^(1/16) + ...)
    parameters = {
        "industry_weight": 0.6,
        "alliance_weight": 0.4,
        "immunity": 0.5,
        "uncertainty_halflife": 0.5,
        "memory": 1.0 / math.log(2.0),
        "imitation": 1.0,
        "base_hazard": 0.1,
        "seed_exits": 1,
        "seed_rule": -1.0,
    }
    address = {"members": 2, "industries": 1, "seed": 5, "instance": 6, "centralities": [0.5, 1.0]}
    draw = -math.log(exit_cascade.philox.uniforms(5, 6, 0, 0, 1)[1])
    sums = np.cumsum([0.1 * math.exp(0.5 / 8.0**k) for k in range(48)])
    run = exit_cascade.simulate(parameters, **address, thresholds=[9.0, 0.51])
    assert run["exit_time"] == [0.0, 1.0 + np.searchsorted(sums, draw)]
    run = exit_cascade.simulate(parameters, **address, thresholds=[9.0, 0.5 + 1e-10])
    assert run["exit_time"] == [0.0, 1.0]
    assert run["first_exit_time"] == run["collapse_time"] == 0.0
    assert run["central_exit_share"] == run["cascade_share"] == run["peak_exits"] == 1.0


def test_alone_in_the_industry__industry_pressure_is_0():
    run = exit_cascade.simulate(
        NO_HAZARD | {"alliance_weight": 0.0, "seed_exits": 3},
        members=9,
        industries=9,
        seed=1,
        instance=0,
        thresholds=[1e-6] * 9,
    )
    assert run["exits"] == 3


@pytest.mark.parametrize("imitation", [0.0, 2.5])
def test_hazard__chain_binomial(imitation):
    members, steps, n = 5, 12, 2_000
    parameters = ALIKE | NO_THRESHOLD | {"base_hazard": 0.04, "imitation": imitation}
    chain = cascade_theory.chain_binomial(members, hazard=0.04, imitation=imitation)
    expected = cascade_theory.after(chain, steps)
    runs = [
        exit_cascade.simulate(
            parameters, members=members, industries=1, seed=SEED, instance=i, horizon=steps
        )
        for i in range(n)
    ]
    for exits in range(members + 1):
        count = sum(run["exits"] == exits for run in runs)
        assert abs(z_of_share(count, n, expected[exits])) < LIMIT
    if imitation == 0.0:
        mean = expected @ np.arange(members + 1) / members
        assert mean == pytest.approx(-math.expm1(-0.04 * steps), rel=1e-12)


def test_thresholds__final_sizes():
    members, seeds, n = 7, 1, 2_000
    parameters = ALIKE | NO_HAZARD | {"threshold_mean": 0.4, "threshold_sd": 0.3, "seed_exits": 1}
    a = cascade_theory.normal_untriggered(0.4, 0.3, members, seeds)
    expected = [float(p) for p in cascade_theory.final_sizes(a)]
    assert sum(expected) == pytest.approx(1.0, abs=1e-12)
    runs = [
        exit_cascade.simulate(parameters, members=members, industries=1, seed=SEED, instance=i)
        for i in range(n)
    ]
    for exits, probability in enumerate(expected):
        count = sum(run["exits"] == seeds + exits for run in runs)
        assert abs(z_of_share(count, n, probability)) < LIMIT


def test_mean_field__a_thousand_members():
    mean, sd, seeds, members = 0.4, 0.2, 0.05, 1_000
    parameters = ALIKE | NO_HAZARD | {"threshold_mean": mean, "threshold_sd": sd, "seed_exits": 50}
    runs = [
        exit_cascade.simulate(
            parameters, members=members, industries=1, seed=SEED, instance=i, horizon=100.0
        )
        for i in range(10)
    ]
    root = cascade_theory.mean_field_share(mean, sd, seeds)
    deviation = cascade_theory.mean_field_deviation(mean, sd, seeds, members)
    shares = np.array([run["exit_share"] for run in runs])
    # A bias of order 1/N on top.
    assert abs(z_of_mean(shares, root, deviation)) < LIMIT + 3.0 / members / deviation


@pytest.mark.parametrize(
    "graph",
    [
        networkx.gnm_random_graph(25, 40, seed=3),
        networkx.grid_2d_graph(4, 5),
        networkx.star_graph(6),
        networkx.empty_graph(4),
    ],
    ids=str,
)
def test_betweenness__is_that_of_networkx(graph):
    graph = networkx.convert_node_labels_to_integers(graph)
    expected = networkx.betweenness_centrality(graph, normalized=False)
    found = exit_cascade.betweenness(neighbours(len(graph), list(graph.edges)))
    highest = max(expected.values()) or 1.0
    np.testing.assert_allclose(found, [expected[i] / highest for i in range(len(graph))], 1e-12)


def test_outputs__when_nobody_leaves():
    run = exit_cascade.simulate(
        NO_HAZARD | NO_THRESHOLD, members=3, seed=0, instance=0, industries=1
    )
    assert [run[name] for name in ("exits", "exit_share", "cascade_share", "peak_exits")] == [0] * 4
    assert all(math.isnan(run[name]) for name in ("first_exit_time", "last_exit_time"))
    assert run["collapsed"] == 0.0
    assert math.isnan(run["collapse_time"])
    run = exit_cascade.simulate(
        {"collapse_share": 0.0} | NO_HAZARD | NO_THRESHOLD, seed=0, instance=0
    )
    assert (run["collapsed"], run["collapse_time"]) == (1.0, 0.0)
    run = exit_cascade.simulate({"seed_exits": 200}, seed=0, instance=0)
    assert (run["exit_share"], run["cascade_share"], run["last_exit_time"]) == (1.0, 0.0, 0.0)
