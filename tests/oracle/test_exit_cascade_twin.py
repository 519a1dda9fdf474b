"""The compiled exit cascade equals its slow twin, replicate by replicate, on the same draws.

Over the bounds of the parameters, sizes, times and addresses; cascade_comparison.py says how equal.
"""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

import fastalliance as fa
from tests.oracle import exit_cascade
from tests.oracle.cascade_cases import Alliance, random_alliance, random_edges, random_parameters
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

# --- The page -----------------------------------------------------------------------------------


def test_parameters_and_outputs__are_those_of_the_page():
    model = fa.model(MODEL)
    assert {p.name: p.default for p in model.parameters} == exit_cascade.DEFAULTS
    assert [output.name for output in model.output_variables] == list(exit_cascade.OUTPUTS)


def test_defaults__every_replicate():
    dataset = fa.simulate(MODEL, replicates=100, seed=7, members=True)
    industry = [i * 5 // 200 for i in range(200)]
    np.testing.assert_array_equal(dataset["industry"].values, industry)
    np.testing.assert_array_equal(dataset["member"].values, range(200))
    ends = set()
    for r in range(100):
        twin = exit_cascade.simulate(seed=7, instance=r)
        ends.add(twin["collapsed"])
        assert_replicate_is_twin(dataset.isel(replicate=r), twin)
    assert ends == {0.0, 1.0}


# --- Over the bounds ------------------------------------------------------------------------------


@pytest.mark.parametrize("network", [False, True])
def test_random_parameters__over_the_bounds(network):
    # Points of one study: features are mixed within a tile, instance = point * 2^24 + replicate.
    rng = random.Random(20240602 + network)
    twins = []
    for _ in range(30):
        alliance = random_alliance(rng, network=network)
        sets = [random_parameters(rng, alliance.members) for _ in range(6)]
        address = {"seed": rng.getrandbits(64), "dt": rng.choice((0.5, 1.0, 2.0, 0.1))}
        address["horizon"] = 36.0 if address["dt"] >= 0.5 else 6.0
        dataset = study_of(sets, alliance, replicates=2, **address).run()
        assert dataset["n_invalid"].values.sum() == 0
        for point, parameters in enumerate(sets):
            for r in range(2):
                instance = instance_number(point, r)
                twin = exit_cascade.simulate(
                    parameters, instance=instance, **address, **alliance.twin()
                )
                twins.append(twin)
                assert_replicate_is_twin(dataset.isel(point=point, replicate=r), twin)
    # The sets reach every kind of end, or equality would say little.
    shares = [twin["exit_share"] for twin in twins]
    assert sum(share == 0.0 for share in shares) > 10
    assert sum(0.0 < share < 1.0 for share in shares) > 100
    assert sum(len(set(twin["exits_path"])) > 3 for twin in twins) > 60
    assert 0.2 < sum(twin["collapsed"] for twin in twins) / len(twins) < 0.8


@pytest.mark.parametrize("name", exit_cascade.DEFAULTS)
def test_one_parameter_at_a_time__others_at_their_defaults(name):
    # What is off at every point of a tile, a compiled model may leave out.
    rng = random.Random(name)
    alliance = Alliance(33, 4, random_edges(rng, 33), centralities=None)
    values = sorted({random_parameters(rng, 33)[name] for _ in range(12)})
    # The ties and the seeds are what tie_weight and seed_rule work on.
    base = {"tie_weight": 0.3, "seed_exits": 3}
    sets = [base | {name: value} for value in values]
    dataset = study_of(sets, alliance, replicates=2, seed=12).run()
    for point, parameters in enumerate(sets):
        for r in range(2):
            instance = instance_number(point, r)
            twin = exit_cascade.simulate(parameters, seed=12, instance=instance, **alliance.twin())
            assert_replicate_is_twin(dataset.isel(point=point, replicate=r), twin)


@pytest.mark.parametrize(
    "parameters",
    [
        {"imitation": -3.0},
        {"imitation": 1e4, "base_hazard": 1e-3},  # exp overflows
        {"imitation": -1e4, "base_hazard": 0.5},  # exp underflows
        {"base_hazard": 0.0, "imitation": 1e300},  # 0 * inf would be no number
        {"base_hazard": 0.0, "threshold_mean": math.inf},  # nothing ever happens
        {"base_hazard": 0.0, "seed_exits": 8},
        {"base_hazard": 1e6},  # all leave in the first step
        {"threshold_mean": math.inf},
        {"threshold_mean": 0.2, "threshold_sd": 0.0},
        {"threshold_mean": -1.0},
        {"threshold_mean": 0.0, "threshold_sd": 0.3},
        {"threshold_sd": 50.0},
        {"uncertainty": 0.0},
        {"uncertainty_halflife": 1e-3},
        {"uncertainty_halflife": 24.0},
        {"memory": 1e-3, "seed_exits": 10},
        {"memory": 2.0, "seed_exits": 10},
        {"industry_weight": 0.0, "alliance_weight": 0.0},
        {"immunity": 1.0, "centrality_skew": 0.0},
        {"immunity": 1.0},
        {"prominence_weight": 1e6, "seed_exits": 1, "seed_rule": 1.0},
        {"centrality_skew": 100.0},
        {"collapse_share": 0.0},
        {"collapse_share": 1.0, "base_hazard": 0.1},
        {"seed_exits": 41},
        {"seed_exits": 40, "collapse_share": 1.0},
        {"tie_weight": 0.5},  # of ties that nobody has
        LIVELY,
    ],
    ids=str,
)
def test_edges__of_the_bounds(parameters):
    assert_simulation_is_twin(parameters, Alliance(41, 3), seed=19)


# --- Sizes and industries -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "industries"),
    [
        (2, 1),
        (2, 2),
        (3, 2),
        (5, 3),
        (7, 7),
        (16, 5),
        (31, 4),
        (64, 64),
        (65, 9),
        (130, 1),
        (257, 6),
    ],
)
def test_sizes__industries_that_do_not_divide_the_members(members, industries):
    # G = N: each is alone in its industry, where nobody else can leave.
    twins = assert_simulation_is_twin(LIVELY, Alliance(members, industries), seed=22)
    assert any(twin["exits"] > 1 for twin in twins)


@pytest.mark.parametrize(
    "alliance",
    [Alliance(5_000, 7), Alliance(20_011, 3), Alliance(1_999, 1_999), Alliance(3_001, 1_000)],
    ids=str,
)
def test_sizes__thousands_of_members(alliance):
    twins = assert_simulation_is_twin(
        LIVELY | {"seed_exits": alliance.members // 20},
        alliance,
        seed=23,
        replicates=1,
        horizon=6.0,
    )
    assert twins[0]["exits"] > alliance.members / 18


def test_sizes__one_alliance_a_block(monkeypatch):
    # As above 131,072 members, where a block of several would take much memory.
    monkeypatch.setattr("fastalliance.engine.population.WIDE_MEMBERS", 36)
    assert_simulation_is_twin(LIVELY, Alliance(37, 5), seed=37, replicates=5)


def test_sizes__as_axes_of_a_design():
    study = fa.Study(
        model=MODEL,
        parameters={"imitation": 1.5, "seed_exits": 2},
        design=fa.grid(industries=[1, 4], base_hazard=[0.0, 0.03], members=[19, 40]),
        replicates=3,
        seed=38,
        keep={"replicates": True},
    )
    dataset = study.run()
    for point in range(8):
        i, j, k = point // 4, point // 2 % 2, point % 2
        for r in range(3):
            twin = exit_cascade.simulate(
                {"imitation": 1.5, "seed_exits": 2, "base_hazard": [0.0, 0.03][j]},
                members=[19, 40][k],
                industries=[1, 4][i],
                seed=38,
                instance=instance_number(point, r),
            )
            here = dataset.isel(industries=i, base_hazard=j, members=k, replicate=r)
            assert_replicate_is_twin(here, twin)


@pytest.mark.parametrize("members", [6, 41])
def test_replicates__more_than_a_block_of_lanes(members):
    # Which end at different times, so that a block may stop only when its last alliance has.
    parameters = LIVELY | {"base_hazard": 0.03}
    dataset = fa.simulate(
        MODEL,
        parameters=parameters,
        structure={"members": members, "industries": 4},
        replicates=150,
        seed=24,
        members=True,
    )
    for r in range(150):
        twin = exit_cascade.simulate(parameters, members=members, industries=4, seed=24, instance=r)
        assert_replicate_is_twin(dataset.isel(replicate=r), twin)
    assert len(np.unique(dataset["last_exit_time"].values)) > 10


# --- Times ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("horizon", "dt"), [(48.0, 0.5), (48.0, 2.0), (6.0, 0.1), (9.0, 0.3), (3.0, 3.0)]
)
def test_times__other_steps_and_horizons(horizon, dt):
    # 0.1 and 0.3 are not exact in binary: times must be k * dt, not sums of dt.
    parameters = LIVELY | {"base_hazard": 0.05, "uncertainty_halflife": 20.0, "memory": 10.0}
    twins = assert_simulation_is_twin(parameters, Alliance(37, 5), seed=15, horizon=horizon, dt=dt)
    assert all(twin["exits"] > 2 for twin in twins)


# --- Addresses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seed", "replicate"),
    [(0, 0), (2**32 - 1, 1), (2**32, 4095), (2**63, 4096), (2**64 - 1, 2**24 - 1)],
)
def test_addresses__seeds_and_replicates_of_any_size(seed, replicate):
    structure = {"members": 19, "industries": 3}
    dataset = fa.simulate(
        MODEL, parameters=LIVELY, structure=structure, replicate=replicate, seed=seed, members=True
    )
    twin = exit_cascade.simulate(LIVELY, seed=seed, instance=replicate, **structure)
    assert_replicate_is_twin(dataset.squeeze(), twin)


@pytest.mark.parametrize("common", [False, True])
def test_addresses__points_and_common_random_numbers(common):
    # 24 * 12 points: from point 256 on the instance number needs more than 32 bits.
    imitation, immunity = np.linspace(-1.0, 5.0, 24), np.linspace(0.0, 1.0, 12)
    structure = {"members": 14, "industries": 3}
    study = fa.Study(
        model=MODEL,
        parameters={"base_hazard": 0.04},
        structure=structure,
        design=fa.grid(imitation=imitation, immunity=immunity),
        replicates=3,
        seed=13,
        horizon=20.0,
        common_random_numbers=common,
        keep={"replicates": True, "members": True},
    )
    dataset = study.run(points_per_tile=12)  # tiles that begin at other points than 0
    for point in (0, 1, 11, 12, 255, 256, 287):
        i, j = divmod(point, 12)
        parameters = {
            "base_hazard": 0.04,
            "imitation": float(imitation[i]),
            "immunity": float(immunity[j]),
        }
        for r in range(3):
            instance = instance_number(point, r, common_random_numbers=common)
            address = {"seed": 13, "instance": instance, "horizon": 20.0}
            twin = exit_cascade.simulate(parameters, **address, **structure)
            here = dataset.isel(imitation=i, immunity=j, replicate=r)
            assert_replicate_is_twin(here, twin)
