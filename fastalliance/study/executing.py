"""Tiles to an executor: the tasks that threads of this process and workers of a cluster run."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fastalliance.engine import kernel_hash, prepare_driver
from fastalliance.errors import ClusterError
from fastalliance.executors import connected, run_on_dask, run_on_threads
from fastalliance.store import RunStore, TileData, TileStore, TileWriter
from fastalliance.study.tile_data import TileComputer
from fastalliance.study.travelling import packed, unpacked

Done = tuple[int, str, int]  # a tile's number, the digest of its data, and its steps


@dataclass(frozen=True)
class TileRunner:
    """Computes tiles and hands their data to a store; called on threads of this process."""

    computer: TileComputer
    store: TileStore
    cores: threading.Semaphore  # so many tiles compute at once; one more may be writing
    stop: threading.Event

    def __call__(self, number: int) -> Done | None:
        """Run tile `number`; one that waits for a core when the run is stopped is not computed."""
        tile = self.computer.tiling.tile(number)
        with self.cores:
            if self.stop.is_set():
                return None
            data = self.computer.compute(tile)
        return number, self.store.write(number, data), self.computer.steps(tile)


@dataclass(frozen=True)
class ClusterTask:
    """Computes tiles and writes them to a store; called in workers' processes.

    Without a store the data themselves are returned.
    """

    computer: TileComputer
    writer: TileWriter | None
    kernels: str  # hash of the kernels of the process that records

    def __call__(self, number: int) -> tuple[int, str | TileData, int]:
        """Run tile `number`."""
        computer = self._checked
        tile = computer.tiling.tile(number)
        data = computer.compute(tile)
        result = data if self.writer is None else self.writer.write(number, data)
        return number, result, computer.steps(tile)

    @cached_property
    def _checked(self) -> TileComputer:
        """The computer, in a process that has the same kernels; asked once, as it takes 2 ms."""
        model = self.computer.study.model
        found = kernel_hash(model)
        if found != self.kernels:
            raise ClusterError(
                f"a worker has other kernels of {model.name} ({found}, here {self.kernels}): "
                "install the same versions of fastalliance and of the model there"
            )
        return self.computer

    def __reduce__(self) -> tuple[Any, ...]:
        content = (self.computer, self.writer, self.kernels)
        return _arrived, (packed(self.computer.study.model, content),)


def _arrived(data: bytes) -> ClusterTask:
    return ClusterTask(*unpacked(data))


@contextlib.contextmanager
def on_threads(
    computer: TileComputer,
    store: TileStore,
    missing: list[int],
    stop: threading.Event,
    threads: int,
) -> Iterator[Generator[Done | None]]:
    """Yield the results of tiles run by threads of this process."""
    if missing:
        study, first = computer.study, computer.tiling.tile(missing[0])
        points = study.points(first.first_point, first.n_points)
        prepare_driver(study.model, points, study.given)
    runner = TileRunner(computer, store, threading.Semaphore(threads), stop)
    # one thread more than cores: while a tile is being written, the next one computes
    with contextlib.closing(
        run_on_threads(runner, missing, threads=threads + 1, stop=stop)
    ) as results:
        yield results


@contextlib.contextmanager
def on_dask(
    computer: TileComputer,
    store: TileStore,
    missing: list[int],
    stop: threading.Event,
    *,
    scheduler: str | None,
    workers: int | str,
    jobs: int | None,
    insecure: bool,
    counted: Callable[[int], None],
) -> Iterator[Generator[Done | None]]:
    """Yield the results of tiles run by a dask cluster; tell `counted` how many threads it has."""
    writer = store.writer if isinstance(store, RunStore) else None
    task = ClusterTask(computer, writer, kernel_hash(computer.study.model))
    with (
        connected(scheduler, workers, insecure=insecure, jobs=jobs) as client,
        contextlib.closing(
            run_on_dask(task, missing, client=client, stop=stop, counted=counted)
        ) as results,
    ):
        yield (_kept(result, store) for result in results)


def _kept(result: Any, store: TileStore) -> Done | None:
    """Return a worker's result with the digest of its data, which a store in memory takes in."""
    if result is None:
        return None
    number, data, steps = result
    return number, store.write(number, data) if isinstance(data, TileData) else data, steps
