import numpy as np
import pytest
import xarray as xr

from fastalliance.analysis import FLAGS, crossing_along, tipping_crossing
from fastalliance.errors import DesignError


def test_threshold__linear_interpolation_between_neighbours():
    found = tipping_crossing([0.0, 0.4, 0.6, 1.0], [0.0, 0.2, 0.6, 1.0])
    assert found.flag == "crossing"
    assert found.threshold == pytest.approx(0.4 + 0.2 * 0.3 / 0.4)
    assert np.isnan([found.low, found.high]).all()


def test_threshold__falling_probability_and_unsorted_axis():
    found = tipping_crossing([2.0, 0.0, 1.0], [0.1, 0.9, 0.7])
    assert (found.flag, found.threshold) == ("crossing", pytest.approx(1.0 + 0.2 / 0.6))


@pytest.mark.parametrize(
    ("probability", "expected"),
    [
        ([0.2, 0.5, 0.9], 1.0),
        ([0.9, 0.5, 0.2], 1.0),
        ([0.0, 1.0, 1.0], 0.5),
        ([0.5, 0.5, 0.2], 1.0),  # never, if it counted as below
        ([0.2, 0.5, 0.5], 1.0),
    ],
)
def test_threshold__exactly_one_half_counts_as_above(probability, expected):
    found = tipping_crossing([0.0, 1.0, 2.0], probability)
    assert (found.flag, found.threshold) == ("crossing", pytest.approx(expected))


@pytest.mark.parametrize(
    ("probability", "flag"),
    [
        ([0.6, 0.7, 0.8], "always"),
        ([0.5, 0.5, 0.5], "always"),
        ([0.1, 0.2, 0.49], "never"),
        ([0.1, 0.8, 0.2], "not monotone"),
        ([0.1, 0.8, 0.2, 0.9], "not monotone"),
        ([np.nan, np.nan], "missing"),
        ([], "missing"),
    ],
)
def test_flag__without_a_single_crossing(probability, flag):
    found = tipping_crossing(np.arange(float(len(probability))), probability)
    assert found.flag == flag
    assert np.isnan([found.threshold, found.low, found.high]).all()


@pytest.mark.parametrize(
    ("probability", "flag"),
    [
        ([0.1, np.nan, 0.9, 1.0], "missing"),  # the crossing lies inside the gap
        ([np.nan, 0.8, 0.9, 1.0], "missing"),  # the absent point could be below 1/2
        ([0.1, 0.2, 0.3, np.nan], "missing"),
        ([0.1, 0.9, np.nan, 1.0], "crossing"),
        ([np.nan, 0.9, 0.1, 0.9], "not monotone"),
    ],
)
def test_flag__missing_points_leave_it_open(probability, flag):
    assert tipping_crossing([0.0, 1.0, 2.0, 3.0], probability).flag == flag


def test_flag__infinite_axis_value_gives_no_threshold_beside_it():
    assert tipping_crossing([0.0, 1.0, np.inf], [0.0, 0.2, 0.9]).flag == "missing"
    assert tipping_crossing([0.0, 1.0, np.inf], [0.0, 0.6, 0.9]).threshold == pytest.approx(5 / 6)


def test_interval__crossings_of_both_ends_bracket_the_threshold():
    x = np.linspace(0.0, 1.0, 11)
    rising = tipping_crossing(x, x, x - 0.1, x + 0.1)
    assert (rising.low, rising.threshold, rising.high) == pytest.approx((0.4, 0.5, 0.6))
    falling = tipping_crossing(x, 1.0 - x, 0.9 - x, 1.1 - x)
    assert (falling.low, falling.threshold, falling.high) == pytest.approx((0.4, 0.5, 0.6))


def test_interval__open_where_its_end_does_not_cross():
    found = tipping_crossing([0.0, 1.0], [0.0, 1.0], [0.0, 0.7], [0.6, 1.0])
    assert found.threshold == 0.5
    assert np.isnan(found.low)
    assert found.high == pytest.approx(0.5 / 0.7)


def test_flag__noise_around_one_half_is_one_crossing():
    x = np.arange(6.0)
    p = np.array([0.1, 0.48, 0.52, 0.49, 0.53, 0.9])
    assert tipping_crossing(x, p).flag == "not monotone"
    found = tipping_crossing(x, p, p - 0.05, p + 0.05)
    assert found.flag == "crossing"
    assert found.threshold == pytest.approx(2.0 + 0.02 / 0.03)  # the middle one of three
    assert found.low < found.threshold < found.high


@pytest.mark.parametrize("probability", [[0.0, 1.0, 0.0, 1.0], [0.48, 0.52, 0.49, 0.53]])
def test_flag__noise_alone_is_no_crossing(probability):
    p = np.array(probability)
    low, high = np.full(4, 0.2), np.full(4, 0.8)  # no point differs from 1/2
    found = tipping_crossing(np.arange(4.0), p, low, high)
    assert found.flag == "not monotone"
    assert np.isnan([found.threshold, found.low, found.high]).all()
    decided = tipping_crossing(np.arange(4.0), p, np.array([0.2, 0.2, 0.2, 0.51]), high)
    assert decided.flag == "not monotone"  # one side alone is no change of sides


def test_threshold__lies_where_the_curve_changes_sides_beyond_noise():
    p = np.array([0.48, 0.52, 0.48, 0.1, 0.9])
    found = tipping_crossing(np.arange(5.0), p, p - 0.05, p + 0.05)
    assert (found.flag, found.threshold) == ("crossing", pytest.approx(3.5))
    assert found.low < found.threshold < found.high
    falling = tipping_crossing(np.arange(5.0), p[::-1], p[::-1] - 0.05, p[::-1] + 0.05)
    assert (falling.flag, falling.threshold) == ("crossing", pytest.approx(0.5))
    assert falling.low < falling.threshold < falling.high


def test_interval__reaches_the_outermost_crossings_of_its_ends():
    p = np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9])
    low = np.array([0.0, 0.1, 0.1, 0.2, 0.4, 0.6, 0.4, 0.7])
    high = np.array([0.3, 0.6, 0.4, 0.6, 0.8, 0.9, 0.9, 1.0])
    found = tipping_crossing(np.arange(8.0), p, low, high)
    assert (found.low, found.threshold, found.high) == pytest.approx((2 / 3, 3.5, 6 + 1 / 3))


def test_flag__significant_return_is_not_monotone():
    p = np.array([0.1, 0.9, 0.1, 0.9])
    assert tipping_crossing(np.arange(4.0), p, p - 0.05, p + 0.05).flag == "not monotone"
    early = np.array([0.45, 0.55, 0.45])  # rises above 1/2 and returns: two crossings
    assert tipping_crossing(np.arange(3.0), early, early - 0.1, early + 0.1).flag == "not monotone"


@pytest.mark.parametrize("n_points", [5, 21, 101])
def test_threshold__within_one_grid_step_of_a_logistic_curve(n_points):
    x = np.linspace(0.0, 1.0, n_points)
    found = tipping_crossing(x, 1.0 / (1.0 + np.exp(-60.0 * (x - 0.528))))
    assert abs(found.threshold - 0.528) < 1.0 / (n_points - 1)


def test_refused__shapes_and_half_an_interval():
    with pytest.raises(DesignError, match="one length"):
        tipping_crossing([0.0, 1.0], [0.0])
    with pytest.raises(DesignError, match="one axis, got 2 dimensions"):
        tipping_crossing([[0.0]], [[0.0]])
    with pytest.raises(DesignError, match="two ends"):
        tipping_crossing([0.0, 1.0], [0.0, 1.0], low=[0.0, 0.9])


@pytest.fixture
def grid():
    trust = xr.DataArray(
        np.linspace(0.0, 1.0, 21),
        dims="initial_trust",
        attrs={"long_name": "initial trust", "units": "1"},
    )
    midpoint = xr.DataArray([0.3, 0.6, 2.0, -1.0], dims="private_orientation")
    mean = 1.0 / (1.0 + np.exp(-12.0 * (trust - midpoint)))
    ds = xr.Dataset(
        {"success_mean": mean, "success_low": mean - 0.02, "success_high": mean + 0.02},
        coords={"initial_trust": trust, "private_orientation": [0.0, 0.1, 0.2, 0.3]},
    )
    return ds.assign(joint_value_mean=mean, joint_value_std=mean)


def test_along__dataset_over_the_other_axes(grid):
    found = crossing_along(grid, "success", "initial_trust")
    assert set(found.data_vars) == {"threshold", "threshold_low", "threshold_high", "flag"}
    assert found["threshold"].dims == ("private_orientation",)
    assert found["private_orientation"].identical(grid["private_orientation"])
    assert found["threshold"].values[:2] == pytest.approx([0.3, 0.6], abs=0.01)
    assert np.isnan(found["threshold"].values[2:]).all()
    assert [FLAGS[i] for i in found["flag"].values] == ["crossing", "crossing", "never", "always"]
    assert (found["threshold_low"] < found["threshold"]).values[:2].all()
    assert (found["threshold"] < found["threshold_high"]).values[:2].all()


def test_along__agrees_with_the_single_curve_whatever_the_order_of_dimensions(grid):
    found = crossing_along(grid.transpose(), "success", "initial_trust")
    for i in range(4):
        row = grid.isel(private_orientation=i)
        alone = tipping_crossing(
            row["initial_trust"], row["success_mean"], row["success_low"], row["success_high"]
        )
        here = [float(found[n][i]) for n in ("threshold", "threshold_low", "threshold_high")]
        np.testing.assert_array_equal(here, [alone.threshold, alone.low, alone.high])


def test_along__attributes(grid):
    found = crossing_along(grid, "success", "initial_trust")
    assert found["threshold"].attrs["units"] == "1"
    assert found["threshold"].attrs["long_name"] == "threshold of initial trust"
    meanings = found["flag"].attrs["flag_meanings"].split()
    assert meanings == ["crossing", "always", "never", "not_monotone", "missing"]
    assert all(v.attrs["description"] for v in found.data_vars.values())


def test_along__one_axis_gives_scalars(grid):
    found = crossing_along(grid.isel(private_orientation=1), "success", "initial_trust")
    assert found["threshold"].dims == ()
    assert float(found["threshold"]) == pytest.approx(0.6, abs=0.01)


def test_along__unknown_output_or_axis(grid):
    with pytest.raises(DesignError, match="no 0/1 output 'sucess'; did you mean 'success'"):
        crossing_along(grid, "sucess", "initial_trust")
    with pytest.raises(DesignError, match="no 0/1 output 'joint_value'"):
        crossing_along(grid, "joint_value", "initial_trust")
    with pytest.raises(DesignError, match="did you mean 'initial_trust'"):
        crossing_along(grid, "success", "initial_trst")
