"""`python -m benchmarks.dyad`: the dyad's kernel against all other ways to compute it."""

from __future__ import annotations

from benchmarks.command import parser, report
from benchmarks.contenders import CONTENDERS
from fastalliance.bench.dyad import compare


def main(arguments: list[str] | None = None) -> None:
    """Measure, print a Markdown table, and write it with all timings as JSON."""
    options = parser(__doc__).parse_args(arguments)
    comparisons = compare(CONTENDERS, rounds=options.rounds, tiny=options.tiny)
    report("dyad", comparisons, options.out)


if __name__ == "__main__":
    main()
