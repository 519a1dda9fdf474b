"""The same bits, whatever cannot change a result: threads, tiles, order, blocks, switches, cache.

Decoded values are compared by SHA-256.
"""

import dataclasses
import os
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import xarray as xr

import fastalliance as fa
from fastalliance.engine import run_points
from fastalliance.study import tiles
from tests.invariance.studies import digest
from tests.invariance.studies import dyad as study


@pytest.fixture(scope="module")
def reference() -> str:
    return digest(study().run(threads=1))


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_bits__threads(threads, reference):
    assert digest(study().run(threads=threads)) == reference


@pytest.mark.parametrize("points_per_tile", [1, 2, 3, 4, 7, 20])
def test_bits__tile_size(points_per_tile, reference):
    assert digest(study().run(points_per_tile=points_per_tile, threads=2)) == reference


@pytest.mark.parametrize("order", ["reversed", "shuffled"])
def test_bits__tile_order(order, reference, monkeypatch):
    from fastalliance.study import executing

    original = executing.run_on_threads

    def reordered(task, numbers, **options):
        numbers = list(numbers)[::-1]
        if order == "shuffled":
            np.random.default_rng(3).shuffle(numbers)
        assert len(numbers) > 5
        return original(task, numbers, **options)

    monkeypatch.setattr(executing, "run_on_threads", reordered)
    assert digest(study().run(points_per_tile=2, threads=2)) == reference


def test_bits__stored_equals_in_memory(reference, tmp_path):
    ds = study().run(store=tmp_path / "a.zarr", points_per_tile=3)
    assert digest(ds.load()) == reference
    assert digest(xr.open_zarr(tmp_path / "a.zarr", consolidated=False).load()) == reference


def test_bits__blocks_of_replicates_do_not_depend_on_tiles():
    many = study(replicates=2 * tiles.BLOCK + 100, horizon=1.0, keep={}, statistics={})
    one = many.run(points_per_tile=1)
    assert digest(one) == digest(many.run(points_per_tile=20, threads=2))
    assert float(one["trust_a_count"].min()) == 2 * tiles.BLOCK + 100


def test_bits__more_replicates_keep_the_first():
    few, more = study(replicates=40).run(), study(replicates=90).run()
    for name in ("trust_a", "joint_value", "dissolution_time"):
        np.testing.assert_array_equal(few[name].values, more[name].values[..., :40])


def test_bits__longer_first_axis_keeps_old_points():
    short = study(design=fa.grid(initial_trust=[0.4, 0.5], trust_noise=[0.1, 0.2])).run()
    long = study(design=fa.grid(initial_trust=[0.4, 0.5, 0.45], trust_noise=[0.1, 0.2])).run()
    np.testing.assert_array_equal(short["trust_a"].values, long["trust_a"].values[:2])


def test_bits__longer_table_keeps_old_points():
    short = study(design=fa.table({"initial_trust": [0.4, 0.6]})).run()
    long = study(design=fa.table({"initial_trust": [0.4, 0.6, 0.4]})).run()
    np.testing.assert_array_equal(short["trust_a"].values, long["trust_a"].values[:2])
    assert (long["trust_a"].values[0] != long["trust_a"].values[2]).any()


def test_bits__common_random_numbers_share_noise():
    table = fa.table({"initial_trust": [0.4, 0.6, 0.4]})
    ds = study(design=table, common_random_numbers=True).run()
    np.testing.assert_array_equal(ds["trust_a"].values[0], ds["trust_a"].values[2])


@pytest.mark.parametrize(
    "changes",
    [
        {"keep": {}},
        {"statistics": {}},
        {"keep": {"replicates": True}},
        {"keep": {}, "statistics": {}},
    ],
)
def test_bits__options_leave_the_rest_alone(changes):
    full, less = study().run(), study(**changes).run()
    assert set(less.data_vars) < set(full.data_vars)
    for name in less.data_vars:
        np.testing.assert_array_equal(less[name].values, full[name].values, err_msg=str(name))


def test_bits__switches_change_nothing():
    model = fa.model("dyad")
    plain = dataclasses.replace(model, switches={})
    points = np.array([model.defaults()] * 3)
    names = [p.name for p in model.parameters]
    for noise, incidents in [(0.0, 0.0), (0.1, 0.0), (0.0, 0.1), (0.1, 0.1)]:
        points[:, names.index("trust_noise")] = noise
        points[:, names.index("incident_rate")] = incidents
        runs = [
            run_points(m, points, seed=4, n_replicates=30, dt=0.125, n_steps=200)
            for m in (model, plain)
        ]
        np.testing.assert_array_equal(runs[0].outputs, runs[1].outputs)


def test_bits__early_stop_of_finished_blocks_changes_nothing():
    model = fa.model("dyad")
    never = dataclasses.replace(model, finished=None)
    points = np.array([model.defaults()] * 2)
    points[:, [p.name for p in model.parameters].index("initial_trust")] = [0.2, 0.5]
    runs = [
        run_points(m, points, seed=4, n_replicates=100, dt=0.125, n_steps=480)
        for m in (model, never)
    ]
    assert np.nanmin(runs[0].outputs[12]) < 40.0  # some dissolve early
    np.testing.assert_array_equal(runs[0].outputs, runs[1].outputs)


PROGRAM = """
import hashlib, numpy as np, fastalliance as fa
from fastalliance.engine import run_points
model = fa.model("dyad")
points = np.array([model.defaults()] * 8)
names = [p.name for p in model.parameters]
points[:, names.index("initial_trust")] = [i / 8 for i in range(8)]
points[:, names.index("incident_rate")] = 0.05
points[:, names.index("private_opportunism")] = 0.1
points[:, names.index("building_effort")] = 0.2
block = run_points(model, points, seed=99, n_replicates=100, dt=0.125, n_steps=480)
values = np.where(np.isnan(block.outputs), np.nan, block.outputs)
print(hashlib.sha256(values.tobytes()).hexdigest())
"""


def run_program(tmp_path, program=PROGRAM, **environment) -> str:
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, "FASTALLIANCE_CACHE_DIR": str(tmp_path / "cache"), **environment},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.strip()


@pytest.fixture(scope="module")
def cold(tmp_path_factory):
    """The folder and the digest of a first run on this host, which leaves its kernel in a cache."""
    folder = tmp_path_factory.mktemp("cold")
    return folder, run_program(folder)


def test_bits__haswell_and_host(cold, tmp_path):
    """AVX2 and the host's widest vectors give the same kernel outputs."""
    haswell = run_program(tmp_path, NUMBA_CPU_NAME="haswell", NUMBA_CPU_FEATURES="")
    assert len(haswell) == 64
    assert haswell == cold[1]


def test_bits__surroundings(cold, tmp_path):
    """Hash seed, locale, time zone and working directory; cold, then warm cache."""
    folder, digest_of_cold = cold
    shutil.copytree(folder / "cache", tmp_path / "cache", copy_function=shutil.copy2)
    warm = run_program(tmp_path, PYTHONHASHSEED="7", LC_ALL="C", TZ="Asia/Tokyo")
    assert warm == digest_of_cold
