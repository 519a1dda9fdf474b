"""Recipes of random graphs: their distributions, seeds, pools, and refusals."""

import itertools
import math
import sys

import networkx as nx
import numpy as np
import pytest

from fastalliance.errors import ConfigError
from fastalliance.networks import load_networks
from tests.chance import LIMIT, SEED, z_of_difference, z_of_mean, z_of_share, z_of_variance

pytestmark = pytest.mark.filterwarnings(
    "ignore:structure.network:fastalliance.networks.NetworkWarning"
)

ERDOS = {"kind": "erdos_renyi", "mean_degree": 4}
CONFIGURATION = {"kind": "configuration", "degrees": {"1": 0.5, "3": 0.5}}
BARABASI = {"kind": "barabasi_albert", "edges_per_member": 2}
BLOCKS = {"kind": "stochastic_block", "within": 0.2, "between": 0.02}
RECIPES = {recipe["kind"]: recipe for recipe in (ERDOS, CONFIGURATION, BARABASI, BLOCKS)}
LISTED = {"kind": "configuration", "degrees": [3, 1, 2, 0, 2, 2]}


def pool(recipe, members=200, pool=400, industries=5, seed=SEED, **options):
    given = {**recipe, "pool": pool, "seed": seed}
    return load_networks(given, members=members, industries=industries, **options)


def edges_per_graph(networks) -> np.ndarray:
    return networks.degrees().sum(axis=1) / 2.0


def matrices(networks) -> np.ndarray:
    """Return adjacency matrices, (n_graphs, n_members, n_members)."""
    n = networks.n_members
    found = np.zeros((networks.n_graphs, n, n))
    for j, indptr in enumerate(networks.indptr):
        rows = np.repeat(np.arange(n), np.diff(indptr))
        found[j, rows, networks.indices[indptr[0] : indptr[-1]]] = 1.0
    return found


# --- distributions: |z| below tests.chance.LIMIT --------------------------------------------------


@pytest.mark.parametrize(
    "recipe", [ERDOS, {"kind": "erdos_renyi", "probability": 4 / 199}], ids=["mean", "probability"]
)
def test_erdos_renyi__edges_are_binomial_and_pairs_alike(recipe):
    networks = pool(recipe)
    p, pairs = 4 / 199, 200 * 199 / 2
    variance = pairs * p * (1 - p)
    edges = edges_per_graph(networks)
    assert abs(z_of_mean(edges, pairs * p, math.sqrt(variance))) < LIMIT
    assert abs(z_of_variance(edges, variance)) < LIMIT
    counts = matrices(networks).sum(axis=0)[np.triu_indices(200, 1)]
    z = (counts - 400 * p) / math.sqrt(400 * p * (1 - p))
    assert abs(z_of_variance(z, 1.0)) < LIMIT
    assert networks.description["self_loops"] == networks.description["duplicates"] == 0


@pytest.mark.parametrize("probability", [0.0, 1e-300, 1e-17, 2.0**-54])
def test_erdos_renyi__tiny_probabilities_give_no_edges(probability):
    networks = load_networks({"kind": "erdos_renyi", "probability": probability}, members=1000)
    assert networks.description["edges"] == 0


def test_erdos_renyi__certain_edges_give_the_complete_graph():
    for recipe in ({"probability": 1}, {"mean_degree": 5}):
        networks = load_networks({"kind": "erdos_renyi", **recipe}, members=6)
        assert networks.degrees().tolist() == [[5] * 6]


def test_erdos_renyi__one_member_has_no_edges():
    networks = load_networks({"kind": "erdos_renyi", "mean_degree": 0, "pool": 2}, members=1)
    assert networks.indptr.tolist() == [[0, 0], [0, 0]]


def test_configuration__every_pairing_is_as_likely_as_in_theory():
    # Degrees 2, 1, 1: of 3 pairings of the ends, one joins the first member with itself.
    networks = pool({"kind": "configuration", "degrees": [2, 1, 1]}, members=3, pool=3000)
    loops = networks.description["self_loops"]
    assert abs(z_of_share(loops, 3000, 1 / 3)) < LIMIT
    path = np.all(networks.degrees() == [2, 1, 1], axis=1)
    assert path.sum() == 3000 - loops


def test_configuration__agrees_with_networkx():
    degrees = [11, 9, 7, 5, 5, 4, 3, 3, 2, 2, 2, 1]
    n, graphs = len(degrees), 1500
    ours = matrices(pool({"kind": "configuration", "degrees": degrees}, n, graphs, 1))
    theirs = np.zeros_like(ours)
    for j in range(graphs):
        simple = nx.Graph(nx.configuration_model(degrees, seed=SEED * graphs + j))
        simple.remove_edges_from(nx.selfloop_edges(simple))
        theirs[j] = nx.to_numpy_array(simple, nodelist=range(n))
    for u, v in zip(*np.triu_indices(n, 1), strict=True):
        assert abs(z_of_difference(ours[:, u, v], theirs[:, u, v])) < LIMIT
    triangles = [np.trace(m @ m @ m) for m in ours], [np.trace(m @ m @ m) for m in theirs]
    assert abs(z_of_difference(*map(np.array, triangles))) < LIMIT


def test_configuration__degrees_are_those_asked_for_but_for_what_is_erased():
    degrees = np.arange(2000) % 7
    degrees[0] += degrees.sum() % 2
    recipe = {"kind": "configuration", "degrees": degrees}
    networks = pool(recipe, members=2000, pool=5)
    lost = degrees - networks.degrees()
    about = networks.description
    assert lost.min() == 0
    assert lost.sum() == 2 * (about["self_loops"] + about["duplicates"])
    assert 0 < about["self_loops"] + about["duplicates"] < 0.01 * about["edges"]


def test_configuration__shares_are_probabilities():
    networks = pool(CONFIGURATION, members=500, pool=100)
    lost = 2 * (networks.description["self_loops"] + networks.description["duplicates"])
    ends = networks.degrees().sum() + lost
    threes = (ends - networks.degrees().size) / 2
    assert abs(z_of_share(threes, networks.degrees().size, 0.5)) < LIMIT
    assert np.all(networks.degrees().max(axis=1) == 3)


def test_configuration__share_0_is_never_drawn():
    recipe = {"kind": "configuration", "degrees": {2: 1.0, 3: 0}}
    assert pool(recipe, members=21, pool=20).degrees().max() == 2


def test_barabasi_albert__edges_and_hubs():
    networks = pool(BARABASI, pool=50)
    assert set(edges_per_graph(networks)) == {2 * (200 - 2)}
    assert networks.degrees().min() >= 1
    largest = networks.degrees().max(axis=1)
    theirs = [
        max(dict(nx.barabasi_albert_graph(200, 2, seed=SEED + j).degree()).values())
        for j in range(50)
    ]
    assert abs(z_of_difference(largest.astype(float), np.array(theirs, float))) < LIMIT


@pytest.mark.parametrize("m", [1, 2, 5, 9])
def test_barabasi_albert__any_number_of_edges(m):
    recipe = {"kind": "barabasi_albert", "edges_per_member": m}
    assert edges_per_graph(pool(recipe, members=10, pool=3)).tolist() == [m * (10 - m)] * 3


def test_barabasi_albert__hubs_are_in_every_industry():
    hubs = pool(BARABASI, pool=1000, members=50).degrees().argmax(axis=1)
    for industry in range(5):
        assert abs(z_of_share((hubs // 10 == industry).sum(), 1000, 0.2)) < LIMIT


@pytest.mark.parametrize(("members", "industries"), [(200, 5), (203, 6), (30, 30), (40, 1)])
def test_stochastic_block__edges_within_and_between(members, industries):
    found = matrices(pool(BLOCKS, members, 200, industries))
    block = np.array([i * industries // members for i in range(members)])
    same = block[:, None] == block[None, :]
    upper = np.triu(np.ones((members, members), bool), 1)
    for pairs, p in ((same & upper, 0.2), (~same & upper, 0.02)):
        total = found[:, pairs].sum(axis=1)
        if not pairs.any():
            assert total.sum() == 0
            continue
        variance = pairs.sum() * p * (1 - p)
        assert abs(z_of_mean(total, pairs.sum() * p, math.sqrt(variance))) < LIMIT
        assert abs(z_of_variance(total, variance)) < LIMIT


def test_stochastic_block__certain_blocks_are_complete_and_apart():
    recipe = {"kind": "stochastic_block", "within": 1, "between": 0}
    networks = load_networks(recipe, members=7, industries=3)
    assert networks.degrees().tolist() == [[2, 2, 2, 1, 1, 1, 1]]
    recipe = {"kind": "stochastic_block", "within": 0, "between": 1}
    networks = load_networks(recipe, members=7, industries=3)
    assert networks.degrees().tolist() == [[4, 4, 4, 5, 5, 5, 5]]


# --- seeds and pools ------------------------------------------------------------------------------


def graph_of(networks, j) -> list[list[int]]:
    return [networks.indices[a:b].tolist() for a, b in itertools.pairwise(networks.indptr[j])]


@pytest.mark.parametrize("kind", RECIPES)
def test_pool__keeps_its_first_graphs_when_longer(kind):
    short, long = (pool(RECIPES[kind], members=60, pool=k) for k in (3, 8))
    assert [graph_of(long, j) for j in range(3)] == [graph_of(short, j) for j in range(3)]
    assert len({str(graph_of(long, j)) for j in range(8)}) == 8


@pytest.mark.parametrize("kind", RECIPES)
def test_seed__gives_the_same_pool_and_another_another(kind):
    first, again, other = (pool(RECIPES[kind], 60, 3, seed=seed) for seed in (1, 1, 2))
    assert first.sha256 == again.sha256 != other.sha256
    assert not {str(graph_of(first, j)) for j in range(3)} & {
        str(graph_of(other, j)) for j in range(3)
    }
    assert pool(RECIPES[kind], 60, 1, seed=2**64 - 1).n_graphs == 1


@pytest.mark.parametrize("kind", RECIPES)
def test_recipe__has_defaults_and_is_described(kind):
    networks = load_networks(RECIPES[kind], members=60, industries=5)
    assert networks.n_graphs == 1
    assert networks.sha256 == pool(RECIPES[kind], 60, 1, seed=0).sha256
    blocks = {"industries": 5} if kind == "stochastic_block" else {}
    expected = {**RECIPES[kind], **blocks, "seed": 0, "pool": 1}
    assert networks.description["recipe"] == expected
    assert networks.description["source"] == "recipe"


def test_pool__counts_are_over_all_graphs():
    networks = pool(ERDOS, members=50, pool=10)
    assert networks.description["edges"] == networks.degrees().sum() / 2
    assert networks.description["isolated"] == (networks.degrees() == 0).sum() > 0


def test_degrees__are_listed_in_the_description_or_digested():
    described = load_networks(LISTED, members=6).description["recipe"]["degrees"]
    assert described == [3, 1, 2, 0, 2, 2]
    many = {"kind": "configuration", "degrees": [2] * 1001}
    described = load_networks(many, members=1001).description["recipe"]["degrees"]
    assert described["n_values"] == 1001
    assert len(described["sha256"]) == 64


def test_degrees__of_a_file_are_those_of_a_list(tmp_path):
    (tmp_path / "degrees.csv").write_text("3\n1\n2\n0\n2\n2\n")
    recipe = {"kind": "configuration", "degrees": "degrees.csv"}
    networks = load_networks(recipe, members=6, folder=tmp_path)
    assert networks.sha256 == load_networks(LISTED, members=6).sha256
    assert networks.description["recipe"]["degrees"] == "degrees.csv"


def test_warning__says_that_degrees_are_lower():
    recipe = {"kind": "configuration", "degrees": [4] * 6, "pool": 3}
    text = r"^structure.network: \d+ self-loops dropped and \d+ duplicate edges merged in 3 graphs"
    with pytest.warns(UserWarning, match=text + "; degrees are that much lower than asked for$"):
        load_networks(recipe, members=6)


# --- refusals -------------------------------------------------------------------------------------

FIELD = "structure.network"
MEAN = ".mean_degree must be a number from 0 to 9 = members - 1 (structure.members is 10), got "
REFUSED = [
    ({}, ": a recipe needs the key 'kind', one of erdos_renyi, configuration, barabasi_albert, "
     "stochastic_block"),
    ({"kind": "erdos_reny", "mean_degree": 4}, ".kind must be one of erdos_renyi, configuration, "
     "barabasi_albert, stochastic_block, got 'erdos_reny'; did you mean 'erdos_renyi'?"),
    ({"kind": "lattice"}, ".kind must be one of erdos_renyi, configuration, barabasi_albert, "
     "stochastic_block, got 'lattice'"),
    ({"kind": 3}, ".kind must be one of erdos_renyi, configuration, barabasi_albert, "
     "stochastic_block, got 3"),
    ({"kind": "erdos_renyi", "mean_degre": 4},
     ": unknown key 'mean_degre' for erdos_renyi; did you mean 'mean_degree'?"),
    ({**ERDOS, "within": 0.1}, ": unknown key 'within' for erdos_renyi; valid names: kind, "
     "mean_degree, pool, probability, seed"),
    ({**ERDOS, 3: 0.1}, ": unknown key 3 for erdos_renyi; valid names: kind, mean_degree, pool, "
     "probability, seed"),
    ({"kind": "erdos_renyi"}, ": erdos_renyi needs either mean_degree or probability"),
    ({**ERDOS, "probability": 0.1}, ": erdos_renyi needs either mean_degree or probability"),
    ({**ERDOS, "mean_degree": 10}, MEAN + "10"),
    ({**ERDOS, "mean_degree": -1}, MEAN + "-1"),
    ({**ERDOS, "mean_degree": math.nan}, MEAN + "nan"),
    ({**ERDOS, "mean_degree": "4"}, MEAN + "'4'"),
    ({"kind": "erdos_renyi", "probability": True},
     ".probability must be a number from 0 to 1, got True"),
    ({"kind": "erdos_renyi", "probability": 1.01},
     ".probability must be a number from 0 to 1, got 1.01"),
    ({**ERDOS, "seed": -1}, ".seed must be a whole number from 0 to 2^64 - 1, got -1"),
    ({**ERDOS, "seed": 1.0}, ".seed must be a whole number from 0 to 2^64 - 1, got 1.0"),
    ({**ERDOS, "seed": 2**64}, ".seed must be a whole number from 0 to 2^64 - 1, got "
     "18446744073709551616"),
    ({**ERDOS, "seed": None}, ".seed must be a whole number from 0 to 2^64 - 1, got None"),
    ({**ERDOS, "pool": 0}, ".pool must be a whole number from 1 to 2147483648, got 0"),
    ({**ERDOS, "pool": 10**8}, ": 100,000,000 graphs of 10 members and about 20 edges would have "
     "5,100,000,000 entries, at most 2^31 are possible; take fewer members, edges or graphs"),
    ({"kind": "barabasi_albert"},
     ".edges_per_member is missing; the kind barabasi_albert needs it"),
    ({**BARABASI, "edges_per_member": 10}, ".edges_per_member must be a whole number from 1 to 9 "
     "= members - 1 (structure.members is 10), got 10"),
    ({**BARABASI, "edges_per_member": 0}, ".edges_per_member must be a whole number from 1 to 9 "
     "= members - 1 (structure.members is 10), got 0"),
    ({**BARABASI, "edges_per_member": 2.0}, ".edges_per_member must be a whole number from 1 to "
     "9 = members - 1 (structure.members is 10), got 2.0"),
    ({"kind": "stochastic_block", "within": 0.1},
     ".between is missing; the kind stochastic_block needs it"),
    ({**BLOCKS, "within": 2}, ".within must be a number from 0 to 1, got 2"),
    ({"kind": "configuration"}, ".degrees is missing; the kind configuration needs it"),
    ({"kind": "configuration", "degrees": 3}, ".degrees must be a list of one degree a member, a "
     "mapping of degrees to shares, or a path to a file with one degree a line, got 3"),
    ({"kind": "configuration", "degrees": [2, 2]},
     ".degrees must give one degree a member, structure.members is 10, got 2"),
    ({"kind": "configuration", "degrees": [10] * 10},
     ".degrees must be whole numbers from 0 to 9 = members - 1, got 10"),
    ({"kind": "configuration", "degrees": [-1] * 10},
     ".degrees must be whole numbers from 0 to 9 = members - 1, got -1"),
    ({"kind": "configuration", "degrees": [2.0] * 10},
     ".degrees must be whole numbers from 0 to 9 = members - 1, got 2.0"),
    ({"kind": "configuration", "degrees": [1] * 9 + [2]},
     ".degrees must have an even sum, as each edge has two ends, got 11"),
    ({"kind": "configuration", "degrees": {}}, ".degrees must have shares that sum to 1, got 0"),
    ({"kind": "configuration", "degrees": {2: 0.5, 3: 0.5000001}},
     ".degrees must have shares that sum to 1, got 1.0000001"),
    ({"kind": "configuration", "degrees": {2: 1.5}},
     ".degrees must have shares from 0 to 1, got 1.5"),
    ({"kind": "configuration", "degrees": {"two": 1}},
     ".degrees must be whole numbers from 0 to 9 = members - 1, got 'two'"),
    ({"kind": "configuration", "degrees": {12: 1}},
     ".degrees must be whole numbers from 0 to 9 = members - 1, got 12"),
    ({"kind": "configuration", "degrees": {2: 0.5, "2": 0.5}},
     ".degrees gives the share of degree 2 twice"),
]  # fmt: skip


@pytest.mark.parametrize(("recipe", "text"), REFUSED, ids=[text for _, text in REFUSED])
def test_refusal__is_one_line_that_names_the_field(recipe, text):
    with pytest.raises(ConfigError) as error:
        load_networks(recipe, members=10, industries=2)
    assert str(error.value) == FIELD + text


def test_refusal__of_degrees_whose_sum_is_never_even():
    recipe = {"kind": "configuration", "degrees": {1: 0.5, 2: 0.0, 3: 0.5}}
    with pytest.raises(ConfigError) as error:
        load_networks(recipe, members=11)
    assert str(error.value) == (
        "structure.network.degrees are all odd, and so is structure.members, 11: their sum cannot "
        "be even"
    )
    rarely = {"kind": "configuration", "degrees": {1: 1 - 1e-12, 2: 1e-12}}
    with pytest.raises(ConfigError, match=r"degrees have an even sum too rarely to be drawn"):
        load_networks(rarely, members=11)


def test_refusal__without_members_or_with_too_few():
    with pytest.raises(ConfigError, match=r"^structure.network: a recipe needs structure.members"):
        load_networks(ERDOS, members=None)
    with pytest.raises(ConfigError, match=r"^structure.network: barabasi_albert needs at least 2"):
        load_networks(BARABASI, members=1)


@pytest.mark.parametrize("industries", [0, 11, 2.0, True])
def test_refusal__of_industries(industries):
    with pytest.raises(ConfigError) as error:
        load_networks(BLOCKS, members=10, industries=industries)
    assert str(error.value) == (
        "structure.network: structure.industries must be a whole number from 1 to 10, got "
        f"{industries}"
    )


@pytest.mark.parametrize(
    "recipe",
    [
        {"kind": "erdos_renyi", "probability": 0.01},
        {"kind": "barabasi_albert", "edges_per_member": 2000},
        {"kind": "stochastic_block", "within": 0.1, "between": 0.0},
        {"kind": "stochastic_block", "within": 0.0, "between": 0.01},
        {"kind": "configuration", "degrees": {4000: 1.0}},
    ],
    ids=str,
)
def test_refusal__of_graphs_that_are_too_large_comes_before_they_are_made(recipe):
    with pytest.raises(ConfigError, match=r"a graph of 1,000,000 members and about [\d,]+ edges "):
        load_networks(recipe, members=1_000_000, industries=2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3\n1,2\n", "'degrees.csv', line 2 must be one whole number, got '1,2'"),
        ("3\n1.5\n", "'degrees.csv', line 2 must be one whole number, got '1.5'"),
        ("degree\n3\n", "'degrees.csv', line 1 must be one whole number, got 'degree'"),
    ],
)
def test_refusal__of_a_file_of_degrees(tmp_path, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "degrees.csv").write_text(text)
    with pytest.raises(ConfigError) as error:
        load_networks({"kind": "configuration", "degrees": "degrees.csv"}, members=2)
    assert str(error.value) == f"structure.network.degrees {message}"


def test_rustworkx__is_asked_for_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "rustworkx", None)
    for recipe in (ERDOS, BARABASI, BLOCKS):
        with pytest.raises(ConfigError) as error:
            load_networks(recipe, members=10)
        assert str(error.value) == (
            f"structure.network: the network {recipe['kind']} needs rustworkx: "
            'pip install "fastalliance[networks]"'
        )
    assert load_networks(LISTED, members=6).n_graphs == 1
