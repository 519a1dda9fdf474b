"""`finished` may be true only where nothing changes any more; `check_model` notices where not."""

import dataclasses
from typing import NamedTuple

import pytest

import fastalliance as fa


class State(NamedTuple):
    x: float


def init(p, stream):
    return State(0.0)


def step(s, p, stream, k, t, dt):
    return State(s.x + 1.0 if s.x < p.limit else s.x)


def outputs(s, p):
    return (s.x,)


def finished_rightly(s):
    return s.x >= 5.0


def finished_too_soon(s):
    return s.x >= 2.0


MODEL = fa.Model(
    name="counts_to_a_limit",
    summary="counts",
    citation="none",
    time_unit="month",
    horizon=20.0,
    dt=1.0,
    parameters=[fa.Parameter("limit", default=5.0, lower=0.0, upper=5.0)],
    state=State,
    init=init,
    step=step,
    outputs=outputs,
    finished=finished_rightly,
    output_variables=[fa.Output("x", kind="count", description="count")],
)


def test_finished__that_freezes_is_accepted():
    assert fa.check_model(MODEL).identical
    assert float(fa.simulate(MODEL)["x"][0]) == 5.0


def test_finished__that_lies_is_named():
    wrong = dataclasses.replace(MODEL, finished=finished_too_soon)
    with pytest.raises(fa.ModelError, match=r"finished\(s\) was true before step 2, which changed"):
        fa.check_model(wrong)
