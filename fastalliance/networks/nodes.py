"""Which member each node of a source is, and how many members there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastalliance.networks.checks import MAX_ENTRIES, refusal
from fastalliance.networks.graphs import Integers


@dataclass(frozen=True)
class NodeEdges:
    """The members of a source, their names where it has any, and its edges, (n_edges, 2)."""

    n_members: int
    labels: tuple[str, ...] | None
    edges: Integers


def named(
    labels: Sequence[str] | None,
    edges: Integers,
    members: int | None,
    what: str,
    n_nodes: int | None = None,
) -> NodeEdges:
    """Return a source that lists its nodes: there are as many members.

    Parameters
    ----------
    labels : sequence of str or None
        Names in the order of members; dropped where they are the members' numbers.
    n_nodes : int, optional
        Number of nodes, where there are no labels.

    Raises
    ------
    ConfigError
        There is no node, or `members` is another number.
    """
    n = len(labels) if labels is not None else int(n_nodes or 0)
    if n == 0:
        raise refusal(f"{what} has no nodes")
    if members is not None and members != n:
        raise refusal(
            f"{what} has {n:,} nodes, structure.members is {members:,}; leave structure.members "
            "out, or add isolated nodes"
        )
    plain = labels is None or all(label == str(i) for i, label in enumerate(labels))
    return NodeEdges(n, None if plain else tuple(labels or ()), edges)


def from_networkx(graph: Any, members: int | None) -> NodeEdges:
    """Return a networkx graph's edges; its order of nodes is the order of members.

    Raises
    ------
    ConfigError
        It is directed, has no nodes, or has another number of nodes than `members`.
    """
    if graph.is_directed():
        raise refusal("the graph is directed; take graph.to_undirected()")
    index = {node: i for i, node in enumerate(graph)}
    ends = (index[node] for edge in graph.edges() for node in edge)
    edges = np.fromiter(ends, np.int64, 2 * graph.number_of_edges()).reshape(-1, 2)
    return named([str(node) for node in graph], edges, members, "the graph")


def numbered(nodes: Any, edges: Any, members: int | None, what: str) -> NodeEdges:
    """Return a source that has members' numbers, 0 to members - 1.

    Parameters
    ----------
    nodes, edges : integer arrays
        All numbers that occur, any shape, and those of the edges, (n_edges, 2).

    Raises
    ------
    ConfigError
        A number is below 0 or not below `members`; or `members` is None and a number below the
        largest is missing, so that there is no telling how many members there are.
    """
    least, most = (int(nodes.min()), int(nodes.max())) if nodes.size else (0, -1)
    if least < 0:
        raise refusal(f"{what} has the number {least}; members are numbered from 0")
    if members is not None and most >= members:
        raise refusal(
            f"{what} has the number {most}, structure.members is {members:,}; members are "
            f"numbered from 0 to {members - 1}"
        )
    if members is None:
        members = _count(nodes, most, what)
    if members >= MAX_ENTRIES:
        raise refusal(f"{members:,} members are too many, at most 2^31 - 1 are possible")
    return NodeEdges(members, None, edges.astype(np.int64))


def _count(nodes: Any, most: int, what: str) -> int:
    """Return how many members there are if every number occurs.

    An isolated last member would be lost without a trace, and numbers from 1 would make a member 0
    that nobody meant.
    """
    if most < 0:
        raise refusal(f"{what} names no member; give structure.members")
    present = np.unique(nodes)
    if len(present) <= most:
        steps = np.flatnonzero(present != np.arange(len(present)))
        missing = int(steps[0]) if len(steps) else len(present)
        raise refusal(
            f"{what} does not have the number {missing}, though {most} occurs; members are "
            "numbered from 0: give structure.members if some are isolated"
        )
    return most + 1
