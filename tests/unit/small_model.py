"""A tiny deterministic model with every kind of parameter and output, for tests of studies."""

from __future__ import annotations

import math
from typing import NamedTuple

import fastalliance as fa
from fastalliance.kernels import uniforms


class State(NamedTuple):
    level: float
    hits: float
    first_hit: float


def init(p, stream):
    return State(p.start, 0.0, -1.0)


def step(s, p, stream, k, t, dt):
    u, _ = uniforms(stream, 0, k, 0)
    hit = u < p.hit_rate * dt
    return State(
        level=s.level + dt * (p.target - s.level) * p.rate,
        hits=s.hits + 1.0 if hit else s.hits,
        first_hit=t + dt if hit and s.first_hit < 0.0 else s.first_hit,
    )


def outputs(s, p):
    return (
        s.level * p.scale + p.members,
        1.0 if s.hits > 0.0 else 0.0,
        s.hits,
        p.mode,
        s.first_hit if s.first_hit >= 0.0 else math.nan,
    )


PARAMETERS = [
    fa.Parameter("start", 1.0, lower=-10.0, upper=10.0, unit="value", description="at the start"),
    fa.Parameter("target", 0.0, description="where it goes"),
    fa.Parameter("rate", 0.5, lower=0.0, unit="1/month", description="speed"),
    fa.Parameter("hit_rate", 0.2, lower=0.0, unit="1/month", description="rate of hits"),
    fa.Parameter("scale", 1.0, above=0.0, description="factor"),
    fa.Parameter("halflife", math.inf, above=0.0, allow_infinite=True, unit="month"),
    fa.Parameter("members", 3, kind="integer", lower=1, upper=9, description="whole number"),
    fa.Parameter(
        "mode",
        "calm",
        kind="choice",
        choices={"calm": 0, "rough": 1, "wild": 5},
        description="one of three",
    ),
]

MODEL = fa.Model(
    name="small",
    summary="relaxation, hits, and a copy of a choice",
    citation="none",
    time_unit="month",
    horizon=4.0,
    dt=0.5,
    parameters=PARAMETERS,
    state=State,
    init=init,
    step=step,
    outputs=outputs,
    output_variables=[
        fa.Output("level_end", unit="value", description="level at the horizon"),
        fa.Output("hit", "binary", description="whether it was hit"),
        fa.Output("n_hits", "count", description="number of hits"),
        fa.Output("fate", "category", categories={"calm": 0, "rough": 1, "wild": 5}),
        fa.Output("hit_time", "time", description="time of the first hit"),
    ],
    ratios=[fa.Ratio("hits_per_hit", "n_hits", "hit", description="hits of those that were hit")],
    fastest_rate=lambda p: p.rate,
)
