"""Wrong networks, arrays and sizes of a study: one line that names the field and the remedy."""

import collections
import math
from pathlib import Path

import numpy as np
import pytest

import fastalliance as fa
from fastalliance.networks import load_networks
from tests.unit.given_cases import EDGES, MEMBERS, RECIPE, graph, study, write_files

# Ties without a network are legal; whether there is one is what is tested here.
pytestmark = pytest.mark.filterwarnings("ignore:exit_cascade.*tie_weight has no effect")


@pytest.fixture(autouse=True)
def _files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path)


BARABASI = {"kind": "barabasi_albert", "edges_per_member": 2}
WRONG = {
    "unknown key": ({"treshold": [0.1]}, "no structural input 'treshold'; did you mean 'threshold"),
    "unknown object": ({"treshold": np.ones(3)}, "no structural input 'treshold'; did you mean"),
    "unknown with None": ({"netwerk": 1}, "no structural input 'netwerk'; did you mean 'network'"),
    "length": ({"members": 5, "thresholds": [0.1] * 4}, "structure.thresholds must have one value"),
    "lengths": ({"thresholds": [0.1] * 4, "centralities": [0.1] * 5}, "for 5 members; it has 4"),
    "length of network": (
        {"network": graph(), "thresholds": [0.1] * 5},
        "for 12 members; it has 5",
    ),
    "length of nodes": (
        {"network": graph(), "thresholds": [0.1] * 20},
        "has 12 nodes, structure.m",
    ),
    "nan": ({"thresholds": [0.1, math.nan]}, "must be finite or inf, got nan for member 1"),
    "nan number": ({"thresholds": math.nan}, "structure.thresholds must be finite or inf, got nan"),
    "bounds": ({"centralities": [0.1, 1.5]}, "must be 0..1, got 1.5 for member 1"),
    "bounds of a number": ({"centralities": -1}, "structure.centralities must be 0..1, got -1"),
    "infinite": (
        {"centralities": [0.1, math.inf]},
        "must be finite and 0..1, got inf for member 1",
    ),
    "large": ({"centralities": [0.1, 1234567.5]}, "must be 0..1, got 1234567.5 for member 1"),
    "in a graph": (
        {"network": RECIPE, "members": 2, "centralities": [[0, 1], [0, 2], [0, 1]]},
        "got 2 for member 1 in graph 1",
    ),
    "no list": ({"thresholds": {"a": 1}}, "structure.thresholds must be a number, a list or a p"),
    "set": ({"thresholds": {0.1, 0.2}}, "structure.thresholds must be a number, a list or a path"),
    "generator": ({"thresholds": (x for x in [0.1])}, "structure.thresholds must be a number, a l"),
    "empty list": ({"thresholds": []}, "must hold one number a member, at least two, got none"),
    "one value": ({"thresholds": [0.1]}, "must hold one number a member, at least two, got one"),
    "text": ({"thresholds": ["0.1", "0.2"]}, "structure.thresholds must be numbers, got '0.1'"),
    "texts": ({"thresholds": np.array(["a", "b"])}, "structure.thresholds must be numbers, got "),
    "truth": ({"thresholds": True}, "structure.thresholds must be a number, a list or a path, got"),
    "truths": ({"thresholds": [True, 0.5]}, "structure.thresholds must be numbers, got True"),
    "truth array": ({"thresholds": np.array([True, False])}, "structure.thresholds must be numb"),
    "complex": ({"thresholds": np.array([1j, 2])}, "structure.thresholds must be numbers, got"),
    "masked": ({"thresholds": np.ma.array([0.1, 0.2], mask=[0, 1])}, "holds masked values"),
    "ragged": ({"thresholds": [[0.1, 0.2], [0.1]]}, "must hold lists of one length"),
    "cube": ({"thresholds": np.ones((2, 2, 2))}, "got an array of shape (2, 2, 2)"),
    "rows": ({"thresholds": np.ones((2, 5))}, "must have one row, or one for each graph"),
    "rows of a pool": (
        {"network": RECIPE, "members": 5, "thresholds": np.ones((2, 5))},
        "of the network's pool (3); it has 2",
    ),
    "misspelt": ({"network": EDGES, "centralities": "aproximate"}, "did you mean 'approximate'?"),
    "other text": ({"network": EDGES, "centralities": "yes"}, "or approximate, got 'yes'"),
    "approximate thresholds": ({"thresholds": "approximate"}, "ends in .csv or .txt, got 'approx"),
    "approximate of nothing": ({"centralities": "approximate"}, "approximate needs a network"),
    "missing file": (
        {"thresholds": "no.csv"},
        "structure.thresholds: cannot read 'no.csv': No such",
    ),
    "nul": ({"thresholds": "a\0.csv"}, "structure.thresholds: cannot read"),
    "folder": ({"thresholds": "folder.csv"}, "cannot read 'folder.csv': Is a directory"),
    "missing network": ({"network": "no.csv"}, "structure.network: cannot read 'no.csv': No such"),
    "text in file": (
        {"thresholds": "words.csv"},
        "'words.csv', line 3 must be one number, got 'x'",
    ),
    "comma": ({"thresholds": "comma.csv"}, "'comma.csv', line 1 must be one number, got '0,5'"),
    "columns": ({"thresholds": "columns.csv"}, "line 1 must be one number, got 'firm,threshold'"),
    "empty file": ({"thresholds": "empty.csv"}, "'empty.csv' holds no numbers; one number a line"),
    "bounds in file": ({"centralities": "words2.csv"}, "'words2.csv' must be 0..1, got 2 for memb"),
    "underscore": ({"thresholds": "underscore.csv"}, "line 2 must be one number, got '1_0'"),
    "fewer members": (
        {"members": 5, "network": EDGES},
        "has the number 11, structure.members is 5",
    ),
    "fewer nodes": ({"members": 5, "network": graph()}, "has 12 nodes, structure.members is 5"),
    "more nodes": ({"members": 50, "network": graph()}, "leave structure.members out, or add iso"),
    "loaded": (
        {"members": 5, "network": load_networks(EDGES, members=MEMBERS)},
        "structure.network has 12 members, structure.members is 5",
    ),
    "no members": ({"network": []}, "names no member; give structure.members"),
    "industries": ({"members": 4, "industries": 5}, "industries must be <= members, got industri"),
    "directed": ({"network": graph().to_directed()}, "the graph is directed; take graph.to_undir"),
    "truth network": ({"network": True}, "structure.network: must be a networkx graph"),
    "recipe kind": ({"network": {"kind": "erdos"}}, "structure.network.kind must be one of"),
    "recipe key": ({"network": {**RECIPE, "degree": 1}}, "did you mean 'mean_degree'?"),
    "recipe degree": ({"members": 3, "network": {**RECIPE, "mean_degree": 4}}, "from 0 to 2"),
    "mean_degree": ({"mean_degree": 3}, "structure.mean_degree belongs to a network"),
    "mean_degree of edges": (
        {"mean_degree": 3, "network": EDGES},
        "belongs to a network {kind: er",
    ),
    "mean_degree twice": ({"mean_degree": 3, "network": RECIPE}, "drop one of them"),
    "mean_degree of others": (
        {"mean_degree": 3, "network": BARABASI},
        "belongs",
    ),
    "members truth": ({"members": True}, "exit_cascade.members must be a number, got True"),
    "members list": ({"members": [5, 6]}, "exit_cascade.members must be a number"),
    "members array": ({"members": np.array([5, 6])}, "structure.members must be one number, got a"),
    "members text": ({"members": "12"}, "exit_cascade.members must be a number"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong__is_named(case):
    Path("folder.csv").mkdir()
    Path("words.csv").write_text("threshold\n0.1\nx\n")
    Path("words2.csv").write_text("0.1\n2\n")
    Path("comma.csv").write_text("0,5\n0,6\n0,7\n")
    Path("columns.csv").write_text("firm,threshold\na,0.1\n")
    Path("empty.csv").write_text("# nothing\n")
    Path("underscore.csv").write_text("0.1\n1_0\n")
    structure, message = WRONG[case]
    with pytest.raises(fa.FastAllianceError) as caught:
        study({}, structure=structure)
    assert isinstance(caught.value, fa.ConfigError | fa.ParameterError | fa.DesignError)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("structure", "axes", "message"),
    [
        ({"thresholds": [0.1, 0.2]}, {"members": [2, 3]}, "structure.thresholds gives each member"),
        ({"network": EDGES}, {"members": [12, 13]}, "so members cannot vary in the design; give a"),
        ({"members": 5}, {"members": [5]}, "members is given both in structure and in the design"),
        ({}, {"mean_degree": [1, 2]}, "structure.mean_degree belongs to a network"),
        ({"network": EDGES}, {"mean_degree": [0, 2]}, "structure.mean_degree belongs to a network"),
        ({"network": RECIPE}, {"mean_degree": [1, 2]}, "drop one of them"),
        (
            {"network": {"kind": "erdos_renyi"}, "members": 4},
            {"mean_degree": [1, 4]},
            "from 0 to 3",
        ),
        (
            {"network": {"kind": "barabasi_albert", "edges_per_member": 3}},
            {"members": [9, 3]},
            "structure.network.edges_per_member must be a whole number from 1 to 2",
        ),
        ({"members": 4}, {"industries": [1, 5]}, "industries must be <= members"),
        ({"members": 4, "industries": 2}, {"seed_exits": [0, 5]}, "seed_exits must be <= members"),
        ({"members": 4}, {"seed_exits": [0, 1.5]}, "must be a whole number, got 1.5"),
        ({}, {"thresholds": [0.1, 0.2]}, "no parameter 'thresholds'"),
    ],
)
def test_wrong__axes_are_refused_before_anything_runs(structure, axes, message):
    fields = {"parameters": {}} if "seed_exits" in axes else {}
    with pytest.raises(fa.FastAllianceError) as caught:
        study({}, structure=structure, design=fa.grid(**axes), **fields)
    assert message in str(caught.value)


def test_wrong__models_without_members():
    for given in ({"network": graph()}, {"network": [[0, 1]]}, {"thresholds": np.ones(4)}):
        with pytest.raises(fa.ParameterError, match=r"dyad has no structural input"):
            fa.Study("dyad", structure=given)
    with pytest.raises(fa.ConfigError, match=r"keep\.members: dyad has no members"):
        fa.Study("dyad", keep={"members": True})


def test_wrong__more_members_kept_than_there_is_room(tmp_path, monkeypatch):
    monkeypatch.setattr("fastalliance.study.axes.free_memory", lambda: 2**33)
    made = study({"members": 100_000}, replicates=10_000)
    assert made.plan().kept_bytes > 2 * 8 * 10**9
    with pytest.raises(fa.DesignError, match=r"the result takes about .* of memory, .* are free"):
        made.run()
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(10**9, 0, 10**9))
    monkeypatch.setattr("fastalliance.study.axes.free_memory", lambda: 2**60)
    with pytest.raises(fa.StoreError, match=r"the run needs .*, .* are free; free some space, or"):
        made.run(store=tmp_path / "run.zarr")
    assert not (tmp_path / "run.zarr").exists()
    with pytest.raises(fa.ConfigError, match=r"the result would take .*; simulate fewer"):
        fa.simulate("exit_cascade", structure={"members": 10**6}, replicates=1000, members=True)
