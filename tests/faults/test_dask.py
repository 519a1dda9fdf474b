"""Studies on dask clusters: the same values, whatever dies in between."""

import contextlib
import dataclasses
import functools
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import fastalliance as fa
from fastalliance.cli.exits import TILES_FAILED, exit_code
from fastalliance.errors import ClusterError, TileError
from fastalliance.executors import connected, run_on_dask, silence
from fastalliance.executors import dask as executor
from fastalliance.executors.silence import SilenceWarning
from fastalliance.kernels import normals
from fastalliance.store import status
from fastalliance.study.checks import ResultWarning
from fastalliance.study.progress import NoProgress
from tests.cli.command import command, started
from tests.faults import toy
from tests.faults.clusters import cluster, free_port, kill, wait_for_tiles
from tests.faults.test_dask_security import STUDY
from tests.unit.small_model import MODEL as SMALL
from tests.unit.small_model import State

pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


# Tasks of the tests; workers find them by name.
def square(tile: int) -> int:
    return tile * tile


def late(tile: int) -> int:
    """Be done at once with the first tile, and later with the others."""
    time.sleep(0.3 if tile else 0.0)
    return tile * tile


def fails_at_three(tile: int) -> int:
    if tile == 3:
        raise ValueError("three is not computed")
    return tile


def noted(folder: str, tile: int) -> int:
    """Leave a mark of who runs the tile, and take a while."""
    mark = Path(folder, f"{tile}-{os.getpid()}")
    mark.touch()
    time.sleep(0.3)
    return tile


def kill_when_tiles_run(folder: Path, process) -> threading.Thread:
    """Kill a process once `noted` has left marks of some tiles in `folder`."""

    def wait_and_kill() -> None:
        while len(list(folder.iterdir())) < 3:
            time.sleep(0.02)
        kill(process)

    thread = threading.Thread(target=wait_and_kill, daemon=True)
    thread.start()
    return thread


def collect(task, tiles, address, found=None):
    """Return the results in order; add them to `found` as they come."""
    found = [] if found is None else found
    with (
        connected(address, 2) as client,
        contextlib.closing(
            run_on_dask(task, tiles, client=client, stop=threading.Event())
        ) as results,
    ):
        found.extend(result for result in results if result is not None)
    return sorted(found)


@pytest.fixture(scope="module")
def two_workers():
    with cluster(2, "--no-nanny") as made:
        yield made


def test_results__of_all_tiles(two_workers):
    assert collect(square, range(50), two_workers.address) == [n * n for n in range(50)]
    assert collect(square, [], two_workers.address) == []


def test_stop__starts_no_more_tiles(two_workers, tmp_path):
    stop, found = threading.Event(), []
    with connected(two_workers.address, 1) as client:
        task = functools.partial(noted, str(tmp_path))
        for result in run_on_dask(task, range(100), client=client, stop=stop):
            if result is not None:
                found.append(result)
                stop.set()
    assert 1 <= len(found) <= 6
    assert len(list(tmp_path.iterdir())) == len(found)


def test_failing_tile__leaves_the_others(two_workers):
    found = []
    with pytest.raises(TileError) as failure:
        collect(fails_at_three, range(8), two_workers.address, found)
    assert sorted(found) == [0, 1, 2, 4, 5, 6, 7]
    assert failure.value.tiles == {3: "ValueError: three is not computed"}
    assert exit_code(failure.value) == TILES_FAILED


def test_silence__is_reported(two_workers, tmp_path, monkeypatch):
    monkeypatch.setattr(silence, "SILENT", 0.05)
    task = functools.partial(noted, str(tmp_path))
    with pytest.warns(SilenceWarning, match=r"no tile has finished .* tiles that run: \d"):
        assert collect(task, range(2), two_workers.address) == [0, 1]


def test_worker_lost__its_tiles_are_run_again(tmp_path):
    with cluster(2, "--no-nanny") as made:
        task = functools.partial(noted, str(tmp_path))
        killer = kill_when_tiles_run(tmp_path, made.workers[0])
        assert collect(task, range(16), made.address) == list(range(16))
        killer.join()
        assert made.workers[0].returncode is not None
    twice = len(list(tmp_path.iterdir())) - 16
    assert twice <= 4  # what it had in hand, and results that were not fetched yet


def test_worker_lost__with_results_that_nobody_has_fetched():
    found = []
    with cluster(2, "--no-nanny") as made, connected(made.address, 2) as client:
        results = run_on_dask(late, range(4), client=client, stop=threading.Event())
        for result in results:
            if result is None:
                continue
            found.append(result)
            if len(found) == 1:
                time.sleep(1.5)  # until the others are done, too
                kill(made.workers[0])
                while len(client.scheduler_info()["workers"]) > 1:
                    time.sleep(0.05)
    assert sorted(found) == [0, 1, 4, 9]


def test_no_scheduler__is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr("fastalliance.executors.connecting.ANSWER", 1.0)
    with (
        pytest.raises(ClusterError, match="no dask scheduler answers at tcp"),
        connected(f"tcp://127.0.0.1:{free_port()}", 1),
    ):
        pass
    with (
        pytest.raises(
            fa.ConfigError, match=r"no scheduler file .*none.json; give a file, or an addr"
        ),
        connected(str(tmp_path / "none.json"), 1),
    ):
        pass


def study(**fields) -> fa.Study:
    design = fa.grid(initial_trust=np.linspace(0.4, 0.6, 12))
    keep = {"replicates": True, "trajectories": {"every": 10.0, "replicates": 3}}
    return fa.Study(
        "dyad", **{"design": design, "replicates": 50, "seed": 4, "keep": keep, **fields}
    )


class Killer(NoProgress):
    """Does something to the cluster, or to this run, after some tiles."""

    def __init__(self, tiles: int, act) -> None:
        self.left, self.act = tiles, act

    def advance(self, steps: int) -> None:
        self.left -= 1
        if self.left == 0:
            self.act()


def same(found, expected) -> None:
    assert set(found.data_vars) == set(expected.data_vars)
    for name in expected.data_vars:
        np.testing.assert_array_equal(found[name].values, expected[name].values, err_msg=str(name))


def interrupt() -> None:
    raise KeyboardInterrupt


def test_study__on_dask_equals_threads(two_workers, tmp_path):
    expected = study().run(points_per_tile=2)
    options = {"executor": "dask", "scheduler": two_workers.address}
    same(study().run(**options, points_per_tile=2), expected)
    stored = study().run(**options, store=tmp_path / "a.zarr", points_per_tile=1)
    same(stored, expected)
    assert stored.attrs["complete"] is True


def test_summary__counts_the_threads_of_the_cluster(tmp_path, monkeypatch):
    """And not those that this machine has, or that `--threads` would start."""
    monkeypatch.chdir(tmp_path)
    Path("study.yaml").write_text("model: dyad\nreplicates: 9\n")
    with cluster(0) as made:
        made.add_worker("--no-nanny", "--nthreads", "3")
        made.wait(1)
        run = ("run", "study.yaml", "--quiet", "--scheduler", made.address, "--threads", "5")
        assert "instance-steps/s on 3 threads\n" in command(*run).out


def test_study__refuses_workers_with_other_kernels(two_workers, monkeypatch):
    monkeypatch.setattr("fastalliance.study.executing.kernel_hash", lambda model: "other")
    options = {"executor": "dask", "scheduler": two_workers.address}
    message = "a worker has other kernels of dyad .*: install the same versions of fastalliance"
    with pytest.raises(ClusterError, match=message):
        study().run(**options)


def test_study__interrupted_on_dask_resumes_on_threads(two_workers, tmp_path):
    expected = study().run()
    store = tmp_path / "run.zarr"
    options = {"executor": "dask", "scheduler": two_workers.address}
    with pytest.raises(KeyboardInterrupt):
        study().run(**options, store=store, points_per_tile=1, progress=Killer(4, interrupt))
    with pytest.warns(ResultWarning, match="is unfinished"):
        assert 0 < fa.open(store).attrs["tiles_done"] < 12
    same(study().run(store=store, executor="threads"), expected)


def test_study__loses_the_scheduler_and_resumes(tmp_path, monkeypatch):
    monkeypatch.setattr(executor, "PATIENCE", 1.0)
    expected, store = study().run(), tmp_path / "run.zarr"
    with cluster(1, "--no-nanny") as made:
        lose = Killer(2, functools.partial(kill, made.scheduler))
        options = {"executor": "dask", "scheduler": made.address, "points_per_tile": 1}
        message = "the dask scheduler is gone; run the same command again to resume, with the sch"
        with pytest.raises(ClusterError, match=message):
            study().run(**options, store=store, progress=lose)
    assert 2 <= status(store).n_done < 12
    same(study().run(store=store), expected)


def test_study__whose_store_vanishes_beneath_the_workers(two_workers, tmp_path):
    expected, store = study().run(), tmp_path / "run.zarr"
    options = {"executor": "dask", "scheduler": two_workers.address, "points_per_tile": 1}
    vanish = Killer(2, functools.partial(store.rename, tmp_path / "moved.zarr"))
    with pytest.raises(fa.StoreError, match="has vanished") as failure:
        study().run(**options, store=store, progress=vanish)
    assert str(store) in str(failure.value)
    assert not store.exists()
    (tmp_path / "moved.zarr").rename(store)
    same(study().run(store=store, break_lock=True), expected)


def test_study__whose_store_is_taken_over_beneath_the_workers(two_workers, tmp_path):
    expected, store = study().run(), tmp_path / "run.zarr"
    options = {"executor": "dask", "scheduler": two_workers.address, "points_per_tile": 1}
    other = Killer(2, lambda: study().run(store=store, break_lock=True))
    with pytest.raises(fa.StoreError, match="has taken this store over"):
        study().run(**options, store=store, progress=other)
    same(fa.open(store), expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scheduler": "tcp://127.0.0.1:1"}, "scheduler belongs to executor dask, got executor th"),
        ({"executor": "spark"}, "executor must be one of threads, dask, shard, got 'spark'"),
        (
            {"executor": "dask", "shard": "0/2"},
            "shard belongs to executor shard, got executor dask",
        ),
    ],
)
def test_study__wrong_options(options, message):
    with pytest.raises(fa.ConfigError, match=message):
        study().run(**options)


OWN = """\
import fastalliance as fa
from fastalliance.kernels import uniforms
from beside import State, doubled

def init(p, stream):
    return State(p.start)

def step(s, p, stream, k, t, dt):
    u, _ = uniforms(stream, 0, k, 0)
    return State(s.x + doubled(u))

def outputs(s, p):
    return (s.x,)

MODEL = fa.Model(
    name="own", summary="a sum", citation="none", time_unit="month", horizon=4.0, dt=1.0,
    parameters=[fa.Parameter("start", default=0.0)], state=State, init=init, step=step,
    outputs=outputs, output_variables=[fa.Output("x", description="the sum")],
)
"""
BESIDE = """\
from typing import NamedTuple

class State(NamedTuple):
    x: float

def doubled(x):
    return FACTOR * x

FACTOR = 2.0
"""


def test_own_model__of_a_file_travels_to_the_workers(two_workers, tmp_path, monkeypatch):
    """They cannot import the file, nor what lies beside it."""
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "beside.py").write_text(BESIDE)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    Path("own.yaml").write_text("model: own\nreplicates: 9\nkeep: {replicates: true}\n")
    run = ("run", "own.yaml", "--quiet", "--model-file", tmp_path / "own.py:MODEL")
    assert command(*run, "--store", "threads.zarr").code == 0
    outcome = command(*run, "--store", "dask.zarr", "--scheduler", two_workers.address)
    assert (outcome.code, outcome.err) == (0, "")
    same(fa.open("dask.zarr"), fa.open("threads.zarr"))
    assert fa.open("dask.zarr").attrs["kernel_hash"] == fa.open("threads.zarr").attrs["kernel_hash"]


def test_own_model__of_a_notebook_travels_to_the_workers(two_workers):
    """Its functions have no name by which a worker could import them, as these."""
    bound = 0.5

    def step(s, p, stream, k, t, dt):
        z, _ = normals(stream, 3, k, 0)
        return State(s.level + bound * z, s.hits, s.first_hit)

    model = dataclasses.replace(SMALL, step=step, name="of_a_notebook")
    made = fa.Study(model, replicates=9, keep={"replicates": True})
    same(made.run(executor="dask", scheduler=two_workers.address), made.run())


def test_run__whose_workers_and_driver_are_killed_is_resumed_on_threads_and_proved(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    store = Path("run.zarr")
    Path("study.yaml").write_text(STUDY)
    with cluster(2, "--no-nanny") as made:
        run = ("run", "study.yaml", "--quiet", "--store", store)
        with started(*run, "--scheduler", made.address, "--points-per-tile", 4) as driver:
            wait_for_tiles(store, 2, driver)
            kill(made.workers[0])
            wait_for_tiles(store, status(store).n_done + 3, driver)
            driver.kill()
            driver.wait()
    n_done = status(store).n_done
    assert 5 <= n_done < status(store).n_tiles
    outcome = command(*run, "--executor", "threads")
    assert outcome.code == 0
    assert f"already in the store  {n_done / status(store).n_tiles:.1%}" in outcome.out
    assert command("verify", store, "--all", "--quiet").code == 0
    assert command("run", "study.yaml", "--quiet", "--store", "whole.zarr").code == 0
    assert toy.values_hash(store) == toy.values_hash(Path("whole.zarr"))
