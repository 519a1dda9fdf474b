"""Jobs by dask-jobqueue, without a batch system: options, scripts, and a sbatch of our own.

A real SLURM does the same in ``python -m tests.cluster.slurm``.
"""

import contextlib
import itertools
import os
import shlex
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import dask
import numpy as np
import psutil
import pytest

import fastalliance as fa
from fastalliance.cli import main
from fastalliance.errors import ClusterError
from fastalliance.executors import SYSTEMS, jobqueue
from fastalliance.executors.connecting import ClusterWarning
from fastalliance.executors.silence import SilenceWarning
from fastalliance.study.progress import NoProgress

pytest.importorskip("dask_jobqueue")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

# A job is a process group, by its number; REFUSE, a file, has sbatch say no.
SBATCH = """#!/bin/sh
if [ -e {folder}/REFUSE ]; then echo "sbatch: error: no more jobs today" >&2; exit 1; fi
cp "$1" {folder}/$$.sh
setsid sh {folder}/$$.sh > {folder}/$$.log 2>&1 &
echo $! >> {folder}/submitted
echo "Submitted batch job $!"
"""
SCANCEL = """#!/bin/sh
echo "$1" >> {folder}/cancelled
kill -s KILL -- "-$1" 2>/dev/null
"""


@pytest.fixture
def batch(tmp_path, monkeypatch):
    """A directory with sbatch and scancel that run jobs here; none outlives the test."""
    folder = tmp_path / "batch"
    folder.mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (folder / name).write_text(text.format(folder=folder))
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fastalliance.executors.silence.SILENT", 30.0)  # an error, not a hang
    jobqueue._require_package("slurm")  # its defaults, which `set` would take away again
    settings = {"memory": "2GB", "scheduler-options": {"host": "127.0.0.1"}}
    with dask.config.set({f"jobqueue.slurm.{name}": value for name, value in settings.items()}):
        yield folder
    for job in noted(folder, "submitted"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(job, signal.SIGKILL)


def noted(folder: Path, name: str) -> list[int]:
    """Return the jobs that were `submitted`, or `cancelled`."""
    path = folder / name
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def listening() -> set[tuple[str, int]]:
    """Return where this process listens."""
    places = psutil.Process().net_connections("tcp")
    return {tuple(place.laddr) for place in places if place.status == psutil.CONN_LISTEN}


def study() -> fa.Study:
    design = fa.grid(initial_trust=np.linspace(0.4, 0.6, 12))
    return fa.Study("dyad", design=design, replicates=50, seed=4)


class Act(NoProgress):
    """Does something after some tiles."""

    def __init__(self, tiles: int, act) -> None:
        self.left, self.act = tiles, act

    def advance(self, steps: int) -> None:
        self.left -= 1
        if self.left == 0:
            self.act()


def same(found, expected) -> None:
    for name in expected.data_vars:
        np.testing.assert_array_equal(found[name].values, expected[name].values, err_msg=str(name))


def test_study__on_jobs_equals_threads_and_leaves_nothing(batch, tmp_path, capsys):
    command = ["run", _written(study()), "--store", "run.zarr", "--quiet"]
    assert main([*command, "--scheduler", "slurm", "--jobs", "2", "--threads", "1"]) == 0
    assert "instance-steps/s on 2 threads" in capsys.readouterr().out
    same(fa.open("run.zarr"), study().run())
    assert len(noted(batch, "submitted")) == 2
    assert sorted(noted(batch, "cancelled")) == sorted(noted(batch, "submitted"))
    assert {path.name for path in tmp_path.iterdir()} == {"batch", "run.zarr", "study.yaml"}


def test_lost_job__is_replaced(batch, monkeypatch):
    monkeypatch.setattr(jobqueue, "_LOOK_EVERY", 0.1)

    def lose_and_wait() -> None:
        (batch / "REFUSE").touch()
        os.killpg(noted(batch, "submitted")[0], signal.SIGKILL)
        time.sleep(0.8)  # a refusal is tried again
        (batch / "REFUSE").unlink()

    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "0.2s"}),
        pytest.warns(ClusterWarning, match=r"no more jobs today; it was to replace one .* again"),
    ):
        found = _run_loudly(jobs=1, threads=2, progress=Act(2, lose_and_wait))
    same(found, study().run())
    assert len(noted(batch, "submitted")) == 2
    assert noted(batch, "cancelled") == noted(batch, "submitted")


def _run_loudly(**options):
    """Run the study on jobs; silence is an error, so that a test does not hang."""
    warnings.simplefilter("error", SilenceWarning)
    return study().run(executor="dask", scheduler="slurm", points_per_tile=1, **options)


def test_refusal__is_one_line(batch, tmp_path):
    (batch / "REFUSE").touch()
    with pytest.raises(ClusterError, match=r"^slurm refuses a job: sbatch: error: no more jobs to"):
        study().run(executor="dask", scheduler="slurm", jobs=2, threads=1)
    assert [path.name for path in tmp_path.iterdir()] == ["batch"]


def test_no_workers__names_the_command_that_lists_jobs(batch):
    with (
        jobqueue.job_cluster("slurm", 1, 1) as cluster,
        cluster.get_client() as client,
    ):
        assert jobqueue.no_workers(client).endswith(
            "look at squeue --me, and into the logs of the jobs"
        )


@pytest.mark.parametrize("system", SYSTEMS)
def test_script__is_one_process_with_a_thread_a_core_and_tls(system, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jobqueue._require_package(system)
    before = listening()
    given = {"memory": "6GB", "disk": "1GB", "scheduler-options": {"host": "127.0.0.1"}}
    given |= {"memory-per-core-property-name": "not_applicable", "processes": 5}
    settings = {f"jobqueue.{system}.{name}": value for name, value in given.items()}
    with (
        dask.config.set(settings),
        jobqueue._credentials(system) as security,
        jobqueue._cluster(system, 3, security) as cluster,
    ):
        script = cluster.job_script()
        keys = list(tmp_path.glob(".fastalliance-jobs-*/*"))
        assert {path.name: path.stat().st_mode & 0o777 for path in keys} == {
            "cert.pem": 0o600,
            "key.pem": 0o600,
        }
        assert cluster.scheduler_address.startswith("tls://127.0.0.1:")
        assert {ip for ip, _ in listening() - before} == {"127.0.0.1"}  # the dashboard, too
    assert not list(tmp_path.iterdir())
    words = shlex.split(script.replace('"', "").replace("'", ""), comments=False)
    options = dict(itertools.pairwise(words))
    assert options["--nthreads"] == "3"
    assert "--nworkers" not in words
    assert options["--protocol"] == "tls://"
    assert options["--dashboard-address"] == "127.0.0.1:0"
    assert Path(options["--tls-key"]).name == "key.pem"
    if system == "slurm":
        lines = script.splitlines()
        assert "#SBATCH -n 1" in lines
        assert "#SBATCH --cpus-per-task=3" in lines
        assert "#SBATCH --mem=6G" in lines
        assert "#SBATCH -J fastalliance" in lines


def test_cores__of_a_job_are_given_or_in_the_settings():
    assert jobqueue.job_cores("slurm", 4) == 4
    with dask.config.set({"jobqueue.slurm.cores": 6}):
        assert jobqueue.job_cores("slurm", "auto") == 6
    with pytest.raises(fa.ConfigError, match=r"needs the cores of a job; give threads \(--threads"):
        jobqueue.job_cores("slurm", "auto")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scheduler": "slurm"}, r"slurm needs the number of jobs; give jobs \(--jobs N\)"),
        ({"jobs": 2}, "jobs belongs to a batch system, got scheduler None; give scheduler"),
        (
            {"scheduler": "tcp://127.0.0.1:1", "jobs": 2},
            "belongs to a batch system, got scheduler tcp",
        ),
        ({"scheduler": "slurm", "jobs": 0}, "jobs must be .* >= 1, got 0"),
        ({"scheduler": "slurm", "jobs": 2.5}, "jobs must be"),
        ({"scheduler": "slrum"}, "no scheduler file slrum; .* or a batch system: slurm, pbs"),
    ],
)
def test_options__that_are_wrong(options, message):
    with pytest.raises(fa.FastAllianceError, match=message):
        study().run(executor="dask", **options)


def test_jobs__on_threads_are_refused():
    with pytest.raises(fa.ConfigError, match="jobs belongs to a batch system, got scheduler None"):
        study().run(jobs=2)


def test_configuration__has_jobs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = fa.Study("dyad", execution={"executor": "dask", "scheduler": "slurm", "jobs": 3})
    assert fa.Study.from_yaml(_written(made)).configuration.execution.jobs == 3
    assert made.configuration_hash == fa.Study("dyad").configuration_hash
    with pytest.raises(fa.ConfigError, match=r"execution.jobs must be a whole number >= 1, got 0"):
        fa.Study("dyad", execution={"jobs": 0})


def _written(made: fa.Study) -> str:
    path = Path("study.yaml")
    made.to_yaml(path)
    return str(path)


def test_configuration__jobs_go_with_their_scheduler(batch, monkeypatch):
    monkeypatch.setattr("fastalliance.executors.connecting.ANSWER", 1.0)
    (batch / "REFUSE").touch()
    execution = {"executor": "dask", "scheduler": "slurm", "jobs": 3, "threads": 1}
    made = fa.Study("dyad", replicates=2, execution=execution)
    with pytest.raises(ClusterError, match="slurm refuses a job"):
        made.run()
    assert made.run(executor="threads")["success_count"] == 2
    with pytest.raises(ClusterError, match="no dask scheduler answers"):
        made.run(scheduler="tcp://127.0.0.1:1")
    lonely = fa.Study("dyad", replicates=2, execution={"jobs": 3})
    assert lonely.run()["success_count"] == 2
    wrong = fa.Study("dyad", replicates=2, execution={"executor": "dask", "jobs": 3})
    with pytest.raises(fa.ConfigError, match="jobs belongs to a batch system, got scheduler None"):
        wrong.run()


def test_command_line__says_what_is_wrong(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))  # where there is no sbatch
    path = _written(study())
    assert main(["run", path, "--scheduler", "slurm", "--jobs", "0"]) == 2
    assert "--jobs: must be a whole number >= 1, got '0'" in capsys.readouterr().err
    assert main(["run", path, "--scheduler", "slurm", "--quiet"]) == 2
    assert "slurm needs the number of jobs; give jobs (--jobs N)" in capsys.readouterr().err
    assert main(["run", path, "--scheduler", "slurm", "--jobs", "2", "--threads", "1"]) == 2
    said = capsys.readouterr().err
    assert "scheduler slurm needs the command sbatch, which this machine does not have" in said


def test_missing__package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    with pytest.raises(fa.ConfigError, match=r'package dask_jobqueue: pip install "fastalliance\['):
        study().run(executor="dask", scheduler="slurm", jobs=1, threads=1)


def test_missing__memory_is_named(batch):
    with (
        dask.config.set({"jobqueue.slurm.memory": None}),
        pytest.raises(fa.ConfigError, match=r"memory of a job; set .*DASK_JOBQUEUE__SLURM__MEMORY"),
    ):
        study().run(executor="dask", scheduler="slurm", jobs=1, threads=1)


def test_directory__that_a_command_cannot_name_or_that_is_not_there(batch, tmp_path, monkeypatch):
    options = {"executor": "dask", "scheduler": "slurm", "jobs": 1, "threads": 1}
    (tmp_path / "my results").mkdir()
    monkeypatch.chdir(tmp_path / "my results")
    with pytest.raises(
        fa.ConfigError, match=r"cannot name '.*my results', for its space; set jobq"
    ):
        study().run(**options)
    with (
        dask.config.set({"jobqueue.slurm.shared-temp-directory": "/nowhere"}),
        pytest.raises(fa.ConfigError, match="/nowhere cannot be written: No such file"),
    ):
        study().run(**options)


def test_import__leaves_ctrl_c_to_us():
    code = (
        "import signal\n"
        "from fastalliance.executors import jobqueue\n"
        "before = signal.getsignal(signal.SIGINT)\n"
        "jobqueue._require_package('slurm')\n"
        "assert signal.getsignal(signal.SIGINT) is before\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_import__within_settings_does_not_lose_the_defaults_with_them():
    code = (
        "import dask\n"
        "from fastalliance.executors import jobqueue\n"
        "with dask.config.set({'jobqueue.slurm.memory': '1GB'}):\n"
        "    jobqueue._require_package('slurm')\n"
        "jobqueue._require_package('slurm')\n"
        "assert jobqueue._setting('slurm', 'worker-extra-args') == []\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_import__in_another_thread_is_one_clear_error():
    code = (
        "import threading\n"
        "import fastalliance as fa\n"
        "from fastalliance.executors import jobqueue\n"
        "said = []\n"
        "def act():\n"
        "    try:\n"
        "        jobqueue._require_package('slurm')\n"
        "    except fa.ConfigError as error:\n"
        "        said.append(str(error))\n"
        "thread = threading.Thread(target=act)\n"
        "thread.start()\n"
        "thread.join()\n"
        "assert 'the main thread must import dask_jobqueue' in said[0], said\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
