"""The jit options of every compiled scalar function, in one place.

`forceinline`, because LLVM vectorises a loop over lanes only where the formulas are inlined into
it; `error_model="numpy"`, because a kernel never raises: a division by zero is an IEEE infinity or
NaN. No fastmath flag, here or anywhere: contraction and reassociation would let the bits of a
result depend on the machine.
"""

from __future__ import annotations

import numba

inline = numba.njit(forceinline=True, error_model="numpy")
