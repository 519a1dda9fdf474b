"""Studies on a dask cluster whose workers write to a store by URL."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from threading import Thread

import pytest
import xarray as xr

import fastalliance as fa
from fastalliance.store import status
from tests.faults.clusters import Cluster, cluster, kill
from tests.faults.s3_proxy import Fault
from tests.faults.s3_server import KEY_ID
from tests.faults.s3_stores import Remote, assert_no_secrets, remote, study

pytest.importorskip("distributed")
pytest.importorskip("moto")
pytest.importorskip("obstore")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

WORKERS_KEY_ID = "AKIDWORKERS000EXAMPLE"


@pytest.fixture(scope="module")
def s3() -> Iterator[Remote]:
    with remote() as made:
        yield made


@pytest.fixture(scope="module")
def workers(s3: Remote) -> Iterator[Cluster]:
    """Two workers, with the credentials in their own environment."""
    with contextlib.ExitStack() as ends:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ACCESS_KEY_ID", WORKERS_KEY_ID)
            made = ends.enter_context(cluster(2, "--no-nanny"))
        yield made


@pytest.fixture(autouse=True)
def _one_test(s3: Remote) -> Iterator[None]:
    with s3.one_test():
        yield


def run(url: str, workers: Cluster) -> xr.Dataset:
    return study().run(store=url, executor="dask", scheduler=workers.address, points_per_tile=1)


def test_study__written_by_workers_has_the_values_of_one_in_memory(
    s3: Remote, workers: Cluster
) -> None:
    url = s3.url("workers")
    with run(url, workers) as ours:
        xr.testing.assert_equal(ours.load(), study().run())
    assert fa.verify(url, model=study().model, threads=1, tiles="all").ok
    s3.assert_clean(url)
    assert_no_secrets(*s3.server.objects("workers").values())
    signed = {request.key_id for request in s3.proxy.requests("PUT", r"/_run/statistics/c\.")}
    assert signed == {WORKERS_KEY_ID}, "tiles are written by workers, with credentials of their own"
    signed = {request.key_id for request in s3.proxy.requests("PUT", r"/_run/ledger/")}
    assert signed == {KEY_ID}, "the ledger is the driver's"


def test_study__under_faults_and_with_a_worker_killed(s3: Remote, workers: Cluster) -> None:
    url = s3.url("faults")
    for seed, fault in enumerate((Fault.STATUS, Fault.DROP, Fault.LOSE_REPLY)):
        s3.proxy.add(fault, probability=0.04, seed=seed, status=503)
    s3.proxy.add(Fault.SLOW, "PUT", r"/_run/statistics/c\.[12]", seconds=1.0)

    def kill_one() -> None:
        while s3.proxy.count("PUT", r"/x/c\.") < 1:
            time.sleep(0.01)
        kill(workers.workers[0])

    killer = Thread(target=kill_one)
    killer.start()
    with run(url, workers) as ours:
        xr.testing.assert_equal(ours.load(), study().run())
    killer.join()
    s3.proxy.clear()
    assert status(url).owner is None
    s3.assert_clean(url)


def test_outage__on_dask_is_one_error_and_resumes_on_threads(s3: Remote, workers: Cluster) -> None:
    url = s3.url("outage")
    s3.proxy.add(Fault.STATUS, "PUT", r"/_run/statistics/c\.[12]", status=403)
    with pytest.raises(fa.FastAllianceError, match=r"S3 denies access") as failure:
        run(url, workers)
    assert_no_secrets(str(failure.value))
    s3.proxy.clear()
    with study().run(store=url, points_per_tile=1, threads=1) as ours:
        xr.testing.assert_equal(ours.load(), study().run())
