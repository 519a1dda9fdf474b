"""The faults that a configuration is promised to refuse, each by one clear line with its place."""

from __future__ import annotations

import time

import pytest

from fastalliance.configuration import load_configuration
from fastalliance.errors import ConfigError

WHOLE = "must be a whole number from"
NAN = "must be a number, got nan"

FAULTS = {
    "unknown key": ("replicats: 5", "unknown field replicats; did you mean 'replicates'?"),
    "wrong type": (
        "replicates: '1000'",
        f"replicates {WHOLE} 1 to 2^24 = 16777216, got '1000'; write it without quotes",
    ),
    "duplicate key": ("model: dyad", "duplicate key model (first on line 1)"),
    "no": (
        "common_random_numbers: no",
        "common_random_numbers must be true or false, got 'no'; write false",
    ),
    "leading zero": (
        "seed: 012",
        "seed begins with a zero, which some readers take for octal, got 012: write 12 or '012'",
    ),
    "sexagesimal": ("dt: 12:30", "dt must be a finite number > 0, got '12:30'"),
    "anchor": ("seed: &seed 1", "anchors (&name) are not supported"),
    "alias": ("seed: *seed", "aliases (*name) are not supported; write the value out"),
    "merge key": ("<<: {seed: 1}", "merge keys (<<) are not supported"),
    "nesting": ("structure: " + "[" * 32, "nested deeper than 32 levels"),
    "python tag": (
        "seed: !!python/object/apply:os.abort []",
        "tags are not supported, got 'tag:yaml.org,2002:python/object/apply:os.abort'",
    ),
    "second document": (
        "--- {model: dyad}",
        "a second document begins; a configuration is only one",
    ),
    "not UTF-8": (b"store: \xff", "byte 0xff is not UTF-8; save the file as UTF-8"),
    "NUL": ("store: \0", "the character '\\x00' is not allowed"),
    "empty axis": ("design: {grid: {x: []}}", "design.grid.x must not be empty"),
    "repeated coordinate": (
        "design: {grid: {x: [0.1, 1e-1]}}",
        "design.grid.x must not repeat a value, got 0.1 twice",
    ),
    "NaN coordinate": ("design: {grid: {x: [.nan]}}", f"design.grid.x[0] {NAN}"),
    "empty design": ("design: {grid: {}}", "design.grid must not be empty"),
    "oversized axis": (
        "design: {grid: {x: {linspace: [0, 1, 1000000000000000]}}}",
        f"design.grid.x.linspace[2] {WHOLE} 1 to 2^32, got 1000000000000000",
    ),
    "seed negative": ("seed: -1", f"seed {WHOLE} 0 to 2^64 - 1, got -1"),
    "seed fractional": ("seed: 0.5", f"seed {WHOLE} 0 to 2^64 - 1, got 0.5"),
    "seed boolean": ("seed: true", f"seed {WHOLE} 0 to 2^64 - 1, got True"),
    "seed too large": (
        "seed: 18446744073709551616",
        f"seed {WHOLE} 0 to 2^64 - 1, got 18446744073709551616",
    ),
    "store with NUL": (
        'store: "a\\0b.zarr"',
        "store must be a path without NUL, got 'a\\x00b.zarr'",
    ),
    "store component": (
        f"store: {'a' * 256}",
        f"store has a part longer than 255 bytes: '{'a' * 27}...{'a' * 28}'",
    ),
    "NaN parameter": ("parameters: {x: .nan}", f"parameters.x {NAN}"),
    "parameter of nothing": (
        "parameters: {x: [1]}",
        "parameters.x must be a number, or the name of a choice, got [1]",
    ),
    "dt of zero": ("dt: 0", "dt must be a finite number > 0, got 0"),
    "no replicates": ("replicates: 0", f"replicates {WHOLE} 1 to 2^24 = 16777216, got 0"),
    "terminal control code": (
        'execution: {executor: "\\e[2J"}',
        "execution.executor must be one of threads, dask, shard, got '\\x1b[2J'",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault__is_one_line_with_its_place(fault, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content, message = FAULTS[fault]
    content = content if isinstance(content, bytes) else content.encode()
    (tmp_path / "tipping.yaml").write_bytes(b"model: dyad\n" + content + b"\n")
    with pytest.raises(ConfigError) as caught:
        load_configuration("tipping.yaml")
    assert str(caught.value) == f"tipping.yaml, line 2: {message}"
    assert [file.name for file in tmp_path.iterdir()] == ["tipping.yaml"]


DEFAULT = "; leave the field out to have its default"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("parameters:", f"parameters has no value{DEFAULT}"),
        ("parameters: {trust_noise: }", f"parameters.trust_noise has no value{DEFAULT}"),
        ("keep: {replicates: }", f"keep.replicates has no value{DEFAULT}"),
        ("keep: {trajectories: {every: }}", "keep.trajectories.every has no value; it is required"),
        ("horizon:", f"horizon has no value{DEFAULT}, or write null"),
        ("design:", f"design has no value{DEFAULT}, or write null"),
        ("design: {grid: }", "design.grid has no value"),
        ("design: {grid: {x: }}", "design.grid.x has no value"),
        ("design: {grid: {x: [0, ~, ]}}", "design.grid.x[1] must be a number, or the name of a"),
        ("design: {sample: {n: }}", "design.sample.n has no value; it is required"),
        ("design: {sample: {n: 4, method: }}", f"design.sample.method has no value{DEFAULT}"),
        ("replicats:", "replicats has no value"),
    ],
)
def test_fault__empty_field_is_told_what_is_valid_there(content, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "tipping.yaml"
    file.write_text(f"model: dyad\n{content}\n")
    with pytest.raises(ConfigError) as caught:
        load_configuration("tipping.yaml")
    assert str(caught.value).startswith(f"tipping.yaml, line 2: {message}")
    assert str(caught.value).count(";") == message.count(";")
    file.write_text("model:\n")
    with pytest.raises(ConfigError, match=r"^tipping\.yaml, line 1: model has no value; it is req"):
        load_configuration("tipping.yaml")


def test_fault__tab_indentation(tmp_path):
    file = tmp_path / "tipping.yaml"
    file.write_text("model: dyad\nparameters:\n\tx: 1\n")
    with pytest.raises(ConfigError, match=r"tipping\.yaml, line 3: not valid YAML: .* tab"):
        load_configuration(file)


def test_fault__file_above_1_mib(tmp_path):
    file = tmp_path / "tipping.yaml"
    file.write_text("model: dyad\n" + "#\n" * 2**19)
    with pytest.raises(ConfigError, match=r"tipping\.yaml: larger than 1 MiB"):
        load_configuration(file)


def test_fault__alias_bomb_is_refused_at_once(tmp_path):
    rows = ["a: &a [" + ",".join("x" * 9) + "]"]
    for old, new in zip("abcdefgh", "bcdefghi", strict=True):
        rows.append(f"{new}: &{new} [" + ",".join([f"*{old}"] * 9) + "]")
    file = tmp_path / "tipping.yaml"
    file.write_text("\n".join(rows))  # 9^9 = 387 million leaves to the usual loaders
    assert file.stat().st_size < 400
    start = time.process_time()
    with pytest.raises(ConfigError, match=r"line 1: anchors"):
        load_configuration(file)
    assert time.process_time() - start < 5.0


def test_not_a_fault__numbers_and_encodings_that_other_readers_get_wrong(tmp_path):
    file = tmp_path / "tipping.yaml"
    file.write_bytes(b"\xef\xbb\xbfmodel: no\r\nparameters: {a: 1e-3, b: 1.5E+4, c: .5}\r\n")
    configuration = load_configuration(file)
    assert configuration.model == "no"
    assert configuration.parameters == {"a": 0.001, "b": 15000.0, "c": 0.5}
