/* Inlined, branch-free mathematics and addressed random numbers that compilers vectorise.
 *
 * Polynomials are Chebyshev fits on the reduced range; errors are about one unit in the last place.
 */
#ifndef FASTALLIANCE_VECMATH_H
#define FASTALLIANCE_VECMATH_H

#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define LOG2_E 0x1.71547652b82fep0
#define LN_2 0x1.62e42fefa39efp-1
#define ROUND 0x1.8p52 /* adding it rounds to an integer that then stands in the low bits */

INLINE uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

INLINE double double_of(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* 2^y for -1022 <= y <= 1024. */
INLINE double exp2_bounded(double y)
{
    const double shifted = y + ROUND;
    const double f = y - (shifted - ROUND);
    double p = 0x1.e9d3fe3952179p-32;
    p = p * f + 0x1.e6063f7217bc6p-28;
    p = p * f + 0x1.b524fae627834p-24;
    p = p * f + 0x1.62bfd47773353p-20;
    p = p * f + 0x1.ffcbfc670dcd4p-17;
    p = p * f + 0x1.430913096fd9fp-13;
    p = p * f + 0x1.5d87fe78a5276p-10;
    p = p * f + 0x1.3b2ab6fba1ddap-7;
    p = p * f + 0x1.c6b08d704a0c2p-5;
    p = p * f + 0x1.ebfbdff82c598p-3;
    p = p * f + 0x1.62e42fefa39efp-1;
    p = p * f + 1.0;
    return double_of(bits_of(p) + (bits_of(shifted) << 52));
}

/* The logistic curve, of an exponent that is already negated and in powers of two. */
INLINE double logistic_bounded(double y)
{
    return 1.0 / (1.0 + exp2_bounded(y));
}

/* The same for any y: 2^1024 is infinity here, so the ends are exactly 0 and 1. */
INLINE double logistic_clamped(double y)
{
    y = y < 1024.0 ? y : 1024.0;
    y = y > -1022.0 ? y : -1022.0;
    return 1.0 / (1.0 + exp2_bounded(y));
}

/* ln(u) of a normal number u in (0, 1]. */
INLINE double log_unit(double u)
{
    const uint64_t bits = bits_of(u) - 0x3fe6a09e667f3bcdu; /* sqrt(1/2) */
    const int64_t exponent = (int64_t)bits >> 52;
    const double m = double_of(bits_of(u) - ((uint64_t)exponent << 52));
    const double s = (m - 1.0) / (m + 1.0), z = s * s;
    double p = 0x1.2b58f4c8d5f63p-3;
    p = p * z + 0x1.39fe52a20dc69p-3;
    p = p * z + 0x1.7462b5152e8a6p-3;
    p = p * z + 0x1.c71c62e40b94ep-3;
    p = p * z + 0x1.2492492df26cep-2;
    p = p * z + 0x1.99999999952d8p-2;
    p = p * z + 0x1.5555555555558p-1;
    return (double)exponent * LN_2 + s * (2.0 + z * p);
}

/* radius * (cos 2 pi u, sin 2 pi u): half turns only change the radius' sign. */
INLINE void polar(double radius, double u, double *x, double *y)
{
    const double shifted = 2.0 * u + ROUND;
    const double f = u - 0.5 * (shifted - ROUND), z = f * f;
    const double signed_radius = double_of(bits_of(radius) ^ bits_of(shifted) << 63);
    double c = 0x1.1678f9078a9b3p-2, s = 0x1.9d462020fcc78p-4;
    c = c * z + -0x1.b6957b54dd389p+0;
    c = c * z + 0x1.f9d254582ac30p+2;
    c = c * z + -0x1.a6d1efc8c38bep+4;
    c = c * z + 0x1.e1f506813a321p+5;
    c = c * z + -0x1.55d3c7e3bfbf5p+6;
    c = c * z + 0x1.03c1f081b5992p+6;
    c = c * z + -0x1.3bd3cc9be45dbp+4;
    c = c * z + 1.0;
    s = s * z + -0x1.6f7acdb8f6580p-1;
    s = s * z + 0x1.e8f3675ee37ddp+1;
    s = s * z + -0x1.e3074dfaf87afp+3;
    s = s * z + 0x1.5078348551854p+5;
    s = s * z + -0x1.32d2cce627c86p+6;
    s = s * z + 0x1.466bc6775aa7dp+6;
    s = s * z + -0x1.4abbce625be52p+5;
    s = s * z + 0x1.921fb54442d18p+2;
    *x = signed_radius * c;
    *y = signed_radius * (s * f);
}

/* ---- Philox4x32-10 ---- */

struct philox_keys { uint64_t k0[10], k1[10]; };

static void schedule_keys(struct philox_keys *keys, uint64_t seed)
{
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int i = 0; i < 10; i++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
        keys->k0[i] = k0;
        keys->k1[i] = k1;
    }
}

/* Words live in 64-bit lanes, so that one multiplication gives both halves of a product; high halves
 * are garbage where nothing looks at them. Compilers do not find this instruction by themselves. */
#if defined __AVX512F__
#include <immintrin.h>
typedef uint64_t words __attribute__((vector_size(64)));
#define MULTIPLY(a, b) (words)_mm512_mul_epu32((__m512i)(a), (__m512i)(b))
#elif defined __AVX2__
#include <immintrin.h>
typedef uint64_t words __attribute__((vector_size(32)));
#define MULTIPLY(a, b) (words)_mm256_mul_epu32((__m256i)(a), (__m256i)(b))
#else
typedef uint64_t words __attribute__((vector_size(16)));
#define MULTIPLY(a, b) (((a) & 0xffffffff) * ((b) & 0xffffffff))
#endif
#define N_WORDS ((int)(sizeof(words) / sizeof(uint64_t)))

/* Both uniforms of one address a lane, as the bits of numbers in [1, 2). */
INLINE void philox(const struct philox_keys *keys, words c0, words c1, uint64_t step, words *bits0,
                   words *bits1)
{
    const words zero = {0}, multiplier0 = zero + 0xD2511F53u, multiplier1 = zero + 0xCD9E8D57u;
    words c2 = zero + step, c3 = zero;
#pragma GCC unroll 10
    for (int i = 0; i < 10; i++) {
        const words p0 = MULTIPLY(c0, multiplier0), p1 = MULTIPLY(c2, multiplier1);
        c0 = p1 >> 32 ^ c1 ^ keys->k0[i];
        c1 = p1;
        c2 = p0 >> 32 ^ c3 ^ keys->k1[i];
        c3 = p0;
    }
    const words mask = zero + 0xffffffff, one = zero + 0x3ff0000000000000u;
    *bits0 = (c0 & mask) << 20 ^ (c1 & mask) >> 12 ^ one;
    *bits1 = (c2 & mask) << 20 ^ (c3 & mask) >> 12 ^ one;
}

/* From [1, 2) to the middle of a cell of (0, 1), exactly. */
#define UNIFORM(x) ((x) - (1.0 - 0x1p-53))

#endif
