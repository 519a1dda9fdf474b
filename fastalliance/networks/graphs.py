"""Undirected graphs as arrays: rows of neighbours, counts of what was tidied away, and a hash."""

from __future__ import annotations

import hashlib
import sys
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fastalliance.networks.checks import FIELD, require_entries

Integers = npt.NDArray[np.int64]


class NetworkWarning(UserWarning):
    """A network was given with self-loops or parallel edges, which mean nothing here."""


@dataclass(frozen=True, eq=False)
class Networks:
    """One undirected graph of the members, or a pool of graphs.

    Parameters
    ----------
    indptr : int64 array, (n_graphs, n_members + 1)
        Where each member's neighbours begin and end in `indices`, for all graphs in one count.
    indices : int64 array, (n_entries,)
        Neighbours, ascending within a row; each edge stands in the rows of both its ends.
    labels : tuple of str, optional
        Names of the members, where the source has any.
    description : dict
        Plain data: `source`, `recipe` (of random graphs), `n_graphs`, `n_members`, `sha256`, and
        counts over all graphs: `edges`, `self_loops`, `duplicates`, `isolated`.

    Examples
    --------
    >>> path = build([np.array([[0, 1], [1, 2], [2, 1]])], 3, {"source": "edges"})
    >>> path.indptr.tolist(), path.indices.tolist(), path.description["duplicates"]
    ([[0, 1, 3, 4]], [1, 0, 2, 1], 1)
    """

    indptr: Integers
    indices: Integers
    labels: tuple[str, ...] | None
    description: dict[str, Any]

    @property
    def n_graphs(self) -> int:
        """Number of graphs; replicate r uses graph r mod n_graphs."""
        return int(self.indptr.shape[0])

    @property
    def n_members(self) -> int:
        """Number of members, isolated ones included."""
        return int(self.indptr.shape[1]) - 1

    @property
    def sha256(self) -> str:
        """Digest of the number of members and each graph's sorted edges."""
        return str(self.description["sha256"])

    def degrees(self) -> Integers:
        """Return each member's number of neighbours, (n_graphs, n_members)."""
        return np.diff(self.indptr, axis=1)


@dataclass(frozen=True)
class _Rows:
    """One graph: its rows, its edges (u < v) as sorted keys u * n_members + v, and counts."""

    indptr: Integers
    indices: Integers
    keys: Integers
    self_loops: int
    duplicates: int


def build(
    graphs: Iterable[Integers],
    n_members: int,
    about: Mapping[str, Any],
    labels: tuple[str, ...] | None = None,
) -> Networks:
    """Return graphs given by their edges, (n_edges, 2) indices below `n_members`, tidied.

    Raises
    ------
    ConfigError
        The graphs are too large.
    """
    digest = hashlib.sha256(b"fastalliance networks 1")
    digest.update(_bytes(n_members))
    counts = dict.fromkeys(("edges", "self_loops", "duplicates", "isolated"), 0)
    indptr: list[Integers] = []
    indices: list[Integers] = []
    offset = 0
    for edges in graphs:
        require_entries(1, n_members, (offset / 2) + len(edges))
        rows = _rows(edges, n_members)
        digest.update(_bytes(len(rows.keys)))
        digest.update(rows.keys.astype("<i8").tobytes())
        counts["edges"] += len(rows.keys)
        counts["self_loops"] += rows.self_loops
        counts["duplicates"] += rows.duplicates
        counts["isolated"] += int(np.count_nonzero(np.diff(rows.indptr) == 0))
        indptr.append(rows.indptr + offset)
        indices.append(rows.indices)
        offset += len(rows.indices)
    sizes = {"n_graphs": len(indptr), "n_members": n_members}
    description = {**about, **sizes, **counts, "sha256": digest.hexdigest()}
    return Networks(np.stack(indptr), np.concatenate(indices), labels, description)


def _bytes(value: int) -> bytes:
    return value.to_bytes(8, "little")


def _rows(edges: Integers, n_members: int) -> _Rows:
    low, high = edges.min(axis=1), edges.max(axis=1)
    proper = low != high
    low, high = low[proper], high[proper]
    keys = np.unique(low * n_members + high)  # below 2^62, as n_members is below 2^31
    both = np.concatenate([keys, keys % n_members * n_members + keys // n_members])
    both.sort()
    indptr = np.zeros(n_members + 1, np.int64)
    np.cumsum(np.bincount(both // n_members, minlength=n_members), out=indptr[1:])
    self_loops, duplicates = len(edges) - len(low), len(low) - len(keys)
    return _Rows(indptr, both % n_members, keys, self_loops, duplicates)


def warn_of_tidying(networks: Networks) -> None:
    """Issue one NetworkWarning, at the caller's line, where edges were dropped or merged."""
    about = networks.description
    loops, duplicates = about["self_loops"], about["duplicates"]
    if not loops and not duplicates:
        return
    parts = [f"{loops:,} self-loop{'s' * (loops != 1)} dropped"] if loops else []
    if duplicates:
        parts.append(f"{duplicates:,} duplicate edge{'s' * (duplicates != 1)} merged")
    pool = f" in {networks.n_graphs:,} graphs" if networks.n_graphs > 1 else ""
    erased = about.get("recipe", {}).get("kind") == "configuration"
    why = "; degrees are that much lower than asked for" if erased else ""
    frame, level = sys._getframe(1), 2
    while frame is not None and str(frame.f_globals.get("__name__")).startswith("fastalliance."):
        frame, level = frame.f_back, level + 1  # type: ignore[assignment]
    warnings.warn(f"{FIELD}: {' and '.join(parts)}{pool}{why}", NetworkWarning, stacklevel=level)
