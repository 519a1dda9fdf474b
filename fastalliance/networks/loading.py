"""Whatever a user has as a network, as `Networks`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastalliance.networks.checks import is_whole, refusal, require_entries, show
from fastalliance.networks.files import read_network
from fastalliance.networks.graphs import Networks, build, warn_of_tidying
from fastalliance.networks.nodes import NodeEdges, from_networkx, named, numbered
from fastalliance.networks.random_graphs import random_networks

_KINDS = (
    "a networkx graph, a SciPy sparse matrix, an integer array or list of pairs, a path to a CSV "
    "edge list or GraphML file, or a recipe such as {kind: erdos_renyi, mean_degree: 4}"
)


def load_networks(
    given: Any,
    *,
    members: int | None,
    industries: int = 1,
    folder: str | os.PathLike[str] = ".",
) -> Networks:
    """Return a network, or a pool of random ones, from whatever it was given as.

    Self-loops are dropped and duplicate edges merged, with one NetworkWarning that counts them;
    edge weights are not used. Isolated members and several components are fine.

    Parameters
    ----------
    given : networkx graph, SciPy sparse matrix, (edges, 2) integers, path, or mapping
        A mapping is a recipe of random graphs. See docs/networks.md for each kind.
    members : int or None
        Number of members. None: that of the network, which a recipe does not have.
    industries : int
        Number of industries, the blocks of ``stochastic_block``: member i is in block
        floor(i industries / members).
    folder : path
        Where relative paths begin.

    Returns
    -------
    Networks

    Raises
    ------
    ConfigError
        The network is none of these kinds, directed, not square, not symmetric, unreadable, too
        large, does not have `members` members, or a package that it needs is missing.

    Examples
    --------
    >>> load_networks([[0, 1], [1, 2]], members=4).degrees().tolist()
    [[1, 2, 1, 0]]
    >>> recipe = {"kind": "erdos_renyi", "mean_degree": 3, "seed": 1, "pool": 4}
    >>> load_networks(recipe, members=50).n_graphs
    4
    """
    if members is not None and (not is_whole(members) or members < 1):
        raise refusal(f"structure.members must be a whole number >= 1, got {show(members)}")
    if isinstance(given, Mapping):
        networks = random_networks(given, members, industries, Path(folder))
    else:
        nodes, source = _nodes_and_edges(given, members, Path(folder))
        require_entries(1, nodes.n_members, len(nodes.edges))
        networks = build([nodes.edges], nodes.n_members, {"source": source}, nodes.labels)
    warn_of_tidying(networks)
    return networks


def _nodes_and_edges(given: Any, members: int | None, folder: Path) -> tuple[NodeEdges, str]:
    if isinstance(given, str | os.PathLike):
        return read_network(folder / given, members), os.fspath(given)
    # Whoever has a graph of a package has imported the package.
    networkx, sparse = sys.modules.get("networkx"), sys.modules.get("scipy.sparse")
    if networkx is not None and isinstance(given, networkx.Graph):
        return from_networkx(given, members), "networkx graph"
    if sparse is not None and sparse.issparse(given):
        return _from_sparse(given, members), "sparse matrix"
    return _from_pairs(given, members), "edge list"


def _from_sparse(matrix: Any, members: int | None) -> NodeEdges:
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise refusal(f"a sparse matrix must be square, got shape {matrix.shape}")
    entries = matrix.tocoo(copy=True)
    entries.sum_duplicates()
    if entries.dtype.kind not in "biufc" or not np.isfinite(entries.data).all():
        raise refusal("the entries of a sparse matrix must be finite numbers")
    n = int(matrix.shape[0])
    require_entries(1, n, entries.nnz / 2)
    row, column = (axis[entries.data != 0].astype(np.int64) for axis in entries.coords)
    if not np.array_equal(np.sort(row * n + column), np.sort(column * n + row)):
        raise refusal(
            "a sparse matrix must be symmetric, as edges have no direction; take matrix + matrix.T"
        )
    once = row <= column
    edges = np.stack([row[once], column[once]], axis=1)
    return named(None, edges, members, "the matrix", n)


def _from_pairs(given: Any, members: int | None) -> NodeEdges:
    if np.ma.is_masked(given):
        raise refusal("the array of edges holds masked values")
    try:
        array = np.asarray(given)
    except ValueError:  # lists of different lengths
        raise refusal(f"edges must be pairs of members' numbers, got {show(given)}") from None
    if array.ndim == 0:
        raise refusal(f"must be {_KINDS}; got {show(given)}")
    if array.size == 0 and (array.ndim == 1 or array.shape[1:] == (2,)):
        array = np.empty((0, 2), np.int64)
    if array.ndim == 2 and array.shape[0] == array.shape[1] != 2:
        raise refusal(
            f"an array of shape {array.shape} is no (edges, 2) array of edges; give an adjacency "
            "matrix as scipy.sparse.coo_array(matrix)"
        )
    if array.ndim != 2 or array.shape[1] != 2:
        raise refusal(f"edges must be pairs, of shape (edges, 2), got shape {array.shape}")
    if array.dtype.kind not in "iu":
        raise refusal(
            "edges must be pairs of members' numbers, integers from 0, got values such as "
            f"{show(array.flat[0])}; give members with names as a networkx graph or a file"
        )
    return numbered(array, array, members, "the edge list")
