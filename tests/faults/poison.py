"""Users' models: one that crashes its process where it is told to, one whose formula raises."""

import dataclasses
from typing import NamedTuple

import numpy as np

import fastalliance as fa
from fastalliance.kernels import uniforms

FEW = np.arange(4.0)


class State(NamedTuple):
    x: float


def init(p, stream):
    return State(p.start)


def step(s, p, stream, k, t, dt):
    u, _ = uniforms(stream, 0, k, 0)
    # far beyond the end of the array where crash is 1: a segmentation fault
    return State(s.x + u + FEW[int(p.crash * 1e12)])


def outputs(s, p):
    return (s.x,)


MODEL = fa.Model(
    name="poison",
    summary="crashes where crash is 1",
    citation="none",
    time_unit="month",
    horizon=4.0,
    dt=1.0,
    parameters=[
        fa.Parameter("crash", default=0.0, lower=0.0, upper=1.0),
        fa.Parameter("start", default=0.0),
    ],
    state=State,
    init=init,
    step=step,
    outputs=outputs,
    output_variables=[fa.Output("x", description="a sum of draws")],
)


def raises(s, p, stream, k, t, dt):
    if k == 3:
        raise ValueError("at the third step")
    return s


FAILING = dataclasses.replace(MODEL, step=raises)
