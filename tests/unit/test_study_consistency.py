"""Whatever the design, tiles, blocks and options: results are those of each point run alone."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastalliance as fa
from fastalliance.engine import run_points
from fastalliance.study import tiles
from tests.unit.small_model import MODEL

NAMES = [output.name for output in MODEL.output_variables]


@st.composite
def studies(draw: st.DrawFn) -> fa.Study:
    """Return a small study with any of the options."""
    lengths = draw(st.lists(st.integers(1, 4), max_size=3))
    axes = {
        name: np.linspace(0.1, 0.5, n)
        for name, n in zip(["hit_rate", "start", "scale"], lengths, strict=False)
    }
    design = fa.grid(**axes)
    if axes and draw(st.booleans()):
        n = lengths[0]
        design = fa.table({name: np.linspace(0.1, 0.5, n) for name in axes})
    replicates = draw(st.integers(1, 23))
    keep = {"replicates": draw(st.booleans())}
    if draw(st.booleans()):
        most = min(replicates, 5)
        keep["trajectories"] = {"every": 1.0, "replicates": draw(st.integers(1, most))}
    return fa.Study(
        MODEL,
        design=design,
        replicates=replicates,
        seed=draw(st.integers(0, 2**64 - 1)),
        common_random_numbers=draw(st.booleans()),
        statistics={"quantiles": draw(st.sampled_from([[], [0.5], [0.0, 0.3, 1.0]]))},
        keep=keep,
    )


def alone(study: fa.Study, record: int = 0):
    """Return every point of a study, run by itself in one block."""
    for number in range(study.design.n_points):
        yield run_points(
            MODEL,
            study.points(number, 1),
            seed=study.seed,
            first_point=number,
            n_replicates=study.replicates,
            common_random_numbers=study.common_random_numbers,
            dt=study.dt,
            n_steps=study.n_steps,
            record_steps=record,
        )


def check(study: fa.Study, ds) -> None:
    n_points, keep = study.design.n_points, study.configuration.keep
    flat = {
        name: ds[name].values.reshape(n_points, *ds[name].shape[len(study.design.dims) :])
        for name in map(str, ds.data_vars)
    }
    for number, block in enumerate(alone(study, 2 if study.record_steps else 0)):
        raw = dict(zip(NAMES, block.outputs[:, 0], strict=True))
        for name, values in raw.items():
            valid = values[~np.isnan(values)]
            assert flat[f"{name}_count"][number] == valid.size
            if keep.replicates:
                np.testing.assert_array_equal(flat[name][number], values)
            mean = flat.get(f"{name}_mean")
            if mean is not None and valid.size:
                np.testing.assert_allclose(mean[number], valid.mean(), rtol=1e-13)
            if f"{name}_std" in flat and valid.size > 1:
                spread = np.std(valid, ddof=1)
                np.testing.assert_allclose(
                    flat[f"{name}_std"][number], spread, rtol=1e-10, atol=1e-15
                )
            if f"{name}_quantile" in flat and valid.size:
                wanted = np.quantile(valid, study.quantiles)
                np.testing.assert_array_equal(flat[f"{name}_quantile"][number], wanted)
        if study.record_steps:
            n = study.recorded_replicates
            paths = flat["level_path"][number]
            np.testing.assert_array_equal(paths[:n], block.paths[0, 0, :n])
            assert np.isnan(paths[n:]).all()


@settings(max_examples=40, deadline=None)
@given(studies(), st.integers(1, 9), st.integers(1, 3))
def test_run__in_memory_is_each_point_alone(study, points_per_tile, threads):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "BLOCK", 5)
        ds = study.run(points_per_tile=points_per_tile, threads=threads)
    check(study, ds)


@settings(max_examples=10, deadline=None)
@given(studies(), st.integers(1, 9))
def test_run__stored_is_each_point_alone(study, points_per_tile):
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(tiles, "BLOCK", 5)
        ds = study.run(points_per_tile=points_per_tile, store=Path(folder) / "run.zarr").load()
        check(study, ds)
        again = fa.open(Path(folder) / "run.zarr").load()
    assert again.equals(ds)
