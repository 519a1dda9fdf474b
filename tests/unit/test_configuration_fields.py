"""The fields of a configuration: defaults, rules, and one clear line for each fault."""

from __future__ import annotations

from typing import get_args

import pytest
from pydantic import BaseModel

from fastalliance.configuration import schema, validate_fields
from fastalliance.configuration.faults import SECTIONS
from fastalliance.errors import ConfigError, DesignError
from fastalliance.study.axes import require_points


def refused(fields, **place):
    with pytest.raises(ConfigError) as caught:
        validate_fields(fields, **place)
    return str(caught.value)


def test_defaults():
    assert validate_fields({"model": "dyad"}).to_plain() == {
        "model": "dyad",
        "seed": 0,
        "replicates": 1000,
        "parameters": {},
        "structure": {},
        "common_random_numbers": False,
        "statistics": {"quantiles": []},
        "keep": {"replicates": False, "members": False},
        "execution": {"executor": "threads", "threads": "auto"},
    }


def test_every_field():
    fields = {
        "model": "dyad",
        "seed": 2**64 - 1,
        "replicates": 2**24,
        "horizon": 60.0,
        "dt": 0.125,
        "parameters": {"trust_noise": 0.2, "learning": "fast", "halflife": float("inf")},
        "structure": {"members": 5, "network": {"kind": "ring", "seed": None, "edges": [[0, 1]]}},
        "design": {
            "grid": {
                "a": {"linspace": [0.0, 1.0, 101]},
                "b": {"arange": [1.0, 0.0, -0.25]},
                "c": {"geomspace": [-1.0, -100.0, 3]},
                "d": [0.0, 0.1, float("inf")],
                "learning": ["fast", "slow"],
            }
        },
        "common_random_numbers": True,
        "statistics": {"quantiles": [0.0, 0.5, 1.0]},
        "keep": {
            "replicates": True,
            "members": True,
            "trajectories": {"every": 1.0, "replicates": 4},
        },
        "store": "s3://bucket/tipping.zarr",
        "execution": {"executor": "shard", "threads": 2},
    }
    configuration = validate_fields(fields)
    assert configuration.to_plain() == fields
    assert configuration.design.grid["b"].arange == (1.0, 0.0, -0.25)
    assert configuration.where("seed") == ""
    assert (configuration.source, configuration.source_directory) == ("", None)


@pytest.mark.parametrize(
    "design",
    [
        {"sample": {"n": 8, "method": "uniform", "seed": 3, "ranges": {"a": [0.0, 1.0]}}},
        {"table": "points.csv"},
        {"table": {"a": [0.0, 1.0], "learning": ["fast", "slow"]}},
    ],
)
def test_every_design(design):
    assert validate_fields({"model": "dyad", "design": design}).to_plain()["design"] == design


def test_whole_numbers_are_numbers_but_truth_values_are_not():
    configuration = validate_fields({"model": "dyad", "horizon": 60, "parameters": {"a": 10**30}})
    assert configuration == validate_fields(
        {"model": "dyad", "horizon": 60.0, "parameters": {"a": 1e30}}
    )
    assert type(configuration.horizon) is float
    assert refused({"model": "dyad", "horizon": True}).startswith("horizon must be a finite number")


def test_configuration_is_immutable():
    with pytest.raises(ValueError, match="frozen"):
        validate_fields({"model": "dyad"}).seed = 1


WHOLE = "must be a whole number from"
REPLICATES = f"replicates {WHOLE} 1 to 2^24 = 16777216, got"
SEED = f"seed {WHOLE} 0 to 2^64 - 1, got"
VALUE = "must be a number, or the name of a choice, got"


def grid(axis):
    return {"design": {"grid": {"x": axis}}}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": 5}, "model must be the name of a model, got 5"),
        ({"model": ""}, "model must be the name of a model, got ''"),
        ({"seed": -1}, f"{SEED} -1"),
        ({"seed": 1.5}, f"{SEED} 1.5"),
        ({"seed": True}, f"{SEED} True"),
        ({"seed": 2**64}, f"{SEED} 18446744073709551616"),
        ({"seed": "7"}, f"{SEED} '7'; write it without quotes"),
        ({"seed": None}, f"{SEED} nothing"),
        ({"replicates": 0}, f"{REPLICATES} 0"),
        ({"replicates": 2**24 + 1}, f"{REPLICATES} 16777217"),
        ({"replicates": 1e3}, f"{REPLICATES} 1000.0; write 1000"),
        ({"replicates": "1000"}, f"{REPLICATES} '1000'; write it without quotes"),
        ({"replicates": [1]}, f"{REPLICATES} [1]"),
        ({"horizon": 0}, "horizon must be a finite number > 0, got 0"),
        ({"horizon": float("inf")}, "horizon must be a finite number > 0, got inf"),
        (
            {"horizon": "inf"},
            "horizon must be a finite number > 0, got 'inf'; infinity is written .inf",
        ),
        ({"dt": float("nan")}, "dt must be a finite number > 0, got nan"),
        ({"dt": -0.5}, "dt must be a finite number > 0, got -0.5"),
        ({"dt": "12:30"}, "dt must be a finite number > 0, got '12:30'"),
        ({"parameters": {"a": float("nan")}}, "parameters.a must be a number, got nan"),
        ({"parameters": {"a": True}}, f"parameters.a {VALUE} True"),
        ({"parameters": {"a": [1]}}, f"parameters.a {VALUE} [1]"),
        ({"parameters": {"a": None}}, f"parameters.a {VALUE} nothing"),
        ({"parameters": {"a": {}}}, f"parameters.a {VALUE} {{}}"),
        ({"parameters": [1]}, "parameters must be a mapping, got [1]"),
        (
            {"parameters": None},
            "parameters must be a mapping, got nothing; leave the field out to have its default",
        ),
        ({"structure": 3}, "structure must be a mapping, got 3"),
        (
            {"common_random_numbers": "no"},
            "common_random_numbers must be true or false, got 'no'; write false",
        ),
        ({"common_random_numbers": 1}, "common_random_numbers must be true or false, got 1"),
        ({"keep": {"members": "On"}}, "keep.members must be true or false, got 'On'; write true"),
        ({"keep": True}, "keep must be a mapping, got True"),
        ({"keep": {"trajectories": {"every": 1}}}, "keep.trajectories.replicates is required"),
        (
            {"keep": {"trajectories": {"every": 0, "replicates": 1}}},
            "keep.trajectories.every must be a finite number > 0, got 0",
        ),
        (
            {"replicates": 3, "keep": {"trajectories": {"every": 1, "replicates": 4}}},
            "keep.trajectories.replicates must be <= replicates, which is 3, got 4",
        ),
        ({"statistics": {"quantiles": 0.5}}, "statistics.quantiles must be a list, got 0.5"),
        (
            {"statistics": {"quantiles": [0.5, 1.5]}},
            "statistics.quantiles[1] must be a number from 0 to 1, got 1.5",
        ),
        (
            {"statistics": {"quantiles": [float("nan")]}},
            "statistics.quantiles[0] must be a number from 0 to 1, got nan",
        ),
        (
            {"statistics": {"quantiles": [0, 0.5, 0.5]}},
            "statistics.quantiles must not repeat a value, got 0.5 twice",
        ),
        ({"store": 5}, "store must be a path or URL, got 5"),
        ({"store": ""}, "store must be a path or URL, got ''"),
        ({"store": "a\0b"}, "store must be a path without NUL, got 'a\\x00b'"),
        (
            {"execution": {"executor": "treads"}},
            "execution.executor must be one of threads, dask, shard, got 'treads'; "
            "did you mean 'threads'?",
        ),
        (
            {"execution": {"executor": 1}},
            "execution.executor must be one of threads, dask, shard, got 1",
        ),
        (
            {"execution": {"threads": 0}},
            "execution.threads must be auto or a whole number >= 1, got 0",
        ),
        (
            {"execution": {"threads": True}},
            "execution.threads must be auto or a whole number >= 1, got True",
        ),
        (
            {"execution": {"threads": 2.0}},
            "execution.threads must be auto or a whole number >= 1, got 2.0; write 2",
        ),
    ],
)
def test_field__refused(fields, message):
    assert refused({"model": "dyad", **fields}) == message


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        ([], " must not be empty"),
        ([0, float("nan")], "[1] must be a number, got nan"),
        ([0, True], f"[1] {VALUE} True"),
        ([0, 0.0], " must not repeat a value, got 0.0 twice"),
        (["fast", "fast"], " must not repeat a value, got 'fast' twice"),
        ({}, " must have exactly one of linspace, arange, geomspace, got none of them"),
        (
            {"linspace": [0, 1, 3], "arange": [0, 1, 0.5]},
            " must have exactly one of linspace, arange, geomspace, got linspace and arange",
        ),
        ({"linspace": [0, 1]}, ".linspace must be [first, last, number of values], got [0, 1]"),
        ({"linspace": 5}, ".linspace must be [first, last, number of values], got 5"),
        ({"linspace": [0, 1, 0]}, f".linspace[2] {WHOLE} 1 to 2^32, got 0"),
        ({"linspace": [0, 1, 2**32 + 1]}, f".linspace[2] {WHOLE} 1 to 2^32, got 4294967297"),
        ({"linspace": [0, 1, 3.0]}, f".linspace[2] {WHOLE} 1 to 2^32, got 3.0; write 3"),
        ({"linspace": [0, float("inf"), 3]}, ".linspace[1] must be a finite number, got inf"),
        (
            {"linspace": ["0", 1, 3]},
            ".linspace[0] must be a finite number, got '0'; write it without quotes",
        ),
        ({"linspace": [1, 1, 3]}, ".linspace must not repeat a value, got 1 3 times"),
        ({"arange": [0, 1]}, ".arange must be [first, end, step], got [0, 1]"),
        ({"arange": [0, 1, 0]}, ".arange must have a step that is not 0"),
        ({"arange": [0, 1, -1]}, ".arange is empty: steps of -1 do not lead from 0 to 1"),
        (
            {"arange": [0, 1234567.5, -1]},
            ".arange is empty: steps of -1 do not lead from 0 to 1234567.5",
        ),
        ({"arange": [1, 1, 1]}, ".arange is empty: steps of 1 do not lead from 1 to 1"),
        (
            {"arange": [0, 1, 1e-300]},
            ".arange has more than 2^32 values: 0 to 1 in steps of 1e-300",
        ),
        (
            {"arange": [-1e308, 1e308, 1]},
            ".arange has more than 2^32 values: -1e+308 to 1e+308 in steps of 1",
        ),
        (
            {"geomspace": [0, 1, 3]},
            ".geomspace must have two ends of one sign, neither 0, got 0 and 1",
        ),
        (
            {"geomspace": [-1, 1, 3]},
            ".geomspace must have two ends of one sign, neither 0, got -1 and 1",
        ),
        ({"geomspace": [2, 2, 3]}, ".geomspace must not repeat a value, got 2 3 times"),
    ],
)
def test_axis__refused(axis, message):
    assert refused({"model": "dyad", **grid(axis)}) == f"design.grid.x{message}"


@pytest.mark.parametrize("axis", [0.5, "fast", None, True])
def test_axis__neither_list_nor_rule(axis):
    message = refused({"model": "dyad", **grid(axis)})
    assert message.startswith("design.grid.x must be a list of values, {linspace: [first, last,")


@pytest.mark.parametrize(
    "axis", [{"linspace": [1, 1, 1]}, {"geomspace": [1e-200, 1e-190, 3]}, [0.5]]
)
def test_axis__of_one_value_or_tiny_ones_is_allowed(axis):
    assert validate_fields({"model": "dyad", **grid(axis)}).design is not None


def test_axis__has_as_many_values_as_a_design_may_have_points():
    require_points(2**32, "a design")
    with pytest.raises(DesignError, match="4,294,967,297 points, at most 4,294,967,296 are"):
        require_points(2**32 + 1, "a design")
    made = validate_fields({"model": "dyad", **grid({"linspace": [0, 1, 2**32]})})
    assert made.design.grid["x"].linspace[2] == 2**32


@pytest.mark.parametrize(
    ("design", "message"),
    [
        ({}, "design must have exactly one of grid, sample, table, got none of them"),
        ({"grid": None}, "design must have exactly one of grid, sample, table, got none of them"),
        (
            {"grid": {"x": [1]}, "table": "points.csv"},
            "design must have exactly one of grid, sample, table, got grid and table",
        ),
        ([1], "design must be a mapping, got [1]"),
        ({"grid": {}}, "design.grid must not be empty"),
        ({"grid": [1]}, "design.grid must be a mapping of names, got [1]"),
        (
            {"sample": {"n": 4, "method": "sobel", "ranges": {"x": [0, 1]}}},
            "design.sample.method must be one of sobol, latin_hypercube, uniform, got 'sobel'; "
            "did you mean 'sobol'?",
        ),
        (
            {"sample": {"n": 0, "ranges": {"x": [0, 1]}}},
            f"design.sample.n {WHOLE} 1 to 2^32, got 0",
        ),
        (
            {"sample": {"n": 4, "seed": -1, "ranges": {"x": [0, 1]}}},
            f"design.sample.{SEED} -1",
        ),
        ({"sample": {"n": 4}}, "design.sample.ranges is required"),
        ({"sample": {"n": 4, "ranges": {}}}, "design.sample.ranges must not be empty"),
        (
            {"sample": {"n": 4, "ranges": {"x": 1}}},
            "design.sample.ranges.x must be [low, high], got 1",
        ),
        (
            {"sample": {"n": 4, "ranges": {"x": [1, 1]}}},
            "design.sample.ranges.x must be [low, high] with low < high, got [1, 1]",
        ),
        (
            {"sample": {"n": 4, "ranges": {"x": [0, float("inf")]}}},
            "design.sample.ranges.x[1] must be a finite number, got inf",
        ),
        ({"table": {}}, "design.table must not be empty"),
        ({"table": {"a": []}}, "design.table.a must not be empty"),
        ({"table": {"a": 1}}, "design.table.a must be a list, got 1"),
        ({"table": {"a": [1, float("nan")]}}, "design.table.a[1] must be a number, got nan"),
        (
            {"table": {"a": [1, 2], "b": [1, 2], "c": [1]}},
            "design.table must have columns of one length, got 2 values of 'a' and 1 of 'c'",
        ),
        ({"table": "a\0"}, "design.table must be a path without NUL, got 'a\\x00'"),
        (
            {"table": 5},
            "design.table must be the path of a CSV file, or a mapping of equally long lists, "
            "got 5",
        ),
    ],
)
def test_design__refused(design, message):
    assert refused({"model": "dyad", "design": design}) == message


@pytest.mark.parametrize("component", ["x" * 256, "\N{GREEK SMALL LETTER ALPHA}" * 128])
def test_store__component_above_255_bytes(component):
    message = refused({"model": "dyad", "store": f"results/{component}/a.zarr"})
    assert message.startswith("store has a part longer than 255 bytes: '")
    assert len(message) < 120
    assert validate_fields({"model": "dyad", "store": f"results/{'x' * 255}/a.zarr"}).store


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"replicats": 1}, "unknown field replicats; did you mean 'replicates'?"),
        ({"keep": {"replicate": 1}}, "unknown field keep.replicate; did you mean 'replicates'?"),
        (
            {"keep": {"trajectories": {"every": 1, "replicates": 1, "evry": 1}}},
            "unknown field keep.trajectories.evry; did you mean 'every'?",
        ),
        ({"statistics": {"q": []}}, "unknown field statistics.q; valid names: quantiles"),
        ({"execution": {"thread": 1}}, "unknown field execution.thread; did you mean 'threads'?"),
        ({"design": {"gird": {}}}, "unknown field design.gird; did you mean 'grid'?"),
        (
            {"design": {"morris": {}}},
            "unknown field design.morris; valid names: grid, sample, table",
        ),
        (
            {"design": {"sample": {"n": 1, "ranges": {"x": [0, 1]}, "metod": "sobol"}}},
            "unknown field design.sample.metod; did you mean 'method'?",
        ),
        (
            grid({"linspce": [0, 1, 2]}),
            "unknown field design.grid.x.linspce; did you mean 'linspace'?",
        ),
    ],
)
def test_unknown_field__nearest_name_is_suggested(fields, message):
    assert refused({"model": "dyad", **fields}).split("\n")[0] == message


def test_unknown_field__every_section_has_its_names_known():
    sections = {
        item
        for item in vars(schema).values()
        if isinstance(item, type)
        and issubclass(item, schema.Section)
        and item is not schema.Section
    }
    assert sections == set(SECTIONS.values())
    for path, section in SECTIONS.items():
        if path and "*" not in path:
            annotation = SECTIONS[path[:-1]].model_fields[path[-1]].annotation
            assert section in (annotation, *get_args(annotation))
    assert all(issubclass(section, BaseModel) for section in sections)


def test_missing_model():
    assert refused({"seed": 1}) == "model is required"
