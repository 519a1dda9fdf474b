"""Numbers at the edge, in every model: a defined result, or one line that names the field."""

from __future__ import annotations

import math
import tracemalloc
import warnings
from typing import Any

import networkx as nx
import numpy as np
import pytest

import fastalliance as fa
from fastalliance.networks import NetworkWarning
from tests.invariance.studies import exit_cascade, multiparty, networked

NAN, INF = math.nan, math.inf


def refusal(model: str, fields: dict[str, Any]) -> str:
    with pytest.raises(fa.FastAllianceError) as refused:
        fa.Study(model, **fields)
    text = str(refused.value)
    assert len(text.splitlines()) == 1
    return text


# --- refused, before anything is computed ---------------------------------------------------------

TIMES = [
    ({"dt": 0.0}, "dt must be a finite number > 0, got 0"),
    ({"dt": -1.0}, "dt must be a finite number > 0, got -1"),
    ({"dt": NAN}, "dt must be a finite number > 0, got nan"),
    ({"horizon": INF}, "horizon must be a finite number > 0, got inf"),
    ({"horizon": 1.0, "dt": 2.0}, "dt must not exceed the horizon 1, got 2"),
    ({"horizon": 1.0, "dt": 0.3}, "horizon must be a multiple of dt: 1 / 0.3 = 3.33333"),
    ({"horizon": 1.0, "dt": 1.0 / 3.0 * (1 + 2e-9)}, "horizon must be a multiple of dt"),
    ({"horizon": 2.0**31, "dt": 1.0}, "2,147,483,648 steps; at most 2,147,483,647"),
    ({"replicates": 0}, "replicates must be a whole number from 1 to 2^24 = 16777216, got 0"),
    ({"seed": 2**64}, "seed must be a whole number from 0"),
]
# A share, a time constant and a rate of each model, and its sizes.
FIELDS = {
    "dyad": [
        ({"parameters": {"initial_trust": 1.0 + 1e-15}}, "dyad.initial_trust must be 0..1, got 1"),
        ({"parameters": {"initial_trust": NAN}}, "parameters.initial_trust must be"),
        ({"parameters": {"openness_time": 0.0}}, "dyad.openness_time must be > 0 month, got 0"),
        ({"parameters": {"engagement_time": -1}}, "dyad.engagement_time must be > 0 month, got -1"),
        ({"parameters": {"incident_rate": -0.1}}, "dyad.incident_rate must be >= 0 per month"),
        ({"parameters": {"trust_noise": INF}}, "dyad.trust_noise must be finite and >= 0"),
        ({"dt": 0.25, "parameters": {"openness_time": 0.2}}, "dt must be <= 0.2 month for dyad"),
        ({"structure": {"members": 2}}, "dyad has no structural input 'members'"),
    ],
    "exit_cascade": [
        ({"parameters": {"immunity": 1.1}}, "exit_cascade.immunity must be 0..1, got 1.1"),
        ({"parameters": {"uncertainty": NAN}}, "parameters.uncertainty must be"),
        (
            {"parameters": {"uncertainty_halflife": 0.0}},
            "exit_cascade.uncertainty_halflife must be",
        ),
        ({"parameters": {"base_hazard": -0.1}}, "exit_cascade.base_hazard must be"),
        ({"structure": {"members": 0}}, "exit_cascade.members must be 2..1,000,000, got 0"),
        ({"structure": {"members": 1}}, "exit_cascade.members must be 2..1,000,000, got 1"),
        ({"structure": {"industries": 0}}, "exit_cascade.industries must be 1..1,000,000, got 0"),
        (
            {"structure": {"members": 5, "industries": 6}},
            "exit_cascade: industries must be <= members, got industries 6, members 5",
        ),
        ({"structure": {"members": 2**53 + 2}}, "members must be a whole number up to 2^53"),
        (
            {"structure": {"members": 5, "industries": 1}, "parameters": {"seed_exits": 6}},
            "exit_cascade: seed_exits must be <= members, got seed_exits 6, members 5",
        ),
    ],
    "multiparty": [
        ({"parameters": {"initial_share": -0.1}}, "multiparty.initial_share must be 0..1"),
        ({"parameters": {"trust_noise": NAN}}, "parameters.trust_noise must be"),
        ({"parameters": {"openness_time": 0.0}}, "multiparty.openness_time must be"),
        ({"parameters": {"entry_rate": -0.1}}, "multiparty.entry_rate must be"),
        ({"dt": 2.0}, "multiparty: openness_time must be > dt, got openness_time 2, dt 2"),
        (
            {"dt": 1.0, "parameters": {"trust_gain": 1.5}},
            "multiparty: dt * trust_gain must be <= 1, or verdicts on the others reverse",
        ),
        ({"structure": {"slots": 0}}, "multiparty.slots must be 2..512 firms, got 0"),
        ({"structure": {"slots": 1}}, "multiparty.slots must be 2..512 firms, got 1"),
        ({"structure": {"industries": 0}}, "multiparty.industries must be 1..64, got 0"),
        (
            {"structure": {"slots": 5, "industries": 6}},
            "multiparty: industries must be <= slots, got industries 6, slots 5",
        ),
    ],
}
CASES = [(model, *case) for model in FIELDS for case in [*TIMES, *FIELDS[model]]]


@pytest.mark.parametrize(("model", "fields", "message"), CASES)
def test_number__that_is_wrong_is_refused(model: str, fields: dict[str, Any], message: str) -> None:
    assert message in refusal(model, fields)


@pytest.mark.parametrize(
    ("model", "axis"),
    [("dyad", "initial_trust"), ("exit_cascade", "immunity"), ("multiparty", "initial_trust")],
)
@pytest.mark.parametrize("wrong", [NAN, INF, -INF, -0.1, 1.1])
def test_axis__with_a_wrong_value_is_refused(model: str, axis: str, wrong: float) -> None:
    values = {axis: [0.5, wrong]}
    for made in (lambda: fa.grid(**values), lambda: fa.table(values)):
        with pytest.raises(fa.FastAllianceError, match=axis):
            fa.Study(model, design=made())


def test_step__of_exit_cascade_may_be_any_part_of_the_horizon() -> None:
    """Its hazards are integrated over a step, and nothing relaxes at a rate of its own."""
    assert fa.model("exit_cascade").fastest_rate is None
    study = exit_cascade(dt=48.0, horizon=48.0)
    exits = study.run()["exits"].values
    assert ((exits >= 0) & (exits <= 40)).all()


def test_steps__nearly_whole_are_whole() -> None:
    assert fa.Study("dyad", horizon=1.0, dt=0.1 * (1 + 1e-10)).n_steps == 10


@pytest.mark.parametrize("model", fa.models())
def test_products__beyond_2_53_are_exact_and_allocate_nothing(model: str) -> None:
    """2^31 points of 2^24 replicates: 2^55 instances, and as many times the steps and members."""
    names = {
        "dyad": ("initial_trust", "trust_noise", "value_share"),
        "exit_cascade": ("uncertainty", "immunity", "prominence_weight"),
        "multiparty": ("initial_trust", "trust_noise", "entry_rate"),
    }[model]
    lengths = (2**10, 2**10, 2**11)
    axes = {n: {"linspace": [0.0, 0.1, length]} for n, length in zip(names, lengths, strict=True)}
    tracemalloc.start()
    try:
        study = fa.Study(model, design={"grid": axes}, replicates=2**24)
        plan = study.plan()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert plan.instances == 2**55
    assert plan.work == 2**55 * study.n_steps * study.most_members
    assert isinstance(plan.work, int)
    assert plan.total_bytes > 2**38
    assert peak < 2**26
    with pytest.raises(fa.DesignError, match=r"iB of memory, .* are free"):
        study.run()


# --- populations at the edge ----------------------------------------------------------------------


def final(ds: Any, name: str) -> list[float]:
    return np.unique(ds[name].values).tolist()


def test_exit_cascade__of_two_members() -> None:
    ds = exit_cascade(structure={"members": 2, "industries": 2}).run()
    assert set(final(ds, "exits")) <= {0.0, 1.0, 2.0}
    assert (ds["n_invalid"] == 0).all()
    np.testing.assert_array_equal(ds["exit_share"], ds["exits"] / 2)


def test_exit_cascade__all_gone_at_the_start() -> None:
    """Shares of nobody are defined: no cascade, and no rate of a peak."""
    ds = exit_cascade(parameters={"seed_exits": 40}).run()
    expected = {
        "exits": [40.0],
        "exit_share": [1.0],
        "cascade_share": [0.0],
        "first_exit_time": [0.0],
        "last_exit_time": [0.0],
        "peak_exits": [0.0],
        "collapsed": [1.0],
        "collapse_time": [0.0],
        "central_exit_share": [1.0],
        "exit_time": [0.0],
    }
    assert {name: final(ds, name) for name in expected} == expected
    assert (ds["n_invalid"] == 0).all()
    for name in ds.data_vars:
        if str(name).endswith(("_mean", "_std")):
            assert np.isfinite(ds[name]).all(), name


def test_exit_cascade__nobody_ever_leaves() -> None:
    never = {"base_hazard": 1e-300, "threshold_mean": INF}
    ds = exit_cascade(parameters=never, keep={"replicates": True}).run()
    assert final(ds, "exits") == final(ds, "collapsed") == [0.0]
    for name in ("first_exit_time", "last_exit_time", "collapse_time"):  # it did not happen
        assert ds[name].isnull().all()
        assert (ds[f"{name}_count"] == 0).all()
        assert ds[f"{name}_mean"].isnull().all()
    assert (ds["n_invalid"] == 0).all()


NETWORKS = {
    "isolated members": nx.empty_graph(40),
    "one tie among isolated members": nx.Graph([(0, 1)]),
    "two components": nx.disjoint_union(nx.complete_graph(20), nx.star_graph(19)),
}
NETWORKS["one tie among isolated members"].add_nodes_from(range(40))


@pytest.mark.parametrize("name", NETWORKS)
def test_exit_cascade__of_a_network_in_parts(name: str) -> None:
    structure = {"network": NETWORKS[name], "industries": 4}
    ds = networked(structure=structure).run()
    assert (ds["n_invalid"] == 0).all()
    assert np.isfinite(ds["exits"]).all()
    given = networked(structure=structure).given.coordinates({"members": 40, "industries": 4})
    (centralities,) = (c.values for c in given if c.name == "given_centralities")
    assert np.isfinite(centralities).all()
    if name != "two components":
        assert not centralities.any()  # nobody lies between others
        np.testing.assert_array_equal(ds["exit_share"], ds["exits"] / 40)


def test_exit_cascade__self_loops_and_duplicate_edges_change_nothing() -> None:
    ring = [[i, (i + 1) % 40] for i in range(40)]
    untidy = [*ring, [3, 3], [1, 0], [0, 1]]
    with warnings.catch_warnings():
        warnings.simplefilter("error", NetworkWarning)
        clean = networked(structure={"network": ring, "industries": 4})
    with pytest.warns(NetworkWarning, match="1 self-loop dropped and 2 duplicate edges merged"):
        dirty = networked(structure={"network": untidy, "industries": 4})
    found, expected = dirty.run(), clean.run()
    for name in expected.data_vars:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=str(name))


def test_multiparty__of_two_slots() -> None:
    structure = {"slots": 2, "industries": 1}
    ds = multiparty(structure=structure, parameters={"initial_share": 1.0}).run()
    assert (ds["n_invalid"] == 0).all()
    assert ((ds["membership"] >= 0) & (ds["membership"] <= 1)).all()


@pytest.mark.parametrize(
    "parameters",
    [
        {"initial_share": 0.0},  # nobody is there at the start
        {"seed_exits": 20, "initial_share": 1.0, "seed_time": 0.0},  # all leave in the first step
    ],
    ids=["nobody at the start", "all leave at once"],
)
def test_multiparty__of_nobody(parameters: dict[str, float]) -> None:
    """Without entry it stays empty; every output of it is defined."""
    ds = multiparty(parameters=parameters).run().sel(entry_rate=0.0)
    assert final(ds, "membership") == final(ds, "trust") == [0.0]
    assert final(ds, "synergy") == [1.0]
    assert (ds["n_invalid"] == 0).all()
    for output in fa.model("multiparty").output_variables:
        if output.kind != "time":
            assert np.isfinite(ds[output.name]).all(), output.name
    gone = "seed_exits" in parameters
    assert final(ds, "exit_share") == [float(gone)]


# --- states that leave the finite numbers ---------------------------------------------------------


def test_not_finite__is_counted_and_left_out() -> None:
    """`exit_cascade` has weights without bounds; half of the points keep finite ones."""
    study = exit_cascade(design=fa.grid(prominence_weight=[1.0, 1e308], immunity=[0.0, 0.5, 1.0]))
    with pytest.warns(UserWarning, match="900 replicates at 3 design points left the finite"):
        ds = study.run()
    assert ds["n_invalid"].sel(prominence_weight=1e308).values.tolist() == [300.0] * 3
    assert ds["exits_mean"].sel(prominence_weight=1e308).isnull().all()
    assert (ds["exits_count"].sel(prominence_weight=1e308) == 0).all()
    assert (ds["exits_count"].sel(prominence_weight=1.0) == 300).all()


def test_not_finite__is_out_of_reach_of_multiparty() -> None:
    """Its parameters are bounded, but for times, and for thresholds that nobody reaches."""
    unbounded = [p.name for p in fa.model("multiparty").parameters if p.upper == INF]
    assert set(unbounded) == {
        "engagement_time",
        "openness_time",
        "benefit_time",
        "threshold_mean",
        "seed_time",
    }
    extremes = {**dict.fromkeys(unbounded, 1e308), "seed_exits": 0, "network_effect": 10.0}
    ds = multiparty(parameters=extremes).run()
    assert (ds["n_invalid"] == 0).all()
