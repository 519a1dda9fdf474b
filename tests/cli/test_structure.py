"""Networks and members' arrays in configurations and stores, on the command line."""

import math
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import fastalliance as fa
from fastalliance.study.progress import NoProgress
from fastalliance.study.rebuilding import stored_study
from tests.cli.command import command, done, refused
from tests.unit.given_cases import (
    CENTRALITIES,
    EDGES,
    MEMBERS,
    THRESHOLDS,
    Counter,
    same,
    write_files,
)

STORE = "results/run.zarr"
BASE = """\
model: exit_cascade
replicates: 6
seed: 9
horizon: 8
parameters: {tie_weight: 0.7, seed_exits: 2, seed_rule: central, base_hazard: 0.02}
keep: {replicates: true, members: true}
store: results/run.zarr
structure:
  industries: 2
"""
OUTPUTS = ("exits", "exit_share", "peak_exits", "central_exit_share", "first_exit_time")
RECIPE = "{kind: erdos_renyi, seed: 4, pool: 3"


def write(structure: str, more: str = "", folder: str = "study") -> str:
    """Write a configuration, and the files that it may name, into a folder of their own."""
    Path(folder).mkdir(exist_ok=True)
    write_files(Path(folder))
    lines = "".join(f"  {line}\n" for line in structure.splitlines())
    base = BASE if "network" in structure else BASE.replace("tie_weight: 0.7, ", "")
    Path(folder, "study.yaml").write_text(f"{base}{lines}{more}")
    return f"{folder}/study.yaml"


def outcome_of(store: str, point: int, replicate: int) -> xr.Dataset:
    return stored_study(store, None).replay(point=point, replicate=replicate)


class Stopper(NoProgress):
    """Interrupts a run after its first tile."""

    stopped = False

    def advance(self, steps: int) -> None:
        if self.stopped:
            return
        self.stopped = True
        signal.raise_signal(signal.SIGINT)


LISTED = ", ".join(".inf" if math.isinf(value) else repr(value) for value in THRESHOLDS)
STRUCTURES = {
    "pairs": f"network: {[list(edge) for edge in EDGES]}",
    "csv": "network: edges.csv",
    "graphml": "network: graph.graphml",
    "recipe": f"members: {MEMBERS}\nnetwork: {RECIPE}, mean_degree: 3}}",
    "mean degree": f"members: {MEMBERS}\nmean_degree: 3\nnetwork: {RECIPE}}}",
    "degrees": f'members: {MEMBERS}\nnetwork: {{kind: configuration, degrees: {{"2": 1}}}}',
    "blocks": f"members: {MEMBERS}\nnetwork: {{kind: stochastic_block, within: 0.5, between: 0.1}}",
    "centralities": f"network: edges.csv\ncentralities: {CENTRALITIES}",
    "centralities file": "network: edges.csv\ncentralities: centralities.csv",
    "one centrality": "network: edges.csv\ncentralities: 0.5",
    "approximate": "network: edges.csv\ncentralities: approximate",
    "thresholds": f"thresholds: [{LISTED}]",
    "thresholds file": "thresholds: thresholds.txt",
    "one threshold": f"members: {MEMBERS}\nthresholds: .inf",
    "pool and thresholds": (
        f"members: {MEMBERS}\nnetwork: {RECIPE}, mean_degree: 3}}\nthresholds: thresholds.txt"
    ),
    "all": "network: edges.csv\nthresholds: thresholds.txt\ncentralities: centralities.csv",
}


@pytest.mark.filterwarnings("ignore:structure.network. .* merged")
@pytest.mark.filterwarnings("ignore:structure.network. .* dropped")
@pytest.mark.parametrize("case", STRUCTURES)
def test_run__keeps_what_was_given_and_replays_it(case: str, monkeypatch: Any) -> None:
    config = write(STRUCTURES[case])
    command("run", config, "--quiet")
    ds = xr.open_zarr(STORE, consolidated=False).load()
    counter = Counter(monkeypatch)
    shutil.rmtree("study")  # the store alone is enough from here
    assert ds.sizes["member"] == MEMBERS
    if "network" in STRUCTURES[case]:
        assert {"tie_graph", "tie_first", "tie_second", "given_centralities"} <= set(ds.coords)
        assert ds["given_centralities"].dims == ("graph", "member")
        np.testing.assert_array_equal(
            ds["given_centralities"].values[0], ds["centrality"].values[0]
        )
    if "thresholds" in STRUCTURES[case]:
        assert "given_thresholds" in ds.coords
    for replicate in (0, 4):
        again = outcome_of(STORE, 0, replicate)
        same(again, ds.isel(replicate=[replicate]), *OUTPUTS)
    assert f"{ds['exits'].values[4]:g} " in done("replay", STORE, "--replicate", "4")
    assert counter.calls == 0


def test_run__a_network_without_ties_is_replayed() -> None:
    command("run", write(f"members: {MEMBERS}\nnetwork: []"), "--quiet")
    ds = xr.open_zarr(STORE, consolidated=False).load()
    assert "tie_first" not in ds.coords
    same(outcome_of(STORE, 0, 4), ds.isel(replicate=[4]), *OUTPUTS)


def test_run__csv_and_pairs_are_the_same_study() -> None:
    command("run", write(STRUCTURES["csv"]), "--quiet")
    first = Path(STORE, "zarr.json").read_bytes()
    command("run", write(STRUCTURES["pairs"]), "--quiet")
    assert Path(STORE, "zarr.json").read_bytes() == first


def test_simulate__paths_are_from_where_the_command_runs() -> None:
    write_files(Path())
    shown = done(
        *("simulate", "exit_cascade", "--set", "structure.network=edges.csv"),
        *("--set", "structure.industries=2", "--set", "structure.thresholds=thresholds.txt"),
        *("--replicates", "2"),
    )
    given = {"network": "edges.csv", "industries": 2, "thresholds": THRESHOLDS}
    ds = fa.simulate("exit_cascade", structure=given, replicates=2)
    assert re.search(rf"exits +{ds['exits'][0]:g} +{ds['exits'][1]:g} ", shown)


AXES = {
    "mean_degree": (f"members: {MEMBERS}\nnetwork: {RECIPE}}}", "mean_degree: [0, 1.5, 4]"),
    "members": (f"network: {RECIPE}, mean_degree: 3}}", "members: [6, 9, 12]"),
    "members alone": ("thresholds: 0.3", "members: [6, 9, 12]"),
    "industries": ("network: edges.csv\nthresholds: thresholds.txt", "industries: [1, 3]"),
    "industries alone": ("centralities: centralities.csv", "industries: [1, 3]"),
    "of blocks": (
        f"members: {MEMBERS}\nnetwork: {{kind: stochastic_block, within: 0.5, between: 0.1}}\n"
        "thresholds: thresholds.txt",
        "industries: [1, 3]",
    ),
}


@pytest.mark.parametrize("case", AXES)
def test_axes__are_replayed_from_the_store_alone(case: str) -> None:
    structure, axis = AXES[case]
    config = write(structure, f"design: {{grid: {{{axis}}}}}\n")
    if axis.startswith("industries"):
        text = Path(config).read_text().replace("  industries: 2\n", "")
        Path(config).write_text(text)
    command("run", config, "--quiet")
    ds = xr.open_zarr(STORE, consolidated=False).load()
    shutil.rmtree("study")
    (name,) = (str(d) for d in ds["exits"].dims if d != "replicate")
    for point, value in enumerate(ds[name].values):
        expected = ds.isel({name: point, "replicate": [3]})
        same(outcome_of(STORE, point, 3), expected, *OUTPUTS)
        shown = done("replay", STORE, "--replicate", "3", "--point", f"{name}={value:g}")
        assert f"at {name} = {value:g}" in shown


def test_axes__events_of_one_size_at_a_time() -> None:
    structure, axis = AXES["members"]
    command("run", write(structure, f"design: {{grid: {{{axis}}}}}\n"), "--quiet")
    message = refused("export", STORE, "--events", "--to", "e.csv")
    assert "members varies over the design: choose one size" in message


# --- Betweenness is computed once -----------------------------------------------------------------


def test_betweenness__is_taken_over_by_resume_rerun_and_replay(monkeypatch: Any) -> None:
    more = "design: {grid: {memory: [2, 4, 8]}}\n"
    config = write(STRUCTURES["recipe"], more)
    counter = Counter(monkeypatch)
    done("validate", config)
    done("plan", config)
    assert counter.calls == 0
    options = {"threads": 1, "points_per_tile": 1}
    with pytest.raises(KeyboardInterrupt, match=r"interrupted after \d of 3 tiles, kept in "):
        fa.Study.from_yaml(config).run(progress=Stopper(), **options)
    assert counter.calls == 1
    resumed = fa.Study.from_yaml(config).run(**options)
    assert resumed.attrs["complete"]
    fa.Study.from_yaml(config).run()
    outcome_of(STORE, 2, 1)
    assert counter.calls == 1
    whole = fa.Study.from_yaml(config, overrides={"store": "other.zarr"}).run()
    assert counter.calls == 2
    same(resumed, whole)
    again = fa.Study.from_yaml(config).run(overwrite=True)  # computes everything anew
    assert counter.calls == 3
    same(again, whole)


def test_betweenness__of_a_damaged_store_is_computed_again(monkeypatch: Any) -> None:
    config = write(STRUCTURES["csv"])
    first = fa.Study.from_yaml(config).run().load()
    for chunk in Path(STORE, "given_centralities").glob("c.*"):
        chunk.write_bytes(chunk.read_bytes()[:-1])
    counter = Counter(monkeypatch)
    again = fa.Study.from_yaml(config, overrides={"store": STORE}).run()
    assert counter.calls == 1
    same(again, first, "exits", "exit_time")


def test_betweenness__is_not_computed_for_a_store_that_is_refused(monkeypatch: Any) -> None:
    command("run", write(STRUCTURES["csv"]), "--quiet")
    counter = Counter(monkeypatch)
    config = write(STRUCTURES["csv"])
    with Path("study/edges.csv").open("a") as file:
        file.write("1,4\n")
    refused_by(config)
    assert counter.calls == 0


# --- Another network ------------------------------------------------------------------------------


def refused_by(config: str) -> list[str]:
    """Return the lines on what differs of a run that its store refuses."""
    before = {str(path): path.stat().st_mtime_ns for path in Path("results").rglob("*")}
    outcome = command("run", config, "--quiet")
    assert outcome.code == 3
    first, *lines = outcome.err.splitlines()
    assert first.endswith("What differs (store -> now):")
    assert {str(path): path.stat().st_mtime_ns for path in Path("results").rglob("*")} == before
    assert all(len(line) < 150 for line in lines), lines
    return [line.strip() for line in lines]


def test_changed__network_file_is_one_short_line() -> None:
    command("run", write(STRUCTURES["csv"]), "--quiet")
    config = write(STRUCTURES["csv"])
    with Path("study/edges.csv").open("a") as file:
        file.write("1,4\n")
    (line,) = refused_by(config)
    sha = "sha256 [0-9a-f]{12}"
    assert re.fullmatch(rf"structure\.network: edges 15, {sha} -> edges 16, {sha}", line)


def test_changed__seed_of_a_recipe_is_one_short_line() -> None:
    command("run", write(STRUCTURES["recipe"]), "--quiet")
    (line,) = refused_by(write(STRUCTURES["recipe"].replace("seed: 4", "seed: 5")))
    assert line.startswith("structure.network: ")


def test_changed__recipe_of_several_sizes() -> None:
    structure, axis = AXES["members"]
    more = f"design: {{grid: {{{axis}}}}}\n"
    command("run", write(structure, more), "--quiet")
    lines = refused_by(write(structure.replace("seed: 4", "seed: 5"), more))
    assert lines == ["structure.network.recipe.seed: 4 -> 5"]


def test_changed__arrays() -> None:
    command("run", write(f"thresholds: [{LISTED}]"), "--quiet")
    config = write("thresholds: thresholds.txt")
    assert command("run", config, "--quiet").code == 0
    Path("study/thresholds.txt").write_text("0.5\n" * MEMBERS)
    (line,) = refused_by(config)
    assert line.startswith("structure.thresholds: {'n_values': 12, 'sha256': ")


def test_changed__none_where_only_the_path_did() -> None:
    command("run", write(STRUCTURES["csv"]), "--quiet")
    config = write(STRUCTURES["csv"].replace("edges.csv", "again.csv"))
    shutil.copy("study/edges.csv", "study/again.csv")
    assert command("run", config, "--quiet").code == 0


# --- Wrong input ----------------------------------------------------------------------------------

WRONG = [
    ("netwerk: edges.csv", 10, "no structural input 'netwerk'; did you mean 'network'?"),
    ("network: edges.csv\nthresholds: [0.1, 0.2]", 11, "structure.thresholds must have one value"),
    ("network: no.csv", 10, "structure.network: cannot read '"),
    ("thresholds: no.csv", 10, "structure.thresholds: cannot read '"),
    ("thresholds: edges.csv", 10, "edges.csv', line 1 must be one number, got 'source,tar"),
    ("thresholds: []", 10, "structure.thresholds must hold one number a member, at least two"),
    (
        "thresholds: [0.1, .nan]",
        10,
        "structure.thresholds must be finite or inf, got nan for member 1",
    ),
    ("thresholds: [0.1, x]", 10, "structure.thresholds must be numbers, got 'x'"),
    ("thresholds: [true, 0.1]", 10, "structure.thresholds must be numbers, got True"),
    ("centralities: [0.1, 7]", 10, "structure.centralities must be 0..1, got 7 for member 1"),
    ("network: edges.csv\ncentralities: aproximate", 11, "did you mean 'approximate'?"),
    ("members: 5\nnetwork: edges.csv", 11, "has the number 11, structure.members is 5"),
    ("members: 99\nnetwork: graph.graphml", 11, "structure.members is 99; leave structure.members"),
    ("members: 5\nnetwork: {kind: erdos_renyi, mean_degree: 9}", 11, "a number from 0 to 4"),
    ("members: 5\nnetwork: {kind: erdos_reny, mean_degree: 2}", 11, "did you mean 'erdos_renyi'?"),
    ("members: 5\nmean_degree: 2", 11, "structure.mean_degree belongs to a network"),
    ("members: true", 10, "exit_cascade.members must be a number, got True"),
    ("members: 1", 10, "exit_cascade.members must be 2..1,000,000, got 1"),
]


@pytest.mark.parametrize(("structure", "line", "expected"), WRONG)
def test_wrong__says_line_field_and_remedy(structure: str, line: int, expected: str) -> None:
    config = write(structure)
    for verb in ("validate", "plan", "run"):
        message = refused(verb, config)
        assert message.startswith(f"study/study.yaml, line {line}: ")
        assert expected in message
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("structure", "more", "expected"),
    [
        ("members: 1_000", "", "members"),
        ("members: 1", "", "must be 2..1,000,000"),
        ("", "design: {grid: {members: [1, 5]}}", "must be 2..1,000,000"),
        ("thresholds: [0.1, 0.2]", "design: {grid: {members: [2, 5]}}", "members cannot vary"),
        ("network: edges.csv", "design: {grid: {members: [12, 15]}}", "members cannot vary"),
        ("members: 9", "design: {grid: {mean_degree: [2, 5]}}", "belongs to a network"),
        (
            "members: 9",
            "design: {grid: {seed_exits: [2, 50]}}",
            "both in parameters and in",
        ),
    ],
)
def test_wrong__designs_are_refused_by_every_command(
    structure: str, more: str, expected: str
) -> None:
    config = write(structure, more)
    for verb in ("validate", "plan", "run"):
        assert expected in refused(verb, config)
    assert not Path("results").exists()


def test_wrong__of_other_models() -> None:
    Path("dyad.yaml").write_text("model: dyad\nstructure: {network: edges.csv}\n")
    assert "dyad has no structural input 'network'" in refused("run", "dyad.yaml")
    Path("dyad.yaml").write_text("model: dyad\nkeep: {members: true}\n")
    assert "keep.members: dyad has no members" in refused("run", "dyad.yaml")
    Path("simulated").mkdir()
    arguments = ("simulate", "dyad", "--set", "structure.thresholds=[1, 2]")
    assert "dyad has no structural input 'thresholds'" in refused(*arguments)
