"""Facts F1 to F15 of `multiparty`, at the page's seed, runs and sizes.

Seed and runs are those that the page was written from, so every mean that it prints is met to the
last digit printed, well inside its standard error; so is every standard error. Which cell is larger
is asserted by paired differences, at more than four standard errors unless the page says three.
`verification/multiparty_facts.py` repeats the facts with random numbers of its own.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from tests.exact import multiparty_printed as page
from tests.exact.multiparty_cells import (
    HALF_UNIT,
    SEED,
    Contrast,
    Found,
    Printed,
    measured,
    same_members,
)

ROUNDING = 1e-9
BY_NAME = {f"{fact.name} {fact.claim}": fact for fact in page.FACTS}


@pytest.fixture(scope="module")
def runs():
    """The outputs of every run of a fact, run at its first use."""
    done = {}

    def get(fact):
        name = f"{fact.name} {fact.claim}"
        if name not in done:
            done[name] = fact.run()
        return done[name]

    return get


def assert_printed(found: Found, printed: Printed) -> None:
    """Compare a mean and its standard error with their digits on the page."""
    assert abs(found.mean - printed.mean) <= HALF_UNIT + ROUNDING
    if not math.isnan(printed.error):
        assert abs(found.error - printed.error) <= HALF_UNIT + ROUNDING


@pytest.mark.parametrize("name", BY_NAME)
def test_fact__digits_of_the_page(runs, name):
    fact = BY_NAME[name]
    ds = runs(fact)
    assert ds.sizes["replicate"] == fact.runs
    for measure, cells in fact.printed.items():
        assert len(cells) == len(fact.cells)
        for cell, printed in enumerate(cells):
            if printed is not None:
                assert_printed(Contrast(measure, {cell: 1.0}).of(ds), printed)
    for contrast, printed in fact.contrasts.values():
        assert_printed(contrast.of(ds), printed)


@pytest.mark.parametrize("name", [name for name, fact in BY_NAME.items() if fact.orders])
def test_fact__which_cell_is_larger(runs, name):
    for order in BY_NAME[name].orders:
        assert order.gap(runs(BY_NAME[name])).z > order.errors, order


# --- What is no comparison of two cells -----------------------------------------------------------


def test_f2__sharper_in_each_larger_alliance(runs):
    # Alliances of other sizes are other alliances: the errors of two drops add up.
    ds = runs(page.SHARPER)
    drops = [contrast.of(ds) for contrast, _ in page.SHARPER.contrasts.values()]
    for small, large in pairwise(drops):
        assert large.mean - small.mean > 4.0 * math.hypot(large.error, small.error)


def test_f5__peripheral_members_imitate_more(runs):
    assert Contrast("exit gap", {1: 1.0}).of(runs(page.CENTRAL_IMITATE_LESS)).z > 4.0


def test_f6__runs_with_survivors(runs):
    survivors = measured(runs(page.EXITS_DESTROY_TRUST), "survivors' trust")
    assert (~np.isnan(survivors)).sum(axis=1).tolist() == [968, 968, 968]


def test_f6b__the_same_members_with_and_without_exits():
    found = same_members(200, SEED)
    assert_printed(found, Printed(-0.320, 0.015))
    assert found.z < -4.0


def test_f8__exits_that_no_one_is_paid_for_do_not_depend_on_trust(runs):
    # Exact check X4 at these settings: bit for bit.
    ds = runs(page.FEEDBACKS).sel(point=[0, 2])
    for name in ("membership", "exit_share", "largest_wave", "collapse_time", "central_exits"):
        np.testing.assert_array_equal(ds[name].values[0], ds[name].values[1])
    assert (ds["trust"].values[0] != ds["trust"].values[1]).mean() > 0.9


@pytest.mark.parametrize(("cell", "sign"), [(0, 1.0), (1, -1.0)])
@pytest.mark.parametrize("year", [2, 3])
def test_f12__s_curve_where_members_make_each_other_better(runs, cell, sign, year):
    # Gains of the first three years rise with participation_returns, and fall without.
    found = Contrast(f"acceleration in year {year}", {cell: sign}).of(runs(page.BANDWAGON))
    assert found.z > 4.0
