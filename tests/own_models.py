"""Models as a user would write them, whose results are known from elsewhere."""

from __future__ import annotations

import math
from typing import NamedTuple

import fastalliance as fa
from fastalliance.kernels import exp, normals

# --- Ornstein-Uhlenbeck: dX = -theta X dt + s dW --------------------------------------------------


class Level(NamedTuple):
    x: float


def level_init(p, stream):
    return Level(p.start)


def level_step(s, p, stream, k, t, dt):
    z, _ = normals(stream, 0, k, 0)
    return Level(s.x - p.rate * s.x * dt + p.noise * math.sqrt(dt) * z)


def level_outputs(s, p):
    return (s.x,)


ORNSTEIN_UHLENBECK = fa.Model(
    name="ornstein_uhlenbeck",
    summary="Relaxation to 0 under constant noise.",
    citation="G. E. Uhlenbeck and L. S. Ornstein, Physical Review 36, 823 (1930)",
    time_unit="month",
    horizon=60.0,
    dt=0.25,
    parameters=[
        fa.Parameter("start", default=1.0, description="level at the start"),
        fa.Parameter("rate", default=1.0, lower=0.0, unit="1/month", description="theta"),
        fa.Parameter("noise", default=0.5, lower=0.0, unit="month^-1/2", description="s"),
    ],
    state=Level,
    init=level_init,
    step=level_step,
    outputs=level_outputs,
    output_variables=[fa.Output("x", description="level at the horizon")],
    fastest_rate=lambda p: p.rate,
)


# --- Geometric Brownian motion: dX = mu X dt + sigma X dW, with its exact path beside it ----------


class Price(NamedTuple):
    euler: float
    exact: float


def price_init(p, stream):
    return Price(1.0, 1.0)


def price_step(s, p, stream, k, t, dt):
    z, _ = normals(stream, 0, k, 0)
    shock = p.volatility * math.sqrt(dt) * z
    growth = (p.drift - 0.5 * p.volatility * p.volatility) * dt
    return Price(s.euler * (1.0 + p.drift * dt + shock), s.exact * exp(growth + shock))


def price_outputs(s, p):
    return (s.euler, s.exact)


GEOMETRIC_BROWNIAN_MOTION = fa.Model(
    name="geometric_brownian_motion",
    summary="Growth under proportional noise, by Euler-Maruyama and exactly.",
    citation="P. E. Kloeden and E. Platen, Numerical Solution of Stochastic Differential Equations",
    time_unit="month",
    horizon=1.0,
    dt=0.0625,
    parameters=[
        fa.Parameter("drift", default=1.0, unit="1/month", description="mu"),
        fa.Parameter("volatility", default=0.5, unit="month^-1/2", description="sigma"),
    ],
    state=Price,
    init=price_init,
    step=price_step,
    outputs=price_outputs,
    output_variables=[
        fa.Output("euler", description="the scheme's value at the horizon"),
        fa.Output("exact", description="the exact value on the same noise"),
    ],
)


# --- A bistable drift between two absorbing ends: dX = (X - X^3) dt + s dW ------------------------


class Walker(NamedTuple):
    x: float
    ended: float  # time of absorption, negative before it


def walker_init(p, stream):
    return Walker(p.start, -1.0)


def walker_step(s, p, stream, k, t, dt):
    if s.ended >= 0.0:
        return s
    z, _ = normals(stream, 0, k, 0)
    x = s.x + (s.x - s.x * s.x * s.x) * dt + p.noise * math.sqrt(dt) * z
    outside = x <= p.low or x >= p.high
    return Walker(x, (k + 1) * dt if outside else -1.0)


def walker_outputs(s, p):
    ended = s.ended if s.ended >= 0.0 else math.nan
    return (1.0 if s.x >= p.high else 0.0, ended)


BISTABLE = fa.Model(
    name="bistable",
    summary="A particle in a double well with absorbing ends.",
    citation="C. W. Gardiner, Stochastic Methods, chapter 5",
    time_unit="month",
    horizon=40.0,
    dt=0.01,
    parameters=[
        fa.Parameter("start", default=0.0, description="position at the start"),
        fa.Parameter("low", default=-1.0, description="lower absorbing end"),
        fa.Parameter("high", default=1.0, description="upper absorbing end"),
        fa.Parameter("noise", default=0.7, lower=0.0, unit="month^-1/2", description="s"),
    ],
    state=Walker,
    init=walker_init,
    step=walker_step,
    outputs=walker_outputs,
    output_variables=[
        fa.Output("reached_high", kind="binary", description="whether the upper end was reached"),
        fa.Output("ended", kind="time", unit="month", description="time of absorption"),
    ],
)


# --- Two partners who answer each other: dT1/dt = (S(T2) - T1)/tau, S = T^2/(T^2 + K^2) -----------


class Partners(NamedTuple):
    first: float
    second: float


def response(trust, half):
    square = trust * trust
    return square / (square + half * half)


def partners_init(p, stream):
    return Partners(p.mean + 0.5 * p.gap, p.mean - 0.5 * p.gap)


def partners_step(s, p, stream, k, t, dt):
    first = s.first + dt * (response(s.second, p.half) - s.first) / p.adjustment_time
    second = s.second + dt * (response(s.first, p.half) - s.second) / p.adjustment_time
    return Partners(first, second)


def partners_outputs(s, p):
    return (s.first, s.second)


MUTUAL_RESPONSE = fa.Model(
    name="mutual_response",
    summary="Two partners whose trust answers the other's by a Hill curve.",
    citation="closed forms from S = T",
    time_unit="month",
    horizon=60.0,
    dt=0.125,
    parameters=[
        fa.Parameter("mean", default=0.5, description="mean trust at the start"),
        fa.Parameter("gap", default=0.0, description="first minus second at the start"),
        fa.Parameter("half", default=0.4, above=0.0, description="K, trust of half response"),
        fa.Parameter("adjustment_time", default=1.0, above=0.0, unit="month", description="tau"),
    ],
    state=Partners,
    init=partners_init,
    step=partners_step,
    outputs=partners_outputs,
    output_variables=[
        fa.Output("first", description="trust of the first partner at the horizon"),
        fa.Output("second", description="trust of the second partner at the horizon"),
    ],
    fastest_rate=lambda p: 1.0 / p.adjustment_time,
)
