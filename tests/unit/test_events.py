"""The person-period table: what members saw, period by period, is what stands in it."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import xarray as xr

import fastalliance as fa
from fastalliance.analysis.events import EventTable
from fastalliance.export import check_target, export
from tests.unit import alliances
from tests.unit.cascades import cascades

COLUMNS = [
    *("alliance", "replicate", "member", "industry", "period", "time", "at_risk", "exited"),
    *("centrality", "industry_exits", "alliance_exits", "uncertainty", "pressure"),
]


@dataclasses.dataclass
class Graphs:
    """Neighbours in compressed rows."""

    indptr: np.ndarray
    indices: np.ndarray

    @classmethod
    def of(cls, adjacency: list[np.ndarray]) -> "Graphs":
        n = len(adjacency[0])
        bounds, entries = [], 0
        for graph in adjacency:
            bounds.append(entries + np.concatenate(([0], np.cumsum(graph.sum(axis=1)))))
            entries += int(graph.sum())
        indices = np.concatenate([np.nonzero(graph)[1] for graph in adjacency])
        assert bounds[-1].shape == (n + 1,)
        return cls(np.array(bounds), indices)


def random_graphs(n_graphs: int, n_members: int) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    graphs = []
    for _ in range(n_graphs):
        upper = np.triu(rng.random((n_members, n_members)) < 0.15, 1)
        upper[:, 0] = upper[0, :] = False  # a member without neighbours
        graphs.append(upper | upper.T)
    return graphs


def table(
    ds: xr.Dataset, *, neighbours: Graphs | None = None, max_rows: int = 2**18
) -> pd.DataFrame:
    events = EventTable.of(ds, neighbours=neighbours)
    parts = list(events.parts(max_rows))
    names = [column.name for column in events.columns]
    columns = [np.concatenate(cells) for cells in zip(*parts, strict=True)]
    for column, cells in zip(events.columns, columns, strict=True):
        assert cells.dtype == column.dtype
    return pd.DataFrame(dict(zip(names, columns, strict=True)))


def expected_rows(ds: xr.Dataset) -> pd.DataFrame:
    """Return who could leave when, from the exit times alone, the slow way."""
    raw = ds["exit_time"].stack(alliance=[*ds["exit_share_mean"].dims, "replicate"])
    rows = []
    dt = ds.attrs["dt"]
    for number in range(raw.sizes["alliance"]):
        for member in range(raw.sizes["member"]):
            left = float(raw.isel(alliance=number, member=member))
            for k in range(round(ds.attrs["horizon"] / dt)):
                if not left < (k + 0.5) * dt:
                    gone = left < (k + 1.5) * dt
                    rows.append((number, member, k, k * dt, gone))
    return pd.DataFrame(rows, columns=["alliance", "member", "period", "time", "exited"])


HARD = {"uncertainty_halflife": 6.0, "memory": 4.0, "tie_weight": 0.5, "base_hazard": 0.03}


@pytest.fixture(scope="module")
def plain():
    return cascades(
        seed_rule=[-1.0, 1.0],
        uncertainty=[0.8, 1.5],
        parameters={"seed_exits": 3.0, **HARD},
        dt=0.5,
        horizon=5.0,
    )


def test_rows__are_the_periods_at_risk_in_order(plain) -> None:
    ds, _ = plain
    found, expected = table(ds), expected_rows(ds)
    assert len(found) == len(expected) > 1000
    pd.testing.assert_frame_equal(found[list(expected)], expected, check_dtype=False)
    assert (found["at_risk"] == 1).all()
    seeds = found.groupby("alliance")["member"].nunique()
    assert (seeds == 20 - 3).all()  # who has left at the start is never at risk
    assert found["exited"].sum() == ds["exit_time"].notnull().sum() - 3 * 24
    np.testing.assert_array_equal(found["industry"], found["member"] // 5)


def test_columns__design_first_and_a_clash_of_names_is_solved(plain) -> None:
    ds, _ = plain
    found = table(ds)
    expected = COLUMNS.copy()
    expected[1:1] = ["seed_rule", "uncertainty_parameter"]
    assert list(found.columns) == expected
    point = found["alliance"] // 6
    np.testing.assert_array_equal(found["seed_rule"], np.array([-1, -1, 1, 1])[point])
    np.testing.assert_array_equal(found["uncertainty_parameter"], np.array([0.8, 1.5] * 2)[point])
    np.testing.assert_array_equal(found["replicate"], found["alliance"] % 6)
    halved = found["uncertainty_parameter"] * 0.5 ** (found["time"] / 6.0)
    np.testing.assert_allclose(found["uncertainty"], halved, rtol=1e-14)


def test_covariates__are_what_members_saw(plain) -> None:
    ds, seen = plain
    check_seen(table(ds), seen, ties=False)
    centrality = ds["centrality"].values.reshape(-1, 20)
    found = table(ds)
    np.testing.assert_array_equal(
        found["centrality"], centrality[found["alliance"], found["member"]]
    )


def check_seen(found: pd.DataFrame, seen, *, ties: bool) -> None:
    names = {"pressure": "pressure", "industry_exits": "industry", "alliance_exits": "alliance"}
    if ties:
        names["tie_exits"] = "ties"
    for column, attribute in names.items():
        expected = [
            getattr(seen[alliance // 6, alliance % 6], attribute)[period, member]
            for alliance, period, member in zip(
                found["alliance"], found["period"], found["member"], strict=True
            )
        ]
        np.testing.assert_allclose(found[column], expected, rtol=1e-12, atol=1e-14)
        assert found[column].max() > 0.05


def test_ties__are_those_of_the_replicate_s_graph() -> None:
    graphs = random_graphs(4, 20)
    ds, seen = cascades(
        adjacency=graphs,
        memory=[3.0, math.inf],
        parameters={**HARD, "seed_exits": 2.0, "tie_weight": 1.2},
    )
    found = table(ds, neighbours=Graphs.of(graphs))
    assert list(found.columns)[-3:] == ["tie_exits", "uncertainty", "pressure"]
    check_seen(found, seen, ties=True)
    assert (found.loc[found["member"] == 0, "tie_exits"] == 0).all()
    for max_rows in (1, 50, 900):
        same = table(ds, neighbours=Graphs.of(graphs), max_rows=max_rows)
        pd.testing.assert_frame_equal(same, found)


def test_ties__that_the_result_holds_are_used() -> None:
    graphs = random_graphs(3, 20)
    graphs[1][:] = False  # a graph without a tie
    ds, seen = cascades(adjacency=graphs, parameters={**HARD, "seed_exits": 3.0})
    ties = np.array([(g, i, j) for g, a in enumerate(graphs) for i, j in np.argwhere(np.triu(a))])
    names = ("tie_graph", "tie_second", "tie_first")
    held = ds.assign_coords(
        {name: ("tie", ties[::-1, i].astype(float)) for i, name in enumerate(names)}
    )
    held.attrs["configuration"]["structure"]["network"] = {"n_graphs": 3}
    found = table(held)
    check_seen(found, seen, ties=True)
    pd.testing.assert_frame_equal(found, table(ds, neighbours=Graphs.of(graphs)))
    assert (found.loc[found["replicate"] % 3 == 1, "tie_exits"] == 0).all()


def test_pressure__explains_every_exit_of_a_threshold_model() -> None:
    ds, seen = cascades(
        parameters={"base_hazard": 0.0, "seed_exits": 4.0, "seed_rule": 1.0, "memory": 5.0},
        replicates=6,
        uncertainty=[1.0, 1.6],
    )
    found = table(ds)
    thresholds = np.array([s.thresholds for s in seen.values()])
    reached = found["pressure"] >= thresholds[found["alliance"], found["member"]] - 1e-9
    np.testing.assert_array_equal(reached, found["exited"] == 1)
    assert 0 < reached.sum() < len(found)


def test_export__streams_row_groups_and_names_what_has_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ds, _ = cascades(seed_rule=[-1.0, 0.5], parameters={"seed_exits": 2.0})
    monkeypatch.setattr("fastalliance.analysis.events.MAX_ROWS", 500)
    assert export(ds, tmp_path / "e.parquet", events=True) == [tmp_path / "e.parquet"]
    export(ds, tmp_path / "e.csv", events=True)
    file = pq.ParquetFile(tmp_path / "e.parquet")
    assert file.num_row_groups == len(list(EventTable.of(ds).parts())) > 4
    assert file.schema_arrow.field("pressure").metadata[b"long_name"] == b"pressure"
    found, expected = file.read().to_pandas(), table(ds)
    names = np.where(expected["seed_rule"] == -1.0, "peripheral", "0.5")
    np.testing.assert_array_equal(found["seed_rule"], names)
    rest = found.columns.drop("seed_rule")
    pd.testing.assert_frame_equal(found[rest], expected[rest])
    text = pd.read_csv(tmp_path / "e.csv")
    np.testing.assert_array_equal(text["seed_rule"], names)
    pd.testing.assert_frame_equal(text[rest], expected[rest], check_dtype=False, rtol=1e-14)


def test_export__refuses_what_is_no_table(tmp_path: Path) -> None:
    ds, _ = cascades(replicates=1)
    with pytest.raises(fa.ConfigError, match=r"must end in \.parquet or \.csv, got 'e.nc'"):
        check_target("e.nc", events=True)
    with pytest.raises(fa.ConfigError, match="of replicates or of events, not both"):
        export(ds, tmp_path / "e.csv", events=True, replicates=True)
    assert not list(tmp_path.iterdir())


def test_pressure__explains_every_exit_that_the_compiled_model_computes() -> None:
    rng = np.random.default_rng(4)
    thresholds = rng.normal(0.3, 0.1, 60)
    edges = np.argwhere(np.triu(random_graphs(1, 60)[0]))
    ds = fa.Study(
        "exit_cascade",
        parameters={
            **{"base_hazard": 0.0, "seed_exits": 9, "tie_weight": 0.5, "memory": 8.0},
            **{"uncertainty_halflife": 20.0, "uncertainty": 1.3},
        },
        structure={
            **{"members": 60, "industries": 4, "network": edges},
            **{"thresholds": thresholds, "centralities": rng.random(60) ** 3},
        },
        design=fa.grid(seed_rule=["central", "random"], prominence_weight=[0.0, 2.0]),
        replicates=20,
        horizon=20,
        keep={"members": True},
    ).run()
    found = table(ds)
    assert found["tie_exits"].max() == 1.0
    reached = found["pressure"] >= thresholds[found["member"]] - 1e-9
    np.testing.assert_array_equal(reached, found["exited"] == 1)
    assert 200 < reached.sum() < len(found) - 200
    assert len(found) == ds["exit_time"].fillna(20.0).sum()  # seeds, who left at 0, have no rows


@pytest.mark.parametrize("max_rows", [1, 13, 100, 500, 10_000])
def test_parts__make_the_same_table_whatever_their_size(plain, max_rows: int) -> None:
    ds, _ = plain
    pd.testing.assert_frame_equal(table(ds, max_rows=max_rows), table(ds))
    sizes = [len(part[0]) for part in EventTable.of(ds).parts(max_rows)]
    assert max(sizes) <= max(max_rows, 10)


def test_blocks__of_reading_do_not_matter(plain, monkeypatch: pytest.MonkeyPatch) -> None:
    ds, _ = plain
    whole = table(ds)
    monkeypatch.setattr("fastalliance.analysis.members._MAX_VALUES", 20 * 5)
    pd.testing.assert_frame_equal(table(ds), whole)


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


def test_unfinished__alliances_that_are_not_there_have_no_rows(plain) -> None:
    ds, _ = plain
    part = ds.copy()
    there = (ds["seed_rule"] > 0) & (ds["uncertainty"] > 1)
    for name in ("exit_time", "centrality"):
        part[name] = ds[name].where(there)
    found = table(part)
    whole = table(ds)
    same = whole[whole["alliance"] >= 18].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, same)


def test_refused__results_without_members(plain) -> None:
    ds, _ = plain
    for without in (ds.drop_vars(["exit_time", "centrality"]), ds.drop_vars("centrality")):
        with pytest.raises(fa.DesignError, match=r"holds no members; .* keep: \{members: true\}"):
            EventTable.of(without)
    dyad = fa.simulate("dyad", horizon=5)
    with pytest.raises(fa.DesignError, match="the model dyad has no members that leave"):
        EventTable.of(dyad)


def test_refused__another_model_s_members(plain) -> None:
    ds = plain[0].copy()
    ds.attrs = {**ds.attrs, "model": "mine", "configuration": {"parameters": {"memory": 1.0}}}
    with pytest.raises(
        fa.DesignError, match="the model mine has no parameter uncertainty_halflife"
    ):
        EventTable.of(ds)


def test_refused__a_network_without_its_neighbours() -> None:
    graphs = random_graphs(1, 20)
    ds, _ = cascades(adjacency=graphs, parameters={"tie_weight": 0.5}, replicates=1)
    with pytest.raises(fa.DesignError, match=r"does not hold its networks.*study of one of them"):
        EventTable.of(ds)
    with pytest.raises(fa.DesignError, match="neighbours are of 7 members, the result has 20"):
        EventTable.of(ds, neighbours=Graphs.of(random_graphs(1, 7)))
    untied = ds.copy()
    untied.attrs["configuration"]["parameters"]["tie_weight"] = 0.0
    assert "tie_exits" not in table(untied)


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
