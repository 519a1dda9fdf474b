"""Addresses of dask schedulers: what has no form of one is refused before anything else."""

from __future__ import annotations

from pathlib import Path

import pytest

import fastalliance as fa
from fastalliance.executors.addresses import check_scheduler


@pytest.mark.parametrize(
    "scheduler",
    [
        "tcp://localhost:8786",
        "tls://10.0.0.1:65535",
        "tcp://[::1]:8786",
        "tcp://[fe80::1%eth0]:1",
        "wss://node_1.example-site.org:443",
        "ucx://10.0.0.1:8786",
        "inproc://10.0.0.1/1234/1",
        "scheduler.json",
        "slurm",
    ],
)
def test_form__of_a_scheduler_is_accepted(
    scheduler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("scheduler.json").write_text('{"address": "tcp://127.0.0.1:8786"}')
    check_scheduler(scheduler)


@pytest.mark.parametrize(
    "scheduler",
    [
        "http://localhost:8786",
        "TCP://localhost:8786",
        "tcp://",
        "tcp://localhost",
        "tcp://:8786",
        "tcp://[::1",
        "tcp://localhost:port",
        "tcp://localhost:0",
        "tcp://localhost:65536",
        "tcp://localhost:٣",
        "tcp://localhost:8786/status",
        "tcp://localhost:8786\n",
    ],
)
def test_form__of_no_scheduler_is_refused_before_anything_is_written(
    scheduler: str, tmp_path: Path
) -> None:
    with pytest.raises(fa.ConfigError, match="scheduler must be tcp://host:port, tls:") as refused:
        fa.Study("dyad").run(store=tmp_path / "a.zarr", executor="dask", scheduler=scheduler)
    assert "a scheduler file, or a batch system (slurm, pbs" in str(refused.value)
    assert str(refused.value).endswith(f"got {scheduler!r}")
    assert not list(tmp_path.iterdir())
