"""`python -m benchmarks.cluster`: two workers against one, what a tile costs, and resuming.

Two dask workers of one thread each against one, beside two threads of one process and, as control,
two processes that run the kernel and share nothing; what a tile takes beyond its computation; what
dask takes for a tile where there are more workers; and how long it takes to find a study of 10^4
tiles finished.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from operator import neg
from pathlib import Path

import numpy as np

import fastalliance as fa
from benchmarks.command import parser, report
from benchmarks.rounds import Rounds
from benchmarks.threads import PROCESSES, compare_pairs, on_processes
from fastalliance.bench.timing import Table, Task, interleave
from fastalliance.executors import connected, run_on_dask
from fastalliance.study.tile_data import TileComputer

Run = Callable[[fa.Study, Path, int | None], None]


N_WORKERS = 16  # of the cluster that shows what dask takes


@contextlib.contextmanager
def cluster(workers: int) -> Iterator[str]:
    """Yield the address of a cluster of single-thread processes of this machine."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        silence_logs=40,
    ) as started:
        yield started.scheduler_address


def on_dask(address: str) -> Run:
    """Return what runs a study on a cluster."""

    def run(study: fa.Study, store: Path, points_per_tile: int | None) -> None:
        study.run(
            store=store, executor="dask", scheduler=address, points_per_tile=points_per_tile
        ).close()

    return run


def on_threads(threads: int) -> Run:
    """Return what runs a study on threads of this process."""

    def run(study: fa.Study, store: Path, points_per_tile: int | None) -> None:
        study.run(store=store, threads=threads, points_per_tile=points_per_tile).close()

    return run


def compare_workers(
    addresses: Sequence[str], directory: Path, *, rounds: int, tiny: bool
) -> list[Table]:
    """Compare two workers with one, in turns with two threads with one, and with the control."""
    study = fa.Study(
        "dyad",
        seed=7,
        replicates=10 if tiny else 4000,
        design=fa.grid(
            initial_trust=np.linspace(0.0, 1.0, 32), private_orientation=np.linspace(0.0, 0.2, 40)
        ),
    )
    work = study.plan().work
    stores = (directory / f"workers-{i}.zarr" for i in itertools.count())

    def task(name: str, run: Run) -> Task:
        return Task(name, lambda: run(study, next(stores), 20), work)

    about = {"model": "dyad", "n_tiles": study.tiling(20).n_tiles}
    with on_processes(tiny=tiny) as processes:
        pairs = {
            "dask workers of one thread": [
                task("2 workers", on_dask(addresses[1])),
                task("1 worker", on_dask(addresses[0])),
            ],
            "threads executor": [task("2 threads", on_threads(2)), task("1 thread", on_threads(1))],
            PROCESSES: processes,
        }
        return compare_pairs(pairs, rounds, about)


def small_study(n_points: int) -> fa.Study:
    """Return a study whose tiles, a point each, compute next to nothing."""
    return fa.Study(
        "dyad",
        replicates=1,
        horizon=1.0,
        design=fa.grid(initial_trust=np.linspace(0.0, 1.0, n_points)),
    )


def measure_overhead(address: str, directory: Path, *, rounds: int, tiny: bool) -> Rounds:
    """Measure what a tile takes on one worker, and on one thread, beside its computation."""
    study = small_study(20 if tiny else 1000)
    n_tiles = study.tiling(1).n_tiles
    contenders = {"dask, 1 worker": on_dask(address), "threads, 1 thread": on_threads(1)}
    rows: dict[str, list[float]] = {name: [] for name in contenders}
    rows["computation"] = []
    _compute(study)
    for i in range(rounds):
        computed = _compute(study) / n_tiles
        rows["computation"].append(1e3 * computed)
        for name, run in contenders.items():
            begin = time.perf_counter()
            run(study, directory / f"overhead-{name}-{i}.zarr", 1)
            rows[name].append(1e3 * ((time.perf_counter() - begin) / n_tiles - computed))
    about = {"n_tiles": n_tiles, "title": "wall time of a whole run, less the computation"}
    return Rounds("overhead of a tile", "ms", rows, about)


def _compute(study: fa.Study) -> float:
    """Return the seconds that the tiles of a study take by themselves."""
    tiling = study.tiling(1)
    computer = TileComputer(study, tiling, study.statistics(tiling))
    begin = time.perf_counter()
    for tile in tiling:
        computer.compute(tile)
    return time.perf_counter() - begin


def measure_dask(*, rounds: int, tiny: bool) -> Rounds:
    """Measure the CPU time that dask's scheduler and client, in this process, take for a tile."""
    workers, n_tiles = (1, 50) if tiny else (N_WORKERS, 4000)
    taken = []
    with cluster(workers) as address, connected(address, workers) as client:
        for i in range(rounds + 1):
            begin = time.process_time()
            deque(run_on_dask(neg, range(n_tiles), client=client, stop=threading.Event()), 0)
            if i:  # the first one imports on the workers
                taken.append(1e3 * (time.process_time() - begin) / n_tiles)
    rows = {f"{workers} workers that compute nothing": taken}
    title = "CPU time of dask's scheduler and client for a tile"
    return Rounds(title, "ms", rows, {"n_tiles": n_tiles})


def measure_resuming(directory: Path, *, rounds: int, tiny: bool) -> Rounds:
    """Measure how long a run of a finished study takes: the call, and the command."""
    study = small_study(20 if tiny else 10_000)
    store, configuration = directory / "finished.zarr", directory / "finished.yaml"
    study.to_yaml(configuration)
    study.run(store=store, points_per_tile=1).close()
    command = [sys.executable, "-m", "fastalliance", "run", str(configuration)]
    command += ["--store", str(store), "--quiet"]

    def call() -> None:
        study.run(store=store).close()

    # as pip leaves it, which compiles all that it installs
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}

    def run_command() -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)

    ways = {"study.run": call, "fastalliance run": run_command}
    timings = interleave([Task(name, way, 1) for name, way in ways.items()], rounds)
    rows = {timing.name: list(timing.seconds) for timing in timings}
    n_tiles = study.tiling(1).n_tiles
    return Rounds(f"finding {n_tiles:,} tiles finished", "s", rows, {"n_tiles": n_tiles})


def main(arguments: list[str] | None = None) -> None:
    """Measure, print Markdown tables, and write them with all timings as JSON."""
    command = parser(__doc__)
    parts = ("workers", "overhead", "resuming", "dask")
    command.add_argument("--only", nargs="+", choices=parts, default=parts, metavar="PART")
    options = command.parse_args(arguments)
    how = {"rounds": options.rounds, "tiny": options.tiny}
    tables: list[Table] = []
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        if "workers" in options.only:
            with cluster(1) as one, cluster(2) as two:
                tables += compare_workers([one, two], directory, **how)
        if "overhead" in options.only:
            with cluster(1) as address:
                tables.append(measure_overhead(address, directory, **how))
        if "resuming" in options.only:
            tables.append(measure_resuming(directory, **how))
    if "dask" in options.only:
        tables.append(measure_dask(**how))
    report("cluster", tables, options.out)


if __name__ == "__main__":
    main()
