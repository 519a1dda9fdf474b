"""The product-limit estimate of survival where members enter at different times.

Its interval takes alliances as the independent units: the variance is that of sums over alliances
of each one's influence on the estimate, as R. L. Williams, Product-limit survival functions with
correlated survival times, Lifetime Data Analysis 1 (1995), 171-186, has it for clusters. Where all
members enter at the start it is the variance of the mean of the alliances' own shares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fastalliance.analysis.members import Alliances, Histories

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Each member's group as a position, (alliances, members) or (members,).
Classes = Callable[[Alliances], Integers]


class ProductLimit(NamedTuple):
    """Estimates of survival at every point, in every group, at every time.

    Parameters
    ----------
    alliances : integers of shape (points,)
        How many each point has.
    survival, error : floats of shape (points, groups, times)
        NaN where nobody of the group ever was a member. `error` is the standard error, with
        alliances - 1 degrees of freedom; NaN for a single alliance.
    """

    alliances: Integers
    survival: Floats
    error: Floats


class _Counts(NamedTuple):
    """Members at risk at each time and those of them who leave then, (alliances, groups, times)."""

    at_risk: Floats
    leaving: Floats


def product_limit(
    histories: Histories, classes: Classes, n_groups: int, max_counts: int
) -> ProductLimit:
    """Return the product-limit estimate in calendar time from the exits of a result.

    A member is at risk at a time if it entered before it, or at the start, and has not left
    before it. The estimate is the product over times of the share of those at risk that stay.

    Parameters
    ----------
    histories : Histories
    classes : callable
        Tells the members' groups, 0, ..., n_groups - 1.
    n_groups : int
    max_counts : int
        How many counts may be in memory at a time.
    """
    n_times = histories.n_steps + 1
    shape = (histories.n_points, n_groups, n_times)
    at_once = max(max_counts // (n_groups * n_times), 1)
    totals = _Counts(np.zeros(shape), np.zeros(shape))
    n_alliances = np.zeros(shape[0], dtype=np.int64)
    for part in _parts(histories, at_once):
        points, starts = _points(part, histories)
        n_alliances[points] += np.diff(starts, append=len(part.numbers))
        counts = _counts(part, classes(part), n_groups, n_times)
        for total, count in zip(totals, counts, strict=True):
            total[points] += np.add.reduceat(count, starts)
    squares = np.zeros(shape)
    for part in _parts(histories, at_once):
        points, starts = _points(part, histories)
        counts = _counts(part, classes(part), n_groups, n_times)
        of_point = np.repeat(points, np.diff(starts, append=len(part.numbers)))
        influence = _influence(counts, _Counts(*(total[of_point] for total in totals)))
        squares[points] += np.add.reduceat(influence * influence, starts)
    return _estimate(n_alliances, totals, squares)


def _parts(histories: Histories, at_once: int) -> Iterator[Alliances]:
    for block in histories.blocks():
        for low in range(0, len(block.numbers), at_once):
            yield block.part(low, low + at_once)


def _points(part: Alliances, histories: Histories) -> tuple[Integers, Integers]:
    """Return the design points of the alliances, and where each one's alliances begin."""
    points = part.numbers // histories.n_replicates
    starts = np.flatnonzero(np.diff(points, prepend=-1))
    return points[starts], starts


def _counts(part: Alliances, classes: Integers, n_groups: int, n_times: int) -> _Counts:
    """Return how many of each group are at risk at each time, and how many of them leave then."""
    # Who is in from the start is at risk at the start, others from the time after their entry on.
    first = part.entry_steps + (part.entry_steps > 0)
    in_time = _histogram(first, classes, n_groups, n_times)
    leaving = _histogram(part.exit_steps, classes, n_groups, n_times)
    gone_before = np.cumsum(leaving, axis=-1) - leaving
    return _Counts(np.cumsum(in_time, axis=-1) - gone_before, leaving)


def _histogram(steps: Integers, classes: Integers, n_groups: int, n_times: int) -> Floats:
    """Return how often each time occurs in each group; later times are left out."""
    n = len(steps)
    cells = np.arange(n)[:, np.newaxis] * n_groups + classes
    flat = cells * (n_times + 1) + np.minimum(steps, n_times)
    counts = np.bincount(flat.ravel(), minlength=n * n_groups * (n_times + 1))
    return counts.reshape(n, n_groups, n_times + 1)[..., :-1].astype(np.float64)


def _influence(own: _Counts, total: _Counts) -> Floats:
    """Return the derivative of the logarithm of the estimate in the weight of each alliance.

    Of log prod (R - L) / R, sums R at risk and L leaving over weighted alliances. A factor that is
    0 is left out: from there on the estimate is 0 whatever the weights.
    """
    stay, own_stay = total.at_risk - total.leaving, own.at_risk - own.leaving
    terms = _ratio(own_stay, stay) - _ratio(own.at_risk, total.at_risk)
    return np.cumsum(terms, axis=-1)


def _estimate(n_alliances: Integers, totals: _Counts, squares: Floats) -> ProductLimit:
    at_risk, leaving = totals
    factors = 1.0 - _ratio(leaving, at_risk)
    survival = np.asarray(np.cumprod(factors, axis=-1), dtype=np.float64)
    survival[~at_risk.any(axis=-1)] = np.nan
    n = n_alliances.astype(np.float64)[:, np.newaxis, np.newaxis]
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.where(n > 1, n / (n - 1), np.nan)
        error: Floats = survival * np.sqrt(spread * squares)
    return ProductLimit(n_alliances, survival, error)


def _ratio(part: Floats, whole: Floats) -> Floats:
    """Return `part / whole`, 0 where the whole is 0."""
    return np.divide(part, whole, out=np.zeros(part.shape), where=whole > 0)
