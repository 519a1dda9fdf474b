"""Results of studies: dimensions, labels, statistics that follow from the kept replicates."""

import dataclasses
import math
import warnings

import numpy as np
import pytest
import xarray as xr

import fastalliance as fa
from fastalliance.errors import TileError
from fastalliance.kernels import uniforms
from fastalliance.study.checks import ResultWarning
from fastalliance.study.summaries import exact_quantiles, wilson
from tests.unit.small_model import MODEL

GRID = fa.grid(start=[0.0, 1.0, 2.0], mode=["calm", "wild"])
KEEP = {"replicates": True, "trajectories": {"every": 1.0, "replicates": 2}}


def study(**fields) -> fa.Study:
    options = {
        "design": GRID,
        "replicates": 40,
        "seed": 7,
        "statistics": {"quantiles": [0.1, 0.5]},
        "keep": KEEP,
    }
    return fa.Study(MODEL, **{**options, **fields})


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> xr.Dataset:
    path = tmp_path_factory.mktemp("store") / "run.zarr"
    study().run(store=path, points_per_tile=2)
    return xr.open_zarr(path, consolidated=False).load()


@pytest.fixture(scope="module")
def in_memory() -> xr.Dataset:
    return study().run()


# --- shape and labels -----------------------------------------------------------------------------

MOMENTS = ("mean", "std", "stderr", "min", "max", "count", "quantile")
STATISTICS = [
    *(f"level_end_{what}" for what in MOMENTS),
    *("hit_mean", "hit_low", "hit_high", "hit_count"),
    *(f"n_hits_{what}" for what in MOMENTS),
    *("fate_calm_share", "fate_rough_share", "fate_wild_share", "fate_count"),
    *(f"hit_time_{what}" for what in MOMENTS),
    *("hits_per_hit", "hits_per_hit_stderr", "n_invalid"),
]
RAW = ["level_end", "hit", "n_hits", "fate", "hit_time"]
PATHS = ["level_path", "hits_path", "first_hit_path"]


def test_dataset__has_the_variables_and_dimensions_of_the_schema(stored):
    assert sorted(map(str, stored.data_vars)) == sorted([*STATISTICS, *RAW, *PATHS])
    assert dict(stored.sizes) == {
        "start": 3,
        "mode": 2,
        "quantile": 2,
        "replicate": 40,
        "time": 5,
    }
    for name in STATISTICS:
        extra = ("quantile",) if name.endswith("_quantile") else ()
        assert stored[name].dims == ("start", "mode", *extra)
    for name in RAW:
        assert stored[name].dims == ("start", "mode", "replicate")
    for name in PATHS:
        assert stored[name].dims == ("start", "mode", "replicate", "time")
    assert all(variable.dtype == np.float64 for variable in stored.data_vars.values())


def test_dataset__labels_every_variable_and_coordinate(stored):
    for name in stored.variables:
        attrs = stored[name].attrs
        for key in ("units", "long_name", "description"):
            assert isinstance(attrs[key], str), (name, key)
            assert attrs[key].strip(), (name, key)
        assert "_" not in attrs["long_name"], name


def test_dataset__units_follow_the_model(stored):
    units = {
        "level_end_mean": "value",
        "level_end_quantile": "value",
        "level_end": "value",
        "hit_time_std": "month",
        "hit_time": "month",
        "n_hits_count": "1",
        "hit_mean": "1",
        "start": "value",
        "time": "month",
        "quantile": "1",
        "n_invalid": "1",
    }
    assert {name: stored[name].attrs["units"] for name in units} == units


def test_dataset__coordinates(stored):
    assert stored["start"].values.tolist() == [0.0, 1.0, 2.0]
    assert stored["mode"].values.tolist() == [0.0, 5.0]
    assert stored["mode"].attrs["flag_values"] == [0.0, 1.0, 5.0]
    assert stored["mode"].attrs["flag_meanings"] == "calm rough wild"
    assert stored["fate"].attrs["flag_meanings"] == "calm rough wild"
    assert stored["quantile"].values.tolist() == [0.1, 0.5]
    assert stored["replicate"].values.tolist() == list(range(40))
    assert stored["time"].values.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_dataset__provenance(stored, in_memory):
    for ds in (stored, in_memory):
        attrs = ds.attrs
        assert attrs["Conventions"] == "CF-1.11"
        assert attrs["configuration_hash"] == study().configuration_hash
        assert attrs["configuration"]["design"] == study().resolved["design"]
        assert attrs["complete"] is True
        assert attrs["seed"] == 7
        for key in ("kernel_hash", "numba_version", "numpy_version", "python_version", "cpu"):
            assert attrs[key]


def test_dataset__stored_equals_in_memory(stored, in_memory):
    assert set(stored.variables) == set(in_memory.variables)
    for name in stored.variables:
        np.testing.assert_array_equal(stored[name].values, in_memory[name].values, str(name))
        assert stored[name].dims == in_memory[name].dims
        assert dict(stored[name].attrs) == dict(in_memory[name].attrs)


def test_dataset__order_of_variables_is_the_model_s(in_memory, tmp_path):
    assert list(in_memory.data_vars)[: len(STATISTICS + RAW)] == STATISTICS + RAW
    returned = study().run(store=tmp_path / "run.zarr")
    opened = fa.open(tmp_path / "run.zarr")
    assert list(returned.data_vars) == list(opened.data_vars) == list(in_memory.data_vars)


def test_tables_and_samples__have_a_dimension_of_points():
    table = fa.table({"start": [0.5, 0.1, 0.5], "members": [1, 2, 3]})
    sample = fa.sample(3, ranges={"start": (0, 1), "members": (1, 3)})
    for design in (table, sample):
        ds = study(design=design, keep={}, statistics={}).run()
        assert dict(ds.sizes) == {"point": 3}
        assert ds["point"].values.tolist() == [0, 1, 2]
        assert set(ds.coords) == {"point", "start", "members"}
        assert ds["start"].dims == ds["members"].dims == ds["hit_mean"].dims == ("point",)


def test_no_design__gives_scalars(tmp_path):
    for ds in (
        study(design=None, keep={"replicates": True}).run(),
        study(design=None, keep={"replicates": True}).run(store=tmp_path / "one.zarr"),
    ):
        assert dict(ds.sizes) == {"quantile": 2, "replicate": 40}
        assert ds["hit_mean"].dims == ()
        assert ds["level_end_quantile"].dims == ("quantile",)
        assert float(ds["hit_mean"]) == float(ds["hit"].mean())


# --- values ---------------------------------------------------------------------------------------


def test_statistics__follow_from_the_kept_replicates(stored):
    for name in ("level_end", "n_hits", "hit_time"):
        raw = stored[name].values.reshape(6, 40)
        count = (~np.isnan(raw)).sum(axis=1)
        with np.errstate(invalid="ignore"):
            expected = {
                "mean": np.nanmean(raw, axis=1),
                "std": np.nanstd(raw, axis=1, ddof=1),
                "stderr": np.nanstd(raw, axis=1, ddof=1) / np.sqrt(count),
                "min": np.nanmin(raw, axis=1),
                "max": np.nanmax(raw, axis=1),
                "count": count,
            }
        for what, values in expected.items():
            got = stored[f"{name}_{what}"].values.ravel()
            np.testing.assert_allclose(got, values, rtol=1e-12, atol=1e-14, err_msg=name + what)
        for i, values in enumerate(exact_quantiles(raw, (0.1, 0.5))):
            np.testing.assert_array_equal(
                stored[f"{name}_quantile"].values.reshape(6, 2)[:, i], values
            )


def test_statistics__of_events_categories_and_ratios(stored):
    hits = stored["hit"].values
    np.testing.assert_array_equal(stored["hit_mean"].values, hits.mean(axis=-1))
    low, high = wilson(hits.sum(axis=-1), np.full((3, 2), 40.0))
    np.testing.assert_array_equal(stored["hit_low"].values, low)
    np.testing.assert_array_equal(stored["hit_high"].values, high)
    np.testing.assert_array_equal(stored["fate_calm_share"].values, [[1.0, 0.0]] * 3)
    np.testing.assert_array_equal(stored["fate_wild_share"].values, [[0.0, 1.0]] * 3)
    np.testing.assert_array_equal(stored["fate_rough_share"].values, np.zeros((3, 2)))
    ratio = stored["n_hits"].values.sum(axis=-1) / hits.sum(axis=-1)
    np.testing.assert_allclose(stored["hits_per_hit"].values, ratio, rtol=1e-13)
    assert (stored["hit_time_count"].values == hits.sum(axis=-1)).all()
    assert not stored["n_invalid"].values.any()


def test_trajectories__are_those_of_the_first_replicates(stored):
    paths = stored["level_path"].values
    assert np.isnan(paths[:, :, 2:]).all()
    expected = stored["start"].values[:, None, None, None] * 0.75 ** (2 * np.arange(5.0))
    np.testing.assert_array_equal(paths[:, :, :2], np.broadcast_to(expected, (3, 2, 2, 5)))
    members = 3.0
    final = paths[:, :, :2, -1] + members
    np.testing.assert_array_equal(final, stored["level_end"].values[:, :, :2])


def test_trajectories__alone_have_a_short_replicate_dimension():
    ds = study(keep={"trajectories": {"every": 2.0, "replicates": 3}}).run()
    assert ds["level_path"].sizes == {"start": 3, "mode": 2, "replicate": 3, "time": 3}
    assert ds["replicate"].values.tolist() == [0, 1, 2]
    assert not np.isnan(ds["level_path"].values).any()


def test_blocks__of_many_replicates_give_exact_counts_and_quantiles():
    many = study(
        design=fa.grid(start=[1.0]), replicates=9000, keep={"replicates": True}, horizon=2.0
    ).run()
    raw = many["hit_time"].values[0]
    np.testing.assert_array_equal(
        many["hit_time_quantile"].values[0], np.nanquantile(raw, [0.1, 0.5])
    )
    assert many["hit_mean"].item() == many["hit"].values.mean()
    assert many["hit_time_count"].item() == np.isfinite(raw).sum()
    np.testing.assert_allclose(many["hit_time_mean"].item(), np.nanmean(raw), rtol=1e-13)


def test_structure__of_the_model_shows_in_a_printed_table():
    text = str(MODEL)
    for word in ("halflife", "calm | rough | wild", "hits_per_hit"):
        assert word in text


# --- replicates that leave the finite numbers -----------------------------------------------------


STATE = MODEL.state


def stepping(s, p, stream, k, t, dt):
    level = s.level * 1e200 if p.mode == 5.0 else s.level
    if p.mode == 1.0:
        level = math.nan if k == 2 else 0.5
    return STATE(level, s.hits, s.first_hit)


def sometimes_nan(s, p, stream, k, t, dt):
    u, _ = uniforms(stream, 1, k, 0)
    return STATE(math.nan if u < 0.05 else 0.5, s.hits, s.first_hit)


def growing(s, p, stream, k, t, dt):
    return STATE(s.level * 1e200, s.hits, s.first_hit)


def forgetful(s, p, stream, k, t, dt):
    return STATE(0.5, s.hits, s.first_hit)


def infinite_outputs(s, p):
    return (1.0 / (s.hits - s.hits), 1.0, s.hits, p.mode, math.nan)


class TestInvalid:
    """mode 5 overflows; mode 1 makes a NaN that the next step clips away."""

    @staticmethod
    def model(**changes) -> fa.Model:
        return dataclasses.replace(MODEL, step=stepping, **changes)

    def test_counted_excluded_and_reported(self):
        model = self.model()
        design = fa.grid(mode=["calm", "rough", "wild"])
        with pytest.warns(ResultWarning, match="80 replicates at 2 design points left the finite"):
            ds = fa.Study(model, design=design, replicates=40, keep={"replicates": True}).run()
        assert ds["n_invalid"].values.tolist() == [0.0, 40.0, 40.0]
        assert ds["level_end_count"].values.tolist() == [40.0, 0.0, 0.0]
        assert ds["hit_count"].values.tolist() == [40.0, 0.0, 0.0]
        for name in ("level_end_mean", "level_end_min", "hit_low", "fate_calm_share"):
            assert np.isfinite(ds[name].values[0])
            assert np.isnan(ds[name].values[1:]).all()
        assert np.isnan(ds["level_end"].values[1:]).all()

    def test_some_replicates_only(self):
        model = dataclasses.replace(MODEL, step=sometimes_nan)
        with pytest.warns(ResultWarning, match="left the finite numbers"):
            ds = fa.Study(model, replicates=200, keep={"replicates": True}).run()
        bad = np.isnan(ds["level_end"].values)
        assert 0 < bad.sum() < 200
        assert float(ds["n_invalid"]) == bad.sum()
        assert float(ds["level_end_count"]) == 200 - bad.sum()
        assert float(ds["level_end_mean"]) == pytest.approx(np.nanmean(ds["level_end"].values))

    def test_paths_are_nan_from_there(self):
        with pytest.warns(ResultWarning, match="left the finite numbers"):
            ds = fa.simulate(self.model(), parameters={"mode": "rough"}, record_every=0.5)
        path = ds["level_path"].values[0]
        assert np.isfinite(path[:2]).all()
        assert np.isnan(path[3:]).all()
        assert float(ds["n_invalid"]) == 1.0

    def test_looked_for_at_the_end_only_where_the_model_keeps_them(self):
        model = dataclasses.replace(MODEL, step=growing, keeps_nonfinite=True)
        with pytest.warns(ResultWarning, match="left the finite numbers"):
            ds = fa.simulate(model, replicates=2, record_every=0.5)
        assert float(ds["n_invalid"]) == 2.0
        assert np.isnan(ds["level_end"].values).all()
        path = ds["level_path"].values[0]
        assert path[:2].tolist() == [1.0, 1e200]
        assert np.isnan(path[2:]).all()

    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
    def test_initial_states_count_too(self, bad):
        model = dataclasses.replace(
            MODEL, init=lambda p, stream: STATE(bad, 0.0, -1.0), step=forgetful
        )
        with pytest.warns(ResultWarning, match="left the finite numbers"):
            ds = fa.simulate(model, replicates=2)
        assert float(ds["n_invalid"]) == 2.0

    def test_infinite_outputs_count_too(self):
        model = dataclasses.replace(MODEL, outputs=infinite_outputs)
        with pytest.warns(ResultWarning, match="left the finite numbers"):
            ds = fa.Study(model, replicates=20, statistics={"quantiles": [0.5]}).run()
        assert float(ds["n_invalid"]) == 20.0


def test_no_invalid__no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study().run()


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (lambda s, p: (s.level, 0.5, s.hits, p.mode, 1.0), "output hit is declared as binary"),
        (lambda s, p: (s.level, 1.0, s.hits, 2.0, 1.0), "output fate is declared as category"),
    ],
)
def test_outputs__unlike_their_declaration_are_refused(outputs, message):
    model = dataclasses.replace(MODEL, outputs=outputs)
    with pytest.raises(TileError, match=message) as failure:
        fa.Study(model, replicates=10).run()
    assert isinstance(failure.value.__cause__.__cause__, fa.ModelError)
