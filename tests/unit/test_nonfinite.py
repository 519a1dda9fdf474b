"""The promise of `keeps_nonfinite`: a state outside the finite numbers stays outside them."""

import math

import pytest

import fastalliance as fa
from fastalliance import library
from fastalliance.kernels import Stream
from fastalliance.kernels.interpret import interpreted

PROMISED = [name for name in library.NAMES if library.get(name).keeps_nonfinite]
COUNTERS = {("dyad", "idle_steps")}  # 0 or one more than before, whatever the other states are
STATES = [
    (name, field)
    for name in PROMISED
    for field in library.get(name).state._fields
    if (name, field) not in COUNTERS
]


def _step(model, state, k):
    formulas = {name: interpreted(f) for name, f in model.formulas().items()}
    p = formulas["prepare"](model.defaults(), model.dt)
    stream = Stream(1, 2, 3, 0)
    random = formulas["draw"](p, stream, k) if model.draw else stream
    return formulas["step"](state, p, random, k, k * model.dt, model.dt)


def _start(model):
    formulas = {name: interpreted(f) for name, f in model.formulas().items()}
    p = formulas["prepare"](model.defaults(), model.dt)
    return formulas["init"](p, Stream(1, 2, 3, 0))


def test_promise__is_made_by_the_dyad():
    assert "dyad" in PROMISED


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("name", "field"), STATES)
def test_promise__is_kept(name, field, value):
    model = library.get(name)
    state = _start(model)._replace(**{field: value})
    for k in range(40):
        state = _step(model, state, k)
        assert not all(map(math.isfinite, state)), f"{field} = {value} was hidden in step {k}"


def test_end__is_looked_at_where_the_promise_is_made():
    """Benefits beyond the doubles: states that are not finite in the end, and counted."""
    beyond = {"private_gain": 1e308, "private_orientation": 1.0, "value_rate": 1e308}
    with pytest.warns(UserWarning, match="5 replicates"):
        ds = fa.simulate("dyad", parameters=beyond, replicates=5)
    assert int(ds["n_invalid"]) == 5
    assert ds["trust_a"].isnull().all()


def test_promise__is_not_needed(tmp_path):
    """Without it a NaN that a clip hides in the next step is counted all the same."""
    from typing import NamedTuple

    class State(NamedTuple):
        x: float

    model = fa.Model(
        name="hides_a_nan",
        summary="a NaN at one step only",
        citation="none",
        time_unit="month",
        horizon=10.0,
        dt=1.0,
        parameters=[fa.Parameter("at", default=-1.0)],
        state=State,
        init=lambda p, stream: State(0.0),
        step=lambda s, p, stream, k, t, dt: State(math.nan if k == p.at else 1.0),
        outputs=lambda s, p: (s.x,),
        output_variables=[fa.Output("x")],
    )
    assert int(fa.simulate(model, replicates=3)["n_invalid"]) == 0
    with pytest.warns(UserWarning, match="3 replicates"):
        ds = fa.simulate(model, parameters={"at": 4.0}, replicates=3)
    assert int(ds["n_invalid"]) == 3
