"""Brandes' accumulation of shortest paths from chosen sources, compiled."""

from __future__ import annotations

import numba
import numpy as np

from fastalliance.networks.graphs import Integers


# One loop, `sources` in the order given: the bits do not depend on threads.
@numba.njit(nogil=True, error_model="numpy")
def add_dependencies(
    indptr: Integers, indices: Integers, sources: Integers, total: np.ndarray
) -> None:
    """Add to `total` (n_members,) the dependency of each source on each member.

    The dependency of s on v is the sum over t of the share of shortest paths from s to t that pass
    through v (U. Brandes, J. Math. Sociology 25(2), 2001, theorem 6); that on s itself is 0.
    `indptr` holds absolute offsets into `indices`.
    """
    n = indptr.size - 1
    distance = np.empty(n, np.int32)
    paths, dependency = np.empty(n), np.empty(n)
    order = np.empty(n, np.int64)
    for source in sources:
        distance[:] = -1
        distance[source], paths[source], order[0] = 0, 1.0, source
        head, tail = 0, 1
        while head < tail:
            v = order[head]
            head += 1
            for entry in range(indptr[v], indptr[v + 1]):
                w = indices[entry]
                if distance[w] < 0:
                    distance[w], paths[w], dependency[w] = distance[v] + 1, paths[v], 0.0
                    order[tail] = w
                    tail += 1
                elif distance[w] == distance[v] + 1:
                    paths[w] += paths[v]
        for i in range(tail - 1, 0, -1):
            w = order[i]
            share = (1.0 + dependency[w]) / paths[w]
            for entry in range(indptr[w], indptr[w + 1]):
                v = indices[entry]
                if distance[v] == distance[w] - 1:
                    dependency[v] += paths[v] * share
            total[w] += dependency[w]
