"""Betweenness: known graphs, networkx, the same bits, and the approximation from pivots."""

import subprocess
import sys

import networkx as nx
import numpy as np
import pytest

from fastalliance.errors import ConfigError
from fastalliance.networks import (
    MAX_EXACT_MEMBERS,
    Networks,
    approximate_betweenness,
    betweenness,
    load_networks,
)
from fastalliance.networks.graphs import build
from tests.chance import SEED

GRAPHS = {
    "star": (nx.star_graph(5), [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
    "path": (nx.path_graph(5), [0.0, 0.75, 1.0, 0.75, 0.0]),
    "cycle": (nx.cycle_graph(6), [1.0] * 6),
    "complete": (nx.complete_graph(5), [0.0] * 5),
    "one member": (nx.empty_graph(1), [0.0]),
    "no edges": (nx.empty_graph(4), [0.0] * 4),
    "two components": (
        nx.disjoint_union(nx.path_graph(3), nx.star_graph(3)),
        [0.0, 1 / 3, 0.0, 1.0, 0.0, 0.0, 0.0],
    ),
}
BOTH = {
    "exact": betweenness,
    "all pivots": lambda networks: approximate_betweenness(networks, networks.n_members, 0),
}


@pytest.mark.parametrize("how", BOTH)
@pytest.mark.parametrize("name", GRAPHS)
def test_betweenness__of_graphs_that_one_can_count(name, how):
    graph, expected = GRAPHS[name]
    found = BOTH[how](load_networks(graph, members=None))
    np.testing.assert_allclose(found, [expected], rtol=0, atol=1e-12)
    assert found.dtype == np.float64


def to_networkx(networks, j) -> nx.Graph:
    graph = nx.empty_graph(networks.n_members)
    for i in range(networks.n_members):
        row = networks.indices[networks.indptr[j, i] : networks.indptr[j, i + 1]]
        graph.add_edges_from((i, k) for k in row.tolist())
    return graph


RECIPES = [
    {"kind": "erdos_renyi", "mean_degree": 0.8, "pool": 3, "seed": SEED},
    {"kind": "erdos_renyi", "mean_degree": 4, "pool": 3, "seed": SEED},
    {"kind": "barabasi_albert", "edges_per_member": 1, "pool": 2, "seed": SEED},
    {"kind": "barabasi_albert", "edges_per_member": 3, "pool": 2, "seed": SEED},
    {"kind": "stochastic_block", "within": 0.3, "between": 0.01, "pool": 2, "seed": SEED},
]


@pytest.mark.parametrize("how", BOTH)
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe["kind"])
def test_betweenness__agrees_with_networkx(recipe, how):
    networks = load_networks(recipe, members=150, industries=5)
    found = BOTH[how](networks)
    assert found.shape == (networks.n_graphs, 150)
    for j in range(networks.n_graphs):
        reference = nx.betweenness_centrality(to_networkx(networks, j))
        values = np.array([reference[i] for i in range(150)])
        np.testing.assert_allclose(found[j], values / values.max(), rtol=0, atol=1e-12)
        assert found[j].max() == 1.0


def test_betweenness__has_the_same_bits_on_every_run_and_any_number_of_threads():
    code = (
        "import hashlib; from fastalliance.networks import *;"
        "n = load_networks({'kind': 'erdos_renyi', 'mean_degree': 5, 'pool': 2}, members=700);"
        "print(hashlib.sha256(betweenness(n).tobytes()).hexdigest())"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"RAYON_NUM_THREADS": threads, "PATH": ""},
        ).stdout
        for threads in ("1", "1", "2", "7")
    }
    assert len(printed) == 1


def test_betweenness__is_refused_beyond_what_can_be_waited_for():
    n = MAX_EXACT_MEMBERS + 1
    networks = load_networks([[0, 1]], members=n)
    with pytest.raises(ConfigError) as error:
        betweenness(networks)
    assert str(error.value) == (
        "structure.centralities: exact betweenness takes at most 20,000 members, the network has "
        "20,001; give structure.centralities, one value a member, or ask for an approximation "
        "with structure.centralities: approximate"
    )
    assert approximate_betweenness(networks, 3, 0).shape == (1, n)


def test_betweenness__without_rustworkx_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "rustworkx", None)
    with pytest.raises(ConfigError) as error:
        betweenness(load_networks([[0, 1]], members=2))
    assert str(error.value) == (
        'structure.network: betweenness needs rustworkx: pip install "fastalliance[networks]"'
    )


# --- the approximation ----------------------------------------------------------------------------


def scale_free(pool=1, members=300) -> Networks:
    recipe = {"kind": "barabasi_albert", "edges_per_member": 2, "pool": pool, "seed": SEED}
    return load_networks(recipe, members=members)


def test_approximation__is_the_mean_dependency_on_each_member():
    networks = load_networks(nx.path_graph(4), members=None)
    # Dependencies of the sources 0 to 3 on the members, counted by hand.
    table = np.array([[0, 2, 1, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 1, 2, 0]], float)
    seen = set()
    for seed in range(60):
        found = approximate_betweenness(networks, 2, seed)[0]
        expected = {}
        for pivots in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]:
            others = np.array([2 - (i in pivots) for i in range(4)])
            mean = table[list(pivots)].sum(axis=0) / others
            expected[pivots] = mean / mean.max()
        matches = {p for p, v in expected.items() if np.allclose(v, found, rtol=0, atol=1e-12)}
        assert matches
        seen |= matches
    assert len(seen) == 6


def test_approximation__nears_the_exact_values_with_more_pivots():
    networks = scale_free()
    exact = betweenness(networks)
    errors = [
        np.sqrt(np.mean((approximate_betweenness(networks, k, SEED) - exact) ** 2))
        for k in (10, 100, 290, 300)
    ]
    assert errors[0] > errors[1] > errors[2] > errors[3]
    assert errors[1] < 0.03
    assert errors[3] < 1e-12


def test_approximation__seed_and_pool():
    short, long = scale_free(2), scale_free(5)
    first = approximate_betweenness(short, 20, 3)
    np.testing.assert_array_equal(first, approximate_betweenness(long, 20, 3)[:2])
    assert not np.array_equal(first, approximate_betweenness(short, 20, 4))


def test_approximation__each_graph_has_its_own_pivots():
    edges = np.array(nx.path_graph(20).edges())
    twice = build([edges, edges], 20, {})
    found = approximate_betweenness(twice, 3, SEED)
    assert not np.array_equal(found[0], found[1])


@pytest.mark.parametrize(
    ("pivots", "seed", "text"),
    [
        (0, 0, "pivots must be a whole number from 1 to 5 = the number of members, got 0"),
        (6, 0, "pivots must be a whole number from 1 to 5 = the number of members, got 6"),
        (2.0, 0, "pivots must be a whole number from 1 to 5 = the number of members, got 2.0"),
        (2, -1, "seed must be a whole number from 0 to 2^64 - 1, got -1"),
        (2, True, "seed must be a whole number from 0 to 2^64 - 1, got True"),
    ],
)
def test_approximation__refusals(pivots, seed, text):
    with pytest.raises(ConfigError) as error:
        approximate_betweenness(load_networks(nx.path_graph(5), members=None), pivots, seed)
    assert str(error.value) == f"structure.centralities: {text}"
