"""Clients of dask clusters: of a running one, of jobs, or of this machine's own processes."""

from __future__ import annotations

import contextlib
import ipaddress
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fastalliance.errors import ClusterError, ConfigError
from fastalliance.executors.addresses import check_scheduler, require_certificates
from fastalliance.executors.jobqueue import SYSTEMS, job_cluster
from fastalliance.executors.threads import thread_count
from fastalliance.executors.within import within

if TYPE_CHECKING:
    from distributed import Client

ANSWER = 10.0  # seconds that a scheduler has to answer
FAREWELL = 5.0  # seconds to take leave of one, which may hang


class ClusterWarning(UserWarning):
    """A cluster is open to others."""


@contextlib.contextmanager
def connected(
    scheduler: str | None,
    workers: int | str,
    *,
    insecure: bool = False,
    jobs: int | None = None,
) -> Iterator[Client]:
    """Yield a client of a running cluster, of jobs, or of this machine's own processes.

    Parameters
    ----------
    scheduler : str, optional
        Address of a scheduler (``tcp://host:8786``, ``tls://...``), the path of a scheduler file,
        or the name of a batch system. Without it a cluster is started that listens on the loopback
        interface alone.
    workers : int or "auto"
        Single-thread processes of a cluster that is started; of a batch system the cores of a job.
    insecure : bool
        An open network is accepted: no warning of a given scheduler without TLS. A cluster of this
        machine's processes listens on the loopback interface all the same.
    jobs : int, optional
        How many jobs of a batch system.

    Raises
    ------
    ConfigError
        The package distributed, or what a batch system needs, is missing.
    ClusterError
        There is no scheduler at that address, it wants certificates, or jobs are refused.
    """
    try:
        import distributed
    except ImportError:
        raise ConfigError(
            'executor dask needs the package distributed: pip install "fastalliance[dask]"'
        ) from None
    if scheduler is None or scheduler in SYSTEMS:
        if scheduler is None:
            started = _local_cluster(thread_count(workers))
        else:
            started = job_cluster(scheduler, jobs or 1, workers)
        with started as cluster, distributed.Client(cluster) as client:
            yield client
        return
    client = _joined(scheduler)
    try:
        if not insecure:
            _warn_of_open(client.scheduler.address)
        _remove_leftovers(client)
        yield client
    finally:
        with contextlib.suppress(Exception):  # of a cluster that is no more
            within(FAREWELL, client.close)


def _joined(scheduler: str) -> Client:
    """Return a client of a running scheduler."""
    import dask
    import distributed

    check_scheduler(scheduler)
    require_certificates(scheduler)
    where = {"address" if "://" in scheduler else "scheduler_file": scheduler}
    try:
        with dask.config.set({"distributed.comm.timeouts.connect": f"{ANSWER}s"}):
            # its own limit does not hold where a scheduler hangs
            return within(
                2.0 * ANSWER,
                lambda: distributed.Client(**where, timeout=f"{ANSWER}s", set_as_default=False),
            )
    except (OSError, TimeoutError, ValueError, RuntimeError) as error:
        # a RuntimeError where dask's configuration requires encryption
        raise ClusterError(
            f"no dask scheduler answers at {scheduler}: {str(error) or 'it hangs'} (one with TLS "
            "is tls://...)"
        ) from None


def _remove_leftovers(client: Client) -> None:
    """Take from a scheduler the studies of killed runs, which it would give to each new worker.

    Only a scheduler that can import fastalliance says which they are.
    """
    from fastalliance.executors.dask_worker import leftovers

    def remove() -> None:
        for name in client.run_on_scheduler(leftovers):
            client.unregister_worker_plugin(name)

    with contextlib.suppress(Exception):  # of a scheduler without it, or that hangs
        within(FAREWELL, remove)


def _local_cluster(workers: int) -> Any:
    """Return a cluster of processes of this machine that nobody else can reach."""
    import dask
    from distributed import LocalCluster

    try:
        with dask.config.set({"distributed.scheduler.worker-saturation": 1.0}):
            return LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                silence_logs=50,  # what concerns the user comes as one line
                preload=["fastalliance.executors.dask_preload"],
            )
    except (OSError, RuntimeError, TimeoutError) as error:
        raise ClusterError(
            f"dask workers do not start on this machine: {error.__cause__ or error}; a script "
            'that runs a study on dask must do so below: if __name__ == "__main__":'
        ) from error


def _warn_of_open(address: str) -> None:
    """Warn of a scheduler that anybody in the network can give orders to."""
    parts = urlsplit(address)
    if parts.scheme in ("tls", "inproc") or _is_loopback(parts.hostname or ""):
        return
    warnings.warn(
        f"the dask scheduler at {address} takes orders from anybody who reaches it; use TLS "
        "(tls://), or say --insecure in a network that you trust",
        ClusterWarning,
        stacklevel=2,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
