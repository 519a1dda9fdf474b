"""The few operations that Python cannot spell: fused multiply-add and bit casts.

Each is one LLVM instruction; beside it stands the pure-Python function with the same bits, which
`fastalliance.kernels.interpret` puts in its place.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

MASK32 = 0xFFFFFFFF
_MASK64 = 0xFFFFFFFFFFFFFFFF


@intrinsic
def fma(typingctx, a, b, c):
    """Return ``a * b + c``, rounded once (IEEE 754 fusedMultiplyAdd)."""

    def codegen(context, builder, signature, args):
        return builder.fma(*args)

    return types.float64(types.float64, types.float64, types.float64), codegen


@intrinsic
def float_bits(typingctx, x):
    """Return the 64 bits of a float64 as an int64."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], context.get_value_type(types.int64))

    return types.int64(types.float64), codegen


@intrinsic
def bits_float(typingctx, bits):
    """Return the float64 that has the 64 bits of an int64."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], context.get_value_type(types.float64))

    return types.float64(types.int64), codegen


@intrinsic
def word(typingctx, x):
    """Return the low 32 bits of any integer, as a non-negative int64.

    Signed and unsigned arguments may be mixed freely (an int64 and a uint64 in one expression
    would become a float64).
    """
    if not isinstance(x, types.Integer | types.IntegerLiteral | types.Boolean):
        return None

    def codegen(context, builder, signature, args):
        value = context.cast(builder, args[0], signature.args[0], types.int64)
        return builder.and_(value, context.get_constant(types.int64, MASK32))

    return types.int64(types.unliteral(x)), codegen


def _python_fma(a: float, b: float, c: float) -> float:
    a, b, c = float(a), float(b), float(c)
    if not (math.isfinite(a) and math.isfinite(b)):
        return np.float64(a) * np.float64(b) + np.float64(c)
    if not math.isfinite(c):
        return np.float64(c)  # whatever the product, even where its rounding would overflow
    a_above, a_below = a.as_integer_ratio()
    b_above, b_below = b.as_integer_ratio()
    c_above, c_below = c.as_integer_ratio()
    product, below = a_above * b_above, a_below * b_below
    above = product * c_below + c_above * below
    if above == 0:  # IEEE has signs for zeros; an exact cancellation is +0
        return np.float64(a) * np.float64(b) + np.float64(c) if product == 0 else np.float64(0.0)
    try:
        return np.float64(above / (below * c_below))  # int / int is rounded correctly, once
    except OverflowError:
        return np.float64(math.inf if above > 0 else -math.inf)


def _python_float_bits(x: float) -> int:
    return int(struct.unpack("<Q", struct.pack("<d", x))[0])


def _python_bits_float(bits: int) -> float:
    return np.float64(struct.unpack("<d", struct.pack("<Q", bits & _MASK64))[0])


def _python_word(x: int) -> int:
    return int(x) & MASK32


PYTHON: dict[Any, Callable[..., Any]] = {
    fma: _python_fma,
    float_bits: _python_float_bits,
    bits_float: _python_bits_float,
    word: _python_word,
}
