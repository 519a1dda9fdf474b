"""`fastalliance plan`: what a study takes on so many cores."""

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests.cli.command import OWN_MODEL, command, done, refused

DESIGN = "design: {grid: {initial_trust: [0.2, 0.4, 0.6]}}\n"
STUDY = f"model: dyad\nreplicates: 20\nhorizon: 4\n{DESIGN}"


@pytest.fixture(autouse=True)
def _study(_in_an_empty_directory: None) -> None:
    Path("study.yaml").write_text(STUDY)


def rows(out: str) -> dict[str, str]:
    """Labels and the first line of their values."""
    lines = [re.split(r"\s{2,}", line) for line in out.splitlines()]
    return {line[0]: line[1] for line in lines if len(line) == 2}


def test_plan__measures_the_rate_of_a_core() -> None:
    found = rows(done("plan", "study.yaml", "--cores", "1"))
    assert re.fullmatch(r"[\d.,]+ M instance-steps/s", found["rate of a core, about"])
    assert re.match(r"on this machine at \d+ places of the design", found["- measured"])
    assert found["time, about"].endswith(" on 1 core")
    assert {"- starting a process", "- tiles", "- labelling, by one process"} <= set(found)
    assert {"memory of a process, about", "- for each thread more"} <= set(found)
    assert re.fullmatch(r"\d+ files, .* uncompressed", found["store when finished, about"])
    assert "- compressed" in found


def test_plan__assumes_a_rate_where_that_is_wanted() -> None:
    found = rows(done("plan", "study.yaml", "--cores", "16", "--no-calibrate"))
    assert found["rate of a core, about"] == "60 M instance-steps/s"
    assert found["- not measured"] == "a cautious figure for models like this one"
    assert found["time, about"].endswith(" on 16 cores")
    assert "- compressed" not in found


def test_plan__of_a_model_of_ones_own_is_measured() -> None:
    Path("own.yaml").write_text("model: ornstein_uhlenbeck\nreplicates: 10\n")
    out = done("plan", "own.yaml", "--model-file", f"{OWN_MODEL}:MODEL")
    assert "- measured " in out


@pytest.mark.parametrize("cores", ["0", "-3", "many", "1.5", ""])
def test_cores__that_are_no_number_are_refused(cores: str) -> None:
    said = refused("plan", "study.yaml", f"--cores={cores}")
    assert said.startswith("argument --cores: must be a whole number >= 1, got ")


@pytest.mark.parametrize("cores", ["1000000001", "1" + 5000 * "0"])
def test_cores__more_than_there_are_anywhere_are_refused(cores: str) -> None:
    said = refused("plan", "study.yaml", "--cores", cores)
    assert re.match(r"(argument --)?cores(:| must)", said)
    assert len(said) < 200


@pytest.mark.parametrize("cores", ["1", "1000", "100000000", "1000000000"])
def test_cores__of_any_number_leave_the_table_as_wide(cores: str) -> None:
    lines = done("plan", "study.yaml", "--no-calibrate", "--cores", cores).splitlines()
    values = {len(re.match(r"(\S+ )*\S+ {2,}|\s+", line).group()) for line in lines}
    assert values == {len("kept replicates and trajectories  ")}
    assert max(map(len, lines)) <= 80


def test_more_cores_than_tiles__are_said_with_what_helps() -> None:
    more = ("--set", "replicates=3000000", "horizon=60", "--no-calibrate")
    out = " ".join(done("plan", "study.yaml", "--cores", "5000", *more).split())
    assert out.count("note ") == 1
    assert "note 733 tiles on 5,000 cores: 4,267 cores idle; as fast with 733 cores" in out


def test_points_per_tile__cuts_the_tiles_and_changes_no_result() -> None:
    assert rows(done("plan", "study.yaml"))["tiles"].startswith("1 of 3 points")
    cut = ("--points-per-tile", "1")
    assert rows(done("plan", "study.yaml", *cut))["tiles"].startswith("3 of 1 point,")
    done("run", "study.yaml", "--quiet", "--store", "cut.zarr", *cut)
    done("run", "study.yaml", "--quiet", "--store", "whole.zarr")
    sizes = [done("status", store) for store in ("cut.zarr", "whole.zarr")]
    assert "3 of 3" in sizes[0]
    assert "1 of 1" in sizes[1]
    first, second = (xr.open_zarr(s, consolidated=False).load() for s in ("cut.zarr", "whole.zarr"))
    assert all(np.array_equal(first[n], second[n], equal_nan=True) for n in first.data_vars)


def test_model_that_cannot_be_compiled__is_named_before_the_run() -> None:
    text = OWN_MODEL.read_text().replace("s.x - p.rate", "nothing - p.rate")
    Path("broken.py").write_text(text)
    Path("own.yaml").write_text("model: ornstein_uhlenbeck\n")
    outcome = command("plan", "own.yaml", "--model-file", "broken.py:MODEL")
    assert outcome.code == 2
    assert "nothing" in outcome.err
