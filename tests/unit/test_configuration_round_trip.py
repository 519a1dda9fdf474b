"""Configurations written as YAML, the JSON Schema, and input that nobody meant."""

from __future__ import annotations

import keyword
import subprocess
import sys

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fastalliance.configuration import (
    Configuration,
    dump_yaml,
    json_schema,
    load_configuration,
    to_yaml,
    validate_fields,
)
from fastalliance.configuration.yaml_loader import load_yaml
from fastalliance.errors import ConfigError

TEXTS = st.text(max_size=20)
KEYS = st.text(max_size=100)
NUMBERS = st.floats(allow_nan=False) | st.integers(-(10**300), 10**300)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
POSITIVE = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
VALUES = NUMBERS | TEXTS
SEEDS = st.integers(0, 2**64 - 1)
PLAIN = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=10,
)
COUNTS = st.integers(1, 2**32 - 1)


def as_read(value):
    return value if isinstance(value, str) else float(value)


ENDS = st.tuples(FINITE, FINITE).filter(lambda ends: ends[0] != ends[1])
AXES = st.one_of(
    st.lists(VALUES, min_size=1, max_size=4, unique_by=as_read),
    st.builds(lambda ends, n: {"linspace": [*ends, n]}, ENDS, COUNTS),
    st.builds(lambda low, n: {"geomspace": [low, 2 * low, n]}, st.floats(1e-300, 1e300), COUNTS),
    st.builds(lambda first, n: {"arange": [first, first + n, 1]}, st.integers(-9, 9), COUNTS),
)
RANGES = st.tuples(FINITE, FINITE).filter(lambda ends: ends[0] < ends[1])
DESIGNS = st.one_of(
    st.fixed_dictionaries({"grid": st.dictionaries(KEYS, AXES, min_size=1, max_size=3)}),
    st.fixed_dictionaries(
        {
            "sample": st.fixed_dictionaries(
                {"n": COUNTS, "ranges": st.dictionaries(KEYS, RANGES, min_size=1, max_size=3)},
                optional={"method": st.sampled_from(["sobol", "uniform"]), "seed": SEEDS},
            )
        }
    ),
    st.integers(1, 3).flatmap(
        lambda n: st.fixed_dictionaries(
            {
                "table": st.dictionaries(
                    KEYS, st.lists(VALUES, min_size=n, max_size=n), min_size=1, max_size=3
                )
            }
        )
    ),
)
PATHS = st.text(min_size=1, max_size=60).filter(lambda path: "\0" not in path)
FIELDS = st.fixed_dictionaries(
    {"model": st.text(min_size=1, max_size=30)},
    optional={
        "seed": SEEDS,
        "replicates": st.integers(4, 2**24),
        "horizon": st.none() | POSITIVE,
        "dt": POSITIVE,
        "parameters": st.dictionaries(KEYS, VALUES, max_size=4),
        "structure": st.dictionaries(KEYS, PLAIN, max_size=4),
        "design": st.none() | DESIGNS,
        "common_random_numbers": st.booleans(),
        "statistics": st.fixed_dictionaries(
            {"quantiles": st.lists(st.floats(0, 1), max_size=4, unique=True)}
        ),
        "keep": st.fixed_dictionaries(
            {},
            optional={
                "replicates": st.booleans(),
                "trajectories": st.fixed_dictionaries(
                    {"every": POSITIVE, "replicates": st.integers(1, 4)}
                ),
            },
        ),
        "store": PATHS,
        "execution": st.fixed_dictionaries({"threads": st.just("auto") | st.integers(1, 10**9)}),
    },
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("configuration")


@given(fields=FIELDS)
@settings(deadline=None)
def test_round_trip__to_yaml_and_back(folder, fields):
    configuration = validate_fields(fields)
    file = folder / "round_trip.yaml"
    file.write_text(to_yaml(configuration), encoding="utf-8")
    again = load_configuration(file)
    assert again == configuration
    assert repr(again.to_plain()) == repr(configuration.to_plain())  # -0.0 too
    assert validate_fields(configuration.to_plain()) == configuration


@given(data=st.dictionaries(KEYS, PLAIN, max_size=4))
@settings(deadline=None)
def test_dump_yaml__other_readers_understand_the_same(data):
    text = dump_yaml(data)
    assert load_yaml(text).data == data
    assert yaml.load(text, Loader=yaml.SafeLoader) == data


def test_to_yaml__is_easy_to_read():
    configuration = validate_fields(
        {
            "model": "dyad",
            "parameters": {"trust_noise": 1e-5, "halflife": float("inf"), "kind": "no"},
            "design": {"grid": {"initial_trust": {"linspace": [0, 1, 101]}, "private": [0, 0.1]}},
            "store": "results/tipping.zarr",
        }
    )
    assert to_yaml(configuration) == (
        "model: dyad\n"
        "seed: 0\n"
        "replicates: 1000\n"
        'parameters: {trust_noise: 1.0e-05, halflife: .inf, kind: "no"}\n'
        "structure: {}\n"
        "design:\n"
        "  grid:\n"
        "    initial_trust: {linspace: [0.0, 1.0, 101]}\n"
        "    private: [0.0, 0.1]\n"
        "common_random_numbers: false\n"
        "statistics: {quantiles: []}\n"
        "keep: {replicates: false, members: false}\n"
        "store: results/tipping.zarr\n"
        "execution: {executor: threads, threads: auto}\n"
    )


def test_dump_yaml__empty():
    assert dump_yaml({}) == "{}\n"


def properties(schema):
    """Return every (name, schema) of a field, at any depth."""
    found = []
    if isinstance(schema, dict):
        found += schema.get("properties", {}).items()
        for inner in schema.values():
            found += properties(inner)
    if isinstance(schema, list):
        for inner in schema:
            found += properties(inner)
    return found


def references(schema):
    if isinstance(schema, dict):
        here = [schema["$ref"]] if "$ref" in schema else []
        return here + [ref for inner in schema.values() for ref in references(inner)]
    return (
        [ref for inner in schema for ref in references(inner)] if isinstance(schema, list) else []
    )


def test_json_schema__describes_every_field():
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == "fastalliance configuration"
    assert schema["required"] == ["model"]
    assert list(schema["properties"]) == list(Configuration.model_fields)
    fields = properties(schema)
    assert {name for name, _ in fields} >= {"linspace", "ranges", "quantiles", "every", "threads"}
    assert all(field.get("description") for _, field in fields)


def test_json_schema__is_strict_and_whole():
    schema = json_schema()
    sections = [schema, *schema["$defs"].values()]
    assert all(section["additionalProperties"] is False for section in sections)
    assert {ref.removeprefix("#/$defs/") for ref in references(schema)} == set(schema["$defs"])
    assert schema["properties"]["replicates"]["maximum"] == 2**24
    assert schema["properties"]["replicates"]["default"] == 1000
    for exclusive in ("Design", "AxisRule"):
        assert schema["$defs"][exclusive]["minProperties"] == 1
        assert schema["$defs"][exclusive]["maxProperties"] == 1


WORDS = """
seed: | design: | grid: | parameters: | <<: | { | } | [ | ] | , | : | - | ? | # | --- | ... | = | x
' | " | \\ | &a | *a | !!int | \\ud800 | 1e-3 | 012 | 0x | .inf | .nan | null | true | 1979-05-27
{"model": "dyad" | NaN | a.b.c = | [[a]] | \u2028 | \ufeff
"""
FRAGMENTS = st.sampled_from(
    ["model: dyad\n", "%YAML 1.1\n", "|\n", "\n", "\n  ", "\t", "\r", " ", ": ", "- "]
    + [word for row in WORDS.strip().split("\n") for word in row.split(" | ")]
)
CONTENTS = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=200).map(str.encode),
    st.lists(FRAGMENTS, max_size=30).map(lambda parts: "".join(parts).encode()),
)


def check_message(error, start=""):
    message = str(error)
    assert message.startswith(start)
    assert all(line.isprintable() for line in message.split("\n"))


@pytest.mark.parametrize("loader", ["CSafeLoader", "SafeLoader"])
@pytest.mark.parametrize("name", ["fuzz.yaml", "fuzz.toml", "fuzz.json"])
def test_fuzz__files_raise_nothing_but_config_errors(folder, monkeypatch, loader, name):
    if not hasattr(yaml, loader):
        pytest.skip("PyYAML was built without libyaml")
    monkeypatch.setattr("fastalliance.configuration.yaml_loader._LOADER", getattr(yaml, loader))
    file = folder / name

    @given(content=CONTENTS)
    @settings(deadline=None)
    def check(content):
        file.write_bytes(content)
        try:
            configuration = load_configuration(file)
        except ConfigError as error:
            check_message(error, f"{folder}")
        else:
            assert load_yaml(to_yaml(configuration)).data == configuration.to_plain()

    check()


def sections():
    names = ["seed", "n", "grid", "sample", "table", "ranges", "quantiles", "trajectories", "every"]
    names += ["linspace", "arange", "geomspace", "method", "executor", "threads", "x", "replicates"]
    anything = st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | TEXTS,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(names) | KEYS, inner, max_size=3)
        ),
        max_leaves=12,
    )
    fields = st.sampled_from(list(Configuration.model_fields)) | KEYS
    return st.dictionaries(fields, anything, max_size=5)


@given(fields=sections())
@settings(deadline=None)
def test_fuzz__python_fields_raise_nothing_but_config_errors(fields):
    try:
        validate_fields({"model": "dyad", **fields})
    except ConfigError as error:
        check_message(error)


@given(text=st.text(max_size=60))
@settings(deadline=None)
def test_fuzz__set_raises_nothing_but_config_errors(folder, text):
    file = folder / "set.yaml"
    file.write_text("model: dyad\nparameters: {x: 1}\n")
    for override in (text, f"seed={text}", f"structure.a={text}", f"{text}=1"):
        try:
            load_configuration(file, [override])
        except ConfigError as error:
            check_message(error)


def test_import__leaves_pydantic_and_yaml_alone():
    code = (
        "import sys, fastalliance.configuration as c; "
        "assert not {'pydantic', 'yaml', 'numpy'} & set(sys.modules); "
        "c.validate_fields({'model': 'dyad'}); assert 'numpy' not in sys.modules; "
        "assert [getattr(c, name) for name in c.__all__]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_import__unknown_name():
    import fastalliance.configuration as configuration

    assert not any(keyword.iskeyword(name) for name in configuration.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        configuration.nothing  # noqa: B018
