"""The templates of configs/cluster: what they run is right, and the same in both."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from fastalliance.cli.parser import parse
from fastalliance.store.shards import Shard
from tests.cluster.array_jobs import TEMPLATE, with_changes

KUBERNETES = TEMPLATE.parent / "kubernetes_job.yaml"
TASK = {"SLURM_ARRAY_JOB_ID": "70", "SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "8"}


@pytest.fixture
def commands(tmp_path):
    """A directory of commands that note their arguments in `calls`, and how to run with them."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("fastalliance", "scontrol"):
        program = folder / name
        program.write_text(
            f'#!/bin/sh\nprintf "%s\\n" {name} "$@" >> {tmp_path}/calls\n'
            f'if [ {name} = fastalliance ]; then eval "$DO"; fi\n'
        )
        program.chmod(0o755)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "SLURM_CPUS_PER_TASK": "4", **TASK}
    return environment, tmp_path / "calls"


def options(calls: Path):
    """Return what the parser makes of the arguments that `fastalliance` got."""
    name, *arguments = calls.read_text().splitlines()
    assert name == "fastalliance"
    return parse(arguments)[1]


def job():
    return yaml.safe_load(KUBERNETES.read_text())


def test_slurm__runs_its_shard_with_its_cores(commands):
    environment, calls = commands
    text = with_changes(TEMPLATE.read_text(), array="0-7", study="x.yaml", store="y.zarr")
    subprocess.run(["bash", "-c", text], env=environment, check=True)
    found = options(calls)
    assert (found.config, found.store) == ("x.yaml", "y.zarr")
    assert (found.shard, found.threads) == ("3/8", 4)


@pytest.mark.parametrize("code", [0, 2, 3, 130])
def test_slurm__ends_as_its_run_does(commands, code):
    environment, calls = commands
    environment = {**environment, "DO": f"exit {code}"}
    done = subprocess.run(["bash", "-c", TEMPLATE.read_text()], env=environment)
    assert done.returncode == code
    assert "scontrol" not in calls.read_text().split()


@pytest.mark.parametrize(("code", "requeued"), [(130, True), (0, False), (3, False)])
def test_slurm__that_runs_out_of_time_stops_its_run_and_queues_itself_again(
    commands, code, requeued
):
    environment, calls = commands
    waits = f"trap 'exit {code}' TERM; for i in $(seq 200); do sleep 0.05; done"
    with subprocess.Popen(
        ["bash", "-c", TEMPLATE.read_text()], env={**environment, "DO": waits}
    ) as running:
        while not calls.exists():
            time.sleep(0.01)
        time.sleep(0.2)  # until both traps are set
        running.send_signal(signal.SIGUSR1)
        assert running.wait(timeout=10) == code
    words = calls.read_text().split()
    # the job of the array's last task has the number of the array: this one alone, then
    assert (words[-3:] == ["scontrol", "requeue", "70_3"]) == requeued


def test_slurm__directives_stand_where_slurm_reads_them():
    lines = TEMPLATE.read_text().splitlines()
    command = next(n for n, line in enumerate(lines) if not line.startswith("#"))
    directives = [line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH")]
    assert directives == [
        line.removeprefix("#SBATCH ") for line in lines[:command] if line.startswith("#SBATCH")
    ]
    assert {"--requeue", "--open-mode=append", "--array=0-7"} <= set(directives)
    assert any(re.fullmatch(r"--signal=B:USR1@\d+", line) for line in directives)
    assert any(re.fullmatch(r"--output=.*%A_%a.*", line) for line in directives)


def test_slurm__says_of_three_lines_that_they_are_to_be_changed():
    head, _, rest = TEMPLATE.read_text().partition("#\n# Change:")
    assert "change the three lines" in head
    assert rest.count("# change:") == 2
    with pytest.raises(Exception, match="has 0 lines that set study"):
        with_changes(TEMPLATE.read_text().replace("study=", "config="), study="x")


def test_kubernetes__is_an_indexed_job():
    found = job()
    assert (found["apiVersion"], found["kind"]) == ("batch/v1", "Job")
    spec, pod = found["spec"], found["spec"]["template"]["spec"]
    assert spec["completionMode"] == "Indexed"
    assert spec["backoffLimitPerIndex"] > 0
    # which Kubernetes asks for with limits and policies of that kind
    assert pod["restartPolicy"] == "Never"
    names = {rule["onExitCodes"]["containerName"] for rule in spec["podFailurePolicy"]["rules"][1:]}
    assert names == {pod["containers"][0]["name"]}
    mounted = {mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_kubernetes__runs_its_shard_with_its_cores(commands):
    environment, calls = commands
    container = job()["spec"]["template"]["spec"]["containers"][0]
    environment = {**environment, "JOB_COMPLETION_INDEX": "3"}
    subprocess.run([*container["command"], *container["args"]], env=environment, check=True)
    found = options(calls)
    assert found.shard == f"3/{job()['spec']['completions']}"
    assert str(found.threads) == container["resources"]["requests"]["cpu"]


def test_templates__ask_for_the_same(commands):
    environment, calls = commands
    subprocess.run(["bash", "-c", TEMPLATE.read_text()], env=environment, check=True)
    slurm = options(calls)
    calls.unlink()
    container = job()["spec"]["template"]["spec"]["containers"][0]
    environment = {**environment, "JOB_COMPLETION_INDEX": "3"}
    subprocess.run([*container["command"], *container["args"]], env=environment, check=True)
    kubernetes = options(calls)
    given = {name for name, value in vars(slurm).items() if value}
    assert given == {name for name, value in vars(kubernetes).items() if value}
    assert Shard.parse(slurm.shard) == Shard.parse(kubernetes.shard)
    cores, memory = re.findall(
        r"#SBATCH --(?:cpus-per-task|mem-per-cpu)=(\d+)", TEMPLATE.read_text()
    )
    requests = container["resources"]["requests"]
    assert requests == {"cpu": cores, "memory": f"{int(cores) * int(memory)}Gi"}
