"""`python -m benchmarks.dyad`: the dyad's kernel against all other ways to compute it."""

from __future__ import annotations

from benchmarks.command import parser, report
from benchmarks.contenders import CONTENDERS
from benchmarks.threads import compare_threads
from fastalliance.bench.dyad import compare


def main(arguments: list[str] | None = None) -> None:
    """Measure, print a Markdown table, and write it with all timings as JSON."""
    command = parser(__doc__)
    command.add_argument("--threads", action="store_true", help="two threads against one as well")
    options = command.parse_args(arguments)
    comparisons = compare(CONTENDERS, rounds=options.rounds, tiny=options.tiny)
    if options.threads:
        comparisons.append(compare_threads(rounds=options.rounds, tiny=options.tiny))
    report("dyad", comparisons, options.out)


if __name__ == "__main__":
    main()
