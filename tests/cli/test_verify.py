"""The command `verify`."""

import re
from pathlib import Path

import pytest

import fastalliance as fa
from tests.cli.command import OWN_MODEL, command, done, refused
from tests.faults import verified


@pytest.fixture
def store() -> Path:
    path = Path("results/kept.zarr")
    fa.Study(
        "dyad",
        design=fa.grid(initial_trust=[0.4, 0.5, 0.6]),
        replicates=20,
        horizon=30,
        keep={"replicates": True},
    ).run(store=path, points_per_tile=1)
    return path


def cells(out: str) -> dict[str, list[str]]:
    """Return a table's cells by the first of their row."""
    rows = [re.split(r"\s{2,}", line.strip()) for line in out.splitlines()]
    return {row[0]: row[1:] for row in rows if len(row) > 1}


def test_verify__of_a_sample(store):
    out = done("verify", store, "--tiles", "2", "--seed", "3", "--quiet")
    found = cells(out)
    assert found["checked"] == ["equal", "different", "damaged", "repaired"]
    assert found["ledger files"] == ["1", "-", "-", "0", "0"]
    assert found["tiles recomputed"] == ["2", "2", "0", "-", "-"]
    assert found["chunks"][0] == f"{len([*store.glob('*/c.*')]):,}"
    assert out.splitlines()[-1] == "equal: 2 of 3 tiles (drawn by seed 3) recomputed bit for bit"


def test_verify__of_all_tells_its_progress(store):
    outcome = command("verify", store, "--all", "--threads", "2")
    assert outcome.code == 0
    assert outcome.err.splitlines()[-1].startswith("100%")
    assert outcome.out.splitlines()[-1] == "equal: 3 of 3 tiles recomputed bit for bit"


def test_verify__finds_damage_and_repairs_it(store):
    expected = verified.files_of(store)
    verified.flip(store / "success/c.1.0")
    outcome = command("verify", store, "--quiet")
    assert outcome.code == 3
    assert cells(outcome.out)["chunks"][3:] == ["1", "0"]
    (line,) = outcome.err.splitlines()
    assert re.fullmatch(
        r"fastalliance: error: \S+kept\.zarr: damaged: 1 damaged file: array success \(tile 1\) "
        r"is damaged: \S+/success/c\.1\.0 cannot be decoded: .*; fastalliance verify --repair "
        "computes it anew",
        line,
    )
    out = done("verify", store, "--repair", "--quiet")
    assert cells(out)["chunks"][3:] == ["1", "1"]
    assert "repaired: array success (tile 1) is damaged: " in out
    assert out.splitlines()[-1].startswith("repaired, and equal: 3 of 3 tiles")
    assert verified.files_of(store) == expected
    assert cells(done("verify", store, "--quiet"))["chunks"][3:] == ["0", "0"]


def test_verify__of_many_problems_shows_some(store):
    for chunk in store.glob("success_*/c.*"):
        chunk.unlink()
    for chunk in store.glob("*/c.2.0"):
        chunk.unlink()
    outcome = command("verify", store, "--quiet")
    assert outcome.code == 3
    n = int(cells(outcome.out)["chunks"][3])
    assert n > 10
    assert outcome.out.count(" is missing\n") == 10
    assert outcome.out.splitlines()[-1] == f"... and {n - 10} more"
    (line,) = outcome.err.splitlines()
    assert f"damaged: {n} damaged files, first array " in line


def test_verify__finds_a_changed_value(store):
    verified.change(store, "success_mean/c.0")
    before = verified.stamps(store)
    for option in ("--all", "--repair"):
        outcome = command("verify", store, option, "--quiet")
        assert outcome.code == 3
        assert cells(outcome.out)["labelled values"][2] == "1"
        (line,) = outcome.err.splitlines()
        assert "different: 1 difference: tile 2 gives other statistics: success_mean/c.0" in line
    assert verified.stamps(store) == before


def test_verify__says_at_first_that_kernels_differ(store):
    verified.change_attributes(store, kernel_hash="f" * 64, history=[])
    outcome = command("verify", store)
    assert outcome.code == 0
    first = outcome.err.splitlines()[0]
    assert first.startswith("fastalliance: warning: ")
    assert "was computed by other kernels (version " in first


def test_verify__of_an_own_model(tmp_path):
    path = tmp_path / "own.zarr"
    configuration = OWN_MODEL.with_suffix(".yaml")
    model = f"{OWN_MODEL}:MODEL" if "MODEL =" in OWN_MODEL.read_text() else _named(OWN_MODEL)
    options = ("--set", "replicates=20", "--store", path, "--quiet")
    command("run", configuration, "--model-file", model, *options)
    out = done("verify", path, "--all", "--model-file", model, "--quiet")
    assert out.splitlines()[-1].startswith("equal: ")
    assert "--model-file" in refused("verify", path, code=2)


def _named(file: Path) -> str:
    name = re.search(r"^(\w+) = fa\.Model\(", file.read_text(), re.M)
    assert name is not None
    return f"{file}:{name[1]}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--all", "--tiles", "3"), "give --all or --tiles, not both"),
        (("--tiles", "0"), "must be a whole number >= 1, got '0'"),
        (("--seed", "-1"), "seed must be a whole number >= 0, got -1"),
        (("--repare",), "there is no option --repare; did you mean --repair?"),
    ],
)
def test_arguments__that_are_wrong_are_refused(store, arguments, message):
    assert message in refused("verify", store, *arguments)


def test_verify__of_nothing_or_damaged_metadata_is_refused_in_one_line(store):
    assert "there is no store at" in refused("verify", "nothing.zarr", code=3)
    verified.truncate(store / "success/zarr.json")
    for option in ("--all", "--repair"):
        before = verified.stamps(store)
        outcome = command("verify", store, option)
        assert outcome.code == 3
        assert re.fullmatch(r"fastalliance: error: .*zarr\.json is damaged.*\n", outcome.err)
        assert verified.stamps(store) == before
