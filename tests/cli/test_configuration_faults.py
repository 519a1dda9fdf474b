"""Every fault of a configuration: one clear line, exit 2, and nothing is written."""

import re
from pathlib import Path

import pytest

from tests.cli.command import command, done, refused

START = "model: dyad\nreplicates: 4\nhorizon: 1\nstore: results/run.zarr\n"

# What is added to START, and what the message says.
FAULTS: dict[str, tuple[str | None, str]] = {
    "unknown key": ("replicats: 5\n", "line 5: unknown field replicats; did you mean 'replicates'"),
    "unknown parameter": (
        "parameters: {trust_nose: 0.1}\n",
        "line 5: parameters: dyad has no parameter 'trust_nose'; did you mean 'trust_noise'",
    ),
    "wrong type": ("seed: seven\n", "line 5: seed must be a whole number"),
    "duplicate key": ("replicates: 5\n", "line 5: duplicate key replicates (first on line 2)"),
    "no as text": ("common_random_numbers: no\n", "write false"),
    "octal": ("seed: 012\n", "line 5: seed begins with a zero"),
    "sexagesimal": ("dt: 12:30\n", "line 5: dt must be a finite number > 0, got '12:30'"),
    "anchor": ("parameters: &a {}\n", "line 5: anchors"),
    "alias": ("parameters: *a\n", "line 5: "),
    "tag": ("seed: !!python/object/apply:os.system ['true']\n", "line 5: tags are not supported"),
    "deep": (f"structure: {'[' * 33}{']' * 33}\n", "nested deeper than 32 levels"),
    "tab": ("parameters:\n\ttrust_noise: 0.1\n", "line 6: not valid YAML"),
    "empty axis": ("design: {grid: {initial_trust: []}}\n", "line 5: "),
    "repeated value": ("design: {grid: {initial_trust: [0.5, 0.5]}}\n", "0.5"),
    "NaN value": ("design: {grid: {initial_trust: [0.5, .nan]}}\n", "line 5: "),
    "negative seed": ("seed: -1\n", "line 5: seed must be a whole number from 0"),
    "fractional seed": ("seed: 1.5\n", "line 5: seed must be a whole number from 0"),
    "boolean seed": ("seed: true\n", "line 5: seed must be a whole number from 0"),
    "large seed": (f"seed: {2**64}\n", "line 5: seed must be a whole number from 0"),
    "NaN parameter": ("parameters: {trust_noise: .nan}\n", "line 5: parameters.trust_noise"),
    "infinite parameter": ("parameters: {trust_noise: .inf}\n", "line 5: dyad.trust_noise must be"),
    "probability above 1": (
        "parameters: {initial_trust: 1.5}\n",
        "line 5: dyad.initial_trust must be 0..1, got 1.5",
    ),
    "zero time constant": (
        "parameters: {openness_time: 0}\n",
        "line 5: dyad.openness_time must be > 0 month, got 0",
    ),
    "negative rate": (
        "parameters: {trust_gain: -0.2}\n",
        "line 5: dyad.trust_gain must be >= 0 per month, got -0.2",
    ),
    "zero dt": ("dt: 0\n", "line 5: dt must be a finite number > 0"),
    "dt beyond the horizon": ("dt: 2\n", "dt must not exceed the horizon"),
    "dt no part of the horizon": ("dt: 0.3\n", "horizon must be a multiple of dt"),
    "too many steps": ("dt: 1e-10\n", "steps"),
    "dt too coarse": (
        "dt: 0.25\nparameters: {openness_time: 0.1}\n",
        "line 5: dt must be <= 0.1 month",
    ),
    "two designs": (
        "design: {grid: {initial_trust: [0.5]}, table: points.csv}\n",
        "line 5: design",
    ),
    "missing table": ("design: {table: points.csv}\n", "cannot read"),
    "another executor": ("execution: {executor: spark}\n", "executor must be"),
    "long store path": (None, "line 1: store has a part longer than 255 bytes"),
    "NUL in the store path": (None, "line 1: store must be a path without NUL"),
}
OTHER_START = {
    "long store path": f"store: results/{'x' * 256}.zarr\nmodel: dyad\n",
    "NUL in the store path": 'store: "results/a\\0b.zarr"\nmodel: dyad\n',
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("verb", ["validate", "run"])
def test_fault__in_a_file(name: str, verb: str) -> None:
    added, expected = FAULTS[name]
    Path("study.yaml").write_text(START + added if added is not None else OTHER_START[name])
    message = refused(verb, "study.yaml")
    assert expected in message
    assert message.startswith("study.yaml")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"model: dy\xffad\n", "study.yaml, line 1: byte 0xff is not UTF-8"),
        ("model: dyad\n".encode("utf-16"), "not UTF-8 but UTF-16"),
        (b"model: dyad\n#" + b"x" * 2**20, "larger than 1 MiB"),
        (b"model: dyad\nseed: \x1b[31m\n", "line 2: the character '\\x1b' is not allowed"),
        (b"- dyad\n", "must be a mapping"),
        (b"", "must be a mapping"),
        (b"model: dyad\n---\nmodel: dyad\n", "a second document"),
    ],
)
def test_fault__of_a_whole_file(content: bytes, expected: str) -> None:
    Path("study.yaml").write_bytes(content)
    assert expected in refused("run", "study.yaml")


def test_fault__a_bomb_of_aliases_is_refused_at_its_first_anchor() -> None:
    levels = [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 10)]
    Path("study.yaml").write_text("\n".join(["l0: &l0 [x]", *levels]))
    assert "line 1: anchors" in refused("run", "study.yaml")


def test_fault__missing_file() -> None:
    assert refused("run", "study.yaml") == "study.yaml: cannot be read: No such file or directory"


def test_fault__in_toml_and_json() -> None:
    Path("study.toml").write_text('model = "dyad"\nreplicats = 5\n')
    Path("study.json").write_text('{"model": "dyad", "seed": 1, "seed": 2}')
    assert "did you mean 'replicates'" in refused("run", "study.toml")
    assert "duplicate key seed" in refused("run", "study.json")


LARGE_GRID = (
    "model: dyad\ndesign: {grid: {initial_trust: {linspace: [0, 1, 100000]}, "
    "trust_noise: {linspace: [0, 0.2, 40000]}}}\n"
)


def test_fault__oversized_design_names_its_estimate() -> None:
    Path("study.yaml").write_text(LARGE_GRID)
    message = refused("run", "study.yaml")
    assert re.search(r"takes about [\d.,]+ TiB of memory, [\d.]+ .iB are free", message)


def test_fault__oversized_for_the_disk_is_the_stores_refusal() -> None:
    Path("study.yaml").write_text(LARGE_GRID + "store: results/large.zarr\n")
    message = refused("run", "study.yaml", code=3)
    assert "results/large.zarr: the run needs" in message
    assert "are free" in message


@pytest.mark.parametrize(
    "design",
    [
        "{grid: {initial_trust: {linspace: [0, 1, 4000000000]}}}",
        "{grid: {initial_trust: {arange: [0, 1, 1e-12]}}}",
        "{sample: {n: 4000000000, ranges: {initial_trust: [0, 1]}}}",
    ],
)
@pytest.mark.parametrize("verb", ["validate", "run"])
def test_fault__oversized_axis_is_refused_before_it_is_made(verb: str, design: str) -> None:
    Path("study.yaml").write_text(f"model: dyad\ndesign: {design}\n")
    message = refused(verb, "study.yaml")
    assert message.startswith("study.yaml, line 2: design.")


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("replicates=many", "--set replicates: replicates must be a whole number"),
        ("replicats=5", "--set replicats: unknown field replicats; did you mean 'replicates'"),
        ("replicates=", "--set replicates: has no value"),
        ("seed=012", "--set seed: "),
        ("parameters.trust_noise=-1", "--set parameters.trust_noise: dyad.trust_noise must be"),
        ("seed.x=1", "--set seed.x: seed is not a mapping"),
    ],
)
def test_fault__in_an_override(assignment: str, expected: str) -> None:
    Path("study.yaml").write_text(START + "seed: 1\n")
    assert expected in refused("run", "study.yaml", "--set", assignment)


def test_faults__several_are_a_line_each() -> None:
    Path("study.yaml").write_text("model: dyad\nsed: 1\nreplicates: none\n")
    outcome = command("validate", "study.yaml")
    assert outcome.code == 2
    assert outcome.err.splitlines() == [
        "fastalliance: error: study.yaml, line 2: unknown field sed; did you mean 'seed'?",
        "study.yaml, line 3: replicates must be a whole number from 1 to 2^24 = 16777216, "
        "got 'none'",
    ]


def test_no_fault__numbers_that_other_readers_take_for_text_and_a_byte_order_mark() -> None:
    text = "\ufeffmodel: dyad\nreplicates: 4\nparameters: {trust_noise: 1e-3}\nhorizon: 1\n"
    Path("study.yaml").write_text(text, encoding="utf-8")
    assert done("validate", "study.yaml").startswith("ok: dyad, 1 point x 4 replicates")


def test_no_fault__store_behind_a_symbolic_link() -> None:
    Path("scratch").mkdir()
    Path("results").symlink_to("scratch")
    Path("study.yaml").write_text(START)
    outcome = command("run", "study.yaml", "--quiet")
    assert outcome.code == 0
    assert Path("scratch/run.zarr").is_dir()


def test_fault__control_characters_of_arguments_never_reach_the_terminal() -> None:
    for arguments in (
        ("run", "\x1b[2Jstudy.yaml"),
        ("\x1b[2J",),
        ("models", "\x1b[2J"),
        ("run", "a.yaml", "--\x1b[2J"),
        ("simulate", "--model-file", "\x1b[2J.py:MODEL"),
        ("status", "\x1b[2J.zarr"),
    ):
        outcome = command(*arguments)
        assert outcome.code in (2, 3)
        assert "\x1b" not in outcome.err
        assert "x1b[2J" in outcome.err
