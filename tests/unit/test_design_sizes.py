"""Samples, axes by rule, and designs too large to exist: refused before anything is allocated."""

import itertools
import math
import time
import tracemalloc

import numpy as np
import pytest

import fastalliance as fa
from fastalliance.study import axes
from tests.unit.small_model import MODEL

METHODS = ["sobol", "latin_hypercube", "uniform"]


def study(design, **options) -> fa.Study:
    return fa.Study(MODEL, design=design, **options)


def axis(rule, name: str = "target") -> list[float]:
    return study({"grid": {name: rule}}).coordinates[name].tolist()


# --- samples --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [1, 2, 7, 64])
def test_sample__fills_its_ranges_and_repeats(method, n):
    ranges = {"start": (-10.0, 10.0), "target": (100.0, 101.0), "scale": (0.1, 0.3)}
    first, again, other = (
        study(fa.sample(n, ranges=ranges, method=method, seed=seed)).coordinates
        for seed in (3, 3, 4)
    )
    for name, (low, high) in ranges.items():
        assert first[name].shape == (n,)
        assert ((low <= first[name]) & (first[name] <= high)).all()
        np.testing.assert_array_equal(first[name], again[name])
        assert (first[name] != other[name]).all()


def test_sample__of_sobol_is_balanced():
    coordinates = study(fa.sample(256, ranges={"start": (0, 1), "target": (0, 1)})).coordinates
    cells = np.stack([coordinates["start"], coordinates["target"]]) * 16
    counts = np.unique(np.floor(cells).astype(int), axis=1, return_counts=True)[1]
    assert counts.tolist() == [1] * 256  # one point in each of 16 x 16 cells


def test_sample__of_a_latin_hypercube_hits_each_row_once():
    sample = fa.sample(50, ranges={"start": (0, 1), "target": (0, 1)}, method="latin_hypercube")
    for values in study(sample).coordinates.values():
        assert sorted(np.floor(values * 50).tolist()) == list(range(50))


def test_sample__a_longer_sobol_sample_begins_alike():
    short, long = (study(fa.sample(n, ranges={"start": (0, 1)})).coordinates for n in (100, 128))
    np.testing.assert_array_equal(short["start"], long["start"][:100])


def test_sample__of_whole_numbers_takes_each_alike():
    values = study(fa.sample(900, ranges={"members": (1, 9)}, method="latin_hypercube"))
    counts = np.unique(values.coordinates["members"], return_counts=True)
    assert counts[0].tolist() == list(range(1, 10))
    assert counts[1].tolist() == [100] * 9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "sample.n must be from 1"),
        ({"n": 2.0}, "sample.n must be a whole number"),
        ({"n": True}, "sample.n must be a whole number"),
        ({"n": 2**31, "method": "uniform"}, "has 2,147,483,648 values|takes about"),
        ({"method": "sobbol"}, "must be one of sobol.*did you mean 'sobol'"),
        ({"seed": -1}, "sample.seed must be from 0"),
        ({"seed": 1.5}, "sample.seed must be a whole number"),
        ({"seed": None}, "sample.seed must be a whole number"),
        ({"ranges": {}}, "ranges must give low and high"),
        ({"ranges": [("start", 0, 1)]}, "ranges must give low and high"),
        ({"ranges": {"start": (1.0, 1.0)}}, r"finite with low < high, got \[1, 1\]"),
        ({"ranges": {"start": (2.0, 1.0)}}, "finite with low < high"),
        ({"ranges": {"start": (1000001.5, 1e6)}}, r"got \[1000001\.5, 1000000\]"),
        ({"ranges": {"start": (0.0, math.nan)}}, "finite with low < high"),
        ({"ranges": {"target": (0.0, math.inf)}}, "finite with low < high"),
        ({"ranges": {"target": (-1e308, 1e308)}}, "finite with low < high"),
        ({"ranges": {"start": ("0", "1")}}, "must be .low, high., two numbers"),
        ({"ranges": {"start": (False, True)}}, "must be .low, high., two numbers"),
        ({"ranges": {"start": (0.0, 0.5, 1.0)}}, "must be .low, high."),
        ({"ranges": {"start": 1.0}}, "must be .low, high."),
    ],
)
def test_sample__refuses(arguments, message):
    with pytest.raises(fa.DesignError, match=message):
        fa.sample(**{"n": 8, "ranges": {"start": (0.0, 1.0)}, **arguments})


@pytest.mark.parametrize(
    ("ranges", "error", "message"),
    [
        ({"strat": (0, 1)}, fa.ParameterError, "did you mean 'start'"),
        ({"start": (0, 11)}, fa.ParameterError, "ranges.start .*got 11"),
        ({"scale": (0.0, 1.0)}, fa.DesignError, "ranges.scale .*raise the lower end"),
        ({"members": (1.5, 3)}, fa.ParameterError, "ranges.members .*whole number"),
        ({"mode": (0, 5)}, fa.DesignError, "ranges.mode: a choice cannot be sampled"),
    ],
)
def test_sample__refuses_what_the_model_cannot_take(ranges, error, message):
    with pytest.raises(error, match=message):
        study(fa.sample(4, ranges=ranges))


# --- axes by rule ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.1, 0.7), (-3.0, 1 / 3), (5.0, -2.0)])
@pytest.mark.parametrize("n", [2, 3, 11, 101])
def test_linspace__has_exact_ends_and_equal_steps(low, high, n):
    values = axis({"linspace": [low, high, n]})
    assert (values[0], values[-1], len(values)) == (low, high, n)
    np.testing.assert_allclose(values, np.linspace(low, high, n), rtol=1e-15, atol=1e-15)
    assert all((b - a) * (high - low) > 0 for a, b in itertools.pairwise(values))


@pytest.mark.parametrize(("low", "high"), [(1e-3, 1e3), (0.1, 0.7), (-1.0, -8.0), (7.0, 3.0)])
@pytest.mark.parametrize("n", [2, 3, 31])
def test_geomspace__has_exact_ends_and_equal_ratios(low, high, n):
    values = axis({"geomspace": [low, high, n]})
    assert (values[0], values[-1], len(values)) == (low, high, n)
    np.testing.assert_allclose(values, np.geomspace(low, high, n), rtol=1e-13)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ([0, 1, 0.25], [0.0, 0.25, 0.5, 0.75]),
        ([0, 0.3, 0.1], [0.0, 0.1, 0.2]),
        ([1, 1.3, 0.1], [1.0, 1.1, 1.2]),  # NumPy has a fourth value, 1.3
        ([0, 1, 0.1], [i * 0.1 for i in range(10)]),
        ([2, 0, -0.5], [2.0, 1.5, 1.0, 0.5]),
        ([0, 1, 5], [0.0]),
    ],
)
def test_arange__leaves_its_end_out(rule, expected):
    assert axis({"arange": rule}) == expected


@pytest.mark.parametrize("kind", ["linspace", "geomspace"])
def test_rules__with_one_value_give_the_first(kind):
    assert axis({kind: [2.0, 3.0, 1]}) == [2.0]


def test_rules__are_the_same_from_yaml_and_python(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("model: dyad\ndesign: {grid: {initial_trust: {linspace: [0.1, 0.7, 7]}}}\n")
    listed = fa.Study.from_yaml(path).coordinates["initial_trust"]
    rule = {"grid": {"initial_trust": {"linspace": [0.1, 0.7, 7]}}}
    np.testing.assert_array_equal(
        listed, fa.Study("dyad", design=rule).coordinates["initial_trust"]
    )


# --- sizes ----------------------------------------------------------------------------------------


@pytest.fixture
def frugal():
    """Fail where a refusal takes seconds of computing or ten megabytes."""
    tracemalloc.start()
    begin = time.process_time()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10e6
    assert time.process_time() - begin < 2.0


LONG = {"linspace": [0.0, 1.0, 100_000]}


@pytest.mark.usefixtures("frugal")
@pytest.mark.parametrize(
    "design",
    [
        {"grid": {"start": LONG, "target": LONG, "rate": LONG}},
        {"grid": {"target": {"arange": [0.0, 4e9, 1.0]}, "start": LONG}},
    ],
)
def test_size__grids_beyond_the_address_space_are_refused(design):
    with pytest.raises(
        fa.DesignError, match=r"points, at most 4,294,967,296 .* would take .* [TG]iB"
    ):
        study(design)


@pytest.mark.usefixtures("frugal")
def test_size__a_grid_of_arrays_is_refused_when_it_is_made():
    values = np.linspace(0.0, 1.0, 10)
    with pytest.raises(fa.DesignError, match=r"the design has 10,000,000,000 points"):
        fa.grid(**{f"parameter_{i}": values for i in range(10)})


@pytest.mark.usefixtures("frugal")
def test_size__an_endless_range_is_refused():
    with pytest.raises(fa.DesignError, match=r"start has 1,000,000,000,000,000 points"):
        fa.grid(start=range(10**15))


@pytest.mark.usefixtures("frugal")
@pytest.mark.parametrize(
    "design",
    [
        lambda: {"grid": {"target": {"linspace": [0.0, 1.0, 2**32 - 1]}}},
        lambda: {"grid": {"target": {"arange": [0.0, 4e9, 1.0]}}},
        lambda: {"sample": {"n": 2**32 - 1, "ranges": {"target": [0.0, 1.0]}}},
        lambda: fa.grid(target=range(4 * 10**9)),
        lambda: fa.sample(2**30 + 1, ranges={"target": (0.0, 1.0)}),
    ],
)
def test_size__values_beyond_memory_are_refused(design, monkeypatch):
    monkeypatch.setattr(axes, "free_memory", lambda: 8 * 2**30)
    with pytest.raises(fa.DesignError, match=r"takes about .* of memory, 8\.0 GiB are free"):
        study(design())


def huge() -> fa.Study:
    """60,000 x 60,000 points: 3.6e9, which exist but fit nowhere."""
    rule = {"linspace": [0.0, 1.0, 60_000]}
    return study({"grid": {"start": rule, "target": rule}}, replicates=2**24)


def test_size__a_huge_study_plans_at_once():
    begin = time.process_time()
    plan = huge().plan()
    assert time.process_time() - begin < 5.0
    assert isinstance(plan.points, int)
    assert plan.points == 3_600_000_000
    assert plan.instance_steps == 3_600_000_000 * 2**24 * 8
    assert "777.8 GiB" in str(plan)
    assert repr(plan) == str(plan)


def test_size__a_huge_study_is_not_run_in_memory():
    with pytest.raises(fa.DesignError, match=r"the result takes about .* [GT]iB of memory"):
        huge().run()


def test_size__a_huge_study_is_not_run_to_disk(tmp_path):
    with pytest.raises(fa.StoreError, match=r"the run needs .* are free"):
        huge().run(store=tmp_path / "huge.zarr")
    assert list(tmp_path.iterdir()) == []


def test_size__many_points_are_checked_quickly():
    table = fa.table({"start": np.linspace(0.0, 1.0, 300_000), "target": np.zeros(300_000)})
    begin = time.process_time()
    assert study(table).design.n_points == 300_000
    assert time.process_time() - begin < 10.0
