"""Parameters and outputs: their values, bounds and declarations, with readable refusals."""

import decimal
import fractions
import math

import numpy as np
import pytest

import fastalliance as fa
from fastalliance.errors import declared, is_name

SHARE = fa.Parameter("share", 0.5, lower=0.0, upper=1.0, description="a share")
RATE = fa.Parameter("rate", 0.2, lower=0.0, unit="1/month")
TIME = fa.Parameter("time_constant", 2.0, above=0.0, unit="month")
NOISE = fa.Parameter("noise", lower=0.0, unit="month^-1/2")
FREE = fa.Parameter("free")
HALFLIFE = fa.Parameter("halflife", math.inf, above=0.0, allow_infinite=True)
THRESHOLD = fa.Parameter("threshold", 0.2, allow_infinite=True)
CAPPED = fa.Parameter("capped", 1.0, upper=1234567.5, allow_infinite=True)
MEMBERS = fa.Parameter("members", 4, kind="integer", lower=1)
MODE = fa.Parameter("mode", "calm", kind="choice", choices={"calm": 0, "wild": 3})


@pytest.mark.parametrize(
    ("parameter", "value", "expected"),
    [
        (SHARE, 0, 0.0),
        (SHARE, 1.0, 1.0),
        (SHARE, np.float32(0.25), 0.25),
        (SHARE, np.int8(1), 1.0),
        (SHARE, fractions.Fraction(1, 4), 0.25),
        (TIME, 5e-324, 5e-324),
        (FREE, -1e308, -1e308),
        (HALFLIFE, math.inf, math.inf),
        (MEMBERS, 4.0, 4.0),
        (MEMBERS, np.uint64(2**53), 2.0**53),
        (MODE, "wild", 3.0),
        (MODE, 3, 3.0),
        (MODE, np.float64(0.0), 0.0),
    ],
)
def test_value__inside_the_bounds_becomes_a_float(parameter, value, expected):
    got = parameter.check(value, "here")
    assert type(got) is float
    assert got == expected


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        (SHARE, 1.5, "here must be 0..1, got 1.5"),
        (SHARE, -1e-9, "here must be 0..1, got -1e-09"),
        (SHARE, math.nan, "here must be finite and 0..1, got nan"),
        (SHARE, "0.5", "here must be a number, got '0.5'"),
        (SHARE, True, "here must be a number, got True"),
        (SHARE, np.True_, "here must be a number, got np.True_"),
        (SHARE, None, "here must be a number, got None"),
        (SHARE, 1j, "here must be a number, got 1j"),
        (SHARE, [0.5], "here must be a number, got [0.5]"),
        (SHARE, decimal.Decimal("0.5"), "here must be a number, got Decimal('0.5')"),
        (RATE, -0.2, "here must be >= 0 per month, got -0.2"),
        (RATE, math.inf, "here must be finite and >= 0 per month, got inf"),
        (RATE, "fast", "here must be a number, got 'fast'"),
        (TIME, "long", "here must be a number, got 'long'"),
        (TIME, 0.0, "here must be > 0 month, got 0"),
        (NOISE, -1.0, "here must be >= 0 month^-1/2, got -1"),
        (FREE, math.inf, "here must be finite, got inf"),
        (FREE, math.nan, "here must be finite, got nan"),
        (FREE, 10**400, "here is beyond double precision"),
        (HALFLIFE, -math.inf, "here must be > 0 or inf, got -inf"),
        (HALFLIFE, math.nan, "here must be > 0 or inf, got nan"),
        (HALFLIFE, -0.0, "here must be > 0, got -0"),
        (THRESHOLD, -math.inf, "here must be finite or inf, got -inf"),
        (CAPPED, math.inf, "here must be finite and <= 1234567.5, got inf"),
        (CAPPED, 1234568.0, "here must be <= 1234567.5, got 1234568"),
        (MEMBERS, 2.5, "here must be a whole number, got 2.5"),
        (MEMBERS, 2**53 + 2, "here must be a whole number up to 2^53, got 9007199254740994"),
        (MEMBERS, 2**53 + 1, "here must be a whole number up to 2^53, got 9007199254740993"),
        (MEMBERS, 1e300, "here must be a whole number up to 2^53, got 1e+300"),
        (MEMBERS, 1000000.5, "here must be a whole number, got 1000000.5"),
        (SHARE, 1000001, "here must be 0..1, got 1000001"),
        (SHARE, 123456789.125, "here must be 0..1, got 123456789.125"),
        (SHARE, 1 + 1e-15, "here must be 0..1, got 1.000000000000001"),
        (MEMBERS, math.nan, "here must be a whole number, got nan"),
        (MEMBERS, math.inf, "here must be a whole number, got inf"),
        (MEMBERS, 0, "here must be >= 1, got 0"),
        (MODE, "clam", "here must be one of calm, wild, got 'clam'; did you mean 'calm'?"),
        (MODE, 1, "here must be one of calm, wild, got 1"),
        (MODE, False, "here must be one of calm, wild, got False"),
        (MODE, math.nan, "here must be one of calm, wild, got nan"),
    ],
)
def test_value__outside_is_refused_with_rule_unit_and_value(parameter, value, message):
    with pytest.raises(fa.ParameterError) as caught:
        parameter.check(value, "here")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("parameter", "bounds"),
    [
        (SHARE, "0..1"),
        (RATE, ">= 0"),
        (TIME, "> 0"),
        (FREE, "any"),
        (MODE, "calm | wild"),
        (fa.Parameter("p", upper=3.0), "<= 3"),
        (fa.Parameter("p", upper=1234567.5), "<= 1234567.5"),
        (fa.Parameter("p", 2, kind="integer", lower=2, upper=1_000_000), "2..1,000,000"),
        (fa.Parameter("p", 1.0, above=0.0, upper=3.0), "> 0 and <= 3"),
    ],
)
def test_bounds__read_as_text(parameter, bounds):
    assert parameter.bounds == bounds


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "fa.Parameter lacks name"),
        ({"name": "a", "defualt": 1.0}, "has no field 'defualt'; did you mean 'default'?"),
        ({"name": 3}, "parameter name 3 must be a Python identifier"),
        ({"name": "two words"}, "parameter name 'two words' must be a Python identifier"),
        ({"name": "lambda"}, "parameter name 'lambda' must be a Python identifier"),
        ({"name": "x" * 101}, "must be a Python identifier"),
        ({"name": "a", "kind": "float"}, "a: kind must be real, integer or choice, got 'float'"),
        ({"name": "a", "unit": None}, "a: unit must be text, got None"),
        ({"name": "a", "description": 3}, "a: description must be text, got 3"),
        ({"name": "a", "default": "x"}, "default of parameter a must be a number, got 'x'"),
        ({"name": "a", "default": 2.0, "upper": 1.0}, "default of parameter a must be <= 1, got 2"),
        ({"name": "a", "default": None}, "default of parameter a must be a number, got None"),
        ({"name": "a", "lower": "0"}, "a: a bound must be a number, got '0'"),
        ({"name": "a", "upper": math.nan}, "a: a bound must be a number, got nan"),
        ({"name": "a", "lower": 1.0, "upper": 0.0}, "a: no value lies between the bounds 1 and 0"),
        ({"name": "a", "above": 1.0, "upper": 1.0}, "a: no value lies between the bounds 1 and 1"),
        ({"name": "a", "kind": "choice"}, "a: a parameter of kind 'choice' needs choices"),
        (
            {"name": "a", "kind": "integer", "choices": {"x": 0}},
            "a: choices belong to kind 'choice', or name values of a real",
        ),
    ],
)
def test_declaration__is_refused_with_what_is_wrong(fields, message):
    with pytest.raises(fa.ModelError) as caught:
        fa.Parameter(**fields)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("choices", "default", "message"),
    [
        ({"a b": 0}, "a b", "choice 'a b' must be a Python identifier"),
        ({"a": "0"}, "a", "the code of choice a must be a number, got '0'"),
        ({"a": True}, "a", "the code of choice a must be a number, got True"),
        ({"a": math.nan}, "a", "the code of choice a must be a number, got nan"),
        ({"a": 0, "b": 0.0}, "a", "the code 0 stands for more than one choice"),
        ({"a": 0, "b": 1}, "c", "default of parameter mode must be one of a, b, got 'c'"),
    ],
)
def test_choices__are_refused_with_what_is_wrong(choices, default, message):
    with pytest.raises(fa.ModelError) as caught:
        fa.Parameter("mode", default, kind="choice", choices=choices)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fa.Output(), "fa.Output lacks name"),
        (lambda: fa.Output("a", knd="real"), "fa.Output has no field 'knd'; did you mean 'kind'?"),
        (lambda: fa.Output(name="a", knd=1), "fa.Output('a') has no field 'knd'"),
        (lambda: fa.Output("a", "real", "1", "", None, 3), "takes at most 5 fields without"),
        (lambda: fa.Output("a", name="b"), "multiple values for argument 'name'"),
        (lambda: fa.Output("a b"), "output name 'a b' must be a Python identifier"),
        (lambda: fa.Output("a", "real", None), "output a: unit must be text, got None"),
        (lambda: fa.Output("a", "bool"), "output a: kind must be one of real, binary"),
        (lambda: fa.Output("a", "category"), "categories are given exactly for kind 'category'"),
        (lambda: fa.Output("a", categories={"x": 0}), "categories are given exactly"),
        (lambda: fa.Output("a", "category", categories={}), "categories is empty"),
        (
            lambda: fa.Output("a", "category", categories={"x y": 0}),
            "category 'x y' must be a Python identifier",
        ),
        (
            lambda: fa.Output("a", "category", categories={"x": 0.5}),
            "code of category x must be a whole number, got 0.5",
        ),
        (
            lambda: fa.Output("a", "category", categories={"x": 1, "y": 1}),
            "the code 1 stands for more than one category",
        ),
        (lambda: fa.Ratio("a", "b"), "fa.Ratio lacks denominator"),
        (lambda: fa.Ratio("a-b", "b", "c"), "ratio name 'a-b' must be a Python identifier"),
        (lambda: fa.Caution("text"), "fa.Caution lacks holds"),
        (lambda: fa.Caution("text", True), "takes a text and a function (p, dt)"),
    ],
)
def test_output__is_refused_with_what_is_wrong(make, message):
    with pytest.raises(fa.ModelError) as caught:
        make()
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["a", "trust_a", "β", "_x", "x" * 100])
def test_names__are_identifiers(name):
    assert is_name(name)


@pytest.mark.parametrize("name", ["", "1a", "a b", "a-b", "None", "class", "x" * 101, 3, None])
def test_names__are_nothing_else(name):
    assert not is_name(name)


def test_declared__keeps_signature_and_own_errors():
    import inspect

    assert list(inspect.signature(fa.Parameter).parameters)[:2] == ["name", "default"]
    assert declared.__doc__
    with pytest.raises(fa.ModelError, match="must be a Python identifier"):
        fa.Parameter(name="a b")


def test_named_values__of_a_real_parameter():
    rule = fa.Parameter("rule", 0.0, lower=-1.0, upper=1.0, choices={"low": -1.0, "high": 1.0})
    assert rule.check("high", "rule") == 1.0
    assert rule.check(0.25, "rule") == 0.25
    assert rule.bounds == "-1..1 (low | high)"
    with pytest.raises(
        fa.ParameterError, match="rule must be one of low, high, got 'hihg'; did you"
    ):
        rule.check("hihg", "rule")
    with pytest.raises(fa.ParameterError, match=r"rule must be -1..1 \(low \| high\), got 2"):
        rule.check(2.0, "rule")
