"""A battery for the random numbers as models use them: streams interleaved along an axis.

Blocks of draws are taken along each part of the address (seeds, instances, purposes, steps,
members), because a counter-based generator could be sound along one axis and not along another.
Every check compares a statistic with its exact distribution under independence and fails for a
sound generator with probability 5e-9 (|z| < LIMIT, or a p-value above P_LIMIT); where a check has
many cells its limit is that of the largest. The file as a whole raises a false alarm on a fresh
seed less than once in 10^5 runs; the seed is fixed.
"""

from __future__ import annotations

import math

import numba
import numpy as np
import pytest
from scipy import stats

from fastalliance import kernels
from fastalliance.kernels import Stream
from tests.chance import LIMIT, SEED

P_LIMIT = 5e-9
LENGTH = 2**20
AXES = ("seed", "instance", "high instance", "step", "member")
Array = np.ndarray


@numba.njit(error_model="numpy")
def _words(addresses, out):
    for i in range(addresses.shape[1]):
        c0, c1, c2, c3, k0, k1 = addresses[:, i]
        out[0, i], out[1, i], out[2, i], out[3, i] = kernels.philox4x32(c0, c1, c2, c3, k0, k1)


@numba.njit(error_model="numpy")
def _draws(kind, stream, axis, first, out):
    u, v = out[0], out[1]
    for i in range(out.shape[1]):
        n = first + i
        s = Stream(
            stream.key0 + n if axis == 0 else stream.key0,
            stream.key1,
            stream.instance_low + n if axis == 1 else stream.instance_low,
            stream.instance_high + n if axis == 2 else stream.instance_high,
        )
        step = n if axis == 3 else 17
        member = n if axis == 4 else 0
        if kind == 0:
            u[i], v[i] = kernels.uniforms(s, 3, step, member)
        else:
            u[i], v[i] = kernels.normals(s, 3, step, member)


def words(addresses: Array) -> Array:
    """Return the four words at each address (c0, c1, c2, c3, k0, k1), shape (4, n)."""
    out = np.empty((4, addresses.shape[1]), np.int64)
    _words(addresses.astype(np.int64), out)
    return out


def uniforms(axis: str, n: int = LENGTH) -> Array:
    """Return n pairs of uniforms along an axis of the address, shape (2, n)."""
    return _along(axis, n, kind=0)


def normals(axis: str, n: int = LENGTH) -> Array:
    return _along(axis, n, kind=1)


def _along(axis: str, n: int, kind: int) -> Array:
    out = np.empty((2, n))
    _draws(kind, Stream(SEED, 1, 0, 0), AXES.index(axis), 0, out)
    return out


def along(axis: str, n: int) -> Array:
    """Return the addresses of n draws along an axis, shape (6, n)."""
    addresses = np.zeros((6, n), np.int64)
    addresses[4], addresses[5], addresses[2] = SEED, 1, 17
    row = {"seed": 4, "instance": 0, "high instance": 1, "step": 2, "member": 3}[axis]
    addresses[row] = np.arange(n)
    return addresses


def z_limit(n_cells: int) -> float:
    """Return the limit for the largest |z| of `n_cells`, at the same false-alarm rate."""
    return float(stats.norm.isf(P_LIMIT / n_cells / 2))


def z_of_correlation(x: Array, y: Array) -> float:
    return float(np.corrcoef(x, y)[0, 1]) * math.sqrt(x.size)


def n_repeated(numbers: Array) -> int:
    return int(np.count_nonzero(np.diff(np.sort(numbers)) == 0))


@pytest.mark.parametrize("axis", AXES)
def test_bits__are_balanced_and_independent(axis: str) -> None:
    out = words(along(axis, 2**16)).astype(np.uint32).T.copy()
    bits = np.unpackbits(out.view(np.uint8), axis=1).astype(np.float32)
    centred = 2.0 * bits - 1.0
    n = len(centred)
    balance = centred.sum(axis=0) / math.sqrt(n)
    assert np.abs(balance).max() < z_limit(balance.size)
    pairs = (centred.T @ centred)[np.triu_indices(128, 1)] / math.sqrt(n)
    assert np.abs(pairs).max() < z_limit(pairs.size)
    following = (centred[:-1].T @ centred[1:]) / math.sqrt(n - 1)
    assert np.abs(following).max() < z_limit(following.size)


@pytest.mark.parametrize("axis", AXES)
def test_uniforms__moments_and_correlations(axis: str) -> None:
    u = uniforms(axis)
    n = u.shape[1]
    scores = [(row.mean() - 0.5) * math.sqrt(12 * n) for row in u]
    scores += [(np.mean((row - 0.5) ** 2) - 1 / 12) * math.sqrt(180 * n) for row in u]
    scores += [z_of_correlation(u[0], u[1])]
    for lag in (1, 2, 3, 8, 64, 256):
        scores += [z_of_correlation(row[:-lag], row[lag:]) for row in u]
        scores += [z_of_correlation(u[0][:-lag], u[1][lag:])]
    assert max(map(abs, scores)) < LIMIT


@pytest.mark.parametrize("axis", AXES)
def test_uniforms__fill_the_line_and_the_square(axis: str) -> None:
    u = uniforms(axis)
    cells = (u * 64).astype(np.int64)
    fine = (u * 1024).astype(np.int64)
    for index in (
        fine[0],
        fine[1],
        cells[0] * 64 + cells[1],
        cells[0][:-1] * 64 + cells[0][1:],
        cells[1][:-1] * 64 + cells[1][1:],
    ):
        # every 2nd pair only where pairs overlap, so that cells are independent
        counts = np.bincount(index if index.size == u.shape[1] else index[::2])
        assert 1 - P_LIMIT > stats.chisquare(counts).pvalue > P_LIMIT


@pytest.mark.parametrize(("one", "other"), [(a, b) for a in AXES for b in AXES if a < b])
def test_uniforms__streams_along_different_axes_are_uncorrelated(one: str, other: str) -> None:
    first, second = uniforms(one, 2**17)[:, 1:], uniforms(other, 2**17)[:, 1:]
    assert np.all(first != second)
    scores = [z_of_correlation(x, y) for x in first for y in second]
    assert max(map(abs, scores)) < LIMIT


def test_uniforms__purposes_and_neighbouring_points_are_uncorrelated() -> None:
    # purposes live in the top byte of the second word, points 2^24 instances apart
    base = along("step", 2**16)
    blocks = []
    for purpose, instance in [(0, 0), (1, 0), (2, 0), (128, 0), (0, 1), (0, 2**24), (0, 2**32)]:
        block = base.copy()
        block[0], block[1] = instance & 0xFFFFFFFF, instance >> 32 | purpose << 24
        blocks += [*words(block) / 2.0**32]
    correlations = np.corrcoef(blocks)[np.triu_indices(len(blocks), 1)] * math.sqrt(2**16)
    assert np.abs(correlations).max() < z_limit(correlations.size)


def test_avalanche__every_bit_of_counter_and_key_flips_half_of_the_output() -> None:
    n = 2**12
    addresses = np.random.default_rng(SEED).integers(0, 2**32, (6, n))
    before = words(addresses)
    flips = np.empty((192, 128))
    for bit in range(192):
        changed = addresses.copy()
        changed[bit // 32] ^= 1 << bit % 32
        difference = (before ^ words(changed)).astype(np.uint32).T.copy()
        flips[bit] = np.unpackbits(difference.view(np.uint8), axis=1).sum(axis=0)
    cells = (flips - n / 2) / math.sqrt(n / 4)
    assert np.abs(cells).max() < z_limit(cells.size)
    rows = cells.sum(axis=1) / math.sqrt(128)  # the output bits of one flip are independent
    assert np.abs(rows).max() < z_limit(rows.size)


@pytest.mark.parametrize("axis", AXES)
def test_collisions__are_as_many_as_chance_makes(axis: str) -> None:
    n = 2**19
    out = words(along(axis, n))
    expected = n * n / 2 / 2**32  # of 32-bit words, Poisson
    for word in out:
        found = n_repeated(word)
        assert stats.poisson.sf(found - 1, expected) > P_LIMIT
        assert stats.poisson.cdf(found, expected) > P_LIMIT
    assert n_repeated(out[0] << 32 | out[1]) == 0  # of 64-bit words, but for 7e-9


@pytest.mark.parametrize("axis", AXES)
def test_normals__fill_bins_of_equal_probability(axis: str) -> None:
    edges = stats.norm.ppf(np.arange(1, 1000) / 1000)
    for z in normals(axis):
        counts = np.bincount(np.searchsorted(edges, z), minlength=1000)
        assert 1 - P_LIMIT > stats.chisquare(counts).pvalue > P_LIMIT


@pytest.mark.parametrize("axis", AXES)
def test_normals__moments_and_independence(axis: str) -> None:
    z = normals(axis)
    n = z.shape[1]
    scores = [row.mean() * math.sqrt(n) for row in z]
    scores += [(np.mean(row**2) - 1) * math.sqrt(n / 2) for row in z]
    scores += [np.mean(row**3) * math.sqrt(n / 15) for row in z]
    scores += [(np.mean(row**4) - 3) * math.sqrt(n / 96) for row in z]
    scores += [z_of_correlation(z[0], z[1]), z_of_correlation(z[0] ** 2, z[1] ** 2)]
    for lag in (1, 2, 8, 64):
        scores += [z_of_correlation(row[:-lag], row[lag:]) for row in z]
        scores += [z_of_correlation(row[:-lag] ** 2, row[lag:] ** 2) for row in z]
    assert max(map(abs, scores)) < LIMIT


def test_normals__tails_to_five_sigma() -> None:
    n, block = 2**25, 2**19
    sigmas = np.array([1.0, 2.0, 3.0, 4.0, 4.5, 5.0])
    above, below = np.zeros(6, np.int64), np.zeros(6, np.int64)
    out = np.empty((2, block))
    for first in range(0, n, block):
        _draws(1, Stream(SEED, 2, 0, 0), AXES.index("instance"), first, out)
        large = np.abs(out) > 1.0
        z = out[large]
        above += [np.count_nonzero(z > sigma) for sigma in sigmas]
        below += [np.count_nonzero(z < -sigma) for sigma in sigmas]
    for found in (above, below):
        for count, tail in zip(found.tolist(), stats.norm.sf(sigmas), strict=True):
            assert stats.binom.sf(count - 1, 2 * n, tail) > P_LIMIT
            assert stats.binom.cdf(count, 2 * n, tail) > P_LIMIT
