"""Every function of the kernels with arguments that exercise it, and loops over lanes to run it in.

Run as a program it prints a digest of the bits of every function's results, and whether its loop
was compiled to 256-bit or 512-bit instructions.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numba
import numpy as np

from fastalliance import kernels
from fastalliance.kernels import Stream, vecmath

Array = np.ndarray
SPECIAL = np.concatenate(
    [
        [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 2.5, 38.0, 710.0, -710.0, 745.2, -745.2, 1e-20, -1e-20],
        [2.0**51, 2.0**52 + 1.0, 2.0**53 - 1.0, -(2.0**60), 1e300, -1e300, 1.7e308, -1.7e308],
        [5e-324, -5e-324, 1e-310, 2.2250738585072014e-308, np.inf, -np.inf, np.nan],
    ]
)


class Case(NamedTuple):
    """A function, and a generator of its arguments: ``arguments(rng, n)``, one array each."""

    function: Any
    arguments: Callable[[np.random.Generator, int], tuple[Array, ...]]
    n_results: int = 1


def exponents(low: float, high: float) -> Callable[..., Array]:
    """Positive numbers whose base-2 logarithm is uniform."""
    return lambda rng, n: np.ldexp(1.0 + rng.random(n), rng.integers(low, high, n))


def uniform(low: float, high: float) -> Callable[..., Array]:
    return lambda rng, n: rng.uniform(low, high, n)


def anything(rng: np.random.Generator, n: int) -> Array:
    """Floats with random bits, and the special ones in random places."""
    x = rng.integers(0, 2**64, n, dtype=np.uint64).view(np.float64)
    chosen = rng.random(n) < 0.25
    x[chosen] = rng.choice(SPECIAL, chosen.sum())
    return x


def mixed(*ranges: Callable[..., Array]) -> Callable[..., tuple[Array, ...]]:
    """One argument from each range; every fourth set of arguments is `anything`."""

    def arguments(rng: np.random.Generator, n: int) -> tuple[Array, ...]:
        wild = rng.random(n) < 0.25
        return tuple(np.where(wild, anything(rng, n), draw(rng, n)) for draw in ranges)

    return arguments


def small(*ranges: Callable[..., Array]) -> Callable[..., tuple[Array, ...]]:
    return lambda rng, n: tuple(draw(rng, n) for draw in ranges)


_Z = uniform(-60.0, 60.0)
CASES = {
    "clip01": Case(kernels.clip01, mixed(uniform(-1.0, 2.0))),
    "exp": Case(kernels.exp, mixed(uniform(-750.0, 715.0))),
    "fma": Case(kernels.fma, mixed(uniform(-2.0, 2.0), uniform(-2.0, 2.0), uniform(-2.0, 2.0))),
    "log": Case(kernels.log, mixed(exponents(-1022, 1023))),
    "logistic": Case(kernels.logistic, mixed(_Z, uniform(0.0, 1.0), uniform(0.0, 50.0))),
    "logistic_base2": Case(kernels.logistic_base2, mixed(uniform(-1100.0, 1100.0))),
    "logistic_base2_bounded": Case(kernels.logistic_base2_bounded, small(uniform(-1021.0, 1021.0))),
    "pow": Case(kernels.pow, mixed(exponents(-30, 30), uniform(-30.0, 30.0))),
    "sincospi": Case(kernels.sincospi, mixed(uniform(-4.0, 4.0)), 2),
    "standard_logistic": Case(kernels.standard_logistic, mixed(uniform(-750.0, 60.0))),
    "minus_two_log": Case(vecmath.minus_two_log, small(uniform(0.0, 1.0))),
    "sincospi_small": Case(vecmath.sincospi_small, small(uniform(0.0, 2.0)), 2),
}
RANDOM = {"uniforms": 2, "normals": 2, "exponential": 1}


@cache
def lane_loop(function: Any, n_arguments: int, n_results: int) -> Any:
    """Return ``run(results, arguments)``, a compiled loop that calls `function` lane by lane."""
    arguments = ", ".join(f"a{i}[lane]" for i in range(n_arguments))
    results = ", ".join(f"r{i}[lane]" for i in range(n_results))
    lines = [f"a{i} = arguments[{i}]" for i in range(n_arguments)]
    lines += [f"r{i} = results[{i}]" for i in range(n_results)]
    lines += ["for lane in range(results.shape[1]):", f"    {results} = function({arguments})"]
    return _compiled("run(results, arguments)", lines, function=function)


@cache
def random_loop(name: str) -> Any:
    """Return ``run(results, key0, key1, low, high, purpose, step, member)``, a loop over `low`."""
    results = ", ".join(f"r{i}[lane]" for i in range(RANDOM[name]))
    lines = [f"r{i} = results[{i}]" for i in range(RANDOM[name])]
    lines += ["for lane in range(results.shape[1]):"]
    lines += ["    stream = Stream(key0, key1, low[lane], high)"]
    lines += [f"    {results} = draw(stream, purpose, step, member)"]
    header = "run(results, key0, key1, low, high, purpose, step, member)"
    return _compiled(header, lines, draw=getattr(kernels, name), Stream=Stream)


def _compiled(header: str, lines: list[str], **names: Any) -> Any:
    exec("\n    ".join([f"def {header}:", *lines]), names)
    return numba.njit(error_model="numpy")(names["run"])


def evaluate(name: str, arguments: tuple[Array, ...]) -> Array:
    """Return the results of a case's function, shape (n_results, n), from the compiled loop."""
    case = CASES[name]
    stacked = np.array(arguments, dtype=np.float64)
    results = np.empty((case.n_results, stacked.shape[1]))
    lane_loop(case.function, len(arguments), case.n_results)(results, stacked)
    return results


def same_bits(x: Any, y: Any) -> bool:
    """Whether two arrays have equal bits, counting every NaN as the same."""
    x, y = np.array(x, dtype=np.float64), np.array(y, dtype=np.float64)
    return bool(np.all((x.view(np.int64) == y.view(np.int64)) | (np.isnan(x) & np.isnan(y))))


def packed_doubles(run: Any) -> dict[str, int]:
    """Return how many packed double instructions of each width the code of `run` has."""
    code = "\n".join(run.inspect_asm().values())
    arithmetic = r"\sv(?:fn?m|add|sub|mul|div|min|max|cmp)\w*pd\s[^\n]*%"
    return {width: len(re.findall(arithmetic + width, code)) for width in ("ymm", "zmm")}


@cache
def outcome(n: int = 20_000) -> dict[str, Any]:
    """Return, per function, a digest of the bits of its results and its packed instructions."""
    found = {}
    for number, (name, case) in enumerate(CASES.items()):
        arguments = np.array(case.arguments(np.random.default_rng(number), n))
        results = np.empty((case.n_results, n))
        run = lane_loop(case.function, len(arguments), case.n_results)
        run(results, arguments)
        found[name] = {"digest": _digest(results), **packed_doubles(run)}
    for name, n_results in RANDOM.items():
        results = np.empty((n_results, n))
        run = random_loop(name)
        run(results, 123, 456, np.arange(n), 7, 2, 99, 5)
        found[name] = {"digest": _digest(results), **packed_doubles(run)}
    return found


def _digest(results: Array) -> str:
    # which NaN comes out of an operation on two is left open by IEEE 754
    return hashlib.sha256(np.where(np.isnan(results), np.nan, results).tobytes()).hexdigest()


if __name__ == "__main__":
    print(json.dumps(outcome()))
