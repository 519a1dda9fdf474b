"""Threshold cascades on a network by NDlib: the `ThresholdModel` of epidemics."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from typing import Any

import numpy as np

TIE = 1e-9  # a pressure this near to the threshold counts as reached


def missing() -> str:
    """Why this baseline cannot run here; empty where it can."""
    return "" if importlib.util.find_spec("ndlib") else 'pip install "fastalliance[bench]"'


def build(edges: np.ndarray, thresholds: np.ndarray) -> Any:
    """Return NDlib's model of members 0, 1, ... with edges (edge, 2) and thresholds (member).

    NDlib compares floats as they are, so it is given thresholds less the tie's tolerance: both then
    compare the same ratio with the same number.
    """
    import networkx as nx
    from ndlib.models.epidemics.ThresholdModel import ThresholdModel
    from ndlib.models.ModelConfig import Configuration

    graph = nx.Graph()
    graph.add_nodes_from(range(len(thresholds)))
    graph.add_edges_from(edges.tolist())
    model = ThresholdModel(graph)
    configuration = Configuration()
    for member, threshold in enumerate(thresholds.tolist()):
        configuration.add_node_configuration("threshold", member, threshold - TIE)
    configuration.add_model_initial_configuration("Infected", [])
    model.set_initial_status(configuration)
    return model


def final_size(model: Any, seeds: Iterable[int]) -> int:
    """Return how many have left when the cascade from `seeds` has stopped."""
    model.reset(infected_nodes=[int(seed) for seed in seeds])
    left = model.iteration(node_status=False)["node_count"][1]
    while True:
        before, left = left, model.iteration(node_status=False)["node_count"][1]
        if left == before:
            return int(left)
