"""Networks between the members of an alliance: given, read or random, and who is central in them.

Every source becomes the same thing, :class:`Networks`: one graph or a pool of graphs, undirected,
without self-loops and parallel edges, as arrays that kernels read.
"""

from fastalliance.networks.centrality import (
    MAX_EXACT_MEMBERS,
    approximate_betweenness,
    betweenness,
)
from fastalliance.networks.graphs import Networks, NetworkWarning
from fastalliance.networks.loading import load_networks

__all__ = [
    "MAX_EXACT_MEMBERS",
    "NetworkWarning",
    "Networks",
    "approximate_betweenness",
    "betweenness",
    "load_networks",
]
