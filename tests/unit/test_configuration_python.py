"""Fields given as Python values: what counts as plain data, and messages that are safe to print."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest

from fastalliance.configuration import Configuration, load_configuration, schema, validate_fields
from fastalliance.errors import ConfigError


def refused(fields, **place):
    with pytest.raises(ConfigError) as caught:
        validate_fields(fields, **place)
    return str(caught.value)


def test_numpy_values_tuples_and_paths_are_plain_data():
    configuration = validate_fields(
        {
            "model": np.str_("dyad"),
            "seed": np.uint64(2**64 - 1),
            "replicates": np.int64(8),
            "horizon": np.float32(60),
            "parameters": {"a": np.float64(0.1), "b": np.longdouble(0.5), "c": np.array(2)},
            "structure": {"edges": np.array([[0, 1], [1, 2]]), "steps": range(3)},
            "design": {"grid": {"x": np.linspace(0, 1, 3), "y": (np.int8(1), 2)}},
            "common_random_numbers": np.True_,
            "statistics": {"quantiles": np.array([0.25, 0.75])},
            "store": pathlib.Path("results") / "x.zarr",
        }
    )
    plain = configuration.to_plain()
    assert plain["seed"] == 2**64 - 1
    assert plain["parameters"] == {"a": 0.1, "b": 0.5, "c": 2.0}
    assert plain["structure"] == {"edges": [[0, 1], [1, 2]], "steps": [0, 1, 2]}
    assert plain["design"] == {"grid": {"x": [0.0, 0.5, 1.0], "y": [1.0, 2.0]}}
    assert plain["common_random_numbers"] is True
    assert plain["store"] == "results/x.zarr"
    assert type(plain["statistics"]["quantiles"][0]) is float


def test_fields_given_are_not_shared():
    structure = {"thresholds": [0.1, 0.2]}
    configuration = validate_fields({"model": "dyad", "structure": structure})
    structure["thresholds"].append(0.3)
    assert configuration.structure == {"thresholds": [0.1, 0.2]}


def test_several_faults__in_the_order_of_the_file(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("sed: 1\nmodel: dyad\nreplicates: 0\nhorizon: x\ndt: y\nstore: 1\nseed: 2.5\n")
    with pytest.raises(ConfigError) as caught:
        load_configuration(file)
    lines = str(caught.value).replace(str(file), "a.yaml").split("\n")
    assert lines == [
        "a.yaml, line 1: unknown field sed; did you mean 'seed'?",
        "a.yaml, line 3: replicates must be a whole number from 1 to 2^24 = 16777216, got 0",
        "a.yaml, line 4: horizon must be a finite number > 0, got 'x'",
        "a.yaml, line 5: dt must be a finite number > 0, got 'y'",
        "a.yaml, line 6: store must be a path or URL, got 1",
        "... and 1 more",
    ]


def test_place__given_by_the_caller():
    message = refused(
        {"model": "dyad", "keep": {"replicates": 1, "members": 2}},
        source="tipping.yaml",
        lines={"keep": 4, "keep.members": 6},
    )
    assert message == (
        "tipping.yaml, line 4: keep.replicates must be true or false, got 1\n"
        "tipping.yaml, line 6: keep.members must be true or false, got 2"
    )
    configuration = validate_fields({"model": "dyad"}, source="a.yaml", lines={"parameters.x": 2})
    assert configuration.where("parameters.x") == "a.yaml, line 2"
    assert configuration.where("parameters.y") == "a.yaml"


class Opaque:
    def __repr__(self):
        return "\x1b[2J" + "opaque" * 100


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Opaque(), "must be plain data"),
        (b"bytes", "must be plain data"),
        ({1, 2}, "must be plain data"),
        (1j, "must be plain data"),
        (np.array([1j]), "must be plain data"),
        (np.array(["2024-01-31"], dtype="datetime64[D]"), "must be plain data"),
        (np.array(Opaque()), "must be plain data"),
        ({1: 2}, "has a key that is not text: 1"),
        ({"k" * 101: 2}, "has a key longer than 100 characters"),
        ("\ud800", "must be text that UTF-8 can hold"),
        ({"\ud800": 1}, "must be text that UTF-8 can hold"),
        (10**400, "is a whole number beyond the range of double precision"),
    ],
)
def test_python_value__that_is_no_plain_data(value, words):
    message = refused({"model": "dyad", "structure": {"network": [value]}})
    assert message.startswith(f"structure.network[0] {words}")
    assert message.isprintable()
    assert len(message) < 200


def test_python_value__that_contains_itself():
    endless = []
    endless.append(endless)
    message = refused({"model": "dyad", "structure": {"network": endless}})
    assert message.endswith("is nested deeper than 32 levels")


@pytest.mark.parametrize("control", ["\x1b[31m", "\u202e", "\x07", "\r", "\n", "\x9b", "\u2066"])
def test_control_characters__never_reach_the_terminal(control):
    for fields in (
        {f"seed{control}": 1},
        {"seed": control},
        {"parameters": {control: None}},
        {"structure": {"a": {control: Opaque()}}},
        {"execution": {"executor": control}},
        {"store": control * 300},
    ):
        assert refused({"model": "dyad", **fields}, source=f"a{control}.yaml").isprintable()


@pytest.mark.parametrize("name", sorted(schema.BRANCHES))
def test_keys__are_told_from_the_names_of_branches(name):
    assert "unknown field" in refused({"model": "dyad", name.strip(): 1})
    assert "has a key longer than 100 characters" in refused({"model": "dyad", name: 1})
    key = name[:100]
    assert refused({"model": "dyad", "parameters": {key: True}}).startswith(f"parameters.{key!r} ")


def test_where__is_safe_to_print():
    configuration = validate_fields({"model": "dyad"}, source="\x1b[31m.yaml", lines={"model": 1})
    assert configuration.where("model") == "\\x1b[31m.yaml, line 1"


def test_equality__does_not_depend_on_where_it_was_written():
    fields = {"model": "dyad"}
    assert validate_fields(fields, source="a.yaml", lines={"model": 1}) == validate_fields(fields)
    assert validate_fields(fields) != validate_fields({"model": "dyad", "seed": 1})
    assert isinstance(validate_fields(fields), Configuration)
