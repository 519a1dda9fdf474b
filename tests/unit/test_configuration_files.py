"""Configuration files: size, encoding, name, and the readers of TOML and JSON."""

from __future__ import annotations

import pytest

from fastalliance.configuration import load_configuration
from fastalliance.errors import ConfigError

YAML = """\
model: dyad
seed: 7
parameters: {trust_noise: 0.2, incident_rate: .inf}
design:
  grid:
    initial_trust: {linspace: [0, 1, 101]}
    private_orientation: [0, 0.1, 0.2]
keep: {trajectories: {every: 1.0, replicates: 4}}
"""
TOML = """\
model = "dyad"
seed = 7
keep = {trajectories = {every = 1.0, replicates = 4}}

[parameters]
trust_noise = 0.2
incident_rate = inf

[design.grid]
initial_trust = {linspace = [0, 1, 101]}
private_orientation = [0, 0.1, 0.2]
"""
JSON = """\
{
  "model": "dyad",
  "seed": 7,
  "parameters": {"trust_noise": 2e-1},
  "design": {"grid": {"initial_trust": {"linspace": [0, 1, 101]},
                      "private_orientation": [0, 0.1, 0.2]}},
  "keep": {"trajectories": {"every": 1.0, "replicates": 4}}
}
"""


@pytest.fixture
def refused(tmp_path, monkeypatch):
    """Return a function that writes a file and returns the error of loading it."""
    monkeypatch.chdir(tmp_path)

    def load(content, name="study.yaml"):
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ConfigError) as caught:
            load_configuration(name)
        message = str(caught.value)
        assert all(line.isprintable() for line in message.split("\n"))
        return message

    return load


def test_file__yaml_toml_and_json_say_the_same(tmp_path):
    for name, text in (("a.yaml", YAML), ("b.YML", YAML), ("c", YAML), ("d.toml", TOML)):
        (tmp_path / name).write_text(text)
    configurations = [
        load_configuration(tmp_path / name) for name in ("a.yaml", "b.YML", "c", "d.toml")
    ]
    assert configurations.count(configurations[0]) == 4
    (tmp_path / "e.json").write_text(JSON)
    json = load_configuration(
        str(tmp_path / "e.json"), {"parameters": {"incident_rate": float("inf")}}
    )
    assert json == configurations[0]
    assert json.design.grid["initial_trust"].linspace == (0.0, 1.0, 101)


def test_file__knows_where_its_fields_stand(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_text(YAML)
    configuration = load_configuration("study.yaml", ["seed=8"])
    assert configuration.source == "study.yaml"
    assert configuration.source_directory == tmp_path
    assert configuration.where("design.grid.initial_trust") == "study.yaml, line 6"
    assert configuration.where("design.grid.initial_trust.linspace[1]") == "study.yaml, line 6"
    assert configuration.where("parameters.not_given") == "study.yaml, line 3"
    assert configuration.where("seed") == "--set seed"
    assert configuration.where("horizon") == "study.yaml"


def test_file__json_knows_lines_too(refused):
    assert refused(JSON.replace("[0, 0.1, 0.2]", "[0, true]"), "study.json") == (
        "study.json, line 6: design.grid.private_orientation[1] must be a number, or the name of "
        "a choice, got True"
    )


def test_file__byte_order_mark_is_read(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbf" + YAML.encode())
    assert load_configuration(tmp_path / "a.yaml").model == "dyad"


def test_file__windows_line_ends_are_read(tmp_path, refused):
    (tmp_path / "a.yaml").write_bytes(YAML.replace("\n", "\r\n").encode())
    assert load_configuration("a.yaml").seed == 7
    assert refused("model: dyad\r\nseed: x\r\n").startswith("study.yaml, line 2: seed must be")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-16-le", "utf-32"])
def test_file__other_encodings_are_refused_with_a_line(refused, encoding):
    assert refused("model: dyad\n".encode(encoding)).startswith("study.yaml, line 1: the ")


def test_file__not_utf_8_is_refused_with_its_line(refused):
    assert refused(b"model: dyad\nstore: r\xe9sultats\n") == (
        "study.yaml, line 2: byte 0xe9 is not UTF-8; save the file as UTF-8"
    )


@pytest.mark.parametrize("name", ["study.yaml", "study.toml", "study.json"])
def test_file__nul_is_refused_with_its_line(refused, name):
    assert refused(b"\n\n\0", name) == f"{name}, line 3: the character '\\x00' is not allowed"


def test_file__size_limit(refused, tmp_path):
    limit = 2**20
    text = "model: dyad\n#"
    (tmp_path / "full.yaml").write_text(text + "x" * (limit - len(text)))
    assert load_configuration("full.yaml").model == "dyad"
    assert refused(text + "x" * (limit - len(text) + 1)).startswith("study.yaml: larger than 1 MiB")


def test_file__endless_device_is_refused():
    with pytest.raises(ConfigError, match=r"^/dev/zero: larger than 1 MiB"):
        load_configuration("/dev/zero")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing.yaml", "missing.yaml: cannot be read: No such file or directory"),
        (".", ".: cannot be read: Is a directory"),
        ("a\0b", "a\\x00b: cannot be read: embedded null byte"),
        ("\x1b[31m", "\\x1b[31m: cannot be read: No such file or directory"),
        ("x" * 300, "x" * 300 + ": cannot be read: File name too long"),
    ],
)
def test_file__unreadable_path(path, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        load_configuration(path)
    assert str(caught.value) == message


def test_file__unknown_ending(refused):
    assert refused(YAML, "study.txt") == (
        "study.txt: the name must end in .yaml, .yml, .toml or .json, got '.txt'"
    )


@pytest.mark.parametrize(
    ("content", "shown"), [("", "nothing"), ("- 1", "[1]"), ("dyad", "'dyad'")]
)
def test_file__not_a_mapping(refused, content, shown):
    assert refused(content) == f"study.yaml: must be a mapping of fields, got {shown}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('model = "dyad"\nseed = 1\nseed = 2', ", line 3: not valid TOML: duplicate key"),
        ('seed = 1\nseed = 2\nmodel = "dyad"\n', ", line 2: not valid TOML: duplicate key"),
        ('model = "dyad"\nseed = ', ", line 2: not valid TOML: Invalid value"),
        ('model = "dyad"\nseed = 012', ", line 2: not valid TOML: "),
        ('model = "dyad"\nseed = "7"', ": seed must be a whole number from 0 to 2^64 - 1, got '7'"),
        ('model = "dyad"\nseed = 1979-05-27', ": seed must be plain data"),
        ('model = "dyad"\ndt = nan', ": dt must be a finite number > 0, got nan"),
        ('model = "dyad"\ndt = 1e400', ": a number is beyond the range of double precision"),
        ('model = "dyad"\nseed = 1' + "0" * 400, ": seed is a whole number beyond the range"),
        ("a" + ".a" * 32 + " = 1", ", line 1: nested deeper than 32 levels"),
        (
            'model = "dyad"\n["a"' + ' . "a"' * 100_000 + "]",
            ", line 2: nested deeper than 32 levels",
        ),
        ("a = " + "[" * 100_000, ": nested deeper than 32 levels"),
        ("a = " + "[" * 33 + "]" * 33, "is nested deeper than 32 levels"),
    ],
)
def test_toml__refused(refused, text, message):
    assert message in refused(text, "study.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"model": "dyad",\n"seed": 1,\n"seed": 2}',
            ", line 3: duplicate key seed (first on line 2)",
        ),
        (
            '{"a": {"\\ud83d\\ude00": 1,\n"\\ud83d\\ude00": 1}}',
            ": duplicate key '\N{GRINNING FACE}'",
        ),
        ('{"model": "dyad",\n"dt": NaN}', ": NaN is not a number that JSON has"),
        ('{"model": "dyad",\n"dt": Infinity}', ": Infinity is not a number that JSON has"),
        ('{"model": "dyad",\n"dt": -Infinity}', ": -Infinity is not a number that JSON has"),
        ('{"model": "dyad",\n"dt": 1e400}', ", line 2: dt is beyond the range of double precision"),
        ('{"model": "dyad",\n"dt": 012}', ", line 2: not valid JSON: "),
        ('{"model": "dyad",\n"dt": .5}', ", line 2: not valid JSON: "),
        ('{"model": "dyad",\n"dt": 1,}', ", line 2: not valid JSON: "),
        ('{"model": "dyad",\n"seed": 1' + "0" * 5000 + "}", ", line 2: seed is beyond the range"),
        ('{"model": "\\ud800"}', ": model must be text that UTF-8 can hold, got '\\ud800'"),
        ("[" * 100_000, ": nested deeper than 32 levels"),
        ('{"structure": ' + '{"a": ' * 32 + "1" + "}" * 33, " is nested deeper than 32 levels"),
    ],
)
def test_json__refused(refused, text, message):
    assert message in refused(text, "study.json")
