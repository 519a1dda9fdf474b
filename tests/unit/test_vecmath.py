"""The elementary functions against mpmath, their special values, their code and their bits."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import llvmlite.binding as llvm
import mpmath
import numpy as np
import pytest

from fastalliance import kernels
from tests.unit.kernel_cases import (
    CASES,
    RANDOM,
    Array,
    evaluate,
    exponents,
    lane_loop,
    outcome,
    packed_doubles,
    random_loop,
    uniform,
)

N = 3000
INF, NAN, TINY = math.inf, math.nan, 5e-324
LARGEST = sys.float_info.max
FEATURES = llvm.get_host_cpu_features()
needs_avx2 = pytest.mark.skipif(
    not (FEATURES.get("avx2") and FEATURES.get("fma")), reason="no AVX2 with FMA"
)


class Domain(NamedTuple):
    """A range of arguments on which a result of a function has a bounded error, in ulps."""

    function: str
    range: str
    arguments: Callable[[np.random.Generator], tuple[Array, ...]]
    reference: Callable[..., Any]
    result: int = 0
    bound: float = 1.0


def one(draw: Callable[..., Array]) -> Callable[[np.random.Generator], tuple[Array, ...]]:
    return lambda rng: (draw(rng, N),)


def near_one(rng: np.random.Generator, n: int) -> Array:
    return 1.0 + rng.choice([-0.5, 1.0], n) * exponents(-52, -2)(rng, n)


def subnormal(rng: np.random.Generator, n: int) -> Array:
    return rng.integers(1, 2**52, n).view(np.float64)


def with_product(x: Callable[..., Array], low: float, high: float) -> Callable[..., Any]:
    """Arguments (x, y) of a power whose exponent y ln(x) is uniform on low..high."""

    def arguments(rng: np.random.Generator) -> tuple[Array, ...]:
        base = x(rng, N)
        base[base == 1.0] = 2.0
        return base, rng.uniform(low, high, N) / np.log(base)

    return arguments


def minus_two_log(u: Any) -> Any:
    return -2 * mpmath.log(u)


def standard_logistic(z: Any) -> Any:
    return 1 / (1 + mpmath.exp(-z))


def logistic_base2(y: Any) -> Any:
    return 1 / (1 + mpmath.power(2, y))


def wide(rng: np.random.Generator, n: int) -> Array:
    return rng.choice([-1.0, 1.0], n) * exponents(-60, 9)(rng, n)


ALL_NORMAL = exponents(-1022, 1024)
DOMAINS = [
    Domain("exp", "normal results", one(uniform(-708.3, 709.78)), mpmath.exp),
    Domain("exp", "largest results", one(uniform(709.0, 709.782712893384)), mpmath.exp),
    Domain("exp", "around 0", one(wide), mpmath.exp),
    Domain("exp", "subnormal results", one(uniform(-745.1, -708.4)), mpmath.exp),
    Domain("log", "all normal numbers", one(ALL_NORMAL), mpmath.log),
    Domain("log", "two binades", one(uniform(0.5, 2.0)), mpmath.log),
    Domain("log", "where it is worst", one(uniform(1.28, 1.29)), mpmath.log),
    Domain("log", "near 1", one(near_one), mpmath.log),
    Domain("log", "subnormal numbers", one(subnormal), mpmath.log),
    Domain("minus_two_log", "uniform", one(uniform(0.0, 1.0)), minus_two_log),
    Domain("minus_two_log", "where it is worst", one(uniform(0.70, 0.7071)), minus_two_log),
    Domain("minus_two_log", "near 0", one(exponents(-53, 0)), minus_two_log),
    Domain("minus_two_log", "near 1", one(lambda *a: 1 - exponents(-53, -2)(*a)), minus_two_log),
    Domain("pow", "any base", with_product(ALL_NORMAL, -708.3, 709.7), mpmath.power),
    Domain("pow", "base near 1", with_product(near_one, -700.0, 700.0), mpmath.power),
    Domain("pow", "subnormal base", with_product(subnormal, -700.0, 700.0), mpmath.power),
    Domain("pow", "result near 1", with_product(ALL_NORMAL, -1.0, 1.0), mpmath.power),
    Domain("pow", "subnormal results", with_product(ALL_NORMAL, -745.1, -708.4), mpmath.power),
    Domain("standard_logistic", "around 0", one(wide), standard_logistic, 0, 2.5),
    Domain("standard_logistic", "normal", one(uniform(-708.3, 40.0)), standard_logistic, 0, 2.5),
    Domain("logistic_base2", "around 0", one(wide), logistic_base2, 0, 2.5),
    Domain("logistic_base2", "its range", one(uniform(-60.0, 1021.0)), logistic_base2, 0, 2.5),
    *(
        Domain(function, f"{range_}, result {result}", one(draw), reference, result)
        for function, range_, draw in (
            ("sincospi_small", "a turn", uniform(0.0, 2.0)),
            ("sincospi_small", "its range", lambda rng, n: 2.0**49 * rng.uniform(-1.0, 1.0, n)),
            ("sincospi", "two turns", uniform(-2.0, 2.0)),
            ("sincospi", "a thousand turns", uniform(-1e3, 1e3)),
            ("sincospi", "all magnitudes", exponents(-1022, 1024)),
            ("sincospi", "up to 2^52", exponents(40, 53)),
        )
        for result, reference in ((0, mpmath.sinpi), (1, mpmath.cospi))
    ),
]


def ulps(value: float, exact: Any) -> float:
    """Return the distance of `value` from `exact` in units of the last place of `exact`."""
    if exact == 0:
        return 0.0 if value == 0.0 else INF
    return float(abs(mpmath.mpf(value) - exact) / math.ulp(float(exact)))


@pytest.mark.parametrize("domain", DOMAINS, ids=lambda d: f"{d.function}: {d.range}")
def test_accuracy(domain: Domain) -> None:
    arguments = domain.arguments(np.random.default_rng(20))
    values = evaluate(domain.function, arguments)[domain.result]
    with mpmath.workprec(130):
        errors = [
            ulps(float(value), domain.reference(*map(mpmath.mpf, map(float, at))))
            for value, *at in zip(values, *arguments, strict=True)
        ]
    assert max(errors) <= domain.bound


SPECIAL_VALUES: dict[str, list[tuple[tuple[float, ...], tuple[float, ...]]]] = {
    "exp": [
        *(((x,), (1.0,)) for x in (0.0, -0.0, TINY, -TINY, 1e-17)),
        *(((x,), (INF,)) for x in (709.782712893385, 710.0, LARGEST, INF)),
        *(((x,), (0.0,)) for x in (-745.14, -746.0, -LARGEST, -INF)),
        ((-745.13,), (TINY,)),
        ((NAN,), (NAN,)),
    ],
    "log": [
        ((0.0,), (-INF,)),
        ((-0.0,), (-INF,)),
        ((1.0,), (0.0,)),
        ((INF,), (INF,)),
        ((TINY,), (-744.4400719213812,)),
        ((LARGEST,), (709.782712893384,)),
        *(((x,), (NAN,)) for x in (-TINY, -1.0, -LARGEST, -INF, NAN)),
    ],
    "sincospi": [
        ((0.0,), (0.0, 1.0)),
        ((0.5,), (1.0, 0.0)),
        ((1.0,), (0.0, -1.0)),
        ((-0.5,), (-1.0, 0.0)),
        ((1e6 + 0.5,), (1.0, 0.0)),
        ((2.0**53 - 1.0,), (0.0, -1.0)),
        ((2.0**60,), (0.0, 1.0)),
        ((-LARGEST,), (0.0, 1.0)),
        *(((x,), (NAN, NAN)) for x in (INF, -INF, NAN)),
    ],
    "pow": [
        *(((x, y), (1.0,)) for x in (0.0, 2.0, INF, NAN, -2.0) for y in (0.0, -0.0)),
        *(((1.0, y), (1.0,)) for y in (3.0, -LARGEST, INF, -INF, NAN)),
        *(((x, y), (0.0,)) for x in (0.0, -0.0) for y in (TINY, 2.5, LARGEST, INF)),
        *(((x, y), (INF,)) for x in (0.0, -0.0) for y in (-TINY, -2.5, -LARGEST, -INF)),
        *(((INF, y), (INF,)) for y in (TINY, 1.0, INF)),
        *(((INF, y), (0.0,)) for y in (-TINY, -1.0, -INF)),
        *(((x, INF), (0.0,)) for x in (TINY, 0.5, 1.0 - 2.0**-53)),
        *(((x, -INF), (INF,)) for x in (TINY, 0.5, 1.0 - 2.0**-53)),
        *(((x, INF), (INF,)) for x in (1.0 + 2.0**-52, 2.0, LARGEST)),
        *(((x, -INF), (0.0,)) for x in (1.0 + 2.0**-52, 2.0, LARGEST)),
        *(((x, y), (NAN,)) for x in (-TINY, -2.0, -INF, NAN) for y in (1.0, 2.0, -3.0, 0.5)),
        ((2.0, NAN), (NAN,)),
        ((LARGEST, LARGEST), (INF,)),
        ((LARGEST, -LARGEST), (0.0,)),
        ((2.0, 1023.0), (2.0**1023,)),
        ((2.0, -1074.0), (TINY,)),
        ((2.0, -1076.0), (0.0,)),
    ],
    "standard_logistic": [
        ((0.0,), (0.5,)),
        ((-0.0,), (0.5,)),
        *(((z,), (1.0,)) for z in (38.0, 710.0, LARGEST, INF)),
        *(((z,), (0.0,)) for z in (-709.79, -LARGEST, -INF)),
        ((NAN,), (NAN,)),
    ],
    "logistic": [
        *(((x, 0.4, 0.0), (0.5,)) for x in (0.0, 0.4, -1e300, 1e300)),
        ((0.4, 0.4, 50.0), (0.5,)),
        ((1.0, 0.0, 1e308), (1.0,)),
        ((-1.0, 0.0, 1e308), (0.0,)),
        ((1.0, 2.0, INF), (0.0,)),
        ((INF, 0.4, 9.0), (1.0,)),
        ((-INF, 0.4, 9.0), (0.0,)),
        ((NAN, 0.4, 9.0), (NAN,)),
        ((0.4, 0.4, NAN), (NAN,)),
    ],
    "logistic_base2": [
        *(((y,), (0.5,)) for y in (0.0, -0.0)),
        *(((y,), (1.0,)) for y in (-55.0, -1022.0, -LARGEST, -INF)),
        *(((y,), (2.0**-1021,)) for y in (1021.0, 1024.0, LARGEST, INF)),
        ((NAN,), (NAN,)),
    ],
    "clip01": [
        *(((x,), (0.0,)) for x in (-TINY, -1.0, -INF, 0.0)),
        *(((x,), (1.0,)) for x in (1.0, 1.0 + 2.0**-52, INF)),
        ((0.3,), (0.3,)),
        ((TINY,), (TINY,)),
        ((NAN,), (NAN,)),
    ],
    "fma": [
        ((1.0 + 2.0**-52, 1.0 - 2.0**-52, -1.0), (-(2.0**-104),)),
        ((LARGEST, 2.0, -LARGEST), (LARGEST,)),
        ((INF, 0.0, 1.0), (NAN,)),
        ((INF, 1.0, -INF), (NAN,)),
    ],
}


@pytest.mark.parametrize("name", SPECIAL_VALUES)
def test_special_values(name: str) -> None:
    cases = SPECIAL_VALUES[name]
    values = evaluate(name, tuple(np.array([case[0] for case in cases]).T))
    np.testing.assert_array_equal(values.T, np.array([case[1] for case in cases]))


def test_sincospi__keeps_the_sign_of_zero() -> None:
    sine = evaluate("sincospi", (np.array([0.0, -0.0]),))[0]
    assert np.signbit(sine).tolist() == [False, True]


@pytest.mark.parametrize("power", [1.0, 2.0, 3.0, 0.5, -1.0])
def test_pow__is_exact_where_the_result_is_a_float(power: float) -> None:
    whole = np.random.default_rng(1).integers(1, 2**17, N).astype(np.float64)
    base, expected = {
        1.0: (whole, whole),
        2.0: (whole, whole * whole),
        3.0: (whole, whole * whole * whole),
        0.5: (whole * whole, whole),
        -1.0: (2.0 ** (whole % 1000), 2.0 ** -(whole % 1000)),
    }[power]
    np.testing.assert_array_equal(evaluate("pow", (base, np.full(N, power)))[0], expected)


def test_logistic__is_the_standard_one_of_the_scaled_distance() -> None:
    x, midpoint, steepness = np.random.default_rng(2).uniform(0.0, 1.0, (3, N))
    z = steepness * (x - midpoint)
    expected = evaluate("standard_logistic", (z,))[0]
    np.testing.assert_array_equal(evaluate("logistic", (x, midpoint, steepness))[0], expected)


def test_logistic_base2__is_the_bounded_one_inside_its_bounds() -> None:
    y = np.random.default_rng(2).uniform(-1021.0, 1021.0, N)
    expected = evaluate("logistic_base2_bounded", (y,))[0]
    np.testing.assert_array_equal(evaluate("logistic_base2", (y,))[0], expected)


def test_integers_are_taken_as_floats() -> None:
    assert kernels.exp(0) == 1.0
    assert kernels.log(1) == 0.0
    assert kernels.pow(2, 10) == 1024.0
    assert kernels.logistic(1, 1, 9) == 0.5
    assert kernels.clip01(3) == 1.0


@needs_avx2
@pytest.mark.parametrize("name", [*CASES, *RANDOM])
def test_loops_over_lanes_are_vectorised(name: str) -> None:
    n = 64
    if name in RANDOM:
        run = random_loop(name)
        run(np.empty((RANDOM[name], n)), 1, 2, np.arange(n), 0, 0, 0, 0)
    else:
        case = CASES[name]
        arguments = np.array(case.arguments(np.random.default_rng(0), n))
        run = lane_loop(case.function, len(arguments), case.n_results)
        run(np.empty((case.n_results, n)), arguments)
    assert sum(packed_doubles(run).values()) > 0


@needs_avx2
def test_bits_do_not_depend_on_the_machine() -> None:
    # without NUMBA_CPU_FEATURES numba adds the host's features, AVX-512 included, to any CPU
    running = {
        cpu: subprocess.Popen(
            [sys.executable, "-m", "tests.unit.kernel_cases"],
            cwd=Path(__file__).parents[2],
            env=os.environ | {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": ""},
            stdout=subprocess.PIPE,
            text=True,
        )
        for cpu in ("haswell", "generic")
    }
    here = {name: case["digest"] for name, case in outcome().items()}
    for cpu, process in running.items():
        there = json.loads(process.communicate()[0])
        assert {name: case["digest"] for name, case in there.items()} == here
        assert not any(case["zmm"] for case in there.values())
        assert all(bool(case["ymm"]) == (cpu == "haswell") for case in there.values())
