"""Draws for two members, arrivals, sweeps that are skipped, members' records: a small model."""

import dataclasses
from typing import NamedTuple

import numpy as np
import pytest

import fastalliance as fa
from fastalliance.engine import run_points
from fastalliance.kernels import uniforms
from fastalliance.library.population import Arrival, Population, Sweep
from tests.oracle.philox import uniforms as drawn

BIRTH, PAIRS, NEW = 1, 2, 3  # purposes of draws
SEED = 11


class Member(NamedTuple):
    x: float
    age: float


class Industry(NamedTuple):
    best: float


class State(NamedTuple):
    total: float
    arrived: float
    seen: float
    hot: float


class Draw(NamedTuple):
    u: float


class Age(NamedTuple):
    x: float
    age: float


class Total(NamedTuple):
    total: float
    arrived: float
    hot: float


class Sums(NamedTuple):
    x: float
    new: float


class Seen(NamedTuple):
    seen: float


class X(NamedTuple):
    x: float


def init(p, stream):
    return State(0.0, 0.0, 0.0, 0.0)


def birth(m, g, s, p, stream, at):
    u, _ = uniforms(stream, BIRTH, 0, at.member)
    return Age(u, 5.0)


def add(m, g, s, p, at):
    return Sums(m.x, 1.0 if m.age == 0.0 else 0.0)


def totals(s, sums, p, at):
    return Total(sums.x, s.arrived + sums.new, 1.0 if sums.x > p.heat else 0.0)


def pairs(p, stream, at):
    u0, u1 = uniforms(stream, PAIRS, at.step, at.member)
    return Draw(u0), Draw(u1)


def grow(m, g, s, p, random, at):
    return Age(m.x + 0.1 * random.u * (1.0 + at.industry), m.age + 1.0)


def chosen(m, g, s, p, random, at):
    return (m.x > 0.8) & (random.u < p.turnover)


def newcomer(m, g, s, p, stream, at):
    u, _ = uniforms(stream, NEW, at.step, at.member)
    return Age(0.5 * u + 0.001 * m.age, 0.0)


def is_hot(s, p, at):
    return s.hot > 0.0


def cool(m, g, s, p, stream, at):
    return X(m.x * 0.9 if s.hot > 0.0 else m.x)


def look(s, sums, p, at):
    return Seen(sums.x + at.time)


def outputs(s, p):
    return (s.total, s.arrived, s.seen)


def ages(m, p):
    return (m.age,)


def tracks(m, p):
    return (m.x, -m.age)


POPULATION = Population(
    size="seats",
    member=Member,
    industry=Industry,
    start=(Sweep(name="birth", member=birth, sums=add, alliance=totals),),
    step=(
        Sweep(name="cool", when=is_hot, member=cool),
        Sweep(
            name="grow",
            draw=pairs,
            member=grow,
            arrival=Arrival(where=chosen, member=newcomer, switch="turnover"),
            sums=add,
            alliance=totals,
        ),
    ),
    end=(Sweep(name="look", sums=add, alliance=look),),
    outputs=ages,
    output_variables=[fa.Output("age", description="age of who holds the seat")],
    paths=tracks,
    path_variables=[fa.Output("seat_x"), fa.Output("seat_youth")],
)
MODEL = fa.Model(
    name="seats",
    summary="seats that change hands",
    citation="none",
    time_unit="year",
    horizon=6.0,
    dt=1.0,
    parameters=[fa.Parameter("heat", 4.0), fa.Parameter("turnover", 0.4, lower=0.0)],
    structure=[
        fa.Parameter("seats", 7.0, lower=2, kind="integer"),
        fa.Parameter("industries", 2.0, lower=1, kind="integer"),
    ],
    state=State,
    init=init,
    population=POPULATION,
    outputs=outputs,
    output_variables=[fa.Output("total"), fa.Output("arrived", "count"), fa.Output("seen")],
    state_variables=[fa.Output("total"), fa.Output("seen")],
    switches={"turnover": "turnover"},
)


def expected(seats, industries, replicate, *, heat=4.0, turnover=0.4, steps=6):
    """Return outputs, ages, and x of every seat at every time, by plain arithmetic."""
    x = [drawn(SEED, replicate, BIRTH, 0, i)[0] for i in range(seats)]
    age, arrived = [5.0] * seats, 0
    paths = [list(x)]
    for k in range(steps):
        if sum(x) > heat:
            x = [0.9 * value for value in x]
        for i in range(seats):
            u = drawn(SEED, replicate, PAIRS, k, i // 2)[i % 2]
            replaced = x[i] > 0.8 and u < turnover
            x[i], age[i] = x[i] + 0.1 * u * (1.0 + i * industries // seats), age[i] + 1.0
            if replaced:
                x[i] = 0.5 * drawn(SEED, replicate, NEW, k, i)[0] + 0.001 * age[i]
                age[i] = 0.0
                arrived += 1
        paths.append(list(x))
    return (sum(x), arrived, sum(x) + steps), age, paths


@pytest.mark.parametrize(("seats", "industries"), [(7, 2), (2, 1), (9, 4)])
def test_stages__against_plain_arithmetic(seats, industries):
    structure = {"seats": seats, "industries": industries}
    ds = fa.simulate(
        MODEL, structure=structure, replicates=11, seed=SEED, members=True, record_every=1.0
    )
    assert ds["arrived"].sum() > 0
    for r in range(11):
        found, age, paths = expected(seats, industries, r)
        for name, value in zip(("total", "arrived", "seen"), found, strict=True):
            np.testing.assert_allclose(ds[name][r], value, rtol=1e-12, err_msg=name)
        np.testing.assert_array_equal(ds["age"][r], age)
        np.testing.assert_allclose(ds["seat_x_path"][r].T, paths, rtol=1e-12)


def test_records__show_the_state_at_their_own_time():
    """What the stages at the end find is that of the record, not of the last step or the end."""
    ds = fa.simulate(MODEL, replicates=3, seed=SEED, record_every=2.0)
    for r in range(3):
        _, _, paths = expected(7, 2, r)
        sums = [sum(paths[t]) for t in (0, 2, 4, 6)]
        np.testing.assert_allclose(ds["total_path"][r], sums, rtol=1e-12)
        np.testing.assert_allclose(ds["seen_path"][r], np.add(sums, [0, 2, 4, 6]), rtol=1e-12)


def test_when__never_in_any_lane_and_in_some():
    """A sweep that is skipped, and one that is run for one lane alone, change no other lane."""
    cold = fa.simulate(MODEL, parameters={"heat": 99.0}, replicates=8, seed=SEED)
    for r in range(8):
        np.testing.assert_allclose(cold["total"][r], expected(7, 2, r, heat=99.0)[0][0], rtol=1e-12)
    both = fa.Study(
        MODEL, design=fa.grid(heat=[99.0, 0.0]), replicates=4, seed=SEED, keep={"replicates": True}
    ).run()
    alone = fa.Study(
        MODEL, design=fa.grid(heat=[99.0]), replicates=4, seed=SEED, keep={"replicates": True}
    ).run()
    np.testing.assert_array_equal(both["total"][0], alone["total"][0])


def test_arrivals__left_out_where_nobody_arrives():
    ds = fa.simulate(MODEL, parameters={"turnover": 0.0}, replicates=5, seed=SEED)
    assert (ds["arrived"] == 0).all()
    mixed = np.array([[4.0, 0.0, 7.0, 2.0], [4.0, 0.4, 7.0, 2.0]])
    block = run_points(MODEL, mixed, seed=SEED, n_replicates=5, dt=1.0, n_steps=6)
    np.testing.assert_array_equal(block.outputs[0, 0], ds["total"])
    assert block.outputs[1, 1].sum() > 0


def test_check_model__compiled_and_interpreted():
    assert fa.check_model(MODEL, steps=6).identical


def test_member_paths__of_alliances_of_several_sizes_are_padded():
    points = np.array([[4.0, 0.4, 4.0, 2.0], [4.0, 0.4, 7.0, 2.0]])
    block = run_points(
        MODEL, points, seed=SEED, dt=1.0, n_steps=6, record_steps=3, record_members=True
    )
    assert block.member_paths.shape == (2, 2, 1, 7, 3)
    assert np.isnan(block.member_paths[:, 0, :, 4:]).all()
    assert not np.isnan(block.member_paths[:, 1]).any()


def _changed(step):
    return dataclasses.replace(
        MODEL, name="changed", population=dataclasses.replace(POPULATION, step=step)
    )


def _one(p, stream, at):
    return Draw(0.0)


def _two_kinds(p, stream, at):
    return Draw(0.0), X(0.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda: _changed((Sweep(name="grow", draw=_one, member=grow),)),
            "draw of grow must return two records of one kind",
        ),
        (
            lambda: _changed((Sweep(name="grow", draw=_two_kinds, member=grow),)),
            "draw of grow must return two records of one kind",
        ),
        (
            lambda: _changed(
                (
                    Sweep(
                        name="a",
                        arrival=Arrival(where=chosen, member=birth, switch="turn"),
                        draw=pairs,
                    ),
                )
            ),
            "arrival of a names the unknown constant 'turn'; did you mean 'turnover'",
        ),
        (
            lambda: _changed((Sweep(name="grow", draw=lambda p: None, member=grow),)),
            r"draw of grow must take \(p, stream, at\)",
        ),
        (
            lambda: dataclasses.replace(
                MODEL, population=dataclasses.replace(POPULATION, size="members")
            ),
            "structure of a population must begin with members, industries",
        ),
        (
            lambda: dataclasses.replace(
                MODEL, population=dataclasses.replace(POPULATION, paths=None)
            ),
            "give both paths and path_variables, or neither",
        ),
    ],
)
def test_definition__mistakes(change, message):
    with pytest.raises(fa.ModelError, match=message):
        fa.simulate(change())


def test_fields__that_a_skipped_first_stage_would_set_begin_as_zero():
    """Whatever an earlier block has left in memory."""

    def never(s, p, at):
        return False

    start = (Sweep(name="birth", when=never, member=birth, sums=add, alliance=totals),)
    model = dataclasses.replace(
        MODEL,
        name="unborn",
        population=dataclasses.replace(POPULATION, start=start, step=POPULATION.step[:1]),
    )
    ds = fa.simulate(model, replicates=40, seed=SEED, members=True, record_every=1.0)
    assert (ds["seat_x_path"] == 0.0).all()
    assert (ds["age"] == 0.0).all()
