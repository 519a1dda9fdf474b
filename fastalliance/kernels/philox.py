"""Counter-based random numbers, Philox4x32-10, addressed by seed, instance, purpose, step, member.

Every draw is a pure function of its address: no state, no order, no thread can change it. Words
are int64 values in 0..2^32-1, so that they vectorise with 32 x 32 -> 64 bit multiplications.

Source: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as
1, 2, 3", SC'11.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from fastalliance.kernels.accelerate import inline, inline_only, inline_source
from fastalliance.kernels.intrinsics import bits_float, word
from fastalliance.kernels.vecmath import minus_two_log, sincospi_small

_EXPONENT_OF_1 = 0x3FF0000000000000


class Stream(NamedTuple):
    """The part of a draw's address that is one replicate's own; four 32-bit words.

    Parameters
    ----------
    key0, key1 : int
        Low and high word of the study's seed.
    instance_low, instance_high : int
        Low 32 and high 24 bits of the instance number.
    """

    key0: int
    key1: int
    instance_low: int
    instance_high: int


@inline_only
def _round(c0, c1, c2, c3, k0, k1):
    product0 = word(c0) * 0xD2511F53
    product1 = word(c2) * 0xCD9E8D57
    return (
        word(product1 >> 32) ^ c1 ^ k0,
        word(product1),
        word(product0 >> 32) ^ c3 ^ k1,
        word(product0),
    )


@inline_source
def _key(k0, k1, i):
    return word(k0 + i * 0x9E3779B9), word(k1 + i * 0xBB67AE85)


@inline
def philox4x32(c0, c1, c2, c3, k0, k1):
    """Return the four words of Philox4x32-10 at a counter, under a key."""
    c0, c1, c2, c3, k0, k1 = word(c0), word(c1), word(c2), word(c3), word(k0), word(k1)
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    a, b = _key(k0, k1, 1)
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, a, b)
    a, b = _key(k0, k1, 2)
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, a, b)
    a, b = _key(k0, k1, 3)
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, a, b)
    a, b = _key(k0, k1, 4)
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, a, b)
    a, b = _key(k0, k1, 5)
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, a, b)
    a, b = _key(k0, k1, 6)
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, a, b)
    a, b = _key(k0, k1, 7)
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, a, b)
    a, b = _key(k0, k1, 8)
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, a, b)
    a, b = _key(k0, k1, 9)
    return _round(c0, c1, c2, c3, a, b)


@inline_only
def _words(stream, purpose, step, member):
    return philox4x32(
        stream.instance_low,
        (word(stream.instance_high) & 0xFFFFFF) | (word(purpose) << 24),
        step,
        member,
        stream.key0,
        stream.key1,
    )


@inline_only
def _uniform(high, low):
    """Return ((high << 20 ^ low >> 12) + 0.5) * 2^-52.

    52 bits become the mantissa of a number in 1..2, and the subtraction is exact; conversions of
    64-bit integers do not exist in AVX2.
    """
    return bits_float((high << 20) | (low >> 12) | _EXPONENT_OF_1) - (1.0 - 2.0**-53)


@inline
def uniforms(stream, purpose, step, member):
    """Return two independent uniforms strictly inside (0, 1).

    Parameters
    ----------
    stream : Stream
        The replicate's part of the address.
    purpose : int
        What the draw is for, 0..255; each model numbers its own.
    step, member : int
        Number of the step, and of the firm, manager or slot (0 where there is none).
    """
    w0, w1, w2, w3 = _words(stream, purpose, step, member)
    return _uniform(w0, w1), _uniform(w2, w3)


@inline
def box_muller(u0, u1):
    """Return two independent standard normals from two independent uniforms inside (0, 1)."""
    radius = math.sqrt(minus_two_log(u0))
    sine, cosine = sincospi_small(u1 + u1)
    return radius * cosine, radius * sine


@inline
def normals(stream, purpose, step, member):
    """Return two independent standard normals (Box and Muller), addressed as `uniforms` are."""
    u0, u1 = uniforms(stream, purpose, step, member)
    return box_muller(u0, u1)


@inline
def exponential(stream, purpose, step, member):
    """Return a standard exponential, -ln of the address's first uniform."""
    w0, w1, _, _ = _words(stream, purpose, step, member)
    return 0.5 * minus_two_log(_uniform(w0, w1))
