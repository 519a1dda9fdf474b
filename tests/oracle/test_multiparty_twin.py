"""The compiled multiparty alliance equals its slow twin, replicate by replicate, on the same draws.

Over the bounds of the parameters, sizes, times and addresses; multiparty_comparison.py says how
equal. Members, their trajectories and the paths of the alliance are compared at every step.
"""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastalliance as fa
from tests.oracle import multiparty
from tests.oracle.multiparty_cases import (
    ALIKE,
    CASES,
    LIVELY,
    OUTPUTS,
    PARAMETERS,
    PLACED,
    Case,
    one_parameter,
    random_parameters,
)
from tests.oracle.multiparty_comparison import (
    MODEL,
    assert_replicate_is_twin,
    assert_simulation_is_twin,
    study_of,
)
from tests.oracle.philox import instance_number

# The package warns of parameters that are odd; all of them are legal.
pytestmark = pytest.mark.filterwarnings("ignore:multiparty")


def lively_but(*names):
    """Return lively parameters without those that a design varies."""
    return {name: value for name, value in LIVELY.items() if name not in names}


def assert_study_is_twin(sets, case, *, seed, replicates=2, common=False):
    """Run one point per parameter set, with members and every path; return the twin's runs."""
    times = {"horizon": case.horizon, "dt": case.dt}
    dataset = study_of(
        sets,
        case.structure(),
        seed=seed,
        replicates=replicates,
        common_random_numbers=common,
        trajectories={"every": case.dt, "replicates": replicates},
        **times,
    ).run()
    assert dataset["n_invalid"].values.sum() == 0
    twins = []
    for point, parameters in enumerate(sets):
        for r in range(replicates):
            instance = instance_number(point, r, common_random_numbers=common)
            address = {"seed": seed, "instance": instance}
            twins.append(multiparty.run(parameters, **address, **times, **case.structure()))
            assert_replicate_is_twin(dataset.isel(point=point, replicate=r), twins[-1])
    return twins


# --- The page -------------------------------------------------------------------------------------


def test_parameters_and_outputs__are_those_of_the_page():
    model = fa.model(MODEL)
    assert {p.name: p.default for p in model.parameters} == multiparty.DEFAULTS
    assert [output.name for output in model.output_variables] == list(OUTPUTS)


def test_parameters__are_refused_beyond_the_bounds_of_the_page():
    within = {"slots": 9, "industries": 3}
    for name, (_, low, high) in PARAMETERS.items():
        if name in PLACED or name.endswith("_time"):
            continue  # bounded by sizes, the horizon or dt
        for bound, side in ((low, -1.0), (high, 1.0)):
            if math.isinf(bound):
                continue
            with pytest.raises(fa.ParameterError, match=name):
                fa.simulate(MODEL, parameters={name: bound + side * 1e-6}, structure=within, seed=0)


def test_defaults__to_the_horizon():
    dataset = fa.simulate(MODEL, replicates=10, seed=31, members=True)
    np.testing.assert_array_equal(dataset["member"].values, range(64))
    ends = set()
    for r in range(10):
        twin = multiparty.run(seed=31, instance=r)
        ends.add(twin["collapsed"])
        assert_replicate_is_twin(dataset.isel(replicate=r), twin)
    assert ends == {0.0, 1.0}


# --- Named cases ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_case(name):
    case = CASES[name]
    assert_simulation_is_twin(case, seed=21, replicates=1 if case.slots == 512 else 3)


def test_cases__refill_slots_for_several_generations():
    for name in ("generations", "generations, of odd slots"):
        case = CASES[name]
        twin = assert_simulation_is_twin(case, seed=27, replicates=1)[0]
        assert twin["central_members"] + twin["peripheral_members"] > 4 * case.slots
        assert twin["central_members"] > 0


@pytest.mark.parametrize(
    ("rule", "number"), [("peripheral", -1.0), ("random", 0.0), ("central", 1.0)]
)
def test_seeds__rules_by_name(rule, number):
    parameters = {"seed_exits": 4, "threshold_mean": math.inf, "base_hazard": 0.0}
    sizes, times = {"slots": 11, "industries": 2}, {"horizon": 3.0, "dt": 0.5}
    own = {"seed_time": 1.0}
    dataset = fa.simulate(
        MODEL,
        parameters=parameters | own | {"seed_rule": rule},
        structure=sizes,
        replicates=4,
        seed=25,
        members=True,
        **times,
    )
    for r in range(4):
        twin = multiparty.run(
            parameters | own | {"seed_rule": number}, seed=25, instance=r, **sizes, **times
        )
        assert sum(time == 1.5 for time in twin["exit_time"]) == 4
        assert_replicate_is_twin(dataset.isel(replicate=r), twin)


@pytest.mark.parametrize("offset", [0.0, 0.9e-12, -0.9e-12, 1.1e-12])
@pytest.mark.parametrize("seeds", [0, 3, 5])
def test_thresholds__ties_within_1e12_count_as_reached(seeds, offset):
    # Pressure is the share of the others that is gone: j / (N - 1), reached exactly.
    parameters = ALIKE | {
        "base_hazard": 0.0,
        "threshold_mean": seeds / 8 + offset,
        "threshold_sd": 0.0,
        "seed_exits": seeds,
        "seed_time": 0.5,
    }
    case = Case(parameters, slots=9, industries=1, horizon=2.0, dt=0.25)
    twins = assert_simulation_is_twin(case, seed=28, nearest=0.5e-13)
    everyone = offset < 1e-12
    assert all(twin["exit_share"] == (1.0 if everyone else seeds / 9) for twin in twins)


# --- Over the bounds ------------------------------------------------------------------------------


@st.composite
def alliances(draw):
    """Return sizes and times, with two parameter sets."""
    slots = draw(st.integers(2, 20))
    dt = draw(st.sampled_from([0.25, 0.1, 0.5]))
    case = Case(
        slots=slots,
        industries=draw(st.integers(1, slots)),
        horizon=draw(st.integers(1, 60)) * dt,
        dt=dt,
    )
    rng = draw(st.randoms(use_true_random=False))
    return case, [random_parameters(rng, case) for _ in range(2)]


@settings(
    max_examples=50,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(alliances(), st.integers(0, 2**64 - 1), st.booleans())
def test_drawn_parameters__over_the_bounds(alliance, seed, common):
    case, sets = alliance
    assert_study_is_twin(sets, case, seed=seed, common=common)


def test_random_parameters__over_the_bounds():
    # Points of one study: features are mixed within a tile, instance = point * 2^24 + replicate.
    rng = random.Random(20240603)
    twins = []
    for slots, industries in ((3, 2), (8, 3), (13, 1), (16, 16), (25, 4)):
        case = Case(slots=slots, industries=industries, horizon=12.0)
        sets = [random_parameters(rng, case) for _ in range(12)]
        twins += assert_study_is_twin(sets, case, seed=rng.getrandbits(64))
    # The sets reach every kind of end, or equality would say little.
    assert sum(twin["exit_share"] == 0.0 for twin in twins) > 5
    assert sum(0.0 < twin["exit_share"] < 1.0 for twin in twins) > 30
    assert sum(len(set(twin["membership_path"])) > 4 for twin in twins) > 25
    assert sum(twin["entry_share"] > 0.3 for twin in twins) > 10
    assert sum(twin["trust"] > 0.5 for twin in twins) > 10
    assert 0.2 < sum(twin["collapsed"] for twin in twins) / len(twins) < 0.8


@pytest.mark.parametrize("name", PARAMETERS)
def test_one_parameter_at_a_time__others_at_their_defaults(name):
    # What is off at every point of a tile, a compiled model may leave out.
    rng = random.Random(name)
    case = Case(slots=9, industries=2, horizon=8.0)
    values = sorted({one_parameter(rng, name, case, share=1.0) for _ in range(4)})
    # The seeds are what seed_rule, seed_industry and seed_time work on.
    base = {"initial_trust": 0.8, "seed_exits": 2, "seed_time": 1.0}
    assert_study_is_twin([base | {name: value} for value in values], case, seed=12, replicates=1)


# --- Sizes, replicates, times ---------------------------------------------------------------------


def test_sizes__as_axes_of_a_design():
    study = fa.Study(
        model=MODEL,
        parameters=lively_but("entry_rate"),
        design=fa.grid(industries=[1, 4], entry_rate=[0.0, 0.4], slots=[9, 20]),
        replicates=2,
        seed=38,
        horizon=10.0,
        keep={"replicates": True},
    )
    dataset = study.run()
    for point in range(8):
        i, j, k = point // 4, point // 2 % 2, point % 2
        for r in range(2):
            twin = multiparty.run(
                LIVELY | {"entry_rate": [0.0, 0.4][j]},
                slots=[9, 20][k],
                industries=[1, 4][i],
                seed=38,
                instance=instance_number(point, r),
                horizon=10.0,
            )
            here = dataset.isel(industries=i, entry_rate=j, slots=k, replicate=r)
            assert_replicate_is_twin(here, twin)


@pytest.mark.parametrize("slots", [5, 8])
def test_replicates__more_than_a_block_of_lanes(slots):
    # Which are emptied and filled at different times, so that no lane may stop with another.
    parameters = LIVELY | {"base_hazard": 0.06, "entry_rate": 0.6}
    case = Case(parameters, slots=slots, industries=2, horizon=12.0)
    twins = assert_simulation_is_twin(case, seed=24, replicates=150)
    emptied = {twin["membership_path"].index(0.0) for twin in twins if twin["membership"] == 0.0}
    assert len(emptied) > 10
    assert any(twin["membership"] > 0.5 for twin in twins)


@pytest.mark.parametrize("every", [0.75, 1.5, 9.0])
def test_paths__at_record_every(every):
    case = Case(LIVELY, slots=7, industries=2, horizon=9.0)
    dataset = fa.simulate(
        MODEL,
        parameters=case.parameters,
        structure=case.structure(),
        replicates=3,
        seed=14,
        horizon=9.0,
        record_every=every,
        members=True,
    )
    steps = round(every / 0.25)
    for r in range(3):
        twin = multiparty.run(LIVELY, seed=14, instance=r, horizon=9.0, **case.structure())
        sparse = {
            name: value[::steps] if name.endswith("_path") else value
            for name, value in twin.items()
        }
        assert_replicate_is_twin(dataset.isel(replicate=r), sparse)


def test_recording__changes_nothing():
    run = {"parameters": LIVELY, "replicates": 9, "seed": 5, "horizon": 12.0}
    plain = fa.simulate(MODEL, **run)
    recorded = fa.simulate(MODEL, **run, record_every=0.5, members=True)
    for name in OUTPUTS:
        np.testing.assert_array_equal(plain[name].values, recorded[name].values)


# --- Addresses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seed", "replicate"),
    [(0, 0), (2**32 - 1, 1), (2**32, 4095), (2**63, 4096), (2**64 - 1, 2**24 - 1)],
)
def test_addresses__seeds_and_replicates_of_any_size(seed, replicate):
    structure, times = {"slots": 11, "industries": 3}, {"horizon": 10.0, "dt": 0.25}
    dataset = fa.simulate(
        MODEL,
        parameters=LIVELY,
        structure=structure,
        replicate=replicate,
        seed=seed,
        members=True,
        **times,
    )
    twin = multiparty.run(LIVELY, seed=seed, instance=replicate, **structure, **times)
    assert_replicate_is_twin(dataset.squeeze(), twin)


@pytest.mark.parametrize("common", [False, True])
def test_addresses__points_and_common_random_numbers(common):
    # 24 * 12 points: from point 256 on the instance number needs more than 32 bits.
    trust, immunity = np.linspace(0.3, 1.0, 24), np.linspace(0.0, 1.0, 12)
    structure = {"slots": 6, "industries": 2}
    study = fa.Study(
        model=MODEL,
        parameters=lively_but("initial_trust", "immunity"),
        structure=structure,
        design=fa.grid(initial_trust=trust, immunity=immunity),
        replicates=2,
        seed=13,
        horizon=8.0,
        common_random_numbers=common,
        keep={"replicates": True, "members": True},
    )
    dataset = study.run(points_per_tile=12)  # tiles that begin at other points than 0
    for point in (0, 1, 11, 12, 255, 256, 287):
        i, j = divmod(point, 12)
        own = {"initial_trust": float(trust[i]), "immunity": float(immunity[j])}
        for r in range(2):
            instance = instance_number(point, r, common_random_numbers=common)
            address = {"seed": 13, "instance": instance, "horizon": 8.0}
            twin = multiparty.run(LIVELY | own, **address, **structure)
            here = dataset.isel(initial_trust=i, immunity=j, replicate=r)
            assert_replicate_is_twin(here, twin)
