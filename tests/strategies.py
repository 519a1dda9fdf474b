"""Parameter sets of the model `dyad` for property tests, over the whole of its bounds.

The bounds are those of models/dyad.md; where the page has none, the largest value (or smallest
time constant) that the default step takes without a warning, or a generous one, takes its place.
A feature (noise, incidents, ...) is on or off as a whole, because the compiled model leaves out
what is off.
"""

from __future__ import annotations

import random

from hypothesis import strategies as st

from tests.oracle import dyad

BOUNDS: dict[str, tuple[float, float]] = {
    "initial_trust": (0.0, 1.0),
    "initial_trust_gap": (-1.0, 1.0),
    "initial_engagement": (0.0, 1.0),
    "initial_benefit": (0.0, 1.0),
    "openness_midpoint": (0.0, 1.0),
    "openness_steepness": (0.0, 50.0),
    "openness_time": (0.5, 24.0),
    "engagement_midpoint": (0.0, 1.0),
    "engagement_steepness": (0.0, 50.0),
    "engagement_time": (0.5, 24.0),
    "trust_weight": (0.0, 1.0),
    "benefit_time": (0.5, 24.0),
    "trust_gain": (0.0, 2.0),
    "trust_loss": (0.0, 2.0),
    "base_attention": (0.0, 1.0),
    "private_orientation": (0.0, 1.0),
    "private_defence": (0.0, 1.0),
    "private_opportunism": (0.0, 1.0),
    "private_gain": (0.0, 3.0),
    "private_harm": (0.0, 3.0),
    "private_withholding": (0.0, 1.0),
    "building_effort": (0.0, 1.0),
    "building_duration": (0.0, 24.0),
    "building_gain": (0.0, 1.0),
    "building_crowding": (0.0, 1.0),
    "value_rate": (0.0, 10.0),
    "value_share": (0.0, 1.0),
    "trust_noise": (0.0, 0.7),
    "noise_correlation": (-1.0, 1.0),
    "incident_rate": (0.0, 1.6),
    "incident_size": (0.0, 1.0),
    "incident_favourable": (0.0, 1.0),
    "dissolution_engagement": (0.0, 1.0),
    "dissolution_patience": (0.0, 24.0),
}

# What switches a feature off.
FEATURES: dict[str, dict[str, float]] = {
    "gap": {"initial_trust_gap": 0.0},
    "noise": {"trust_noise": 0.0},
    "incidents": {"incident_rate": 0.0},
    "building": {"building_effort": 0.0},
    "private": {
        "private_orientation": 0.0,
        "private_defence": 0.0,
        "private_opportunism": 0.0,
    },
    "dissolution": {"dissolution_engagement": 0.0},
}


def _without(parameters: dict[str, float], features: set[str]) -> dict[str, float]:
    for feature in sorted(features):
        parameters = parameters | FEATURES[feature]
    return parameters


@st.composite
def dyad_parameters(draw: st.DrawFn) -> dict[str, float]:
    """Return every parameter, edges of the bounds included, with some features switched off."""
    parameters = {name: draw(st.floats(low, high)) for name, (low, high) in BOUNDS.items()}
    # Next to a correlation of 1, sqrt(1 - rho^2) turns one rounding of rho^2 into an error of 1e-8.
    parameters["noise_correlation"] = draw(st.sampled_from([-1.0, 1.0]) | st.floats(-0.999, 0.999))
    return _without(parameters, draw(st.sets(st.sampled_from(sorted(FEATURES)))))


def random_dyad_parameters(generator: random.Random) -> dict[str, float]:
    """Return every parameter, anywhere or around the defaults, with some features switched off.

    Uniform values alone end most alliances within months, and a test would see little else.
    """
    reach = generator.choice((0.25, 1.0))
    parameters = {
        name: dyad.DEFAULTS[name] + reach * (generator.uniform(low, high) - dyad.DEFAULTS[name])
        for name, (low, high) in BOUNDS.items()
    }
    return _without(parameters, {name for name in FEATURES if generator.random() < 0.4})


seeds = st.integers(0, 2**64 - 1)
replicates = st.integers(0, 2**24 - 1)
