"""The commands `init`, `validate`, `plan` and `schema`, and the configurations that are shipped."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import fastalliance as fa
from tests.cli.command import OWN_MODEL, ROOT, command, done, refused


def test_init__writes_a_configuration_that_runs() -> None:
    out = done("init")
    assert out.splitlines()[0] == "wrote study.yaml; next:"
    text = Path("study.yaml").read_text()
    assert "store: results/study.zarr" in text
    assert "fastalliance run study.yaml" in text
    for line in out.splitlines()[1:]:
        verb, name = line.split("#")[0].split()[1:]
        outcome = command(verb, name, "--set", "replicates=2")
        assert outcome.code == 0, outcome
    assert fa.open("results/study.zarr")["success_mean"].dims == ("initial_trust",)


def test_init__every_line_in_a_comment_is_right_as_well() -> None:
    done("init")
    text = Path("study.yaml").read_text()
    off = re.findall(r"^( *)# (\w+: *[\[{].*)$", text, re.M)
    assert [field.split(":")[0] for _, field in off] == ["private_orientation", "trajectories"]
    Path("study.yaml").write_text(re.sub(r"^( *)# (\w+: *[\[{].*)$", r"\1\2", text, flags=re.M))
    assert done("validate", "study.yaml").startswith("ok: dyad, 153 points")


def test_init__leaves_an_existing_file_alone() -> None:
    Path("mine.yaml").write_text("mine")
    message = refused("init", "mine.yaml")
    assert message == "mine.yaml exists and is left as it is; choose another name"


@pytest.mark.parametrize("name", ["my study #1.yaml", "a: b.yaml", "deep/er/x.yml", "é.yaml"])
def test_init__under_any_name(name: str) -> None:
    done("init", name)
    stem = Path(name).stem
    assert fa.Study.from_yaml(name).configuration.store == f"results/{stem}.zarr"


def test_init__control_characters_of_the_name_stay_out_of_terminal_and_file() -> None:
    out = done("init", "\x1b[2J\nseed: 5.yaml")
    assert "\x1b" not in out
    (path,) = Path().iterdir()
    assert "\x1b" not in path.read_text()
    assert fa.Study.from_yaml(path).seed == 1


def test_init__of_what_is_no_yaml() -> None:
    assert "must end in .yaml or .yml" in refused("init", "study.toml")


def test_validate__checks_everything_and_computes_nothing() -> None:
    Path("study.yaml").write_text(
        "model: dyad\nreplicates: 16777216\ndesign: {grid: {initial_trust: [0.1, 0.2]}}\n"
        "store: results/x.zarr\n"
    )
    out = done("validate", "study.yaml")
    assert out.startswith("ok: dyad, 2 points x 16,777,216 replicates x 480 steps; ")
    assert not Path("results").exists()
    Path("own.yaml").write_text("model: ornstein_uhlenbeck\n")
    out = done("validate", "own.yaml", "--model-file", f"{OWN_MODEL}:MODEL")
    assert out.startswith("ok: ornstein_uhlenbeck, 1 point x")


@pytest.mark.parametrize(
    ("scheduler", "message"),
    [
        ("tcp://head", "scheduler must be tcp://host:port, tls://host:port"),
        ("tcp://me:pass@head:8786", "a scheduler's address holds neither a name nor a password"),
        ("me:pass@head:8786", "a scheduler's address holds neither a name nor a password"),
        ("slrum", "there is no scheduler file slrum; give a file, or an address"),
    ],
)
def test_validate__of_a_scheduler_that_cannot_be(scheduler: str, message: str) -> None:
    Path("study.yaml").write_text(
        f"model: dyad\nexecution: {{executor: dask, scheduler: '{scheduler}'}}\n"
    )
    assert refused("validate", "study.yaml").startswith(
        f"study.yaml: execution.scheduler: {message}"
    )
    assert message in refused("run", "study.yaml")


def test_validate__asks_no_scheduler_whether_it_is_there() -> None:
    for scheduler in ("tcp://127.0.0.1:1", "slurm"):
        Path("study.yaml").write_text(
            f"model: dyad\nreplicates: 2\nexecution: {{scheduler: '{scheduler}', jobs: 2}}\n"
        )
        assert done("validate", "study.yaml").startswith("ok: dyad")


def test_validate__warns_of_a_coarse_step() -> None:
    Path("study.yaml").write_text("model: dyad\nparameters: {trust_noise: 2}\n")
    outcome = command("validate", "study.yaml")
    assert outcome.code == 0
    (line,) = outcome.err.splitlines()
    assert line.startswith("fastalliance: warning: dyad: trust_noise * sqrt(dt) > 0.25")


def test_plan__shows_the_size() -> None:
    Path("study.yaml").write_text(
        "model: dyad\nreplicates: 100\ndesign: {grid: {initial_trust: {linspace: [0, 1, 11]}}}\n"
        "keep: {replicates: true}\n"
    )
    rows = dict(re.split(r"\s{2,}", line) for line in done("plan", "study.yaml").splitlines())
    assert rows["design points"] == "11"
    assert rows["instances"] == "1,100"
    assert rows["instance-steps"] == "528,000"
    assert rows["kept replicates and trajectories"] == "120.3 KiB"
    override = done("plan", "study.yaml", "--set", "replicates=10", "keep.replicates=false")
    assert re.search(r"^instances +110$", override, re.M)


def test_schema__is_that_of_the_package() -> None:
    from fastalliance.configuration import json_schema

    assert json.loads(done("schema")) == json_schema()


def test_shipped_configurations__are_valid() -> None:
    shipped = sorted((ROOT / "configs").glob("*.yaml"))
    assert {"tipping_map.yaml", "tipping_threshold.yaml"} <= {path.name for path in shipped}
    for path in shipped:
        assert done("validate", path).startswith("ok: ")


def test_tipping_map__has_five_million_instances_and_its_threshold() -> None:
    path = ROOT / "configs" / "tipping_map.yaml"
    assert fa.Study.from_yaml(path).plan().instances >= 5_000_000
    out = done(
        *("run", path, "--quiet", "--store", "map.zarr"),
        *("--set", "design.grid.private_orientation=[0]"),
    )
    threshold = re.search(r"^P\(success\) crosses 1/2 at initial_trust ([\d.]+) ", out, re.M)
    assert threshold
    assert abs(float(threshold[1]) - 0.528) <= 0.003


def test_tipping_threshold__is_fact_f1_within_a_grid_step() -> None:
    done("run", ROOT / "configs" / "tipping_threshold.yaml", "--quiet")
    ds = xr.open_zarr("results/tipping_threshold.zarr", consolidated=False)
    trust, success = ds["initial_trust"].values, ds["success_mean"].values
    (flips,) = np.nonzero(np.diff(success))
    assert len(flips) == 1
    step = trust[1] - trust[0]
    assert step <= 0.001
    assert trust[flips[0]] - step <= 0.5206 <= trust[flips[0] + 1] + step
