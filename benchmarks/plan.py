"""`python -m benchmarks.plan`: what `fastalliance plan` estimates, and what runs then take.

Each configuration is planned on this machine and run to a store, on one thread and on two, each
time in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastalliance as fa
from benchmarks.command import parser, report
from benchmarks.processes import own_peak
from fastalliance.study.rates import PROCESS_BYTES

CONFIGS = Path(__file__).parents[1] / "configs"
NAMES = ("tipping_map", "exit_contagion", "multiparty_tipping")
KEYS = ("seconds", "memory", "files", "bytes")


@dataclass(frozen=True)
class Plans:
    """Estimates beside what was measured."""

    rows: Sequence[dict[str, Any]]

    def to_markdown(self) -> str:
        """A table with a line per run."""
        lines = [
            "## estimates and runs",
            "",
            "| study | threads | time, s | took | | CPU, s | memory, MiB | took | files | were "
            "| KiB | were |",
            "|---|" + "---:|" * 11,
        ]
        return "\n".join([*lines, *map(_line, self.rows)]) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"title": "estimates and runs", "rows": list(self.rows)}


def _line(row: dict[str, Any]) -> str:
    plan, run = row["plan"], row["run"]
    cells = [
        f"{plan['seconds']:.1f}",
        f"{run['seconds']:.1f}",
        f"{plan['seconds'] / run['seconds'] - 1.0:+.0%}",
        f"{run['cpu']:.1f}",
        *(f"{x['memory'] / 2**20:.0f}" for x in (plan, run)),
        *(f"{x['files']:,}" for x in (plan, run)),
        *(f"{x['bytes'] / 2**10:,.0f}" for x in (plan, run)),
    ]
    return f"| {row['study']} | {row['threads']} | {' | '.join(cells)} |"


def compare(name: str, threads: int, *, tiny: bool) -> dict[str, Any]:
    """Plan a configuration and run it; return the figures of both."""
    with tempfile.TemporaryDirectory() as directory:
        store = Path(directory, "study.zarr")
        arguments = [str(CONFIGS / f"{name}.yaml"), str(threads), str(int(tiny))]
        plan = _ask("--plan-only", *arguments)
        begin = time.perf_counter()
        run = _ask("--run-only", *arguments, str(store))
        run["seconds"] = time.perf_counter() - begin
        files = [path for path in store.rglob("*") if path.is_file()]
        run |= {"files": len(files), "bytes": sum(path.stat().st_size for path in files)}
    return {"study": name, "threads": threads, "plan": plan, "run": run}


def _ask(*arguments: str) -> dict[str, Any]:
    """Return what a process of this benchmark prints."""
    command = [sys.executable, "-m", "benchmarks.plan", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _study(path: str, tiny: str) -> fa.Study:
    return fa.Study.from_yaml(path, overrides={"replicates": 20} if tiny == "1" else {})


def _plan(path: str, threads: str, tiny: str) -> dict[str, float]:
    plan = _study(path, tiny).plan(cores=int(threads), calibrate=True)
    share = plan.rates.compressed
    assert share is not None
    return {
        "seconds": plan.seconds,
        "memory": plan.memory_bytes + PROCESS_BYTES,
        "files": plan.files_finished,
        "bytes": share.labelled * plan.statistics_bytes,
    }


def _run(path: str, threads: str, tiny: str, store: str) -> dict[str, float]:
    _study(path, tiny).run(store=store, threads=int(threads)).close()
    return {"memory": own_peak(), "cpu": time.process_time()}


def main(arguments: list[str] | None = None) -> None:
    """Compare, print a Markdown table, and write it with all that was measured as JSON."""
    command = parser(__doc__)
    command.add_argument("--plan-only", nargs=3, help="used by the benchmark itself")
    command.add_argument("--run-only", nargs=4, help="used by the benchmark itself")
    options = command.parse_args(arguments)
    if options.plan_only or options.run_only:
        found = _plan(*options.plan_only) if options.plan_only else _run(*options.run_only)
        print(json.dumps(found))
        return
    names, most = (NAMES[:1], 1) if options.tiny else (NAMES, 2)
    rows = [
        compare(name, threads, tiny=options.tiny)
        for _ in range(options.rounds)
        for name in names
        for threads in range(1, most + 1)
    ]
    report("plan", [Plans(rows)], options.out)


if __name__ == "__main__":
    main()
