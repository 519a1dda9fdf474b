"""Unfinished stores show what is done, say what they lack, resume, and refuse other studies."""

import dataclasses
import os
import signal
import threading
import warnings

import numpy as np
import pytest

import fastalliance as fa
from fastalliance.study.checks import ResultWarning
from fastalliance.study.progress import NoProgress
from fastalliance.study.tiles import BLOCK
from tests.unit.small_model import MODEL

KEEP = {"replicates": True, "trajectories": {"every": 1.0, "replicates": 2}}
UNFINISHED = r"is unfinished: \d+ of \d+ tiles are done, points of the others are NaN; run the st"


def study(**fields) -> fa.Study:
    options = {
        "design": fa.grid(start=[0.0, 0.5, 1.0, 1.5, 2.0], hit_rate=[0.1, 0.4]),
        "replicates": 30,
        "seed": 3,
        "statistics": {"quantiles": [0.5]},
        "keep": KEEP,
    }
    return fa.Study(MODEL, **{**options, **fields})


class Stopper(NoProgress):
    """Interrupts a run after some tiles, as Ctrl-C does once, or twice."""

    def __init__(self, tiles: int, *, at_once: bool = False) -> None:
        self.left = tiles
        self.at_once = at_once
        self.started_with = -1

    def start(self, total: int, done: int) -> None:
        self.started_with = done

    def advance(self, steps: int) -> None:
        self.left -= 1
        if self.left == 0:
            if self.at_once:
                raise KeyboardInterrupt
            os.kill(os.getpid(), signal.SIGINT)


def interrupt(made: fa.Study, store, tiles: int, **options) -> None:
    with pytest.raises(KeyboardInterrupt):
        made.run(store=store, progress=Stopper(tiles, **options), threads=1, points_per_tile=2)


@pytest.fixture
def whole() -> dict[str, np.ndarray]:
    ds = study().run()
    return {str(name): ds[name].values for name in ds.variables}


@pytest.mark.parametrize("at_once", [False, True], ids=["once", "twice"])
def test_unfinished__shows_finished_points_and_resumes(tmp_path, whole, at_once):
    store = tmp_path / "run.zarr"
    interrupt(study(), store, 2, at_once=at_once)
    with pytest.warns(ResultWarning, match=UNFINISHED):
        ds = fa.open(store).load()
    assert ds.attrs["complete"] is False
    assert 0 < ds.attrs["tiles_done"] < ds.attrs["n_tiles"] == 5
    done = ~np.isnan(ds["hit_count"].values)
    assert done.sum() == 2 * ds.attrs["tiles_done"]
    assert set(ds.variables) == set(whole)
    for name in ds.data_vars:
        got, expected = ds[name].values, whole[str(name)]
        np.testing.assert_array_equal(got[done], expected[done], err_msg=str(name))
        assert np.isnan(got[~done]).all(), name
    again = Stopper(99)
    resumed = study().run(store=store, progress=again)
    assert again.started_with == done.sum() * 30 * 8
    assert resumed.attrs["complete"] is True
    for name, expected in whole.items():
        np.testing.assert_array_equal(resumed[name].values, expected, err_msg=name)


def test_unfinished__labels_are_those_of_a_finished_store(tmp_path):
    interrupt(study(), tmp_path / "part.zarr", 2)
    with pytest.warns(ResultWarning, match=UNFINISHED):
        part = fa.open(tmp_path / "part.zarr")
    full = study().run(store=tmp_path / "full.zarr")
    assert list(part.data_vars) == list(full.data_vars)
    for name in full.variables:
        assert part[name].dims == full[name].dims
        assert dict(part[name].attrs) == dict(full[name].attrs)


def test_unfinished__points_need_all_their_blocks(tmp_path):
    made = study(replicates=2 * BLOCK + 5, keep={}, design=fa.grid(start=[0.0, 1.0]), horizon=1.0)
    full = made.run()
    store = tmp_path / "run.zarr"
    with pytest.raises(KeyboardInterrupt):
        made.run(store=store, progress=Stopper(5, at_once=True), threads=1, points_per_tile=1)
    with pytest.warns(ResultWarning, match="5 of 6 tiles"):
        ds = fa.open(store).load()
    # tiles may end in another order than they began: either point can be the one that lacks a block
    whole = np.flatnonzero(~np.isnan(ds["hit_count"].values))
    assert len(whole) == 1
    for name in ds.data_vars:
        np.testing.assert_array_equal(ds[name].values[whole], full[name].values[whole])
        assert np.isnan(ds[name].values[1 - whole]).all()
    finished = made.run(store=store)
    for name in ds.data_vars:
        np.testing.assert_array_equal(finished[name].values, full[name].values, err_msg=str(name))


def test_unfinished__of_a_run_in_memory_is_lost_and_says_so():
    with pytest.raises(KeyboardInterrupt, match=r"interrupted after .* tiles, not kept"):
        study().run(progress=Stopper(2), threads=1, points_per_tile=2)


def test_interrupt__handlers_are_put_back(tmp_path):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    interrupt(study(), tmp_path / "run.zarr", 1)
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before


def test_run__on_a_thread_of_the_user_s(whole):
    found = []
    thread = threading.Thread(target=lambda: found.append(study().run()))
    thread.start()
    thread.join(60)
    np.testing.assert_array_equal(found[0]["hit_mean"].values, whole["hit_mean"])


def test_finished__is_not_computed_again(tmp_path, whole):
    store = tmp_path / "run.zarr"
    study().run(store=store)
    again = Stopper(99)
    ds = study().run(store=str(store), progress=again)
    assert again.started_with == -1
    np.testing.assert_array_equal(ds["hit_mean"].values, whole["hit_mean"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fa.open(store)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 4}, r"holds another study.*\n.*seed: 3 -> 4"),
        ({"replicates": 31}, r"holds another study.*\n.*replicates: 30 -> 31"),
        ({"parameters": {"scale": 2.0}}, r"holds another study.*\n.*parameters.scale: 1.0 -> 2.0"),
        ({"statistics": {}}, r"holds another study(.|\n)*quantiles"),
        ({"design": fa.grid(start=[0.0, 0.5])}, r"holds another study(.|\n)*design"),
    ],
)
@pytest.mark.parametrize("finished", [True, False], ids=["finished", "unfinished"])
def test_resume__of_another_study_is_refused(tmp_path, changes, message, finished):
    store = tmp_path / "run.zarr"
    if finished:
        study().run(store=store)
    else:
        interrupt(study(), store, 2)
    before = sorted((p, p.stat().st_mtime_ns) for p in store.rglob("*") if p.is_file())
    with pytest.raises(fa.StoreError, match=message):
        study(**changes).run(store=store)
    after = sorted((p, p.stat().st_mtime_ns) for p in store.rglob("*") if p.is_file())
    assert before == after


def changed(**changes) -> fa.Study:
    made = study()
    return fa.Study(
        dataclasses.replace(MODEL, **changes),
        design=made.design,
        replicates=30,
        seed=3,
        statistics={"quantiles": [0.5]},
        keep=KEEP,
    )


STATE = MODEL.state


def other_step(s, p, stream, k, t, dt):
    return STATE(s.level * 0.5, s.hits, s.first_hit)


@pytest.mark.parametrize(
    "changes",
    [
        {"step": other_step},
        {"output_variables": MODEL.output_variables[::-1]},
        {"ratios": []},
    ],
    ids=["formula", "outputs renamed", "ratio dropped"],
)
def test_resume__with_a_changed_model_is_refused(tmp_path, changes):
    interrupt(study(), tmp_path / "run.zarr", 2)
    with pytest.raises(fa.StoreError, match="was computed with other kernels"):
        changed(**changes).run(store=tmp_path / "run.zarr")


def test_resume__can_be_switched_off(tmp_path):
    interrupt(study(), tmp_path / "run.zarr", 2)
    with pytest.raises(fa.StoreError, match="resuming is off"):
        study().run(store=tmp_path / "run.zarr", resume=False)


def test_overwrite__replaces_another_study(tmp_path):
    store = tmp_path / "run.zarr"
    study().run(store=store)
    other = study(seed=4)
    ds = other.run(store=store, overwrite=True)
    assert ds.attrs["configuration_hash"] == other.configuration_hash
    assert fa.open(store).attrs["seed"] == 4


def test_run__takes_the_store_of_the_configuration(tmp_path):
    made = study(store=tmp_path / "own.zarr")
    made.run()
    assert fa.open(tmp_path / "own.zarr").attrs["complete"] is True


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"threads": 0}, fa.ConfigError, "threads must be a whole number >= 1"),
        ({"threads": -1}, fa.ConfigError, "threads must be a whole number >= 1"),
        ({"threads": 2.0}, fa.ConfigError, "threads must be a whole number >= 1"),
        ({"threads": True}, fa.ConfigError, "threads must be a whole number >= 1"),
        ({"points_per_tile": 0}, fa.ConfigError, "points_per_tile must be a whole number >= 1"),
        ({"executor": "shard"}, fa.ConfigError, "executor shard runs one part of a study"),
        ({"store": ""}, fa.ConfigError, "path is empty"),
        ({"store": 3}, fa.ConfigError, "store must be a path, got 3"),
        ({"store": "a\0b"}, fa.ConfigError, "NUL"),
        ({"store": "s3://bucket"}, fa.ConfigError, "must name a bucket and a place in it"),
        ({"progress": "yes"}, fa.ConfigError, "progress must be"),
    ],
)
def test_run__refuses(options, error, message):
    with pytest.raises(error, match=message):
        study().run(**options)


def test_open__of_nothing(tmp_path):
    with pytest.raises(fa.StoreError):
        fa.open(tmp_path / "nothing.zarr")
