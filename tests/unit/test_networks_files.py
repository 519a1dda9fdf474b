"""Networks in files: separators, headers, names and numbers, GraphML, and refusals."""

import sys

import networkx as nx
import numpy as np
import pytest

from fastalliance.errors import ConfigError
from fastalliance.networks import NetworkWarning, load_networks

EDGES = [[0, 1], [1, 2], [1, 3], [4, 2]]
REFERENCE = load_networks(EDGES, members=6)


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a file and return its name; relative paths begin in its folder."""
    monkeypatch.chdir(tmp_path)

    def written(text: str | bytes, name: str = "edges.csv") -> str:
        data = text.encode() if isinstance(text, str) else text
        (tmp_path / name).write_bytes(data)
        return name

    return written


def refused(given, members=None) -> str:
    with pytest.raises(ConfigError) as error:
        load_networks(given, members=members)
    text = str(error.value)
    assert "\n" not in text
    return text


# --- edge lists of numbers ------------------------------------------------------------------------

BODY = "0,1\n1,2\n1,3\n4,2\n5\n"
SAME = {
    "commas": BODY,
    "semicolons": BODY.replace(",", ";"),
    "tabs": BODY.replace(",", "\t"),
    "spaces": BODY.replace(",", "  "),
    "spaces around": BODY.replace(",", " , "),
    "header": "source,target\n" + BODY,
    "any header above numbers": "firm a,partner\n" + BODY,
    "byte order mark": "\ufeff" + BODY,
    "windows": BODY.replace("\n", "\r\n"),
    "no last line break": BODY.rstrip(),
    "blanks and comments": "# members of 2007\n\n" + BODY.replace("\n", "\n\n"),
    "quotes": '"0","1"\n"1","2"\n"1","3"\n"4","2"\n"5"\n',
    "isolated first": "5\n" + BODY[:-2],
    "isolated with separator": BODY[:-1] + ",\n",
    "isolated as well as not": "1\n" + BODY,
}


@pytest.mark.parametrize("case", SAME)
def test_edge_list__of_numbers_is_the_same_however_written(write, case):
    networks = load_networks(write(SAME[case]), members=None)
    assert networks.sha256 == REFERENCE.sha256
    np.testing.assert_array_equal(networks.indptr, REFERENCE.indptr)
    assert networks.labels is None
    assert networks.description["source"] == "edges.csv"


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt", ".edgelist"])
def test_edge_list__is_known_by_its_suffix(write, suffix):
    assert load_networks(write(BODY, f"edges{suffix}"), members=6).sha256 == REFERENCE.sha256


def test_edge_list__members_may_be_more_than_its_numbers(write):
    networks = load_networks(write("0,1\n"), members=4)
    assert networks.degrees().tolist() == [[1, 1, 0, 0]]


def test_path__begins_in_the_folder(write, tmp_path):
    write(BODY)
    inside = load_networks("edges.csv", members=None, folder=tmp_path)
    assert inside.sha256 == REFERENCE.sha256
    absolute = load_networks(tmp_path / "edges.csv", members=None, folder="/nowhere")
    assert absolute.sha256 == REFERENCE.sha256


# --- edge lists of names --------------------------------------------------------------------------


def test_edge_list__names_are_numbered_as_they_appear(write):
    name = write('source;target\nNokia;"Intel; Inc."\nIntel Corp\nAcme;Nokia\n007;7\n')
    networks = load_networks(name, members=None)
    assert networks.labels == ("Nokia", "Intel; Inc.", "Intel Corp", "Acme", "007", "7")
    assert networks.degrees().tolist() == [[2, 1, 0, 1, 1, 1]]
    assert networks.description["isolated"] == 1


def test_edge_list__one_name_among_numbers_makes_all_names(write):
    networks = load_networks(write("0,1\n2,1\nx,2\n"), members=4)
    assert networks.labels == ("0", "1", "2", "x")
    longer = load_networks(write(f"0,1\n1,{10**18}\n"), members=3)
    assert longer.labels == ("0", "1", str(10**18))


def test_edge_list__first_line_with_known_names_is_an_edge(write):
    assert load_networks(write("a,b\nb,c\n"), members=None).labels == ("a", "b", "c")
    assert load_networks(write("a,b\nc,d\na,d\n"), members=None).n_members == 4


def test_edge_list__words_of_a_header_are_one_in_any_case(write):
    for header in ("Source,Target", "from,to", "firm_1,firm_2", "member,neighbour"):
        assert load_networks(write(f"{header}\na,b\n"), members=None).labels == ("a", "b")
    reversed_words = load_networks(write("target,source\ntarget,b\n"), members=None)
    assert reversed_words.labels == ("target", "source", "b")


def test_edge_list__loops_and_duplicates_are_counted(write):
    name = write("a,b\nb,a\na,a\n")
    with pytest.warns(NetworkWarning, match="1 self-loop dropped and 1 duplicate edge merged"):
        networks = load_networks(name, members=2)
    assert networks.description["edges"] == 1


# --- refusals of edge lists -----------------------------------------------------------------------

REFUSED = [
    ("", None, "'edges.csv' is empty"),
    ("\n# nothing\n", None, "'edges.csv' is empty"),
    (
        "0,1,2.5\n",
        None,
        "'edges.csv', line 1 has 3 cells; an edge has two, the members at its ends (weights are "
        "not used)",
    ),
    (
        "0 1\n# x\n1 2 {}\n",
        None,
        "'edges.csv', line 3 has 3 cells; an edge has two, the members at its ends (weights are "
        "not used)",
    ),
    ("0,1\n,2\n", None, "'edges.csv', line 2 lacks its first member"),
    (
        "firm,partner\na,b\n",
        None,
        "'edges.csv', line 1 ('firm,partner') may be a header, or the only edge of two members; "
        "begin the file with the line source,target",
    ),
    (
        "1,2\n2,3\n",
        None,
        "the edge list 'edges.csv' does not have the number 0, though 3 occurs; members are "
        "numbered from 0: give structure.members if some are isolated",
    ),
    (
        "0,1\n1,2\n",
        2,
        "the edge list 'edges.csv' has the number 2, structure.members is 2; members are numbered "
        "from 0 to 1",
    ),
    (
        "a,b\nb,c\n",
        4,
        "the edge list 'edges.csv' has 3 nodes, structure.members is 4; leave structure.members "
        "out, or add isolated nodes",
    ),
    ('a,"b\n', None, "cannot read 'edges.csv': unexpected end of data"),
]


@pytest.mark.parametrize(("text", "members", "message"), REFUSED)
def test_edge_list__refusal_is_one_line(write, text, members, message):
    assert refused(write(text), members) == f"structure.network: {message}"


def test_file__that_cannot_be_read_is_named(write, tmp_path):
    (tmp_path / "folder.csv").mkdir()
    start = "structure.network: cannot read "
    assert refused("none.csv") == start + "'none.csv': No such file or directory"
    assert refused("folder.csv") == start + "'folder.csv': Is a directory"
    assert refused("none.graphml") == start + "'none.graphml': No such file or directory"
    assert refused(write(b"\xff\xfe0,1")).startswith(start + "'edges.csv': 'utf-8' codec")
    assert refused("a\0b.csv") == start + r"'a\x00b.csv': embedded null byte"


@pytest.mark.parametrize("name", ["edges.xlsx", "edges", "edges.gml", "line\nbreak.xls"])
def test_file__of_an_unknown_suffix_is_refused(name):
    assert refused(name) == (
        "structure.network: a file must end in .csv, .tsv, .txt, .edgelist (edge lists) or "
        f".graphml, got {name!r}"
    )


# --- GraphML --------------------------------------------------------------------------------------


def graphml(tmp_path, graph) -> str:
    nx.write_graphml_xml(graph, tmp_path / "net.graphml")
    return "net.graphml"


def test_graphml__is_the_graph_that_was_written(write, tmp_path):
    graph = nx.Graph()
    graph.add_nodes_from(range(6))
    graph.add_edges_from(EDGES, weight=2.0)
    networks = load_networks(graphml(tmp_path, graph), members=None)
    assert networks.sha256 == REFERENCE.sha256
    assert networks.labels is None
    assert networks.description["source"] == "net.graphml"


def test_graphml__ids_are_labels_in_the_order_of_nodes(write, tmp_path):
    graph = nx.Graph([("Nokia", "Intel"), ("Arm", "Nokia")])
    networks = load_networks(graphml(tmp_path, graph), members=3)
    assert networks.labels == ("Nokia", "Intel", "Arm")
    assert networks.degrees().tolist() == [[2, 1, 1]]


def test_graphml__parallel_edges_are_merged(write, tmp_path):
    graph = nx.MultiGraph([("a", "b"), ("a", "b"), ("b", "b")])
    with pytest.warns(NetworkWarning, match="1 self-loop dropped and 1 duplicate edge merged"):
        assert load_networks(graphml(tmp_path, graph), members=2).description["edges"] == 1


def test_graphml__directed_is_refused(write, tmp_path):
    message = refused(graphml(tmp_path, nx.DiGraph([("a", "b")])))
    assert message == "structure.network: the graph is directed; take graph.to_undirected()"


HEAD = '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">'
DAMAGED = [
    "",
    "0,1\n",
    "<graphml>",
    "<html></html>",
    HEAD + "</graphml>",
    HEAD + '<graph edgedefault="undirected"><edge source="a"/></graph></graphml>',
    HEAD + '<graph edgedefault="undirected"><node/></graph></graphml>',
    HEAD
    + '<key id="w" for="edge" attr.name="w" attr.type="double"/><graph edgedefault="undirected">'
    '<edge source="a" target="b"><data key="w">much</data></edge></graph></graphml>',
    HEAD + '<key id="w" for="edge" attr.name="w" attr.type="odd"/><graph edgedefault="undirected">'
    '<edge source="a" target="b"><data key="w">1</data></edge></graph></graphml>',
    HEAD + '<graph edgedefault="undirected"><edge source="a" target="b" directed="true"/></graph>'
    "</graphml>",
]


@pytest.mark.parametrize("text", DAMAGED)
def test_graphml__damage_is_refused_in_one_line(write, text):
    message = refused(write(text, "net.graphml"))
    assert message.startswith("structure.network: ")
    assert message.count("net.graphml") == 1 or "has no nodes" in message


def test_graphml__without_networkx_says_what_to_install(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "networkx", None)
    assert refused(write(HEAD, "net.graphml")) == (
        'structure.network: reading GraphML needs networkx: pip install "fastalliance[networks]"'
    )
