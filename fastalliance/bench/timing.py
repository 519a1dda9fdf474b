"""Times contenders in turns and compares them by ratios, because machines are noisy."""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import llvmlite.binding
import numba
import numpy as np


@dataclass(frozen=True)
class Task:
    """A contender's fixed amount of work.

    Attributes
    ----------
    name : str
        The contender.
    run : callable
        Does the work once.
    work : int
        How much that is, in the comparison's unit of work.
    """

    name: str
    run: Callable[[], object]
    work: int


@dataclass(frozen=True)
class Timing:
    """Seconds of every round of a task."""

    name: str
    work: int
    seconds: tuple[float, ...]

    @property
    def rates(self) -> list[float]:
        """Work per second of every round."""
        return [self.work / s for s in self.seconds]

    @property
    def median_rate(self) -> float:
        """Median work per second."""
        return statistics.median(self.rates)

    @property
    def best_rate(self) -> float:
        """Work per second of the fastest round."""
        return max(self.rates)


@dataclass(frozen=True)
class Comparison:
    """Timings of one setting; the first task is what the others are compared with.

    Attributes
    ----------
    title : str
        What is compared.
    unit : str
        Unit of work.
    timings : sequence of Timing
        In the order of the tasks.
    skipped : mapping of str to str
        Contenders that could not run, and why.
    setting : mapping
        The numbers that define the work.
    """

    title: str
    unit: str
    timings: Sequence[Timing]
    skipped: Mapping[str, str] = field(default_factory=dict)
    setting: Mapping[str, Any] = field(default_factory=dict)

    def ratio(self, name: str) -> float:
        """How many times faster the first contender is: the ratio of median rates."""
        return self.timings[0].median_rate / self._timing(name).median_rate

    def ratio_range(self, name: str) -> tuple[float, float]:
        """Smallest and largest ratio within a round."""
        ratios = self.ratios(name)
        return min(ratios), max(ratios)

    def ratios(self, name: str) -> list[float]:
        """How many times faster the first contender was, in each round."""
        pairs = zip(self.timings[0].rates, self._timing(name).rates, strict=True)
        return [first / other for first, other in pairs]

    def to_markdown(self) -> str:
        """A table with a line per contender."""
        first = self.timings[0].name
        lines = [
            f"## {self.title}",
            "",
            f"| contender | M {self.unit}/s, median | best | {first} is faster by | in a round |",
            "|---|---:|---:|---:|---:|",
        ]
        for timing in self.timings:
            low, high = self.ratio_range(timing.name)
            rates = f"{timing.median_rate / 1e6:.4g} | {timing.best_rate / 1e6:.4g}"
            ratios = f"{self.ratio(timing.name):.3g} x | {low:.3g} to {high:.3g}"
            own = timing.name == first
            lines.append(f"| {timing.name} | {rates} | {'|' if own else ratios + ' |'}")
        lines += [f"| {name} | skipped: {why} | | | |" for name, why in self.skipped.items()]
        return "\n".join(lines) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Plain data with every round's seconds."""
        return {
            "title": self.title,
            "unit": self.unit,
            "setting": dict(self.setting),
            "timings": [
                {
                    "name": timing.name,
                    "work": timing.work,
                    "seconds": list(timing.seconds),
                    "median_rate": timing.median_rate,
                    "best_rate": timing.best_rate,
                    "ratio": self.ratio(timing.name),
                    "ratio_range": list(self.ratio_range(timing.name)),
                }
                for timing in self.timings
            ],
            "skipped": dict(self.skipped),
        }

    def _timing(self, name: str) -> Timing:
        return next(timing for timing in self.timings if timing.name == name)


def interleave(
    tasks: Sequence[Task], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> list[Timing]:
    """Run every task once to warm up, then all of them in turns, `rounds` times.

    The order is reversed in every other round, so that no task always follows the same one.

    Parameters
    ----------
    tasks : sequence of Task
    rounds : int
        Measurements of each task.
    clock : callable
        Seconds. `time.process_time` counts what the process computed, on all its threads: for
        comparisons on one thread it leaves out the time that other processes took on a busy
        machine.
    """
    seconds: dict[str, list[float]] = {task.name: [] for task in tasks}
    for task in tasks:
        task.run()
    for i in range(rounds):
        for task in tasks if i % 2 == 0 else reversed(tasks):
            start = clock()
            task.run()
            seconds[task.name].append(clock() - start)
    return [Timing(task.name, task.work, tuple(seconds[task.name])) for task in tasks]


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    return {
        "cpu": llvmlite.binding.get_host_cpu_name(),
        "python": platform.python_version(),
        "numba": numba.__version__,
        "numpy": np.__version__,
        "system": platform.system(),
    }


class Table(Protocol):
    """Something that a benchmark reports, such as a `Comparison`."""

    def to_markdown(self) -> str:
        """A heading and a table."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        ...


def save(name: str, tables: Sequence[Table], directory: Path) -> tuple[Path, Path]:
    """Write `name`.json and `name`.md into `directory`; return both paths."""
    directory.mkdir(parents=True, exist_ok=True)
    data = {"machine": machine(), "tables": [table.to_dict() for table in tables]}
    json_path, markdown_path = directory / f"{name}.json", directory / f"{name}.md"
    json_path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    about = ", ".join(f"{key} {value}" for key, value in machine().items())
    text = "\n".join(table.to_markdown() for table in tables)
    markdown_path.write_text(f"# {name}\n\n{about}\n\n{text}", encoding="utf-8")
    return json_path, markdown_path
