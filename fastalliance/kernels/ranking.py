"""Marks the members of highest score, in time that does not depend on their order.

The threshold is found by bisection over the bits of the scores, which are ordered as integers:
no sorting, no scratch beyond the keys, and counting vectorises.
"""

from __future__ import annotations

import numba
import numpy as np

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
            ordered = bits if bits >= 0 else bits ^ _MAGNITUDE
            keys[i] = ordered if score > -np.inf else _NOT_ELIGIBLE
            low = ordered if score > -np.inf and ordered < low else low
            high = ordered if score > -np.inf and ordered > high else high
        high += 1  # from now on at least `wanted` keys, or all eligible ones, reach low; none high
        while low < _MAGNITUDE and high != low + 1:
            middle = (low >> 1) + (high >> 1) + (low & high & 1)
            number = 0
            for i in range(n_members):
                number += 1 if keys[i] >= middle else 0
            if number >= wanted[lane]:
                low = middle
            else:
                high = middle
            if number == wanted[lane]:
                break
        left = wanted[lane]
        for i in range(n_members):
            left -= 1 if keys[i] > low else 0
        for i in range(n_members):
            tied = keys[i] == low and low < _MAGNITUDE and left > 0
            left -= 1 if tied else 0
            marks[i, lane] = 1.0 if tied or keys[i] > low else 0.0
