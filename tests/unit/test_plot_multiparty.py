"""Pictures of multiparty alliances: collapse and trust together, sizes of what firms there were."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import PathCollection, QuadMesh
from matplotlib.figure import Figure

from fastalliance.analysis.survival import survival
from fastalliance.plotting import plot_study
from fastalliance.plotting.axes import axis_of
from fastalliance.plotting.colours import colour_map
from fastalliance.plotting.figure import new_figure
from fastalliance.plotting.schema import companion_output, inseparable_output
from tests.unit import alliances
from tests.unit.cascades import cascades

SMALL = {"slots": 6, "replicates": 3, "horizon": 4.0}


@pytest.fixture(scope="module")
def grid() -> xr.Dataset:
    axes = {"initial_trust": [0.2, 0.4, 0.6, 0.8], "uncertainty": [0.5, 2.0]}
    return alliances.study(axes, **SMALL)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def bars(ax) -> list:
    return [patch for patch in ax.patches if patch.get_width() < 0.9]


def test_map__collapse_and_beside_it_trust(grid: xr.Dataset) -> None:
    assert companion_output(grid, "collapsed") == "trust"
    figure = plot_study(grid, kind="map")
    left, right, left_bar, right_bar = figure.axes
    assert (left_bar.get_ylabel(), right_bar.get_ylabel()) == (
        "probability of collapse",
        "mean trust",
    )
    for ax, name in ((left, "collapsed_mean"), (right, "trust_mean")):
        (mesh,) = [c for c in ax.collections if isinstance(c, QuadMesh)]
        np.testing.assert_array_equal(mesh.get_array(), grid[name].T)
    assert colour_map(grid, "trust") == "cividis"
    assert colour_map(grid, "collapsed") == "magma_r"


def test_curves__collapse_over_trust(grid: xr.Dataset) -> None:
    above, below = plot_study(grid, at={"uncertainty": 2.0}).axes
    assert (above.get_ylabel(), below.get_ylabel()) == ("probability of collapse", "mean trust")
    for ax, name in ((above, "collapsed_mean"), (below, "trust_mean")):
        drawn = [line.get_ydata() for line in ax.get_lines() if len(line.get_xdata()) == 4]
        np.testing.assert_array_equal(drawn, [grid[name].sel(uncertainty=2.0)])
    assert above.get_ylim() == below.get_ylim() == (-0.03, 1.03)
    above, below = plot_study(grid, kind="curves").axes
    assert (above.get_ylabel(), below.get_ylabel()) == ("probability of collapse", "mean trust")
    drawn = [line.get_ydata() for line in below.get_lines() if len(line.get_xdata()) == 4]
    np.testing.assert_array_equal(drawn, grid["trust_mean"].T)
    assert below.get_ylim() == (-0.03, 1.03)
    (alone,) = plot_study(grid, output="trust", at={"uncertainty": 2.0}).axes
    assert alone.get_ylim() != (-0.03, 1.03)
    (only,) = plot_study(grid, kind="curves", output="collapsed").axes
    assert only.get_ylabel() == "probability of collapse"


def test_points__collapse_and_trust_are_panels(grid: xr.Dataset) -> None:
    flat = grid.drop_dims(["replicate", "member"])
    table = flat.stack(point=("initial_trust", "uncertainty")).reset_index("point")
    left, right, *bars_of_colours = plot_study(table).axes
    assert len(bars_of_colours) == 2
    for ax, name in ((left, "collapsed_mean"), (right, "trust_mean")):
        (points,) = [c for c in ax.collections if isinstance(c, PathCollection)]
        np.testing.assert_array_equal(points.get_array(), table[name])


def test_inseparable__is_for_alliances_of_which_both_are_known(grid: xr.Dataset) -> None:
    assert inseparable_output(grid, "collapsed") == "trust"
    assert inseparable_output(grid, "trust") is None
    assert inseparable_output(cascades(replicates=2, horizon=2.0)[0], "collapsed") is None
    assert inseparable_output(grid.drop_vars("membership_mean"), "collapsed") is None


def test_axis__of_few_geometric_steps_has_their_values_as_ticks() -> None:
    few = xr.Dataset(coords={"industries": [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]})
    many = xr.Dataset(coords={"industries": 2.0 ** np.arange(9)})
    ax = new_figure(3, 3).add_subplot()
    axis_of(few, "industries").dress(ax, "y", 9)
    ax.set_ylim(1, 32)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["1", "2", "4", "8", "16", "32"]
    assert len(ax.get_yticks(minor=True)) == 0
    other = new_figure(3, 3).add_subplot()
    axis_of(many, "industries").dress(other, "x", 9)
    assert other.get_xscale() == ax.get_yscale() == "log"
    assert "$" in other.get_xticklabels()[0].get_text()


def test_survival__draws_the_product_limit_estimate() -> None:
    ds = alliances.study(
        {"entry_rate": [0.0, 0.8]},
        parameters={"initial_share": 0.5, "threshold_mean": 0.2},
        **SMALL,
    )
    (ax,) = plot_study(ds, kind="survival").axes
    assert ax.get_xlabel() == "time [month]"
    drawn = [line.get_ydata()[:-1] for line in ax.get_lines() if len(line.get_xdata()) > 2]
    expected = survival(ds)["survival"]
    np.testing.assert_array_equal(drawn, expected)
    ax, bar = plot_study(ds, kind="survival", by="centrality", at={"entry_rate": 0.8}).axes
    assert len([line for line in ax.get_lines() if len(line.get_xdata()) > 2]) == 3
    assert bar.get_ylabel() == "centrality third (3: most central)"  # of 3 firms at the start


@pytest.mark.parametrize(
    ("parameters", "n_bars"),
    [
        ({}, 13),  # 0, 1, ..., 12 of 12 slots
        ({"initial_share": 0.5}, 7),  # of 6 firms
        ({"entry_rate": 0.1}, 40),  # of any number
    ],
)
def test_sizes__bins_hold_equally_many_possible_shares(parameters, n_bars: int) -> None:
    ds = alliances.study(
        {"initial_trust": [0.5, 0.8]}, parameters=parameters, replicates=2, horizon=2.0
    )
    bare = ds.drop_dims("member")
    figure = plot_study(bare, kind="sizes", at={"initial_trust": 0.5})
    (ax,) = figure.axes
    assert len(bars(ax)) == n_bars
    share = 100 * float(ds["collapsed"].sel(initial_trust=0.5).mean())
    assert [text.get_text() for text in ax.texts] == [f"collapsed: {share:.3g} %"]
    assert texts(figure) == ["mean"]


@pytest.mark.parametrize("name", ["initial_share", "entry_rate", "slots"])
def test_sizes__of_numbers_that_vary_have_plain_bins(name: str) -> None:
    ds = alliances.study({name: [0.5, 0.5]}, **SMALL) if name != "slots" else None
    if ds is None:
        one = alliances.study({"initial_trust": [0.5]}, **SMALL)
        ds = xr.concat([one.squeeze()] * 2, dim="slots").assign_coords(slots=[6.0, 12.0])
    figure = plot_study(ds, kind="sizes")
    assert [len(bars(ax)) for ax in figure.axes] == [40, 40]
