"""Who can reach a cluster: the loopback interface alone, certificates, or `--insecure`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastalliance as fa
from fastalliance.errors import ClusterError
from fastalliance.executors import connected, connecting
from fastalliance.executors.connecting import ClusterWarning, _warn_of_open
from fastalliance.store import status
from tests.cli.command import command
from tests.faults import toy
from tests.faults.clusters import Cluster, cluster, wait_for_tiles
from tests.unit.small_model import MODEL

distributed = pytest.importorskip("distributed")
dask = pytest.importorskip("dask")
psutil = pytest.importorskip("psutil")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


# --- open schedulers ------------------------------------------------------------------------------


def test_open_scheduler__is_warned_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for address in ("tcp://127.0.0.1:8786", "tls://10.0.0.1:8786", "tcp://localhost:1"):
            _warn_of_open(address)
    for address in ("tcp://10.0.0.1:8786", "tcp://[2001:db8::1]:8786", "ws://head:8786"):
        with pytest.warns(ClusterWarning, match="takes orders from anybody who reaches it"):
            _warn_of_open(address)


def test_insecure__belongs_to_dask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("study.yaml").write_text("model: dyad\nreplicates: 2\n")
    outcome = command("run", "study.yaml", "--insecure")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        "fastalliance: error: insecure belongs to executor dask, got executor threads; leave it "
        "out\n"
    )
    Path("study.yaml").write_text("model: dyad\nexecution: {insecure: true}\n")
    assert "unknown field execution.insecure" in command("validate", "study.yaml").err


def listening() -> set[tuple[str, int]]:
    """Return the addresses and ports that this process and its children listen at."""
    found = set()
    here = psutil.Process()
    for one in [here, *here.children(recursive=True)]:
        connections = getattr(one, "net_connections", None) or one.connections
        found |= {tuple(c.laddr) for c in connections("inet") if c.status == psutil.CONN_LISTEN}
    return found


def test_local_cluster__listens_on_the_loopback_interface_alone() -> None:
    before = listening()
    with connected(None, 1, insecure=True) as client:  # there is nothing to allow
        client.wait_for_workers(1, timeout=60)
        found = listening() - before
        assert len(found) >= 4  # scheduler, its dashboard, nanny, and the worker's process
        assert {ip for ip, _ in found} == {"127.0.0.1"}
    assert listening() == before


def test_local_cluster__that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise RuntimeError("Nanny failed to start.") from RuntimeError("bootstrapping phase")

    monkeypatch.setattr(distributed, "LocalCluster", refuse)
    with (
        pytest.raises(ClusterError, match=r'bootstrapping phase; .* below: if __name__ == "__main'),
        connected(None, 1),
    ):
        pass


# --- Ctrl-C in a terminal, which reaches the workers too ------------------------------------------

STUDY = """\
model: dyad
seed: 5
replicates: 1024
horizon: 30
design: {grid: {initial_trust: {linspace: [0.2, 0.9, 240]}}}
store: run.zarr
"""


def test_local_cluster__interrupted_in_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("study.yaml").write_text(STUDY)
    run = [sys.executable, "-m", "fastalliance", "run", "study.yaml", "--quiet"]
    process = subprocess.Popen(
        [*run, "--executor", "dask", "--threads", "1", "--points-per-tile", "20"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        wait_for_tiles(Path("run.zarr"), 1, process)
        workers = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    assert "kept in run.zarr; run again to resume" in err
    after = status("run.zarr")
    assert 0 < after.n_done < after.n_tiles
    assert after.owner is None
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert alive == []
    assert command("run", "study.yaml", "--quiet").code == 0
    assert command("run", "study.yaml", "--quiet", "--store", "whole.zarr").code == 0
    assert toy.values_hash(Path("run.zarr")) == toy.values_hash(Path("whole.zarr"))


# --- addresses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    ["tcp://127.0.0.1", "foo://127.0.0.1:1", "tcp://[::1", "tcp://127.0.0.1:port", "tcp://a:65536"],
)
def test_address__that_is_none_is_refused_at_once(address: str) -> None:
    message = r"^scheduler must be tcp://host:port, tls://host:port .*, got '(tcp|foo)://"
    with pytest.raises(fa.ConfigError, match=message), connected(address, 1):
        pass


@pytest.mark.parametrize("scheme", ["tcp", "tls"])
def test_address__with_a_password_is_refused_and_not_shown(scheme: str) -> None:
    address = f"{scheme}://somebody:c4n4ry@127.0.0.1:1"
    with (
        pytest.raises(fa.ConfigError, match="neither a name nor a password") as refused,
        connected(address, 1),
    ):
        pass
    assert "c4n4ry" not in str(refused.value)


# --- secrets --------------------------------------------------------------------------------------


def test_secrets__of_the_environment_are_in_no_log_of_a_worker_and_in_no_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one warning of the scheduler, whose interface counts as open here; `--insecure`: none."""
    monkeypatch.setattr(connecting, "_is_loopback", lambda host: False)
    canary = "c4n4ry-7f3e"
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "GITHUB_TOKEN", "PASSWORD"):
        monkeypatch.setenv(name, canary)  # workers have it too
    monkeypatch.chdir(tmp_path)
    log = tmp_path / "dask.log"
    Path("poison.yaml").write_text("model: poison\nreplicates: 4\n")
    model = f"{Path(__file__).with_name('poison.py')}:FAILING"
    with cluster(1, "--no-nanny", log=log) as made:
        run = ("--debug", "--store", "run.zarr", "--scheduler", made.address)
        outcomes = [
            command("run", "poison.yaml", "--model-file", model.replace("FAILING", "MODEL"), *run),
            command(
                *("run", "poison.yaml", "--model-file", model, *run[:2], "other.zarr", *run[3:]),
                "--insecure",
            ),
        ]
    assert [outcome.code for outcome in outcomes] == [0, 4]
    warning = "warning: the dask scheduler at tcp://127.0.0.1:"
    assert [outcome.err.count(warning) for outcome in outcomes] == [1, 0]
    assert "takes orders from anybody who reaches it; use TLS (tls://), or say" in outcomes[0].err
    assert "Traceback" in outcomes[1].err
    assert "a formula raised ValueError: at the third step" in log.read_text()
    shown = "".join(outcome.out + outcome.err for outcome in outcomes) + log.read_text()
    assert canary not in shown
    files = {**toy.tree(Path("run.zarr")), **toy.tree(Path("other.zarr"))}
    assert len(files) > 20
    assert not any(canary.encode() in data for data in files.values())
    assert not any(b"127.0.0.1" in data for data in files.values())  # where it ran


# --- TLS ------------------------------------------------------------------------------------------

SETTING = "distributed.comm.tls."
FILES = {
    "ca-file": "certificate.pem",
    "client.cert": "certificate.pem",
    "client.key": "key.pem",
    "scheduler.cert": "certificate.pem",
    "scheduler.key": "key.pem",
    "worker.cert": "certificate.pem",
    "worker.key": "key.pem",
}


def certificates(folder: Path) -> dict[str, str]:
    """Write a key and a certificate of its own, and return dask's settings for them."""
    pytest.importorskip("cryptography")
    made = distributed.Security.temporary()
    folder.mkdir()
    (folder / "key.pem").write_text(made.tls_client_key)
    (folder / "certificate.pem").write_text(made.tls_ca_file)
    return {f"{SETTING}{name}": str(folder / file) for name, file in FILES.items()}


def as_environment(settings: dict[str, str]) -> dict[str, str]:
    """Return settings as dask reads them from the environment."""
    names = {name: name.upper().replace("-", "_").replace(".", "__") for name in settings}
    return {f"DASK_{names[name]}": value for name, value in settings.items()}


def refusal(address: str, settings: dict[str, Any]) -> str:
    """Return why a scheduler cannot be reached, which must take one line."""
    with (
        dask.config.set(settings),
        pytest.raises(ClusterError) as refused,
        connected(address, 1),
    ):
        pass
    text = str(refused.value)
    assert len(text.splitlines()) == 1
    return text


def test_tls__with_certificates_and_with_wrong_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "ANSWER", 5.0)
    monkeypatch.setattr(connecting, "_is_loopback", lambda host: False)
    ours, others = certificates(tmp_path / "ours"), certificates(tmp_path / "others")
    with cluster(0, **as_environment(ours)) as made:
        made.add_worker("--no-nanny")
        with dask.config.set(ours):
            made.wait(1)
            study = fa.Study(
                MODEL,
                design=fa.grid(start=[0.0, 1.0, 2.0]),
                replicates=9,
                keep={"replicates": True},
            )
            on_tls = study.run(
                executor="dask", scheduler=made.address, store=tmp_path / "run.zarr"
            )  # and no warning of an open scheduler
        expected = study.run()
        for name in expected.data_vars:
            np.testing.assert_array_equal(on_tls[name].values, expected[name].values)
        assert "TLS certificate does not match" in refusal(made.address, others)
        plain = made.address.replace("tls", "tcp")
        assert "(one with TLS is tls://...)" in refusal(plain, ours)
        required = {**ours, "distributed.comm.require-encryption": True}
        assert "encryption required by Dask configuration" in refusal(plain, required)
        told_by_file(made, tmp_path, ours)


def told_by_file(made: Cluster, folder: Path, ours: dict[str, str]) -> None:
    """The address may stand in a scheduler file."""
    file = folder / "scheduler.json"
    file.write_text(json.dumps({"address": made.address}))
    with dask.config.set(ours), connected(str(file), 1) as client:
        assert client.scheduler.address == made.address
    assert "wants certificates" in refusal(str(file), {})


def test_tls__without_certificates_says_what_to_set(tmp_path: Path) -> None:
    """Refused before anything is asked: no scheduler is needed to know it."""
    ours = certificates(tmp_path / "ours")
    address = "tls://127.0.0.1:1"
    for lacking in ("ca-file", "client.cert"):
        settings = {name: value for name, value in ours.items() if name != f"{SETTING}{lacking}"}
        text = refusal(address, settings)
        assert f"{SETTING}{lacking} of dask's configuration is not set" in text
        assert "DASK_DISTRIBUTED__COMM__TLS__CA_FILE and " in text
        assert "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT" in text
    gone = {**ours, f"{SETTING}client.key": str(tmp_path / "gone.pem")}
    assert f"{SETTING}client.key of dask's configuration names no file: " in refusal(address, gone)
    broken = tmp_path / "scheduler.json"
    for content in ("", "[]", "{}"):
        broken.write_text(content)
        assert f"{broken} is no scheduler file of dask" in refusal(str(broken), ours)
