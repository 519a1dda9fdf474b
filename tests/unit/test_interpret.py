"""Interpreted formulas: the bits of the compiled ones, and everything a formula may refer to."""

from __future__ import annotations

import inspect
import math
import types
from fractions import Fraction
from math import sqrt
from typing import Any, NamedTuple

import numba
import numpy as np
import pytest

from fastalliance import kernels
from fastalliance.kernels import Stream, clip01, exp, fma, intrinsics, logistic, normals, vecmath
from fastalliance.kernels.interpret import interpreted
from tests.unit.kernel_cases import CASES, SPECIAL, anything, evaluate, same_bits

INF, NAN = math.inf, math.nan


def compiled(function: Any) -> Any:
    return numba.njit(error_model="numpy")(function)


@pytest.mark.parametrize("name", CASES)
def test_kernels__same_bits(name: str) -> None:
    case = CASES[name]
    arguments = case.arguments(np.random.default_rng(7), 400)
    python = interpreted(case.function)
    results = [python(*map(float, at)) for at in zip(*arguments, strict=True)]
    expected = evaluate(name, arguments)
    assert same_bits(np.array(results).reshape(400, -1).T, expected)


@pytest.mark.parametrize("name", ["exp", "log", "sincospi", "pow", "standard_logistic", "clip01"])
def test_kernels__same_bits_at_special_arguments(name: str) -> None:
    n_arguments = len(CASES[name].arguments(np.random.default_rng(0), 1))
    arguments = tuple(grid.ravel() for grid in np.meshgrid(*[SPECIAL] * n_arguments))
    python = interpreted(CASES[name].function)
    results = [python(*map(float, at)) for at in zip(*arguments, strict=True)]
    expected = evaluate(name, arguments)
    assert same_bits(np.array(results).reshape(arguments[0].size, -1).T, expected)


# a model in miniature, with plain helpers, a closure, defaults, a module and jitted functions


class State(NamedTuple):
    trust: float
    n_steps: float


class Parameters(NamedTuple):
    gain: float
    midpoint: float
    noise: float


LOSS = 0.25


def helper(x: Any, scale: Any = 0.5) -> Any:
    return kernels.exp(-scale * x) + LOSS


@numba.njit
def jitted(x):
    return fma(x, helper_of_jitted(x), 1.0)


@numba.njit
def helper_of_jitted(x):
    return kernels.log(2.0 + x * x)


def make_formula(power: float) -> Any:
    def response(x):
        return vecmath.pow(x, power) * logistic(x, 0.4, 9.0)

    return response


response = make_formula(1.7)


def step(s, p, stream, k, t, dt):
    z0, z1 = normals(stream, 0, k, 0)
    noise = p.noise * math.sqrt(dt) * (z0 + 0.5 * z1) if k % 2 == 0 else 0.0
    change = p.gain * (response(s.trust) - s.trust) + 0.1 * helper(s.trust) * helper(t, scale=dt)
    trust = clip01(s.trust + dt * change + noise + 1e-3 * jitted(s.trust))
    return State(trust=trust, n_steps=s.n_steps + 1.0)


def numba_twin(function: Any) -> Any:
    """Return `function` compiled, the plain helpers among its globals compiled too."""
    helpers = {"helper": compiled(helper), "response": compiled(response)}
    return compiled(types.FunctionType(function.__code__, function.__globals__ | helpers))


def test_formula__a_trajectory_has_the_compiled_bits() -> None:
    fast, slow = numba_twin(step), interpreted(step)
    p, stream = Parameters(0.4, 0.4, 0.1), Stream(7, 8, 9, 0)
    s = twin = State(0.45, 0.0)
    for k in range(40):
        s = fast(s, p, stream, k, k * 0.125, 0.125)
        twin = slow(twin, p, stream, k, k * 0.125, 0.125)
    assert same_bits(s, twin)
    assert isinstance(twin, State)
    assert type(twin.trust) is float
    assert 0.0 < twin.trust < 1.0


def test_formula__keeps_its_name_signature_and_original() -> None:
    slow = interpreted(step)
    assert slow.__name__ == "step"
    assert inspect.signature(slow) == inspect.signature(step)
    assert isinstance(kernels.exp, numba.core.registry.CPUDispatcher)
    assert step.__globals__["normals"] is normals


def test_formula__jitted_functions_and_intrinsics_themselves() -> None:
    assert interpreted(jitted)(0.5) == jitted(0.5)
    assert interpreted(fma)(2.0, 3.0, 4.0) == 10.0
    assert interpreted(intrinsics.float_bits)(1.0) == 0x3FF0000000000000
    assert interpreted(intrinsics.bits_float)(-(2**63)) == 0.0
    assert interpreted(intrinsics.word)(-1) == 0xFFFFFFFF


def factorial(n):
    return 1.0 if n <= 1 else n * factorial(n - 1)


def even(n):
    return 1.0 if n == 0 else odd(n - 1)


def odd(n):
    return exp(0.0) - 1.0 if n == 0 else even(n - 1)


def test_formula__recursion_ends() -> None:
    assert interpreted(factorial)(6) == 720.0
    assert [interpreted(even)(n) for n in (4, 5)] == [1.0, 0.0]


def nested(x):
    def inner(y):
        return exp(y) / (x - x)

    first, second = [inner(value) for value in (x, -x)]
    return first, second


TABLE = (exp, 2.0)


def from_a_tuple(x):
    return TABLE[0](x) * TABLE[1]


def test_formula__functions_in_tuples() -> None:
    assert interpreted(from_a_tuple)(0.0) == 2.0


def test_formula__functions_inside_functions() -> None:
    assert interpreted(nested)(1.0) == (INF, INF)


# division by zero, and functions of math outside their domains


def quotient(x, y):
    return x / y


def of_literals(x):
    zero = 0.0 if x > 0.0 else -0.0
    return 1.0 / zero


def of_a_clipped_value(x):
    return 1 / clip01(x)


def with_default(x, zero=0.0):
    return 1.0 / zero + x


def with_keyword(x, *, zero=0.0):
    return 1.0 / zero + x


NOTHING = 0.0


def of_a_global(x):
    return (x + 1.0) / NOTHING


def make_division(zero: float) -> Any:
    return lambda x: 1.0 / zero + x


def remainder(x):
    return 5.0 % x


@pytest.mark.parametrize(
    ("function", "argument"),
    [
        (of_literals, 1.0),
        (of_literals, -1.0),
        (of_a_clipped_value, -3.0),
        (of_a_global, 2.0),
        (make_division(0.0), 2.0),
        (make_division(-0.0), 2.0),
        (remainder, 0.0),
        (with_default, 1.0),
    ],
)
def test_division_by_zero__as_compiled(function: Any, argument: float) -> None:
    assert same_bits(interpreted(function)(argument), compiled(function)(argument))


def test_division_by_zero__keyword_default() -> None:
    assert interpreted(with_keyword)(1.0) == INF
    assert interpreted(with_keyword)(1.0, zero=-0.0) == -INF


def test_division_by_zero__special_pairs() -> None:
    slow, fast = interpreted(quotient), compiled(quotient)
    for x in SPECIAL.tolist():
        for y in (0.0, -0.0, INF, 5e-324):
            assert same_bits(slow(x, y), fast(x, y))


def roots(x):
    return math.sqrt(x), sqrt(-x), math.log(x), math.exp(1000.0 * x), math.floor(2.5)


@pytest.mark.parametrize("x", [-1.0, 0.0, 1.0])
def test_math__answers_where_python_raises(x: float) -> None:
    assert same_bits(interpreted(roots)(x), compiled(roots)(x))


def test_errors_of_a_formula_are_still_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        interpreted(quotient)(1, 0)
    with pytest.raises(AttributeError):
        interpreted(step)(None, None, Stream(1, 2, 3, 4), 0, 0.0, 0.125)


# fma


def test_fma__special_values_as_compiled() -> None:
    grid = np.array(np.meshgrid(*[SPECIAL] * 3)).reshape(3, -1)
    chosen = grid[:, np.random.default_rng(5).choice(grid.shape[1], 4000, replace=False)]
    python = interpreted(fma)
    results = [python(*at) for at in chosen.T.tolist()]
    assert same_bits(results, evaluate("fma", tuple(chosen))[0])


def test_fma__random_bits_as_compiled() -> None:
    rng = np.random.default_rng(6)
    arguments = [anything(rng, 3000) for _ in range(3)]
    # products that nearly cancel, where a product rounded first would lose everything
    a, b = rng.uniform(1.0, 2.0, (2, 3000))
    c = -(a * b) * (1.0 + rng.integers(-2, 3, 3000) * 2.0**-52)
    tiny = rng.uniform(1.0, 2.0, (3, 3000)) * [[2.0**-540], [2.0**-533], [2.0**-1073]]
    python = interpreted(fma)
    for triple in (arguments, (a, b, c), tiny):
        results = [python(*at) for at in np.array(triple).T.tolist()]
        assert same_bits(results, evaluate("fma", tuple(triple))[0])


def test_fma__is_the_exact_value_rounded_once() -> None:
    rng = np.random.default_rng(8)
    python = interpreted(fma)
    for a, b in rng.uniform(1.0, 2.0, (300, 2)).tolist():
        error = python(a, b, -(a * b))
        assert Fraction(error) == Fraction(a) * Fraction(b) - Fraction(a * b)
