"""Exit cascades on the command line: pictures of members' exits, and event histories."""

import json
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import fastalliance as fa
from fastalliance.study.progress import NoProgress
from tests.cli.command import command, done, refused

STORE = "results/exits.zarr"


def study(**keep: bool) -> fa.Study:
    return fa.Study(
        "exit_cascade",
        parameters={"seed_exits": 4, "base_hazard": 0.02, "uncertainty": 1.2},
        structure={"members": 30, "industries": 3},
        design=fa.grid(seed_rule=["peripheral", "central"], memory=[4.0, float("inf")]),
        replicates=12,
        horizon=16,
        seed=5,
        keep=keep,
    )


@pytest.fixture
def _a_store() -> None:
    study(members=True, replicates=True).run(store=STORE)


@pytest.mark.usefixtures("_a_store")
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "seed rule central"),
        (["--kind", "map"], "mean exit share"),
        (["--kind", "survival", "--at", "memory=4"], "share of members still in"),
        (["--kind", "survival", "--by", "industry"], "industry 2"),
        (["--kind", "survival", "--by", "centrality"], "centrality decile"),
        (["--kind", "sizes"], "share of alliances"),
        (["--kind", "sizes", "--output", "exits", "--at", "seed_rule=central"], "exits"),
    ],
)
def test_plot__kinds(arguments: list[str], text: str) -> None:
    assert done("plot", STORE, *arguments, "--to", "a.svg") == "picture: a.svg\n"
    assert text in Path("a.svg").read_text()


@pytest.mark.usefixtures("_a_store")
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--kind", "survivals"], "no picture of the kind 'survivals'; did you mean 'survival'?"),
        (["--by", "industry"], "by (--by) groups the members of survival curves: kind survival"),
        (["--kind", "survival", "--by", "industri"], "did you mean 'industry'?"),
        (["--kind", "sizes", "--at", "seed_rule=centre"], "did you mean 'central'?"),
    ],
)
def test_plot__wrong_arguments(arguments: list[str], expected: str) -> None:
    assert expected in refused("plot", STORE, *arguments)


@pytest.mark.usefixtures("_a_store")
def test_events__as_parquet_and_csv() -> None:
    assert done("export", STORE, "--events", "--to", "e.parquet") == "wrote e.parquet\n"
    assert done("export", STORE, "--events", "--to", "e.csv") == "wrote e.csv\nwrote e.csv.json\n"
    table, text = pd.read_parquet("e.parquet"), pd.read_csv("e.csv")
    ds = fa.open(STORE)
    left = ds["exit_time"].values
    assert table["exited"].sum() == np.isfinite(left).sum() - (left == 0).sum()
    assert (left == 0).sum() == 4 * 48
    assert len(table) == np.where(np.isfinite(left), left, 16.0).sum()
    assert set(table["seed_rule"]) == {"peripheral", "central"}
    np.testing.assert_array_equal(table["memory"] == 4.0, table["alliance"] // 12 % 2 == 0)
    for name in table.columns.drop("seed_rule"):
        np.testing.assert_allclose(text[name], table[name].astype(float), rtol=1e-12)
    schema = pq.read_schema("e.parquet")
    assert schema.field("time").metadata[b"units"] == b"quarter"
    assert schema.field("pressure").metadata[b"units"] == b"1"
    about = json.loads(schema.metadata[b"fastalliance"])
    assert about["configuration_hash"] == ds.attrs["configuration_hash"]
    assert json.loads(Path("e.csv.json").read_text())["columns"]["time"]["units"] == "quarter"


@pytest.mark.usefixtures("_a_store")
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--to", "e.nc"], "events are a table: its file name must end in .parquet or .csv"),
        (["--to", "e.xlsx"], "must end in .nc, .parquet, .csv"),
        (["--to", "e.csv", "--replicates"], "give --events or --replicates"),
    ],
)
def test_events__wrong_arguments(arguments: list[str], expected: str) -> None:
    assert expected in refused("export", STORE, "--events", *arguments)


def test_members__that_were_not_kept_are_asked_for() -> None:
    study(replicates=True).run(store=STORE)
    for arguments in (["export", STORE, "--events", "--to", "e.parquet"],):
        assert "run the study with keep: {members: true}" in refused(*arguments)
    message = refused("plot", STORE, "--kind", "survival")
    assert "run the study with keep: {members: true}" in message


def test_replicates__that_were_not_kept_are_asked_for() -> None:
    study(members=True).run(store=STORE)
    message = refused("plot", STORE, "--kind", "sizes")
    assert "run the study with keep: {replicates: true}" in message
    done("plot", STORE, "--kind", "survival")


def test_dyad__has_no_members() -> None:
    design = fa.grid(initial_trust=[0.4, 0.6])
    fa.Study("dyad", design=design, replicates=4, horizon=5).run(store="dyad.zarr")
    expected = "the model dyad has no members that leave; exit_cascade and multiparty have"
    assert refused("export", "dyad.zarr", "--events", "--to", "e.parquet") == expected
    assert refused("plot", "dyad.zarr", "--kind", "survival") == expected
    kept = {"replicates": True}
    fa.Study("dyad", design=design, replicates=4, horizon=5, keep=kept).run(store="kept.zarr")
    assert "dyad has no cascades" in refused("plot", "kept.zarr", "--kind", "sizes")
    done("plot", "kept.zarr", "--kind", "sizes", "--output", "joint_value")


def test_simulate__draws_the_number_of_exits_over_time() -> None:
    arguments = ("exit_cascade", "--set", "parameters.seed_exits=6", "structure.members=40")
    out = done("simulate", *arguments, "--replicates", "3", "--plot", "a.svg")
    assert "picture: a.svg" in out
    text = Path("a.svg").read_text()
    assert "exits" in text
    assert "time [quarter]" in text


def test_unfinished__pictures_and_events_of_what_is_there() -> None:
    class Interrupted(NoProgress):
        def advance(self, steps: int) -> None:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        study(members=True, replicates=True).run(
            store=STORE, threads=1, points_per_tile=1, progress=Interrupted()
        )
    for arguments in (
        ["plot", STORE, "--kind", "survival"],
        ["plot", STORE, "--kind", "sizes"],
        ["export", STORE, "--events", "--to", "e.parquet"],
    ):
        outcome = command(*arguments)
        assert outcome.code == 0, outcome
        assert "is unfinished" in outcome.err
    alliances = pd.read_parquet("e.parquet")["alliance"].nunique()
    assert alliances in (12, 24, 36)


def tipping(**keep: object) -> fa.Study:
    return fa.Study(
        "multiparty",
        parameters={"seed_exits": 2, "seed_time": 4, "initial_share": 0.5},
        structure={"slots": 12, "industries": 3},
        design=fa.grid(initial_trust=[0.5, 0.8], entry_rate=[0.0, 0.3]),
        replicates=8,
        horizon=12,
        seed=5,
        keep=keep,
    )


@pytest.fixture
def _alliances() -> None:
    kept = {"every": 1.0, "replicates": 6}
    tipping(members=True, replicates=True, trajectories=kept).run(store="m.zarr")


@pytest.mark.usefixtures("_alliances")
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["probability of collapse", "mean trust"]),
        (["--kind", "map"], ["probability of collapse", "mean trust"]),
        (["--kind", "trajectories"], ["membership", "trust", "2 forced exits (month 4)"]),
        (["--kind", "trajectories", "--at", "entry_rate=0"], ["initial trust 0.5", "collapsed: "]),
        (["--kind", "trajectories", "--output", "synergy"], ["synergy", "time [month]"]),
        (["--kind", "survival", "--by", "centrality"], ["share of members still in"]),
        (["--kind", "survival", "--by", "industry", "--at", "entry_rate=0.3"], ["industry 2"]),
        (["--kind", "sizes"], ["share of alliances"]),
    ],
)
def test_multiparty__kinds(arguments: list[str], expected: list[str]) -> None:
    assert done("plot", "m.zarr", *arguments, "--to", "a.svg") == "picture: a.svg\n"
    text = Path("a.svg").read_text()
    for words in expected:
        assert words in text


@pytest.mark.usefixtures("_alliances")
def test_multiparty__events_begin_with_the_entry() -> None:
    done("export", "m.zarr", "--events", "--to", "e.parquet")
    table, ds = pd.read_parquet("e.parquet"), fa.open("m.zarr")
    assert "peer_pressure" not in table
    first = table.groupby(["alliance", "member"])["time"].min()
    entries = ds["entry_time"].values.reshape(-1, 12)
    late = entries[np.isfinite(entries) & (entries < 12)]
    np.testing.assert_array_equal(np.sort(first), np.sort(late))
    assert (late > 0).any()
    assert table["exited"].sum() == ds["exit_time"].notnull().sum()


def test_trajectories__that_were_not_kept_are_asked_for() -> None:
    study(replicates=True).run(store=STORE)
    message = refused("plot", STORE, "--kind", "trajectories")
    assert message.startswith("the dataset has no trajectories (X_path)")
    assert message.endswith("or keep trajectories in the study")


MEMBERS = (
    *("simulate", "multiparty", "--members", "--seed", "3", "--horizon", "20"),
    *("--set", "structure.slots=10", "structure.industries=2", "parameters.initial_trust=0.7"),
)


def test_members__of_one_alliance_are_drawn() -> None:
    out = done(*MEMBERS, "--plot", "a.svg")
    assert "picture: a.svg" in out
    assert "exit_time" not in out  # the table is of the alliance
    text = Path("a.svg").read_text()
    for words in ("trust of each member", "centrality of the member", "membership"):
        assert words in text


def test_members__of_a_replicate_of_a_study_that_kept_none() -> None:
    tipping().run(store="m.zarr")
    point = ("--point", "initial_trust=0.8,entry_rate=0.3", "--replicate", "5")
    out = done("replay", "m.zarr", *point, "--members", "--plot", "a.svg")
    assert done("replay", "m.zarr", *point) in out
    text = Path("a.svg").read_text()
    assert "trust of each member" in text
    assert "multiparty, replicate 5, seed 5" in text
    assert "at initial trust 0.8, entry rate 0.3" in text


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([*MEMBERS], "--members draws the members of an alliance; give --plot too"),
        (
            [*MEMBERS, "--plot", "a.svg", "--replicates", "3"],
            "--members draws the members of one alliance, not of 3 replicates",
        ),
        (
            ["simulate", "exit_cascade", "--members", "--plot", "a.svg"],
            "--members: exit_cascade records no states of members; multiparty does",
        ),
        (
            ["simulate", "dyad", "--members", "--plot", "a.svg"],
            "--members: dyad records no states of members; multiparty does",
        ),
    ],
)
def test_members__wrong_arguments(arguments: list[str], expected: str) -> None:
    assert refused(*arguments) == expected
