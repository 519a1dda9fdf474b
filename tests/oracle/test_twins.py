"""The twins themselves, before anything is compared with them."""

from __future__ import annotations

import math

import pytest

from tests.oracle import dyad, philox

# Random123, kat_vectors: counter, key, output.
KNOWN_ANSWERS = [
    (
        (0x00000000, 0x00000000, 0x00000000, 0x00000000),
        (0x00000000, 0x00000000),
        (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
    ),
    (
        (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
        (0xFFFFFFFF, 0xFFFFFFFF),
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "output"), KNOWN_ANSWERS)
def test_philox4x32__known_answers(counter, key, output):
    assert philox.philox4x32(counter, key) == output


def test_words__address_of_the_known_answer():
    # The third known answer, reached through seed, instance, purpose, step and member.
    found = philox.words(
        seed=0x299F31D0A4093822,
        instance=0xA308D3243F6A88,
        purpose=0x85,
        step=0x13198A2E,
        member=0x03707344,
    )
    assert found == KNOWN_ANSWERS[2][2]


def test_instance_number__point_and_replicate():
    assert philox.instance_number(0, 5) == 5
    assert philox.instance_number(3, 5) == 3 * 16_777_216 + 5
    assert philox.instance_number(3, 5, common_random_numbers=True) == 5


def test_uniforms__extreme_words_stay_inside(monkeypatch):
    for word, expected in [(0, 2.0**-53), (0xFFFFFFFF, 1.0 - 2.0**-53)]:
        monkeypatch.setattr(philox, "philox4x32", lambda counter, key, w=word: (w,) * 4)
        assert philox.uniforms(0, 0, 0, 0, 0) == (expected, expected)


def test_logistic__edges():
    assert dyad.logistic(0.3, 0.7, 0.0) == 0.5
    assert dyad.logistic(0.7, 0.7, 9.0) == 0.5
    assert dyad.logistic(-100.0, 0.0, 50.0) == 0.0
    assert dyad.logistic(100.0, 0.0, 50.0) == 1.0


def succeeds(initial_trust: float, **parameters: float) -> bool:
    """Whether a dyad without noise succeeds within 120 months."""
    parameters |= {"initial_trust": initial_trust, "trust_noise": 0.0}
    return dyad.simulate(parameters, seed=0, instance=0, horizon=120.0)["success"] == 1.0


@pytest.mark.parametrize(
    ("threshold", "parameters"),
    [
        (0.52062, {}),
        (0.62796, {"initial_engagement": 0.2}),
        (0.59236, {"initial_trust_gap": 0.4}),
        (0.66958, {"building_effort": 0.5}),
        (0.58703, {"private_orientation": 0.1}),
        (0.58377, {"private_defence": 0.2}),
        (0.64815, {"private_opportunism": 0.2}),
    ],
)
def test_dyad_twin__tipping_thresholds_of_the_page(threshold, parameters):
    # Facts F1 to F3: two runs on either side, 1e-4 away, are enough to pin a threshold.
    assert not succeeds(threshold - 1e-4, **parameters)
    assert succeeds(threshold + 1e-4, **parameters)


def test_dyad_twin__dissolution_after_six_idle_months():
    # Engagement 0 for good: idle from the first step on, 48 idle steps make 6 months.
    idle = {"initial_engagement": 0.0, "initial_trust": 0.0, "initial_benefit": 0.0}
    result = dyad.simulate(idle, seed=0, instance=0)
    assert (result["dissolved"], result["dissolution_time"], result["success"]) == (1.0, 6.0, 0.0)
    patient = dyad.simulate(idle | {"dissolution_patience": 61.0}, seed=0, instance=0)
    assert patient["dissolved"] == 0.0
    assert math.isnan(patient["dissolution_time"])


def test_dyad_twin__recording_changes_nothing():
    plain = dyad.simulate({}, seed=3, instance=4, horizon=6.0)
    recorded = dyad.simulate({}, seed=3, instance=4, horizon=6.0, record_every=1.0)
    assert recorded["time"] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    for name in dyad.STATES:
        assert recorded[name] == plain[name] == recorded[f"{name}_path"][-1]
