"""Networks from graphs, matrices, arrays and lists: one meaning, tidied, hashed, or refused."""

import hashlib
import json
import struct
import subprocess
import sys
import warnings

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from fastalliance.errors import ConfigError
from fastalliance.networks import NetworkWarning, load_networks

EDGES = [[0, 1], [1, 2], [1, 3], [4, 2]]  # member 5 is isolated
N = 6


def adjacency(edges=EDGES, n=N) -> np.ndarray:
    matrix = np.zeros((n, n))
    for u, v in edges:
        matrix[u, v] = matrix[v, u] = 1.0
    return matrix


def graph(kind=nx.Graph, edges=EDGES, n=N):
    made = kind()
    made.add_nodes_from(range(n))
    made.add_edges_from(edges)
    return made


KINDS = {
    "graph": lambda: graph(),
    "multigraph": lambda: graph(nx.MultiGraph),
    "csr array": lambda: sparse.csr_array(adjacency()),
    "csc matrix": lambda: sparse.csc_matrix(adjacency()),
    "lil array": lambda: sparse.lil_array(adjacency()),
    "dia array": lambda: sparse.dia_array(adjacency()),
    "boolean matrix": lambda: sparse.coo_array(adjacency() > 0),
    "weighted": lambda: sparse.csr_array(adjacency() * -2.5),
    "array": lambda: np.array(EDGES),
    "small unsigned array": lambda: np.array(EDGES, np.uint8),
    "unsigned array": lambda: np.array(EDGES, np.uint64),
    "list": lambda: EDGES,
    "tuples": lambda: tuple(map(tuple, EDGES)),
}


# --- one meaning ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_kinds__all_give_the_same_network(kind):
    networks = load_networks(KINDS[kind](), members=N)
    assert networks.indptr.tolist() == [[0, 1, 4, 6, 7, 8, 8]]
    assert networks.indices.tolist() == [1, 0, 2, 3, 1, 4, 1, 2]
    assert networks.indptr.dtype == networks.indices.dtype == np.int64
    assert networks.labels is None
    assert (networks.n_graphs, networks.n_members) == (1, N)
    assert networks.degrees().tolist() == [[1, 3, 2, 1, 1, 0]]
    about = networks.description
    assert {key: about[key] for key in about if key not in ("source", "sha256")} == {
        "n_graphs": 1,
        "n_members": 6,
        "edges": 4,
        "self_loops": 0,
        "duplicates": 0,
        "isolated": 1,
    }
    assert networks.sha256 == about["sha256"] == load_networks(EDGES, members=N).sha256
    assert json.loads(json.dumps(about)) == about


SIZED = ["graph", "multigraph", "csr array", "csc matrix", "boolean matrix"]


@pytest.mark.parametrize("kind", SIZED)
def test_members__come_from_what_lists_its_nodes(kind):
    assert load_networks(KINDS[kind](), members=None).n_members == N


def test_members__come_from_numbers_that_all_occur():
    assert load_networks(EDGES, members=None).n_members == 5
    assert load_networks([[0, 2], [1, 2]], members=None).n_members == 3


def test_networkx__the_order_of_nodes_is_that_of_members():
    made = nx.Graph()
    made.add_edges_from([("Nokia", "Intel"), ("Intel", "Arm"), ("Acme", "Nokia")])
    networks = load_networks(made, members=None)
    assert networks.labels == ("Nokia", "Intel", "Arm", "Acme")
    assert networks.indices.tolist() == [1, 3, 0, 2, 1, 0]
    turned = nx.Graph([(2, 0), (0, 1)])
    assert load_networks(turned, members=3).labels == ("2", "0", "1")
    assert load_networks(turned, members=3).degrees().tolist() == [[1, 2, 1]]


def test_array__without_edges_has_isolated_members():
    for empty in ([], np.empty((0, 2), int), ()):
        networks = load_networks(empty, members=3)
        assert networks.indptr.tolist() == [[0, 0, 0, 0]]
        assert networks.indices.size == 0
        assert networks.description["isolated"] == 3


def test_members__beyond_the_largest_number_are_isolated():
    networks = load_networks(EDGES, members=9)
    assert networks.degrees().tolist() == [[1, 3, 2, 1, 1, 0, 0, 0, 0]]
    assert networks.description["isolated"] == 4


def test_sparse__stored_zeros_are_no_edges_and_the_matrix_stays_as_it_is():
    entries = [1.0, 1.0, 0.0, 2.0, -2.0], ([0, 1, 1, 2, 2], [1, 0, 2, 0, 0])
    matrix = sparse.coo_array(entries, shape=(3, 3))
    networks = load_networks(matrix, members=3)
    assert networks.indices.tolist() == [1, 0]
    assert matrix.data.tolist() == entries[0]


# --- what is tidied away --------------------------------------------------------------------------


def loaded_with_warnings(given, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        networks = load_networks(given, **options)
    return networks, caught


UNTIDY = {
    "array": ([*EDGES, [1, 0], [0, 1], [3, 3]], 1, 2),
    "multigraph": (graph(nx.MultiGraph, [*EDGES, (0, 1), (3, 3), (3, 3)]), 2, 1),
    "graph": (graph(edges=[*EDGES, (5, 5)]), 1, 0),
    "matrix": (sparse.csr_array(adjacency() + np.diag([0, 0, 7.0, 0, 0, 1])), 2, 0),
}


@pytest.mark.parametrize("kind", UNTIDY)
def test_loops_and_duplicates__are_counted_in_one_warning(kind):
    untidy, loops, duplicates = UNTIDY[kind]
    networks, caught = loaded_with_warnings(untidy, members=N)
    about = networks.description
    assert (about["self_loops"], about["duplicates"], about["edges"]) == (loops, duplicates, 4)
    assert networks.sha256 == load_networks(EDGES, members=N).sha256
    assert [warning.category for warning in caught] == [NetworkWarning]
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("edges", "text"),
    [
        ([[0, 0], [0, 1]], "1 self-loop dropped"),
        ([[0, 1], [1, 0]], "1 duplicate edge merged"),
        ([[0, 0], [1, 1], [0, 1], [1, 0], [0, 1]], "2 self-loops dropped and 2 duplicate edges "),
    ],
)
def test_warning__says_what_was_done(edges, text):
    with pytest.warns(NetworkWarning, match=f"^structure.network: {text}"):
        load_networks(edges, members=2)


def test_tidy_networks__do_not_warn():
    assert loaded_with_warnings(EDGES, members=N)[1] == []


# --- the hash -------------------------------------------------------------------------------------

PAIRS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20)


@given(PAIRS, st.randoms())
def test_hash__depends_on_the_edges_alone(pairs, random):
    plain = sorted({(min(p), max(p)) for p in pairs if p[0] != p[1]})
    varied = [(v, u) if random.random() < 0.5 else (u, v) for u, v in pairs]
    random.shuffle(varied)
    networks, _ = loaded_with_warnings(varied, members=8)
    tidy = load_networks(plain, members=8)
    assert networks.sha256 == tidy.sha256
    np.testing.assert_array_equal(networks.indices, tidy.indices)
    np.testing.assert_array_equal(networks.indptr, tidy.indptr)


@given(PAIRS)
def test_rows__are_those_of_networkx(pairs):
    networks, _ = loaded_with_warnings(pairs, members=8)
    reference = graph(edges=pairs, n=8)
    for i in range(8):
        row = networks.indices[networks.indptr[0, i] : networks.indptr[0, i + 1]]
        assert row.tolist() == sorted(set(reference[i]) - {i})


def test_hash__differs_with_edges_members_and_graphs():
    hashes = [
        load_networks(EDGES, members=N).sha256,
        load_networks(EDGES, members=N + 1).sha256,
        load_networks(EDGES[1:], members=N).sha256,
        load_networks([*EDGES[:3], [4, 3]], members=N).sha256,
        load_networks({"kind": "erdos_renyi", "probability": 0}, members=N).sha256,
        load_networks({"kind": "erdos_renyi", "probability": 0, "pool": 2}, members=N).sha256,
    ]
    assert len(set(hashes)) == len(hashes)


def test_hash__is_that_of_the_format():
    keys = [0 * N + 1, 1 * N + 2, 1 * N + 3, 2 * N + 4]  # stores compare it across versions
    packed = b"fastalliance networks 1" + struct.pack("<6q", N, len(keys), *keys)
    assert load_networks(EDGES, members=N).sha256 == hashlib.sha256(packed).hexdigest()


# --- refusals -------------------------------------------------------------------------------------

REFUSED = [
    (nx.DiGraph([(0, 1)]), None, "the graph is directed; take graph.to_undirected()"),
    (nx.MultiDiGraph([(0, 1)]), None, "the graph is directed; take graph.to_undirected()"),
    (nx.Graph(), None, "the graph has no nodes"),
    (
        nx.path_graph(3),
        4,
        "the graph has 3 nodes, structure.members is 4; leave structure.members out, or add "
        "isolated nodes",
    ),
    (sparse.csr_array((2, 3)), None, "a sparse matrix must be square, got shape (2, 3)"),
    (sparse.coo_array(np.ones(3)), None, "a sparse matrix must be square, got shape (3,)"),
    (
        sparse.csr_array(np.triu(adjacency())),
        None,
        "a sparse matrix must be symmetric, as edges have no direction; take matrix + matrix.T",
    ),
    (
        sparse.csr_array(adjacency() * np.nan),
        None,
        "the entries of a sparse matrix must be finite numbers",
    ),
    (
        sparse.csr_array(adjacency()),
        7,
        "the matrix has 6 nodes, structure.members is 7; leave structure.members out, or add "
        "isolated nodes",
    ),
    (
        np.array(EDGES),
        4,
        "the edge list has the number 4, structure.members is 4; members are numbered from 0 to 3",
    ),
    ([[0, -1]], 4, "the edge list has the number -1; members are numbered from 0"),
    (
        [[1, 2], [2, 3]],
        None,
        "the edge list does not have the number 0, though 3 occurs; members are numbered from 0: "
        "give structure.members if some are isolated",
    ),
    (
        [[0, 1], [3, 4]],
        None,
        "the edge list does not have the number 2, though 4 occurs; members are numbered from 0: "
        "give structure.members if some are isolated",
    ),
    (
        np.array([[0, 2**64 - 1]], np.uint64),
        None,
        "the edge list does not have the number 1, though 18446744073709551615 occurs; members are "
        "numbered from 0: give structure.members if some are isolated",
    ),
    ([], None, "the edge list names no member; give structure.members"),
    (
        adjacency().astype(int),
        None,
        "an array of shape (6, 6) is no (edges, 2) array of edges; give an adjacency matrix as "
        "scipy.sparse.coo_array(matrix)",
    ),
    (
        np.zeros((4, 3), int),
        None,
        "edges must be pairs, of shape (edges, 2), got shape (4, 3)",
    ),
    ([0, 1], None, "edges must be pairs, of shape (edges, 2), got shape (2,)"),
    ([[0, 1], [2]], None, "edges must be pairs of members' numbers, got [[0, 1], [2]]"),
    (
        [[0.0, 1.0]],
        None,
        "edges must be pairs of members' numbers, integers from 0, got values such as 0.0; give "
        "members with names as a networkx graph or a file",
    ),
    (
        [["Nokia", "Arm"]],
        None,
        "edges must be pairs of members' numbers, integers from 0, got values such as 'Nokia'; "
        "give members with names as a networkx graph or a file",
    ),
    (
        [[True, False]],
        None,
        "edges must be pairs of members' numbers, integers from 0, got values such as True; give "
        "members with names as a networkx graph or a file",
    ),
    (
        np.ma.array([[0, 1]], mask=[[0, 1]]),
        None,
        "the array of edges holds masked values",
    ),
    (EDGES, 0, "structure.members must be a whole number >= 1, got 0"),
    (EDGES, 6.0, "structure.members must be a whole number >= 1, got 6.0"),
    (EDGES, True, "structure.members must be a whole number >= 1, got True"),
    ([], 2**31, "2,147,483,648 members are too many, at most 2^31 - 1 are possible"),
]


@pytest.mark.parametrize(("given", "members", "text"), REFUSED, ids=[text for *_, text in REFUSED])
def test_refusal__is_one_line_that_names_the_field(given, members, text):
    with pytest.raises(ConfigError) as error:
        load_networks(given, members=members)
    assert str(error.value) == f"structure.network: {text}"


@pytest.mark.parametrize("given", [None, 3, {0, 1}, iter([[0, 1]]), object()])
def test_refusal__of_what_is_no_network_names_what_is(given):
    with pytest.raises(ConfigError, match=r"^structure\.network: must be a networkx graph, .*got "):
        load_networks(given, members=4)


def test_refusal__of_a_matrix_that_is_too_large_comes_before_its_arrays():
    with pytest.raises(ConfigError) as error:
        load_networks(sparse.coo_array((2**31, 2**31)), members=None)
    assert str(error.value) == (
        "structure.network: a graph of 2,147,483,648 members and about 0 edges would have "
        "2,147,483,649 entries, at most 2^31 are possible; take fewer members, edges or graphs"
    )


def test_packages__that_a_network_does_not_need_are_not_imported():
    code = (
        "import sys; from fastalliance.networks import load_networks;"
        "load_networks([[0, 1]], members=2);"
        "print(*{'networkx', 'rustworkx', 'scipy', 'numba'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""
