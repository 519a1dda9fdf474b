"""A model of one's own: relaxation to 0 under constant noise (Ornstein and Uhlenbeck, 1930)."""

import math
from typing import NamedTuple

import fastalliance as fa
from fastalliance.kernels import normals


class State(NamedTuple):
    x: float


def init(p, stream):
    return State(p.start)


def step(s, p, stream, k, t, dt):
    z, _ = normals(stream, 0, k, 0)  # purpose, step, member
    return State(s.x - p.rate * s.x * dt + p.noise * math.sqrt(dt) * z)


def outputs(s, p):
    return (s.x, 1.0 if s.x > 0.0 else 0.0)


def fastest_rate(p):
    return p.rate


MODEL = fa.Model(
    name="ornstein_uhlenbeck",
    summary="relaxation to 0 under constant noise",
    citation="Ornstein and Uhlenbeck, Physical Review 36, 823 (1930)",
    time_unit="month",
    horizon=60.0,
    dt=0.125,
    parameters=[
        fa.Parameter("start", default=1.0, description="value at the start"),
        fa.Parameter("rate", default=0.7, lower=0.0, unit="1/month", description="speed of return"),
        fa.Parameter("noise", default=0.3, lower=0.0, unit="month^-1/2", description="volatility"),
    ],
    state=State,
    init=init,
    step=step,
    outputs=outputs,
    output_variables=[
        fa.Output("x", description="value at the horizon"),
        fa.Output("positive", kind="binary", description="whether it is above 0"),
    ],
    state_variables=[fa.Output("x", description="value")],
    fastest_rate=fastest_rate,
)
