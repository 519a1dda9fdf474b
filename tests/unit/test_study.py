"""A study is checked at the door; its hash follows what can change results and nothing else."""

import dataclasses
import math
import warnings
from pathlib import Path

import numpy as np
import pytest

import fastalliance as fa
from fastalliance.study.checks import ResultWarning
from fastalliance.study.statistics import Statistics
from tests.unit.small_model import MODEL

DESIGN = fa.grid(start=[0.0, 1.0, 2.0], target=[0.5, 1.5])


def study(**fields) -> fa.Study:
    return fa.Study(MODEL, **{"design": DESIGN, "replicates": 20, "seed": 7, **fields})


def with_model(**changes) -> fa.Study:
    return fa.Study(dataclasses.replace(MODEL, **changes))


# --- resolved configuration and hash --------------------------------------------------------------


def test_resolved__holds_every_field():
    resolved = study(parameters={"rate": 0.25}, keep={"replicates": True}).resolved
    assert resolved["model"] == "small"
    assert (resolved["replicates"], resolved["seed"]) == (20, 7)
    assert (resolved["horizon"], resolved["dt"]) == (4.0, 0.5)
    assert resolved["parameters"] == {
        "rate": 0.25,
        "hit_rate": 0.2,
        "scale": 1.0,
        "halflife": math.inf,
        "members": 3.0,
        "mode": 0.0,
    }
    assert resolved["design"] == {"grid": {"start": [0.0, 1.0, 2.0], "target": [0.5, 1.5]}}
    assert resolved["keep"] == {"replicates": True, "members": False}
    assert resolved["statistics"] == {"quantiles": []}
    assert resolved["common_random_numbers"] is False
    assert not {"store", "execution"} & set(resolved)


CHANGED = [
    {"parameters": {"rate": 0.25}},
    {"parameters": {"mode": "wild"}},
    {"design": fa.grid(start=[0.0, 1.0, 2.0], target=[0.5, 1.25])},
    {"design": fa.grid(target=[0.5, 1.5], start=[0.0, 1.0, 2.0])},
    {"design": fa.grid(start=[0.0, 2.0, 1.0], target=[0.5, 1.5])},
    {"design": fa.grid(start=[0.0, 1.0, 2.0])},
    {"design": fa.table({"start": [0.0, 1.0, 2.0], "target": [0.5, 1.5, 0.5]})},
    {"design": fa.sample(6, ranges={"start": (0, 2), "target": (0.5, 1.5)})},
    {"design": fa.sample(6, ranges={"start": (0, 2), "target": (0.5, 1.5)}, seed=1)},
    {"design": None},
    {"replicates": 21},
    {"seed": 8},
    {"horizon": 5.0},
    {"dt": 0.25},
    {"common_random_numbers": True},
    {"statistics": {"quantiles": [0.5]}},
    {"statistics": {"quantiles": [0.25]}},
    {"keep": {"replicates": True}},
    {"keep": {"trajectories": {"every": 1.0, "replicates": 1}}},
    {"keep": {"trajectories": {"every": 1.0, "replicates": 2}}},
    {"keep": {"trajectories": {"every": 2.0, "replicates": 2}}},
]


def test_hash__differs_wherever_a_result_can_differ():
    hashes = [study().configuration_hash]
    hashes += [study(**changes).configuration_hash for changes in CHANGED]
    assert len(set(hashes)) == len(hashes)
    assert fa.Study("dyad", replicates=20, seed=7).configuration_hash not in hashes


def test_hash__follows_the_order_of_axes_with_equal_values():
    ways = [
        fa.grid(start=[0.0, 1.0], target=[0.0, 1.0]),
        fa.grid(target=[0.0, 1.0], start=[0.0, 1.0]),
    ]
    first, second = (study(design=design).configuration_hash for design in ways)
    assert first != second


@pytest.mark.parametrize(
    "same",
    [
        {},
        {"store": "elsewhere.zarr"},
        {"execution": {"threads": 1}},
        {"execution": {"executor": "threads"}},
        {"parameters": {"rate": 0.5}},
        {"parameters": {"mode": "calm", "members": 3}},
        {"parameters": {"mode": 0}},
        {"horizon": 4},
        {"dt": 0.5, "structure": {}},
        {"design": {"grid": {"start": {"linspace": [0, 2, 3]}, "target": [0.5, 1.5]}}},
        {"design": fa.grid(start=np.arange(3), target=(0.5, np.float32(1.5)))},
        {"seed": np.uint64(7), "replicates": np.int32(20)},
        {"keep": {"replicates": False}, "statistics": {}},
    ],
    ids=repr,
)
def test_hash__is_the_same_where_no_result_can_differ(same):
    assert study(**same).configuration_hash == study().configuration_hash


STUDIES = {
    "grid": {},
    "table": {"design": fa.table({"start": [0.1, 0.2], "mode": ["calm", "wild"]})},
    "sample": {"design": fa.sample(5, ranges={"start": (0.1, 0.7), "members": (1, 9)}, seed=3)},
    "point": {"design": None, "parameters": {"start": 1 / 3, "mode": "wild", "members": 4}},
    "rules": {"design": {"grid": {"start": {"geomspace": [0.1, 0.7, 4]}}}},
    "all": {
        "seed": 2**64 - 1,
        "horizon": 6.0,
        "dt": 0.25,
        "common_random_numbers": True,
        "statistics": {"quantiles": [0.1, 1 / 3]},
        "keep": {"replicates": True, "trajectories": {"every": 0.75, "replicates": 2}},
        "store": "results/a b.zarr",
        "execution": {"threads": 2},
    },
}


@pytest.mark.parametrize("name", STUDIES)
def test_yaml__round_trip_is_the_same_study(name, tmp_path):
    first = study(**STUDIES[name])
    text = first.to_yaml(tmp_path / "study.yaml")
    again = fa.Study.from_yaml(tmp_path / "study.yaml", model=MODEL)
    assert again.configuration_hash == first.configuration_hash
    assert again.resolved == first.resolved
    assert again.configuration.store == first.configuration.store
    assert again.configuration.execution == first.configuration.execution
    assert again.to_yaml() == text
    for key, values in first.coordinates.items():
        np.testing.assert_array_equal(again.coordinates[key], values)


def test_yaml__overrides(tmp_path):
    study().to_yaml(tmp_path / "study.yaml")
    for overrides in (
        {"replicates": 10, "parameters": {"rate": 0.1}},
        ["replicates=10", "parameters.rate=0.1"],
    ):
        changed = fa.Study.from_yaml(tmp_path / "study.yaml", overrides=overrides, model=MODEL)
        assert changed.replicates == 10
        assert changed.fixed["rate"] == 0.1


def test_yaml__faults_of_the_model_name_the_line(tmp_path):
    path = tmp_path / "study.yaml"
    cases = {
        "parameters:\n  rat: 1.0": (fa.ParameterError, "line 3: .*'rat'.*did you mean 'rate'"),
        "parameters:\n  scale: 0.0": (fa.ParameterError, "line 3: .*small.scale must be > 0"),
        "design:\n  grid:\n    strat: [1]": (fa.ParameterError, "line 4: .*did you mean 'start'"),
        "design:\n  grid:\n    start: [1, 99]": (fa.ParameterError, r"line 4: .*start\[1\] .*99"),
        "dt: 0.3": (fa.ConfigError, "line 2: .*horizon must be a multiple of dt"),
        "keep: {trajectories: {every: 0.7, replicates: 1}}": (
            fa.ConfigError,
            "line 2: .*every must",
        ),
        "structure:\n  members: 3": (fa.FastAllianceError, "line 3: .*members"),
    }
    for text, (error, message) in cases.items():
        path.write_text(f"model: small\n{text}\n")
        with pytest.raises(error, match=rf"study\.yaml, {message}"):
            fa.Study.from_yaml(path, model=MODEL)


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        (
            {"parameters": {"start": 1.0}},
            fa.DesignError,
            "start is given both in parameters and in",
        ),
        (
            {"parameters": {"rat": 1.0}},
            fa.ParameterError,
            "no parameter 'rat'; did you mean 'rate'",
        ),
        ({"parameters": {"rate": -1.0}}, fa.ParameterError, "small.rate must be >= 0 per month"),
        ({"parameters": {"rate": math.nan}}, fa.ConfigError, "parameters.rate"),
        (
            {"parameters": {"rate": math.inf}},
            fa.ParameterError,
            "small.rate must be finite and >= 0 per mon",
        ),
        ({"parameters": {"mode": "wlid"}}, fa.ParameterError, "did you mean 'wild'"),
        ({"parameters": {"members": 2.5}}, fa.ParameterError, "members must be a whole number"),
        ({"replicates": 0}, fa.ConfigError, "replicates must be a whole number from 1 to 2.24"),
        ({"replicates": 2**24 + 1}, fa.ConfigError, "replicates must be a whole number"),
        ({"replicates": 10.0}, fa.ConfigError, "replicates must be a whole number"),
        ({"replicates": True}, fa.ConfigError, "replicates must be a whole number"),
        ({"seed": -1}, fa.ConfigError, "seed must be a whole number from 0"),
        ({"seed": 2**64}, fa.ConfigError, "seed"),
        ({"seed": 1.0}, fa.ConfigError, "seed must be a whole number"),
        ({"seed": True}, fa.ConfigError, "seed must be a whole number"),
        ({"seed": "7"}, fa.ConfigError, "seed must be a whole number"),
        ({"dt": 0.0}, fa.ConfigError, "dt must be a finite number > 0"),
        ({"dt": -0.5}, fa.ConfigError, "dt must be a finite number > 0"),
        ({"dt": math.nan}, fa.ConfigError, "dt must be a finite number > 0"),
        ({"dt": math.inf}, fa.ConfigError, "dt must be a finite number > 0"),
        ({"horizon": 0}, fa.ConfigError, "horizon must be a finite number > 0"),
        ({"dt": 8.0}, fa.ConfigError, "dt must not exceed the horizon 4, got 8"),
        ({"dt": 0.3}, fa.ConfigError, "horizon must be a multiple of dt: 4 / 0.3 = 13.3333"),
        (
            {"horizon": 1234567.5, "dt": 1.0},
            fa.ConfigError,
            "multiple of dt: 1234567.5 / 1 = 1234567.5 steps; horizon 1234568 would be",
        ),
        ({"dt": 1234567.5}, fa.ConfigError, "dt must not exceed the horizon 4, got 1234567.5"),
        ({"dt": 1e-9}, fa.ConfigError, "4,000,000,000 steps; at most 2,147,483,647"),
        ({"dt": 5e-324}, fa.ConfigError, "inf steps; at most"),
        ({"horizon": 1e308, "dt": 1e-3}, fa.ConfigError, "steps; at most"),
        ({"structure": {"members": 3}}, fa.FastAllianceError, "members"),
        ({"keep": {"members": True}}, fa.ConfigError, "keep.members: small has no members"),
        ({"statistics": {"quantiles": [1.5]}}, fa.ConfigError, "must be a number from 0 to 1"),
        ({"statistics": {"quantiles": [0.5, 0.5]}}, fa.ConfigError, "must not repeat"),
        (
            {"statistics": {"quantiles": [0.5]}, "replicates": 10**6 + 1},
            fa.ConfigError,
            "exact quantiles take at most 1,000,000 replicates per point, got 1,000,001",
        ),
        ({"design": {"grid": {}}}, fa.ConfigError, "design.grid must not be empty"),
        (
            {"design": [1.0]},
            fa.DesignError,
            "design must be made by fa.grid, fa.table or fa.sample",
        ),
        ({"design": {"start": [1.0]}}, fa.ConfigError, "unknown field design.start; valid names: "),
    ],
)
def test_field__that_is_wrong_is_refused(fields, error, message):
    with pytest.raises(error, match=message):
        study(**fields)


def test_model__of_an_unknown_name():
    with pytest.raises(fa.ModelError, match="there is no model 'dyda'; did you mean 'dyad'"):
        fa.Study("dyda")
    with pytest.raises(fa.ConfigError, match="model must be the name of a model or a"):
        fa.Study(3)


def test_files__that_cannot_be_read_or_written(tmp_path):
    with pytest.raises(fa.ConfigError, match="cannot be read"):
        fa.Study.from_yaml(tmp_path / "nothing.yaml")
    with pytest.raises(fa.ConfigError, match="path must be a path, got 3"):
        fa.Study.from_yaml(3)
    with pytest.raises(fa.ConfigError, match="cannot be written: Is a directory"):
        study().to_yaml(tmp_path)


def test_model__given_beside_a_file_must_be_the_one_named(tmp_path):
    (tmp_path / "study.yaml").write_text("model: dyad\n")
    with pytest.raises(fa.ConfigError, match="model is 'dyad', but the model given is 'small'"):
        fa.Study.from_yaml(tmp_path / "study.yaml", model=MODEL)
    with pytest.raises(fa.ConfigError, match=r"model must be a fa\.Model, got 'dyad'"):
        fa.Study.from_yaml(tmp_path / "study.yaml", model="dyad")


@pytest.mark.parametrize(
    ("every", "replicates", "message"),
    [
        (0.7, 1, "keep.trajectories.every must be a multiple of dt 0.5, got 0.7"),
        (0.25, 1, "keep.trajectories.every must be a multiple of dt 0.5, got 0.25"),
        (1.5, 1, "keep.trajectories.every must divide the horizon 4, got 1.5"),
        (4.0000001, 1, "must not exceed the horizon 4, got 4.0000001"),
        (5.0, 1, "keep.trajectories.every must not exceed the horizon 4, got 5"),
        (1e308, 1, "keep.trajectories.every must not exceed the horizon 4"),
        (0.0, 1, "keep.trajectories.every must be a finite number > 0"),
        (1.0, 21, "keep.trajectories.replicates must be <= replicates"),
        (1.0, 0, "keep.trajectories.replicates must be a whole number from 1"),
    ],
)
def test_trajectories__that_do_not_fit_are_refused(every, replicates, message):
    with pytest.raises(fa.ConfigError, match=message):
        study(keep={"trajectories": {"every": every, "replicates": replicates}})


# --- the model's own rules ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("design", "point"),
    [
        (None, ""),
        (fa.grid(start=[0.0, 1.0]), ""),
        (fa.grid(rate=[0.5, 1.0, 2.5]), " at rate 2.5"),
        (fa.table({"rate": [2.5, 0.5], "start": [0.0, 1.0]}), " at rate 2.5"),
    ],
)
def test_step_size__beyond_the_fastest_rate_names_the_point(design, point):
    varied = design is not None and "rate" in design.axes
    parameters = {} if varied else {"rate": 2.5}
    expected = (
        f"dt must be <= 0.4 month for small{point} "
        r"\(its fastest rate is 2.5 per month\), got 0.5"
    )
    with pytest.raises(fa.ConfigError, match=expected):
        study(design=design, parameters=parameters)
    study(design=design, parameters=parameters, dt=0.4)  # just stable


def test_step_size__looks_at_every_point_of_a_long_table():
    model = dataclasses.replace(MODEL, fastest_rate=lambda p: max(p.hit_rate, p.rate))
    hit_rates = np.linspace(0.0, 1.9, 50_000)
    rates = np.full(50_000, 0.5)
    rates[31_234] = 2.125
    with pytest.raises(fa.ConfigError, match=r"at hit_rate 1.18691573831, rate 2.125"):
        fa.Study(model, design=fa.table({"hit_rate": hit_rates, "rate": rates}))


def test_step_size__follows_branches_that_only_some_points_take():
    model = dataclasses.replace(MODEL, fastest_rate=lambda p: p.rate if p.mode == 0.0 else p.target)
    fa.Study(model, design=fa.grid(mode=["calm", "wild"], target=[1.0, 2.0]))
    with pytest.raises(fa.ConfigError, match=r"at mode 5, target 3"):
        fa.Study(model, design=fa.grid(mode=["calm", "wild"], target=[1.0, 3.0]))


@pytest.mark.parametrize(
    ("rate", "error", "message"),
    [
        (lambda p: 1.0 / p.target, fa.ConfigError, r"dt must be shorter for small .*rate is inf"),
        (lambda p: p.raet, fa.ModelError, r"AttributeError: p has no 'raet'; did you mean 'rate'"),
        (lambda p: None, fa.ModelError, "fastest_rate is no number but None"),
        (lambda p: math.nan, fa.ModelError, "fastest_rate is no number but nan"),
        (lambda p: math.sqrt(-1.0), fa.ModelError, r"test_study.py:\d+ failed: ValueError"),
    ],
)
def test_fastest_rate__that_fails_is_a_named_error(rate, error, message):
    with pytest.raises(error, match=message):
        with_model(fastest_rate=rate)


def test_fastest_rate__sees_p_as_formulas_do():
    with_model(fastest_rate=lambda p: p[2])
    with_model(fastest_rate=lambda p: sum(p) * 0.0 if p.halflife < 9.0 else min(p.rate, 1.0))


def test_caution__warns_once_at_the_caller_and_names_a_point():
    model = dataclasses.replace(
        MODEL, cautions=[fa.Caution("targets are far", lambda p, dt: abs(p.target) > dt)]
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fa.Study(model, design=fa.grid(target=[0.1, 0.9, 1.2]))
        fa.simulate(model, parameters={"target": 3.0})
        fa.Study(model, design=fa.grid(target=[0.1, 0.2]))
    assert [str(warning.message) for warning in caught] == [
        "small at target 0.9: targets are far",
        "small: targets are far",
    ]
    assert {warning.category for warning in caught} == {ResultWarning}
    assert {Path(warning.filename).name for warning in caught} == {"test_study.py"}


def test_statistics__of_a_study_are_those_of_its_model():
    statistics = study(statistics={"quantiles": [0.5]}).statistics(study().tiling())
    assert isinstance(statistics, Statistics)
    assert statistics.time_unit == "month"
    assert statistics.quantile_outputs == ("level_end", "n_hits", "hit_time")
