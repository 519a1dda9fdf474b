"""Formulas that fail, return another thing or cannot be compiled: named with their place."""

import enum
import math
from typing import NamedTuple

import numba
import numpy as np
import pytest
import scipy.special

import fastalliance as fa
from fastalliance.engine import check, run_points


class State(NamedTuple):
    x: float


class Other(NamedTuple):
    y: float


class Constants(NamedTuple):
    start: float
    speed: float


class Mode(enum.IntEnum):
    CALM = 1


def init(p, stream):
    return State(p.start)


def step(s, p, stream, k, t, dt):
    return State(s.x - p.rate * s.x * dt)


def outputs(s, p):
    return (s.x, 1.0 if s.x > 0.0 else 0.0)


def model(**changes) -> fa.Model:
    fields = {
        "name": "decay",
        "summary": "exponential decay",
        "citation": "none",
        "time_unit": "month",
        "horizon": 4.0,
        "dt": 0.5,
        "parameters": [fa.Parameter("start", 0.75), fa.Parameter("rate", 0.0, lower=0.0)],
        "state": State,
        "init": init,
        "step": step,
        "outputs": outputs,
        "output_variables": [fa.Output("x"), fa.Output("positive", "binary")],
    }
    return fa.Model(**{**fields, **changes})


def failure(**changes) -> str:
    """Return the one-line message with which a model fails to run, which has to name the place."""
    defined = model(**changes)
    with pytest.raises(fa.ModelError) as caught:
        fa.simulate(defined)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("model decay: ")
    (name, function), *_ = changes.items()
    if callable(function):
        assert f"{name} ({__file__}:{function.__code__.co_firstlineno})" in message
    return message


# --- in pure Python, at the default parameters ----------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "function", "message"),
    [
        ("step", lambda s, p, stream, k, t, dt: (s.x,), "return a State of numbers, got (0.75,)"),
        ("step", lambda s, p, stream, k, t, dt: Other(s.x), "a State of numbers, got Other(y=0"),
        ("step", lambda s, p, stream, k, t, dt: None, "return a State of numbers, got None"),
        ("step", lambda s, p, stream, k, t, dt: State("a"), "of numbers, got State(x='a')"),
        ("step", lambda s, p, stream, k, t, dt: State(1j), "of numbers, got State(x=1j)"),
        ("init", lambda p, stream: [p.start], "must return a State of numbers, got [np.float64(0"),
        ("outputs", lambda s, p: (s.x,), "a tuple of 2 numbers (x, positive), got (0.75,), 1 val"),
        ("outputs", lambda s, p: (s.x, 1.0, 2.0), "a tuple of 2 numbers (x, positive), got (0.75"),
        ("outputs", lambda s, p: [s.x, 1.0], "a tuple of 2 numbers (x, positive), got ["),
        ("outputs", lambda s, p: s.x, "a tuple of 2 numbers (x, positive), got 0.75"),
        ("outputs", lambda s, p: (s.x, None), "(x, positive), got (0.75, None), 2 values"),
        ("prepare", lambda p, dt: {"start": 1.0}, "must return a NamedTuple of numbers, got {"),
        ("prepare", lambda p, dt: (1.0, 2.0), "a NamedTuple of numbers, got (1.0, 2.0), 2 values"),
        ("prepare", lambda p, dt: Constants(p.start, None), "a NamedTuple of numbers, got Const"),
        ("draw", lambda p, stream, k: 0.5, "must return a NamedTuple of numbers, got 0.5"),
        ("finished", lambda s: s.x, "must return a truth, got 0.75"),
    ],
)
def test_return_value__of_another_kind_is_refused(formula, function, message):
    assert message in failure(**{formula: function})


def broken_helper(x):
    return x + nowhere  # noqa: F821


def reads_a_helper(s, p, stream, k, t, dt):
    return State(
        broken_helper(s.x),
    )


@pytest.mark.parametrize(
    ("formula", "function", "message"),
    [
        ("step", lambda s, p, stream, k, t, dt: State(s.x - raet), "NameError: name 'raet' is"),  # noqa: F821
        (
            "step",
            lambda s, p, stream, k, t, dt: State(p.raet),
            "no attribute 'raet'; did you mean 'rate'?",
        ),
        ("init", lambda p, stream: State(p.strat), "no attribute 'strat'; did you mean 'start'?"),
        ("outputs", lambda s, p: (s.y, 1.0), "no attribute 'y'; valid names: x"),
        ("prepare", lambda p, dt: Constants(1 / 0, 1.0), "ZeroDivisionError: division by zero"),
        ("step", lambda s, p, stream, k, t, dt: State(), "missing 1 required positional argument"),
        ("step", lambda s, p, stream, k, t, dt: State(math.erff(s.x)), "no attribute 'erff'"),
        ("step", lambda s, p, stream, k, t, dt: s["x"], "TypeError: tuple indices must be integ"),
        ("step", reads_a_helper, "line 99: NameError: name 'nowhere' is not defined"),
    ],
)
def test_formula__that_raises_is_named_with_the_line(formula, function, message):
    message = message.replace("line 99", f"line {broken_helper.__code__.co_firstlineno + 1}")
    found = failure(**{formula: function})
    assert "failed at the default parameters, line " in found
    assert message in found


# --- compiled -------------------------------------------------------------------------------------

TABLE = {"a": 1.0}
VALUES = [1.0, 2.0]


def appends_text(s, p, stream, k, t, dt):
    values = [s.x]
    values.append("b")
    return State(values[0])


def converts_text(s, p, stream, k, t, dt):
    return State(float("a".upper() == "A"))


def reads_a_dict(s, p, stream, k, t, dt):
    return State(s.x * TABLE["a"])


def reads_a_list(s, p, stream, k, t, dt):
    return State(s.x * VALUES[0])


def imports(s, p, stream, k, t, dt):
    import random

    return State(s.x + random.random())


def formats(s, p, stream, k, t, dt):
    return State(s.x + len(f"{s.x:.3f}"))


def catches(s, p, stream, k, t, dt):
    try:
        return State(1.0 / s.x)
    except ZeroDivisionError:
        return s


def calls_scipy(s, p, stream, k, t, dt):
    return State(scipy.special.erf(s.x))


def replaces(s, p, stream, k, t, dt):
    return s._replace(x=0.5 * s.x)


def changes_a_global(s, p, stream, k, t, dt):
    global COUNT
    COUNT = 1
    return s


def generates(s, p, stream, k, t, dt):
    return State(sum(x for x in (s.x, 2.0)))


def uses_an_enum(s, p, stream, k, t, dt):
    return State(float(Mode.CALM))


def forgets_a_path(s, p, stream, k, t, dt):
    if s.x > 0.5:
        return State(s.x)


def sometimes_complex(s, p, stream, k, t, dt):
    return State(s.x if k == 0 else s.x * 1j)


def sometimes_a_list(s, p):
    if s.x > 0.0:
        return (s.x, 1.0)
    return [s.x, 0.0]


def deep(x):
    y = x
    return y.nothing() if x < 0.0 else x


def calls_deep(s, p, stream, k, t, dt):
    return State(deep(s.x))


@pytest.mark.parametrize(
    ("function", "line", "message"),
    [
        (appends_text, 2, "Invalid use of BoundFunction(list.append for list(float64)"),
        (converts_text, 1, "float(bool) (float() only support for numbers)"),
        (reads_a_dict, 1, "Untyped global name 'TABLE': Cannot determine Numba type of <class 'd"),
        (reads_a_list, 1, "not supported as globals are considered compile-time constants"),
        (imports, 1, "IMPORT_NAME) found. import at the top of the file, not inside a formula"),
        (formats, 1, "format spec in f-strings not supported yet"),
        (catches, 2, "(Exception matching is limited to <class 'Exception'>)"),
        (calls_scipy, 1, "Unknown attribute 'erf' of type Module(<module 'scipy.special'>)"),
        (replaces, 1, "Unknown attribute '_replace' of type State(float64 x 1)"),
        (changes_a_global, 2, "STORE_GLOBAL) found. a formula must not change a global"),
        (generates, 1, "The use of yield in a closure is unsupported"),
        (uses_an_enum, 1, "float(IntEnum<int64>(Mode)) (float() only support for numbers)"),
    ],
)
def test_compilation__names_formula_file_line_and_reason(function, line, message):
    found = failure(step=function)
    number = function.__code__.co_firstlineno + line
    assert f"numba cannot compile step ({__file__}:" in found
    assert f"): line {number}: " in found or function is catches
    assert message in found
    for noise in ("During:", "Failed in nopython", "\x1b", "source elided", "site-packages"):
        assert noise not in found
    assert len(found) < 900


def test_compilation__names_the_line_in_a_helper():
    found = failure(step=calls_deep)
    assert f"line {deep.__code__.co_firstlineno + 2}: Unknown attribute 'nothing' of type" in found


@pytest.mark.parametrize(
    ("formula", "function", "message"),
    [
        ("step", forgets_a_path, "returns nothing on some path; every path must return its values"),
        ("step", sometimes_complex, "must return numbers, numba infers complex128 for x"),
        ("outputs", sometimes_a_list, "numba cannot compile outputs"),
    ],
)
def test_compilation__names_what_some_path_returns(formula, function, message):
    assert message in failure(**{formula: function})


def test_compilation__of_a_state_with_defaults_asks_for_all_fields():
    class Two(NamedTuple):
        x: float
        y: float = 3.0

    message = failure(
        step=lambda s, p, stream, k, t, dt: Two(s.x),
        state=Two,
        init=lambda p, stream: Two(1.0, 2.0),
    )
    assert "must give all 2 fields of Two; numba has no defaults" in message


def test_compilation__a_raise_in_a_run_is_a_model_error():
    def raises(s, p, stream, k, t, dt):
        if k == 5:
            raise ValueError("too late")
        return s

    with pytest.raises(fa.ModelError, match="a formula raised ValueError: too late; formulas must"):
        fa.simulate(model(step=raises))


# --- what is allowed ------------------------------------------------------------------------------


@numba.njit
def decorated(x):
    return 0.5 * x


def allowed(s, p, stream, k, t, dt):
    total = 0.0
    for i in range(3):
        total += WEIGHTS[i] * decorated(s.x)
    match k:
        case 0:
            return State(x=total)
        case _:
            return State(half(total))


WEIGHTS = np.array([1.0, 2.0, 3.0])
half = lambda x, factor=0.5: factor * x  # noqa: E731


def test_formula__of_plain_python_is_allowed():
    defined = model(step=allowed, outputs=lambda s, p: (s.x, s.x > 0.0))
    ds = fa.simulate(defined)
    assert ds["x"].values.tolist() == [0.75 * 3.0 * 1.5**7]
    assert ds["positive"].values.tolist() == [1.0]
    assert fa.check_model(defined).identical


@pytest.mark.parametrize("name", ["count", "index", "dt", "lane", "work", "p", "values"])
def test_names__of_tuple_methods_and_driver_variables_are_allowed(name):
    state = NamedTuple("state", [(name, float)])
    namespace = {"state": state}
    exec(
        f"def init(p, stream): return state(p.{name})\n"
        f"def step(s, p, stream, k, t, dt): return state(0.5 * s.{name})\n"
        f"def outputs(s, p): return (s.{name}, 1.0)\n",
        namespace,
    )
    formulas = {key: namespace[key] for key in ("init", "step", "outputs")}
    defined = model(state=state, parameters=[fa.Parameter(name, 1.0)], **formulas)
    block = run_points(defined, np.array([[1.0]]), seed=0, dt=0.5, n_steps=3)
    assert block.outputs[0, 0, 0] == 0.125


def test_parameters__may_be_none_at_all():
    defined = model(
        parameters=[],
        init=lambda p, stream: State(1.0),
        step=lambda s, p, stream, k, t, dt: State(0.5 * s.x),
    )
    assert fa.simulate(defined)["x"].values.tolist() == [0.5**8]


# --- switches -------------------------------------------------------------------------------------


def prepare(p, dt):
    return Constants(p.start, 1.0 + p.rate)


def constants_step(s, p, stream, k, t, dt):
    return State(s.x * p.speed)


@pytest.mark.parametrize(
    ("switches", "message"),
    [
        (
            {"rate": "sped"},
            "switches: rate names the unknown field 'sped' of p; did you mean 'speed'?",
        ),
        ({"rate": "speed"}, "switches: rate is 0, but the field 'speed' of p is 1.0 then, not 0"),
    ],
)
def test_switch__must_be_a_field_that_the_parameter_switches_off(switches, message):
    assert message in failure(switches=switches, prepare=prepare, step=constants_step)


def test_check_model__names_an_output_that_differs_when_compiled(monkeypatch):
    monkeypatch.setattr(check, "run_interpreted", lambda *arguments: (0.75, 0.5))
    with pytest.raises(
        fa.ModelError, match=r"output positive of replicate 0 .* differs under numb"
    ):
        fa.check_model(model())
    monkeypatch.setattr(check, "run_interpreted", lambda *arguments: (0.75 + 1e-15, 1.0))
    compared = fa.check_model(model())
    assert not compared.identical
    assert 0.0 < compared.largest_difference < 1e-14


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": 3}, r"takes the name of a model or a fa\.Model, got 3"),
        ({"model": model(), "replicates": 0}, "replicates >= 1, steps >= 1 and a seed from 0"),
        ({"model": model(), "steps": 0}, "replicates >= 1, steps >= 1 and a seed from 0"),
        ({"model": model(), "seed": -1}, "replicates >= 1, steps >= 1 and a seed from 0"),
    ],
)
def test_check_model__refuses(arguments, message):
    with pytest.raises(fa.ModelError, match=message):
        fa.check_model(**arguments)
