"""The commands on stores: `status`, `plot`, `export`."""

import csv
import re
import signal
from pathlib import Path

import pytest
import xarray as xr

import fastalliance as fa
from fastalliance.study.progress import NoProgress
from tests.cli.command import command, done, refused
from tests.unit.small_model import MODEL as SMALL


@pytest.fixture
def _a_store() -> None:
    study().run(store="results/kept.zarr")


def study() -> fa.Study:
    return fa.Study(
        "dyad",
        design=fa.grid(initial_trust=[0.4, 0.5, 0.6], private_orientation=[0.0, 0.1]),
        replicates=20,
        horizon=30,
        seed=1,
        keep={"replicates": True},
    )


class Interrupted(NoProgress):
    """Asks for an end after the first tile, as Ctrl-C would."""

    def advance(self, steps: int) -> None:
        signal.raise_signal(signal.SIGINT)


@pytest.fixture
def _unfinished_store() -> None:
    with pytest.raises(KeyboardInterrupt):
        study().run(store="results/kept.zarr", threads=1, points_per_tile=1, progress=Interrupted())


def rows(out: str) -> dict[str, str]:
    return dict(re.split(r"\s{2,}", line, maxsplit=1) for line in out.splitlines())


@pytest.mark.usefixtures("_a_store")
def test_status__of_a_finished_store() -> None:
    found = rows(done("status", "results/kept.zarr"))
    assert found["state"] == "complete"
    assert re.fullmatch(r"(\d+) of \1 \(100.0%\)", found["tiles done"])
    assert found["design points"] == "6"
    assert found["invalid replicates"] == "0"
    assert found["being written by"] == "nobody"
    assert found["versions"].startswith(f"fastalliance {fa.__version__}, ")
    assert found["configuration hash"] == study().configuration_hash[:16]


@pytest.mark.usefixtures("_unfinished_store")
def test_status__of_an_unfinished_store() -> None:
    found = rows(done("status", "results/kept.zarr"))
    assert found["state"] == "unfinished; run the study again to resume"
    assert re.fullmatch(r"[1-5] of 6 \([\d.]+%\)", found["tiles done"])
    assert found["finished"] == "no"


def test_status__while_a_run_writes() -> None:
    seen = []

    class Asking(NoProgress):
        def start(self, total: int, done_before: int) -> None:
            seen.append(done("status", "results/kept.zarr"))

    study().run(store="results/kept.zarr", progress=Asking())
    assert re.match(r"process \d+ on ", rows(seen[0])["being written by"])


def test_no_store__is_exit_3() -> None:
    Path("file").write_text("x")
    for verb in (["status"], ["plot"], ["replay"], ["export", "--to", "a.csv"]):
        assert "there is no store at" in refused(*verb, "nothing.zarr", code=3)
        for path in ("file", "."):
            assert refused(*verb, path, code=3).endswith(" is no store of fastalliance")


@pytest.mark.usefixtures("_a_store")
def test_plot__by_default_beside_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    assert done("plot", "results/kept.zarr/") == "picture: results/kept.png\n"
    assert Path("results/kept.png").read_bytes().startswith(b"\x89PNG")
    Path("results/kept.png").unlink()
    monkeypatch.chdir("results/kept.zarr")
    done("plot", ".")
    assert Path("../kept.png").exists()


@pytest.mark.usefixtures("_a_store")
def test_plot__chosen_outputs_at_a_chosen_value() -> None:
    done(
        *("plot", "results/kept.zarr", "--output", "joint_value", "--output", "dissolved"),
        *("--at", "private_orientation=0.1", "--to", "a.svg"),
    )
    text = Path("a.svg").read_text()
    assert "<svg" in text


@pytest.mark.usefixtures("_a_store")
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--output", "sucess"], "there is no output 'sucess' to plot; did you mean 'success'?"),
        (["--at", "trust=1"], "the design has no axis 'trust'"),
        (["--at", "initial_trust=7"], "lies outside the design's axis"),
        (["--at", "initial_trust"], "--at must be AXIS=VALUE, got 'initial_trust'"),
        (["--at", "initial_trust=high"], "initial_trust is selected by a number, got 'high'"),
        (["--to", "a.bmp"], "must end in .png"),
    ],
)
def test_plot__wrong_arguments(arguments: list[str], expected: str) -> None:
    assert expected in refused("plot", "results/kept.zarr", *arguments)


def test_choice__is_given_and_shown_by_its_name() -> None:
    design = fa.grid(hit_rate=[0.1, 0.2], mode=["calm", "wild"])
    fa.Study(SMALL, design=design, replicates=4).run(store="small.zarr")
    done("plot", "small.zarr", "--at", "mode=wild", "--to", "a.svg")
    assert "at mode wild" in Path("a.svg").read_text()
    message = refused("plot", "small.zarr", "--at", "mode=rough")
    assert message == "the axis mode has no value 'rough'; valid names: calm, wild"
    Path("small.py").write_text("from tests.unit.small_model import MODEL\n")
    point = ("--point", "hit_rate=0.2,mode=wild", "--model-file", "small.py:MODEL")
    assert "\nat hit_rate = 0.2, mode = wild\n" in done("replay", "small.zarr", *point)


@pytest.mark.usefixtures("_unfinished_store")
def test_plot_and_export__of_an_unfinished_store_say_so() -> None:
    for verb in (["plot"], ["export", "--to", "a.csv"]):
        outcome = command(*verb, "results/kept.zarr")
        assert outcome.code == 0
        (line,) = outcome.err.splitlines()
        assert re.match(r"fastalliance: warning: .* is unfinished: \d of 6 tiles are done", line)
    with open("a.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == 6
    assert 1 <= sum(row["success_mean"] != "" for row in table) < 6


@pytest.mark.usefixtures("_a_store")
def test_export__in_each_format() -> None:
    for name in ("a.nc", "a.parquet"):
        assert done("export", "results/kept.zarr", "--to", name) == f"wrote {name}\n"
    out = done("export", "results/kept.zarr", "--to", "out/a.csv")
    assert out == "wrote out/a.csv\nwrote out/a.csv.json\n"
    with xr.open_dataset("a.nc", engine="h5netcdf") as ds:
        assert ds["success_mean"].shape == (3, 2)
    assert len(Path("out/a.csv").read_text().splitlines()) == 7
    done("export", "results/kept.zarr", "--to", "raw.csv", "--replicates")
    assert len(Path("raw.csv").read_text().splitlines()) == 1 + 6 * 20


@pytest.mark.usefixtures("_a_store")
def test_export__replaces_only_when_told_to() -> None:
    Path("a.csv").write_text("mine")
    message = refused("export", "results/kept.zarr", "--to", "a.csv")
    assert message.startswith("'a.csv' exists; replace it with --overwrite")
    done("export", "results/kept.zarr", "--to", "a.csv", "--overwrite")
    assert Path("a.csv").read_text() != "mine"


def test_export__without_its_packages_is_wrong_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    message = refused("export", "x.zarr", "--to", "a.parquet", code=2)
    assert message == 'writing .parquet needs pyarrow: pip install "fastalliance[export]"'


def test_export__wrong_format_is_refused_before_the_store_is_read() -> None:
    assert "must end in .nc, .parquet, .csv" in refused("export", "x.zarr", "--to", "a.xlsx")
