"""The compiled dyad equals its slow twin, replicate by replicate, on the same random numbers.

What is counted or decided (dissolved, dissolution_time, success) is equal exactly. Real numbers
agree to 1e-9 relative or 1e-12 absolute: the two round differently (fma, polynomials for exp and
log), the model multiplies a rounding error of 1e-16 by less than 1e3 over a run, and all its states
are of order 1 or sums of such, so that a value near 0 is what is left of larger ones.
"""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings

import fastalliance as fa
from tests import strategies
from tests.oracle import dyad
from tests.oracle.philox import instance_number

EXACT = ("dissolved", "dissolution_time", "success")
RELATIVE, ABSOLUTE = 1e-9, 1e-12


def assert_same(name, compiled, twin):
    """Compare one output, or one path, of the compiled model with the twin's."""
    compiled, twin = np.asarray(compiled, dtype=float), np.asarray(twin, dtype=float)
    if name in EXACT:
        np.testing.assert_array_equal(compiled, twin, err_msg=name)
    else:
        np.testing.assert_allclose(compiled, twin, RELATIVE, ABSOLUTE, err_msg=name)


def assert_replicate_is_twin(dataset, result):
    """Compare every output of one replicate."""
    for name in dyad.OUTPUTS:
        assert_same(name, dataset[name].item(), result[name])


def nearest_decision(parameters, **address):
    """Return how near a run comes to a decision that a rounding error could reverse."""
    run = dyad.simulate(parameters, **address, record_every=dyad.DT)
    floor = parameters["dissolution_engagement"]
    ended = run["dissolution_time"]
    steps = len(run["time"]) if math.isnan(ended) else round(ended / dyad.DT) + 1
    pairs = zip(run["engagement_a_path"][1:steps], run["engagement_b_path"][1:steps], strict=True)
    margins = [abs(math.sqrt(a * b) - floor) for a, b in pairs] if floor > 0.0 else []
    return min([*margins, abs((run["trust_a"] + run["trust_b"]) / 2.0 - 0.5)])


def table_of(sets):
    """Return a design with one point per parameter set."""
    return fa.table({name: [parameters[name] for parameters in sets] for name in sets[0]})


def random_sets(n, seed):
    """Return `n` parameter sets from all over the bounds."""
    generator = random.Random(seed)
    return [strategies.random_dyad_parameters(generator) for _ in range(n)]


def test_parameters__are_those_of_the_page():
    assert {p.name: p.default for p in fa.model("dyad").parameters} == dyad.DEFAULTS
    assert [output.name for output in fa.model("dyad").output_variables] == list(dyad.OUTPUTS)


def test_defaults__every_replicate():
    dataset = fa.simulate("dyad", replicates=100, seed=7)
    for r in range(100):
        twin = dyad.simulate(seed=7, instance=r)
        assert_replicate_is_twin(dataset.isel(replicate=r), twin)


def test_random_parameters__over_the_bounds():
    # Points of one study: features are mixed within a tile, instance = point * 2^24 + replicate.
    sets = random_sets(150, seed=20240601)
    study = fa.Study(
        model="dyad", design=table_of(sets), replicates=2, seed=11, keep={"replicates": True}
    )
    dataset = study.run()
    twins = [
        [dyad.simulate(p, seed=11, instance=instance_number(point, r)) for r in range(2)]
        for point, p in enumerate(sets)
    ]
    for point, results in enumerate(twins):
        for r, twin in enumerate(results):
            assert_replicate_is_twin(dataset.isel(point=point, replicate=r), twin)
    # The sets reach every kind of end, or equality would say little.
    flat = [twin for results in twins for twin in results]
    for name in ("dissolved", "success"):
        share = sum(twin[name] for twin in flat) / len(flat)
        assert 0.05 < share < 0.95, name
    assert sum(twin["dissolution_time"] < 30.0 for twin in flat) > 10
    assert sum(0.05 < twin["trust_a"] < 0.95 for twin in flat) > 30


@pytest.mark.parametrize("features", [*({name} for name in strategies.FEATURES), set()])
def test_random_parameters__all_features_but(features):
    # Off at every point of the tile, where the compiled model may leave the feature out.
    off = {name: 0.0 for feature in features for name in strategies.FEATURES[feature]}
    sets = [parameters | off for parameters in random_sets(10, seed=17)]
    study = fa.Study(
        model="dyad", design=table_of(sets), replicates=1, seed=12, keep={"replicates": True}
    )
    dataset = study.run().isel(replicate=0)
    for point, parameters in enumerate(sets):
        twin = dyad.simulate(parameters, seed=12, instance=instance_number(point, 0))
        assert_replicate_is_twin(dataset.isel(point=point), twin)


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(strategies.dyad_parameters(), strategies.seeds, strategies.replicates)
def test_any_parameters__any_seed_and_replicate(parameters, seed, replicate):
    address = {"seed": seed, "instance": replicate}
    # A run that passes within 1e-9 of the floor, or of trust 1/2 at the end, may go either way.
    assume(nearest_decision(parameters, **address) > 1e-9)
    dataset = fa.simulate("dyad", parameters=parameters, replicate=replicate, seed=seed)
    assert_replicate_is_twin(dataset, dyad.simulate(parameters, **address))


@pytest.mark.parametrize(
    ("seed", "replicate"),
    [
        (0, 0),
        (2**32 - 1, 1),
        (2**32, 4095),
        (2**63, 4096),
        (2**64 - 1, 2**24 - 1),
    ],
)
def test_addresses__seeds_and_replicates_of_any_size(seed, replicate):
    parameters = {"incident_rate": 0.5, "incident_favourable": 0.5, "noise_correlation": 0.3}
    dataset = fa.simulate(
        "dyad", parameters=parameters, replicate=replicate, seed=seed, horizon=12.0
    )
    twin = dyad.simulate(parameters, seed=seed, instance=replicate, horizon=12.0)
    assert_replicate_is_twin(dataset, twin)


@pytest.mark.parametrize("common", [False, True])
def test_addresses__points_and_common_random_numbers(common):
    # 24 * 12 points: from point 256 on the instance number needs more than 32 bits.
    trust, engagement = np.linspace(0.1, 0.9, 24), np.linspace(0.2, 0.8, 12)
    study = fa.Study(
        model="dyad",
        parameters={"incident_rate": 0.3},
        design=fa.grid(initial_trust=trust, initial_engagement=engagement),
        replicates=3,
        seed=13,
        horizon=3.0,
        common_random_numbers=common,
        keep={"replicates": True},
    )
    dataset = study.run(points_per_tile=12)  # tiles that begin at other points than 0
    for point in (0, 1, 11, 12, 255, 256, 287):
        i, j = divmod(point, 12)
        parameters = {
            "incident_rate": 0.3,
            "initial_trust": float(trust[i]),
            "initial_engagement": float(engagement[j]),
        }
        for r in range(3):
            instance = instance_number(point, r, common_random_numbers=common)
            twin = dyad.simulate(parameters, seed=13, instance=instance, horizon=3.0)
            here = dataset.isel(initial_trust=i, initial_engagement=j, replicate=r)
            assert_replicate_is_twin(here, twin)


@pytest.mark.parametrize("record_every", [0.125, 1.0, 2.5])
def test_paths__at_record_every(record_every):
    # With dissolution inside the run: the path stays where the alliance ended.
    parameters = {"initial_trust": 0.5, "initial_trust_gap": 0.3, "private_orientation": 0.15}
    dataset = fa.simulate(
        "dyad",
        parameters=parameters,
        replicates=4,
        seed=14,
        horizon=60.0,
        dt=0.125,
        record_every=record_every,
    )
    ends = set()
    for r in range(4):
        twin = dyad.simulate(parameters, seed=14, instance=r, record_every=record_every)
        ends.add(twin["dissolution_time"])
        np.testing.assert_array_equal(dataset["time"].values, twin["time"])
        for name in dyad.STATES:
            path = dataset[f"{name}_path"].isel(replicate=r)
            assert path.dims == ("time",)
            assert_same(name, path.values, twin[f"{name}_path"])
        assert_replicate_is_twin(dataset.isel(replicate=r), twin)
    assert any(end < 50.0 for end in ends)


@pytest.mark.parametrize(("horizon", "dt"), [(6.0, 0.1), (7.0, 0.0625), (30.0, 0.3), (9.0, 1.0)])
def test_times__other_steps_and_horizons(horizon, dt):
    # 0.1 and 0.3 are not exact in binary: times must be k * dt, not sums of dt.
    parameters = {"initial_trust": 0.45, "building_effort": 0.3, "building_duration": 3.0}
    dataset = fa.simulate(
        "dyad", parameters=parameters, replicates=5, seed=15, horizon=horizon, dt=dt
    )
    for r in range(5):
        twin = dyad.simulate(parameters, seed=15, instance=r, horizon=horizon, dt=dt)
        assert_replicate_is_twin(dataset.isel(replicate=r), twin)


@pytest.mark.parametrize(
    ("patience", "dt"),
    [(0.0, 0.125), (0.05, 0.1), (0.3, 0.1), (0.7, 0.1), (1.2, 0.3), (6.0, 0.125), (6.01, 0.125)],
)
def test_dissolution__patience_on_and_off_the_grid(patience, dt):
    parameters = {"initial_trust": 0.2, "dissolution_patience": patience}
    twin = dyad.simulate(parameters, seed=16, instance=0, horizon=36.0, dt=dt)
    assert twin["dissolved"] == 1.0
    dataset = fa.simulate("dyad", parameters=parameters, replicate=0, seed=16, horizon=36.0, dt=dt)
    assert_replicate_is_twin(dataset, twin)


@pytest.mark.parametrize(
    ("parameters", "success"),
    [
        ({"initial_trust": 0.56, "initial_trust_gap": 0.3}, 1.0),
        ({"initial_trust": 0.56, "initial_trust_gap": -0.3}, 1.0),
        ({"initial_trust": 0.45, "initial_trust_gap": 0.3}, 0.0),
        ({"initial_trust": 0.45, "initial_trust_gap": -0.3}, 0.0),
        # Exactly 1/2 is no success.
        ({"initial_trust": 0.5, "trust_noise": 0.0, "trust_gain": 0.0, "trust_loss": 0.0}, 0.0),
        # Dissolved at once, at full trust.
        ({"initial_trust": 0.9, "dissolution_engagement": 1.0, "dissolution_patience": 0.0}, 0.0),
    ],
)
def test_success__by_the_mean_trust_of_the_living(parameters, success):
    twin = dyad.simulate(parameters, seed=21, instance=0, horizon=0.25)
    assert twin["success"] == success
    dataset = fa.simulate("dyad", parameters=parameters, replicate=0, seed=21, horizon=0.25)
    assert_replicate_is_twin(dataset, twin)


@pytest.mark.parametrize("initial_trust", [0.2, 0.5])
def test_dissolution__of_most_or_all_replicates(initial_trust):
    # More than a block of lanes each, which may stop early only where every lane has ended.
    parameters = {"initial_trust": initial_trust, "trust_noise": 0.2}
    dataset = fa.simulate("dyad", parameters=parameters, replicates=130, seed=20)
    twins = [dyad.simulate(parameters, seed=20, instance=r) for r in range(130)]
    for r, twin in enumerate(twins):
        assert_replicate_is_twin(dataset.isel(replicate=r), twin)
    ended = sum(twin["dissolved"] for twin in twins)
    assert ended == 130 if initial_trust == 0.2 else 80 < ended < 130


@pytest.mark.parametrize("duration", [0.0, 0.01, 0.12, 0.125, 0.13, 2.0, 2.05, 2.1])
def test_building__duration_on_and_off_the_grid(duration):
    # Effort is spent in every step that starts before the duration is over.
    parameters = {"building_effort": 0.5, "building_duration": duration}
    twin = dyad.simulate(parameters, seed=18, instance=0, horizon=6.0)
    dataset = fa.simulate("dyad", parameters=parameters, replicate=0, seed=18, horizon=6.0)
    assert_replicate_is_twin(dataset, twin)


@pytest.mark.parametrize(
    "parameters",
    [
        {"dissolution_engagement": 0.0, "initial_engagement": 0.0},
        {"dissolution_engagement": 1.0, "dissolution_patience": 61.0},
        {"dissolution_engagement": 0.5, "engagement_steepness": 0.0},  # equal: not below
        {"engagement_steepness": 50.0, "private_gain": 2000.0, "private_orientation": 1.0},
        {"engagement_steepness": 50.0, "private_harm": 2000.0, "private_orientation": 1.0},
        {"initial_trust": 1.0, "initial_trust_gap": 1.0},
        {"initial_trust": 0.0, "initial_trust_gap": -1.0},
        {"noise_correlation": 1.0},
        {"noise_correlation": -1.0},
    ],
)
def test_edges__of_the_bounds(parameters):
    twin = dyad.simulate(parameters, seed=19, instance=0)
    assert_replicate_is_twin(fa.simulate("dyad", parameters=parameters, replicate=0, seed=19), twin)
