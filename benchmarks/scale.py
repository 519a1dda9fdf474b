"""`python -m benchmarks.scale`: studies of up to 10^9 instances on 1,000 virtual workers.

While workers die now and then, each study's driver is killed (SIGKILL) when half of the tiles are
done, resumed with a tile that kills its workers, and resumed again to the end. What of it is real:
`benchmarks/virtual_cluster.py`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import fastalliance as fa
from benchmarks.command import parser, report
from benchmarks.scale_part import N_STEPS, POINTS_PER_TILE, REPLICATES, SLOTS, Part, study_of
from benchmarks.scale_plot import draw
from benchmarks.synthetic_tiles import SyntheticComputer
from fastalliance.store import digest, read
from fastalliance.study.labels import STATISTICS

TILES = (10**3, 10**4, 10**5)
RATE = 134e6  # member-steps per second and core, by `python -m benchmarks.multiparty`
TILE_SECONDS = POINTS_PER_TILE * REPLICATES * N_STEPS * SLOTS / RATE
N_CHECKED = 200  # tiles of a finished store


def simulate(first: Part, directory: str | None = None) -> list[Part]:
    """Run a study to its end, each part in a process of its own, and check what is stored."""
    n = first.n_tiles
    with tempfile.TemporaryDirectory(dir=directory) as folder:
        plain = replace(first, store=str(Path(folder, "study.zarr")))
        parts = [
            _in_a_process(part, Path(folder, "part.json"))
            for part in (
                replace(plain, killed_after=n // 2),
                replace(plain, poison=[n - 1], seed=1),
                replace(plain, seed=2),
            )
        ]
        check(plain)
    ended = [part.ended for part in parts]
    if ended != ["killed", "failed", "finished"]:
        raise RuntimeError(f"the parts of the run ended otherwise than meant: {ended}")
    return parts


def _in_a_process(part: Part, path: Path) -> Part:
    path.write_text(json.dumps(asdict(part)), encoding="utf-8")
    command = [sys.executable, "-m", "benchmarks.scale", "--child", str(path)]
    code = subprocess.run(command, check=False).returncode
    if code not in (0, -signal.SIGKILL):
        raise RuntimeError(f"a part of the run ended with exit code {code}")
    return Part(**json.loads(path.read_text(encoding="utf-8")))


def _child(path: Path) -> None:
    """Run a part in this process, and write what it took; it may be killed on the way."""
    part = Part(**json.loads(path.read_text(encoding="utf-8")))

    def write() -> None:
        path.write_text(json.dumps(asdict(part)), encoding="utf-8")

    def killed() -> None:
        write()
        os.kill(os.getpid(), signal.SIGKILL)

    part.run(killed)
    write()


def check(part: Part) -> None:
    """Compare some tiles of a finished store, its ledger and its labelled arrays, with their data.

    Raises
    ------
    RuntimeError
        A tile has other values.
    """
    study = study_of(part.n_tiles)
    tiling = study.tiling(POINTS_PER_TILE)
    statistics = study.statistics(tiling)
    computer = SyntheticComputer(study, tiling, statistics)
    rows = read(part.store).rows
    numbers = np.random.default_rng(0).permutation(part.n_tiles)[:N_CHECKED]
    with fa.open(part.store) as ds:
        labelled = ds.load()
    for number in numbers.tolist():
        tile = tiling.tile(number)
        data = computer.compute(tile)
        expected = statistics.finish(data.packed[STATISTICS])
        same = all(
            np.array_equal(labelled[name].values[tile.region].ravel(), values, equal_nan=True)
            for name, values in expected.items()
        )
        if rows[number] != digest(data) or not same:
            raise RuntimeError(f"tile {number} of {part.n_tiles} has other values than were given")


@dataclass(frozen=True)
class Scale:
    """The simulated runs."""

    runs: Sequence[list[Part]]

    def to_markdown(self) -> str:
        """A table with a line per study."""
        first = self.runs[0][0]
        lines = [
            f"## {first.n_workers:,} virtual workers, tiles of {first.tile_seconds:.1f} s",
            "",
            "| instances | tiles | workers busy | driver, ms a tile | CPU | driver busy "
            "| ledger files | opened, s | resumed, s | labelled, s | MiB, collecting | labelling |",
            "|" + "---:|" * 12,
        ]
        lines += ["| " + " | ".join(_row(parts)) + " |" for parts in self.runs]
        return "\n".join(lines) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"title": "scale", "runs": [[asdict(p) for p in parts] for parts in self.runs]}


def _row(parts: list[Part]) -> list[str]:
    first, second, last = parts
    n_done = first.handed_over + second.handed_over
    seconds = first.collecting + second.collecting
    spent, cpu = (sum(getattr(p, f"driver_{x}") for p in parts[:2]) for x in ("seconds", "cpu"))
    return [
        f"{first.n_tiles * POINTS_PER_TILE * REPLICATES:,}",
        f"{first.n_tiles:,}",
        f"{sum(first.busy) / first.n_workers / first.collecting:.0%}",
        f"{1e3 * spent / n_done:.2f}",
        f"{1e3 * cpu / n_done:.2f}",
        f"{spent / seconds:.0%}",
        f"{max(part.ledger_files for part in parts)}",
        f"{first.opening:.2f}",
        f"{second.opening:.2f}",
        f"{last.finalising:.1f}",
        f"{max(first.memory_collecting, second.memory_collecting) / 2**20:.0f}",
        f"{last.memory / 2**20:.0f}",
    ]


def main(arguments: list[str] | None = None) -> None:
    """Simulate, print a Markdown table, and write it with all that was measured as JSON."""
    command = parser(__doc__)
    command.add_argument("--tiles", type=int, nargs="+", default=TILES, help="sizes of the studies")
    command.add_argument("--workers", type=int, default=1000)
    command.add_argument("--tile-seconds", type=float, default=TILE_SECONDS)
    command.add_argument("--dask-ms", type=float, default=0.0, help="of dask itself, for a tile")
    command.add_argument("--directory", help="where the stores lie while they are needed")
    command.add_argument("--plot", type=Path, help="draw the runs: .png, .svg or .pdf")
    command.add_argument("--child", type=Path, help="run one part; used by the benchmark itself")
    options = command.parse_args(arguments)
    if options.child is not None:
        _child(options.child)
        return
    sizes, workers = ([20], 4) if options.tiny else (options.tiles, options.workers)
    parts = [
        Part("", n, workers, options.tile_seconds, dask_seconds=options.dask_ms / 1e3)
        for n in sizes
    ]
    runs = [simulate(part, options.directory) for part in parts]
    report("scale", [Scale(runs)], options.out)
    if options.plot is not None:
        draw(runs, options.plot)


if __name__ == "__main__":
    main()
