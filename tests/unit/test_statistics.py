"""Statistics over replicates against NumPy, closed forms and simulation; blocks merge exactly."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import norm

import fastalliance as fa
from fastalliance.library.names import result_names
from fastalliance.study.statistics import Statistics
from fastalliance.study.summaries import exact_quantiles
from tests.chance import LIMIT, SEED

Z95 = float(norm.ppf(0.975))  # not the package's own: it would agree with itself
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.9, 1.0)
LEVEL = fa.Output("level", unit="value", description="a level")
TIME = fa.Output("time_to_end", "time", description="when it ended")
EVENTS = fa.Output("events", "count", description="a count")
FLAG = fa.Output("flag", "binary", description="whether")
FATE = fa.Output("fate", "category", categories={"lives": 0, "merged": 1, "gone": 7})
OUTPUTS = (LEVEL, TIME, EVENTS, FLAG, FATE)
RATE = fa.Ratio("rate", "events", "level", description="events per level")
N_POINTS = 5


def statistics(n_blocks: int = 1, quantiles=QUANTILES, outputs=OUTPUTS, ratios=(RATE,)):
    return Statistics(outputs, ratios, "month", quantiles, n_blocks)


def raw_outputs(n_replicates: int, seed: int = SEED, missing: float = 0.2) -> np.ndarray:
    """Return (output, point, replicate) with NaN in a fifth of the values of most outputs."""
    draw = np.random.default_rng(seed)
    shape = (N_POINTS, n_replicates)
    values = np.stack(
        [
            draw.normal(1e3, 2.0, shape),
            draw.exponential(12.0, shape),
            draw.poisson(3.0, shape).astype(float),
            (draw.random(shape) < 0.3).astype(float),
            draw.choice([0.0, 1.0, 7.0], shape, p=[0.5, 0.3, 0.2]),
        ]
    )
    values[draw.random(values.shape) < missing] = np.nan
    return values


def no_invalid(values: np.ndarray) -> np.ndarray:
    return np.zeros(values.shape[1:], dtype=bool)


def finished(values: np.ndarray, **options) -> dict[str, np.ndarray]:
    stats = statistics(**options)
    return stats.finish(stats.reduce(values, no_invalid(values)))


def finished_in_blocks(values: np.ndarray, cuts: list[int], **options) -> dict[str, np.ndarray]:
    stats = statistics(n_blocks=len(cuts) + 1, **options)
    blocks = np.split(values, cuts, axis=2)
    columns = stats.merge([stats.reduce(block, no_invalid(block)) for block in blocks])
    names = [output.name for output in stats.outputs]
    raw = values[[names.index(name) for name in stats.quantile_outputs]]
    return stats.finish(columns, raw if stats.quantiles else None)


@pytest.mark.parametrize(("index", "name"), [(0, "level"), (1, "time_to_end"), (2, "events")])
def test_moments__equal_numpy(index, name):
    values = raw_outputs(700)
    got = finished(values)
    mine = values[index]
    count = (~np.isnan(mine)).sum(axis=1)
    expected = {
        "mean": np.nanmean(mine, axis=1),
        "std": np.nanstd(mine, axis=1, ddof=1),
        "stderr": np.nanstd(mine, axis=1, ddof=1) / np.sqrt(count),
        "min": np.nanmin(mine, axis=1),
        "max": np.nanmax(mine, axis=1),
        "count": count,
    }
    for what, value in expected.items():
        np.testing.assert_allclose(got[f"{name}_{what}"], value, rtol=1e-12, err_msg=what)
    np.testing.assert_array_equal(got[f"{name}_min"], expected["min"])
    np.testing.assert_array_equal(got[f"{name}_count"], count)


@pytest.mark.parametrize("n_replicates", [1, 2, 3, 10, 701])
def test_quantiles__equal_numpy(n_replicates):
    values = raw_outputs(n_replicates, missing=0.0)[0]
    for quantile, got in zip(QUANTILES, exact_quantiles(values, QUANTILES), strict=True):
        np.testing.assert_array_equal(got, np.quantile(values, quantile, axis=1))


def test_quantiles__skip_nan_as_numpy_does():
    values = raw_outputs(300)
    got = finished(values)["time_to_end_quantile"]
    np.testing.assert_array_equal(got, np.nanquantile(values[1], QUANTILES, axis=1).T)


def test_quantiles__of_wide_and_equal_values_stay_between_their_neighbours():
    values = np.array([[-1e308, 0.0, 1e308], [5.0, 5.0, 5.0]])
    for quantile in np.linspace(0.0, 1.0, 41).tolist():
        (got,) = exact_quantiles(values, (quantile,))
        assert -1e308 <= got[0] <= 1e308
        assert got[1] == 5.0


def test_standard_deviation__is_accurate_at_a_large_mean():
    values = raw_outputs(4000, missing=0.0)
    values[0] += 1e9
    got = finished(values)["level_std"]
    np.testing.assert_allclose(got, np.std(values[0] - 1e9, axis=1, ddof=1), rtol=1e-6)


def test_binary__mean_and_wilson_interval():
    values = raw_outputs(400)
    got = finished(values)
    n = (~np.isnan(values[3])).sum(axis=1)
    p = np.nansum(values[3], axis=1) / n
    np.testing.assert_array_equal(got["flag_mean"], p)
    np.testing.assert_array_equal(got["flag_count"], n)
    # The interval's ends are the two roots of |p - x| = z sqrt(x (1 - x) / n).
    for bound, sign in (("low", 1.0), ("high", -1.0)):
        x = got[f"flag_{bound}"]
        np.testing.assert_allclose(p - x, sign * Z95 * np.sqrt(x * (1.0 - x) / n), rtol=1e-10)


@pytest.mark.parametrize("n", [1, 2, 50, 10**7])
def test_binary__interval_of_none_and_all(n):
    stats = statistics(outputs=(FLAG,), ratios=())
    zeros, ones = (stats.finish(np.array([[0.0, n, count]])) for count in (0.0, float(n)))
    z2 = Z95 * Z95
    assert zeros["flag_low"] == 0.0
    assert ones["flag_high"] == 1.0
    np.testing.assert_allclose(zeros["flag_high"], z2 / (n + z2), rtol=1e-9)
    np.testing.assert_allclose(1.0 - ones["flag_low"], z2 / (n + z2), rtol=1e-9)


def test_category__shares():
    values = raw_outputs(300)
    got = finished(values)
    n = (~np.isnan(values[4])).sum(axis=1)
    for name, code in FATE.categories.items():
        np.testing.assert_array_equal(
            got[f"fate_{name}_share"], (values[4] == code).sum(axis=1) / n
        )
    np.testing.assert_array_equal(got["fate_count"], n)
    total = sum(got[f"fate_{name}_share"] for name in FATE.categories)
    np.testing.assert_allclose(total, 1.0, rtol=1e-15)


def test_ratio__is_the_ratio_of_sums_over_complete_pairs():
    values = raw_outputs(500)
    top, bottom = values[2], values[0]
    both = ~(np.isnan(top) | np.isnan(bottom))
    expected = np.where(both, top, 0.0).sum(axis=1) / np.where(both, bottom, 0.0).sum(axis=1)
    np.testing.assert_allclose(finished(values)["rate"], expected, rtol=1e-13)


def test_ratio__standard_error_by_closed_form():
    values = raw_outputs(500, missing=0.0)
    y, x = values[2], values[0]
    ratio = y.mean(axis=1) / x.mean(axis=1)
    residual = y - ratio[:, None] * x
    expected = np.std(residual, axis=1, ddof=1) / np.sqrt(500) / x.mean(axis=1)
    np.testing.assert_allclose(finished(values)["rate_stderr"], expected, rtol=1e-10)


def test_ratio__standard_error_is_the_spread_over_repetitions():
    """2,000 repetitions: the observed spread has a relative standard error of 1.6 %."""
    draw = np.random.default_rng(SEED)
    n_repetitions, n = 2000, 200
    judged = (draw.random((n_repetitions, n)) < 0.6).astype(float)
    succeeded = judged * (draw.random((n_repetitions, n)) < 0.3)
    outputs = (fa.Output("succeeded", "binary"), fa.Output("judged", "binary"))
    stats = statistics(
        outputs=outputs, ratios=(fa.Ratio("success_rate", "succeeded", "judged"),), quantiles=()
    )
    values = np.stack([succeeded, judged])
    got = stats.finish(stats.reduce(values, no_invalid(values)))
    spread = got["success_rate"].std(ddof=1)
    relative = 1.0 / math.sqrt(2.0 * (n_repetitions - 1))
    assert abs(got["success_rate_stderr"].mean() / spread - 1.0) < LIMIT * relative
    z = (got["success_rate"].mean() - 0.3) / (spread / math.sqrt(n_repetitions))
    assert abs(z) < LIMIT


def test_ratio__empty_denominators_are_nan():
    values = raw_outputs(40)
    values[0, 1] = 0.0  # denominator's sum is 0
    values[0, 2] = np.nan  # no pair at all
    got = finished(values, quantiles=())
    assert np.isnan(got["rate"][[1, 2]]).all()
    assert np.isnan(got["rate_stderr"][[1, 2]]).all()
    assert np.isfinite(got["rate"][[0, 3, 4]]).all()


CUTS = [[300], [300, 600], [1, 2, 650], [100, 200, 300, 400, 500], [350, 699]]


@pytest.mark.parametrize("cuts", CUTS, ids=str)
def test_blocks__merge_to_a_single_pass(cuts):
    values = raw_outputs(700)
    whole, parts = finished(values), finished_in_blocks(values, cuts)
    assert list(whole) == list(parts)
    for name, value in whole.items():
        tolerance = 1e-12 if name != "level_std" and not name.endswith("stderr") else 1e-10
        np.testing.assert_allclose(parts[name], value, rtol=tolerance, err_msg=name)
    exact = ["count", "min", "max", "quantile", "share", "low", "high"]
    for name in whole:
        if name.rsplit("_", 1)[-1] in exact or name in ("flag_mean", "n_invalid"):
            np.testing.assert_array_equal(parts[name], whole[name], err_msg=name)


def test_blocks__without_a_value_change_nothing():
    values = raw_outputs(300)
    empty = np.full_like(values, np.nan)
    whole = finished(values)
    for order in (
        [values, empty],
        [empty, values],
        [empty, values, empty],
        [empty, empty, values, empty],
    ):
        cuts = [300 * i for i in range(1, len(order))]
        parts = finished_in_blocks(np.concatenate(order, axis=2), cuts)
        for name, value in whole.items():
            np.testing.assert_allclose(parts[name], value, rtol=1e-14, err_msg=name)


def test_blocks__count_invalid_replicates():
    values = raw_outputs(30)
    invalid = np.random.default_rng(1).random(values.shape[1:]) < 0.4
    stats = statistics(n_blocks=3, quantiles=())
    blocks = zip(np.split(values, 3, axis=2), np.split(invalid, 3, axis=1), strict=True)
    merged = stats.merge([stats.reduce(*block) for block in blocks])
    np.testing.assert_array_equal(stats.finish(merged)["n_invalid"], invalid.sum(axis=1))


@pytest.mark.parametrize("n_blocks", [1, 3])
def test_no_value__is_nan_with_count_zero(n_blocks):
    values = np.full((5, N_POINTS, 30), np.nan)
    got = finished_in_blocks(values, [10, 20]) if n_blocks == 3 else finished(values)
    for name, value in got.items():
        counts = name.endswith("_count") or name == "n_invalid"
        np.testing.assert_array_equal(value, 0.0 if counts else np.nan, err_msg=name)


@pytest.mark.parametrize("n_blocks", [1, 3])
def test_one_value__has_a_mean_and_no_spread(n_blocks):
    values = np.full((5, N_POINTS, 30), np.nan)
    values[:, :, 17] = 1.0
    got = finished_in_blocks(values, [10, 20]) if n_blocks == 3 else finished(values)
    for name in ("level_std", "level_stderr", "rate_stderr"):
        assert np.isnan(got[name]).all()
    for name in ("level_mean", "level_min", "level_max", "level_count", "flag_mean", "rate"):
        np.testing.assert_array_equal(got[name], 1.0)
    np.testing.assert_array_equal(got["level_quantile"], 1.0)


def test_constant_values__have_no_spread():
    values = np.full((5, N_POINTS, 900), 1.0)
    for got in (finished(values), finished_in_blocks(values, [1, 300, 500])):
        assert not got["level_std"].any()
        assert not got["rate_stderr"].any()


def test_huge_values__do_not_warn():
    values = raw_outputs(50, missing=0.0)
    values[0] = 1e200
    values[0, :, 0] = -1e200
    got = finished_in_blocks(values, [20])
    np.testing.assert_allclose(got["level_mean"], 0.96e200)
    assert np.isinf(got["level_std"]).all()  # its square is beyond the doubles


@pytest.mark.parametrize(("index", "kind"), [(3, "binary"), (4, "category")])
@pytest.mark.parametrize("value", [0.5, 2.0, -1.0])
def test_codes__others_than_declared_are_refused(index, kind, value):
    values = raw_outputs(50)
    values[index, 2, 3] = value
    with pytest.raises(fa.ModelError, match=rf"declared as {kind}.*, got {value:g}"):
        finished(values)


def test_variables__are_those_that_names_are_kept_free_for():
    for output in OUTPUTS:
        stats = statistics(outputs=(output,), ratios=())
        names = [variable.name for variable in stats.variables()]
        assert sorted(names) == sorted([*result_names(output), "n_invalid"])


def test_variables__match_what_is_finished():
    for quantiles, ratios in itertools.product([(), (0.5,), QUANTILES], [(), (RATE,)]):
        got = finished(raw_outputs(20), quantiles=quantiles, ratios=ratios)
        stats = statistics(quantiles=quantiles, ratios=ratios)
        assert [variable.name for variable in stats.variables()] == list(got)
        for variable in stats.variables():
            extra = (variable.extra_size,) if variable.extra_dim else ()
            assert got[variable.name].shape == (N_POINTS, *extra)


def test_variables__say_unit_and_meaning():
    units = {"level_mean": "value", "time_to_end_std": "month", "events_count": "1", "rate": "1"}
    plain = statistics(outputs=(*OUTPUTS, fa.Output("undescribed")))
    found = {variable.name: variable.attrs for variable in plain.variables()}
    for name, attrs in found.items():
        assert set(attrs) == {"units", "long_name", "description"}, name
        assert all(attrs.values()), name
        assert not attrs["description"].endswith(": "), name
    for name, unit in units.items():
        assert found[name]["units"] == unit
