"""A part of a simulated run: from its start to its end, to a failure, or to the driver's death."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import fastalliance as fa
from benchmarks.processes import own_peak
from benchmarks.synthetic_tiles import synthetic_tiles
from benchmarks.virtual_cluster import Troubles, VirtualCluster, driver_on
from fastalliance.errors import TileError
from fastalliance.study.progress import NoProgress

POINTS_PER_TILE, REPLICATES, SLOTS, N_STEPS = 10, 1000, 64, 480
LIFETIME = 3600.0  # seconds of a worker, in the mean
N_SAMPLES = 100  # looks at the ledger and at the time in a run


def study_of(n_tiles: int) -> fa.Study:
    """Return a study of `multiparty` at its defaults: 10 points x 1,000 replicates a tile."""
    along = min(100, n_tiles)  # tiles in a row of the grid
    return fa.Study(
        "multiparty",
        replicates=REPLICATES,
        seed=1,
        design=fa.grid(
            initial_trust=np.linspace(0.0, 1.0, n_tiles // along),
            prominence_weight=np.linspace(0.0, 10.0, along * POINTS_PER_TILE),
        ),
    )


@dataclass
class Part:
    """What to do, and what it took; plain data.

    Seconds are the clock's: real where the driver works, virtual where it waits.
    """

    store: str
    n_tiles: int
    n_workers: int
    tile_seconds: float
    dask_seconds: float = 0.0
    seed: int = 0
    killed_after: int | None = None  # tiles
    poison: list[int] = field(default_factory=list)
    ended: str = ""  # "killed", "failed", "finished"
    handed_over: int = 0  # tiles
    opening: float = 0.0
    collecting: float = 0.0
    finalising: float = 0.0
    driver_seconds: float = 0.0  # while it collected
    driver_cpu: float = 0.0
    lost_seconds: float = 0.0  # of workers that died, on the tiles they were at
    deaths: int = 0
    ledger_files: int = 0  # at most
    memory_before: int = 0  # peaks, in bytes
    memory_collecting: int = 0
    memory: int = 0
    driver_at: list[tuple[int, float]] = field(default_factory=list)  # tiles, driver's seconds
    busy: list[float] = field(default_factory=list)  # workers, in each second since the start

    def run(self, killed: Callable[[], None]) -> None:
        """Run it in this process; `killed` is called where the driver is to die."""
        cluster = VirtualCluster(
            self.n_workers,
            self.tile_seconds,
            troubles=Troubles(LIFETIME, poison=frozenset(self.poison)),
            seed=self.seed,
            dask_seconds=self.dask_seconds,
        )
        watch = _Watch(self, cluster, killed)
        self.memory_before = own_peak()
        try:
            with driver_on(cluster), synthetic_tiles():
                study_of(self.n_tiles).run(
                    store=self.store,
                    executor="dask",
                    scheduler="tcp://virtual:1",
                    points_per_tile=POINTS_PER_TILE,
                    progress=watch,
                ).close()
            self.ended = "finished"
        except TileError:
            self.ended = "failed"
        self.memory = own_peak()


class _Watch(NoProgress):
    """Notes what a part takes: as the run's progress, and after each tile."""

    def __init__(self, part: Part, cluster: VirtualCluster, killed: Callable[[], None]) -> None:
        self.part, self.cluster, self.killed = part, cluster, killed
        self.clock = cluster.clock
        self.every = max(part.n_tiles // N_SAMPLES, 1)
        cluster.after_each, cluster.at_end = self.after_each, self.at_end

    def begin(self) -> None:
        """Tiles run from now on."""
        with self.clock as clock:
            self.part.opening = clock.now()
            self.spent = clock.driver_seconds, clock.driver_cpu

    def after_each(self) -> None:
        """Note what it took up to here."""
        n = self.cluster.handed_over
        if n % self.every == 0:
            self.part.driver_at.append((n, self.clock.driver_seconds - self.spent[0]))
            names = os.listdir(Path(self.part.store, "_run", "ledger"))
            self.part.ledger_files = max(self.part.ledger_files, len(names) - 1)
        if n == self.part.killed_after:
            self.cluster.note_end()
            self.part.ended = "killed"
            self.killed()

    def at_end(self) -> None:
        """Note what collecting took."""
        part, cluster, clock = self.part, self.cluster, self.clock
        part.collecting = clock.now() - part.opening
        part.driver_seconds = clock.driver_seconds - self.spent[0]
        part.driver_cpu = clock.driver_cpu - self.spent[1]
        part.handed_over, part.deaths = cluster.handed_over, cluster.deaths
        part.lost_seconds = cluster.lost_seconds
        part.busy = [cluster.busy[second] for second in range(int(clock.now()) + 1)]
        part.memory_collecting = own_peak()

    def finish(self) -> None:
        """The results are labelled."""
        with self.clock as clock:
            self.part.finalising = clock.now() - self.part.opening - self.part.collecting
