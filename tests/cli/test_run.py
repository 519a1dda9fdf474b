"""The command `run`: summary, store, resume and refusals, picture, a model of one's own."""

import json
import re
import threading
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import fastalliance as fa
from fastalliance.study.progress import NoProgress
from tests.cli.command import OWN_MODEL, command, done, refused
from tests.unit.small_model import MODEL as SMALL

GRID = """\
model: dyad
seed: 3
replicates: 200
horizon: 30
design:
  grid:
    initial_trust: {linspace: [0.3, 0.8, 6]}
    private_orientation: [0, 0.1]
"""


@pytest.fixture(autouse=True)
def _a_study() -> None:
    Path("study.yaml").write_text(GRID)


def run(*arguments: str | Path) -> str:
    outcome = command("run", "study.yaml", "--quiet", *arguments)
    assert (outcome.code, outcome.err) == (0, ""), outcome
    return outcome.out


def pairs(out: str) -> dict[str, str]:
    """Return the labelled values of a summary."""
    rows = (re.split(r"\s{2,}", line, maxsplit=1) for line in out.split("\n\n")[0].splitlines())
    return dict(rows)


def test_summary__says_what_was_run_and_how_fast() -> None:
    out = run()
    found = pairs(out)
    assert found["model"] == "dyad"
    assert found["design points"] == "12 (initial_trust 6 x private_orientation 2)"
    assert found["replicates per point"] == "200"
    assert found["instances"] == "2,400 of 240 steps"
    assert re.fullmatch(r"[\d,]+ M instance-steps/s on \d+ threads?", found["speed"])
    assert re.fullmatch(r"[\d.]+ s", found["wall time"])
    assert max(map(len, out.splitlines())) <= 80


def test_summary__ranges_are_those_of_the_result() -> None:
    ds = fa.Study.from_yaml("study.yaml").run()
    rows = [line.split() for line in run().splitlines()]
    low, high = (float(f(ds["joint_value_mean"])) for f in (np.min, np.max))
    assert ["mean", "joint_value", f"{low:.4g}", f"{high:.4g}", "value"] in rows
    success = ds["success_mean"]
    assert ["P(success)", f"{float(success.min()):.4g}", f"{float(success.max()):.4g}", "1"] in rows


def test_summary__thresholds_are_interpolated_per_value_of_the_second_axis() -> None:
    ds = fa.Study.from_yaml("study.yaml").run()
    out = run()
    assert "P(success) crosses 1/2 at\nprivate_orientation  initial_trust" in out
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line.strip()}
    for orientation in (0.0, 0.1):
        curve = ds["success_mean"].sel(private_orientation=orientation)
        expected = np.interp(0.5, curve.values, ds["initial_trust"].values)
        assert float(rows[f"{orientation:g}"][1]) == pytest.approx(expected, abs=5e-4)


def test_summary__of_one_axis_one_point_and_a_sample() -> None:
    one_axis = run("--set", "design.grid.private_orientation=[0]")
    assert re.search(r"^P\(success\) crosses 1/2 at initial_trust 0\.5\d+ \(", one_axis, re.M)
    one_point = run("--set", "design=null")
    assert pairs(one_point)["design points"] == "1"
    assert re.search(r"^P\(success\) +1 +0\.9812 to 1 +1$", one_point, re.M)
    sample = run("--set", "design={sample: {n: 8, ranges: {initial_trust: [0, 1]}}}")
    assert pairs(sample)["design points"] == "8 (sample over initial_trust)"
    assert "crosses" not in sample


def test_summary__thinned_to_about_ten_thresholds() -> None:
    axis = "design.grid.private_orientation={linspace: [0, 0.2, 41]}"
    out = run("--set", axis, "replicates=4")
    table = out.split("crosses 1/2 at\n")[1].split("\n\n")[0].splitlines()
    values = [float(line.split()[0]) for line in table[1:]]
    assert values == pytest.approx(np.linspace(0, 0.2, 11))


def test_no_threshold__is_said_in_words() -> None:
    out = run("--set", "design.grid.initial_trust=[0.1, 0.2]", "replicates=4")
    assert "none, below 1/2 everywhere" in out


TRUST = "design.grid.initial_trust"
ONE_AXIS = "design.grid.private_orientation=[0]"


@pytest.mark.parametrize(
    ("axis", "sentence"),
    [
        ("[0.1, 0.2]", "P(success) is below 1/2 at every initial_trust"),
        ("[0.8, 0.9]", "P(success) is at least 1/2 at every initial_trust"),
    ],
)
def test_no_threshold__is_a_sentence_where_there_is_one_axis(axis: str, sentence: str) -> None:
    out = run("--set", ONE_AXIS, f"{TRUST}={axis}", "replicates=40")
    assert f"\n{sentence}\n" in out


@pytest.mark.parametrize(
    ("means", "sentence", "cell"),
    [
        ([0.1, 0.9, 0.1], "P(success) crosses 1/2 more than once along x", "more than one value"),
        (
            [0.1, np.nan, 0.9],
            "where P(success) crosses 1/2 along x is unknown: points are missing",
            "unknown, points are missing",
        ),
        ([0.1, 0.3, 0.7], "P(success) crosses 1/2 at x 1.50", "1.50"),
    ],
)
def test_threshold__in_a_sentence_and_in_a_cell(
    means: list[float], sentence: str, cell: str
) -> None:
    from fastalliance.analysis import crossing_along
    from fastalliance.cli.summary import _sentence, _threshold

    parts = {f"success_{part}": ("x", means) for part in ("mean", "low", "high")}
    found = crossing_along(xr.Dataset(parts, coords={"x": [0.0, 1.0, 2.0]}), "success", "x")
    assert _sentence(found, "P(success)", "x", 2).startswith(sentence)
    assert _threshold(found, 2)[0] == cell


def test_summary__of_categories_ratios_and_choices() -> None:
    from fastalliance.cli.summary import _label

    Path("small.py").write_text("from tests.unit.small_model import MODEL\n")
    Path("small.yaml").write_text(
        "model: small\nreplicates: 200\ndesign: {grid: {hit_rate: [0.1, 0.3], mode: [calm, wild]}}"
    )
    out = done("run", "small.yaml", "--quiet", "--model-file", "small.py:MODEL")
    rows = [line.split() for line in out.splitlines()]
    assert ["share", "fate=calm", "0", "1", "1"] in rows
    assert "mean fate" not in out
    table = out.split("P(hit) crosses 1/2 at\n")[1].splitlines()
    assert table[0].split()[:2] == ["mode", "hit_rate"]
    assert [line.split()[0] for line in table[1:3]] == ["calm", "wild"]
    small = fa.Study(SMALL, replicates=4)
    assert _label(small.run(), small, "hits_per_hit") == "hits_per_hit"


def test_memory__result_is_not_kept_and_the_summary_says_how_to() -> None:
    assert run().endswith("\nnot kept; to keep it, add --store results/study.zarr\n")
    assert [path.name for path in Path().iterdir()] == ["study.yaml"]


def test_store__holds_the_result_for_plain_xarray() -> None:
    out = run("--store", "results/kept.zarr")
    assert out.endswith("\nstore: results/kept.zarr\n")
    expected = fa.Study.from_yaml("study.yaml").run()
    found = xr.open_zarr("results/kept.zarr", consolidated=False)
    for name in expected.data_vars:
        np.testing.assert_array_equal(found[name], expected[name])


def test_store__of_the_configuration_is_taken_from_the_working_directory() -> None:
    Path("configs").mkdir()
    Path("configs/study.yaml").write_text(GRID + "store: results/kept.zarr\n")
    outcome = command("run", "configs/study.yaml", "--quiet")
    assert outcome.code == 0
    assert Path("results/kept.zarr").is_dir()
    assert outcome.out.endswith("store: results/kept.zarr\n")


def test_resume__of_a_finished_store_computes_nothing() -> None:
    first = run("--store", "kept.zarr")
    again = run("--store", "kept.zarr")
    assert pairs(again)["computed"] == "nothing, the store was complete"
    assert first.split("\n\n")[1:] == again.split("\n\n")[1:]


class Interrupted(NoProgress):
    """Asks for an end after the first tile, as Ctrl-C would."""

    def advance(self, steps: int) -> None:
        import signal

        signal.raise_signal(signal.SIGINT)


def test_resume__says_how_much_was_there() -> None:
    study = fa.Study.from_yaml("study.yaml")
    with pytest.raises(KeyboardInterrupt):
        study.run(store="kept.zarr", threads=1, points_per_tile=1, progress=Interrupted())
    status = done("status", "kept.zarr")
    tiles = int(re.search(r"^tiles done +(\d+) of 12 ", status, re.M)[1])
    assert 1 <= tiles < 12
    out = run("--store", "kept.zarr")
    assert pairs(out)["already in the store"] == f"{tiles / 12:.1%}"
    np.testing.assert_array_equal(
        fa.open("kept.zarr")["joint_value_mean"], study.run()["joint_value_mean"]
    )


def test_overwrite__replaces_another_study_only_when_told_to() -> None:
    run("--store", "kept.zarr")
    message = command("run", "study.yaml", "--store", "kept.zarr", "--set", "seed=4")
    assert message.code == 3
    first, *rest = message.err.splitlines()
    assert first.startswith("fastalliance: error: ")
    assert "holds another study" in first
    assert rest == ["  seed: 3 -> 4"]
    run("--store", "kept.zarr", "--set", "seed=4", "--overwrite")
    assert fa.open("kept.zarr").attrs["seed"] == 4


def test_store_refused__what_is_no_store_stays_as_it_is() -> None:
    Path("data").mkdir()
    Path("data/precious.txt").write_text("mine")
    for option in ([], ["--overwrite"]):
        message = refused("run", "study.yaml", "--store", "data", *option, code=3)
        assert "left untouched" in message


def test_store_refused__in_use_until_the_lock_is_broken() -> None:
    study = fa.Study.from_yaml("study.yaml")
    entered, release, failures = threading.Event(), threading.Event(), []

    class Waiting(NoProgress):
        def start(self, total: int, done: int) -> None:
            entered.set()
            release.wait(60)

    def other_run() -> None:
        try:
            study.run(store="kept.zarr", progress=Waiting())
        except fa.StoreError as error:
            failures.append(str(error))

    thread = threading.Thread(target=other_run)
    thread.start()
    try:
        assert entered.wait(60)
        message = command("run", "study.yaml", "--store", "kept.zarr")
        assert message.code == 3
        assert "process" in message.err
        assert "--break-lock" in message.err
        run("--store", "kept.zarr", "--break-lock")
    finally:
        release.set()
        thread.join()
    assert failures
    assert fa.open("kept.zarr").attrs["complete"]


def test_store_refused__damaged() -> None:
    run("--store", "kept.zarr")
    chunks = [p for p in Path("kept.zarr/joint_value_mean").rglob("*") if p.name != "zarr.json"]
    next(path for path in chunks if path.is_file()).unlink()
    assert "joint_value_mean" in refused("plot", "kept.zarr", code=3)


def test_store_refused__argument_that_is_no_path() -> None:
    message = refused("run", "study.yaml", "--store", f"results/{'x' * 256}.zarr")
    assert message.startswith("--store: store has a part longer than 255 bytes")


def test_kernels_changed__resumed_only_when_allowed() -> None:
    run("--store", "kept.zarr")
    document = Path("kept.zarr/zarr.json")
    content = json.loads(document.read_text())
    content["attributes"]["kernel_hash"] = "0" * 64
    document.write_text(json.dumps(content))
    assert "--allow-version-change" in refused("run", "study.yaml", "--store", "kept.zarr", code=3)
    run("--store", "kept.zarr", "--allow-version-change")


def test_threads__do_not_change_results() -> None:
    for threads in ("1", "2", "auto"):
        run("--store", f"{threads}.zarr", "--threads", threads)
    one, two, auto = (fa.open(f"{n}.zarr") for n in ("1", "2", "auto"))
    for name in one.data_vars:
        np.testing.assert_array_equal(one[name], two[name])
        np.testing.assert_array_equal(one[name], auto[name])


def test_progress__plain_lines_where_there_is_no_terminal() -> None:
    outcome = command("run", "study.yaml")
    assert outcome.code == 0
    first, last = outcome.err.splitlines()
    assert first == "  0%  compiling or loading the kernel"
    assert re.fullmatch(r"100%  [\d,]+ M instance-steps/s", last)
    assert command("run", "study.yaml", "--quiet").err == ""


def test_plot__is_drawn_at_the_end() -> None:
    out = run("--plot", "pictures/map.png")
    assert out.splitlines()[-1] == "picture: pictures/map.png"
    assert Path("pictures/map.png").read_bytes().startswith(b"\x89PNG")


def test_plot__what_cannot_be_drawn_is_refused_before_the_run() -> None:
    assert "must end in .png" in refused("run", "study.yaml", "--plot", "map.jpg")
    axis = "design.grid.trust_noise=[0.1, 0.2]"
    message = refused("run", "study.yaml", "--set", axis, "--plot", "map.png")
    assert message.startswith("--plot: a picture shows at most two axes, and the design has 3")


EXPLODING = OWN_MODEL.read_text().replace("s.x - p.rate", "s.x * 1e9 - p.rate")


def test_invalid_replicates__are_said_loudly() -> None:
    Path("own.py").write_text(EXPLODING)
    Path("own.yaml").write_text("model: ornstein_uhlenbeck\nreplicates: 10\n")
    outcome = command("run", "own.yaml", "--quiet", "--model-file", "own.py:MODEL")
    assert outcome.code == 0
    assert outcome.err.startswith("fastalliance: warning: 10 replicates at 1 design points left")
    assert "INVALID: 10 replicates at 1 point left the finite numbers" in outcome.out


def test_own_model__from_its_file() -> None:
    Path("own.yaml").write_text(
        "model: ornstein_uhlenbeck\nreplicates: 100\nseed: 2\n"
        "design: {grid: {start: [0.5, 1.0]}}\nstore: own.zarr\n"
    )
    out = done("run", "own.yaml", "--quiet", "--model-file", f"{OWN_MODEL}:MODEL")
    assert "P(positive)" in out
    assert not any(Path(OWN_MODEL.parent).glob("__pycache__"))
    replay = done(
        *("replay", "own.zarr", "--point", "start=1", "--replicate", "3"),
        *("--model-file", f"{OWN_MODEL}:MODEL"),
    )
    assert "at start = 1" in replay
    # A store never names code to run.
    assert "--model-file" in refused("replay", "own.zarr", "--point", "start=1")


def test_own_model__without_its_file() -> None:
    Path("own.yaml").write_text("model: ornstein_uhlenbeck\n")
    message = refused("run", "own.yaml")
    assert message.startswith("own.yaml, line 1: model: there is no model 'ornstein_uhlenbeck'")


def test_own_model__another_name_than_the_configuration_has() -> None:
    message = refused("run", "study.yaml", "--model-file", f"{OWN_MODEL}:MODEL")
    assert message.startswith("study.yaml, line 1: model is 'dyad', but the model given is")


def test_own_model__that_numba_cannot_compile() -> None:
    text = OWN_MODEL.read_text().replace("return State(s.x - ", "return State(open('x') - ")
    Path("own.py").write_text(text)
    Path("own.yaml").write_text("model: ornstein_uhlenbeck\n")
    message = refused("run", "own.yaml", "--model-file", "own.py:MODEL")
    assert "step" in message
    assert "own.py" in message


def test_output__is_what_the_environment_does_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    before = run().split("\n\n")[1:]
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "dumb")
    assert run().split("\n\n")[1:] == before
