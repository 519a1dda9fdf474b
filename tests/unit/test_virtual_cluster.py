"""The virtual cluster behaves as dask does, and its clock as it says."""

import itertools
import threading
import time

import pytest

pytest.importorskip("distributed")

from distributed import KilledWorker

from benchmarks.virtual_cluster import ALLOWED_FAILURES, Clock, Troubles, VirtualCluster, driver_on
from fastalliance.errors import TileError
from fastalliance.executors import dask, run_on_dask

CALLS: list[int] = []


def square(tile: int) -> int:
    CALLS.append(tile)
    return tile * tile


def fails_at_three(tile: int) -> int:
    if tile == 3:
        raise ValueError("three is not computed")
    return tile


def run(cluster: VirtualCluster, n_tiles: int, task=square) -> list[int]:
    CALLS.clear()
    with driver_on(cluster):
        results = run_on_dask(task, range(n_tiles), client=cluster, stop=threading.Event())
        return [result for result in results if result is not None]


def test_clock__runs_while_the_driver_works_and_stands_while_others_do():
    clock = Clock()
    with clock:
        before = clock.now()
        time.sleep(0.05)
        with clock:  # a call within a call
            pass
        assert clock.now() == before
        clock.set(before + 100.0)
        clock.set(before + 50.0)
    time.sleep(0.05)
    assert 0.05 <= clock.now() - before - 100.0 < 5.0
    with clock:
        assert 0.05 <= clock.driver_seconds < 5.0
        assert clock.driver_cpu < clock.driver_seconds


def test_tiles__take_as_long_as_workers_need():
    cluster = VirtualCluster(10, tile_seconds=5.0, spread=0.0)
    began = time.perf_counter()
    assert sorted(run(cluster, 95)) == sorted(i * i for i in range(95))
    assert sorted(CALLS) == list(range(95))
    assert cluster.clock.now() == pytest.approx(50.0, abs=3.0)  # ten rounds, and the driver's time
    assert time.perf_counter() - began < 20.0
    assert sum(cluster.busy.values()) == pytest.approx(95 * 5.0)
    assert max(cluster.busy.values()) == pytest.approx(10.0)


def test_tiles__of_workers_that_die_are_run_again():
    cluster = VirtualCluster(8, 4.0, troubles=Troubles(lifetime=40.0, restart=5.0), seed=3)
    assert sorted(run(cluster, 200)) == sorted(i * i for i in range(200))
    assert cluster.deaths > 5
    assert cluster.lost_seconds > 0.0
    assert sum(cluster.busy.values()) == pytest.approx(200 * 4.0 + cluster.lost_seconds, rel=0.1)


def test_poison__is_given_up_alone_and_leaves_the_others(monkeypatch):
    died: list[int] = []
    killed = KilledWorker.__init__
    monkeypatch.setattr(KilledWorker, "__init__", lambda *a: (died.append(1), killed(*a))[1])
    cluster = VirtualCluster(4, 1.0, troubles=Troubles(poison=frozenset([7]), restart=1.0))
    with pytest.raises(TileError, match=r"tile 7 failed .*every worker that ran it died"):
        run(cluster, 20)
    assert set(CALLS) == set(range(20)) - {7}
    # at first beside others, then alone
    assert cluster.deaths >= 2 * (ALLOWED_FAILURES + 1)
    assert len(died) >= 2


def test_failed_tile__is_named():
    with pytest.raises(TileError, match=r"tile 3 failed .*three is not computed"):
        run(VirtualCluster(4, 1.0), 20, fails_at_three)


def test_driver__that_is_slow_leaves_workers_idle():
    """What a driver takes for itself is time in which no tile is handed out."""
    fast, slow = VirtualCluster(50, 1.0, spread=0.0), VirtualCluster(50, 1.0, dask_seconds=0.1)
    run(fast, 200)
    run(slow, 200)
    assert fast.clock.now() < 8.0
    assert slow.clock.now() > 200 * 0.1
    assert sum(slow.busy.values()) / 50 / slow.clock.now() < 0.3


def test_batches__as_many_as_have_ended_are_fetched_at_once(monkeypatch):
    cluster = VirtualCluster(20, 1.0, spread=0.0)
    gather, sizes = cluster.gather, []
    monkeypatch.setattr(
        cluster, "gather", lambda tiles: (sizes.append(len(tiles)), gather(tiles))[1]
    )
    assert len(run(cluster, 200)) == 200
    assert sum(sizes) == 200
    assert max(sizes) > 1


def test_batch__that_cannot_be_fetched_is_fetched_one_by_one(monkeypatch):
    cluster = VirtualCluster(20, 1.0)
    turns = itertools.count()
    gather = cluster.gather

    def now_and_then(tiles):
        if next(turns) % 3 == 0:
            raise OSError("a worker is gone")
        return gather(tiles)

    monkeypatch.setattr(cluster, "gather", now_and_then)
    assert sorted(run(cluster, 200)) == sorted(i * i for i in range(200))
    assert len(CALLS) == 200
    assert next(turns) > 3


def test_stop__lets_what_is_on_the_cluster_end():
    cluster, stop = VirtualCluster(5, 1.0), threading.Event()
    with driver_on(cluster):
        results = run_on_dask(square, range(1000), client=cluster, stop=stop)
        got = list(itertools.islice((x for x in results if x is not None), 3))
        stop.set()
        got += [result for result in results if result is not None]
    assert 3 <= len(got) <= 3 + 2 * 5 + 5
    assert len(set(got)) == len(got)


def test_real_time__is_put_back():
    before = dask.time, dask.queue
    run(VirtualCluster(2, 1.0), 4)
    assert (dask.time, dask.queue) == before == (time, __import__("queue"))
