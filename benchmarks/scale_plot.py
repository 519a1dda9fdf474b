"""The picture of `python -m benchmarks.scale --plot FILE`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from benchmarks.scale_part import Part
from fastalliance.plotting.figure import (
    BLUE,
    GREY,
    LABEL_SIZE,
    ORANGE,
    SMALL_SIZE,
    new_figure,
    save,
    tidy,
)


def draw(runs: Sequence[list[Part]], path: Path) -> None:
    """Draw overhead and memory over the number of tiles, and the largest run over time."""
    figure = new_figure(10.5, 3.4)
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1.5))
    tiles = [parts[0].n_tiles for parts in runs]
    _draw_overhead(left, tiles, runs)
    _draw_memory(middle, tiles, runs)
    for ax in (left, middle):
        ax.set_xscale("log")
        ax.set_xlabel("tiles", fontsize=LABEL_SIZE)
        ax.set_ylim(bottom=0.0)
    _draw_workers(right, runs[-1])
    for ax in (left, middle, right):
        tidy(ax)
    save(figure, path)


def _draw_overhead(ax: Axes, tiles: list[int], runs: Sequence[list[Part]]) -> None:
    sums = [
        [sum(getattr(part, name) for part in parts[:2]) for parts in runs]
        for name in ("driver_seconds", "driver_cpu")
    ]
    taken = [[1e3 * x / _done(y) for x, y in zip(each, runs, strict=True)] for each in sums]
    ax.plot(tiles, taken[0], "o-", color=BLUE, label="wall time")
    ax.plot(tiles, taken[1], "s--", color=ORANGE, label="of it CPU")
    ax.set_ylabel("driver, ms a tile", fontsize=LABEL_SIZE)
    ax.legend(frameon=False, fontsize=SMALL_SIZE)


def _draw_memory(ax: Axes, tiles: list[int], runs: Sequence[list[Part]]) -> None:
    collecting = [max(part.memory_collecting for part in parts[:2]) / 2**20 for parts in runs]
    labelling = [parts[-1].memory / 2**20 for parts in runs]
    ax.plot(tiles, labelling, "o-", color=BLUE, label="labelling")
    ax.plot(tiles, collecting, "s--", color=ORANGE, label="while tiles come in")
    ax.set_ylabel("driver, peak MiB", fontsize=LABEL_SIZE)
    ax.legend(frameon=False, fontsize=SMALL_SIZE)


def _draw_workers(ax: Axes, parts: list[Part]) -> None:
    """Draw how many workers compute, until the driver is killed and after it is resumed."""
    first, second = parts[0], parts[1]
    resumed = len(first.busy)
    busy = np.concatenate([first.busy, second.busy]) / first.n_workers
    ax.fill_between(np.arange(len(busy)), busy, step="mid", color=BLUE, alpha=0.75, linewidth=0.0)
    ax.axvline(resumed, color=ORANGE, lw=1.4)
    ax.annotate(
        "driver killed,\nresumed",
        (resumed, 0.5),
        xytext=(6, 0),
        textcoords="offset points",
        fontsize=SMALL_SIZE,
        color="white",
    )
    ax.set_xlim(0, len(busy))
    ax.set_ylim(0.0, 1.05)
    ax.set_xlabel("virtual time, s", fontsize=LABEL_SIZE)
    ax.set_ylabel(f"of {first.n_workers:,} workers, busy", fontsize=LABEL_SIZE)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:.0%}"))
    ax.set_title(f"{first.n_tiles:,} tiles", fontsize=LABEL_SIZE, color=GREY)


def _done(parts: list[Part]) -> int:
    return parts[0].handed_over + parts[1].handed_over
