"""A tile that raises on dask is tried again; a failure that does not come again is forgotten."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastalliance.errors import TileError
from fastalliance.executors import connected, run_on_dask
from fastalliance.executors.dask import RETRIES
from tests.faults.clusters import Cluster, cluster

pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


# Workers find it by name.
def fails_at_two(marks: str, times: int, tile: int) -> int:
    """Leave a mark of each try; tile 2 raises so many times."""
    tries = len(list(Path(marks).glob(f"{tile}-*")))
    Path(marks, f"{tile}-{tries}").touch()
    if tile == 2 and tries < times:
        raise MemoryError
    return tile


@pytest.fixture(scope="module")
def worker() -> Iterator[Cluster]:
    with cluster(1, "--no-nanny") as made:
        yield made


def run(made: Cluster, marks: Path, times: int) -> list[int]:
    task = functools.partial(fails_at_two, str(marks), times)
    with connected(made.address, 1) as client:
        results = list(run_on_dask(task, range(4), client=client, stop=threading.Event()))
    return sorted(tile for tile in results if tile is not None)


def test_tile__that_raises_once_is_run_again_and_no_other(worker: Cluster, tmp_path: Path) -> None:
    assert run(worker, tmp_path, 1) == [0, 1, 2, 3]
    assert sorted(mark.name for mark in tmp_path.iterdir()) == ["0-0", "1-0", "2-0", "2-1", "3-0"]


def test_tile__that_always_raises_is_given_up(worker: Cluster, tmp_path: Path) -> None:
    with pytest.raises(TileError, match="tile 2 failed on every try"):
        run(worker, tmp_path, 99)
    assert len(list(tmp_path.glob("2-*"))) == 1 + RETRIES
