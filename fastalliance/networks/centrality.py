"""Betweenness centrality: exact by rustworkx, or from a sample of sources where asked for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fastalliance.errors import ConfigError
from fastalliance.limits import MAX_SEED
from fastalliance.networks.checks import is_whole, package, show
from fastalliance.networks.graphs import Integers, Networks

Floats = npt.NDArray[np.float64]

_FIELD = "structure.centralities"
MAX_EXACT_MEMBERS = 20_000  # time grows with members times edges


def betweenness(networks: Networks) -> Floats:
    """Return each member's exact betweenness, divided by the largest of its graph.

    Paths are unweighted and undirected. The same bits on every run, whatever the number of threads.

    Returns
    -------
    float64 array, (n_graphs, n_members)
        From 0 to 1; all 0 in a graph where no member lies between others.

    Raises
    ------
    ConfigError
        There are more than `MAX_EXACT_MEMBERS` members, or rustworkx is missing.

    Examples
    --------
    >>> from fastalliance.networks import load_networks
    >>> betweenness(load_networks([[0, 1], [1, 2], [2, 3], [3, 4]], members=None)).tolist()
    [[0.0, 0.75, 1.0, 0.75, 0.0]]
    """
    n = networks.n_members
    if n > MAX_EXACT_MEMBERS:
        raise ConfigError(
            f"{_FIELD}: exact betweenness takes at most {MAX_EXACT_MEMBERS:,} members, the network "
            f"has {n:,}; give {_FIELD}, one value a member, or ask for an approximation with "
            f"{_FIELD}: approximate"
        )
    rustworkx = package("rustworkx", "betweenness")
    raw = np.zeros((networks.n_graphs, n))
    for j in range(networks.n_graphs):
        graph = rustworkx.PyGraph(multigraph=False)
        graph.add_nodes_from(range(n))
        graph.add_edges_from_no_data(list(map(tuple, _edges(networks, j).tolist())))
        # In parallel, rustworkx 0.18 adds up in the order in which threads finish, and the last
        # bits differ from run to run. It gains nothing by it either: one Erdos-Renyi graph of
        # 10,000 members and mean degree 4 took 13.1 to 14.5 s on two cores and 12.3 to 12.6 s on
        # one. With 20,000 members it is 86 s, and no other Python thread runs in the meantime.
        found = rustworkx.graph_betweenness_centrality(
            graph, normalized=False, parallel_threshold=n + 1
        )
        raw[j] = [found[i] for i in range(n)]
    return _relative(raw)


def approximate_betweenness(networks: Networks, pivots: int, seed: int) -> Floats:
    """Return betweenness estimated from shortest paths from `pivots` random members of each graph.

    An unbiased estimate before it is divided by its maximum: of a member's dependencies, the mean
    over pivots other than itself (U. Brandes and C. Pich, Int. J. Bifurcation Chaos 17(7), 2007).
    With as many pivots as members it is exact. Takes time in proportion to pivots times edges.

    Parameters
    ----------
    networks : Networks
    pivots : int
        Number of sources, 1 to n_members.
    seed : int
        Seed of their choice; graph j has its own, so that a longer pool keeps its first values.

    Returns
    -------
    float64 array, (n_graphs, n_members)
        From 0 to 1; all 0 where no member lies between a pivot and another.

    Raises
    ------
    ConfigError
        A number is out of range.

    Examples
    --------
    >>> from fastalliance.networks import load_networks
    >>> star = load_networks([[0, 1], [0, 2], [0, 3]], members=4)
    >>> approximate_betweenness(star, pivots=2, seed=1).tolist()
    [[1.0, 0.0, 0.0, 0.0]]
    """
    from fastalliance.networks.dependencies import add_dependencies  # brings numba

    n = networks.n_members
    _require_whole(pivots, "pivots", 1, n, f"{n} = the number of members")
    _require_whole(seed, "seed", 0, MAX_SEED, "2^64 - 1")
    raw = np.zeros((networks.n_graphs, n))
    for j in range(networks.n_graphs):
        generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(j,)))
        chosen = np.sort(generator.choice(n, pivots, replace=False))
        add_dependencies(networks.indptr[j], networks.indices, chosen, raw[j])
        others = np.full(n, pivots)
        others[chosen] -= 1
        raw[j] /= np.maximum(others, 1)
    return _relative(raw)


def _require_whole(value: object, name: str, low: int, high: int, top: str) -> None:
    if not is_whole(value) or not low <= int(value) <= high:
        raise ConfigError(
            f"{_FIELD}: {name} must be a whole number from {low} to {top}, got {show(value)}"
        )


def _edges(networks: Networks, j: int) -> Integers:
    """Return the edges of graph j, (n_edges, 2), each once, sorted."""
    indptr = networks.indptr[j]
    start = np.repeat(np.arange(networks.n_members), np.diff(indptr))
    end = networks.indices[indptr[0] : indptr[-1]]
    once = start < end
    return np.stack([start[once], end[once]], axis=1)


def _relative(raw: Floats) -> Floats:
    """Return betweenness relative to the largest, to 12 decimals.

    Members in symmetric positions differ in the last bits of their sums; as ranks decide who leaves
    first, they must be equal.
    """
    largest = raw.max(axis=1, keepdims=True)
    return np.round(raw / np.where(largest > 0.0, largest, 1.0), 12)
