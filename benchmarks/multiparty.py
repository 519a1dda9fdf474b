"""`python -m benchmarks.multiparty`: the kernel of `multiparty` against NumPy and a numba loop."""

from __future__ import annotations

from benchmarks.command import parser, report
from fastalliance.bench.multiparty import compare


def main(arguments: list[str] | None = None) -> None:
    """Measure, print a Markdown table, and write it with all timings as JSON."""
    options = parser(__doc__).parse_args(arguments)
    report("multiparty", compare(rounds=options.rounds, tiny=options.tiny), options.out)


if __name__ == "__main__":
    main()
