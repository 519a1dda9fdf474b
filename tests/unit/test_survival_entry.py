"""Survival curves where members enter at different times: risk sets, and intervals that hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr
from scipy import stats
from statsmodels.duration.survfunc import SurvfuncRight

import fastalliance as fa
from fastalliance.analysis.survival import centrality_classes, most_groups, survival
from tests.unit.cascades import cascades

DT = 0.5
HAZARD = 0.06  # a period
NAMES = ("exit_time", "entry_time", "centrality")


def result(
    points: int,
    alliances: int,
    slots: int,
    n_steps: int,
    *,
    initial: float = 0.4,
    entry: float = 0.05,
    shocks: float = 1.0,
    industries: int = 2,
    seed: int = 1,
) -> xr.Dataset:
    """Return exits at a hazard that is HAZARD on average, whatever has happened before.

    It is `shocks` times as high in one of so many periods and 0 in the others, for all members of
    an alliance alike. Slots that are not filled at the start fill at the rate `entry` a period.
    """
    rng = np.random.default_rng(seed)
    shape = (points, alliances, slots)
    start = rng.random(shape) < initial
    entry_step = np.where(start, 0, rng.geometric(entry, shape))
    never = n_steps + 1
    entry_step[entry_step > n_steps] = never
    exit_step = np.full(shape, never)
    for k in range(n_steps):
        h = HAZARD * shocks * (rng.random((points, alliances, 1)) < 1 / shocks)
        inside = (entry_step <= k) & (exit_step == never)
        exit_step[inside & (rng.random(shape) < h)] = k + 1
    filled = entry_step < never
    values = {
        "exit_time": np.where(exit_step < never, exit_step * DT, np.nan),
        "entry_time": np.where(filled, entry_step * DT, np.nan),
        "centrality": np.where(filled, rng.random(shape), np.nan),
    }
    return xr.Dataset(
        {name: (("share", "replicate", "member"), v) for name, v in values.items()},
        coords={
            "share": ("share", np.arange(points) / points, {"units": "1"}),
            "replicate": np.arange(alliances),
            "member": np.arange(slots),
            "industry": ("member", np.arange(slots) * industries // slots),
        },
        attrs={
            "model": "multiparty",
            "population": "slots",
            "dt": DT,
            "horizon": n_steps * DT,
            "time_unit": "month",
        },
    )


@pytest.fixture(scope="module")
def ds() -> xr.Dataset:
    return result(3, 8, 15, 20, shocks=2.0)


def reference(ds: xr.Dataset, members: xr.DataArray | None = None) -> np.ndarray:
    """Return statsmodels' estimate at every time, of one point and some of its members."""
    entry, left = ds["entry_time"].values, ds["exit_time"].values
    which = np.isfinite(entry)
    if members is not None:
        which &= np.broadcast_to(members, entry.shape)
    horizon = ds.attrs["horizon"]
    # Who enters at the horizon is never at risk, and statsmodels takes no empty spells.
    which &= entry < horizon
    status = np.isfinite(left[which])
    time = np.where(status, left[which], horizon)
    found = SurvfuncRight(time, status.astype(float), entry=entry[which])
    times = np.arange(round(horizon / DT) + 1) * DT
    steps = np.searchsorted(found.surv_times, times + 1e-9)
    return np.concatenate(([1.0], found.surv_prob))[steps]


def test_entry__estimate_is_that_of_statsmodels(ds: xr.Dataset) -> None:
    found = survival(ds)["survival"]
    assert found.dims == ("share", "time")
    for i in range(3):
        np.testing.assert_allclose(found[i], reference(ds.isel(share=i)), rtol=1e-12)
    naive = 1 - ds["exit_time"].notnull().sum(["replicate", "member"]) / ds["entry_time"].notnull()
    assert float(abs(naive.mean() - found.isel(time=-1).mean())) > 0.1


@pytest.mark.parametrize("groups", [1, 4, 9])
def test_entry__groups_have_their_own_risk_sets(ds: xr.Dataset, groups: int) -> None:
    by_industry = survival(ds, by="industry")["survival"]
    for g in range(2):
        expected = reference(ds.isel(share=1), ds["industry"] == g)
        np.testing.assert_allclose(by_industry[1, g], expected, rtol=1e-12)
    by_class = survival(ds, by="centrality", groups=groups)["survival"]
    classes = classes_slowly(ds["centrality"].isel(share=1).values, groups)
    for g in range(groups):
        members = xr.DataArray(classes == g, dims=("replicate", "member"))
        expected = reference(ds.isel(share=1), members)
        # Where nobody is left, statsmodels has a rounding error instead of 0.
        np.testing.assert_allclose(by_class[1, g], expected, rtol=1e-12, atol=1e-15)


def classes_slowly(centrality: np.ndarray, groups: int) -> np.ndarray:
    """Return each member's class by rank among those of its alliance, -1 for empty slots."""
    found = np.full(centrality.shape, -1)
    for row, classes in zip(centrality, found, strict=True):
        ranked = sorted(np.flatnonzero(np.isfinite(row)), key=lambda i: row[i])
        for rank, i in enumerate(ranked):
            classes[i] = rank * groups // len(ranked)
    return found


def test_centrality_classes__empty_slots_take_no_rank() -> None:
    nan = math.nan
    found = centrality_classes(np.array([[nan, 0.9, 0.1, nan, 0.5, 0.3], [nan] * 6]), 2)
    np.testing.assert_array_equal(found[0, [1, 4, 3, 2, 5]], [1, 1, 0, 0, 0])
    np.testing.assert_array_equal(found[1], np.zeros(6))


def test_groups__are_no_more_than_the_smallest_alliance_has_firms(
    ds: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    firms = ds["entry_time"].notnull().sum("member")
    assert (int(firms.min()), int(firms.isel(share=1).min())) == (9, 10)
    assert most_groups(ds) == 9
    assert survival(ds.isel(share=1), by="centrality").sizes["group"] == 10
    assert most_groups(ds.drop_vars("entry_time")) == 15
    message = r"groups must be <= 9, the fewest firms of an alliance; got 10$"
    with pytest.raises(fa.DesignError, match=message):
        survival(ds, by="centrality")
    there = firms > 9  # the smallest alliance is not computed yet
    assert most_groups(ds.assign({name: ds[name].where(there) for name in NAMES})) == 10
    for name in ("industry", None):
        assert survival(ds, by=name).sizes["time"] == 21
    monkeypatch.setattr("fastalliance.analysis.members._MAX_VALUES", 15 * 2)
    assert most_groups(ds) == 9  # of all that are read


def test_entry__all_at_the_start_is_the_plain_share_with_its_interval() -> None:
    plain, _ = cascades(
        members=23, replicates=9, seed_rule=[-1.0, 1.0], parameters={"seed_exits": 2.0}
    )
    at_start = plain.assign(entry_time=xr.zeros_like(plain["exit_time"]))
    late = at_start.copy(deep=True)
    for name in ("entry_time", "exit_time"):
        late[name][1] = np.nan  # nobody there
    for by in (None, "industry", "centrality"):
        expected, found = survival(plain, by=by), survival(late, by=by)
        assert np.isnan(found["survival"][1]).all()
        for name in ("survival", "survival_low", "survival_high"):
            np.testing.assert_allclose(found[name][0], expected[name][0], rtol=1e-12, atol=1e-13)
        np.testing.assert_array_equal(found["alliances"], expected["alliances"])
        xr.testing.assert_identical(survival(at_start, by=by), expected)


def test_interval__is_from_each_alliance_s_influence(ds: xr.Dataset) -> None:
    one = ds.isel(share=0)
    found = survival(one)

    def estimate(weights: np.ndarray) -> np.ndarray:
        survived, curve = 1.0, []
        for j in range(21):
            at_risk = ((one["entry_time"] < j * DT) | ((j == 0) & (one["entry_time"] == 0))) & ~(
                one["exit_time"] < j * DT
            )
            leaving = at_risk & (one["exit_time"] == j * DT)
            r, d = (x.sum("member").values @ weights for x in (at_risk, leaving))
            survived *= 1 - d / r
            curve.append(survived)
        return np.array(curve)

    np.testing.assert_allclose(found["survival"], estimate(np.ones(8)), rtol=1e-12)
    step = 1e-5
    slopes = [
        (estimate(1 + step * np.eye(8)[a]) - estimate(1 - step * np.eye(8)[a])) / (2 * step)
        for a in range(8)
    ]
    error = np.sqrt(8 / 7 * np.square(slopes).sum(axis=0))
    reach = stats.t.ppf(0.975, 7) * error
    high = np.minimum(found["survival"] + reach, 1.0)
    np.testing.assert_allclose(found["survival_high"], high, atol=1e-7)
    low = np.maximum(found["survival"] - reach, 0.0)
    np.testing.assert_allclose(found["survival_low"], low, atol=1e-7)


def test_interval__covers_a_known_hazard_although_members_leave_together() -> None:
    points = 600
    many = result(points, 40, 12, 24, shocks=8.0, initial=0.3, entry=0.08, seed=20240601)
    found = survival(many)
    assert found.sizes == {"share": points, "time": 25}
    for step in (6, 12, 24):
        truth = (1 - HAZARD) ** step
        now = found.isel(time=step)
        covered = (now["survival_low"] <= truth) & (truth <= now["survival_high"])
        # 0.95 with 4 standard errors of 0.0089; one for independent members covers 0.75 here.
        assert float(covered.mean()) == pytest.approx(0.95, abs=0.036)
        error = float(now["survival"].std(ddof=1))
        assert float(now["survival"].mean()) == pytest.approx(truth, abs=4 * error / points**0.5)
        assert_reach(now, error)


def assert_reach(now: xr.Dataset, error: float) -> None:
    """Check that the interval is as wide as the estimates scatter, with room for 40 alliances."""
    reach = float((now["survival_high"] - now["survival"]).mean())
    assert reach == pytest.approx(stats.t.ppf(0.975, 39) * error, rel=0.12)


def test_unfilled_slots__are_never_at_risk_and_a_group_of_them_has_no_curve(ds: xr.Dataset) -> None:
    empty = ds.copy()
    for name in NAMES:
        empty[name] = ds[name].where(ds["industry"] == 0)
    found = survival(empty, by="industry")
    assert np.isnan(found["survival"].sel(group=1)).all()
    expected = survival(ds, by="industry")
    for name in ("survival", "survival_low", "survival_high"):
        np.testing.assert_array_equal(found[name][:, 0], expected[name][:, 0])
    np.testing.assert_array_equal(found["alliances"], [8, 8, 8])


def test_entry__nobody_is_at_risk_before_the_first_comes_in(ds: xr.Dataset) -> None:
    late = ds.where(ds["entry_time"] >= 2.0)
    late["industry"] = ds["industry"]
    found = survival(late)["survival"].isel(share=0)
    first = late["exit_time"].isel(share=0).min()
    assert (found.sel(time=found["time"] < first) == 1.0).all()
    assert float(found.sel(time=first)) < 1.0


def test_estimate__stays_0_once_all_at_risk_have_left_at_once() -> None:
    few = result(1, 3, 4, 10, initial=1.0, entry=0.5)
    few["exit_time"][:] = [[[1.0] * 4, [1.0] * 4, [1.0, 1.0, 1.0, math.nan]]]
    few["entry_time"][0, 2, 3] = 2.0
    found = survival(few).isel(share=0)
    np.testing.assert_array_equal(found["survival"], [1.0] * 2 + [0.0] * 9)
    assert (found["survival_high"].isel(time=slice(2, None)) == 0).all()


def test_single_alliance__has_no_interval(ds: xr.Dataset) -> None:
    found = survival(ds.isel(replicate=[2]))
    assert np.isnan(found["survival_low"]).all()
    assert np.isfinite(found["survival"]).all()


def test_unfinished__counts_what_is_there(ds: xr.Dataset) -> None:
    part = ds.copy()
    there = (ds["share"] > 0.5) | ((ds["share"] > 0.1) & (ds["replicate"] < 5))
    for name in NAMES:
        part[name] = ds[name].where(there)
    found = survival(part, by="centrality", groups=3)
    np.testing.assert_array_equal(found["alliances"], [0, 5, 8])
    assert np.isnan(found["survival"][0]).all()
    expected = survival(ds.isel(replicate=slice(5)), by="centrality", groups=3)
    for name in ("survival", "survival_high"):
        np.testing.assert_array_equal(found[name][1], expected[name][1])


@pytest.mark.parametrize("by", [None, "industry", "centrality"])
def test_blocks__do_not_matter(ds: xr.Dataset, by, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = survival(ds, by=by, groups=9)
    monkeypatch.setattr("fastalliance.analysis.members._MAX_VALUES", 15 * 5)
    monkeypatch.setattr("fastalliance.analysis.survival._MAX_COUNTS", 21 * 10 * 2)
    xr.testing.assert_allclose(survival(ds, by=by, groups=9), whole, rtol=1e-12)


def test_size__is_called_what_the_result_says() -> None:
    small, large = result(1, 4, 6, 10), result(1, 4, 9, 10, seed=2)
    sizes = xr.concat([small, large], dim="slots", join="outer", combine_attrs="override")
    sizes = sizes.drop_vars("industry").assign_coords(slots=("slots", [6.0, 9.0]))
    with pytest.raises(fa.DesignError, match=r"slots varies .*: choose one size .*ds\.sel\(slots"):
        survival(sizes)
    for size, one in ((6, small), (9, large)):
        found = survival(sizes, at={"slots": size}, by="centrality", groups=2)
        expected = survival(one, by="centrality", groups=2)
        np.testing.assert_array_equal(found["survival"], expected["survival"])
