"""`python -m benchmarks.watts`: threshold cascades on a random graph, against NDlib and networkx.

Watts (2002): N = 10,000 members, Erdos-Renyi with mean degree 4, threshold 0.18, one random seed.
All contenders run the same instances, from the same seeds on the same graph, until their cascades
stop; final sizes must be equal, run by run, or nothing is reported. What is timed is a run: graph,
thresholds and the study are built before, for all contenders.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np

import fastalliance as fa
from benchmarks.baselines import exit_cascade_ndlib, exit_cascade_networkx
from benchmarks.command import parser, report
from fastalliance.bench.timing import Comparison, Task, interleave

# Pressure is the share of a member's neighbours that left, and thresholds are all there is.
TIES_ALONE = {
    "industry_weight": 0.0,
    "alliance_weight": 0.0,
    "tie_weight": 1.0,
    "immunity": 0.0,
    "base_hazard": 0.0,
}
HORIZON = 1000.0  # steps; far more than any cascade here takes
BASELINES: dict[str, ModuleType] = {
    "networkx loop": exit_cascade_networkx,
    "NDlib": exit_cascade_ndlib,
}


def random_edges(n_members: int, mean_degree: float, seed: int) -> np.ndarray:
    """Return the edges (edge, 2) of an Erdos-Renyi graph G(n, p)."""
    generator = np.random.default_rng(seed)
    n_pairs = n_members * (n_members - 1) // 2
    n_edges = generator.binomial(n_pairs, mean_degree / (n_members - 1))
    edges: set[tuple[int, int]] = set()
    while len(edges) < n_edges:
        i, j = (int(k) for k in generator.integers(n_members, size=2))
        if i != j:
            edges.add((min(i, j), max(i, j)))
    return np.array(sorted(edges), dtype=np.int64).reshape(-1, 2)


@dataclass(frozen=True, eq=False)
class Cascades:
    """Cascades on one graph, from seeds that the package's study draws.

    Attributes
    ----------
    edges : int64 (edge, 2)
    thresholds : float64 (member)
    n_replicates : int
        Cascades, each from seeds of its own.
    n_seeds, seed : int
        Members that leave at first, and the study's seed.
    """

    edges: np.ndarray
    thresholds: np.ndarray
    n_replicates: int
    n_seeds: int = 1
    seed: int = 7

    def study(self, **keep: bool) -> fa.Study:
        """The study of these cascades, of one design point."""
        return fa.Study(
            model="exit_cascade",
            parameters=TIES_ALONE | {"seed_exits": self.n_seeds},
            structure={
                "members": len(self.thresholds),
                "industries": 1,
                "network": self.edges,
                "thresholds": self.thresholds,
                "centralities": np.zeros(len(self.thresholds)),
            },
            replicates=self.n_replicates,
            seed=self.seed,
            horizon=HORIZON,
            dt=1.0,
            keep=keep,
        )

    @cached_property
    def _members(self) -> Any:
        return self.study(replicates=True, members=True).run(threads=1).load()

    @cached_property
    def seeds(self) -> list[np.ndarray]:
        """The members that left at the start of each replicate."""
        return [np.flatnonzero(times == 0.0) for times in self._members["exit_time"].values]

    @cached_property
    def final_sizes(self) -> np.ndarray:
        """How many have left in the end, by the package (replicate)."""
        return self._members["exits"].values.astype(np.int64)

    def by(self, baseline: ModuleType) -> Callable[[], np.ndarray]:
        """Return the run of a baseline: final sizes (replicate) from the same seeds."""
        built = baseline.build(self.edges, self.thresholds)
        return lambda: np.array([baseline.final_size(built, seeds) for seeds in self.seeds])


@dataclass(frozen=True)
class PerInstance:
    """A comparison whose work is instances, shown as time per instance."""

    comparison: Comparison

    def to_markdown(self) -> str:
        """A table with a line per contender."""
        comparison = self.comparison
        first = comparison.timings[0].name
        lines = [
            f"## {comparison.title}",
            "",
            f"| contender | ms per instance, median | best | {first} is faster by | in a round |",
            "|---|---:|---:|---:|---:|",
        ]
        for timing in comparison.timings:
            milliseconds = f"{1e3 / timing.median_rate:.4g} | {1e3 / timing.best_rate:.4g}"
            low, high = comparison.ratio_range(timing.name)
            ratios = f"{comparison.ratio(timing.name):.3g} x | {low:.3g} to {high:.3g} |"
            own = timing.name == first
            lines.append(f"| {timing.name} | {milliseconds} | {'|' if own else ratios}")
        lines += [f"| {name} | skipped: {why} | | | |" for name, why in comparison.skipped.items()]
        return "\n".join(lines) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Plain data with every round's seconds."""
        return self.comparison.to_dict()


def compare_on_networks(*, rounds: int = 7, tiny: bool = False) -> PerInstance:
    """Measure the package's study and the baselines on the same cascades, in turns.

    Raises
    ------
    RuntimeError
        A baseline's final sizes are not the package's.
    """
    n_members, n_replicates = (200, 2) if tiny else (10_000, 128)
    edges = random_edges(n_members, 4.0, seed=1)
    cascades = Cascades(edges, np.full(n_members, 0.18), n_replicates)
    study = cascades.study()
    tasks = [Task("fastalliance", lambda: study.run(threads=1), n_replicates)]
    skipped = {}
    for name, baseline in BASELINES.items():
        if why := baseline.missing():
            skipped[name] = why
            continue
        run = cascades.by(baseline)
        if not np.array_equal(run(), cascades.final_sizes):
            raise RuntimeError(f"{name}: final sizes differ from the package's")
        tasks.append(Task(name, run, n_replicates))
    about = {
        "model": "exit_cascade",
        "n_members": n_members,
        "mean_degree": 4.0,
        "threshold": 0.18,
        "n_instances": n_replicates,
        "final_sizes": cascades.final_sizes.tolist(),
        "threads": 1,
        "clock": "CPU time of the process",
    }
    title = f"threshold cascades on a random graph, {n_members:,} members, mean degree 4"
    timings = interleave(tasks, rounds, time.process_time)
    return PerInstance(Comparison(title, "instances", timings, skipped, about))


def main(arguments: list[str] | None = None) -> None:
    """Measure, print a Markdown table, and write it with all timings as JSON."""
    options = parser(__doc__).parse_args(arguments)
    table = compare_on_networks(rounds=options.rounds, tiny=options.tiny)
    report("watts", [table], options.out)


if __name__ == "__main__":
    main()
