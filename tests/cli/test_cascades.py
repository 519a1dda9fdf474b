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
    expected = "the model dyad has no members that leave; exit_cascade has"
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
