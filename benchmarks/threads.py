"""`python -m benchmarks.threads`: two threads against one, of the kernel and, as control, of C.

The C code shares nothing between threads either: what it does not gain, the machine does not give.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.baselines import dyad_c
from benchmarks.command import parser, report
from fastalliance.bench.dyad import SETTINGS, run_kernel
from fastalliance.bench.timing import Comparison, Task, interleave

Floats = npt.NDArray[np.float64]
N_TILES = 16  # equally large; many more than threads, so that both end at the same time


def run_c(points: Floats, **settings: Any) -> None:
    """Run the hand-written C on the same points."""
    dyad_c.run(points, incidents=False, **settings)


def thread_tasks(run_tile: Any = run_kernel, *, tiny: bool = False) -> list[Task]:
    """Return a pool of two threads and one thread, to run the same tiles."""
    setting = SETTINGS[0]
    n_replicates = 1 if tiny else 256
    points = setting.points()
    work = N_TILES * n_replicates * setting.n_points * setting.n_steps

    def tile(i: int) -> None:
        run_tile(
            points,
            seed=setting.seed,
            first_replicate=i * n_replicates,
            n_replicates=n_replicates,
            dt=setting.dt,
            n_steps=setting.n_steps,
        )

    def on(n_threads: int) -> Callable[[], None]:
        def run() -> None:
            with ThreadPoolExecutor(n_threads) as pool:
                list(pool.map(tile, range(N_TILES)))

        return run

    return [Task("2 threads", on(2), work), Task("1 thread", on(1), work)]


def compare_threads(
    title: str = "two threads", run_tile: Any = run_kernel, *, rounds: int = 7, tiny: bool = False
) -> Comparison:
    """Compare a pool of two threads with one thread on the same tiles."""
    about = {"model": "dyad", "n_tiles": N_TILES, "n_points": SETTINGS[0].n_points}
    timings = interleave(thread_tasks(run_tile, tiny=tiny), rounds)
    return Comparison(title, "instance-steps", timings, setting=about)


def main(arguments: list[str] | None = None) -> None:
    """Measure, print a Markdown table, and write it with all timings as JSON."""
    options = parser(__doc__).parse_args(arguments)
    contenders = {"two threads": run_kernel}
    if not dyad_c.missing():
        contenders["two threads of the hand-written C, as control"] = run_c
    comparisons = [
        compare_threads(title, run_tile, rounds=options.rounds, tiny=options.tiny)
        for title, run_tile in contenders.items()
    ]
    report("threads", comparisons, options.out)


if __name__ == "__main__":
    main()
