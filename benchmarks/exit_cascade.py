"""`python -m benchmarks.exit_cascade`: the kernel of `exit_cascade` against NumPy, numba, NDlib."""

from __future__ import annotations

from benchmarks.command import parser, report
from benchmarks.watts import compare_on_networks
from fastalliance.bench.exit_cascade import compare


def main(arguments: list[str] | None = None) -> None:
    """Measure, print a Markdown table, and write it with all timings as JSON."""
    options = parser(__doc__).parse_args(arguments)
    tables = [
        *compare(rounds=options.rounds, tiny=options.tiny),
        compare_on_networks(rounds=options.rounds, tiny=options.tiny),
    ]
    report("exit_cascade", tables, options.out)


if __name__ == "__main__":
    main()
