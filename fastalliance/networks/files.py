"""Networks in files: edge lists as CSV, and GraphML."""

from __future__ import annotations

import csv
import re
from itertools import chain
from pathlib import Path
from xml.etree.ElementTree import ParseError

import numpy as np

from fastalliance.networks.checks import package, refusal, show
from fastalliance.networks.graphs import Integers
from fastalliance.networks.nodes import NodeEdges, from_networkx, named, numbered

EDGE_LISTS = (".csv", ".tsv", ".txt", ".edgelist")
_SEPARATORS = ("\t", ";", ",")  # the first that a file's first line has; else spaces
_WHOLE = re.compile(r"0|[1-9][0-9]{0,17}")  # 007 is a name, and so is what 64 bits cannot hold
_FIRST = {"source", "from", "node1", "node_1", "member1", "member_1", "firm1", "firm_1", "member"}
_SECOND = {"target", "to", "node2", "node_2", "member2", "member_2", "firm2", "firm_2"}
_SECOND |= {"neighbour", "neighbor"}

Lines = list[tuple[int, list[str]]]


def read_network(path: Path, members: int | None) -> NodeEdges:
    """Return the network of a file, which its suffix says how to read.

    Raises
    ------
    ConfigError
        The suffix is unknown, or the file cannot be read as what it says.
    """
    if path.suffix == ".graphml":
        return _read_graphml(path, members)
    if path.suffix in EDGE_LISTS:
        return _read_edge_list(path, members)
    kinds = f"{', '.join(EDGE_LISTS)} (edge lists) or .graphml"
    raise refusal(f"a file must end in {kinds}, got {show_path(path)}")


def show_path(path: Path) -> str:
    """Return a path as it stands in messages, on one line."""
    return repr(str(path))


def read_lines(path: Path) -> Lines:
    """Return the cells of each line of a text file with its number; blanks and # are skipped.

    Raises
    ------
    ConfigError
        The file cannot be read, or holds nothing.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise refusal(f"cannot read {show_path(path)}: {reason}") from None
    lines = [(i, line.strip()) for i, line in enumerate(text.split("\n"), 1)]
    lines = [(i, line) for i, line in lines if line and not line.startswith("#")]
    if not lines:
        raise refusal(f"{show_path(path)} is empty")
    separator = next((mark for mark in _SEPARATORS if mark in lines[0][1]), None)
    if separator is None:  # an isolated member may come first
        everything = "\n".join(line for _, line in lines)
        separator = next((mark for mark in _SEPARATORS if mark in everything), None)
    try:
        return [(i, _cells(line, separator)) for i, line in lines]
    except csv.Error as error:
        raise refusal(f"cannot read {show_path(path)}: {error}") from None


def _cells(line: str, separator: str | None) -> list[str]:
    if separator is None:
        return line.split()
    if '"' in line:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=separator, strict=True))]
    return [cell.strip() for cell in line.split(separator)]


def whole_number(text: str) -> bool:
    """Say whether a cell is a whole number as it would be written."""
    return _WHOLE.fullmatch(text) is not None


def _read_edge_list(path: Path, members: int | None) -> NodeEdges:
    lines = read_lines(path)
    rows = [_ends(cells, f"{show_path(path)}, line {i}") for i, cells in lines]
    if _is_header(rows, f"{show_path(path)}, line {lines[0][0]}"):
        rows = rows[1:]
    labels = list(dict.fromkeys(chain.from_iterable(rows)))  # in order of first appearance
    pairs = [row for row in rows if len(row) == 2]
    what = f"the edge list {show_path(path)}"
    if all(map(whole_number, labels)):
        index = {label: int(label) for label in labels}
        return numbered(
            np.array(sorted(index.values()), np.int64), _edges(pairs, index), members, what
        )
    index = {label: i for i, label in enumerate(labels)}
    return named(labels, _edges(pairs, index), members, what)


def _ends(cells: list[str], where: str) -> list[str]:
    """Return the one or two members of a line; one alone is isolated, or has edges elsewhere."""
    if len(cells) > 2:
        raise refusal(
            f"{where} has {len(cells)} cells; an edge has two, the members at its ends (weights "
            "are not used)"
        )
    if not cells[0]:
        raise refusal(f"{where} lacks its first member")
    return cells if len(cells) == 2 and cells[1] else cells[:1]


def _is_header(rows: list[list[str]], where: str) -> bool:
    first, rest = rows[0], set(chain.from_iterable(rows[1:]))
    if len(first) < 2 or any(map(whole_number, first)):
        return False
    if first[0].lower() in _FIRST and first[1].lower() in _SECOND:
        return True
    if rest and all(map(whole_number, rest)):
        return True
    if not rest & set(first):
        raise refusal(
            f"{where} ({show(','.join(first))}) may be a header, or the only edge of two members; "
            "begin the file with the line source,target"
        )
    return False


def _edges(pairs: list[list[str]], index: dict[str, int]) -> Integers:
    numbers = [index[label] for label in chain.from_iterable(pairs)]
    return np.array(numbers, np.int64).reshape(-1, 2)


def _identifier(value: str | None) -> str:
    """Return a node's id; networkx would make the name None of one that is not there."""
    if value is None:
        raise ValueError("a node or the end of an edge has no id")
    return value


def _read_graphml(path: Path, members: int | None) -> NodeEdges:
    networkx = package("networkx", "reading GraphML")
    try:
        graph = networkx.read_graphml(path, node_type=_identifier)
    except OSError as error:
        raise refusal(f"cannot read {show_path(path)}: {error.strerror or error}") from None
    except (ParseError, networkx.NetworkXError, KeyError, ValueError, StopIteration) as error:
        reason = " ".join(str(error).split()) or "it has no graph"
        raise refusal(f"{show_path(path)} is no GraphML file: {reason}") from None
    return from_networkx(graph, members)
