"""Pictures of exit cascades: what is drawn is what the result holds, and says what it is."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import LineCollection, PolyCollection, QuadMesh
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fastalliance.analysis.survival import survival
from fastalliance.errors import DesignError
from fastalliance.plotting import plot_study, plot_trajectories, sizes
from fastalliance.plotting.colours import colour_map
from fastalliance.plotting.figure import DISTINCT
from fastalliance.plotting.schema import default_output
from tests.unit.cascades import cascades


@pytest.fixture(scope="module")
def grid() -> xr.Dataset:
    return cascades(
        seed_rule=[-1.0, 0.0, 1.0],
        prominence_weight=[0.0, 1.0, 2.0],
        parameters={"seed_exits": 4.0, "base_hazard": 0.03},
    )[0]


ONE = {"seed_rule": "central", "prominence_weight": 1.0}


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def drawn(ax) -> list:
    return [line for line in ax.get_lines() if len(line.get_xdata()) > 2]


def bars(ax) -> list[Rectangle]:
    return [patch for patch in ax.patches if isinstance(patch, Rectangle)]


def test_survival__one_curve_with_its_interval(grid) -> None:
    figure = plot_study(grid, kind="survival", at=ONE)
    (ax,) = figure.axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time [quarter]", "share of members still in")
    assert ax.get_title(loc="left") == "at seed rule central, prominence weight 1"
    assert figure.get_suptitle() == "exit_cascade, 6 replicates, seed 1"
    expected = survival(grid, at=ONE)
    (line,) = drawn(ax)
    assert line.get_drawstyle() == "steps-post"
    np.testing.assert_array_equal(line.get_ydata()[:-1], expected["survival"])
    np.testing.assert_array_equal(line.get_xdata()[:-1], expected["time"])
    assert ax.get_xlim()[1] > 12.0  # the last step is seen
    assert line.get_ydata()[-1] == line.get_ydata()[-2]
    (band,) = [c for c in ax.collections if isinstance(c, PolyCollection)]
    assert band.get_datalim(ax.transData).ymin == float(expected["survival_low"].min())
    assert texts(figure) == ["95 % interval over alliances"]


def test_survival__by_industry_has_a_legend(grid) -> None:
    figure = plot_study(grid, kind="survival", by="industry", at=ONE)
    (ax,) = figure.axes
    assert texts(figure) == [*(f"industry {i}" for i in range(4)), "95 % interval over alliances"]
    assert [line.get_color() for line in drawn(ax)] == list(DISTINCT[:4])
    expected = survival(grid, by="industry", at=ONE)["survival"]
    for i, line in enumerate(drawn(ax)):
        np.testing.assert_array_equal(line.get_ydata()[:-1], expected[i])


def test_survival__by_centrality_has_shades_and_a_bar(grid) -> None:
    figure = plot_study(grid, kind="survival", by="centrality", at=ONE)
    ax, bar = figure.axes
    assert bar.get_ylabel() == "centrality decile (10: most central)"
    ticks = [text.get_text() for text in bar.get_yticklabels()]
    assert ticks == [str(i) for i in range(1, 11)]
    expected = survival(grid, by="centrality", at=ONE)["survival"]
    lines = drawn(ax)
    assert len({line.get_color() for line in lines}) == 10
    for i, line in enumerate(lines):
        np.testing.assert_array_equal(line.get_ydata()[:-1], expected[i])


def test_survival__panels_and_curves_of_a_design(grid) -> None:
    figure = plot_study(grid, kind="survival")
    assert [ax.get_title() for ax in figure.axes] == [f"prominence weight {i}" for i in range(3)]
    names = [f"seed rule {name}" for name in ("peripheral", "random", "central")]
    assert texts(figure)[:3] == names
    expected = survival(grid)["survival"]
    for j, ax in enumerate(figure.axes):
        for i, line in enumerate(drawn(ax)):
            np.testing.assert_array_equal(line.get_ydata()[:-1], expected[i, j])
    figure = plot_study(grid, kind="survival", by="industry")
    titles = [ax.get_title() for ax in figure.axes]
    assert titles[:2] == [
        "seed rule peripheral\nprominence weight 0",
        "seed rule random\nprominence weight 0",
    ]
    assert len(titles) == 9
    assert [ax.get_ylabel() != "" for ax in figure.axes] == [True, False, False] * 3
    assert [ax.get_xlabel() != "" for ax in figure.axes] == [False] * 6 + [True] * 3


def test_survival__many_industries_are_shades() -> None:
    ds, _ = cascades(members=24, industries=12, replicates=3)
    ax, bar = plot_study(ds, kind="survival", by="industry").axes
    assert bar.get_ylabel() == "industry"
    ticks = [text.get_text() for text in bar.get_yticklabels()]
    assert ticks == [str(i) for i in range(0, 12, 2)]
    assert len(drawn(ax)) == 12


def test_survival__points_that_are_not_there_say_so(grid) -> None:
    part = grid.copy()
    for name in ("exit_time", "centrality"):
        part[name] = grid[name].where(grid["prominence_weight"] < 2)
    part.attrs = {**grid.attrs, "complete": False, "tiles_done": 6, "n_tiles": 9}
    figure = plot_study(part, kind="survival")
    says = [[text.get_text() for text in ax.texts] for ax in figure.axes]
    assert says == [[], [], ["not computed yet"]]
    assert figure.get_suptitle().endswith("incomplete: 6 of 9 tiles")


def test_survival__few_members_have_fewer_classes() -> None:
    ds, _ = cascades(members=4, industries=2, replicates=2)
    _, bar = plot_study(ds, kind="survival", by="centrality").axes
    assert bar.get_ylabel() == "centrality quarter (4: most central)"


def test_sizes__bars_are_the_share_of_alliances(grid) -> None:
    figure = plot_study(grid, kind="sizes", at=ONE)
    (ax,) = figure.axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("exit share", "share of alliances")
    values = grid["exit_share"].sel(seed_rule=1, prominence_weight=1).values
    heights = np.array([bar.get_height() for bar in bars(ax)])
    assert heights.size == 21  # of 20 members 0, 1, ..., 20 can leave
    np.testing.assert_allclose(heights, np.bincount(np.rint(20 * values).astype(int)) / 6)
    middles = [bar.get_x() + bar.get_width() / 2 for bar in bars(ax)]
    np.testing.assert_allclose(middles, np.arange(21) / 20, atol=1e-12)
    mean, collapse = ax.get_lines()
    assert mean.get_xdata()[0] == pytest.approx(values.mean())
    assert collapse.get_xdata()[0] == 0.5
    share = 100 * float(grid["collapsed"].sel(seed_rule=1, prominence_weight=1).mean())
    assert [text.get_text() for text in ax.texts] == [f"collapsed: {share:.3g} %"]
    assert texts(figure) == ["mean", "collapse from here on"]


def test_sizes__a_panel_for_each_point(grid) -> None:
    figure = plot_study(grid, kind="sizes")
    assert len(figure.axes) == 9
    assert len({ax.get_ylim() for ax in figure.axes}) == 1
    totals = [sum(bar.get_height() for bar in bars(ax)) for ax in figure.axes]
    assert totals == pytest.approx([1.0] * 9)


@pytest.mark.parametrize("n", [1, 7, 20, 59, 61, 97, 100, 200, 1000, 12_345])
def test_bins__hold_equally_many_possible_sizes(n: int) -> None:
    ds, _ = cascades(members=2, industries=1, replicates=1)
    ds.attrs["configuration"]["structure"]["members"] = n
    bins = sizes._bins(ds, "exit_share", np.array([0.5]))
    held = np.histogram(np.arange(n + 1) / n, bins.edges)[0]
    assert held[0] == 1  # nobody left
    assert len(set(held[1:-1].tolist())) <= 1
    assert held.sum() == n + 1
    assert held.size <= 62
    if n % held[1] == 0:
        assert held[-1] == held[1]


def test_bins__of_cascades_leave_out_the_seeds(grid) -> None:
    bins = sizes._bins(grid, "cascade_share", np.array([0.5]))
    np.testing.assert_allclose(bins.middles, np.arange(17) / 16, atol=1e-12)
    varied = grid.rename(prominence_weight="seed_exits")
    assert sizes._bins(varied, "cascade_share", np.array([0.5])).edges[[0, -1]].tolist() == [0, 1]


@pytest.mark.parametrize("steps", [[3, 3, 4, 9], [0, 250, 100], [7]])
def test_bins__of_times_and_counts_hold_equally_many_of_them(grid, steps: list[int]) -> None:
    ds = grid.assign(leaving=("replicate", [0.0] * 6, {"units": "quarter"}))
    ds.attrs = {**grid.attrs, "dt": 0.25}
    bins = sizes._bins(ds, "leaving", 0.25 * np.array(steps, dtype=float))
    possible = np.arange(min(steps), max(steps) + 1)
    held = np.histogram(0.25 * possible, bins.edges)[0]
    assert len(set(held[:-1].tolist())) <= 1
    assert held.sum() == possible.size
    assert held.size <= 61
    ds["leaving"].attrs["units"] = "1"
    mixed = sizes._bins(ds, "leaving", np.array([0.3, 0.9]))
    assert (mixed.edges[0], mixed.edges[-1]) == (0.3, 0.9)


def made_up(grid: xr.Dataset, shares: np.ndarray) -> xr.Dataset:
    """Return a single point with these sizes."""
    point = grid.isel(seed_rule=0, prominence_weight=0, drop=True)
    values = xr.DataArray(shares, dims="replicate", attrs=grid["exit_share"].attrs)
    return point.drop_dims("replicate").assign(exit_share=values)


@pytest.mark.parametrize(
    ("rare", "scale"), [(0.0, "linear"), (0.0004, "linear"), (0.005, "log"), (0.2, "linear")]
)
def test_sizes__a_rare_second_mode_is_made_visible(grid, rare: float, scale: str) -> None:
    shares = np.where(np.arange(10_000) < 10_000 * rare, 1.0, 0.1)
    (ax,) = plot_study(made_up(grid, shares), kind="sizes").axes
    assert ax.get_yscale() == scale
    lowest, highest = ax.get_ylim()
    heights = [bar.get_height() for bar in bars(ax) if bar.get_height() > 0]
    assert lowest < min(heights)
    assert max(heights) < highest


def test_sizes__of_another_output_and_unfinished_points(grid) -> None:
    part = grid.copy()
    part["cascade_share"] = grid["cascade_share"].where(grid["seed_rule"] > -1)
    part.attrs = {**grid.attrs, "complete": False, "tiles_done": 6, "n_tiles": 9}
    figure = plot_study(part, kind="sizes", output="cascade_share", at={"prominence_weight": 2})
    first, second, _ = figure.axes
    assert [text.get_text() for text in first.texts] == ["not computed yet"]
    assert not second.texts  # collapse is of the share of all members
    assert texts(figure) == ["mean"]


def test_sizes__along_many_values_are_a_map() -> None:
    values = [0.5 + 0.05 * i for i in range(18)]
    ds, _ = cascades(uncertainty=values, parameters={"seed_exits": 4.0}, horizon=4.0)
    figure = plot_study(ds, kind="sizes")
    ax, bar = figure.axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("uncertainty", "exit share")
    assert bar.get_ylabel() == "share of alliances"
    (mesh,) = [c for c in ax.collections if isinstance(c, QuadMesh)]
    shares = np.ma.filled(mesh.get_array(), 0.0)
    np.testing.assert_allclose(shares.sum(axis=0), 1.0)
    heaviest = shares.argmax(axis=0) / 20
    assert abs(heaviest - ds["exit_share"].mean("replicate")).max() < 0.5
    (mean,) = drawn(ax)
    np.testing.assert_allclose(mean.get_ydata(), ds["exit_share"].mean("replicate"))


def test_points_of_a_table__are_panels_with_their_values() -> None:
    points = {"immunity": [0.0, 0.9], "prominence_weight": [2.0, 0.0]}
    ds, _ = cascades(points=points)
    for kind in ("survival", "sizes"):
        titles = [ax.get_title() for ax in plot_study(ds, kind=kind).axes]
        assert titles == [
            "immunity 0\nprominence weight 2",
            "immunity 0.9\nprominence weight 0",
        ]


def test_default__names_give_curves_with_distinct_colours(grid) -> None:
    (ax,) = plot_study(grid).axes
    assert ax.get_ylabel() == "probability of collapse"
    assert ax.get_xlabel() == "prominence weight"
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0", "1", "2"]
    curves = [line for line in ax.get_lines() if len(line.get_xdata()) == 3]
    assert [line.get_color() for line in curves] == list(DISTINCT[:3])
    for line, p in zip(curves, grid["collapsed_mean"], strict=True):
        np.testing.assert_array_equal(line.get_ydata(), p)
    legend = [text.get_text().split(":")[0] for text in ax.get_legend().get_texts()]
    names = [f"seed rule {name}" for name in ("peripheral", "random", "central")]
    assert legend == [*names, "95 % interval"]
    assert len([c for c in ax.collections if isinstance(c, PolyCollection)]) == 3


def test_thresholds__are_in_the_legend_only_where_a_curve_crosses(grid) -> None:
    sure = grid.copy()
    for part in ("mean", "low", "high"):
        sure[f"collapsed_{part}"] = xr.full_like(grid["collapsed_mean"], 0.9)
    legend = plot_study(sure).axes[0].get_legend()
    assert legend.get_texts()[0].get_text() == "seed rule peripheral"


def test_kind__map_and_curves_are_drawn_where_asked(grid) -> None:
    figure = plot_study(grid, kind="map")
    left, right, left_bar, right_bar = figure.axes
    assert left_bar.get_ylabel() == "probability of collapse"
    assert right_bar.get_ylabel() == "mean exit share"
    meshes = [c for c in left.collections if isinstance(c, QuadMesh)]
    np.testing.assert_array_equal(meshes[0].get_array(), grid["collapsed_mean"].T)
    assert [t.get_text() for t in right.get_xticklabels()] == ["peripheral", "random", "central"]
    many, _ = cascades(
        immunity=[i / 5 for i in range(6)], uncertainty=[1 + i / 7 for i in range(7)], horizon=2.0
    )
    assert len(plot_study(many).axes) == 4  # a map, two panels, two bars
    (ax,) = plot_study(many, kind="curves").axes
    assert ax.get_xlabel() == "uncertainty"
    assert len([line for line in ax.get_lines() if len(line.get_xdata()) == 7]) == 6


def test_colours__collapse_is_dark_and_success_is_light(grid) -> None:
    assert default_output(grid) == "collapsed"
    assert colour_map(grid, "collapsed") == "magma_r"
    assert colour_map(grid, "exit_share") == "cividis_r"
    better = grid.rename({f"collapsed_{p}": f"success_{p}" for p in ("mean", "low", "high")})
    better["success_count"] = grid["collapsed_count"]
    assert default_output(better) == "success"
    assert colour_map(better, "success") == "viridis"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "survivl"}, "no picture of the kind 'survivl'; did you mean 'survival'"),
        ({"by": "industry"}, r"by \(--by\) groups the members of survival curves"),
        ({"kind": "sizes", "by": "industry"}, r"by \(--by\) groups the members"),
        ({"kind": "survival", "by": "age"}, "no by='age'; valid names: centrality, industry"),
        ({"kind": "survival", "output": "collapsed"}, "leave output out"),
        ({"kind": "sizes", "output": "exit_shar"}, "'exit_shar'; did you mean 'exit_share'"),
        ({"kind": "sizes", "output": ["exit_share", "collapsed"]}, "of one output at a time"),
        ({"kind": "map", "at": {"seed_rule": 0}}, "map needs two grid axes, .* prominence_weight"),
        ({"kind": "curves", "at": ONE}, "curves needs one or two grid axes, .* has no axes"),
    ],
)
def test_refused__wrong_arguments(grid, arguments, message: str) -> None:
    with pytest.raises(DesignError, match=message):
        plot_study(grid, **arguments)


def test_refused__more_than_can_be_seen(grid) -> None:
    wide, _ = cascades(
        members=2,
        industries=1,
        replicates=1,
        horizon=1.0,
        immunity=list(np.linspace(0, 1, 5)),
        uncertainty=list(np.linspace(0, 1, 4)),
    )
    message = r"a panel for each point, at most 16.*immunity \(5\), uncertainty \(4\): fix one"
    for arguments in ({"kind": "sizes"}, {"kind": "survival", "by": "industry"}):
        with pytest.raises(DesignError, match=message):
            plot_study(wide, **arguments)
    longer = xr.concat([grid] * 4, dim="prominence_weight", join="override")
    longer["prominence_weight"] = np.arange(12.0)
    more = longer.assign_coords(seed_rule=grid["seed_rule"].drop_attrs())
    more = xr.concat([more] * 4, dim="seed_rule", join="override")
    more["seed_rule"] = np.arange(12.0)
    with pytest.raises(DesignError, match="at most 10 curves can be told apart"):
        plot_study(more, kind="curves")


def test_refused__what_the_result_does_not_hold(grid) -> None:
    bare = grid.drop_dims(["replicate", "member"])
    with pytest.raises(DesignError, match=r"keep: \{replicates: true\}"):
        plot_study(bare, kind="sizes")
    with pytest.raises(DesignError, match=r"keep: \{members: true\}"):
        plot_study(bare, kind="survival")
    other = grid.rename(exit_share="trust", cascade_share="value")
    with pytest.raises(DesignError, match=r"exit_cascade has no cascades; .*--output.* trust"):
        plot_study(other, kind="sizes")
    figure = plot_study(other, kind="sizes", output="trust", at={**ONE, "seed_rule": 0})
    assert len(bars(figure.axes[0])) == 40
    assert not [c for c in figure.axes[0].collections if isinstance(c, LineCollection)]


def test_trajectories__a_single_collapse_is_marked() -> None:
    time = ("time", np.arange(5.0), {"units": "quarter"})
    ds = xr.Dataset(
        {
            "exits_path": (("replicate", "time"), [[2.0, 3.0, 9.0, 20.0, 20.0]]),
            "collapse_time": ("replicate", [3.0]),
        },
        coords={"time": time, "replicate": [0]},
        attrs={"model": "exit_cascade", "time_unit": "quarter"},
    )
    figure = plot_trajectories(ds)
    (ax,) = figure.axes
    assert ax.get_lines()[-1].get_xdata()[0] == 3.0
    assert texts(figure) == ["collapse time 3 quarter"]
    assert plot_trajectories(ds.assign(collapse_time=("replicate", [np.nan]))).legends == []


def test_files__are_written(grid, tmp_path) -> None:
    plot_study(grid, kind="survival", by="centrality", path=tmp_path / "a.svg")
    assert "centrality decile" in (tmp_path / "a.svg").read_text()
