"""Threshold cascades by NDlib and by a plain networkx loop: the same final sizes, run by run.

    python -m verification.ndlib_cascades [--tiny] [--seed N]

All three get the same graph, thresholds and seeds: those that the package's study drew (members of
exit time 0). A tie counts as reached within 1e-9; NDlib, which compares floats as they are, gets
thresholds that much lower. In the case of ties this decides: 3 of 10 neighbours are less than the
threshold 0.1 + 0.1 + 0.1 by a rounding error.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

from benchmarks.watts import BASELINES, Cascades, random_edges
from verification.claims import MissingError, Row, run


def cases(tiny: bool, seed: int) -> Iterator[tuple[str, Cascades]]:
    """Yield cascades with a name."""
    n, runs = (300, 4) if tiny else (10_000, 20)
    for mean_degree in (2.0, 4.0, 5.5):
        edges = random_edges(n, mean_degree, seed)
        same = Cascades(edges, np.full(n, 0.18), runs, seed=seed)
        yield f"threshold 0.18, mean degree {mean_degree:g}, 1 seed", same
    generator = np.random.default_rng(seed)
    # NDlib knows thresholds from 0 to 1, and never lets a member without neighbours leave.
    thresholds = np.clip(generator.normal(0.35, 0.15, n), 0.01, 1.0)
    edges = random_edges(n, 6.0, seed + 1)
    yield "thresholds 0.35 +- 0.15, 2 % seeds", Cascades(edges, thresholds, runs, n // 50, seed)
    ties = np.full(n, 0.1 + 0.1 + 0.1)
    edges = random_edges(n, 10.0, seed + 2)
    yield "threshold 0.1 + 0.1 + 0.1, ties, 8 % seeds", Cascades(edges, ties, runs, n // 12, seed)


def verify(tiny: bool, seed: int) -> Iterator[Row]:
    """Yield the rows.

    Raises
    ------
    MissingError
        NDlib or networkx is not installed.
    """
    for name, baseline in BASELINES.items():
        if why := baseline.missing():
            raise MissingError(f"{name} needs {why}")
    for case, cascades in cases(tiny, seed):
        sizes = cascades.final_sizes
        for name, baseline in BASELINES.items():
            equal = int((cascades.by(baseline)() == sizes).sum())
            claim = f"{case}: runs equal to {name}"
            yield Row(claim, float(sizes.size), float(equal), 0.0)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    return run(verify, __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main())
