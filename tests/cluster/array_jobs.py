"""A study as a SLURM array by the template, its tasks killed and requeued in every way."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

from tests.cluster.runs import Report, Undisturbed, ledger_files
from tests.cluster.slurm_node import SlurmError, SlurmNode, wait_until

TEMPLATE = Path(__file__).parents[2] / "configs" / "cluster" / "slurm_array.sh"
TASKS = 3


def array_of_three(node: SlurmNode, undisturbed: Undisturbed, report: Report) -> None:
    """Submit three tasks; kill one, requeue one, tell one that its time is up; compare values."""
    report.heading("array of three tasks, configs/cluster/slurm_array.sh with three lines changed")
    store = node.folder / "array.zarr"
    script = node.folder / "my_study.sh"
    script.write_text(
        with_changes(
            TEMPLATE.read_text(),
            array=f"0-{TASKS - 1}",
            study=str(undisturbed.configuration),
            store=str(store),
        )
    )
    array = node.run(
        "sbatch", "--parsable", "--cpus-per-task=1", f"--chdir={node.folder}", str(script)
    )
    killed, requeued, timed = (f"{array}_{task}" for task in range(TASKS))
    for task in range(TASKS):
        writer = f"shard-{task}-of-{TASKS}"
        wait_until(f"{writer} records tiles", 60, lambda w=writer: ledger_files(store, w))
    report(f"all three run: {', '.join(node.jobs('RUNNING'))}")

    processes = node.processes(killed)
    if not processes:
        raise SlurmError(f"task {killed} has no processes")
    for process in processes:
        os.kill(process, signal.SIGKILL)
    wait_until(f"{killed} fails", 20, lambda: node.field(killed, "JobState") == "FAILED")
    report(f"{killed}: SIGKILL of its {len(processes)} processes; SLURM calls it FAILED")
    node.run("scontrol", "requeue", killed)
    report(f"{killed}: scontrol requeue")

    node.run("scontrol", "requeue", requeued)
    report(f"{requeued}: scontrol requeue while it runs")
    node.run("scancel", "--batch", "--signal=USR1", timed)
    report(f"{timed}: USR1, the sign that its time is up; it queues itself again")

    for job in (killed, requeued, timed):
        wait_until(f"{job} ends after a restart", 180, lambda j=job: _ended(node, j))
    report("all three COMPLETED, each with one restart")
    for job in (killed, requeued, timed):
        _check_log(node.folder / f"fastalliance-{job}.log", stopped=job != killed)
    report(undisturbed.require_equal(store))


def _ended(node: SlurmNode, job: str) -> bool:
    """Say whether a task that was requeued is completed; raise SlurmError where it failed."""
    state, restarts = node.field(job, "JobState"), node.field(job, "Restarts")
    if restarts == "1" and state not in (
        "PENDING",
        "CONFIGURING",
        "RUNNING",
        "COMPLETING",
        "COMPLETED",
    ):
        log = (node.folder / f"fastalliance-{job}.log").read_text()
        raise SlurmError(f"{job} is {state} after its restart:\n{log}")
    return (state, restarts) == ("COMPLETED", "1")


def with_changes(template: str, **values: str) -> str:
    """Return the template with the lines changed that it asks to change; each must be there."""
    patterns = {
        "array": r"(?<=^#SBATCH --array=)\S+$",
        "study": r"(?<=^study=)\S+",
        "store": r"(?<=^store=)\S+",
    }
    for name, value in values.items():
        template, changed = re.subn(patterns[name], value, template, flags=re.MULTILINE)
        if changed != 1:
            raise SlurmError(f"the template has {changed} lines that set {name}, not one")
    return template


def _check_log(path: Path, stopped: bool) -> None:
    """Look into the one log of a task that ran twice: how it was stopped, how it ended."""
    text = path.read_text()
    ended = re.search(r"^(shard \d/\d is done|store: )", text, re.MULTILINE)
    if stopped != ("interrupted after" in text) or not ended:
        raise SlurmError(f"{path.name} does not tell what became of its task:\n{text}")
