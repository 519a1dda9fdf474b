"""What the tests of the benchmarks share."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import numpy as np

from tests.chance import LIMIT, z_of_difference


def name_of(module: ModuleType) -> str:
    return module.__name__.rpartition("_")[2]


def agree(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether the means of two samples are equal within chance, or all values equal."""
    return np.ptp([*a, *b]) == 0.0 or abs(z_of_difference(a, b)) < LIMIT


def check_results(directory: Path, name: str, n_tables: int) -> list[str]:
    """Check the files of a benchmark; return the names of its timings."""
    tables = json.loads((directory / f"{name}.json").read_text())["tables"]
    assert len(tables) == n_tables
    timings = [timing for table in tables for timing in table.get("timings", [])]
    assert min(timing["median_rate"] for timing in timings) > 0.0
    assert (directory / f"{name}.md").read_text().count("## ") == n_tables
    return [timing["name"] for timing in timings]
