"""A dask cluster whose workers are jobs of a batch system, by dask-jobqueue.

A job is one worker process with a thread a core, not a process a core: kernels release the
interpreter lock. Two threads against two processes, on two cores shared with other work, medians of
eight interleaved rounds: 4.9 against 5.7 s of CPU for the same study, 13.9 against 15.2 s of wall
time, 232 against 459 MB; with a cold kernel cache the first tiles cost 9.6 against 26 s of CPU.

The scheduler runs in this process and must be within reach of the nodes, so it speaks TLS alone,
with a key made for this run; it listens on one interface, its dashboard on the loopback interface.
Account, queue, wall time and memory are dask's own configuration, ``jobqueue.<system>``.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fastalliance.errors import ClusterError, ConfigError

if TYPE_CHECKING:
    from dask_jobqueue.core import JobQueueCluster
    from distributed import Client
    from distributed.security import Security

_LOOK_EVERY = 5.0  # seconds between two looks for jobs that have ended
_LONGEST_PAUSE = 600.0  # seconds between two tries where jobs are refused
_UNNAMED = "dask-worker"  # what dask-jobqueue calls a job that its configuration does not name
# A dashboard of each worker would be open to everybody; it cannot be switched off altogether.
_WORKER_OPTIONS = ("--no-dashboard", "--dashboard-address", "127.0.0.1:0")


class System(NamedTuple):
    """A batch system: its class in dask-jobqueue, and the command that lists a user's jobs."""

    cluster: str
    queue: str


SYSTEMS = {
    "slurm": System("SLURMCluster", "squeue --me"),
    "pbs": System("PBSCluster", "qstat"),
    "sge": System("SGECluster", "qstat"),
    "lsf": System("LSFCluster", "bjobs"),
    "htcondor": System("HTCondorCluster", "condor_q"),
    "oar": System("OARCluster", "oarstat"),
    "moab": System("MoabCluster", "showq"),
}


def no_workers(client: Client) -> str:
    """Return what to say where nothing can run a tile, and where to look."""
    started = type(client.cluster).__name__  # dask-jobqueue, where it made this, or nothing of it
    for system in SYSTEMS.values():
        if system.cluster == started:
            return f"there are no workers: look at {system.queue}, and into the logs of the jobs"
    return "there are no workers"


def job_cores(system: str, threads: int | str) -> int:
    """Return the cores of a job: the given number, or for "auto" the one that dask's settings have.

    Raises
    ------
    ConfigError
        Neither says it, or dask-jobqueue is missing.
    """
    _require_package(system)
    cores = _setting(system, "cores") if isinstance(threads, str) else threads
    if not isinstance(cores, int) or cores < 1:
        raise ConfigError(
            f"scheduler {system} needs the cores of a job; give threads (--threads N), or set "
            f"jobqueue.{system}.cores in dask's configuration"
        )
    return cores


@contextlib.contextmanager
def job_cluster(system: str, jobs: int, threads: int | str) -> Iterator[JobQueueCluster]:
    """Yield a cluster of jobs, which are replaced when they end and cancelled at the end.

    Parameters
    ----------
    system : str
        One of `SYSTEMS`.
    jobs : int
        How many; each is a worker.
    threads : int or "auto"
        Cores of a job, and threads of its worker.

    Raises
    ------
    ConfigError
        dask-jobqueue, the batch system's command or a setting is missing.
    ClusterError
        The batch system refuses the jobs, or the scheduler cannot start.
    """
    cores = job_cores(system, threads)
    _require_command(system)
    _require_settings(system)
    with _credentials(system) as security, _cluster(system, cores, security) as cluster:
        for _ in range(jobs):
            cluster.worker_spec.update(cluster.new_worker_spec())
        _submit(cluster, system)
        with _replacing(cluster, system):
            yield cluster


def _cluster(system: str, cores: int, security: Security) -> JobQueueCluster:
    import dask
    import dask_jobqueue
    from distributed.utils import get_ip

    made = getattr(dask_jobqueue, SYSTEMS[system].cluster)
    scheduler = {
        "dashboard_address": "127.0.0.1:0",
        **(_setting(system, "scheduler-options") or {}),
    }
    places = ("host", "interface", "contact_address")
    if not any(scheduler.get(place) for place in places) and not _setting(system, "interface"):
        scheduler["host"] = get_ip()  # the address that workers are told anyway, and no other
    name = _setting(system, "name")
    try:
        with dask.config.set({"distributed.scheduler.worker-saturation": 1.0}):
            cluster: JobQueueCluster = made(
                cores=cores,
                processes=1,
                job_name="fastalliance" if name == _UNNAMED else name,
                security=security,
                scheduler_options={**scheduler, "protocol": "tls://", "security": security},
                worker_extra_args=[*_setting(system, "worker-extra-args"), *_WORKER_OPTIONS],
            )
            return cluster
    except ValueError as error:
        raise ConfigError(f"scheduler {system}: {_one_line(error)}") from None
    except RuntimeError as error:
        raise ClusterError(f"scheduler {system}: {_one_line(error)}") from None


def _submit(cluster: JobQueueCluster, system: str) -> None:
    """Submit the jobs that are wanted and not there; `scale` would keep a refusal to itself."""
    try:
        cluster.sync(_submitted, cluster)
    except (RuntimeError, ValueError, OSError) as error:
        raise ClusterError(f"{system} refuses a job: {_one_line(error)}") from None


async def _submitted(cluster: JobQueueCluster) -> None:
    from distributed.core import Status

    try:
        await cluster
    except BaseException:
        for name, job in list(cluster.workers.items()):
            if job.status == Status.created:  # refused; it is no worker, and nothing to be closed
                job.status = Status.failed
                del cluster.workers[name]
        raise


@contextlib.contextmanager
def _replacing(cluster: JobQueueCluster, system: str) -> Iterator[None]:
    """Submit a job anew when its worker was lost: cancelled, out of time, or with its node.

    dask notices the loss, cancels what is left of the job, and strikes it off `workers`.
    """
    from fastalliance.executors.connecting import ClusterWarning

    ended = threading.Event()

    def look() -> None:
        pause = _LOOK_EVERY
        while not ended.wait(pause):
            if len(cluster.workers) == len(cluster.worker_spec):
                continue
            try:
                _submit(cluster, system)
                pause = _LOOK_EVERY
            except ClusterError as error:
                pause = min(2.0 * pause, _LONGEST_PAUSE)
                text = f"{error}; it was to replace one that has ended, and will be tried again"
                warnings.warn(text, ClusterWarning, stacklevel=1)

    thread = threading.Thread(target=look, name="replace-jobs", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextlib.contextmanager
def _credentials(system: str) -> Iterator[Security]:
    """Yield a key and a certificate for this run, in files that workers can read and others not."""
    from distributed.security import Security

    shared = _setting(system, "shared-temp-directory")
    parent = os.path.abspath(os.path.expandvars(os.path.expanduser(shared or ".")))
    advice = f"set jobqueue.{system}.shared-temp-directory in dask's configuration to one"
    if len(parent.split()) != 1:
        raise ConfigError(
            f"a job's command cannot name {parent!r}, for its space; {advice} without"
        )
    try:
        folder = Path(tempfile.mkdtemp(prefix=".fastalliance-jobs-", dir=parent))
    except OSError as error:
        raise ConfigError(
            f"the jobs need a directory that the nodes see, and {parent} cannot be written: "
            f"{error.strerror}; {advice} that can"
        ) from None
    try:
        made = Security.temporary()
        files = {"cert": folder / "cert.pem", "key": folder / "key.pem"}
        for part, path in files.items():
            path.touch(mode=0o600)
            path.write_text(getattr(made, f"tls_client_{part}"))
        roles = ("client", "scheduler", "worker")
        named = {f"tls_{role}_{part}": str(path) for role in roles for part, path in files.items()}
        yield Security(tls_ca_file=str(files["cert"]), require_encryption=True, **named)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _require_package(system: str) -> None:
    """Import dask-jobqueue, which takes Ctrl-C for itself as it is imported, and give that back."""
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        import cryptography  # noqa: F401 -- for the certificates
        import dask_jobqueue.config
    except ImportError as error:
        raise ConfigError(
            f"scheduler {system} needs the package {error.name}: "
            'pip install "fastalliance[jobqueue]"'
        ) from None
    except ValueError:
        raise ConfigError(
            f"scheduler {system}: the main thread must import dask_jobqueue, before other threads "
            "run studies"
        ) from None
    if signal.getsignal(signal.SIGINT) is not interrupt:
        signal.signal(signal.SIGINT, interrupt)
    # its defaults, which are lost with a `dask.config.set` in which it was imported first
    dask_jobqueue.config.reconfigure()


def _require_command(system: str) -> None:
    import dask_jobqueue

    command = getattr(dask_jobqueue, SYSTEMS[system].cluster).job_cls.submit_command
    if shutil.which(command) is None:
        raise ConfigError(
            f"scheduler {system} needs the command {command}, which this machine does not have; "
            "run on a login node of the cluster"
        )


def _require_settings(system: str) -> None:
    needed = ["memory", *(["disk"] if system == "htcondor" else [])]
    for name in needed:
        if not _setting(system, name):
            raise ConfigError(
                f"scheduler {system} needs the {name} of a job; set jobqueue.{system}.{name} in "
                f"~/.config/dask/jobqueue.yaml, or DASK_JOBQUEUE__{system.upper()}__"
                f"{name.upper()}=4GB in the environment"
            )


def _setting(system: str, name: str) -> Any:
    import dask

    return dask.config.get(f"jobqueue.{system}.{name}", default=None)


def _one_line(error: Exception) -> str:
    """Return what a batch system's command said, or the error's text, in one line."""
    said = str(error).rpartition("stderr:\n")[2]
    return "; ".join(line.strip() for line in said.splitlines() if line.strip())
