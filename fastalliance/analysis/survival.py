"""Survival curves: the share of an alliance's members that are still in, over time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from fastalliance.analysis.members import Alliances, Histories
from fastalliance.analysis.product_limit import product_limit
from fastalliance.analysis.selection import chosen_indices
from fastalliance.errors import DesignError, suggestion

if TYPE_CHECKING:
    import xarray as xr

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

By = Literal["industry", "centrality"]
BY: tuple[By, ...] = ("industry", "centrality")
_GROUP_NAMES = {2: "half", 3: "third", 4: "quarter", 5: "fifth", 10: "decile"}
_MAX_COUNTS = 2**22  # survivors that are counted at a time


class _Grouping(NamedTuple):
    """Groups of members: how many, their labels, and what they are."""

    labels: Integers
    sizes: Integers
    attrs: dict[str, Any]


def survival(
    ds: xr.Dataset,
    *,
    by: By | None = None,
    groups: int = 10,
    at: Mapping[str, float | str] | None = None,
) -> xr.Dataset:
    """Return the share of members that are still in the alliance, over time.

    Every member is observed to the horizon, so that the Kaplan-Meier estimate is the plain share
    of members that have not left by a time, t included. Members of one alliance drag each other
    along: they are not independent, alliances are. The interval is Student's, of the mean over
    alliances of each alliance's own share.

    Where members enter later too (the result has `entry_time`), they are at risk from then on, and
    the estimate is the product-limit one over the risk sets of all alliances, in calendar time:
    the product over times of the share of those at risk that stay. It is the plain share where all
    enter at the start. The interval is Student's over alliances again, from each alliance's
    influence on the estimate (Williams, Lifetime Data Analysis 1, 1995). A slot's first firm is
    its member; firms that refill a slot are not kept.

    Parameters
    ----------
    ds : Dataset
        Result of an exit model with members: of a study with ``keep={"members": True}``, or of
        ``simulate(..., members=True)``.
    by : {"industry", "centrality"}, optional
        One curve for each industry, or for each class of centrality.
    groups : int
        With ``by="centrality"``: how many classes of equal size, by rank within each alliance,
        from 1, the least central, to `groups`, the most central; of equally central members the
        one of lower index ranks higher. The default, 10, gives deciles. Slots that were never
        filled have no rank. No alliance may have fewer firms than there are classes
        (`most_groups`).
    at : mapping of str to float or str, optional
        Axes of the design to fix, each at the coordinate nearest to the value; a choice by name.

    Returns
    -------
    Dataset
        ``survival``, ``survival_low`` and ``survival_high`` (the design's other dimensions, group
        where `by` is given, time), shares, NaN for a group without members; the ends of the 95 %
        interval are NaN for a single alliance. ``alliances``: how many each point has. Times are
        0, dt, ..., the horizon.

    Raises
    ------
    DesignError
        The result holds no members, or an argument is wrong.

    Examples
    --------
    >>> import fastalliance as fa
    >>> ds = fa.simulate("exit_cascade", parameters={"imitation": 0}, replicates=50, members=True)
    >>> curves = survival(ds, by="centrality", groups=2)
    >>> curves["survival"].dims
    ('group', 'time')
    >>> bool(curves["survival"].isel(time=-1).diff("group") > 0)
    True
    """
    if by is not None and by not in BY:
        raise DesignError(f"survival has no by={by!r}{suggestion(str(by), BY)}")
    histories = Histories.of(ds.isel(chosen_indices(ds, at)))
    grouping = _grouping(histories, by, groups)
    estimate = (_delayed if _any_late(histories) else _plain)(histories, grouping, by)
    return _dataset(histories, grouping, estimate, by)


def most_groups(ds: xr.Dataset) -> int:
    """Return how many classes of centrality `survival` can make of a result, with a firm in each.

    Raises
    ------
    DesignError
        The result holds no members.
    """
    return Histories.of(ds).fewest_members


def centrality_classes(centrality: Floats, groups: int) -> Integers:
    """Return the class 0, ..., groups - 1 of each member by rank within its alliance (last axis).

    NaN is no member: it has no rank, and is put into the lowest class. Of an alliance with at least
    `groups` members, the most central class has floor(members / groups) of them, and classes differ
    by one at most. Of fewer members some classes have none, the most central one among them.
    """
    there = np.isfinite(centrality)
    n_members = there.sum(axis=-1, keepdims=True)
    order = np.argsort(-centrality, axis=-1, kind="stable")  # NaN last
    from_below = np.maximum(n_members - 1 - np.arange(centrality.shape[-1]), 0)
    classes = np.empty(centrality.shape, dtype=np.int64)
    np.put_along_axis(classes, order, from_below * groups // np.maximum(n_members, 1), -1)
    return classes


def _grouping(histories: Histories, by: By | None, groups: int) -> _Grouping:
    n_members = histories.n_members
    if by is None:
        return _Grouping(np.zeros(1, dtype=np.int64), np.array([n_members]), {})
    if by == "industry":
        if len(np.unique(histories.industries, axis=0)) > 1:
            raise DesignError(
                "industries varies over the design: fix it (at, or --at industries=VALUE), or "
                "leave by out"
            )
        labels, sizes = np.unique(histories.industries[0], return_counts=True)
        text = "industry of the member"
        return _Grouping(labels, sizes, {"long_name": "industry", "description": text})
    if isinstance(groups, bool) or not isinstance(groups, int | np.integer):
        raise DesignError(f"groups must be a whole number, got {groups!r}")
    if not 1 <= groups <= n_members:
        raise DesignError(f"groups must be in 1..{n_members}, the number of members, got {groups}")
    if groups > histories.fewest_members:
        raise DesignError(
            f"groups must be <= {histories.fewest_members}, the fewest firms of an alliance; "
            f"got {groups}"
        )
    name = f"centrality {_GROUP_NAMES.get(groups, 'class')}"
    text = (
        f"class of centrality by rank within the alliance, 1 the least, {groups} the most central"
    )
    sizes = np.bincount(np.arange(n_members) * groups // n_members, minlength=groups)
    return _Grouping(np.arange(1, groups + 1), sizes, {"long_name": name, "description": text})


class _Estimate(NamedTuple):
    """What is drawn: alliances of each point, and (point, group, time) for the others."""

    alliances: Integers
    mean: Floats
    reach: Floats  # half the width of the interval


def _plain(histories: Histories, grouping: _Grouping, by: By | None) -> _Estimate:
    counts = _count(histories, grouping, by)
    n = counts.alliances.astype(np.float64)[:, np.newaxis, np.newaxis]
    members = grouping.sizes[:, np.newaxis]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = counts.survivors / n
        variance = np.maximum(counts.squares - counts.survivors * mean, 0.0) / (n - 1)
        reach = _quantile(n) * np.sqrt(variance / n)
    return _Estimate(counts.alliances, mean / members, reach / members)


def _any_late(histories: Histories) -> bool:
    """Return whether anybody enters after the start, or a slot is never filled."""
    return histories.entered and any(block.entry_steps.any() for block in histories.blocks())


def _delayed(histories: Histories, grouping: _Grouping, by: By | None) -> _Estimate:
    def classes(alliances: Alliances) -> Integers:
        return _classes(histories, grouping, alliances, by)

    found = product_limit(histories, classes, grouping.labels.size, _MAX_COUNTS)
    n = found.alliances.astype(np.float64)[:, np.newaxis, np.newaxis]
    return _Estimate(found.alliances, found.survival, _quantile(n) * found.error)


def _quantile(n_alliances: Floats) -> Floats:
    """Return Student's 97.5 % point over so many alliances; NaN for a single one."""
    from scipy.special import stdtrit

    many = n_alliances > 1
    return np.where(many, stdtrit(np.where(many, n_alliances - 1, 1.0), 0.975), np.nan)


class _Counts(NamedTuple):
    """Sums over the alliances of each point."""

    alliances: Integers  # (point)
    survivors: Floats  # (point, group, time)
    squares: Floats


def _count(histories: Histories, grouping: _Grouping, by: By | None) -> _Counts:
    n_groups, n_times = grouping.labels.size, histories.n_steps + 1
    shape = (histories.n_points, n_groups, n_times)
    counts = _Counts(np.zeros(shape[0], dtype=np.int64), np.zeros(shape), np.zeros(shape))
    at_once = max(_MAX_COUNTS // (n_groups * n_times), 1)
    for block in histories.blocks():
        for low in range(0, len(block.numbers), at_once):
            part = block.part(low, low + at_once)
            left = _survivors(part, _classes(histories, grouping, part, by), n_groups, n_times)
            points = part.numbers // histories.n_replicates
            starts = np.flatnonzero(np.diff(points, prepend=-1))
            found = points[starts]
            counts.alliances[found] += np.diff(starts, append=points.size)
            counts.survivors[found] += np.add.reduceat(left, starts)
            counts.squares[found] += np.add.reduceat(left * left, starts)
    return counts


def _classes(
    histories: Histories, grouping: _Grouping, alliances: Alliances, by: By | None
) -> Integers:
    """Return each member's group as a position among the labels."""
    if by == "centrality":
        return centrality_classes(alliances.centrality, grouping.labels.size)
    if by == "industry":
        return np.asarray(np.searchsorted(grouping.labels, histories.industries[0]))
    return np.zeros(histories.n_members, dtype=np.int64)


def _survivors(alliances: Alliances, classes: Integers, n_groups: int, n_times: int) -> Floats:
    """Return how many members of each group are still in, (alliance, group, time)."""
    n_alliances = len(alliances.numbers)
    cells = np.arange(n_alliances)[:, np.newaxis] * n_groups + classes
    # One time more: those who never leave.
    flat = cells * (n_times + 1) + alliances.exit_steps
    exits = np.bincount(flat.ravel(), minlength=n_alliances * n_groups * (n_times + 1))
    by_time = exits.reshape(n_alliances, n_groups, n_times + 1).astype(np.float64)
    gone = np.cumsum(by_time, axis=-1)
    return np.asarray(gone[..., -1:] - gone[..., :-1])


def _dataset(
    histories: Histories, grouping: _Grouping, estimate: _Estimate, by: By | None
) -> xr.Dataset:
    import xarray as xr

    mean, reach = estimate.mean, estimate.reach
    middle = "share of members that are still in the alliance, those who leave at the time left out"
    ends = "of the 95 % interval of the share of members still in (Student's, over alliances)"
    values = {
        "survival": (mean, "share of members still in", middle),
        "survival_low": (np.maximum(mean - reach, 0.0), "lower limit", f"lower end {ends}"),
        "survival_high": (np.minimum(mean + reach, 1.0), "upper limit", f"upper end {ends}"),
    }
    dims = (*histories.dims, *(["group"] if by else []), "time")
    shape = (*histories.shape, *([grouping.labels.size] if by else []), histories.n_steps + 1)
    result = xr.Dataset(
        {
            name: (dims, array.reshape(shape), _attrs(long_name, text))
            for name, (array, long_name, text) in values.items()
        },
        coords=_coordinates(histories, grouping, by),
        attrs=dict(histories.ds.attrs),
    )
    text = "number of alliances behind the shares"
    number = estimate.alliances.reshape(histories.shape)
    return result.assign(alliances=(histories.dims, number, _attrs("number of alliances", text)))


def _coordinates(histories: Histories, grouping: _Grouping, by: By | None) -> dict[str, Any]:
    kept = {
        str(name): coordinate
        for name, coordinate in histories.ds.coords.items()
        if set(coordinate.dims) <= set(histories.dims)
    }
    times = np.arange(histories.n_steps + 1) * histories.dt
    attrs = {"units": histories.time_unit, "long_name": "time", "description": "since the start"}
    kept["time"] = ("time", times, attrs)
    if by:
        kept["group"] = ("group", grouping.labels, {"units": "1", **grouping.attrs})
    return kept


def _attrs(long_name: str, description: str) -> dict[str, str]:
    return {"units": "1", "long_name": long_name, "description": description}
