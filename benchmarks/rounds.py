"""A table of numbers that were measured in rounds."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Rounds:
    """Numbers measured in rounds; prints medians and the smallest and largest."""

    title: str
    unit: str
    rows: dict[str, list[float]]
    about: dict[str, Any]

    def to_markdown(self) -> str:
        """A table with a line per thing measured."""
        lines = [
            f"## {self.title}",
            "",
            f"| | {self.unit}, median | smallest | largest |",
            "|---|---:|---:|---:|",
        ]
        lines += [
            f"| {name} | {statistics.median(values):.3g} | {min(values):.3g} | {max(values):.3g} |"
            for name, values in self.rows.items()
        ]
        return "\n".join(lines) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"title": self.title, "unit": self.unit, "about": self.about, "rows": self.rows}
