"""One alliance: every member's line, in the shade of its centrality, down to where it leaves."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from fastalliance.errors import DesignError
from fastalliance.plotting import plot_trajectories
from fastalliance.plotting.figure import BLUE
from fastalliance.plotting.member_paths import _SHADES
from tests.unit import alliances

NAN = np.nan


@pytest.fixture(scope="module")
def ds() -> xr.Dataset:
    seeds = {"seed_exits": 3.0, "seed_time": 6.0, "seed_rule": -1.0}
    return alliances.simulated(parameters={"initial_trust": 0.8, **seeds})


def lines(figure: Figure) -> list[np.ndarray]:
    (collection,) = [c for c in figure.axes[1].collections if isinstance(c, LineCollection)]
    return collection.get_segments()


def colours(figure: Figure) -> list[str]:
    (collection,) = [c for c in figure.axes[1].collections if isinstance(c, LineCollection)]
    return [to_hex(colour) for colour in collection.get_colors()]


def dots(figure: Figure) -> np.ndarray:
    found = [c for c in figure.axes[1].collections if isinstance(c, PathCollection)]
    return np.concatenate([c.get_offsets() for c in found])


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def one_slot(values: list[list[float]], **firms: list[float]) -> xr.Dataset:
    """Return one alliance of which only these states and firms are known."""
    time = np.arange(float(len(values[0])))
    paths = np.array([values])
    found = {name: (("replicate", "member"), [v]) for name, v in firms.items()}
    return xr.Dataset(
        {"member_trust_path": (("replicate", "member", "time"), paths), **found},
        coords={"time": ("time", time, {"units": "month"}), "replicate": [4]},
        attrs={"model": "multiparty", "seed": 1, "time_unit": "month"},
    )


def test_members__every_line_is_a_firm_s_trust_and_ends_where_it_leaves(ds: xr.Dataset) -> None:
    figure = plot_trajectories(ds)
    order = np.argsort(ds["centrality"].values[0], kind="stable")
    paths, exits = ds["member_trust_path"].values[0], ds["exit_time"].values[0]
    drawn = lines(figure)
    assert len(drawn) == 12
    ends = []
    for line, i in zip(drawn, order, strict=True):
        known = np.isfinite(paths[i])
        records = known.sum()
        np.testing.assert_array_equal(line[:records, 0], ds["time"].values[known])
        np.testing.assert_array_equal(line[:records, 1], paths[i, known])
        if np.isfinite(exits[i]):
            np.testing.assert_array_equal(line[records:], [(exits[i], line[records - 1, 1])])
            ends.append(line[-1])
        else:
            assert len(line) == records
    assert 3 <= len(ends) < 12
    np.testing.assert_array_equal(dots(figure), ends)


def test_members__coarse_records_do_not_move_the_exits(ds: xr.Dataset) -> None:
    seeds = {"seed_exits": 3.0, "seed_time": 6.0, "seed_rule": -1.0}
    coarse = alliances.simulated(parameters={"initial_trust": 0.8, **seeds}, every=8)
    figure = plot_trajectories(coarse)
    exits = coarse["exit_time"].values[0]
    np.testing.assert_array_equal(exits, ds["exit_time"].values[0])
    left = np.sort(exits[np.isfinite(exits)])
    found = dots(figure)
    np.testing.assert_array_equal(np.sort(found[:, 0]), left)
    assert (left % 4 != 0).sum() >= 3  # between records
    for line in lines(figure):
        if line[-1, 0] in left:
            assert line[-1, 1] == line[-2, 1]
            assert line[-2, 0] % 4 == 0
            assert 0 < line[-1, 0] - line[-2, 0] <= 4


def test_members__shades_are_centralities_and_the_bar_says_so(ds: xr.Dataset) -> None:
    figure = plot_trajectories(ds)
    centrality = np.sort(ds["centrality"].values[0])
    assert colours(figure) == [to_hex(_SHADES(c)) for c in centrality]
    *_, bar = figure.axes
    assert bar.get_ylabel() == "centrality of the member"
    assert bar.get_ylim() == (0.0, 1.0)


def test_members__membership_is_a_step_line_above(ds: xr.Dataset) -> None:
    figure = plot_trajectories(ds)
    above, below, _ = figure.axes
    assert above.get_position().y0 > below.get_position().y0
    assert above.get_xlim() == below.get_xlim() == (0.0, 20.0)
    (step, *_) = above.get_lines()
    assert (step.get_drawstyle(), step.get_color()) == ("steps-post", BLUE)
    np.testing.assert_array_equal(step.get_ydata(), ds["membership_path"].values[0])
    assert [ax.get_ylabel() for ax in (above, below)] == ["membership", "trust of each member"]
    assert (above.get_xlabel(), below.get_xlabel()) == ("", "time [month]")
    assert figure.get_suptitle() == "multiparty, replicate 0, seed 7"


def test_members__mean_and_marks(ds: xr.Dataset) -> None:
    figure = plot_trajectories(ds)
    mean = [line for line in figure.axes[1].get_lines() if line.get_color() == "black"]
    np.testing.assert_array_equal(mean[0].get_ydata(), ds["trust_path"].values[0])
    assert texts(figure)[:3] == ["a member leaves", "mean of members", "3 forced exits (month 6)"]
    for ax in figure.axes[:2]:
        assert [x.get_xdata() for x in ax.get_lines() if x.get_ls() == ":"] == [[6.0, 6.0]]
    gone = alliances.simulated(
        parameters={"initial_trust": 0.1, "threshold_mean": 0.1}, horizon=40.0
    )
    assert gone["membership"].item() == 0.0
    figure = plot_trajectories(gone)
    mean = [line for line in figure.axes[1].get_lines() if line.get_color() == "black"]
    values = mean[0].get_ydata()
    last = np.flatnonzero(gone["membership_path"].values[0] > 0)[-1]
    assert np.isfinite(values[: last + 1]).all()
    assert np.isnan(values[last + 1 :]).all()  # of nobody there is no mean
    assert f"collapse time {gone['collapse_time'].item():g} month" in texts(figure)


def test_members__a_refilled_slot_has_a_line_for_each_firm() -> None:
    slots = [
        [0.5, 0.6, NAN, 0.3, 0.4, 0.5],  # a gap before the next firm
        [0.5, 0.5, 0.2, 0.3, NAN, NAN],  # none, and the next one leaves too
        [NAN, NAN, 0.7, 0.8, 0.9, 0.9],  # the first firm, but late
        [NAN] * 6,
    ]
    ds = one_slot(
        slots,
        entry_time=[0.0, 0.0, 2.0, NAN],
        exit_time=[2.0, 1.75, NAN, NAN],
        centrality=[0.2, 0.9, 0.4, NAN],
    )
    figure = plot_trajectories(ds)
    ax, bar = figure.axes
    assert bar.get_ylabel() == "centrality of the member"
    assert ax.get_ylabel() == "trust of each member"
    collections = [c for c in ax.collections if isinstance(c, LineCollection)]
    found = {
        tuple(map(tuple, s)): to_hex(c)
        for s, c in zip(collections[0].get_segments(), collections[0].get_colors(), strict=True)
    }
    later = to_hex("0.65")
    assert found == {
        ((3.0, 0.3), (4.0, 0.4), (5.0, 0.5)): later,
        ((2.0, 0.2), (3.0, 0.3)): later,
        ((0.0, 0.5), (1.0, 0.6), (2.0, 0.6)): to_hex(_SHADES(0.2)),
        ((2.0, 0.7), (3.0, 0.8), (4.0, 0.9), (5.0, 0.9)): to_hex(_SHADES(0.4)),
        ((0.0, 0.5), (1.0, 0.5), (1.75, 0.5)): to_hex(_SHADES(0.9)),
    }
    ends = [c.get_offsets() for c in ax.collections if isinstance(c, PathCollection)]
    assert {tuple(end) for end in np.concatenate(ends)} == {(2.0, 0.6), (1.75, 0.5), (3.0, 0.3)}
    assert texts(figure) == ["a member leaves", "firms that refilled a slot"]


def test_members__that_nothing_else_is_known_of_are_plain_lines() -> None:
    figure = plot_trajectories(one_slot([[0.5, 0.6, 0.7], [0.4, 0.4, 0.3]]))
    (ax,) = figure.axes
    (collection,) = ax.collections
    assert len(collection.get_segments()) == 2
    assert figure.get_suptitle() == "multiparty, replicate 4, seed 1"
    assert figure.legends == []


def test_members__another_state_where_trust_is_not_recorded(ds: xr.Dataset) -> None:
    worse = ds.drop_vars("member_trust_path").assign(
        member_benefit_path=ds["member_benefit_path"] - 1.0
    )
    figure = plot_trajectories(worse)
    assert figure.axes[1].get_ylabel() == "benefit of each member"
    assert figure.axes[1].get_ylim()[0] < -0.3  # no share
    assert "mean of members" not in texts(figure)


def test_refused__members_of_several_alliances() -> None:
    several = alliances.simulated(replicates=2, horizon=2.0)
    message = r"of one alliance, and there are 2 replicates: choose one \(ds\.isel.*drop_dims"
    with pytest.raises(DesignError, match=message):
        plot_trajectories(several)
    figure = plot_trajectories(several.isel(replicate=[1]))
    assert figure.get_suptitle() == "multiparty, replicate 1, seed 7"
    assert [ax.get_ylabel() for ax in plot_trajectories(several.drop_dims("member")).axes] == [
        "membership",
        "trust",
    ]
