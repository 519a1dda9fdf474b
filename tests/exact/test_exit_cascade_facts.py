"""Facts F1 to F6 of the exit cascade: the values of models/exit_cascade.md, 20,000 replicates each.

Every cell keeps the page's tolerance, four standard errors of one estimate. Where the page states
none, four standard errors of the difference between two estimates, plus half a unit of its last
digit, are allowed.
"""

from __future__ import annotations

import math

import pytest

import fastalliance as fa
from tests.chance import SEED

REPLICATES = 20_000


def run(design=None, *, industries=5, dt=1.0, **parameters):
    """Return the statistics of a study at its defaults."""
    study = fa.Study(
        model="exit_cascade",
        parameters=parameters,
        structure={"members": 200, "industries": industries},
        design=fa.grid(**(design or {"seed_exits": [parameters.get("seed_exits", 0)]})),
        replicates=REPLICATES,
        seed=SEED,
        dt=dt,
    )
    return study.run()


def assert_fact(result, name, expected, tolerance=None):
    """Compare the mean of an output at one point with the page."""
    found = result[f"{name}_mean"].item()
    if tolerance is None:
        spread = (
            math.sqrt(found * (1.0 - found))
            if f"{name}_std" not in result
            else result[f"{name}_std"].item()
        )
        tolerance = 4.0 * math.sqrt(2.0 / REPLICATES) * spread + 0.0005
    assert found == pytest.approx(expected, abs=tolerance), name


def test_f1_default():
    result = run()
    assert_fact(result, "exit_share", 0.5135, 0.008)
    assert_fact(result, "collapsed", 0.410, 0.014)
    assert_fact(result, "central_exit_share", 0.390)


def test_f2_without_imitation__exits_are_few():
    result = run(imitation=0.0)
    assert_fact(result, "exit_share", 0.2836, 0.004)
    assert_fact(result, "collapsed", 0.0675, 0.007)


def test_f3_immunity_of_the_central():
    result = run({"immunity": [0.0, 1.0]})
    vulnerable, immune = result.isel(immunity=0), result.isel(immunity=1)
    assert_fact(vulnerable, "exit_share", 0.803, 0.008)
    assert_fact(vulnerable, "central_exit_share", 0.795)
    assert_fact(immune, "exit_share", 0.362, 0.005)
    assert_fact(immune, "central_exit_share", 0.225)


def test_f4_uncertainty__tips():
    result = run({"uncertainty": [0.75, 1.25]})
    certain, uncertain = result.isel(uncertainty=0), result.isel(uncertainty=1)
    assert_fact(certain, "exit_share", 0.2614, 0.002)
    assert_fact(certain, "collapsed", 0.0006)
    assert_fact(uncertain, "exit_share", 0.957, 0.004)


def test_f4_uncertainty_that_halves_in_six_years__no_collapse():
    result = run(uncertainty_halflife=24.0)
    assert_fact(result, "collapsed", 0.0, 0.0001)


def test_f5_who_leaves_first_matters():
    # Central, random, peripheral; the gap closes when all exits weigh the same.
    result = run({"prominence_weight": [1.0, 0.0], "seed_rule": [1.0, 0.0, -1.0]}, seed_exits=6)
    collapsed = result["collapsed_mean"]
    facts = [(0.897, 0.009), (0.724, 0.013), (0.665, 0.014)]
    for i, (expected, tolerance) in enumerate(facts):
        assert collapsed.values[0, i] == pytest.approx(expected, abs=tolerance)
    gaps = collapsed.isel(seed_rule=0) - collapsed.isel(seed_rule=1)
    for gap, shares, expected in zip(gaps.values, collapsed.values, (0.172, 0.027), strict=True):
        # Of one estimate: sums of the two binomial variances, twice for ours and the page's.
        variance = sum(share * (1.0 - share) for share in shares[:2]) / REPLICATES
        assert gap == pytest.approx(expected, abs=4.0 * math.sqrt(2.0 * variance) + 0.0005)


@pytest.mark.parametrize(
    ("industries", "collapsed"), [(1, 0.231), (2, 0.297), (5, 0.410), (10, 0.489), (20, 0.527)]
)
def test_f6_concentrated_industries__imitate_harder(industries, collapsed):
    assert_fact(run(industries=industries), "collapsed", collapsed, 0.014)


@pytest.mark.parametrize(("dt", "share"), [(2.0, 0.40), (0.5, 0.62), (0.25, 0.69)])
def test_dt__is_behaviour(dt, share):
    # Given to two digits, from a run of unknown size: half a unit, and the tolerance of F1.
    assert_fact(run(dt=dt), "exit_share", share, 0.005 + 0.008)
