"""Marks the members of highest score, in time that does not depend on their order.

The threshold is found by bisection over the bits of the scores, which are ordered as integers:
no sorting, no scratch beyond the keys, and counting vectorises.
"""

from __future__ import annotations

import numba
import numpy as np

from fastalliance.kernels.accelerate import inline_only
from fastalliance.kernels.intrinsics import float_bits

_NOT_ELIGIBLE = -(2**63)
_MAGNITUDE = 0x7FFFFFFFFFFFFFFF


@numba.njit(nogil=True, error_model="numpy", no_cfunc_wrapper=True)
def mark_highest(scores, wanted, keys, marks):
    """Mark the members of highest score by 1.0 and all others by 0.0.

    Parameters
    ----------
    scores : float64 (lane, member)
        Minus infinity or NaN: not eligible.
    wanted : int64 (lane)
        How many to mark; all eligible ones where there are fewer.
    keys : int64 (member)
        Scratch.
    marks : float64 (member, lane)
        Set here. Of equal scores, members of lower index come first.
    """
    n_members = scores.shape[1]
    for lane in range(scores.shape[0]):
        low, high = _MAGNITUDE, _NOT_ELIGIBLE
        for i in range(n_members):
            score = scores[lane, i] + 0.0  # +0.0 for -0.0
            bits = float_bits(score)
            ordered = bits ^ ((bits >> 63) & _MAGNITUDE)
            eligible = score > -np.inf
            key = ordered if eligible else _NOT_ELIGIBLE
            keys[i] = key
            low = min(low, ordered if eligible else _MAGNITUDE)
            high = max(high, key)
        if low < _MAGNITUDE and _number(keys, n_members, high) >= wanted[lane]:
            low = high
        # from now on at least `wanted` keys, or all eligible ones, reach low, and fewer high
        while low < high and high != low + 1:
            middle = (low >> 1) + (high >> 1) + (low & high & 1)
            number = _number(keys, n_members, middle)
            if number >= wanted[lane]:
                low = middle
            else:
                high = middle
            if number == wanted[lane]:
                break
        left = wanted[lane]
        for i in range(n_members):
            above = keys[i] > low
            left -= 1 if above else 0
            marks[i, lane] = 1.0 if above else 0.0
        i = 0
        while i < n_members and left > 0 and low < _MAGNITUDE:
            if keys[i] == low:
                marks[i, lane] = 1.0
                left -= 1
            i += 1


@inline_only
def _number(keys, n_members, bound):
    """Return how many keys reach a bound."""
    number = 0
    for i in range(n_members):
        number += 1 if keys[i] >= bound else 0
    return number
