"""Telling the neighbours of those who sent something, against counting one by one."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

import fastalliance as fa
from fastalliance.kernels.telling import tell
from fastalliance.library import exit_cascade_formulas
from fastalliance.library.exit_cascade import MODEL, POPULATION


def _ring(n_members):
    return [[(i - 1) % n_members, (i + 1) % n_members] for i in range(n_members)]


def _star(n_members):
    return [list(range(1, n_members)), *([[0]] * (n_members - 1))]


def _everybody(n_members):
    return [[j for j in range(n_members) if j != i] for i in range(n_members)]


def _sparse(n_members):
    generator = np.random.default_rng(n_members)
    ties = {tuple(sorted(pair)) for pair in generator.integers(n_members, size=(n_members, 2))}
    found = [[] for _ in range(n_members)]
    for i, j in sorted(ties):
        if i != j:
            found[i].append(int(j))
            found[j].append(int(i))
    return found


NETWORKS = {"ring": _ring, "star": _star, "everybody": _everybody, "sparse": _sparse}


def _expected(network, senders, is_open, received, listed):
    new = []
    for i in senders:
        for j in network[i]:
            if is_open[j]:
                received[j] += 1.0
                if not listed[j]:
                    new.append(j)
                    listed[j] = 1
    return new


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("n_members", [3, 10, 101])
@pytest.mark.parametrize("share_open", [0.0, 0.4, 1.0])
def test_tell__one_by_one(kind, n_members, share_open):
    network = NETWORKS[kind](n_members)
    generator = np.random.default_rng([n_members, int(10 * share_open)])
    firsts = np.concatenate([[0], np.cumsum([len(row) for row in network])])
    neighbours = np.array([j for row in network for j in row], dtype=np.int64)
    is_open = (generator.random(n_members) < share_open).astype(np.uint8)
    listed = (generator.random(n_members) < 0.1).astype(np.uint8)
    received = generator.integers(5, size=n_members).astype(float)
    order = generator.permutation(n_members)
    for n_senders in (0, 1, n_members // 2, n_members):
        told_before, listed_before = received.copy(), listed.copy()
        expected = _expected(network, order[:n_senders], is_open, told_before, listed_before)
        senders = np.zeros(n_members + 1, dtype=np.uint32)
        senders[:n_members] = order
        # what lies beyond the lists must stay as it is
        told, new = np.full(3 * n_members, 77, np.uint32), np.full(2 * n_members, 77, np.uint32)
        column = received[:, np.newaxis]
        lists = (told, listed, new)
        n_new = tell(firsts, neighbours, senders, n_senders, is_open, column, *lists)
        assert new[:n_new].tolist() == expected
        assert (new[n_members + 1 :] == 77).all()
        assert (told[2 * n_members + 1 :] == 77).all()
        np.testing.assert_array_equal(received, told_before)
        np.testing.assert_array_equal(listed, listed_before)


@pytest.mark.parametrize("value", [3.0, 0.5])
def test_model__whose_ties_say_yes_by_another_number_tells_the_same(value):
    def sends(m, at):
        return value if exit_cascade_formulas.sends(m, at) else 0.0

    def is_open(m):
        return value if exit_cascade_formulas.inside(m) else 0.0

    ties = dataclasses.replace(POPULATION.ties, sends=sends, open=is_open)
    population = dataclasses.replace(POPULATION, ties=ties)
    theirs = dataclasses.replace(MODEL, name="theirs", population=population)
    ring = np.array([[i, (i + 1) % 40] for i in range(40)])

    def run(model):
        structure = {"members": 40, "network": ring}
        return fa.Study(
            model, seed=1, replicates=20, parameters={"tie_weight": 5.0}, structure=structure
        ).run()

    xr.testing.assert_equal(run(theirs).drop_attrs(), run(MODEL).drop_attrs())
