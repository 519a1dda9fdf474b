"""Marks the members of highest score, in time that does not depend on their order.

The threshold is found by bisection over the bits of the scores, which are ordered as integers:
no sorting, no scratch beyond the keys, and counting vectorises.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from fastalliance.kernels.intrinsics import float_bits

_NOT_ELIGIBLE = -(2**63)
_MAGNITUDE = 0x7FFFFFFFFFFFFFFF


@numba.njit(nogil=True, error_model="numpy")
def _key(score):
    """Return an integer that is ordered as the score is; the least one where it is -inf or NaN."""
    if not score > -math.inf:
        return _NOT_ELIGIBLE
    bits = float_bits(score + 0.0)  # +0.0 for -0.0
    return bits if bits >= 0 else bits ^ _MAGNITUDE


@numba.njit(nogil=True, error_model="numpy")
def _count_from(keys, least):
    number = 0
    for i in range(keys.size):
        number += 1 if keys[i] >= least else 0
    return number


@numba.njit(nogil=True, error_model="numpy")
def _threshold(keys, wanted):
    """Return a key that at least `wanted` reach and fewer exceed; else the least eligible one."""
    low, high = _MAGNITUDE, _NOT_ELIGIBLE
    for i in range(keys.size):
        if keys[i] != _NOT_ELIGIBLE:
            low = min(low, keys[i])
            high = max(high, keys[i])
    if low >= high:
        return low
    high += 1
    while high != low + 1:
        middle = (low >> 1) + (high >> 1) + (low & high & 1)
        number = _count_from(keys, middle)
        if number == wanted:
            return middle
        if number > wanted:
            low = middle
        else:
            high = middle
    return low


@numba.njit(nogil=True, error_model="numpy")
def mark_highest(scores, wanted, members, field):
    """Set a field of the members of highest score to 1.0 and of all others to 0.0.

    Parameters
    ----------
    scores : float64 (lane, member)
        Minus infinity or NaN: not eligible.
    wanted : int64 (lane)
        How many to mark; all eligible ones where there are fewer.
    members : float64 (member, field, lane)
    field : int
        Of equal scores, members of lower index come first.
    """
    keys = np.empty(scores.shape[1], np.int64)
    for lane in range(scores.shape[0]):
        for i in range(keys.size):
            keys[i] = _key(scores[lane, i])
        threshold = _threshold(keys, wanted[lane])
        left = wanted[lane]
        for i in range(keys.size):
            left -= 1 if keys[i] > threshold else 0
        for i in range(keys.size):
            tied = keys[i] == threshold and threshold != _NOT_ELIGIBLE and left > 0
            left -= 1 if tied else 0
            members[i, field, lane] = 1.0 if tied or keys[i] > threshold else 0.0
