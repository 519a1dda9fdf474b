"""Trajectories of studies: membership and trust over each other, the two fates apart."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

import fastalliance as fa
from fastalliance.errors import DesignError
from fastalliance.plotting import plot_study, plot_trajectories
from fastalliance.plotting.fates import fates
from fastalliance.plotting.figure import BLUE, ORANGE
from tests.unit import alliances

TIMES = np.arange(11.0)


def made_up(
    ends: list[list[float]],
    *,
    parameters: dict[str, float] | None = None,
    left: float = 0.01,
    **coords: list[float],
) -> xr.Dataset:
    """Return alliances of which those that collapse (1) lose members and trust but for `left`."""
    rng = np.random.default_rng(5)
    collapsed = np.array(ends)
    level = 1 - (1 - left) * collapsed[..., np.newaxis] * TIMES / 10
    noise = 0.02 * rng.random((2, *level.shape))
    (name, values) = next(iter(coords.items()), ("initial_trust", [0.5]))
    dims = (name, "replicate", "time")
    attrs = {"units": "1"}
    unit = "month" if name == "seed_time" else "1"
    words = {"long_name": name.replace("_", " "), "units": unit}
    return xr.Dataset(
        {
            "membership_path": (dims, level - noise[0] * level, attrs),
            "trust_path": (dims, 0.8 * level - noise[1] * level, attrs),
            "synergy_path": (dims, 1 + level, attrs),
            "collapsed": (dims[:2], collapsed, attrs),
        },
        coords={
            name: (name, np.array(values, dtype=float), words),
            "replicate": np.arange(collapsed.shape[-1]),
            "time": ("time", TIMES, {"units": "month", "long_name": "time"}),
        },
        attrs={
            "model": "multiparty",
            "replicates": collapsed.shape[-1],
            "seed": 3,
            "time_unit": "month",
            "configuration": {
                "parameters": {k: v for k, v in (parameters or {}).items() if k != name}
            },
        },
    )


HALF = [1.0] * 40 + [0.0] * 40
RARE = [1.0] * 5 + [0.0] * 75
TIMID = {"initial_trust": 0.1, "threshold_mean": 0.1}


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def curves(ax) -> list:
    return [line for line in ax.get_lines() if len(line.get_xdata()) == len(TIMES)]


def bands(ax) -> list[PolyCollection]:
    return [c for c in ax.collections if isinstance(c, PolyCollection)]


def corners(band: PolyCollection) -> bool:
    """Return whether the ends of a band only move along the axes: a step line."""
    moves = np.diff(band.get_paths()[0].vertices, axis=0)
    return bool((np.count_nonzero(moves, axis=1) < 2).all())


def of(ax, colour: str) -> list:
    return [line for line in curves(ax) if line.get_color() == colour]


def test_stacks__membership_over_trust_with_the_fates_apart() -> None:
    ds = made_up([HALF, RARE], initial_trust=[0.5, 0.7])
    figure = plot_study(ds, kind="trajectories")
    assert figure.get_suptitle() == "multiparty, 80 replicates per point, seed 3"
    axes = figure.axes
    assert [ax.get_ylabel() for ax in axes] == ["membership", "trust", "", ""]
    assert [ax.get_xlabel() for ax in axes] == ["", "time [month]"] * 2
    assert [ax.get_title().strip() for ax in axes] == [
        "initial trust 0.5",
        "",
        "initial trust 0.7",
        "",
    ]
    assert [ax.get_title("left") for ax in axes] == ["survived: 50 %", "", "survived: 94 %", ""]
    assert [ax.get_title("right") for ax in axes] == ["collapsed: 50 %", "", "collapsed: 6 %", ""]
    for row, name in enumerate(("membership", "trust")):
        values = ds[f"{name}_path"].values
        (median,) = of(axes[row], ORANGE)
        np.testing.assert_allclose(median.get_ydata(), np.median(values[0, :40], axis=0))
        (median,) = of(axes[row], BLUE)
        np.testing.assert_allclose(median.get_ydata(), np.median(values[0, 40:], axis=0))
        low = np.quantile(values[0, :40], 0.05, axis=0)
        outer = bands(axes[row])[2].get_paths()[0].get_extents()
        assert outer.y0 == pytest.approx(low.min())
        assert axes[row].get_ylim() == (-0.03, 1.03)
    assert len(bands(axes[0])) == 4
    drawstyles = [{line.get_drawstyle() for line in curves(ax)} for ax in axes]
    assert drawstyles == [{"steps-post"}, {"default"}] * 2
    assert [corners(bands(ax)[0]) for ax in axes[:2]] == [True, False]
    assert texts(figure)[:3] == ["survived", "collapsed", "median"]
    assert "25 to 75 % of replicates" in texts(figure)


def test_stacks__a_rare_fate_is_lines() -> None:
    ds = made_up([HALF, RARE], initial_trust=[0.5, 0.7])
    ax = plot_study(ds, kind="trajectories").axes[2]
    rare = of(ax, ORANGE)
    assert len(rare) == 5
    for line, values in zip(rare, ds["membership_path"].values[1, :5], strict=True):
        np.testing.assert_array_equal(line.get_ydata(), values)
    assert len(of(ax, BLUE)) == 1
    assert len(bands(ax)) == 2


def test_stacks__few_replicates_are_lines_in_the_colours_of_their_fates() -> None:
    ds = made_up([[1.0] * 3 + [0.0] * 4], initial_trust=[0.5])
    figure = plot_study(ds, kind="trajectories")
    for ax in figure.axes:
        assert (len(of(ax, ORANGE)), len(of(ax, BLUE)), len(bands(ax))) == (3, 4, 0)
    assert texts(figure) == ["survived: 57 %", "collapsed: 43 %"]
    assert figure.axes[0].get_title("left") == "at initial trust 0.5"


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ([0.0] * 60, ["survived: 100 %", "collapsed: 0 %"]),
        ([1.0] + [0.0] * 299, ["survived: > 99 %", "collapsed: < 1 %"]),
        ([np.nan, 1.0, 1.0, 0.0], ["survived: 33 %", "collapsed: 67 %"]),
        ([np.nan] * 2, ["survived", "collapsed"]),
    ],
)
def test_fates__only_none_and_all_are_0_and_100(ends: list[float], expected: list[str]) -> None:
    found = fates(made_up([ends]).isel(initial_trust=0), np.ones(len(ends), dtype=bool))
    assert [fate.text for fate in found] == expected


def test_stacks__shares_are_of_the_replicates_that_are_drawn() -> None:
    ds = made_up([HALF, RARE[::-1]], initial_trust=[0.5, 0.7])
    first = ds["replicate"] < 20  # at the first point all collapse, at the second nobody does
    for name in ("membership_path", "trust_path", "synergy_path"):
        ds[name] = ds[name].where(first)
    figure = plot_study(ds, kind="trajectories")
    assert figure.get_suptitle() == "multiparty, 20 replicates per point, seed 3"
    drawn = [(len(of(ax, BLUE)), len(of(ax, ORANGE))) for ax in figure.axes]
    assert drawn == [(0, 20)] * 2 + [(20, 0)] * 2
    tops = figure.axes[::2]
    assert [ax.get_title("left") for ax in tops] == ["survived: 0 %", "survived: 100 %"]
    assert [ax.get_title("right") for ax in tops] == ["collapsed: 100 %", "collapsed: 0 %"]
    alone = plot_study(ds, kind="trajectories", at={"initial_trust": 0.5})
    assert texts(alone) == ["survived: 0 %", "collapsed: 100 %"]


def test_stacks__say_that_trust_without_members_is_0() -> None:
    note = "without members, trust counts as 0"
    gone = made_up([HALF], left=0.0)
    assert texts(plot_study(gone, kind="trajectories"))[-1] == note
    assert texts(plot_study(gone, kind="trajectories", output="trust"))[-1] == note
    median = of(plot_study(gone, kind="trajectories").axes[1], ORANGE)[0]
    assert median.get_ydata()[-1] == 0.0
    for ds, output in (
        (gone, "membership"),
        (made_up([HALF]), None),
        (gone.drop_vars("membership_path"), "trust"),
    ):
        assert note not in texts(plot_study(ds, kind="trajectories", output=output))


def test_stacks__without_fates_one_fan_in_one_colour() -> None:
    ds = made_up([HALF, RARE], initial_trust=[0.5, 0.7]).drop_vars("collapsed")
    figure = plot_study(ds, kind="trajectories")
    for ax in figure.axes:
        assert len(bands(ax)) == 2
        (median,) = curves(ax)
        assert median.get_color() == BLUE
        assert ax.get_title("left") == ax.get_title("right") == ""
    assert texts(figure)[0] == "median"


def test_stacks__forced_exits_are_marked() -> None:
    seeds = {"seed_exits": 3.0, "seed_time": 4.0}
    figure = plot_study(made_up([HALF], parameters=seeds), kind="trajectories")
    for ax in figure.axes:
        assert [line.get_xdata() for line in ax.get_lines() if line.get_ls() == ":"] == [[4.0, 4.0]]
    assert texts(figure)[-1] == "3 forced exits (month 4)"
    moved = made_up([HALF, HALF], parameters={"seed_exits": 1.0}, seed_time=[2.0, 7.0])
    figure = plot_study(moved, kind="trajectories")
    marks = [[x.get_xdata()[0] for x in ax.get_lines() if x.get_ls() == ":"] for ax in figure.axes]
    assert marks == [[2.0], [2.0], [7.0], [7.0]]
    assert texts(figure)[-1] == "1 forced exit"
    assert figure.axes[0].get_title().strip() == "seed time 2 [month]"
    fewer = made_up([HALF, HALF], parameters={"seed_time": 4.0}, seed_exits=[0.0, 5.0])
    figure = plot_study(fewer, kind="trajectories")
    marks = [len([x for x in ax.get_lines() if x.get_ls() == ":"]) for ax in figure.axes]
    assert marks == [0, 0, 1, 1]
    assert texts(figure)[-1] == "forced exits (month 4)"
    for without in ({"seed_exits": 0.0, "seed_time": 4.0}, {"seed_exits": 3.0}, {}):
        figure = plot_study(made_up([HALF], parameters=without), kind="trajectories")
        assert not [text for text in texts(figure) if "forced" in text]


def test_stacks__outputs_that_are_named() -> None:
    ds = made_up([HALF], left=0.0)
    axes = plot_study(ds, kind="trajectories", output=["synergy", "trust"]).axes
    assert [ax.get_ylabel() for ax in axes] == ["synergy", "trust"]
    assert axes[0].get_ylim()[1] > 1.9  # no share
    (ax,) = plot_study(ds, kind="trajectories", output="synergy").axes
    np.testing.assert_allclose(of(ax, ORANGE)[0].get_ydata(), 2 - TIMES / 10)
    with pytest.raises(DesignError, match=r"no trajectories of 'trst'; did you mean 'trust'"):
        plot_study(ds, kind="trajectories", output="trst")
    with pytest.raises(DesignError, match=r"no trajectories \(X_path\).*keep trajectories"):
        plot_study(ds[["collapsed"]], kind="trajectories")


def test_stacks__two_axes_are_columns_and_rows() -> None:
    ds = alliances.study(
        {"seed_rule": [-1.0, 0.0, 1.0], "initial_trust": [0.4, 0.8]},
        parameters={"seed_exits": 2.0, "seed_time": 5.0},
        slots=8,
        replicates=2,
        horizon=8.0,
    )
    figure = plot_study(ds, kind="trajectories")
    tops = figure.axes[::2]
    assert tops[1].get_title().strip() == "seed rule random\ninitial trust 0.4"
    assert [ax.get_ylabel() for ax in tops] == ["membership", "", ""] * 2
    corner = [ax.get_position() for ax in (figure.axes[0], figure.axes[1], figure.axes[6])]
    assert corner[0].y0 > corner[1].y0 > corner[2].y0
    trust = ds["trust_path"].values[2, 1]
    lines = [line for line in figure.axes[11].get_lines() if len(line.get_xdata()) == 17]
    np.testing.assert_array_equal(
        sorted(line.get_ydata()[-1] for line in lines), sorted(trust[:, -1])
    )
    assert "2 forced exits (month 5)" in texts(figure)


def test_stacks__points_that_are_not_there_say_so() -> None:
    ds = made_up([HALF, HALF], initial_trust=[0.5, 0.7])
    there = ds["initial_trust"] < 0.6
    part = ds.where(there)
    part["time"] = ds["time"]
    part.attrs |= {"complete": False, "tiles_done": 1, "n_tiles": 2}
    figure = plot_study(part, kind="trajectories")
    says = [[text.get_text() for text in ax.texts] for ax in figure.axes]
    assert says == [[], [], ["not computed yet"], []]
    assert figure.axes[2].get_title() == "initial trust 0.7"


def test_refused__more_points_than_can_be_read() -> None:
    ds = made_up([[0.0, 1.0]] * 17, initial_trust=list(np.linspace(0, 1, 17)))
    with pytest.raises(DesignError, match=r"at most 16 .*initial_trust \(17\): fix one .*--at"):
        plot_study(ds, kind="trajectories")
    assert len(plot_study(ds, kind="trajectories", at={"initial_trust": 0.5}).axes) == 2
    with pytest.raises(DesignError, match=r"by .* survival"):
        plot_study(ds, kind="trajectories", by="industry")


def test_dyad__pairs_are_told_apart_by_style_and_fates_by_colour() -> None:
    ds = fa.Study(
        "dyad",
        parameters={"trust_noise": 0.3},
        design=fa.grid(initial_trust=[0.53]),
        replicates=60,
        horizon=10,
        seed=2,
        keep={"replicates": True, "trajectories": {"every": 1.0, "replicates": 60}},
    ).run()
    figure = plot_study(ds, kind="trajectories")
    assert [ax.get_ylabel() for ax in figure.axes] == [
        *("trust", "engagement", "openness", "benefit"),
        *("joint value\n[value]", "private value\n[value]"),
    ]
    share = 100 * float(ds["success"].mean())
    assert texts(figure)[:4] == [
        f"succeeded: {share:.0f} %",
        f"failed: {100 - share:.0f} %",
        "partner a",
        "partner b",
    ]
    failed = ds["success"].values[0] == 0
    assert 26 < failed.sum() < 60
    medians = of(figure.axes[0], ORANGE)
    for line, side in zip(medians, "ab", strict=True):
        values = ds[f"trust_{side}_path"].values[0][failed]
        np.testing.assert_allclose(line.get_ydata(), np.median(values, axis=0))
    assert [line.is_dashed() for line in medians] == [False, True]
    (ax,) = plot_study(ds, kind="trajectories", output="trust_b").axes
    assert ax.get_ylabel() == "trust b"
    both = plot_study(ds.drop_vars("success"), kind="trajectories", output="trust")
    assert [to_hex(line.get_color()).upper() for line in curves(both.axes[0])] == [BLUE, ORANGE]
    assert texts(both)[:2] == ["partner a", "partner b"]


def test_exit_cascade__exits_over_time() -> None:
    ds = fa.Study(
        "exit_cascade",
        structure={"members": 20, "industries": 2},
        parameters={"seed_exits": 4},
        design=fa.grid(seed_rule=["peripheral", "central"]),
        replicates=9,
        horizon=11,
        keep={"replicates": True, "trajectories": {"every": 1.0, "replicates": 9}},
    ).run()
    figure = plot_study(ds, kind="trajectories")
    assert [ax.get_ylabel() for ax in figure.axes] == ["exits", ""]
    assert [ax.get_title().strip() for ax in figure.axes] == [
        "seed rule peripheral",
        "seed rule central",
    ]
    for ax, paths in zip(figure.axes, ds["exits_path"].values, strict=True):
        drawn = [line.get_ydata() for line in ax.get_lines() if len(line.get_xdata()) == 12]
        np.testing.assert_array_equal(np.sort(drawn, axis=0), np.sort(paths, axis=0))
        steps = {line.get_drawstyle() for line in ax.get_lines() if len(line.get_xdata()) == 12}
        assert steps == {"steps-post"}
    assert not [text for text in texts(figure) if "forced" in text]  # these have no time


def test_plot_trajectories__of_alliances_is_the_same_stack() -> None:
    ds = alliances.simulated(
        parameters={"initial_trust": 0.55, "seed_exits": 2.0}, replicates=4, members=False
    )
    figure = plot_trajectories(ds)
    assert [ax.get_ylabel() for ax in figure.axes] == ["membership", "trust"]
    assert figure.get_suptitle() == "multiparty, 4 replicates, seed 7"
    lines = [line for line in figure.axes[1].get_lines() if len(line.get_xdata()) == 41]
    expected = np.sort(ds["trust_path"].values, axis=0)
    np.testing.assert_array_equal(np.sort([x.get_ydata() for x in lines], axis=0), expected)
    share = 100 * float(ds["collapsed"].mean())
    assert texts(figure)[1] == f"collapsed: {share:.0f} %"
    assert texts(figure)[2] == "2 forced exits (month 12)"


def test_plot_trajectories__a_single_alliance_has_its_collapse_marked() -> None:
    falling = alliances.simulated(parameters=TIMID, members=False, horizon=40.0)
    when = falling["collapse_time"].item()
    assert when < 40
    figure = plot_trajectories(falling)
    assert figure.get_suptitle() == "multiparty, replicate 0, seed 7"
    assert texts(figure)[0] == f"collapse time {when:g} month"
    for ax in figure.axes:
        (curve,) = [line for line in ax.get_lines() if len(line.get_xdata()) == 81]
        assert curve.get_color() == BLUE
        assert ax.get_lines()[-1].get_xdata() == [when, when]
    lasting = alliances.simulated(parameters={"initial_trust": 0.9}, members=False)
    assert lasting["collapse_time"].item() == 20.0
    assert plot_trajectories(lasting).legends == []
