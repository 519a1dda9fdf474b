"""The commands `simulate` and `replay`."""

import re
from pathlib import Path

import numpy as np
import pytest

import fastalliance as fa
from tests.cli.command import OWN_MODEL, command, done, refused
from tests.unit.test_structure import MODEL as SIZED


def table(out: str) -> dict[str, list[str]]:
    """Return the cells of the outputs' table by output."""
    rows = out.split("\n\n")[1].splitlines()[1:]
    return {line.split()[0]: line.split()[1:] for line in rows}


def test_simulate__a_column_for_each_of_a_few_replicates() -> None:
    out = done(
        *("simulate", "dyad", "--set", "parameters.initial_trust=0.52", "--replicates", "3"),
        *("--seed", "9", "--horizon", "30", "--dt", "0.25"),
    )
    ds = fa.simulate(
        "dyad", parameters={"initial_trust": 0.52}, replicates=3, seed=9, horizon=30, dt=0.25
    )
    assert out.startswith("dyad, 3 replicates, seed 9, horizon 30 month, dt 0.25 month\n")
    rows = table(out)
    assert list(rows) == [output.name for output in fa.model("dyad").output_variables]
    assert rows["joint_value"] == [*(f"{v:.4g}" for v in ds["joint_value"].values), "value"]
    assert max(map(len, out.splitlines())) <= 80


def test_simulate__statistics_over_many() -> None:
    out = done("simulate", "dyad", "--replicates", "50", "--set", "parameters.initial_trust=0.5")
    ds = fa.simulate("dyad", parameters={"initial_trust": 0.5}, replicates=50)
    values = ds["joint_value"].values
    expected = [values.mean(), values.std(ddof=1), values.min(), values.max()]
    rows = table(out)
    assert rows["joint_value"] == [*(f"{v:.4g}" for v in expected), "50", "value"]
    ended = np.isfinite(ds["dissolution_time"].values).sum()
    assert 0 < ended < 50
    assert rows["dissolution_time"][4] == str(ended)


def test_simulate__what_never_happened_is_a_dash() -> None:
    rows = table(done("simulate", "dyad", "--replicates", "1"))
    assert rows["dissolution_time"] == ["-", "month"]
    rows = table(done("simulate", "dyad", "--replicates", "9"))
    assert rows["dissolution_time"] == ["-", "-", "-", "-", "0", "month"]


def test_simulate__fields_by_set_are_those_of_the_options() -> None:
    one = done("simulate", "--set", "seed=4", "replicates=2", "horizon=10", "dyad")
    other = done("simulate", "dyad", "--seed", "4", "--replicates", "2", "--horizon", "10")
    assert one == other


def test_simulate__draws_trajectories() -> None:
    out = done("simulate", "dyad", "--replicates", "4", "--plot", "paths.png")
    assert out.endswith("\n\npicture: paths.png\n")
    assert Path("paths.png").read_bytes().startswith(b"\x89PNG")
    done("simulate", "dyad", "--plot", "paths.svg", "--every", "2.5")
    assert "<svg" in Path("paths.svg").read_text()


@pytest.mark.parametrize(
    ("horizon", "dt", "expected"),
    [
        (60.0, 0.125, 0.125),  # 480 steps: all
        (120.0, 0.125, 0.25),  # 960 steps: every second
        (1009.0, 1.0, 1.0),  # a prime number of steps: all
        (10.0, 0.001, 0.02),  # 10,000 steps: 500 records
    ],
)
def test_simulate__interval_of_a_drawing(horizon: float, dt: float, expected: float) -> None:
    import argparse

    from fastalliance.cli.replicates import _record_every

    options = argparse.Namespace(plot="x.png", every=None)
    assert _record_every(options, fa.model("dyad"), horizon, dt) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["simulate"], "give the name of a model, or --model-file FILE:NAME"),
        (["simulate", "dyed"], "there is no model 'dyed'; did you mean 'dyad'?"),
        (["simulate", "dyad", "--set", "initial_trust=1"], "parameters.initial_trust=VALUE"),
        (["simulate", "dyad", "--set", "design.grid=1"], "--set design.grid: a simulation has no"),
        (["simulate", "dyad", "--set", "parameters.initial_trus=1"], "did you mean 'initial_trust"),
        (["simulate", "dyad", "--set", "parameters.initial_trust=2"], "must be 0..1, got 2"),
        (["simulate", "dyad", "--replicates", "0"], "replicates must be a whole number from 1"),
        (["simulate", "dyad", "--seed", "-1"], "seed must be a whole number from 0"),
        (["simulate", "dyad", "--horizon", "nan"], "horizon must be a finite number > 0"),
        (["simulate", "dyad", "--dt", "7"], "horizon must be a multiple of dt"),
        (["simulate", "dyad", "--every", "1"], "give --plot too"),
        (["simulate", "dyad", "--every", "0.3", "--plot", "a.png"], "must be a multiple of dt"),
        (["simulate", "dyad", "--plot", "a.jpg"], "must end in .png"),
        (["simulate", "dyad", "--model-file", f"{OWN_MODEL}:MODEL"], "not 'dyad'"),
    ],
)
def test_simulate__wrong_arguments(arguments: list[str], expected: str) -> None:
    assert expected in refused(*arguments)


def test_simulate__a_model_of_ones_own() -> None:
    out = done("simulate", "--model-file", f"{OWN_MODEL}:MODEL", "--replicates", "2")
    assert out.startswith("ornstein_uhlenbeck, 2 replicates, seed 0")
    assert list(table(out)) == ["x", "positive"]


STUDY = """\
model: dyad
seed: 11
replicates: 8
horizon: 30
keep: {replicates: true}
store: kept.zarr
"""
DESIGNS = {
    "grid": "design: {grid: {private_orientation: [0, 0.1], initial_trust: [0.5, 0.55, 0.6]}}\n",
    "sample": "design: {sample: {n: 4, seed: 3, ranges: {trust_noise: [0.05, 0.2]}}}\n",
    "common": "common_random_numbers: true\ndesign: {grid: {initial_trust: [0.5, 0.6]}}\n",
    "table": "design: {table: {initial_trust: [0.5, 0.6], building_effort: [0, 0.5]}}\n",
    "point": "parameters: {initial_trust: 0.52, dissolution_patience: 3}\n",
}


@pytest.mark.parametrize("kind", DESIGNS)
def test_replay__gives_the_bits_of_the_study(kind: str) -> None:
    from fastalliance.study.rebuilding import stored_study

    Path("study.yaml").write_text(STUDY + DESIGNS[kind])
    assert command("run", "study.yaml", "--quiet").code == 0
    kept = fa.open("kept.zarr")
    study = stored_study("kept.zarr", None)
    last = study.design.n_points - 1
    replayed = study.replay(point=last, replicate=5)
    for output in study.model.output_variables:
        raw = kept[output.name].values.reshape(last + 1, 8)
        np.testing.assert_array_equal(replayed[output.name].values, raw[last, 5:6])


def test_replay__of_a_model_with_sizes() -> None:
    from fastalliance.study.rebuilding import stored_study

    fa.Study(
        SIZED,
        structure={"members": 7},
        design=fa.grid(probability=[0.2, 0.6]),
        replicates=6,
        keep={"replicates": True},
    ).run(store="kept.zarr")
    replayed = stored_study("kept.zarr", SIZED).replay(point={"probability": 0.6}, replicate=3)
    kept = fa.open("kept.zarr")["events"].sel(probability=0.6, replicate=3)
    assert float(replayed["events"][0]) == float(kept)


def test_replay__by_values_and_by_number() -> None:
    Path("study.yaml").write_text(STUDY + DESIGNS["grid"])
    assert command("run", "study.yaml", "--quiet").code == 0
    point = "initial_trust=0.55,private_orientation=0.1"
    out = done("replay", "kept.zarr", "--point", point, "--replicate", "5", "--plot", "one.png")
    lines = out.splitlines()
    assert lines[0] == "dyad, replicate 5, seed 11, horizon 30 month, dt 0.125 month"
    assert lines[1] == "at private_orientation = 0.1, initial_trust = 0.55"
    assert Path("one.png").exists()
    by_number = done("replay", "kept.zarr", "--point", "4", "--replicate", "5")
    assert by_number == out.removesuffix("\npicture: one.png\n")
    kept = fa.open("kept.zarr").sel(initial_trust=0.55, private_orientation=0.1, replicate=5)
    assert table(out)["joint_value"] == [f"{float(kept['joint_value']):.4g}", "value"]


@pytest.mark.parametrize(
    ("arguments", "expected", "code"),
    [
        (["nothing.zarr"], "there is no store at", 3),
        (["kept.zarr", "--point", "6"], "point must be a whole number from 0 to 5, got 6", 2),
        (["kept.zarr", "--point", "initial_trust=0.5"], "private_orientation", 2),
        (["kept.zarr", "--point", "initial_trust=0.51,private_orientation=0"], "nearest is 0.5", 2),
        (["kept.zarr", "--point", "initial_trust"], "must be a number, or NAME=VALUE", 2),
        (["kept.zarr", "--point", "initial_trust=1,initial_trust=2"], "initial_trust twice", 2),
        (["kept.zarr", "--point", "trust_noise=0.1"], "does not vary", 2),
        (["kept.zarr", "--point", "²"], "must be a number, or NAME=VALUE", 2),
        (["kept.zarr", "--point", "9" * 4301], "there is no design point '9999", 2),
        (["kept.zarr", "--replicate", "-1"], "replicate must be a whole number from 0", 2),
        (["kept.zarr", "--every", "1"], "give --plot too", 2),
        (["kept.zarr", "--members"], "give --plot too", 2),
        (["kept.zarr", "--model-file", f"{OWN_MODEL}:MODEL"], "made with the model 'dyad'", 2),
    ],
)
def test_replay__wrong_arguments(arguments: list[str], expected: str, code: int) -> None:
    Path("study.yaml").write_text(STUDY + DESIGNS["grid"])
    assert command("run", "study.yaml", "--quiet").code == 0
    assert expected in refused("replay", *arguments, code=code)


@pytest.mark.parametrize(
    "given",
    [
        ["--point", "0"],  # said, and not the default
        ["--replicate", "0"],
        ["--plot", "one.png"],
        ["--every", "1"],
        ["--members"],
        ["--point", "1", "--replicate", "2", "--plot", "one.png", "--every", "1", "--members"],
    ],
)
def test_replay__of_a_tile_refuses_what_is_of_one_replicate(given: list[str]) -> None:
    names = ", ".join(option for option in given if option.startswith("--"))
    expected = f"--tile runs all of a tile, not one replicate; leave out {names}"
    assert refused("replay", "kept.zarr", "--tile", "0", *given).endswith(expected)


def test_replay__of_no_point_is_of_the_first_and_of_the_first_replicate() -> None:
    Path("study.yaml").write_text(STUDY + DESIGNS["grid"])
    assert command("run", "study.yaml", "--quiet").code == 0
    out = done("replay", "kept.zarr")
    assert out.startswith("dyad, replicate 0, seed 11")
    assert "\nat private_orientation = 0, initial_trust = 0.5\n" in out
    assert out == done("replay", "kept.zarr", "--point", "0", "--replicate", "0")


def test_replay__warns_of_other_kernels() -> None:
    import json

    Path("study.yaml").write_text(STUDY)
    assert command("run", "study.yaml", "--quiet").code == 0
    document = Path("kept.zarr/zarr.json")
    content = json.loads(document.read_text())
    content["attributes"]["kernel_hash"] = "0" * 64
    document.write_text(json.dumps(content))
    for replay in (["replay", "kept.zarr"], ["replay", "kept.zarr", "--tile", "0"]):
        outcome = command(*replay)
        assert outcome.code == 0
        assert re.search(
            r"^fastalliance: warning: .*kept\.zarr was .*by other kernels", outcome.err
        )
        assert re.search(r"kernels 0{12}; now kernels \w{12}\): .* may differ$", outcome.err, re.M)
        assert outcome.err.count("\n") == 1
