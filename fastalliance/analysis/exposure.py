"""Exposure to earlier exits over the periods, as `docs/models/exit_cascade.md` defines it."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class Neighbours(Protocol):
    """Undirected graphs in compressed rows; replicate r lives on graph r mod the number of graphs.

    Attributes
    ----------
    indptr : integers of shape (graphs, members + 1)
        Where each member's neighbours begin in `indices`, over all graphs.
    indices : integers of shape (entries,)
        The neighbours; every edge stands there twice.
    """

    @property
    def indptr(self) -> Integers: ...  # noqa: D102

    @property
    def indices(self) -> Integers: ...  # noqa: D102


class Graphs(NamedTuple):
    """Graphs in compressed rows, as `Neighbours` describes them."""

    indptr: Integers
    indices: Integers

    @classmethod
    def of_ties(
        cls, graphs: Integers, first: Integers, second: Integers, n_graphs: int, n_members: int
    ) -> Graphs:
        """Return the graphs of ties that stand once each: the graph's number and both members."""
        owners = np.concatenate([graphs * n_members + first, graphs * n_members + second])
        neighbours = np.concatenate([second, first])
        order = np.lexsort((neighbours, owners))
        degrees = np.bincount(owners, minlength=n_graphs * n_members)
        bounds = np.concatenate(([0], np.cumsum(degrees)))
        rows = np.arange(n_graphs)[:, np.newaxis] * n_members + np.arange(n_members + 1)
        return cls(bounds[rows], neighbours[order])


def group_exposures(
    exit_steps: Integers,
    weights: Floats,
    groups: Integers,
    n_groups: int,
    fading: Floats,
    n_steps: int,
) -> Floats:
    """Return the weight of the members of each group that left, at the start of every period.

    Parameters
    ----------
    exit_steps : integers of shape (alliances, members)
        An exit counts from the period of that number on.
    weights : floats of shape (alliances, members)
    groups : integers of shape (alliances, members)
    n_groups : int
    fading : floats of shape (alliances,)
        What a period leaves of earlier exits.
    n_steps : int

    Returns
    -------
    floats of shape (alliances, n_steps, n_groups)
    """
    n_alliances = len(exit_steps)
    alliances = np.arange(n_alliances)[:, np.newaxis]
    cells = (alliances * (n_steps + 2) + exit_steps) * n_groups + groups
    size = n_alliances * (n_steps + 2) * n_groups
    new: Floats = np.bincount(cells.ravel(), weights.ravel(), size).astype(np.float64)
    exposures = new.reshape(n_alliances, n_steps + 2, n_groups)[:, :n_steps]
    for k in range(1, n_steps):
        exposures[:, k] += exposures[:, k - 1] * fading[:, np.newaxis]
    return exposures


def group_totals(weights: Floats, groups: Integers, n_groups: int) -> Floats:
    """Return the weight of all members of each group, (alliances, n_groups)."""
    n_alliances = len(weights)
    cells = np.arange(n_alliances)[:, np.newaxis] * n_groups + groups
    totals = np.bincount(cells.ravel(), weights.ravel(), n_alliances * n_groups)
    return totals.astype(np.float64).reshape(n_alliances, n_groups)


def tie_shares(
    exit_steps: Integers,
    indptr: Integers,
    indices: Integers,
    members: range,
    fading: float,
    n_steps: int,
) -> Floats:
    """Return the share of some members' neighbours that left, at the start of every period.

    Parameters
    ----------
    exit_steps : integers of shape (all members,)
        Of one alliance.
    indptr, indices : integers
        Its graph.
    members : range
        Whose neighbours are looked at.
    fading : float
        What a period leaves of earlier exits.
    n_steps : int

    Returns
    -------
    floats of shape (n_steps, members)
        0 for a member without neighbours.
    """
    bounds = indptr[members.start : members.stop + 1]
    degrees = np.diff(bounds)
    neighbours = indices[bounds[0] : bounds[-1]]
    owners = np.repeat(np.arange(len(members)), degrees)
    cells = exit_steps[neighbours] * len(members) + owners
    new = np.bincount(cells, minlength=(n_steps + 2) * len(members)).astype(np.float64)
    exposures = new.reshape(n_steps + 2, len(members))[:n_steps]
    for k in range(1, n_steps):
        exposures[k] += exposures[k - 1] * fading
    return exposures / np.maximum(degrees, 1)
