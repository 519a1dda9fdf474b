"""What the benchmarks' command lines share."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from fastalliance.bench.timing import Table, save

RESULTS = Path(__file__).parent / "results"


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the common options --rounds, --tiny and --out."""
    result = argparse.ArgumentParser(description=description)
    result.add_argument("--rounds", type=int, default=7, help="measurements of each contender")
    result.add_argument("--tiny", action="store_true", help="show that everything runs")
    result.add_argument("--out", type=Path, default=RESULTS, help="directory of the results")
    return result


def report(name: str, tables: Sequence[Table], directory: Path) -> None:
    """Print the tables as Markdown and write them as Markdown and JSON."""
    for table in tables:
        print(table.to_markdown())
    for path in save(name, tables, directory):
        print(f"wrote {path}")
