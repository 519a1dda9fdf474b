"""A real SLURM of one node, from Debian's packages, in a temporary directory; needs root."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

PACKAGES = {
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "sbatch": "slurm-client",
    "munged": "munge",
}
CPUS = 4  # that SLURM is told of, so that three tasks of one core run at once on a small machine
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# cred_expire: a requeued job waits as long, two minutes if not said otherwise.
# NoInAddrAny: the daemons listen on the loopback interface alone.
CONFIGURATION = """\
ClusterName=fastalliance
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
DefMemPerCPU=512
JobRequeue=1
KillWait=2
MinJobAge=3600
ReturnToService=2
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


class SlurmError(Exception):
    """SLURM does not do what it should, or takes too long."""


def install() -> None:
    """Install what is missing of SLURM and munge; nothing of it is started by that."""
    if os.geteuid() != 0:
        raise SlurmError("a SLURM of our own needs root (apt-get, munged as its own user)")
    lacking = sorted({p for program, p in PACKAGES.items() if not shutil.which(program, path=PATH)})
    if not lacking:
        return
    print(f"installing {', '.join(lacking)} ...", flush=True)
    # without a runlevel invoke-rc.d starts no daemons of the packages' own configuration
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *lacking]):
        done = subprocess.run(
            ["apt-get", "--quiet", *command], env=environment, capture_output=True, text=True
        )
        if done.returncode:
            raise SlurmError(f"apt-get {command[0]} failed:\n{done.stdout}{done.stderr}")


def wait_until(what: str, seconds: float, condition: Callable[[], object]) -> None:
    """Wait for a condition; raise SlurmError where it does not come true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SlurmError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.1)


class SlurmNode:
    """munged, slurmctld and slurmd; use it as a context manager.

    Attributes
    ----------
    folder : Path
        Of the node's files, and of the jobs'; removed in the end.
    environment : dict of str to str
        With which commands find this SLURM.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="fastalliance-slurm-"))
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SLURM")},
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', PATH)}",  # fastalliance
        }
        self.daemons: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        try:
            self._write()
            self._start("munge", *_munged(self.folder / "munge"), user="munge")
            socket_file = self.folder / "munge" / "socket"
            wait_until("munged opens its socket", 10, socket_file.exists)
            configuration = self.environment["SLURM_CONF"]
            self._start("slurmctld", "slurmctld", "-D", "-f", configuration)
            self._start("slurmd", "slurmd", "-D", "-f", configuration)
            wait_until("the node is idle", 30, lambda: "idle" in self._states())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def run(self, *command: str) -> str:
        """Run a command of SLURM and return what it prints."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        if done.returncode:
            raise SlurmError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout.strip()

    def jobs(self, state: str = "all") -> list[str]:
        """Return the ids of jobs in a state; tasks of an array as 7_0."""
        states = ["--states", state] if state != "any" else []
        text = self.run("squeue", "--noheader", "--array", "--format=%i", *states)
        return sorted(text.split())

    def field(self, job: str, name: str) -> str:
        """Return a field of ``scontrol show job``."""
        words = self.run("scontrol", "--oneliner", "show", "job", job).split()
        return next(word.split("=", 1)[1] for word in words if word.startswith(f"{name}="))

    def processes(self, job: str) -> list[int]:
        """Return the processes of a running job, those of our user's commands alone."""
        mark = f"SLURM_JOB_ID={self.field(job, 'JobId')}\0".encode()
        ours = f"SLURM_CONF={self.environment['SLURM_CONF']}\0".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    environment = (entry / "environ").read_bytes()
                    if mark in environment and ours in environment:
                        found.append(int(entry.name))
        return found

    def log(self) -> str:
        """Return the ends of the daemons' logs."""
        lines = []
        for path in sorted(self.folder.glob("*.log")):
            lines += [f"--- {path.name}", *path.read_text(errors="replace").splitlines()[-20:]]
        return "\n".join(lines)

    def _write(self) -> None:
        self.folder.chmod(0o755)  # munged, another user, goes through it
        keys = self.folder / "munge"
        keys.mkdir(mode=0o755)
        (keys / "key").write_bytes(secrets.token_bytes(128))
        (keys / "key").chmod(0o400)
        for path in (keys, keys / "key"):
            shutil.chown(path, "munge", "munge")
        for name in ("state", "spool"):
            (self.folder / name).mkdir(mode=0o755)
        host = socket.gethostname().split(".")[0]
        controller_port, node_port = _free_ports(2)
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
        text = CONFIGURATION.format(
            host=host,
            controller_port=controller_port,
            node_port=node_port,
            folder=self.folder,
            cpus=CPUS,
            memory=memory,
        )
        (self.folder / "slurm.conf").write_text(text)

    def _start(self, name: str, *command: str, user: str = "root") -> None:
        # which is killed with this process, should that be killed
        as_user = ["setpriv", "--pdeathsig", "KILL", "--clear-groups"]
        as_user += ["--reuid", user, "--regid", user]
        with (self.folder / f"{name}.out").open("wb") as output:
            daemon = subprocess.Popen(
                [*as_user, *command],
                env={**self.environment, "PATH": PATH},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                start_new_session=True,
            )
        self.daemons.append(daemon)

    def _states(self) -> str:
        for daemon in self.daemons:
            if daemon.poll() is not None:
                raise SlurmError(f"{daemon.args} has ended\n{self.log()}")
        with contextlib.suppress(SlurmError):  # of a controller that has not started yet
            return self.run("sinfo", "--noheader", "--format=%T")
        return ""

    def _stop(self) -> None:
        """Cancel all jobs, end the daemons, remove the folder."""
        with contextlib.suppress(SlurmError):  # of a controller that never started
            if len(self.daemons) == 3:
                self.run("scancel", "--full", "--state=PENDING")
                self.run("scancel", "--full", "--signal=KILL", "--state=RUNNING")
                wait_until("all jobs end", 20, lambda: not self.jobs("any"))
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(timeout=5)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def _munged(folder: Path) -> list[str]:
    return [
        "munged",
        "--foreground",
        f"--key-file={folder}/key",
        f"--socket={folder}/socket",
        f"--log-file={folder}/munged.log",
        f"--pid-file={folder}/munged.pid",
        f"--seed-file={folder}/munged.seed",
    ]


def _free_ports(count: int) -> Iterator[int]:
    with contextlib.ExitStack() as probes:
        ports = []
        for _ in range(count):
            probe = probes.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
    return iter(ports)
