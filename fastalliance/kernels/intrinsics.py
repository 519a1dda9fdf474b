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
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

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


def _stack_array(kind, element):
    """Return an intrinsic (lanes), literal, that gives an array of the function's stack.

    Nothing else can point into it, so LLVM keeps a loop over lanes free of checks for overlap: 830
    against 120 M member-steps/s for 8 lanes. It must not be returned or passed to a function that
    is not inlined.
    """

    def stack_array(typingctx, lanes):
        if not isinstance(lanes, types.IntegerLiteral):
            return None
        n_lanes = lanes.literal_value
        array_type = types.Array(kind, 1, "C")

        def codegen(context, builder, signature, args):
            with builder.goto_entry_block():
                block = builder.alloca(ir.ArrayType(element, n_lanes))
                block.align = 64
            size, width = (ir.Constant(context.get_value_type(types.intp), n) for n in (n_lanes, 8))
            array = make_array(array_type)(context, builder)
            populate_array(
                array,
                data=builder.bitcast(block, element.as_pointer()),
                shape=cgutils.pack_array(builder, [size]),
                strides=cgutils.pack_array(builder, [width]),
                itemsize=width,
                meminfo=None,
                parent=None,
            )
            return array._getvalue()

        return array_type(lanes), codegen

    return intrinsic(prefer_literal=True)(stack_array)


stack_floats = _stack_array(types.float64, ir.DoubleType())
stack_integers = _stack_array(types.int64, ir.IntType(64))


@intrinsic
def shaped(typingctx, flat, first, second, third):
    """Return a float64 array's data as one of three dimensions, in C order.

    Where dimensions are constants, LLVM knows how far fields lie apart and needs no checks for
    overlap; of an argument's own shape it knows nothing. The array must outlive its view.
    """
    array_type = types.Array(types.float64, 3, "C")

    def codegen(context, builder, signature, args):
        given = make_array(signature.args[0])(context, builder, args[0])
        size = context.get_value_type(types.intp)
        width = ir.Constant(size, 8)
        shape = [
            context.cast(builder, value, kind, types.intp)
            for value, kind in zip(args[1:], signature.args[1:], strict=True)
        ]
        row = builder.mul(shape[2], width)
        array = make_array(array_type)(context, builder)
        populate_array(
            array,
            data=given.data,
            shape=cgutils.pack_array(builder, shape),
            strides=cgutils.pack_array(builder, [builder.mul(shape[1], row), row, width]),
            itemsize=width,
            meminfo=None,
            parent=None,
        )
        return array._getvalue()

    return array_type(flat, first, second, third), codegen


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
    return int(struct.unpack("<q", struct.pack("<d", x))[0])


def _python_bits_float(bits: int) -> float:
    return np.float64(struct.unpack("<d", struct.pack("<Q", bits & _MASK64))[0])


def _python_word(x: int) -> int:
    return int(x) & MASK32


def _python_stack_floats(lanes: int) -> Any:
    return np.zeros(lanes)


def _python_stack_integers(lanes: int) -> Any:
    return np.zeros(lanes, dtype=np.int64)


def _python_shaped(flat: Any, first: int, second: int, third: int) -> Any:
    return flat.reshape(first, second, third)


PYTHON: dict[Any, Callable[..., Any]] = {
    stack_floats: _python_stack_floats,
    stack_integers: _python_stack_integers,
    shaped: _python_shaped,
    fma: _python_fma,
    float_bits: _python_float_bits,
    bits_float: _python_bits_float,
    word: _python_word,
}
