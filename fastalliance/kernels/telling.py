"""Tells the neighbours of those who did something, and lists who was told."""

from __future__ import annotations

import numba
import numpy as np

_AHEAD = 6  # neighbours that are looked at before asking how many there are


@numba.njit(nogil=True, error_model="numpy", no_cfunc_wrapper=True)
def tell(first_neighbours, neighbours, senders, n_senders, is_open, received, told, listed, new):
    """Add 1.0 to what every open neighbour of a sender has received, for each sender.

    Whether a neighbour is open, or told for the first time, no processor could guess: the lists
    are written without branches. How many neighbours a sender has is as hard to guess, so the
    first few places are read whether they are its own or the next one's.

    Parameters
    ----------
    first_neighbours : int64 (member + 1)
        Offsets into `neighbours`.
    neighbours : int64 (entry)
    senders : uint32 (member + 1)
    n_senders : int
    is_open : uint8 (member)
        1 where a member receives, else 0.
    received : float64 (member, 1)
        Added to here.
    told : uint32 (2 member + 1)
        Scratch.
    listed : uint8 (member)
        1 where a member is in the list `new` already, else 0; set here.
    new : uint32 (member + 1)
        Who was told, in the order of the first time; set here.

    Returns
    -------
    int
        The number of members in `new`.
    """
    one, ahead = np.uint64(1), np.uint64(_AHEAD)
    n_entries, room = np.uint64(len(neighbours)), np.uint64(len(is_open))
    n_told = n_new = np.uint64(0)
    for v in range(n_senders):
        i = np.uint64(senders[v])
        e = np.uint64(first_neighbours[i])
        end = np.uint64(first_neighbours[i + one])
        if e + ahead <= n_entries:
            for _ in range(_AHEAD):
                j = np.uint64(neighbours[e])
                told[n_told] = j
                n_told += np.uint64(is_open[j]) & np.uint64(e < end)
                e += one
        while e < end:
            j = np.uint64(neighbours[e])
            told[n_told] = j
            n_told += np.uint64(is_open[j])
            e += one
        if n_told >= room:
            n_new = _receive(told, n_told, received, listed, new, n_new)
            n_told = np.uint64(0)
    return np.int64(_receive(told, n_told, received, listed, new, n_new))


@numba.njit(nogil=True, error_model="numpy", no_cfunc_wrapper=True, no_cpython_wrapper=True)
def _receive(told, n_told, received, listed, new, n_new):
    """Count what members were told, list those who were not listed, and return their number."""
    for v in range(n_told):
        j = np.uint64(told[v])
        received[j, 0] += 1.0
        new[n_new] = j
        n_new += np.uint64(listed[j] == 0)
        listed[j] = 1
    return n_new
