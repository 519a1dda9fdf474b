"""Scalar functions for formulas: elementary functions and random numbers that vectorise.

Compiled, branch-free, inlined into the loop over lanes; the same bits on every machine with
IEEE 754 arithmetic and fused multiply-add.
"""

from __future__ import annotations

from fastalliance.kernels.intrinsics import fma
from fastalliance.kernels.philox import (
    Stream,
    box_muller,
    exponential,
    normals,
    philox4x32,
    uniforms,
)
from fastalliance.kernels.vecmath import (
    clip01,
    exp,
    log,
    logistic,
    logistic_base2,
    logistic_base2_bounded,
    pow,
    sincospi,
    standard_logistic,
)

__all__ = [
    "Stream",
    "box_muller",
    "clip01",
    "exp",
    "exponential",
    "fma",
    "log",
    "logistic",
    "logistic_base2",
    "logistic_base2_bounded",
    "normals",
    "philox4x32",
    "pow",
    "sincospi",
    "standard_logistic",
    "uniforms",
]
