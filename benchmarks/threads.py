"""`python -m benchmarks.threads`: two threads against one, beside what the machine gives.

The controls share nothing between their two halves: two processes that run the same kernel, and
two threads of hand-written C. What they do not gain, the machine does not give; machines' cores
share their clock, their caches, and in virtual ones even their execution units.
"""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.baselines import dyad_c
from benchmarks.command import parser, report
from benchmarks.rounds import Rounds
from fastalliance.bench.dyad import SETTINGS, run_kernel
from fastalliance.bench.timing import Comparison, Table, Task, interleave

Floats = npt.NDArray[np.float64]
Pairs = dict[str, list[Task]]  # by title: two of something, and one
N_TILES = 16  # equally large; many more than threads, so that both end at the same time
THREADS, PROCESSES = "two threads", "control: two processes that share nothing"


def run_c(points: Floats, **settings: Any) -> None:
    """Run the hand-written C on the same points."""
    dyad_c.run(points, incidents=False, **settings)


def run_tile(i: int, *, run: Any = run_kernel, tiny: bool = False) -> None:
    """Run tile `i`."""
    setting = SETTINGS[0]
    n_replicates = _replicates(tiny)
    run(
        setting.points(),
        seed=setting.seed,
        first_replicate=i * n_replicates,
        n_replicates=n_replicates,
        dt=setting.dt,
        n_steps=setting.n_steps,
    )


def _replicates(tiny: bool) -> int:
    return 1 if tiny else 256


def _task(name: str, pool: Executor, tile: Callable[[int], None], tiny: bool) -> Task:
    setting = SETTINGS[0]
    work = N_TILES * _replicates(tiny) * setting.n_points * setting.n_steps
    return Task(name, lambda: list(pool.map(tile, range(N_TILES))), work)


@contextlib.contextmanager
def on_threads(of: str = "", *, run: Any = run_kernel, tiny: bool) -> Iterator[list[Task]]:
    """Yield a pool of two threads and one thread, to run the same tiles."""
    tile = partial(run_tile, run=run, tiny=tiny)
    with ThreadPoolExecutor(2) as two, ThreadPoolExecutor(1) as one:
        yield [_task(f"2 threads{of}", two, tile, tiny), _task(f"1 thread{of}", one, tile, tiny)]


@contextlib.contextmanager
def on_processes(*, tiny: bool) -> Iterator[list[Task]]:
    """Yield two processes and one process, to run the same tiles."""
    spawn = multiprocessing.get_context("spawn")
    tile = partial(run_tile, tiny=tiny)
    with (
        ProcessPoolExecutor(2, mp_context=spawn) as two,
        ProcessPoolExecutor(1, mp_context=spawn) as one,
    ):
        yield [_task("2 processes", two, tile, tiny), _task("1 process", one, tile, tiny)]


def compare_pairs(pairs: Pairs, rounds: int, about: dict[str, Any]) -> list[Table]:
    """Time all pairs in turns; compare two with one, and each pair's gain with the processes'."""
    timings = interleave([task for pair in pairs.values() for task in pair], rounds)
    tables = [
        Comparison(title, "instance-steps", timings[2 * i : 2 * i + 2], setting=about)
        for i, title in enumerate(pairs)
    ]
    gains = {table.title: table.ratios(table.timings[1].name) for table in tables}
    given = gains.pop(PROCESSES)
    rows = {
        title: [gain / possible for gain, possible in zip(found, given, strict=True)]
        for title, found in gains.items()
    }
    return [*tables, Rounds("what two gain over one, of what two processes gain", "x", rows, about)]


def main(arguments: list[str] | None = None) -> None:
    """Measure, print Markdown tables, and write them with all timings as JSON."""
    options = parser(__doc__).parse_args(arguments)
    tiny = options.tiny
    about = {"model": "dyad", "n_tiles": N_TILES, "n_points": SETTINGS[0].n_points}
    with contextlib.ExitStack() as stack:
        pairs = {
            THREADS: stack.enter_context(on_threads(tiny=tiny)),
            PROCESSES: stack.enter_context(on_processes(tiny=tiny)),
        }
        if not dyad_c.missing():
            of_c = on_threads(" of C", run=run_c, tiny=tiny)
            pairs["control: two threads of the hand-written C"] = stack.enter_context(of_c)
        tables = compare_pairs(pairs, options.rounds, about)
    report("threads", tables, options.out)


if __name__ == "__main__":
    main()
