"""Survival curves against shares counted the slow way, and their intervals."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import fastalliance as fa
from fastalliance.analysis.survival import centrality_classes, survival
from tests.unit.cascades import cascades


@pytest.fixture(scope="module")
def ds() -> xr.Dataset:
    return cascades(
        members=23,
        replicates=9,
        seed_rule=[-1.0, 0.0, 1.0],
        immunity=[0.0, 1.0],
        parameters={"seed_exits": 2.0, "base_hazard": 0.04},
    )[0]


def shares(ds: xr.Dataset, members: xr.DataArray | None = None) -> xr.DataArray:
    """Return each alliance's share of (some) members still in, time by time."""
    every = xr.ones_like(ds["exit_time"], dtype=bool)
    members = every if members is None else every & members
    found = []
    for time in np.arange(13.0):
        still = ~(ds["exit_time"] <= time)  # NaN: never
        found.append((still & members).sum("member") / members.sum("member"))
    return xr.concat(found, dim="time").transpose(..., "time")


def test_survival__is_the_share_still_in(ds: xr.Dataset) -> None:
    found = survival(ds)
    each = shares(ds)
    assert found["survival"].dims == ("seed_rule", "immunity", "time")
    np.testing.assert_array_equal(found["time"], np.arange(13.0))
    np.testing.assert_allclose(found["survival"], each.mean("replicate"), rtol=1e-14)
    np.testing.assert_array_equal(found["survival"].isel(time=0), np.full((3, 2), 21 / 23))
    assert (found["survival"].diff("time") <= 0).all()
    assert (found["alliances"] == 9).all()


def test_interval__takes_alliances_as_the_independent_units(ds: xr.Dataset) -> None:
    found = survival(ds)
    error = shares(ds).std("replicate", ddof=1) / 3
    reach = stats.t.ppf(0.975, 8) * error
    middle = found["survival"]
    np.testing.assert_allclose(found["survival_low"], (middle - reach).clip(0, 1), atol=1e-12)
    np.testing.assert_allclose(found["survival_high"], (middle + reach).clip(0, 1), atol=1e-12)
    binomial = 1.96 * np.sqrt(middle * (1 - middle) / (9 * 23))
    assert reach.max() > 1.4 * binomial.max()  # members drag each other along
    assert (found["survival_high"] - middle).isel(time=0).max() == 0  # seeds are not random


def test_by_industry__is_one_curve_each(ds: xr.Dataset) -> None:
    found = survival(ds, by="industry")
    assert found["survival"].dims == ("seed_rule", "immunity", "group", "time")
    np.testing.assert_array_equal(found["group"], [0, 1, 2, 3])
    assert found["group"].attrs["long_name"] == "industry"
    for i in range(4):
        expected = shares(ds, ds["industry"] == i).mean("replicate")
        np.testing.assert_allclose(found["survival"].sel(group=i), expected, rtol=1e-13)


def test_by_centrality__is_by_rank_within_each_alliance(ds: xr.Dataset) -> None:
    found = survival(ds, by="centrality", groups=4)
    np.testing.assert_array_equal(found["group"], [1, 2, 3, 4])
    rank = ds["centrality"].argsort(axis=-1).argsort(axis=-1)  # from below; no ties here
    for i in range(4):
        members = (rank >= np.ceil(23 * i / 4)) & (rank < np.ceil(23 * (i + 1) / 4))
        expected = shares(ds, members).mean("replicate")
        np.testing.assert_allclose(found["survival"].sel(group=i + 1), expected, rtol=1e-13)
    start = found["survival"].isel(time=0, immunity=0)
    assert float(start.sel(group=4, seed_rule=1)) == pytest.approx(1 - 2 / 5)
    assert float(start.sel(group=1, seed_rule=-1)) == pytest.approx(1 - 2 / 6)
    assert float(start.sel(group=4, seed_rule=-1)) == 1.0


def test_centrality_classes__ties_by_lower_index_and_the_top_tenth() -> None:
    np.testing.assert_array_equal(centrality_classes(np.zeros((1, 5)), 5), [[4, 3, 2, 1, 0]])
    np.testing.assert_array_equal(
        centrality_classes(np.array([0.3, 0.9, 0.3, 0.1]), 2), [1, 1, 0, 0]
    )
    for n in (10, 19, 23, 200, 205):
        sizes = np.bincount(centrality_classes(np.random.default_rng(n).random(n), 10))
        assert sizes[-1] == n // 10  # as many as central_exit_share is about
        assert sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize(("groups", "name"), [(10, "decile"), (4, "quarter"), (7, "class")])
def test_by_centrality__the_name_of_the_groups(ds: xr.Dataset, groups: int, name: str) -> None:
    found = survival(ds, by="centrality", groups=groups)
    assert found.sizes["group"] == groups
    assert found["group"].attrs["long_name"] == f"centrality {name}"


def test_at__fixes_axes(ds: xr.Dataset) -> None:
    found = survival(ds, at={"seed_rule": "central", "immunity": 0.9})
    assert found["survival"].dims == ("time",)
    expected = survival(ds)["survival"].sel(seed_rule=1, immunity=1)
    np.testing.assert_array_equal(found["survival"], expected)
    assert float(found["immunity"]) == 1.0


def test_time__is_in_steps_of_dt() -> None:
    halves, _ = cascades(dt=0.1, horizon=1.2, parameters={"base_hazard": 0.5})
    found = survival(halves)
    np.testing.assert_allclose(found["time"], np.arange(13) * 0.1)
    assert found["time"].attrs["units"] == "quarter"
    last = halves["exit_time"].isnull().mean()
    assert float(found["survival"].isel(time=-1)) == pytest.approx(float(last))
    assert float(found["survival"].isel(time=0)) == 1.0


def test_single_alliance__has_no_interval(ds: xr.Dataset) -> None:
    found = survival(ds.isel(replicate=[0]))
    assert np.isnan(found["survival_low"]).all()
    assert np.isfinite(found["survival"]).all()


def test_unfinished__counts_what_is_there(ds: xr.Dataset) -> None:
    part = ds.copy()
    there = (ds["seed_rule"] > 0) | ((ds["seed_rule"] == 0) & (ds["replicate"] < 4))
    for name in ("exit_time", "centrality"):
        part[name] = ds[name].where(there)
    found = survival(part, by="industry")
    np.testing.assert_array_equal(found["alliances"].isel(immunity=0), [0, 4, 9])
    assert np.isnan(found["survival"].isel(seed_rule=0)).all()
    expected = survival(ds.isel(replicate=slice(4)), by="industry")
    for name in ("survival", "survival_high"):
        np.testing.assert_array_equal(found[name][1], expected[name][1])
        np.testing.assert_array_equal(found[name][2], survival(ds, by="industry")[name][2])


@pytest.mark.parametrize("by", [None, "industry", "centrality"])
def test_blocks__do_not_matter(ds: xr.Dataset, by, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = survival(ds, by=by)
    monkeypatch.setattr("fastalliance.analysis.members._MAX_VALUES", 23 * 7)
    monkeypatch.setattr("fastalliance.analysis.survival._MAX_COUNTS", 13 * 10 * 2)
    xr.testing.assert_identical(survival(ds, by=by), whole)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"by": "centralty"}, "survival has no by='centralty'; did you mean 'centrality'"),
        ({"by": "centrality", "groups": 0}, r"groups must be in 1\.\.23, .* got 0"),
        ({"by": "centrality", "groups": 24}, r"groups must be in 1\.\.23, .* got 24"),
        ({"by": "centrality", "groups": 2.5}, "groups must be a whole number, got 2.5"),
        ({"at": {"imunity": 0}}, "no axis 'imunity' to select on; did you mean 'immunity'"),
        ({"at": {"seed_rule": "centre"}}, "no value 'centre'; did you mean 'central'"),
    ],
)
def test_refused__wrong_arguments(ds: xr.Dataset, arguments, message: str) -> None:
    with pytest.raises(fa.DesignError, match=message):
        survival(ds, **arguments)


def test_industries_that_vary__are_refused_where_they_are_the_groups() -> None:
    parts = [cascades(industries=n)[0].drop_vars("industry") for n in (1, 5)]
    ds = xr.concat(parts, dim="industries").assign_coords(industries=[1.0, 5.0])
    with pytest.raises(fa.DesignError, match="industries varies over the design: fix it"):
        survival(ds, by="industry")
    assert survival(ds, by="centrality")["survival"].dims == ("industries", "group", "time")
    assert survival(ds, by="industry", at={"industries": 5}).sizes["group"] == 5


def test_refused__results_without_members(ds: xr.Dataset) -> None:
    with pytest.raises(fa.DesignError, match=r"run the study with keep: \{members: true\}"):
        survival(ds.drop_vars(["exit_time", "centrality"]))
    with pytest.raises(fa.DesignError, match="the model dyad has no members that leave"):
        survival(fa.simulate("dyad", horizon=5))
