"""Threshold cascades as most people write them: sets of members of a networkx graph."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from typing import Any

import numpy as np

TIE = 1e-9  # a pressure this near to the threshold counts as reached


def missing() -> str:
    """Why this baseline cannot run here; empty where it can."""
    return "" if importlib.util.find_spec("networkx") else 'pip install "fastalliance[bench]"'


def build(edges: np.ndarray, thresholds: np.ndarray) -> Any:
    """Return the graph of members 0, 1, ... with edges (edge, 2) and thresholds (member)."""
    import networkx as nx

    graph = nx.Graph()
    for member, threshold in enumerate(thresholds.tolist()):
        graph.add_node(member, threshold=threshold)
    graph.add_edges_from(edges.tolist())
    return graph


def final_size(graph: Any, seeds: Iterable[int]) -> int:
    """Return how many have left when the cascade from `seeds` has stopped."""
    left = {int(seed) for seed in seeds}
    watching = set(graph) - left  # whose threshold is 0 leave in the first step, unprompted
    while watching:
        new = [member for member in watching if _leaves(graph, member, left)]
        left.update(new)
        watching = {neighbour for member in new for neighbour in graph[member]} - left
    return len(left)


def _leaves(graph: Any, member: int, left: set[int]) -> bool:
    neighbours = graph[member]
    gone = sum(neighbour in left for neighbour in neighbours)
    pressure = gone / len(neighbours) if neighbours else 0.0
    return bool(pressure >= graph.nodes[member]["threshold"] - TIE)
