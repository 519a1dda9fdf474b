"""Mistakes in a user's model: each is a ModelError that says what is wrong, and where."""

import functools
import math
from typing import NamedTuple

import pytest

import fastalliance as fa


class State(NamedTuple):
    x: float


class Other(NamedTuple):
    y: float


class Constants(NamedTuple):
    start: float
    decay: float


def init(p, stream):
    return State(p.start)


def step(s, p, stream, k, t, dt):
    return State(s.x - p.rate * s.x * dt)


def outputs(s, p):
    return (s.x, 1.0 if s.x > 0.0 else 0.0)


FIELDS = {
    "name": "decay",
    "summary": "exponential decay",
    "citation": "none",
    "time_unit": "month",
    "horizon": 4.0,
    "dt": 0.5,
    "parameters": [fa.Parameter("start", 1.0), fa.Parameter("rate", 0.5, lower=0.0)],
    "state": State,
    "init": init,
    "step": step,
    "outputs": outputs,
    "output_variables": [fa.Output("x"), fa.Output("positive", "binary")],
}


def model(**changes) -> fa.Model:
    return fa.Model(**{**FIELDS, **changes})


def refusal(**changes) -> str:
    with pytest.raises(fa.ModelError) as caught:
        model(**changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_model__without_mistakes_runs():
    ds = fa.simulate(model())
    assert ds["x"].values == pytest.approx(0.75**8, rel=1e-15)


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_missing_field__is_named(field):
    with pytest.raises(fa.ModelError) as caught:
        fa.Model(**{name: value for name, value in FIELDS.items() if name != field})
    what = "fa.Model" if field == "name" else "fa.Model('decay')"
    assert str(caught.value) == f"{what} lacks {field}"


def test_missing_fields__are_all_named():
    with pytest.raises(fa.ModelError, match=r"fa.Model\('m'\) lacks summary, citation, time_unit"):
        fa.Model(name="m")
    with pytest.raises(fa.ModelError, match="takes at most 0 fields without their names"):
        fa.Model("m")


def test_unknown_field__is_named_with_the_nearest():
    assert refusal(output=outputs).endswith("has no field 'output'; did you mean 'outputs'?")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "two words"}, "model name 'two words' must be a Python identifier"),
        ({"name": 3}, "model name 3 must be a Python identifier"),
        ({"summary": None}, "model decay: summary must be text, got None"),
        ({"time_unit": 1}, "model decay: time_unit must be text, got 1"),
        ({"horizon": "60"}, "model decay: horizon must be a positive number, got '60'"),
        ({"horizon": math.inf}, "horizon must be a positive number, got inf"),
        ({"dt": 0.0}, "dt must be a positive number, got 0.0"),
        ({"dt": -0.5}, "dt must be a positive number, got -0.5"),
        ({"parameters": None}, "parameters must be a list, got None"),
        ({"parameters": "start"}, "parameters must be a list, got 'start'"),
        ({"parameters": ["start"]}, "parameters must hold fa.Parameter objects, got 'start'"),
        ({"parameters": {"start": 1.0}}, "parameters must hold fa.Parameter objects, got 'start'"),
        ({"output_variables": []}, "output_variables is empty; declare at least one fa.Output"),
        ({"output_variables": ["x"]}, "output_variables must hold fa.Output objects, got 'x'"),
        ({"state_variables": ["x"]}, "state_variables must hold fa.Output objects, got 'x'"),
        ({"state_variables": fa.Output("x")}, "state_variables must be a list"),
        ({"ratios": [("a", "b", "c")]}, "ratios must hold fa.Ratio objects"),
        ({"cautions": ["dt is large"]}, "cautions must hold fa.Caution objects, got 'dt is large'"),
        ({"structure": [fa.Parameter("n", 3.0)]}, "the size n in structure must be of kind 'int"),
        ({"switches": ["rate"]}, "switches must be a mapping of names, got ['rate']"),
        ({"state": tuple}, "state must be a NamedTuple class with at least one field"),
        ({"state": dict}, "state must be a NamedTuple class"),
        ({"state": State(1.0)}, "state must be a NamedTuple class"),
        ({"state": None}, "state must be a NamedTuple class"),
    ],
)
def test_field__of_a_wrong_kind_is_named(changes, message):
    assert message in refusal(**changes)


def test_state__without_fields_is_refused():
    class Empty(NamedTuple):
        pass

    assert "state must be a NamedTuple class with at least one field" in refusal(state=Empty)


# --- arity ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "wrong", "takes"),
    [
        ("init", lambda p: State(p.start), "(p, stream)"),
        ("step", lambda s, p, k, t, dt: s, "(s, p, stream, k, t, dt)"),
        ("step", lambda s, p, stream, k, t, dt, more: s, "(s, p, stream, k, t, dt)"),
        ("outputs", lambda s: (s.x, 1.0), "(s, p)"),
        ("prepare", lambda p: p, "(p, dt)"),
        ("draw", lambda p, stream: p, "(p, stream, k)"),
        ("finished", lambda s, p: False, "(s)"),
        ("fastest_rate", lambda: 1.0, "(p)"),
    ],
)
def test_arity__is_checked_with_file_and_line(formula, wrong, takes):
    message = refusal(**{formula: wrong})
    assert f"model decay: {formula} must take {takes}, " in message
    assert f"{__file__}:{wrong.__code__.co_firstlineno} takes (" in message


class Formulas:
    def step(self, s, p, stream, k, t, dt):
        return s

    __call__ = step


@pytest.mark.parametrize("formula", ["init", "step", "outputs", "prepare", "fastest_rate"])
@pytest.mark.parametrize(
    "wrong", [3.0, max, Formulas, Formulas(), Formulas().step, functools.partial(step, dt=0.5)]
)
def test_formula__that_is_no_plain_function_is_refused(formula, wrong):
    assert f"{formula} must be a plain function (" in refusal(**{formula: wrong})


def test_arity__of_a_caution_is_checked():
    caution = fa.Caution("too coarse", lambda p: True)
    assert "holds of a caution must take (p, dt)" in refusal(cautions=[caution])


# --- names ----------------------------------------------------------------------------------------

PARAMETERS = FIELDS["parameters"]
OUTPUTS = FIELDS["output_variables"]
STATES = NamedTuple("State", [("x", float), ("flow", float)])  # noqa: UP014 -- a second State


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"parameters": [*PARAMETERS, fa.Parameter("rate")]},
            "the name 'rate' clashes: it is the parameter rate and the parameter rate",
        ),
        (
            {"parameters": [*PARAMETERS, fa.Parameter("positive")]},
            "'positive' clashes: it is the parameter positive and the output positive",
        ),
        (
            {"structure": [fa.Parameter("rate", 1, kind="integer")]},
            "'rate' clashes: it is the parameter rate and the parameter rate",
        ),
        (
            {"output_variables": [fa.Output("x"), fa.Output("x")]},
            "'x' clashes: it is the output x and the output x",
        ),
        (
            {"output_variables": [fa.Output("x"), fa.Output("x_mean")]},
            "'x_mean' clashes: it is the output x_mean and a statistic of the output x",
        ),
        (
            {"parameters": [*PARAMETERS, fa.Parameter("positive_low")]},
            "'positive_low' clashes: it is the parameter positive_low and a statistic of",
        ),
        (
            {
                "output_variables": [
                    fa.Output("fate", "category", categories={"gone": 0}),
                    fa.Output("fate_gone_share"),
                ]
            },
            "'fate_gone_share' clashes: it is the output fate_gone_share and a statistic of the",
        ),
        (
            {"ratios": [fa.Ratio("x_std", "x", "positive")]},
            "'x_std' clashes: it is the ratio x_std and a statistic of the output x",
        ),
        (
            {"ratios": [fa.Ratio("rate", "x", "positive")]},
            "'rate' clashes: it is the parameter rate and the ratio rate",
        ),
        (
            {"parameters": [*PARAMETERS, fa.Parameter("x_path")]},
            "'x_path' clashes: it is the parameter x_path and the path of the state x",
        ),
        (
            {"parameters": [*PARAMETERS, fa.Parameter("point")]},
            "the name of the parameter point is reserved; choose another",
        ),
        (
            {"output_variables": [fa.Output("x"), fa.Output("n_invalid")]},
            "the name of the output n_invalid is reserved",
        ),
        (
            {"parameters": [*PARAMETERS, fa.Parameter("_hidden")]},
            "the parameter _hidden must not begin with an underscore",
        ),
        (
            {"ratios": [fa.Ratio("r", "x", "postive")]},
            "ratio r names the unknown output 'postive'; did you mean 'positive'?",
        ),
        (
            {"ratios": [fa.Ratio("r", "xx", "positive")]},
            "ratio r names the unknown output 'xx'; did you mean 'x'?",
        ),
        (
            {"state_variables": [fa.Output("y")]},
            "state_variables names the unknown state 'y'; valid names: x",
        ),
        (
            {"switches": {"rat": "rate"}},
            "switches names the unknown parameter 'rat'; did you mean 'rate'?",
        ),
        (
            {"switches": {"rate": "speed"}},
            "switches names the unknown field 'speed' of p; valid names: rate, start",
        ),
    ],
)
def test_names__that_clash_or_name_nothing_are_refused(changes, message):
    assert message in refusal(**changes)
