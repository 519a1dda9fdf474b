"""The compiled exit cascade equals its slow twin: seeds, collapse, networks and given arrays."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

import fastalliance as fa
from fastalliance.networks import load_networks
from tests.oracle import exit_cascade
from tests.oracle.cascade_cases import Alliance, random_alliance, random_edges
from tests.oracle.cascade_comparison import (
    LIVELY,
    MODEL,
    assert_replicate_is_twin,
    assert_simulation_is_twin,
    study_of,
)
from tests.oracle.philox import instance_number

# The package warns of parameters that are odd, and of ties without a network; both are legal.
pytestmark = [
    pytest.mark.filterwarnings("ignore:exit_cascade.* members have a threshold <= 0"),
    pytest.mark.filterwarnings("ignore:exit_cascade.*tie_weight has no effect without a network"),
]

# --- Seeds and collapse ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed_exits", [0, 1, 7, 22, 23])
@pytest.mark.parametrize("rule", ["central", "random", "peripheral", -0.6, 0.05, 0.9])
def test_seeds__by_number_and_rule(rule, seed_exits):
    parameters = {"seed_exits": seed_exits, "centrality_skew": 1.0}
    dataset = fa.simulate(
        MODEL,
        parameters=parameters | {"seed_rule": rule},
        structure={"members": 23, "industries": 2},
        replicates=4,
        seed=25,
        members=True,
    )
    number = exit_cascade.RULES.get(rule, rule)
    for r in range(4):
        twin = exit_cascade.simulate(
            parameters | {"seed_rule": number}, members=23, industries=2, seed=25, instance=r
        )
        assert twin["exits_path"][0] == seed_exits
        assert_replicate_is_twin(dataset.isel(replicate=r), twin)


@pytest.mark.parametrize("rule", [1.0, -1.0, 0.0, 0.5])
@pytest.mark.parametrize("centralities", ["equal", "few values"])
def test_seeds__ties_go_to_the_lower_index(rule, centralities):
    rng = random.Random(26)
    b = tuple(0.5 if centralities == "equal" else rng.choice((0.0, 0.5, 1.0)) for _ in range(45))
    parameters = {"seed_exits": 11, "seed_rule": rule, "base_hazard": 0.01}
    twins = assert_simulation_is_twin(parameters, Alliance(45, 4, centralities=b), seed=26)
    if centralities == "equal" and abs(rule) == 1.0:
        leavers = [i for i, time in enumerate(twins[0]["exit_time"]) if time == 0.0]
        assert leavers == list(range(11))


@pytest.mark.parametrize("industries", [1, 3])
def test_thresholds__ties_within_1e9_count_as_reached(industries):
    # Pressures that can be reached exactly, and others a little above and below the tolerance.
    rng = random.Random(34)
    reachable = sorted({0.7 * j / 14 + 0.3 * i / 44 for i in range(45) for j in range(15)})
    for case in range(6):
        offsets = (0.0, 0.9e-9, -0.9e-9, 1.1e-9)
        thresholds = tuple(rng.choice(reachable) + rng.choice(offsets) for _ in range(45))
        if industries == 1:
            thresholds = tuple((i + case) / 44 + rng.choice(offsets[:3]) for i in range(45))
        parameters = {
            "immunity": 0.0,
            "prominence_weight": 0.0,
            "base_hazard": 0.0,
            "seed_exits": case,
        }
        alliance = Alliance(45, industries, thresholds=thresholds)
        assert_simulation_is_twin(parameters, alliance, seed=34, replicates=2)


def test_collapse__at_shares_that_are_not_exact_in_binary():
    # exits / N >= share, where share * N rounds to more than exits (0.07 * 100, 0.14 * 50, ...).
    for members in (10, 29, 50, 100):
        for exits in range(0, members + 1, 3):
            for share in (exits / members, math.nextafter(exits / members, 2.0)):
                if share > 1.0:
                    continue
                parameters = {
                    "seed_exits": exits,
                    "base_hazard": 0.0,
                    "threshold_mean": math.inf,
                    "collapse_share": share,
                }
                alliance = Alliance(members, 2)
                found = fa.simulate(
                    MODEL,
                    parameters=parameters,
                    structure=alliance.structure(),
                    replicate=0,
                    horizon=2.0,
                )
                address = {"seed": 0, "instance": 0, "horizon": 2.0}
                twin = exit_cascade.simulate(parameters, **address, **alliance.twin())
                assert found["collapsed"].item() == twin["collapsed"] == (share == exits / members)
                np.testing.assert_equal(found["collapse_time"].item(), twin["collapse_time"])


# --- Networks -------------------------------------------------------------------------------------


def ring(n):
    return tuple((i, (i + 1) % n) for i in range(n))


GRAPHS = {
    "no edges": (),
    "one edge": ((3, 20),),
    "ring": ring(21),
    "star": tuple((4, i) for i in range(21) if i != 4),
    "two stars": tuple((4 if i < 11 else 15, i) for i in range(21) if i not in (4, 15)),
    "path": tuple((i, i + 1) for i in range(20)),
    "complete": tuple((i, j) for i in range(21) for j in range(i)),
    "grid": tuple((7 * r + c, 7 * r + c + 1) for r in range(3) for c in range(6))
    + tuple((7 * r + c, 7 * r + c + 7) for r in range(2) for c in range(7)),
    "two rings": ring(9) + tuple((i + 9, j + 9) for i, j in ring(12)),
}


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("rule", [1.0, -1.0, 0.4])
def test_networks__centrality_is_betweenness(graph, rule):
    # Symmetric graphs: equal betweenness is equal, and goes to the lower index.
    parameters = {"tie_weight": 0.8, "seed_exits": 5, "seed_rule": rule, "memory": 9.0}
    assert_simulation_is_twin(parameters, Alliance(21, 4, GRAPHS[graph]), seed=27)


@pytest.mark.parametrize("graph", [*GRAPHS, "random"])
def test_networks__equal_betweenness_goes_to_the_lower_index(graph):
    # Every number of seeds, so that none of the equal ones can be out of order unseen.
    edges = GRAPHS[graph] if graph in GRAPHS else random_edges(random.Random(35), 21)
    alliance = Alliance(21, 4, edges)
    study = fa.Study(
        model=MODEL,
        parameters={"base_hazard": 0.0, "threshold_mean": math.inf},
        structure=alliance.structure(),
        design=fa.grid(seed_rule=[1.0, -1.0], seed_exits=range(22)),
        replicates=1,
        seed=36,
        horizon=1.0,
        keep={"members": True},
    )
    found = study.run()["exit_time"].isel(replicate=0)
    betweenness = exit_cascade.betweenness(alliance.twin()["neighbours"])
    for i, rule in enumerate((1.0, -1.0)):
        for n in range(22):
            left = np.flatnonzero(found.isel(seed_rule=i, seed_exits=n).values == 0.0)
            assert left.tolist() == sorted(exit_cascade.highest([rule * b for b in betweenness], n))


@pytest.mark.parametrize("members", [2, 9, 40, 77])
def test_networks__alone_and_with_given_arrays(members):
    rng = random.Random(members)
    for _ in range(3):
        alliance = random_alliance(rng, members=members, network=True)
        assert_simulation_is_twin(LIVELY | {"tie_weight": 1.2}, alliance, seed=28)
        only_ties = {"industry_weight": 0.0, "alliance_weight": 0.0, "tie_weight": 1.0}
        assert_simulation_is_twin(LIVELY | only_ties, alliance, seed=29)


def test_networks__whatever_else_members_react_to():
    # Who reacts to ties alone needs no look until a neighbour leaves; who reacts to anything else,
    # or forgets, does.
    rng = random.Random(39)
    alliance = Alliance(60, 5, random_edges(rng, 60), centralities=tuple([0.5] * 60))
    weights = [(0.0, 0.0, 1.0), (0.0, 0.8, 0.5), (0.8, 0.0, 0.5), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)]
    sets = [
        {
            "industry_weight": weight[0],
            "alliance_weight": weight[1],
            "tie_weight": weight[2],
            "memory": memory,
            "uncertainty_halflife": halflife,
            "base_hazard": hazard,
        }
        for weight in weights
        for memory in (math.inf, 2.0)
        for halflife in (math.inf, 12.0)
        for hazard in (0.0, 0.01)
    ]
    common = {"seed_exits": 7, "threshold_mean": 0.22, "threshold_sd": 0.1}
    sets = [common | parameters for parameters in sets]
    dataset = study_of(sets, alliance, replicates=2, seed=40).run()
    lengths = []
    for point, parameters in enumerate(sets):
        for r in range(2):
            instance = instance_number(point, r)
            twin = exit_cascade.simulate(parameters, seed=40, instance=instance, **alliance.twin())
            assert_replicate_is_twin(dataset.isel(point=point, replicate=r), twin)
            lengths.append(len(set(twin["exits_path"])))
    # Most go on for several steps.
    assert sorted(lengths)[len(lengths) // 4] > 3


def test_networks__a_large_sparse_one():
    rng = random.Random(30)
    members = 1_500
    edges = {tuple(sorted(rng.sample(range(1_400), 2))) for _ in range(2_500)}
    b = tuple(rng.random() for _ in range(members))
    alliance = Alliance(members, 11, tuple(sorted(edges)), centralities=b)
    parameters = {
        "industry_weight": 0.0,
        "alliance_weight": 0.0,
        "tie_weight": 1.0,
        "base_hazard": 0.0,
        "threshold_mean": 0.25,
        "seed_exits": 60,
    }
    twins = assert_simulation_is_twin(parameters, alliance, seed=31, replicates=2)
    assert all(twin["exits"] > 200 for twin in twins)
    assert_simulation_is_twin(LIVELY, alliance, seed=32, replicates=2)


@pytest.mark.parametrize("given", [(), ("thresholds",), ("centralities",)])
@pytest.mark.parametrize("pool", [1, 3])
def test_networks__replicate_takes_graph_modulo_the_pool(pool, given):
    rng = random.Random(33)
    recipe = {"kind": "erdos_renyi", "mean_degree": 3, "seed": 5, "pool": pool}
    networks = load_networks(recipe, members=30, industries=4)
    arrays = {name: [rng.random() for _ in range(30)] for name in given}
    parameters = {"tie_weight": 0.8, "threshold_mean": 0.3}
    study = fa.Study(
        model=MODEL,
        parameters=parameters,
        structure={"members": 30, "industries": 4, "network": recipe} | arrays,
        design=fa.grid(seed_exits=[0, 3]),
        replicates=7,
        seed=33,
        keep={"replicates": True, "members": True},
    )
    dataset = study.run()
    for point, seed_exits in enumerate([0, 3]):
        for r in range(7):
            rows = networks.indptr[r % pool]
            twin = exit_cascade.simulate(
                parameters | {"seed_exits": seed_exits},
                members=30,
                industries=4,
                seed=33,
                instance=instance_number(point, r),
                neighbours=[networks.indices[rows[i] : rows[i + 1]].tolist() for i in range(30)],
                **arrays,
            )
            assert_replicate_is_twin(dataset.isel(seed_exits=point, replicate=r), twin)
