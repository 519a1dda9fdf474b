"""The random numbers: known answers, addresses, and their definition, bit for bit."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath
import numba
import numpy as np
import pytest

from fastalliance import kernels
from fastalliance.kernels import Stream, philox
from fastalliance.kernels.interpret import interpreted
from tests.oracle import philox as twin
from tests.unit.kernel_cases import RANDOM, lane_loop, random_loop

FULL = 0xFFFFFFFF
Address = tuple[int, int, int, int, int]

# Random123's kat_vectors: counter, key, output
KNOWN_ANSWERS = [
    (
        (0, 0, 0, 0),
        (0, 0),
        (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
    ),
    (
        (FULL, FULL, FULL, FULL),
        (FULL, FULL),
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@numba.njit
def words(c0, c1, c2, c3, k0, k1):
    return kernels.philox4x32(c0, c1, c2, c3, k0, k1)


def draw(name: str, address: Address) -> list[float]:
    seed, instance, purpose, step, member = address
    results = np.empty((RANDOM[name], 1))
    low = np.array([instance & FULL])
    random_loop(name)(results, seed & FULL, seed >> 32, low, instance >> 32, purpose, step, member)
    return [float(x) for x in results[:, 0]]


def addresses(n: int) -> list[Address]:
    """The first and the last (seed, instance, purpose, step, member), and random ones."""
    rng = np.random.default_rng(3)
    last = np.array([2**64 - 1, 2**56 - 1, 2**8 - 1, 2**32 - 1, 2**32 - 1], dtype=np.uint64)
    between = rng.integers(0, last, (n - 2, 5), dtype=np.uint64, endpoint=True)
    return [tuple(row) for row in np.vstack([0 * last, last, between]).tolist()]


@pytest.mark.parametrize(("counter", "key", "output"), KNOWN_ANSWERS)
def test_philox4x32__known_answers(counter: Any, key: Any, output: Any) -> None:
    assert words(*counter, *key) == output
    assert interpreted(kernels.philox4x32)(*counter, *key) == output


@pytest.mark.parametrize("kind", [np.int64, np.uint64, np.uint32, np.int32])
def test_philox4x32__takes_integers_of_any_type_together(kind: Any) -> None:
    counter, key, output = KNOWN_ANSWERS[2]
    c0, c1, c2, c3 = np.array(counter, dtype=np.uint64).astype(kind)
    assert words(c0, 0x85A308D3, np.uint64(counter[2]), c3, key[0], np.uint32(key[1])) == output
    assert words(np.int64(counter[0]), c1, c2, counter[3], *map(np.uint64, key)) == output


@pytest.mark.parametrize("name", ["uniforms", "normals"])
def test_draws__are_the_twins(name: str) -> None:
    for address in addresses(500):
        expected = getattr(twin, name)(*address)
        if name == "uniforms":
            assert draw(name, address) == list(expected)
        else:
            assert draw(name, address) == pytest.approx(expected, rel=1e-14, abs=2e-15)


def test_uniforms__equal_their_definition_exactly() -> None:
    pairs = np.random.default_rng(4).integers(0, 2**32, (500, 2)).tolist()
    run = interpreted(philox._uniform)
    for high, low in [(0, 0), (FULL, FULL), (0, FULL), (FULL, 0), (1 << 31, 0), *pairs]:
        exact = (Fraction((high << 20) ^ (low >> 12)) + Fraction(1, 2)) / 2**52
        assert Fraction(run(high, low)) == exact
        assert 0 < exact < 1


def test_uniforms__compiled_extremes_lie_inside() -> None:
    run = numba.njit(lambda high, low: philox._uniform(high, low))
    assert run(0, 0) == 2.0**-53
    assert run(FULL, FULL) == 1.0 - 2.0**-53


def test_normals__are_box_and_mullers_pair_of_the_uniforms() -> None:
    for address in addresses(300):
        u0, u1 = map(mpmath.mpf, draw("uniforms", address))
        with mpmath.workprec(120):
            radius = mpmath.sqrt(-2 * mpmath.log(u0))
            exact = radius * mpmath.cospi(2 * u1), radius * mpmath.sinpi(2 * u1)
        for z, expected in zip(draw("normals", address), exact, strict=True):
            assert abs(z / expected - 1) < 4e-16  # 3 ulp: logarithm and root, cosine, product


def test_normals__are_finite_at_the_ends_of_the_uniforms() -> None:
    u = np.array([[2.0**-53, 1.0 - 2.0**-53]])
    results = np.empty((1, 2))
    lane_loop(philox.minus_two_log, 1, 1)(results, u)
    assert np.sqrt(results[0]) == pytest.approx([8.571674348652905, 1.4901161193847656e-08])


def test_exponential__is_minus_the_logarithm_of_the_first_uniform() -> None:
    for address in addresses(300):
        u0, _ = draw("uniforms", address)
        with mpmath.workprec(120):
            exact = -mpmath.log(mpmath.mpf(u0))
        (value,) = draw("exponential", address)
        assert abs(value - exact) <= np.spacing(float(exact))


@pytest.mark.parametrize("name", RANDOM)
def test_draws__interpreted_have_the_bits_of_the_compiled(name: str) -> None:
    python = interpreted(getattr(kernels, name))
    for seed, instance, purpose, step, member in addresses(60):
        stream = Stream(seed & FULL, seed >> 32, instance & FULL, instance >> 32)
        expected = draw(name, (seed, instance, purpose, step, member))
        result = python(stream, purpose, step, member)
        assert list(result if isinstance(result, tuple) else (result,)) == expected


def test_draws__an_instance_has_56_bits() -> None:
    for name in RANDOM:
        assert draw(name, (5, 2**63 + 2**56 + 6, 7, 8, 9)) == draw(name, (5, 6, 7, 8, 9))


def test_draws__every_part_of_the_address_matters() -> None:
    base = (5, 6, 7, 8, 9)
    neighbours = {tuple(draw("uniforms", base))}
    for part, bits in enumerate((64, 56, 8, 32, 32)):
        for bit in range(bits):
            changed = list(base)
            changed[part] ^= 1 << bit
            neighbours.add(tuple(draw("uniforms", tuple(changed))))
    assert len(neighbours) == 1 + 64 + 56 + 8 + 32 + 32
