"""Draws with a state are refused: they would depend on threads, tiles and restarts."""

import dataclasses
import random

import numpy as np
import pytest

import fastalliance as fa
from tests.own_models import ORNSTEIN_UHLENBECK

State = ORNSTEIN_UHLENBECK.state
normal = np.random.standard_normal


def helper(s):
    return State(s.x + np.random.normal())


def step_numpy(s, p, stream, k, t, dt):
    return State(s.x + np.random.standard_normal())


def step_python(s, p, stream, k, t, dt):
    return State(s.x + random.random())


def step_by_name(s, p, stream, k, t, dt):
    return State(s.x + normal())


def step_through_a_helper(s, p, stream, k, t, dt):
    return helper(s)


@pytest.mark.parametrize("step", [step_numpy, step_python, step_by_name, step_through_a_helper])
def test_draws_with_a_state__are_refused_with_their_place(step):
    model = dataclasses.replace(ORNSTEIN_UHLENBECK, name="own_draws", step=step)
    with pytest.raises(fa.ModelError, match=r"step uses random draws with a state \(.*\.py:\d+\)"):
        fa.simulate(model)


def test_numpy_itself__is_allowed():
    def step(s, p, stream, k, t, dt):
        return State(s.x + np.float64(1.0) * dt)

    model = dataclasses.replace(ORNSTEIN_UHLENBECK, name="uses_numpy", step=step)
    assert np.isfinite(float(fa.simulate(model)["x"][0]))
