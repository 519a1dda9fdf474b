"""What a picture shows: axes and their scales, values held fixed, choices, outputs by name."""

import numpy as np
import pytest
import xarray as xr

from fastalliance.errors import DesignError
from fastalliance.plotting import plot_study
from fastalliance.plotting.axes import axis_of
from tests.unit import pictures
from tests.unit.pictures import coordinate, legend_texts, lines


@pytest.fixture
def curve():
    return pictures.curve()


@pytest.fixture
def surface():
    return pictures.surface()


def test_at__selects_the_nearest_and_says_so(surface):
    (ax,) = plot_study(surface, at={"private_orientation": 0.11}).axes
    assert ax.get_title(loc="left") == "at private orientation 0.1"
    threshold = next(line for line in lines(ax) if "tipping" in str(line.get_label()))
    assert threshold.get_xdata()[0] == pytest.approx(0.628, abs=0.005)


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ({"private_orientaton": 0.1}, "did you mean 'private_orientation'"),
        ({"private_orientation": 3.0}, "outside the design's axis"),
        ({"private_orientation": 0.6000001}, r"= 0.6000001 lies .* axis \(0..0.6\)"),
        ({"private_orientation": "low"}, "a number, got 'low'"),
    ],
)
def test_at__wrong_axis_or_value(surface, at, message):
    with pytest.raises(DesignError, match=message):
        plot_study(surface, at=at)


def test_three_axes__refused_with_the_way_out(surface):
    ds = surface.expand_dims(trust_noise=[0.1, 0.2])
    with pytest.raises(DesignError, match=r"trust_noise \(2\).*fix 1 of them.*--at"):
        plot_study(ds)
    assert len(plot_study(ds, at={"trust_noise": 0.2}).axes) == 4


def test_axis_of_length_one__is_fixed(surface):
    (ax,) = plot_study(surface.isel(private_orientation=[2])).axes
    assert ax.get_xlabel() == "initial trust"
    assert ax.get_title(loc="left") == "at private orientation 0.1"


def test_grid__drawn_in_increasing_order(curve):
    (ax,) = plot_study(curve.isel(initial_trust=slice(None, None, -1))).axes
    estimate = next(line for line in lines(ax) if len(line.get_xdata()) == 51)
    assert (np.diff(estimate.get_xdata()) > 0).all()
    assert ax.get_xlim() == (0.0, 1.0)


@pytest.mark.parametrize(
    ("values", "scale", "edges"),
    [
        ([0.0, 1.0, 3.0], "linear", [-0.5, 0.5, 2.0, 4.0]),
        ([0.1, 1.0, 10.0], "log", [10**-1.5, 10**-0.5, 10**0.5, 10**1.5]),
        ([1.0, 2.0, np.inf], "index", [-0.5, 0.5, 1.5, 2.5]),
    ],
)
def test_axis__scale_and_cell_edges(values, scale, edges):
    axis = axis_of(xr.Dataset(coords={"x": coordinate("x", values)}), "x")
    assert axis.scale == scale
    assert axis.edges == pytest.approx(edges)


def test_infinite_coordinate__is_a_tick_label(curve):
    ds = curve.isel(initial_trust=[0, 20, 50]).assign_coords(
        initial_trust=coordinate("initial_trust", [1.0, 2.0, np.inf])
    )
    (ax,) = plot_study(ds).axes
    assert [text.get_text() for text in ax.get_xticklabels()] == ["1", "2", "∞"]


@pytest.fixture
def chosen(surface):
    """The surface over trust and a choice: dry (0), wet (2) and wild (5)."""
    attrs = {"long_name": "season", "units": "1"}
    attrs |= {"flag_values": [0.0, 2.0, 5.0], "flag_meanings": "dry wet wild"}
    few = surface.isel(private_orientation=[0, 4]).rename(private_orientation="season")
    return few.assign_coords(season=("season", [0.0, 2.0], attrs))


def test_choice__is_selected_and_shown_by_its_name(chosen):
    (ax,) = plot_study(chosen, at={"season": "wet"}).axes
    assert ax.get_title(loc="left") == "at season wet"
    estimate = next(line for line in lines(ax) if len(line.get_xdata()) == 31)
    np.testing.assert_array_equal(estimate.get_ydata(), chosen["success_mean"].sel(season=2.0))
    assert plot_study(chosen, at={"season": 2.0}).axes[0].get_title(loc="left") == "at season wet"
    (ax,) = plot_study(chosen).axes
    texts = [text.split(":")[0] for text in legend_texts(ax)]
    assert texts == ["season dry", "season wet", "95 % interval"]


def test_choice__as_an_axis_has_names_and_no_threshold(chosen):
    figure = plot_study(chosen.isel(initial_trust=18))
    (ax,) = figure.axes
    assert [text.get_text() for text in ax.get_xticklabels()] == ["dry", "wet"]
    p = chosen["success_mean"].isel(initial_trust=18)
    assert p[0] > 0.5 > p[1]
    assert not any("threshold" in text for text in legend_texts(ax))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("wett", "the axis season has no value 'wett'; did you mean 'wet'"),
        ("wild", "the axis season has no value 'wild'; valid names: dry, wet"),
        (1.0, "the axis season has no value 1.0"),
    ],
)
def test_choice__that_is_not_on_the_axis_is_never_the_nearest(chosen, value, message):
    with pytest.raises(DesignError, match=message):
        plot_study(chosen, at={"season": value})


def test_default_output__first_binary_then_first(curve):
    renamed = curve.rename({name: name.replace("success", "kept") for name in curve.data_vars})
    renamed["kept_mean"].attrs.pop("long_name")
    assert plot_study(renamed).axes[0].get_ylabel() == "kept probability"
    real = curve.drop_vars([name for name in curve.data_vars if "success" in name])
    assert plot_study(real).axes[0].get_ylabel() == "mean trust a"


def test_labels__a_long_name_that_only_spells_the_variable_is_put_in_words(curve):
    curve["success_mean"].attrs["long_name"] = "success mean"
    curve["joint_value_mean"].attrs["long_name"] = "joint value mean"
    labels = [ax.get_ylabel() for ax in plot_study(curve, output=["success", "joint_value"]).axes]
    assert labels == ["success probability", "mean joint value [value]"]


def test_outputs__unknown_ones(curve):
    with pytest.raises(DesignError, match="no output 'sucess' to plot; did you mean 'success'"):
        plot_study(curve, output="sucess")
    with pytest.raises(DesignError, match="no output to plot"):
        plot_study(curve, output=[])


def test_labels__dollar_signs_are_not_mathematics(curve, tmp_path):
    curve["joint_value_mean"].attrs["units"] = "$/month ($)"
    figure = plot_study(curve, output="joint_value", path=tmp_path / "a.svg")
    assert figure.axes[0].get_ylabel() == r"mean joint value [\$/month (\$)]"
