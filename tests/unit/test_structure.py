"""Structural inputs: sizes that are compiled into the kernel, fixed or as axes of a design."""

from typing import NamedTuple

import numpy as np
import pytest

import fastalliance as fa
from fastalliance.kernels import uniforms


class State(NamedTuple):
    events: float


def init(p, stream):
    return State(0.0)


def step(s, p, stream, k, t, dt):
    events = s.events
    for member in range(p.members):
        u, _ = uniforms(stream, 0, k, member)
        events += 1.0 if u < p.probability else 0.0
    return State(events)


def outputs(s, p):
    return (s.events,)


MODEL = fa.Model(
    name="events_of_members",
    summary="every member draws once a step",
    citation="none",
    time_unit="month",
    horizon=10.0,
    dt=1.0,
    parameters=[fa.Parameter("probability", default=0.25, lower=0.0, upper=1.0)],
    structure=[fa.Parameter("members", default=4, lower=2, upper=9, kind="integer", unit="firms")],
    state=State,
    init=init,
    step=step,
    outputs=outputs,
    output_variables=[fa.Output("events", kind="count", description="events of all members")],
)


def fixed(members: int, **design) -> np.ndarray:
    study = fa.Study(
        MODEL,
        structure={"members": members},
        design=fa.grid(**design) if design else None,
        replicates=64,
        keep={"replicates": True},
        common_random_numbers=True,
    )
    return study.run()["events"].values


def test_structure__default_and_given():
    np.testing.assert_array_equal(
        fixed(4),
        fa.Study(MODEL, replicates=64, keep={"replicates": True}, common_random_numbers=True)
        .run()["events"]
        .values,
    )
    assert fixed(9).mean() > 2 * fixed(3).mean()


@pytest.mark.parametrize("points_per_tile", [1, 4, 6])
@pytest.mark.parametrize("axes", ["members first", "members last"])
def test_structure__as_an_axis_equals_fixed(axes, points_per_tile):
    probability, members = [0.1, 0.5], [2, 5, 9]
    both = {"members": members, "probability": probability}
    if axes == "members last":
        both = dict(reversed(both.items()))
    study = fa.Study(
        MODEL,
        design=fa.grid(**both),
        replicates=64,
        keep={"replicates": True},
        common_random_numbers=True,
    )
    ds = study.run(points_per_tile=points_per_tile)
    for size in members:
        np.testing.assert_array_equal(
            ds["events"].sel(members=size).values, fixed(size, probability=probability)
        )


def test_structure__of_a_table_may_alternate():
    table = fa.table({"members": [2, 5, 2, 5], "probability": [0.5] * 4})
    ds = fa.Study(MODEL, design=table, replicates=50, common_random_numbers=True).run()
    means = ds["events_mean"].values
    assert means[0] == means[2] != means[1] == means[3]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"structure": {"member": 3}}, "no structural input 'member'; did you mean 'members'"),
        ({"structure": {"members": 1}}, "events_of_members.members must be 2..9 firms, got 1"),
        ({"structure": {"members": 2.5}}, "must be a whole number, got 2.5"),
        ({"parameters": {"members": 3}}, "give members of events_of_members under structure"),
        ({"structure": {"probability": 1}}, "give probability of events_of_members under param"),
    ],
)
def test_structure__mistakes_are_named(fields, message):
    with pytest.raises(fa.ParameterError, match=message.replace(".", r"\.").replace("(", r"\(")):
        fa.Study(MODEL, **fields)


def test_structure__replay_and_hash():
    studies = [fa.Study(MODEL, structure={"members": n}, replicates=4) for n in (3, 8)]
    assert studies[0].configuration_hash != studies[1].configuration_hash
    ds = fa.Study(MODEL, structure={"members": 8}, replicates=4, keep={"replicates": True}).run()
    again = studies[1].replay(replicate=2)
    assert float(again["events"][0]) == float(ds["events"][2])


def test_structure__compiled_equals_interpreted():
    assert fa.check_model(MODEL).identical
