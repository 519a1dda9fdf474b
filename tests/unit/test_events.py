"""The person-period table: what members saw, period by period, is what stands in it."""

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
from tests.unit.cascades import cascades
from tests.unit.event_tables import COLUMNS, HARD, Graphs, check_seen, random_graphs, table


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
