"""What `status` says of the shards that run."""

import os

from fastalliance.store import RunStore, Shard, lease
from fastalliance.store.lease import Lease
from tests.cli.command import done
from tests.faults import toy


def test_status__lists_the_shards_that_run() -> None:
    layout = toy.layout()
    with (
        RunStore.open("run.zarr", layout, shard=Shard(2, 3)),
        RunStore.open("run.zarr", layout, shard=Shard(0, 3)),
    ):
        lines = done("status", "run.zarr").splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("being written by"))
    assert lines[at].split()[3:] == ["2", "of", "3", "shards"]
    for line, name in zip(lines[at + 1 :][:2], ["shard 0/3", "shard 2/3"], strict=True):
        assert line.startswith(f"{name}  ")
        assert f"process {os.getpid()} on " in line
    assert "nobody" in done("status", "run.zarr")


def test_status__of_many_shards_lists_the_first() -> None:
    with RunStore.open("run.zarr", toy.layout(), shard=Shard(0, 60)) as store:
        places = (store.path / "_run/lease", store.path / "_run/scratch")
        held = [Lease.acquire(*places, Shard(index, 60).lease) for index in range(1, 25)]
        assert len(lease.held_names(places[0])) == 25
        out = done("status", "run.zarr")
        for each in held:
            each.release()
    assert "25 of 60 shards, the first 20 of which are" in out
    assert "shard 19/60" in out
    assert "shard 20/60" not in out
