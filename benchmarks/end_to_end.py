"""`python -m benchmarks.end_to_end`: a whole study against its kernel, and its peak memory."""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastalliance as fa
from benchmarks.command import parser, report
from benchmarks.processes import own_peak
from fastalliance.bench.timing import Comparison, Task, interleave
from fastalliance.engine import run_points

N_STEPS, FEW_STEPS = 480, 8
CONFIGURATION = """\
model: dyad
seed: 7
replicates: {replicates}
horizon: {horizon}
dt: 0.125
design:
  grid:
    initial_trust: {{linspace: [0, 1, {n_points}]}}
    private_orientation: {{linspace: [0, 0.2, 10]}}
"""


def configuration(n_instances: int, n_steps: int, directory: Path) -> Path:
    """Write a configuration of `n_instances`, at most 1,000 to a point; return its path."""
    replicates = min(1000, n_instances // 10)
    n_points = n_instances // replicates // 10
    text = CONFIGURATION.format(replicates=replicates, n_points=n_points, horizon=n_steps * 0.125)
    path = directory / f"study_{n_instances}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def run_study(path: Path, store: Path, threads: int) -> None:
    """From the YAML file to the closed store."""
    fa.Study.from_yaml(path).run(store=store, threads=threads).close()


def run_kernel_alone(study: fa.Study, threads: int) -> None:
    """Run the study's tiles, and keep nothing of them."""
    tiling = study.tiling()

    def run(number: int) -> None:
        tile = tiling.tile(number)
        run_points(
            study.model,
            study.points(tile.first_point, tile.n_points),
            seed=study.seed,
            first_point=tile.first_point,
            first_replicate=tile.first_replicate,
            n_replicates=tile.n_replicates,
            dt=study.dt,
            n_steps=study.n_steps,
        )

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, range(tiling.n_tiles)))


def compare_overhead(n_instances: int, threads: int, rounds: int) -> Comparison:
    """Compare a study from YAML to the closed store with its kernel, in a warm process."""
    with tempfile.TemporaryDirectory() as directory:
        path = configuration(n_instances, N_STEPS, Path(directory))
        stores = (Path(directory) / f"study{i}.zarr" for i in itertools.count())
        study = fa.Study.from_yaml(path)
        work = n_instances * N_STEPS
        tasks = [
            Task("kernel alone", lambda: run_kernel_alone(study, threads), work),
            Task("YAML to closed store", lambda: run_study(path, next(stores), threads), work),
        ]
        timings = interleave(tasks, rounds)
    about = {"n_instances": n_instances, "n_steps": N_STEPS, "threads": threads}
    title = f"end to end, {n_instances:,} instances, {threads} threads"
    return Comparison(title, "instance-steps", timings, setting=about)


@dataclass(frozen=True)
class Memory:
    """Peak memory of whole processes."""

    rows: list[dict[str, Any]]

    def to_markdown(self) -> str:
        """A table with a line per study."""
        lines = [
            "## peak memory of a study's process",
            "",
            "| instances | steps | seconds with imports | peak MiB |",
            "|---:|---:|---:|---:|",
        ]
        lines += [
            f"| {row['n_instances']:,} | {row['n_steps']} | {row['seconds']:.1f} "
            f"| {row['peak_bytes'] / 2**20:.0f} |"
            for row in self.rows
        ]
        return "\n".join(lines) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"title": "peak memory", "rows": self.rows}


def measure_memory(sizes: list[int], threads: int) -> Memory:
    """Run a study of each size, of few steps, in a process of its own."""
    return Memory([_peak(n, threads) for n in sizes])


def _peak(n_instances: int, threads: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory:
        path = configuration(n_instances, FEW_STEPS, Path(directory))
        command = [sys.executable, "-m", "benchmarks.end_to_end", "--child", str(path)]
        command += ["--threads", str(threads)]
        start = time.perf_counter()
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        seconds = time.perf_counter() - start
    peak_bytes = int(done.stdout)
    return {
        "n_instances": n_instances,
        "n_steps": FEW_STEPS,
        "seconds": seconds,
        "peak_bytes": peak_bytes,
    }


def _child(path: Path, threads: int) -> None:
    """Run one study in this process; print its peak memory in bytes."""
    run_study(path, path.with_suffix(".zarr"), threads)
    print(own_peak())


def main(arguments: list[str] | None = None) -> None:
    """Measure, print Markdown tables, and write them with all timings as JSON."""
    command = parser(__doc__)
    command.add_argument("--threads", type=int, default=2)
    command.add_argument("--large", action="store_true", help="memory of 10^8 instances as well")
    command.add_argument("--child", type=Path, help="run one study; used by the benchmark itself")
    options = command.parse_args(arguments)
    if options.child is not None:
        _child(options.child, options.threads)
        return
    n_instances = 1000 if options.tiny else 10**6
    sizes = [n_instances, 10 * n_instances, *([100 * n_instances] if options.large else [])]
    tables = [
        compare_overhead(n_instances, options.threads, options.rounds),
        measure_memory(sizes, options.threads),
    ]
    report("end_to_end", tables, options.out)


if __name__ == "__main__":
    main()
