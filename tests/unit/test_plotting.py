"""Pictures of studies: curves, maps, points and tables hold what the result holds."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection, PolyCollection, QuadMesh
from matplotlib.contour import ContourSet
from matplotlib.patches import Rectangle

from fastalliance.plotting import plot_study
from tests.unit import pictures
from tests.unit.pictures import N, hatched, legend_texts, lines, of, result


@pytest.fixture
def curve():
    return pictures.curve()


@pytest.fixture
def surface():
    return pictures.surface()


@pytest.fixture
def points():
    return pictures.points()


def test_curve__labels_interval_and_threshold(curve):
    figure = plot_study(curve)
    (ax,) = figure.axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("initial trust", "success probability")
    assert figure.get_suptitle() == "dyad, 200 replicates per point, seed 7"
    estimate = next(line for line in lines(ax) if len(line.get_xdata()) == 51)
    np.testing.assert_array_equal(estimate.get_ydata(), curve["success_mean"])
    threshold = next(line for line in lines(ax) if "tipping" in str(line.get_label()))
    assert threshold.get_xdata() == pytest.approx([0.528, 0.528], abs=0.002)
    assert any("tipping threshold 0.52" in text for text in legend_texts(ax))
    (band,) = of(ax, PolyCollection)
    assert band.get_datalim(ax.transData).height == pytest.approx(
        float(curve["success_high"].max() - curve["success_low"].min())
    )
    (uncertain,) = [patch for patch in of(ax, Rectangle) if patch is not ax.patch]
    assert uncertain.get_x() < 0.528 < uncertain.get_x() + uncertain.get_width() < 0.55


def test_curve__real_output_has_unit_quantiles_and_no_threshold(curve):
    (ax,) = plot_study(curve, output="joint_value").axes
    assert ax.get_ylabel() == "mean joint value [value]"
    assert legend_texts(ax) == ["5 to 95 % of replicates", "95 % interval of the mean", "estimate"]
    wide, narrow = of(ax, PolyCollection)
    assert wide.get_datalim(ax.transData).ymin == pytest.approx(
        float(curve["joint_value_mean"].min()) - 5.0
    )
    assert narrow.get_datalim(ax.transData).ymax == pytest.approx(
        float(curve["joint_value_mean"].max()) + 1.96 * 3.0 / np.sqrt(N)
    )


@pytest.mark.parametrize(
    ("offset", "text"), [(-1.0, "1/2 or more everywhere"), (1.0, "below 1/2 everywhere")]
)
def test_curve__without_threshold_says_so(curve, offset, text):
    trust = curve["initial_trust"].values
    ds = result(trust, offset, ("initial_trust",), curve.coords)
    (ax,) = plot_study(ds).axes
    assert any(text in label for label in legend_texts(ax))
    assert not [line for line in lines(ax) if "threshold" in str(line.get_label())]


def test_curve__missing_points_are_hatched(curve):
    ds = curve.where(~((curve["initial_trust"] > 0.699) & (curve["initial_trust"] < 0.801)))
    ds.attrs["complete"] = False
    (ax,) = plot_study(ds).axes
    (span,) = hatched(ax)
    assert (span.get_x(), span.get_width()) == pytest.approx((0.69, 0.12))
    assert "not computed yet" in legend_texts(ax)
    assert ax.get_title(loc="left") == "incomplete: 45 of 51 points"


def test_curve__several_outputs_are_panels(curve):
    figure = plot_study(curve, output=["success", "joint_value"])
    assert [ax.get_ylabel() for ax in figure.axes] == [
        "success probability",
        "mean joint value [value]",
    ]


def test_map__two_panels_with_the_threshold_on_both(surface):
    figure = plot_study(surface)
    left, right, left_bar, right_bar = figure.axes
    assert (left.get_xlabel(), left.get_ylabel()) == ("initial trust", "private orientation")
    assert left_bar.get_ylabel() == "success probability"
    assert right_bar.get_ylabel() == "mean joint value [value]"
    for ax, name in ((left, "success_mean"), (right, "joint_value_mean")):
        (mesh,) = of(ax, QuadMesh)
        np.testing.assert_array_equal(np.asarray(mesh.get_array()), surface[name].values.T)
        assert ax.get_xlim() == pytest.approx((-1 / 60, 1 + 1 / 60))
        (threshold,) = lines(ax)
        known = np.isfinite(threshold.get_xdata())
        np.testing.assert_allclose(
            threshold.get_xdata()[known], 0.528 + threshold.get_ydata()[known], atol=0.01
        )
        assert known.sum() == 10  # beyond 0.45 no trust suffices
    assert of(left, QuadMesh)[0].get_clim() == (0.0, 1.0)
    assert legend_texts(figure) == ["tipping threshold (success probability 1/2)"]


def test_map__one_named_output_is_one_panel(surface):
    figure = plot_study(surface, output="joint_value")
    assert [ax.get_ylabel() for ax in figure.axes] == [
        "private orientation",
        "mean joint value [value]",
    ]
    assert not figure.legends


def test_map__threshold_along_the_axis_that_shows_it(surface):
    flat = surface.copy(deep=True)
    p = np.where(surface["private_orientation"] < 0.31, 0.9, 0.1) * np.ones((31, 1))
    for name, shift in (("success_mean", 0.0), ("success_low", -0.02), ("success_high", 0.02)):
        flat[name] = (surface["success_mean"].dims, p + shift)
    (threshold,) = lines(plot_study(flat).axes[0])
    np.testing.assert_array_equal(threshold.get_xdata(), flat["initial_trust"])
    assert threshold.get_ydata() == pytest.approx(0.325)


def test_map__boundary_crossed_twice_both_ways_is_a_contour(surface):
    trust, private = surface["initial_trust"], surface["private_orientation"]
    island = surface.copy(deep=True)
    inside = ((trust - 0.5) / 0.3) ** 2 + ((private - 0.3) / 0.2) ** 2
    for name, shift in (("success_mean", 0.0), ("success_low", -0.02), ("success_high", 0.02)):
        island[name] = 1.0 / (1.0 + inside) + shift
    figure = plot_study(island)
    (contour,) = of(figure.axes[0], ContourSet)
    box = contour.get_paths()[0].get_extents()
    assert (box.x0, box.x1, box.y0, box.y1) == pytest.approx((0.2, 0.8, 0.1, 0.5), abs=0.02)
    assert legend_texts(figure) == ["tipping threshold (success probability 1/2)"]


def test_map__a_single_row_with_a_threshold_is_visible(surface):
    ds = result(
        surface["initial_trust"].values[:, None],
        np.where(np.arange(13) == 4, 0.1, 5.0),
        ("initial_trust", "private_orientation"),
        surface.coords,
    )
    (threshold,) = lines(plot_study(ds).axes[0])
    assert threshold.get_markevery() == [4]
    assert threshold.get_xdata()[4] == pytest.approx(0.628, abs=0.005)


def test_map__no_threshold_on_the_axes_is_said(surface):
    never = surface.where(surface["initial_trust"] < 0.3, drop=True)
    assert legend_texts(plot_study(never)) == [
        "tipping threshold (success probability 1/2): not on these axes"
    ]


def test_map__incomplete_cells_are_hatched_and_counted(surface):
    ds = surface.where(surface["private_orientation"] < 0.4)
    ds.attrs.update(complete=False, tiles_done=37, n_tiles=64)
    figure = plot_study(ds)
    assert all(len(hatched(ax)) == 1 for ax in figure.axes[:2])
    assert figure.axes[0].get_title(loc="left") == "incomplete: 37 of 64 tiles"
    assert "not computed yet" in legend_texts(figure)


def test_map__complete_result_is_not_hatched_and_invalid_replicates_are_said(surface):
    assert not hatched(plot_study(surface).axes[0])
    surface["n_invalid"][2, 3] = 5.0
    assert plot_study(surface).axes[0].get_title(loc="left") == "5 invalid replicates left out"


def test_family__a_short_axis_gives_curves(surface):
    (ax,) = plot_study(surface.isel(private_orientation=[0, 2, 12])).axes
    curves = [line for line in lines(ax) if len(line.get_xdata()) == 31]
    assert len(curves) == 3
    texts = legend_texts(ax)
    assert texts[0].startswith("private orientation 0: threshold 0.52")
    assert texts[2] == "private orientation 0.6: no threshold (below 1/2 everywhere)"


def test_points__colour_over_two_parameters(points):
    figure = plot_study(points)
    ax, bar = figure.axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("initial trust", "private orientation")
    assert bar.get_ylabel() == "success probability"
    (dots,) = of(ax, PathCollection)
    np.testing.assert_array_equal(dots.get_offsets()[:, 0], points["initial_trust"])
    np.testing.assert_array_equal(dots.get_array(), points["success_mean"])
    assert ax.get_title(loc="left") == "trust noise varies too"


def test_points__one_parameter_with_intervals(points):
    (ax,) = plot_study(points.drop_vars(["private_orientation", "trust_noise"])).axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("initial trust", "success probability")
    (bars,) = of(ax, LineCollection)
    assert len(bars.get_segments()) == 80
    np.testing.assert_allclose(
        bars.get_segments()[3][:, 1], [points["success_low"][3], points["success_high"][3]]
    )


def test_points__missing_ones_are_marked(points):
    ds = points.assign(success_mean=points["success_mean"].where(points["point"] > 4))
    ds.attrs["complete"] = False
    ax = plot_study(ds).axes[0]
    missing, known = of(ax, PathCollection)
    assert (len(missing.get_offsets()), len(known.get_offsets())) == (5, 75)
    assert legend_texts(ax) == ["not computed yet"]


def test_single_point__intervals_and_table(curve):
    figure = plot_study(curve.isel(initial_trust=27, drop=True))
    intervals, table = figure.axes
    assert [text.get_text() for text in intervals.get_yticklabels()] == ["success"]
    assert intervals.get_xlabel() == "probability, with 95 % interval"
    texts = {text.get_text() for text in table.texts}
    assert {"trust a", "joint value", "value"} <= texts
    assert figure.get_suptitle() == "dyad, 200 replicates, seed 7"
