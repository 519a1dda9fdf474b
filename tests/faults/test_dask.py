"""Studies on dask clusters: the same values, whatever dies in between."""

import contextlib
import functools
import os
import signal
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import fastalliance as fa
from fastalliance.cli.exits import TILES_FAILED, exit_code
from fastalliance.errors import ClusterError
from fastalliance.executors import connected, run_on_dask
from fastalliance.executors.dask import ClusterWarning, _warn_of_open
from fastalliance.study.checks import ResultWarning
from fastalliance.study.progress import NoProgress
from tests.faults.clusters import cluster, free_port, kill

pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


# Tasks of the tests; workers find them by name.
def square(tile: int) -> int:
    return tile * tile


def fails_at_three(tile: int) -> int:
    if tile == 3:
        raise ValueError("three is not computed")
    return tile


def dies_at_three(tile: int) -> int:
    if tile == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.01)
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
    with pytest.raises(ClusterError) as failure:
        collect(fails_at_three, range(8), two_workers.address, found)
    assert sorted(found) == [0, 1, 2, 4, 5, 6, 7]
    assert failure.value.tiles == {3: "ValueError: three is not computed"}
    assert exit_code(failure.value) == TILES_FAILED


def test_silence__is_reported(two_workers, tmp_path, monkeypatch):
    monkeypatch.setattr("fastalliance.executors.dask.SILENT", 0.05)
    task = functools.partial(noted, str(tmp_path))
    with pytest.warns(ClusterWarning, match=r"no tile has finished for 0 minutes; tiles \d"):
        assert collect(task, range(2), two_workers.address) == [0, 1]


def test_worker_lost__its_tiles_are_run_again(tmp_path):
    with cluster(2, "--no-nanny") as made:
        task = functools.partial(noted, str(tmp_path))
        killer = kill_when_tiles_run(tmp_path, made.workers[0])
        assert collect(task, range(16), made.address) == list(range(16))
        killer.join()
        assert made.workers[0].returncode is not None


def test_worker_lost__with_results_that_nobody_has_fetched():
    found = []
    with cluster(2, "--no-nanny") as made, connected(made.address, 2) as client:
        results = run_on_dask(square, range(4), client=client, stop=threading.Event())
        for result in results:
            if result is None:
                continue
            found.append(result)
            if len(found) == 1:
                time.sleep(0.5)  # until the others are done, too
                kill(made.workers[0])
                while len(client.scheduler_info()["workers"]) > 1:
                    time.sleep(0.05)
    assert sorted(found) == [0, 1, 4, 9]


def test_poison_tile__kills_its_workers_and_leaves_the_others():
    found = []
    with (
        cluster(2) as made,
        pytest.raises(ClusterError, match=r"tile 3 failed .*every worker that ran it died"),
    ):
        collect(dies_at_three, range(20), made.address, found)
    assert sorted(found) == [n for n in range(20) if n != 3]


def test_scheduler_lost__is_one_clear_error(tmp_path):
    with cluster(1, "--no-nanny") as made:
        task = functools.partial(noted, str(tmp_path))
        kill_when_tiles_run(tmp_path, made.scheduler)
        with pytest.raises(ClusterError, match="the dask scheduler is gone; run the same command"):
            collect(task, range(200), made.address)


def test_no_scheduler__is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr("fastalliance.executors.dask.ANSWER", "1s")
    with (
        pytest.raises(ClusterError, match="no dask scheduler answers at tcp"),
        connected(f"tcp://127.0.0.1:{free_port()}", 1),
    ):
        pass
    with (
        pytest.raises(
            ClusterError, match=r"no scheduler file .*none.json; give a file, or an addr"
        ),
        connected(str(tmp_path / "none.json"), 1),
    ):
        pass


def test_open_scheduler__is_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for address in ("tcp://127.0.0.1:8786", "tls://10.0.0.1:8786", "tcp://localhost:1"):
            _warn_of_open(address)
    with pytest.warns(ClusterWarning, match="takes orders from anybody who reaches it; use TLS"):
        _warn_of_open("tcp://10.0.0.1:8786")


def test_local_cluster__listens_on_the_loopback_interface_alone():
    with connected(None, 1) as client:
        info = client.scheduler_info()
        assert info["address"].startswith("tcp://127.0.0.1:")
        assert all(name.startswith("tcp://127.0.0.1:") for name in info["workers"])


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


def test_study__interrupted_on_dask_resumes_on_threads(two_workers, tmp_path):
    expected = study().run()
    store = tmp_path / "run.zarr"
    options = {"executor": "dask", "scheduler": two_workers.address}
    with pytest.raises(KeyboardInterrupt):
        study().run(**options, store=store, points_per_tile=1, progress=Killer(4, interrupt))
    with pytest.warns(ResultWarning, match="is unfinished"):
        assert 0 < fa.open(store).attrs["tiles_done"] < 12
    same(study().run(store=store, executor="threads"), expected)


def test_study__loses_a_worker(tmp_path):
    expected = study().run()
    with cluster(2, "--no-nanny") as made:
        act = functools.partial(kill, made.workers[0])
        found = study().run(
            executor="dask",
            scheduler=made.address,
            store=tmp_path / "run.zarr",
            points_per_tile=1,
            progress=Killer(2, act),
        )
    same(found, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scheduler": "tcp://127.0.0.1:1"}, "scheduler belongs to executor dask, got executor th"),
        ({"executor": "spark"}, "executor must be one of threads, dask, shard, got 'spark'"),
        ({"executor": "dask", "shard": "0/2"}, "executor shard needs shard"),
    ],
)
def test_study__wrong_options(options, message):
    with pytest.raises(fa.ConfigError, match=message):
        study().run(**options)
