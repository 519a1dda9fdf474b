"""Networks and members' arrays in every form that a study takes, and small studies of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import scipy.sparse
import xarray as xr

import fastalliance as fa
from fastalliance.study import structure as module

MEMBERS = 12
PARAMETERS = {"tie_weight": 0.7, "seed_exits": 2, "seed_rule": "central", "base_hazard": 0.02}
EDGES = [(i, (i + 1) % MEMBERS) for i in range(MEMBERS)] + [(0, 5), (0, 7), (3, 9)]
RECIPE = {"kind": "erdos_renyi", "mean_degree": 3, "seed": 4, "pool": 3}
CENTRALITIES = [round(i / (MEMBERS - 1), 3) for i in range(MEMBERS)]
THRESHOLDS = [0.1 * i if i % 4 else math.inf for i in range(MEMBERS)]


def graph() -> nx.Graph:
    found = nx.Graph()
    found.add_nodes_from(range(MEMBERS))
    found.add_edges_from(EDGES)
    return found


def write_files(folder: Path) -> None:
    """Write the network and the arrays as files."""
    lines = "".join(f"{a},{b}\n" for a, b in EDGES)
    (folder / "edges.csv").write_text(f"source,target\n{lines}")
    nx.write_graphml(graph(), folder / "graph.graphml")
    (folder / "centralities.csv").write_text("centrality\n" + column(CENTRALITIES))
    (folder / "thresholds.txt").write_text("# of each firm\n\n" + column(THRESHOLDS))
    (folder / "degrees.csv").write_text(column([2] * MEMBERS))


def column(values: list[float]) -> str:
    return "".join(f"{value!r}\n" for value in values)


# The same network in all its forms.
NETWORKS: dict[str, Any] = {
    "pairs": [list(edge) for edge in EDGES],
    "tuples": EDGES,
    "array": np.array(EDGES),
    "networkx": graph(),
    "sparse": scipy.sparse.csr_array(nx.to_scipy_sparse_array(graph())),
    "csv": "edges.csv",
    "path": Path("edges.csv"),
    "graphml": "graph.graphml",
}
# The same values in all their forms.
ARRAYS: dict[str, Any] = {
    "list": THRESHOLDS,
    "tuple": tuple(THRESHOLDS),
    "array": np.array(THRESHOLDS),
    "row": np.array([THRESHOLDS]),
    "series": pd.Series(THRESHOLDS),
    "scalars": [np.float64(value) for value in THRESHOLDS],
    "csv": "thresholds.txt",
    "path": Path("thresholds.txt"),
}


def study(given: dict[str, Any], /, **fields: Any) -> fa.Study:
    options = {
        "parameters": PARAMETERS,
        "structure": {"industries": 2, **given},
        "replicates": 6,
        "seed": 9,
        "horizon": 8,
        "keep": {"replicates": True, "members": True},
    }
    return fa.Study("exit_cascade", **{**options, **fields})


def same(left: xr.Dataset, right: xr.Dataset, *names: str) -> None:
    """Assert that results have the same bits, NaN included."""
    for name in names or ("exits", "exit_share", "exit_time", "centrality"):
        np.testing.assert_array_equal(left[name].values, right[name].values, err_msg=name)


class Counter:
    """Counts how often betweenness is computed."""

    def __init__(self, monkeypatch: Any) -> None:
        self.calls = 0
        self._own = module.betweenness
        monkeypatch.setattr(module, "betweenness", self._count)

    def _count(self, networks: Any) -> Any:
        self.calls += 1
        return self._own(networks)
