"""Overrides of a configuration file: ``--set`` texts and mappings."""

from __future__ import annotations

import numpy as np
import pytest

from fastalliance.configuration import load_configuration
from fastalliance.errors import ConfigError

TEXT = """\
model: dyad
replicates: 1000
parameters:
  trust_noise: 0.2
  trust_gain: 0.3
design: {grid: {initial_trust: [0, 1]}}
structure: {network: {kind: ring, size: 5}}
keep: {members: true}
store: a.zarr
"""


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_text(TEXT)
    return lambda overrides: load_configuration("study.yaml", overrides)


@pytest.fixture
def refused(load):
    def message(overrides):
        with pytest.raises(ConfigError) as caught:
            load(overrides)
        assert str(caught.value).isprintable()
        return str(caught.value)

    return message


@pytest.mark.parametrize(
    ("overrides", "path", "value"),
    [
        (["replicates=10"], ["replicates"], 10),
        ("replicates=10", ["replicates"], 10),
        (["replicates=10", "replicates=20"], ["replicates"], 20),
        (["dt=1e-3"], ["dt"], 0.001),
        (
            [" parameters . trust_noise = 0"],
            ["parameters"],
            {"trust_noise": 0.0, "trust_gain": 0.3},
        ),
        (["parameters.new=.inf"], ["parameters", "new"], float("inf")),
        (["parameters={}"], ["parameters"], {}),
        (["design.grid.initial_trust=[0,0.5]"], ["design", "grid", "initial_trust"], [0.0, 0.5]),
        (
            ["design.grid.initial_trust={linspace: [0, 1, 3]}"],
            ["design", "grid", "initial_trust"],
            {"linspace": [0.0, 1.0, 3]},
        ),
        (
            ["design.grid.other=[1]"],
            ["design", "grid"],
            {"initial_trust": [0.0, 1.0], "other": [1.0]},
        ),
        (["design={table: points.csv}"], ["design"], {"table": "points.csv"}),
        (
            ["keep.trajectories.every=1", "keep.trajectories.replicates=2"],
            ["keep", "members"],
            True,
        ),
        (["statistics.quantiles=[0.5]"], ["statistics", "quantiles"], [0.5]),
        (["store=s3://bucket/a=b#c.zarr"], ["store"], "s3://bucket/a=b#c.zarr"),
        (["store='012'"], ["store"], "012"),
        ({"replicates": 10}, ["replicates"], 10),
        ({"replicates": np.int64(10)}, ["replicates"], 10),
        ({"parameters.trust_noise": 0}, ["parameters"], {"trust_noise": 0.0, "trust_gain": 0.3}),
        (
            {"parameters": {"trust_noise": 0}},
            ["parameters"],
            {"trust_noise": 0.0, "trust_gain": 0.3},
        ),
        ({"parameters": {}}, ["parameters"], {"trust_noise": 0.2, "trust_gain": 0.3}),
        ({"structure": {"network": {"kind": "star"}}}, ["structure", "network"], {"kind": "star"}),
        ({"design": {"table": {"x": (1, 2)}}}, ["design"], {"table": {"x": [1.0, 2.0]}}),
        ({"design": {"grid": {"x": np.arange(2)}}}, ["design", "grid"], {"x": [0.0, 1.0]}),
        ({"parameters": {"a": 1}, "parameters.a": 2}, ["parameters", "a"], 2.0),
    ],
)
def test_override__takes_effect(load, overrides, path, value):
    plain = load(overrides).to_plain()
    for key in path:
        plain = plain[key]
    assert plain == value


@pytest.mark.parametrize("overrides", [["design=null", "store=~"], {"design": None, "store": None}])
def test_override__null_takes_a_field_away(load, overrides):
    configuration = load(overrides)
    assert configuration.design is None
    assert configuration.store is None


def test_override__does_not_change_what_the_caller_gave(load):
    given = {"parameters": {"x": 1}, "structure": {"network": {"kind": "star"}}}
    load({**given, "structure.network.size": 3, "parameters.y": 2})
    assert given == {"parameters": {"x": 1}, "structure": {"network": {"kind": "star"}}}


def test_override__is_named_as_the_place_of_a_field(load):
    configuration = load(["parameters.trust_noise=0", "design.grid.x=[1]"])
    assert configuration.where("parameters.trust_noise") == "--set parameters.trust_noise"
    assert configuration.where("parameters.trust_gain") == "study.yaml, line 5"
    assert configuration.where("design.grid.x[0]") == "--set design.grid.x"
    assert configuration.where("design.grid.initial_trust[1]") == "study.yaml, line 6"
    assert load({"seed": 1}).where("seed") == "override seed"


def test_override__hides_the_lines_of_what_it_replaces(load):
    configuration = load(["parameters={trust_noise: 1}"])
    assert configuration.where("parameters.trust_noise") == "--set parameters"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("replicats=10", "--set replicats: unknown field replicats; did you mean 'replicates'?"),
        ("paramters.x=1", "--set paramters.x: unknown field paramters; did you mean 'parameters'?"),
        (
            "keep.member=true",
            "--set keep.member: unknown field keep.member; did you mean 'members'?",
        ),
        (
            "replicates=1e3",
            "--set replicates: replicates must be a whole number from 1 to 2^24 = 16777216, "
            "got 1000.0; write 1000",
        ),
        (
            "statistics.quantiles=[0.5, 2]",
            "--set statistics.quantiles: statistics.quantiles[1] must be a number from 0 to 1, "
            "got 2",
        ),
        ("seed=null", "--set seed: seed must be a whole number from 0 to 2^64 - 1, got nothing"),
        ("seed=", "--set seed: has no value; leave the field out to have its default"),
        (
            "store= # a comment",
            "--set store: has no value; leave the field out to have its default, or write null",
        ),
        ("model=", "--set model: has no value; it is required"),
        (
            "keep={replicates: }",
            "--set keep: replicates has no value; leave the field out to have its default",
        ),
        (
            "dt=012",
            "--set dt: the value begins with a zero, which some readers take for octal, got 012: "
            "write 12 or '012'",
        ),
        ("seed=!!int 1", "--set seed: tags are not supported, got 'tag:yaml.org,2002:int'"),
        ("seed=&a 1", "--set seed: anchors (&name) are not supported"),
        ("seed=\x1b[31m", "--set seed: the character '\\x1b' is not allowed"),
        ("seed=\udcff", "--set seed: the character '\\udcff' is not allowed"),
        ("se\x1bed=1", "--set 'se\\x1bed': unknown field 'se\\x1bed'; did you mean 'seed'?"),
        ("seed", "--set seed: must be written --set name.of.field=value"),
        ("=1", "--set =1: must be written --set name.of.field=value"),
        ("a..b=1", "--set a..b=1: must be written --set name.of.field=value"),
        (".a=1", "--set .a=1: must be written --set name.of.field=value"),
        (
            "model.name=x",
            "--set model.name: model is not a mapping but 'dyad'; set model as a whole",
        ),
        (
            "design.grid.initial_trust.linspace=[0,1,3]",
            "--set design.grid.initial_trust.linspace: design.grid.initial_trust is not a mapping "
            "but [0, 1]; set design.grid.initial_trust as a whole",
        ),
        (
            "structure.a=" + "[" * 31 + "]" * 31,
            "--set structure.a: structure.a" + "[0]" * 30 + " is nested deeper than 32 levels",
        ),
    ],
)
def test_set__refused(refused, override, message):
    assert refused([override]) == message


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"replicats": 1},
            "override replicats: unknown field replicats; did you mean 'replicates'?",
        ),
        (
            {"keep": {"member": True}},
            "override keep.member: unknown field keep.member; did you mean 'members'?",
        ),
        ({"seed": True}, "override seed: seed must be a whole number from 0 to 2^64 - 1, got True"),
        ({1: 2}, "override 1: must be the dotted name of a field"),
        (
            {"structure.network": {1, 2}},
            "override structure.network: structure.network must be plain data (numbers, text, true "
            "or false, lists, mappings), got {1, 2}",
        ),
    ],
)
def test_mapping__refused(refused, overrides, message):
    assert refused(overrides) == message


def test_set__unclosed_list_is_named(refused):
    assert refused(["parameters.x=[1"]).startswith("--set parameters.x: not valid YAML: ")


def test_set__order_of_faults(load):
    with pytest.raises(ConfigError) as caught:
        load(["seed=x", "dt=y"])
    assert [line.split(":")[0] for line in str(caught.value).split("\n")] == [
        "--set seed",
        "--set dt",
    ]
