"""Slow, obvious twin of the random numbers: Philox4x32-10 on Python integers.

Written from the conventions that all models share (models/README.md) and from the generator's
paper (Salmon, Moraes, Dror and Shaw, 2011), never from a kernel.
"""

from __future__ import annotations

import math

MASK_32 = 0xFFFFFFFF
MULTIPLIER_0, MULTIPLIER_1 = 0xD2511F53, 0xCD9E8D57
KEY_STEP_0, KEY_STEP_1 = 0x9E3779B9, 0xBB67AE85
ROUNDS = 10

Words = tuple[int, int, int, int]


def philox4x32(counter: Words, key: tuple[int, int]) -> Words:
    """Return the four 32-bit words that Philox4x32-10 gives for `counter` and `key`."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        product_0, product_1 = MULTIPLIER_0 * c0, MULTIPLIER_1 * c2
        c0, c1, c2, c3 = (
            (product_1 >> 32) ^ c1 ^ k0,
            product_1 & MASK_32,
            (product_0 >> 32) ^ c3 ^ k1,
            product_0 & MASK_32,
        )
        k0, k1 = (k0 + KEY_STEP_0) & MASK_32, (k1 + KEY_STEP_1) & MASK_32
    return c0, c1, c2, c3


def words(seed: int, instance: int, purpose: int, step: int, member: int) -> Words:
    """Return the four words at an address: a 64-bit seed and a 56-bit instance number."""
    key = (seed & MASK_32, seed >> 32)
    counter = (
        instance & MASK_32,
        (instance >> 32) & 0xFFFFFF | purpose << 24,
        step,
        member,
    )
    return philox4x32(counter, key)


def uniforms(seed: int, instance: int, purpose: int, step: int, member: int) -> tuple[float, float]:
    """Return the two uniforms, strictly inside (0, 1), at an address."""
    w0, w1, w2, w3 = words(seed, instance, purpose, step, member)
    u0 = ((w0 << 20 ^ w1 >> 12) + 0.5) * 2.0**-52
    u1 = ((w2 << 20 ^ w3 >> 12) + 0.5) * 2.0**-52
    return u0, u1


def normals(seed: int, instance: int, purpose: int, step: int, member: int) -> tuple[float, float]:
    """Return the two independent standard normals at an address (Box and Muller)."""
    u0, u1 = uniforms(seed, instance, purpose, step, member)
    radius = math.sqrt(-2.0 * math.log(u0))
    return radius * math.cos(2.0 * math.pi * u1), radius * math.sin(2.0 * math.pi * u1)


def instance_number(point: int, replicate: int, *, common_random_numbers: bool = False) -> int:
    """Return the instance number of a replicate of a design point."""
    return replicate if common_random_numbers else point * 2**24 + replicate
