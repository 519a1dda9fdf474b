"""A small population of its own through the driver, against NumPy; and mistakes in one."""

import dataclasses
import math
from typing import NamedTuple

import numpy as np
import pytest

import fastalliance as fa
from fastalliance.engine.structure import Structure
from fastalliance.kernels import uniforms
from fastalliance.library.population import MemberInput, Population, Select, Sweep, Ties
from fastalliance.parameters import share
from tests.oracle.philox import uniforms as drawn


class Member(NamedTuple):
    x: float
    start: float
    top: float
    heard: float
    degree: float


class Industry(NamedTuple):
    mean: float


class State(NamedTuple):
    total: float
    tops: float


class X(NamedTuple):
    x: float


class Mean(NamedTuple):
    mean: float


class Sums(NamedTuple):
    x: float
    top: float


class Totals(NamedTuple):
    total: float
    tops: float


def init(p, stream):
    return State(0.0, 0.0)


def birth(m, g, s, p, stream, at):
    u, _ = uniforms(stream, 3, 0, at.member)
    return X(m.start if p.given_starts > 0.0 else u)


def add(m, g, s, p, at):
    return Sums(m.x, m.top)


def industry(g, sums, s, p, at):
    return Mean(sums.x)


def alliance(s, sums, p, at):
    return Totals(sums.x, sums.top)


def move(m, g, s, p, stream, at):
    _, u = uniforms(stream, 4, at.step, at.member)
    return X(0.5 * m.x + 0.1 * g.mean + p.pull * u + 0.01 * m.heard)


def score(m, g, s, p, at):
    return m.x if m.x < 1.0 else -math.inf


def count(s, p, at):
    return 2.0 if at.step == 1 else 0.0


def outputs(s, p):
    return (s.total, s.tops)


def member_outputs(m, p):
    return (m.x,)


def sends(m, at):
    return m.x > 0.6


def anyone(m):
    return True


def never(p):
    return False


SUMMED = {"sums": add, "industry": industry, "alliance": alliance}
POPULATION = Population(
    member=Member,
    industry=Industry,
    start=(Sweep(name="birth", member=birth, **SUMMED),),
    step=(
        Sweep(name="move", member=move, **SUMMED),
        Select(name="best", score=score, count=count, field="top"),
    ),
    end=(Sweep(name="last", sums=add, alliance=alliance),),
    outputs=member_outputs,
    output_variables=[fa.Output("position", description="x of the member")],
    inputs=[MemberInput(name="starts", field="start", value=share("start", 0.0, "first x"))],
    ties=Ties(sends=sends, open=anyone, received="heard", degree="degree", local=never),
)
MODEL = fa.Model(
    name="drift",
    summary="members drift to their industry's sum",
    citation="none",
    time_unit="year",
    horizon=3.0,
    dt=1.0,
    parameters=[fa.Parameter("pull", 0.25)],
    structure=[
        fa.Parameter("members", 6.0, lower=2, kind="integer"),
        fa.Parameter("industries", 2.0, lower=1, kind="integer"),
    ],
    state=State,
    init=init,
    population=POPULATION,
    outputs=outputs,
    output_variables=[fa.Output("total"), fa.Output("tops", "count")],
)


def _expected(members, industries, instance, seed, pull, starts=None, neighbours=None):
    """Return x of all members, and the number marked, by plain arithmetic."""
    x = [drawn(seed, instance, 3, 0, i)[0] for i in range(members)]
    x = list(starts) if starts is not None else x
    heard, top = [0.0] * members, [0.0] * members
    of = [i * industries // members for i in range(members)]

    def told():
        for i in range(members):
            for j in (neighbours or [[]] * members)[i]:
                heard[j] += 1.0 if x[i] > 0.6 else 0.0

    told()
    for k in range(3):
        sums = [sum(x[i] for i in range(members) if of[i] == g) for g in range(industries)]
        u = [drawn(seed, instance, 4, k, i)[1] for i in range(members)]
        x = [0.5 * x[i] + 0.1 * sums[of[i]] + pull * u[i] + 0.01 * heard[i] for i in range(members)]
        if k == 1:
            ranked = sorted((i for i in range(members) if x[i] < 1.0), key=lambda i: (-x[i], i))
            top = [1.0 if i in ranked[:2] else 0.0 for i in range(members)]
        told()
    return x, sum(top)


@pytest.mark.parametrize(("members", "industries"), [(2, 1), (7, 3), (12, 12)])
def test_driver__against_plain_arithmetic(members, industries):
    structure = {"members": members, "industries": industries}
    ds = fa.simulate(
        MODEL, structure=structure, parameters={"pull": 0.3}, replicates=11, seed=5, members=True
    )
    for r in range(11):
        x, tops = _expected(members, industries, r, 5, 0.3)
        np.testing.assert_allclose(ds["position"][r], x, rtol=1e-12)
        np.testing.assert_allclose(ds["total"][r], sum(x), rtol=1e-12)
        assert ds["tops"][r] == tops


def test_driver__given_arrays_and_a_network():
    starts = [0.9, 0.1, 0.7, 0.2, 0.3]
    neighbours = [[1, 2], [0], [0, 3], [2], []]
    structure = {"industries": 2, "starts": starts, "network": [[0, 1], [0, 2], [2, 3]]}
    ds = fa.simulate(
        MODEL, structure={**structure, "members": 5}, replicates=3, seed=8, members=True
    )
    for r in range(3):
        x, _ = _expected(5, 2, r, 8, 0.25, starts, neighbours)
        np.testing.assert_allclose(ds["position"][r], x, rtol=1e-12)


def test_check_model__compiled_and_interpreted():
    assert fa.check_model(MODEL, steps=4).identical
    assert fa.check_model("exit_cascade", replicates=1, steps=4).identical


def test_structure__of_nothing_is_shared():
    assert Structure(np.empty((0, 1, 0)), ("network",), np.zeros((1, 1)), np.empty(0)).has_network


def _with(**changes):
    return dataclasses.replace(
        MODEL, name="changed", population=dataclasses.replace(POPULATION, **changes)
    )


def _strange(m, g, s, p, stream, at):
    return Mean(1.0)


def _no_tuple(m, g, s, p, stream, at):
    return 1.0


def _failing(m, g, s, p, stream, at):
    return X(m.why)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda: _with(step=(Select(name="best", score=score, count=count, field="tip"),)),
            "names the unknown field 'tip' of a member; did you mean 'top'",
        ),
        (
            lambda: _with(end=(Sweep(name="birth", sums=add),)),
            "two stages have one name",
        ),
        (
            lambda: _with(step=(Sweep(name="move", member=lambda m, g: X(1.0)),)),
            r"member of move must take \(m, g, s, p, stream, at\)",
        ),
        (
            lambda: _with(end=(Sweep(name="last", alliance=alliance),)),
            "last has sums to take in, but no formula sums",
        ),
        (lambda: _with(step=("move",)), "a stage must be a Sweep or a Select"),
        (
            lambda: dataclasses.replace(MODEL, structure=MODEL.structure[:1]),
            "structure of a population must begin with members, industries",
        ),
        (
            lambda: dataclasses.replace(MODEL, step=lambda s, p, stream, k, t, dt: s),
            "give either step, or a population",
        ),
        (lambda: dataclasses.replace(MODEL, population=None), r"fa.Model\('drift'\) lacks step"),
    ],
)
def test_definition__mistakes(change, message):
    with pytest.raises(fa.ModelError, match=message):
        change()


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        (_strange, "member of move returns the unknown field 'mean'"),
        (_no_tuple, "member of move must return a NamedTuple of numbers, got 1.0"),
        (_failing, "member of move .* failed at the default parameters: AttributeError"),
    ],
)
def test_formulas__mistakes(formula, message):
    model = _with(step=(Sweep(name="move", member=formula, **SUMMED),))
    with pytest.raises(fa.ModelError, match=message):
        fa.simulate(model)


def test_requirement__names_the_values():
    with pytest.raises(
        fa.ParameterError, match="industries must be <= members, got industries 5, members 3"
    ):
        fa.Study("exit_cascade", structure={"members": 3})
