"""The person-period table of every kind of result: tables of points, sizes, late entries."""

import math

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import fastalliance as fa
from fastalliance.analysis.events import EventTable
from tests.unit import alliances
from tests.unit.cascades import cascades
from tests.unit.event_tables import COLUMNS, check_seen, table


def test_table_of_points__has_their_own_parameters() -> None:
    points = {"immunity": [0.0, 0.9, 0.4], "prominence_weight": [2.0, 0.0, 1.0]}
    ds, seen = cascades(points=points, parameters={"seed_exits": 4.0})
    found = table(ds)
    assert list(found.columns[1:4]) == ["point", "immunity", "prominence_weight"]
    np.testing.assert_array_equal(
        found["immunity"], np.array(points["immunity"])[found["alliance"] // 6]
    )
    check_seen(found, seen, ties=False)


def test_single_member_industries__see_nobody_of_their_own() -> None:
    ds, _ = cascades(members=5, industries=5, parameters={"base_hazard": 0.1})
    found = table(ds)
    assert (found["industry_exits"] == 0).all()
    np.testing.assert_array_equal(found["alliance_exits"].max() > 0, True)


def test_infinite_time_constants__as_text_of_a_store() -> None:
    ds, seen = cascades(parameters={"seed_exits": 4.0})
    ds.attrs["configuration"]["parameters"].update(memory="inf", uncertainty_halflife="Infinity")
    check_seen(table(ds), seen, ties=False)


def test_industries__may_vary_over_the_design() -> None:
    parts = {n: cascades(industries=n, parameters={"seed_exits": 4.0}, seed=n) for n in (1, 5, 4)}
    bare = [ds.drop_vars("industry") for ds, _ in parts.values()]
    ds = xr.concat(bare, dim="industries", combine_attrs="override")
    ds = ds.assign_coords(industries=("industries", [1.0, 5.0, 4.0], {"units": "1"}))
    found = table(ds)
    for i, (n, (one, seen)) in enumerate(parts.items()):
        own = found[found["industries"] == n].reset_index(drop=True)
        own["alliance"] -= 6 * i
        check_seen(own, seen, ties=False)
        pd.testing.assert_frame_equal(own.drop(columns="industries"), table(one))


def test_members__may_not_vary_and_are_cut_to_the_chosen_size() -> None:
    (small, seen), (large, _) = (cascades(members=n, seed=n) for n in (12, 20))
    bare = [ds.drop_vars("industry") for ds in (small, large)]
    ds = xr.concat(bare, dim="members", join="outer", combine_attrs="override")
    ds = ds.assign_coords(members=("members", [12.0, 20.0], {"units": "1"}))
    with pytest.raises(fa.DesignError, match=r"members varies .*: choose one size .*ds\.sel"):
        EventTable.of(ds)
    found = table(ds.sel(members=12))
    check_seen(found, seen, ties=False)
    assert found["member"].max() == 11


def test_ties__of_a_network_without_any() -> None:
    ds = fa.Study(
        "exit_cascade",
        parameters={"tie_weight": 0.5},
        structure={"members": 6, "industries": 2, "network": np.zeros((0, 2), dtype=int)},
        replicates=3,
        keep={"members": True},
    ).run()
    rows = table(ds)
    assert len(rows) > 0
    assert (rows["tie_exits"] == 0.0).all()


# The members of `multiparty` leave by thresholds that are all the same, and by force: the twin
# tells which, so that the pressure in the table is that of the model.
ALIKE = {
    **{"payoff_weight": 0.0, "base_hazard": 0.0, "threshold_sd": 0.0, "threshold_mean": 0.3},
    **{"initial_share": 0.75, "seed_exits": 3.0, "seed_time": 4.0, "uncertainty": 1.4},
}


def test_multiparty__peers_explain_every_exit_that_was_not_forced() -> None:
    rules = {"seed_rule": [-1.0, 1.0]}
    ds = alliances.study(rules, parameters=ALIKE, slots=24, industries=4, replicates=8)
    found = table(ds)
    names = [*COLUMNS[:9], "capability", *COLUMNS[9:12], "peer_pressure"]
    names[1:1] = ["seed_rule"]
    assert list(found.columns) == names
    forced = (found["time"] == 4.0) & (found["exited"] == 1)
    reached = found["peer_pressure"] >= 0.3 - 1e-9
    np.testing.assert_array_equal((found["exited"] == 1) & ~forced, reached & ~forced)
    assert forced.sum() >= 3 * 16
    assert 40 < (reached & ~forced).sum() < len(found) - 200
    initial = ds["entry_time"].notnull().sum(["replicate", "member"])
    assert found.groupby("seed_rule")["member"].nunique().to_list() == [18, 18]
    assert (found["period"] == 0).sum() == initial.sum() == 18 * 16
    for name in ("centrality", "capability"):
        values = ds[name].values.reshape(-1, 24)
        np.testing.assert_array_equal(found[name], values[found["alliance"], found["member"]])


def test_multiparty__rows_begin_at_the_entry_and_tell_nothing_that_refilled_slots_hide() -> None:
    rates = {"entry_rate": [0.0, 0.6]}
    ds = alliances.study(rates, parameters={"initial_share": 0.5}, replicates=5, seed=3)
    found = table(ds)
    assert list(found.columns) == ["alliance", "entry_rate", *COLUMNS[1:9], "capability"]
    first = found.groupby(["alliance", "member"])["time"].min()
    entries = ds["entry_time"].values.reshape(-1, 12)
    exits = ds["exit_time"].values.reshape(-1, 12)
    late = 0
    for (alliance, member), time in first.items():
        assert time == entries[alliance, member]
        late += time > 0
    assert late > 5
    lasts = np.where(np.isfinite(exits), exits, 20.0) - entries
    assert len(found) == np.nansum(lasts) / 0.5
    assert found["exited"].sum() == np.isfinite(exits).sum() > 0
    closed = table(ds.sel(entry_rate=0.0))
    assert "peer_pressure" in closed
    pd.testing.assert_frame_equal(table(ds, max_rows=7), found)


def test_multiparty__without_exits_nobody_feels_pressure() -> None:
    ds = alliances.simulated(
        parameters={"base_hazard": 0.0, "threshold_mean": math.inf}, replicates=2, horizon=3.0
    )
    found = table(ds)
    assert len(found) == 2 * 12 * 6
    assert (found[["exited", "peer_pressure", "alliance_exits"]] == 0).all(axis=None)
