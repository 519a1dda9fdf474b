"""`python -m benchmarks.dyad`: the dyad's kernel against all other ways to compute it."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.contenders import CONTENDERS
from benchmarks.threads import compare_threads
from fastalliance.bench.dyad import compare
from fastalliance.bench.timing import save

RESULTS = Path(__file__).parent / "results"


def main(arguments: list[str] | None = None) -> None:
    """Measure, print a Markdown table, and write it with all timings as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tiny", action="store_true", help="show that everything runs")
    parser.add_argument("--threads", action="store_true", help="two threads against one as well")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    comparisons = compare(CONTENDERS, rounds=options.rounds, tiny=options.tiny)
    if options.threads:
        comparisons.append(compare_threads(rounds=options.rounds, tiny=options.tiny))
    for comparison in comparisons:
        print(comparison.to_markdown())
    for path in save("dyad", comparisons, options.out):
        print(f"wrote {path}")


if __name__ == "__main__":
    main()
