"""Studies on jobs that dask-jobqueue submits: lost, refused, interrupted, closed to strangers."""

from __future__ import annotations

import contextlib
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator

import psutil

from tests.cluster.runs import FASTALLIANCE, Report, Undisturbed, ledger_files
from tests.cluster.slurm_node import SlurmError, SlurmNode, wait_until

JOBS, THREADS = 2, 1


class Run:
    """``fastalliance run --scheduler slurm`` in a directory of its own."""

    def __init__(self, node: SlurmNode, undisturbed: Undisturbed, name: str, **settings: str):
        self.node, self.name = node, name
        self.folder = node.folder / name
        self.folder.mkdir()
        self.store = self.folder / "run.zarr"
        self.errors = self.folder / "errors.txt"
        settings = {"memory": "1GB", "name": name, **settings}
        names = {f"DASK_JOBQUEUE__SLURM__{key.upper()}": text for key, text in settings.items()}
        options = ["--scheduler", "slurm", "--jobs", str(JOBS), "--threads", str(THREADS)]
        self.command = [*FASTALLIANCE, "run", str(undisturbed.configuration), *options]
        self.command += ["--store", str(self.store)]
        self.environment = {
            **node.environment,
            **names,
            "DASK_DISTRIBUTED__DEPLOY__LOST_WORKER_TIMEOUT": "3s",
        }

    @contextlib.contextmanager
    def started(self) -> Iterator[subprocess.Popen[bytes]]:
        """Start it; it is killed in the end, should it still run."""
        with self.errors.open("wb") as errors:
            process = subprocess.Popen(
                self.command,
                env=self.environment,
                cwd=self.folder,
                stdout=errors,
                stderr=errors,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()

    def jobs(self) -> list[str]:
        """Return the jobs of this run that are in the queue."""
        return sorted(
            self.node.run("squeue", "--noheader", "--format=%i", f"--name={self.name}").split()
        )

    def workers(self) -> list[str]:
        """Return the jobs that run."""
        states = ["--states=RUNNING", f"--name={self.name}"]
        return sorted(self.node.run("squeue", "--noheader", "--format=%i", *states).split())

    def said(self) -> str:
        """Return what the run has printed."""
        return self.errors.read_text(errors="replace")

    def wait_for_tiles(self, files: int) -> None:
        """Wait until the ledger has so many files."""
        what = f"{self.name}: the ledger has {files} files"
        try:
            wait_until(what, 120, lambda: ledger_files(self.store) >= files)
        except SlurmError as error:
            raise SlurmError(f"{error}\n{self.said()}\n{self.logs()}") from None

    def logs(self) -> str:
        """Return what the jobs have printed."""
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("slurm-*.out")))

    def require_end(
        self, process: subprocess.Popen[bytes], code: int, seconds: float = 180
    ) -> None:
        """Wait for the run's end, and that it leaves neither jobs nor keys behind."""
        wait_until(f"{self.name} ends", seconds, lambda: process.poll() is not None)
        if process.returncode != code:
            raise SlurmError(
                f"{self.name} ended with {process.returncode}, not {code}:\n{self.said()}"
            )
        wait_until(f"the jobs of {self.name} end", 10, lambda: not self.jobs())
        if left := list(self.folder.glob(".fastalliance-jobs-*")):
            raise SlurmError(f"{self.name} left {left}")


def lost_job(node: SlurmNode, undisturbed: Undisturbed, report: Report) -> None:
    """Cancel a job in mid-run; another takes its place, and the values are the same."""
    report.heading(f"--scheduler slurm --jobs {JOBS} --threads {THREADS}, by dask-jobqueue")
    run = Run(node, undisturbed, "lost")
    with run.started() as process:
        run.wait_for_tiles(2)
        wait_until("both jobs run", 60, lambda: len(run.workers()) == JOBS)
        first = run.workers()
        report(f"jobs {' and '.join(first)} run tiles")
        report(require_closed(node, process.pid, first))
        node.run("scancel", first[0])
        report(f"scancel {first[0]} in mid-run")
        wait_until(
            "another job takes its place",
            60,
            lambda: len(set(run.workers()) - set(first)) == 1 or process.poll() is not None,
        )
        replaced = set(run.workers()) - set(first)
        if not replaced:
            raise SlurmError(f"no job came in the place of {first[0]}:\n{run.said()}")
        report(f"job {replaced.pop()} takes its place")
        run.require_end(process, 0)
    report("the run ended with 0; no job and no key is left")
    report(undisturbed.require_equal(run.store))


def interrupted(node: SlurmNode, undisturbed: Undisturbed, report: Report) -> None:
    """Ctrl-C cancels the jobs; a driver that is killed takes them along; threads finish."""
    report.heading("a run on jobs that is interrupted, then killed, then finished on threads")
    run = Run(node, undisturbed, "interrupted")
    with run.started() as process:
        run.wait_for_tiles(2)
        process.send_signal(signal.SIGINT)
        run.require_end(process, 130, 30)
    report("Ctrl-C: ended with 130; no job and no key is left")
    with run.started() as process:
        run.wait_for_tiles(ledger_files(run.store) + 2)
        process.kill()
        process.wait()
        report("SIGKILL of the run")
        wait_until("the jobs end by themselves", 120, lambda: not run.jobs())
        report("its jobs have ended by themselves")
    finish = [*run.command[: run.command.index("--scheduler")], "--store", str(run.store)]
    done = subprocess.run(finish, capture_output=True, text=True)
    if done.returncode:
        raise SlurmError(f"the run on threads ended with {done.returncode}:\n{done.stderr}")
    report("finished on threads")
    report(undisturbed.require_equal(run.store))


def refused(node: SlurmNode, undisturbed: Undisturbed, report: Report) -> None:
    """What sbatch refuses is one line; that no job starts is said, and where to look."""
    report.heading("jobs that are refused, and jobs that do not start")
    run = Run(node, undisturbed, "refused", queue="nowhere")
    with run.started() as process:
        run.require_end(process, 1, 60)
    lines = [line for line in run.said().splitlines() if "error" in line]
    if len(lines) != 1 or "invalid partition specified: nowhere" not in lines[0]:
        raise SlurmError(f"a refusal is not one line:\n{run.said()}")
    report(lines[0])
    run = Run(node, undisturbed, "waiting", job_extra_directives='["--begin=now+1hour"]')
    run.command[1:3] = ["-c", _IMPATIENT]
    with run.started() as process:
        wait_until("silence is said", 60, lambda: "no tile has finished" in run.said())
        report(next(line for line in run.said().splitlines() if "no tile has finished" in line))
        process.send_signal(signal.SIGINT)
        run.require_end(process, 130, 30)
    if "look at squeue --me" not in run.said():
        raise SlurmError(f"it is not said where to look:\n{run.said()}")
    report("Ctrl-C while the jobs wait: ended with 130; no job is left")


# the command, but for the time after which silence is said
_IMPATIENT = """
import sys
import fastalliance.executors.silence as silence
from fastalliance.cli import main
silence.SILENT = 3.0
sys.exit(main())
"""


def require_closed(node: SlurmNode, process: int, jobs: list[str]) -> str:
    """Raise SlurmError unless every port of a run and its jobs is the loopback's or needs a key."""
    scheduler = _open_ports(process)
    if not scheduler or any(ip in ("0.0.0.0", "::") for ip, _ in scheduler):
        raise SlurmError(f"the scheduler listens at {scheduler}, not on one interface")
    workers = {port for job in jobs for one in node.processes(job) for port in _open_ports(one)}
    for ip, port in scheduler | workers:
        _require_tls("127.0.0.1" if ip in ("0.0.0.0", "::") else ip, port)
    n_ports = len(scheduler) + len(workers)
    return (
        f"{n_ports} ports listen beyond the loopback interface, each closed without the run's key"
    )


def _open_ports(process: int) -> set[tuple[str, int]]:
    places = {
        connection.laddr
        for connection in psutil.Process(process).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    return {(place.ip, place.port) for place in places if not place.ip.startswith("127.")}


def _require_tls(host: str, port: int) -> None:
    """Raise SlurmError where a stranger, without TLS or with it, gets a word from dask."""
    with socket.create_connection((host, port), timeout=5) as plain:
        plain.settimeout(2)
        plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with contextlib.suppress(OSError):
            if plain.recv(1) not in (b"", b"\x15"):  # an alert of TLS is no word
                raise SlurmError(f"{host}:{port} talks without TLS")
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    stranger.check_hostname, stranger.verify_mode = False, ssl.CERT_NONE
    with (
        contextlib.suppress(OSError),
        socket.create_connection((host, port), timeout=5) as raw,
        stranger.wrap_socket(raw) as secure,
    ):
        secure.settimeout(2)
        if secure.recv(1):
            raise SlurmError(f"{host}:{port} talks to those without a key")
