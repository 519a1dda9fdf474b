"""Networks and members' arrays of a study: every form of them, as axes, and as configurations."""

import math
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest

import fastalliance as fa
from fastalliance.networks import load_networks
from fastalliance.study.recent import Recent
from fastalliance.study.structure import GivenStructure
from tests.unit.given_cases import (
    ARRAYS,
    CENTRALITIES,
    EDGES,
    MEMBERS,
    NETWORKS,
    RECIPE,
    THRESHOLDS,
    Counter,
    same,
    study,
    write_files,
)

# Ties without a network are legal; some of these studies have the one and not the other.
pytestmark = pytest.mark.filterwarnings("ignore:exit_cascade.*tie_weight has no effect")


@pytest.fixture(autouse=True)
def _files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path)


def again(made: fa.Study, folder: str = "elsewhere") -> fa.Study:
    """Return a study written as YAML into another folder, and read there."""
    Path(folder).mkdir(exist_ok=True)
    made.to_yaml(Path(folder) / "study.yaml")
    return fa.Study.from_yaml(Path(folder) / "study.yaml")


# --- Forms ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def of_pairs():
    return study({"members": MEMBERS, "network": EDGES})


@pytest.mark.parametrize("members", [{}, {"members": MEMBERS}], ids=["derived", "given"])
@pytest.mark.parametrize("form", NETWORKS)
def test_network__every_form_is_the_same_study(form, members, of_pairs):
    made = study({**members, "network": NETWORKS[form]})
    assert made.fixed["members"] == MEMBERS
    assert made.configuration_hash == of_pairs.configuration_hash
    assert again(made).configuration_hash == made.configuration_hash
    assert made.resolved["structure"]["network"]["edges"] == len(EDGES)


@pytest.mark.parametrize("form", NETWORKS)
def test_network__every_form_has_the_same_bits(form, of_pairs):
    found = study({"network": NETWORKS[form]}).run()
    same(found, of_pairs.run())
    same(again(study({"network": NETWORKS[form]})).run(), found)
    coordinates = {"tie_graph", "tie_first", "tie_second", "given_centralities"}
    assert coordinates <= set(found.coords)
    simulated = fa.simulate(
        "exit_cascade",
        parameters=of_pairs.configuration.parameters,
        structure={"industries": 2, "network": NETWORKS[form]},
        replicates=6,
        seed=9,
        horizon=8,
        members=True,
    )
    same(simulated, found)
    assert coordinates <= set(simulated.coords)


@pytest.mark.parametrize("form", ARRAYS)
def test_thresholds__every_form_is_the_same_study(form):
    made = study({"thresholds": ARRAYS[form]})
    listed = study({"members": MEMBERS, "thresholds": THRESHOLDS})
    assert made.fixed["members"] == MEMBERS
    assert made.configuration_hash == listed.configuration_hash
    assert again(made).configuration_hash == made.configuration_hash
    found = made.run()
    same(found, listed.run())
    np.testing.assert_array_equal(found["given_thresholds"].values, [THRESHOLDS])


def test_thresholds__infinite_ones_never_give_in():
    ds = study({"thresholds": THRESHOLDS}, parameters={"base_hazard": 0.0, "seed_exits": 3}).run()
    times = ds["exit_time"].values
    stubborn = np.isinf(THRESHOLDS)
    assert (np.isnan(times) | (times == 0.0))[:, stubborn].all()
    assert np.isfinite(times[:, ~stubborn]).any()


@pytest.mark.parametrize("given", [CENTRALITIES, "centralities.csv", 0.25, np.float64(0.25), 0])
def test_centralities__given(given):
    made = study({"members": MEMBERS, "network": EDGES, "centralities": given})
    ds = made.run()
    expected = CENTRALITIES if isinstance(given, list | str) else [given] * MEMBERS
    np.testing.assert_array_equal(ds["centrality"].values, [expected] * 6)
    np.testing.assert_array_equal(ds["given_centralities"].values, [expected])
    assert again(made).configuration_hash == made.configuration_hash


def test_centralities__a_row_a_graph():
    rows = np.linspace(0.0, 1.0, 3 * MEMBERS).reshape(3, MEMBERS)
    made = study({"members": MEMBERS, "network": RECIPE, "centralities": rows})
    ds = made.run()
    np.testing.assert_array_equal(ds["centrality"].values, rows[[0, 1, 2, 0, 1, 2]])
    assert again(made).configuration_hash == made.configuration_hash


def test_centralities__approximate_is_exact_where_all_members_are_pivots():
    exact = study({"network": EDGES}).run()["centrality"].values
    made = study({"network": EDGES, "centralities": "approximate"})
    np.testing.assert_allclose(made.run()["centrality"].values, exact, atol=1e-12)
    assert again(made).configuration_hash == made.configuration_hash
    assert made.configuration_hash != study({"network": EDGES}).configuration_hash


def test_thresholds__one_number_for_alliances_of_any_size():
    made = study({"thresholds": math.inf}, design=fa.grid(members=[4, 9]))
    assert again(made).configuration_hash == made.configuration_hash
    same(made.run(), study({"thresholds": math.inf}, design=fa.grid(members=[4, 9])).run())


@pytest.mark.parametrize("number", [np.int64(9), np.float32(9), np.array(9), 9.0])
def test_sizes__numbers_of_numpy_count(number):
    assert study({"members": number}).fixed["members"] == 9


def test_network__isolated_members_are_those_that_only_arrays_have():
    made = study({"network": EDGES, "thresholds": [0.2] * 20})
    assert made.fixed["members"] == 20
    assert made.resolved["structure"]["network"]["isolated"] == 8
    made = study({"network": [[0, 5], [5, 7]], "thresholds": [0.2] * 20})
    assert made.resolved["structure"]["network"]["isolated"] == 17


def test_network__nothing_is_none():
    assert study({"network": None, "thresholds": None}).given.names == ()


# --- Pools and axes -------------------------------------------------------------------------------


def test_recipe__replicate_r_lives_in_graph_r_mod_k():
    ds = study({"members": MEMBERS, "network": RECIPE}).run()
    networks = load_networks(RECIPE, members=MEMBERS)
    np.testing.assert_array_equal(ds["centrality"][:3], ds["centrality"][3:])
    for j in range(3):
        ends = [
            ds[name].values[ds["tie_graph"].values == j] for name in ("tie_first", "tie_second")
        ]
        alone = study({"members": MEMBERS, "network": np.stack(ends, axis=1)}).run()
        same(alone.isel(replicate=slice(j, j + 1)), ds.isel(replicate=slice(j, j + 1)))
    assert len(ds["tie_graph"]) == networks.description["edges"]


DEGREES = [0.0, 1.5, 4.0]


def test_mean_degree__as_an_axis_equals_the_recipe_s_own():
    bare = {"kind": "erdos_renyi", "seed": 4, "pool": 3}
    made = study(
        {"members": MEMBERS, "network": bare},
        design=fa.grid(mean_degree=DEGREES),
        common_random_numbers=True,
    )
    assert again(made).configuration_hash == made.configuration_hash
    ds = made.run()
    assert "tie_first" not in ds.coords
    for degree in DEGREES:
        own = study({"members": MEMBERS, "network": {**bare, "mean_degree": degree}})
        fixed = study(
            {"members": MEMBERS, "network": bare, "mean_degree": degree}
            if degree
            else {"members": MEMBERS, "network": {**bare, "mean_degree": 0}}
        )
        alone = own.run()
        same(alone, ds.sel(mean_degree=degree))
        same(fixed.run(), alone)


@pytest.mark.parametrize("kind", ["none", "erdos_renyi", "stochastic_block", "configuration"])
def test_sizes__as_axes_equal_fixed_ones(kind):
    recipe = {
        "none": None,
        "erdos_renyi": RECIPE,
        "stochastic_block": {"kind": "stochastic_block", "within": 0.6, "between": 0.1, "pool": 2},
        "configuration": {"kind": "configuration", "degrees": {2: 0.5, 4: 0.5}, "pool": 2},
    }[kind]
    given = {} if recipe is None else {"network": recipe}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ties without a network, and those that pairing repeats
        both = study(
            given,
            structure=given,
            design=fa.grid(members=[6, 10], industries=[1, 3]),
            common_random_numbers=True,
        )
        ds = both.run(points_per_tile=1)
        assert ds.sizes["member"] == 10
        for members in (6, 10):
            for industries in (1, 3):
                alone = study({"members": members, "industries": industries, **given}).run()
                point = ds.sel(members=members, industries=industries)
                same(alone, point.isel(member=slice(0, members)))
                assert np.isnan(point["exit_time"].values[:, members:]).all()
                assert np.isnan(point["centrality"].values[:, members:]).all()


@pytest.mark.parametrize("form", ["csv", "networkx", "recipe"])
def test_industries__as_an_axis_of_one_network(form, monkeypatch):
    counter = Counter(monkeypatch)
    network = RECIPE if form == "recipe" else NETWORKS[form]
    ds = study(
        {},
        structure={"members": MEMBERS, "network": network, "thresholds": THRESHOLDS},
        design=fa.grid(industries=[1, 4]),
        common_random_numbers=True,
    ).run()
    assert counter.calls == 1
    assert {"tie_first", "given_centralities", "given_thresholds"} <= set(ds.coords)
    assert "industry" not in ds.coords
    for industries in (1, 4):
        given = {"industries": industries, "network": network, "thresholds": THRESHOLDS}
        same(study(given).run(), ds.sel(industries=industries))


def test_sizes__sampled_with_a_recipe():
    design = fa.sample(4, ranges={"members": (4, 30), "mean_degree": (0.5, 3.0)}, seed=2)
    made = study({"network": {"kind": "erdos_renyi"}}, design=design)
    assert again(made).configuration_hash == made.configuration_hash
    ds = made.run()
    for point in range(4):
        replayed = made.replay(point=point, replicate=2)
        members = int(ds["members"][point])
        assert replayed.sizes["member"] == members
        expected = ds.isel(point=point, replicate=[2])
        same(replayed, expected.isel(member=slice(0, members)))


def test_network__without_ties():
    made = study({"members": MEMBERS, "network": []})
    ds = made.run()
    assert "tie_first" not in ds.coords
    assert (ds["centrality"].values == 0.0).all()
    assert again(made).configuration_hash == made.configuration_hash


def test_members__of_several_sizes_in_a_store_and_in_memory(tmp_path):
    design = fa.grid(members=[5, 11], memory=[2.0, math.inf])
    made = study({"network": RECIPE}, design=design)
    memory = made.run()
    for points_per_tile in (1, 3):
        store = tmp_path / f"{points_per_tile}.zarr"
        same(made.run(store=store, points_per_tile=points_per_tile), memory)
    assert np.isnan(memory["exit_time"].sel(members=5).values[..., 5:]).all()
    replayed = made.replay(point={"members": 5, "memory": 2.0}, replicate=1)
    assert replayed.sizes["member"] == 5
    np.testing.assert_array_equal(replayed["industry"].values, [0, 0, 0, 1, 1])


# --- What computes, and when ----------------------------------------------------------------------


def test_betweenness__is_for_runs_only(monkeypatch):
    counter = Counter(monkeypatch)
    made = study({"members": MEMBERS, "network": RECIPE})
    made.plan()
    sha = made.configuration_hash
    made.to_yaml()
    assert counter.calls == 0
    made.run()
    made.run()
    made.replay(replicate=2)
    assert counter.calls == 1
    assert made.configuration_hash == sha


def test_betweenness__too_many_members_are_refused_at_the_door():
    chain = np.arange(20_001)
    pairs = np.stack([chain[:-1], chain[1:]], axis=1)
    with pytest.raises(fa.ConfigError, match=r"exact betweenness takes at most 20,000 members"):
        study({"network": pairs})
    with pytest.raises(fa.ConfigError, match=r"exact betweenness takes at most 20,000 members"):
        study({"network": RECIPE}, design=fa.grid(members=[100, 20_001]))
    assert study({"network": pairs, "centralities": 0.0}).fixed["members"] == 20_001


def test_hash__of_a_network_is_that_of_its_graphs():
    shuffled = [list(reversed(edge)) for edge in reversed(EDGES)]
    with pytest.warns(UserWarning, match="1 self-loop dropped and 1 duplicate edge merged"):
        tidied = study({"network": [*shuffled, [0, 0], [1, 0]]})
    assert tidied.configuration_hash == study({"network": EDGES}).configuration_hash
    assert study({"network": EDGES[1:]}).configuration_hash != tidied.configuration_hash
    assert tidied.resolved["structure"]["network"]["self_loops"] == 1


def test_hash__of_a_recipe_has_its_defaults_filled_in():
    def of(recipe):
        design = fa.grid(members=[6, 8])
        return study({"network": recipe}, design=design).configuration_hash

    bare = {"kind": "erdos_renyi", "probability": 0.2}
    assert of(bare) == of({**bare, "seed": 0, "pool": 1}) != of({**bare, "seed": 1})


def test_to_yaml__keeps_files_where_they_are(tmp_path):
    text = study({"network": "edges.csv", "thresholds": "thresholds.txt"}).to_yaml()
    assert str(tmp_path / "edges.csv") in text
    assert str(tmp_path / "thresholds.txt") in text
    recipe = {"kind": "configuration", "degrees": "degrees.csv"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what pairing repeats
        text = study({"members": MEMBERS, "network": recipe}).to_yaml()
    assert str(tmp_path / "degrees.csv") in text


def test_to_yaml__of_networks_that_were_loaded_before():
    loaded = load_networks(RECIPE, members=MEMBERS)
    made = study({"network": loaded})
    assert (
        made.configuration_hash == study({"members": MEMBERS, "network": RECIPE}).configuration_hash
    )
    assert again(made).configuration_hash == made.configuration_hash
    del loaded.description["recipe"]
    with pytest.raises(fa.ConfigError, match=r"a pool of 3 graphs, which a configuration cannot"):
        made.to_yaml()


def test_adopt__only_of_the_same_graphs(monkeypatch):
    counter = Counter(monkeypatch)
    made = study({"network": EDGES})
    sha = made.resolved["structure"]["network"]["sha256"]
    right = study({"network": EDGES}).run()["given_centralities"].values
    assert counter.calls == 1
    given = made.given
    assert not given.adopt(made.fixed, "0" * 64, right)
    assert not given.adopt(made.fixed, sha, right[:, 1:])
    assert not given.adopt(made.fixed, sha, right * 2.0)
    assert not given.adopt(made.fixed, sha, np.full_like(right, np.nan))
    assert given.adopt(made.fixed, sha, right)
    same(made.run(), study({"network": EDGES, "centralities": right[0]}).run())
    assert counter.calls == 1


def test_adopt__nothing_where_centralities_are_given():
    made = study({"network": EDGES, "centralities": 0.5})
    sha = made.resolved["structure"]["network"]["sha256"]
    assert not made.given.adopt(made.fixed, sha, np.zeros((1, MEMBERS)))
    assert not study({}).given.adopt({}, sha, np.zeros((1, MEMBERS)))


def test_given__can_be_pickled():
    given = GivenStructure(fa.model("exit_cascade"), {"network": EDGES, "thresholds": 0.2}, Path())
    fixed = {"members": MEMBERS, "industries": 1, "mean_degree": 0.0}
    del given.model, given.inputs  # hold functions of other modules
    twin = pickle.loads(pickle.dumps(given))
    assert twin.describe(fixed) == given.describe(fixed)


def test_recent__drops_what_was_not_used_for_longest():
    kept: Recent[int, str] = Recent(len, max_bytes=6)
    made: list[int] = []

    def get(key: int, text: str) -> str:
        return kept.get(key, lambda: made.append(key) or text)

    for key, text in [(1, "aaa"), (2, "bbb"), (1, "aaa"), (3, "ccc"), (1, "aaa"), (2, "bbb")]:
        assert get(key, text) == text
    assert made == [1, 2, 3, 2]
    assert get(4, "longer than all") == "longer than all"
    assert get(4, "?") == "longer than all"
    assert made == [1, 2, 3, 2, 4]
