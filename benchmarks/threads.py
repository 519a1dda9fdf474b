"""`python -m benchmarks.threads`: the kernel on two threads against one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from benchmarks.command import parser, report
from fastalliance.bench.dyad import SETTINGS, run_kernel
from fastalliance.bench.timing import Comparison, Task, interleave

N_TILES = 16  # equally large; many more than threads, so that both end at the same time


def compare_threads(*, rounds: int = 7, tiny: bool = False) -> Comparison:
    """Compare a pool of two threads with one thread on the same tiles."""
    setting = SETTINGS[0]
    n_replicates = 1 if tiny else 256
    points = setting.points()
    work = N_TILES * n_replicates * setting.n_points * setting.n_steps

    def tile(i: int) -> None:
        run_kernel(
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

    tasks = [Task("2 threads", on(2), work), Task("1 thread", on(1), work)]
    about = {"model": "dyad", "n_tiles": N_TILES, "n_points": setting.n_points}
    return Comparison("two threads", "instance-steps", interleave(tasks, rounds), setting=about)


def main(arguments: list[str] | None = None) -> None:
    """Measure, print a Markdown table, and write it with all timings as JSON."""
    options = parser(__doc__).parse_args(arguments)
    report("threads", [compare_threads(rounds=options.rounds, tiny=options.tiny)], options.out)


if __name__ == "__main__":
    main()
