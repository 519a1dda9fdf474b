"""Branch-free elementary functions that vectorise when called in a loop over lanes.

Only + - * /, sqrt, comparisons that become selects, bit casts and an explicit `fma`: the same
bits on every machine with IEEE 754 arithmetic and fused multiply-add. Ranges, errors and how the
coefficients were made: ``docs/decisions/vecmath.md``.
"""

from __future__ import annotations

import math

from fastalliance.kernels.accelerate import inline, inline_only
from fastalliance.kernels.intrinsics import bits_float, float_bits, fma

_LOG2_E = 1.4426950408889634
_LN2 = 0.6931471805599453
_LN2_TAIL = 2.3190468138462996e-17  # ln 2 - _LN2
_ROUND = 6755399441055744.0  # 1.5 * 2^52: adding it leaves the nearest integer in the low bits
_INFINITY = math.inf
_NAN = math.nan

_MANTISSA = 0x000FFFFFFFFFFFFF
_SIGN = 0x8000000000000000 - 0x10000000000000000  # the sign bit, as an int64


@inline
def clip01(x):
    """Return `x` limited to 0..1; NaN stays NaN."""
    return 0.0 if x < 0.0 else 1.0 if x > 1.0 else x


@inline_only
def _clamp(x, low, high):
    """Return `x` limited to low..high, NaN unchanged: one vminpd and one vmaxpd."""
    x = high if high < x else x
    return low if low > x else x


@inline_only
def _exp_kernel(r):
    """Return (exp(r) - 1 - r) / r^2 for abs(r) <= ln(2) / 2."""
    q = fma(r, 2.4978163421203375e-08, 2.762520145340023e-07)
    q = fma(r, q, 2.755764169118905e-06)
    q = fma(r, q, 2.4801508646756494e-05)
    q = fma(r, q, 0.0001984126946515029)
    q = fma(r, q, 0.001388888892682356)
    q = fma(r, q, 0.008333333333500571)
    q = fma(r, q, 0.041666666666603895)
    q = fma(r, q, 0.16666666666666433)
    return fma(r, q, 0.5)


_SPLIT_ROUND = _ROUND + 2046.0  # both halves of k + 2046 are biased exponents


@inline_only
def _scale(p, t):
    """Return p * 2^k, gradual below and infinite above, for t = _SPLIT_ROUND + k."""
    k = float_bits(t) & 0xFFF
    half = k >> 1
    return p * bits_float(half << 52) * bits_float((k - half) << 52)


@inline
def exp(x):
    """Return e to the power `x`: <= 1 ulp; inf above 709.78, gradual to 0 below -708.4."""
    x = _clamp(x, -746.0, 710.0)
    t = fma(x, _LOG2_E, _SPLIT_ROUND)
    k = t - _SPLIT_ROUND
    r = fma(-k, _LN2_TAIL, fma(-k, _LN2, x))
    p = fma(r, fma(r, _exp_kernel(r), 1.0), 1.0)
    return _scale(p, t)


@inline_only
def _exp_sum(high, low):
    """Return exp(high + low) for abs(high) <= 800 and a `low` below an ulp of `high`."""
    t = fma(high, _LOG2_E, _SPLIT_ROUND)
    k = t - _SPLIT_ROUND
    r_high = fma(-k, _LN2, high)
    r_low = fma(-k, _LN2_TAIL, low)
    r = r_high + r_low
    r_low = (r_high - r) + r_low
    return _scale(1.0 + (r + fma(r * r, _exp_kernel(r), r_low)), t)


_HALF_SHIFT = 0x00095F619980C433  # bits of 1.0 minus bits of sqrt(1/2)
_SQRT_HALF = 0x3FE6A09E667F3BCD
_EXPONENT_OF_2_52 = 0x4330000000000000
_LN2_HIGH = 0.6931471805592082  # 40 bits: k * _LN2_HIGH is exact
_LN2_LOW = 7.371002565167799e-13


@inline_only
def _split(x):
    """Return (m, k): x = m * 2^k with m in [sqrt(1/2), sqrt(2)), for positive normal `x`."""
    shifted = float_bits(x) + _HALF_SHIFT
    m = bits_float((shifted & _MANTISSA) + _SQRT_HALF)
    biased = (shifted >> 52) & 0xFFF
    return m, bits_float(biased | _EXPONENT_OF_2_52) - (4503599627370496.0 + 1023.0)


@inline_only
def _log_kernel(z):
    """Return 2 (2 atanh(s) - 2 s) / s^3 for z = s^2, abs(s) <= (sqrt(2) - 1) / (sqrt(2) + 1)."""
    r = fma(z, 0.2959143932831487, 0.3062815069476214)
    r = fma(z, r, 0.3636712619096681)
    r = fma(z, r, 0.44444397202662356)
    r = fma(z, r, 0.5714285748411126)
    r = fma(z, r, 0.799999999988331)
    return fma(z, r, 1.3333333333333468)


@inline_only
def _scaled_split(x):
    """Return (m, k) as `_split` does, for subnormal `x` too."""
    tiny = x < 2.2250738585072014e-308
    m, k = _split(x * 18014398509481984.0 if tiny else x)
    return m, k - 54.0 if tiny else k


@inline
def log(x):
    """Return the natural logarithm: <= 1 ulp; -inf at 0, NaN below, inf at inf."""
    m, k = _scaled_split(x)
    f = m - 1.0
    s = f / (m + 1.0)
    z = s * s
    # ln(1 + f) = f - s (f - z R(z)): the rounding of s weighs little
    low = fma(-s, fma(z * -0.5, _log_kernel(z), f), k * _LN2_LOW)
    big = k * _LN2_HIGH
    high = big + f
    y = high + (((big - high) + f) + low)
    y = y if x < _INFINITY else x
    return y if x > 0.0 else -_INFINITY if x == 0.0 else _NAN


@inline
def minus_two_log(u):
    """Return -2 ln(u) for `u` in (0, 1), normal: <= 1 ulp, no special cases."""
    m, k = _split(u)
    f = fma(-2.0, m, 2.0)
    s = f / fma(2.0, m, 2.0)
    z = s * s
    low = fma(s, fma(z, _log_kernel(z), f), k * (-2.0 * _LN2_LOW))
    return fma(k, -2.0 * _LN2_HIGH, f + low)


_PI = 3.141592653589793
_PI_TAIL = 1.2246467991473532e-16


@inline
def sincospi_small(x):
    """Return (sin(pi x), cos(pi x)) for abs(x) < 2^49: <= 1 ulp."""
    t = fma(2.0, x, _ROUND)
    f = fma(-0.5, t - _ROUND, x)  # x = f + q / 2, abs(f) <= 1/4, q in the low bits of t
    z = f * f
    a = fma(z, 0.00046157059326923383, -0.0073700297487736665)
    a = fma(z, a, 0.08214586984468453)
    a = fma(z, a, -0.5992645289657843)
    a = fma(z, a, 2.5501640398738794)
    a = fma(z, a, -5.167712780049959)
    sine = fma(f, _PI, f * fma(z, a, _PI_TAIL))
    b = fma(z, -0.00010306280428125272, 0.00192935629662956)
    b = fma(z, b, -0.025806876367929003)
    b = fma(z, b, 0.23533062980325292)
    b = fma(z, b, -1.3352627688437357)
    b = fma(z, b, 4.058712126416668)
    b = fma(z, b, -4.934802200544679)
    cosine = fma(z, b, 1.0)
    q = float_bits(t)
    odd = (q & 1) != 0
    first = cosine if odd else sine
    second = sine if odd else cosine
    sine_sign = (q << 62) & _SIGN
    cosine_sign = ((q + 1) << 62) & _SIGN
    return bits_float(float_bits(first) ^ sine_sign), bits_float(float_bits(second) ^ cosine_sign)


_ROUND_TO_4 = 27021597764222976.0  # 1.5 * 2^54: adding and subtracting it rounds to multiples of 4


@inline
def sincospi(x):
    """Return (sin(pi x), cos(pi x)): <= 1 ulp for every finite `x`; NaN for inf and NaN.

    A zero's sign is unspecified, but for sin(0) = 0 and sin(-0.0) = -0.0.
    """
    # exact, and far beyond 2^54 still a small multiple of 4
    return sincospi_small(x - ((x + _ROUND_TO_4) - _ROUND_TO_4))


@inline
def standard_logistic(z):
    """Return 1 / (1 + exp(-z)): <= 2.5 ulp.

    Exactly 0.5 at 0, exactly 1 above 38, exactly 0 below -709.5.
    """
    z = _clamp(z, -710.0, 708.0)
    t = fma(z, -_LOG2_E, _ROUND + 1023.0)
    k = t - (_ROUND + 1023.0)
    r = fma(-k, _LN2_TAIL, fma(-k, _LN2, -z))
    # exp(r) = (even + r odd) / (even - r odd), that is tanh(r / 2) = r odd / even, a rational
    # function; the division is needed anyhow
    square = r * r
    even = fma(square, fma(square, 0.0009917522374109965, 0.1111079981582653), 1.0)
    odd = fma(square, fma(square, 3.3042862035950095e-05, 0.013887332412467092), 0.5)
    below = fma(-r, odd, even)
    return below / fma(bits_float(float_bits(t) << 52), fma(r, odd, even), below)


@inline
def logistic(x, midpoint, steepness):
    """Return 1 / (1 + exp(-steepness * (x - midpoint))).

    Exactly 0.5 where the steepness is 0, exactly 0 or 1 where the exponential overflows.
    """
    return standard_logistic(steepness * (x - midpoint))


@inline
def logistic_base2_bounded(y):
    """Return 1 / (1 + 2^y) for abs(y) <= 1021; see `logistic_base2`."""
    t = y + (_ROUND + 1023.0)
    r = y - (t - (_ROUND + 1023.0))
    # 2^r = (even + r odd) / (even - r odd), as in `standard_logistic`
    square = r * r
    even = fma(square, fma(square, 0.00022893122549276097, 0.05338217258555654), 1.0)
    odd = fma(square, fma(square, 5.286947067369043e-06, 0.004624824043716434), 0.34657359027997264)
    below = fma(-r, odd, even)
    return below / fma(bits_float(float_bits(t) << 52), fma(r, odd, even), below)


@inline
def logistic_base2(y):
    """Return 1 / (1 + 2^y), the logistic curve of an exponent that is scaled by log2(e) already.

    Where the scale can be folded into constants it is cheaper than `logistic`. Exactly 0.5 at 0
    and 1 below -55; above 1021 it stays at 4e-308.
    """
    return logistic_base2_bounded(_clamp(y, -1021.0, 1021.0))


@inline_only
def _log_sum(x):
    """Return ln(x) as an unevaluated sum high + low, relative error about 2^-68."""
    m, k = _scaled_split(x)
    f = m - 1.0
    d = m + 1.0
    d_low = m - (d - 1.0)
    reciprocal = 1.0 / d
    s = f * reciprocal
    s_low = fma(-s, d_low, fma(-s, d, f)) * reciprocal
    z = s * s
    z_low = fma(s, s, -z) + 2.0 * s * s_low
    p = fma(z, 0.11911168103889769, 0.11685017724021857)
    p = fma(z, p, 0.1333576430891984)
    p = fma(z, p, 0.15384572869121427)
    p = fma(z, p, 0.1818181860583215)
    p = fma(z, p, 0.2222222222000997)
    p = fma(z, p, 0.28571428571433166)
    w = z * p
    u = 0.4 + w
    u_low = (0.4 - u) + w - 2.2204460492503132e-17
    v = z * u
    v_low = fma(z, u, -v) + fma(z, u_low, z_low * u)
    c = 0.6666666666666666 + v
    c_low = (0.6666666666666666 - c) + v + (3.700743415417188e-17 + v_low)
    g = z * c
    g_low = fma(z, c, -g) + fma(z, c_low, z_low * c)
    h = s * g
    h_low = fma(s, g, -h) + fma(s, g_low, s_low * g)
    two_s = 2.0 * s
    y = two_s + h
    y_low = (two_s - y) + h + fma(2.0, s_low, h_low)
    big = k * _LN2_HIGH
    high = big + y
    return high, (big - high) + y + fma(k, _LN2_LOW, y_low)


@inline
def pow(x, y):
    """Return `x` to the power `y` for x >= 0 (NaN for x < 0): <= 1 ulp.

    1 where y is 0 or x is 1, whatever the other is; 0 to a negative power is inf; the rest as
    IEEE 754 has it.
    """
    high, low = _log_sum(x)
    high = high if x < _INFINITY else x
    high = high if x > 0.0 else -_INFINITY if x == 0.0 else _NAN
    product = y * high
    error = fma(y, high, -product) + y * low
    inside = -800.0 < product < 800.0
    product = _clamp(product, -800.0, 800.0)
    power = _exp_sum(product, error if inside else 0.0)
    return 1.0 if (x == 1.0) | (y == 0.0) else power
