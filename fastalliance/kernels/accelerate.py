"""The jit options of every compiled scalar function, in one place.

`forceinline`, because LLVM vectorises a loop over lanes only where the formulas are inlined into
it; `error_model="numpy"`, because a kernel never raises: a division by zero is an IEEE infinity or
NaN. No fastmath flag, here or anywhere: contraction and reassociation would let the bits of a
result depend on the machine.
"""

from __future__ import annotations

import numba

inline = numba.njit(forceinline=True, error_model="numpy", no_cfunc_wrapper=True)

# of what nothing but compiled code calls: a sixth less time to compile a driver
inline_only = numba.njit(
    forceinline=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True
)

# of a line or two that is called with many literals: numba compiles a function for each of them
inline_source = numba.njit(inline="always", error_model="numpy")
