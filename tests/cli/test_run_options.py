"""Options of the command `run` that do not fit: the executor, the shard, the store, its tiles."""

from pathlib import Path

import pytest

from tests.cli.command import command, refused
from tests.cli.test_run import GRID, run


@pytest.fixture(autouse=True)
def _a_study() -> None:
    Path("study.yaml").write_text(GRID)


def test_executor__that_is_unknown_is_refused() -> None:
    message = refused("run", "study.yaml", "--executor", "spark", "--store", "kept.zarr")
    assert message == "executor must be one of threads, dask, shard, got 'spark'"
    message = refused("run", "study.yaml", "--scheduler", "http://localhost:8786")
    assert "scheduler must be tcp://host:port, tls://host:port" in message
    message = refused("run", "study.yaml", "--executor", "shard", "--store", "kept.zarr")
    assert message == "executor shard runs one part of a study; say which: give shard (--shard I/N)"
    message = refused("run", "study.yaml", "--shard", "3/3", "--store", "kept.zarr")
    assert message.startswith("shard must be I/N with 0 <= I < N")
    assert "needs a store" in refused("run", "study.yaml", "--shard", "0/3")
    message = refused("run", "study.yaml", "--shard", "-1/3")
    assert message.startswith("shard must be I/N with 0 <= I < N")
    assert message.endswith("got -1/3")
    shard = ("--store", "kept.zarr", "--shard", "0/3")
    message = refused("run", "study.yaml", *shard, "--executor", "threads")
    assert message == "shard belongs to executor shard, got executor threads; leave one of them out"
    message = refused("run", "study.yaml", *shard, "--overwrite")
    assert message.startswith("overwrite does not go with shard; remove the store first")
    assert command("run", "study.yaml", "--executor", "threads", "--threads", "1").code == 0


@pytest.mark.parametrize("url", ["s3://bucket", "ftp://host/run.zarr", "file://host/run.zarr"])
def test_store_refused__url_that_is_none_is_wrong_input(url: str) -> None:
    for arguments in (("run", "study.yaml", "--store", url), ("status", url), ("verify", url)):
        assert "URL" in refused(*arguments, code=2)


def test_tiling__of_a_store_that_exists_is_kept_and_that_is_said() -> None:
    run("--store", "kept.zarr", "--points-per-tile", "4")
    assert run("--store", "kept.zarr")
    assert run("--store", "kept.zarr", "--points-per-tile", "4")
    outcome = command(
        "run", "study.yaml", "--quiet", "--store", "kept.zarr", "--points-per-tile", "2"
    )
    assert outcome.code == 0
    assert outcome.err == (
        "fastalliance: warning: kept.zarr has tiles of 4 points and keeps them; points_per_tile 2 "
        "is left aside\n"
    )
    run("--store", "kept.zarr", "--points-per-tile", "2", "--overwrite")
