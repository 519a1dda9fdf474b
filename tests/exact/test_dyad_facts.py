"""Facts F1 to F7 of the dyad: the values of models/dyad.md, at its settings and replicate counts.

Thresholds without noise are good to 1e-4. Probabilities keep the page's tolerance (four standard
errors of one estimate). Means keep four standard errors of the difference between two estimates,
plus half a unit of the page's last digit.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import fastalliance as fa
from tests.chance import SEED
from tests.oracle.dyad import DEFAULTS

CHEAP = {"building_effort": 0.5, "building_crowding": 0.25}
THRESHOLDS = {
    # F1
    "default": ({}, 0.52062),
    "low engagement": ({"initial_engagement": 0.2}, 0.62796),
    "high engagement": ({"initial_engagement": 0.8}, 0.44279),
    "easily opened": ({"openness_midpoint": 0.3}, 0.38071),
    "hardly opened": ({"openness_midpoint": 0.5}, 0.69608),
    "trust quickly lost": ({"trust_loss": 1.0}, 0.54364),
    "trust gap 0.2": ({"initial_trust_gap": 0.2}, 0.54248),
    "trust gap 0.4": ({"initial_trust_gap": 0.4}, 0.59236),
    # F2
    "building": ({"building_effort": 0.5}, 0.66958),
    "building, little crowding": (CHEAP, 0.48095),
    "building, little crowding, high gain": (CHEAP | {"building_gain": 0.3}, 0.37786),
    "building for a year": ({"building_effort": 0.5, "building_duration": 12.0}, 0.95197),
    # F3
    "private orientation 0.1": ({"private_orientation": 0.1}, 0.58703),
    "private orientation 0.2": ({"private_orientation": 0.2}, 0.75592),
    "private orientation 0.3": ({"private_orientation": 0.3}, None),
    "private defence 0.2": ({"private_defence": 0.2}, 0.58377),
    "private opportunism 0.2": ({"private_opportunism": 0.2}, 0.64815),
    "private opportunism 0.3": ({"private_opportunism": 0.3}, None),
}


def success(initial_trust, variants):
    """Return success without noise after 120 months, per row of `initial_trust` and column."""
    names = sorted({name for variant in variants for name in variant})
    table = {"initial_trust": initial_trust.ravel()}
    for name in names:
        row = [variant.get(name, DEFAULTS[name]) for variant in variants]
        table[name] = np.broadcast_to(np.array(row), initial_trust.shape).ravel()
    study = fa.Study(
        model="dyad",
        parameters={"trust_noise": 0.0},
        design=fa.table(table),
        replicates=1,
        seed=SEED,
        horizon=120.0,
        dt=0.125,
    )
    return study.run()["success_mean"].values.reshape(initial_trust.shape) == 1.0


@pytest.fixture(scope="module")
def thresholds():
    """The tipping threshold of every variant to 1e-6, None where nothing succeeds."""
    variants = [variant for variant, _ in THRESHOLDS.values()]
    low, high = np.zeros(len(variants)), np.ones(len(variants))
    never = ~success(high[None, :], variants)[0]
    for _ in range(3):
        trust = np.linspace(low, high, 101)
        succeeds = success(trust, variants)
        # Success at a trust is success at any higher one, or there were no one threshold.
        assert (np.diff(succeeds.astype(int), axis=0) >= 0).all()
        assert not succeeds[0].any()
        first = np.where(never, 1, np.argmax(succeeds, axis=0))
        columns = np.arange(len(variants))
        low, high = trust[first - 1, columns], trust[first, columns]
    middle = (low + high) / 2.0
    return {name: None if never[i] else float(middle[i]) for i, name in enumerate(THRESHOLDS)}


@pytest.mark.parametrize("name", THRESHOLDS)
def test_f1_f2_f3_tipping_threshold(thresholds, name):
    expected = THRESHOLDS[name][1]
    if expected is None:
        assert thresholds[name] is None
    else:
        assert thresholds[name] == pytest.approx(expected, abs=1e-4)


def test_f2_trust_building__cuts_both_ways(thresholds):
    assert (
        thresholds["building, little crowding, high gain"]
        < thresholds["building, little crowding"]
        < thresholds["default"]
        < thresholds["building"]
        < thresholds["building for a year"]
    )


def test_f4_opportunism__defeats_itself():
    replicates = 4_000
    emphasis = [0.0, 0.1, 0.2, 0.25, 0.3]
    joint = [(57.24, 0.005), (53.44, 0.005), (48.0, 0.05), (32.9, 0.05), (11.83, 0.005)]
    private = [(0.0, 0.0), (2.49, 0.005), (4.15, 0.005), (3.2, 0.05), (1.22, 0.005)]
    result = fa.Study(
        model="dyad",
        parameters={"initial_trust": 0.8},
        design=fa.grid(private_opportunism=emphasis),
        replicates=replicates,
        seed=SEED,
    ).run()
    for name, facts in (("joint_value", joint), ("private_value_a", private)):
        for i, (fact, half_unit) in enumerate(facts):
            error = result[f"{name}_std"].values[i] / math.sqrt(replicates)
            allowed = 4.0 * math.sqrt(2.0) * error + half_unit
            assert abs(result[f"{name}_mean"].values[i] - fact) <= allowed, (name, emphasis[i])
    # Highest inside, and past it collapsing.
    gain = result["private_value_a_mean"].values
    assert int(np.argmax(gain)) == 2
    assert gain[4] < 0.4 * gain[2]


def success_share(initial_trust, **parameters):
    """Return P(success) from 20,000 replicates at the study's defaults."""
    study = fa.Study(
        model="dyad",
        parameters=parameters,
        design=fa.grid(initial_trust=[initial_trust]),
        replicates=20_000,
        seed=SEED,
    )
    return study.run()["success_mean"].item()


@pytest.mark.parametrize(
    ("trust_noise", "at_050", "at_055"),
    [(0.05, 0.005, 0.996), (0.1, 0.074, 0.859), (0.2, 0.165, 0.610)],
)
def test_f5_noise__smears_the_threshold(trust_noise, at_050, at_055):
    for initial_trust, share in ((0.5, at_050), (0.55, at_055)):
        found = success_share(initial_trust, trust_noise=trust_noise)
        assert found == pytest.approx(share, abs=0.014)


@pytest.mark.parametrize(
    ("building", "failure", "tolerance"),
    [
        ({}, 0.141, 0.014),
        ({"building_effort": 0.5}, 0.9999, 0.001),
        (CHEAP | {"building_gain": 0.3}, 0.0, 0.001),
    ],
)
def test_f6_failure_risk__with_and_without_trust_building(building, failure, tolerance):
    found = 1.0 - success_share(0.55, **building)
    assert found == pytest.approx(failure, abs=tolerance)


@pytest.mark.parametrize(
    ("incident_rate", "share"), [(0.0, 1.000), (0.02, 0.983), (0.05, 0.923), (0.1, 0.719)]
)
def test_f7_incidents__lower_success(incident_rate, share):
    found = success_share(0.7, incident_rate=incident_rate)
    assert found == pytest.approx(share, abs=0.013)
