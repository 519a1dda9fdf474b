"""What a core makes of a study: short pieces of its tiles, run and timed at places of its design.

A piece is a run of points of one tile, with all replicates of a block, run with the very driver
that the tile is run with: in a piece of one point a feature may be off that is on in the tile.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fastalliance.engine import prepare_driver
from fastalliance.engine.run import literals
from fastalliance.store import TileData
from fastalliance.store.format import encode_chunk
from fastalliance.study.labels import STATISTICS
from fastalliance.study.planning import usual_rates
from fastalliance.study.rates import Compressed, Rates
from fastalliance.study.statistics import Statistics
from fastalliance.study.structure import CENTRALITIES
from fastalliance.study.study import Study
from fastalliance.study.tile_data import TileComputer
from fastalliance.study.tiles import Tile, Tiling

Floats = npt.NDArray[np.float64]
SECONDS = 1.5  # of all pieces together, without preparing
_PIECE_SECONDS = 0.05
_TICK = 1e-6  # seconds; nothing takes less
_FINE = time.get_clock_info("thread_time").resolution < 1e-4  # not on Windows
_LONGEST = 0.3  # seconds of one point, of which fewer replicates are run then
_LEAST, _MOST = 4, 64  # pieces
_CAUTION = 50.0  # so much slower than usual a first piece may be without taking too long
_WARMING = 4  # pieces at most
_COMPILING = 30.0  # seconds after which no more drivers are compiled
_LABELLED = 4096  # points that are labelled to see how fast that is, fewer where quantiles need
_LABELLED_VALUES = 2**22  # all replicates


def measure(study: Study, tiling: Tiling) -> Rates:
    """Measure how fast a core runs the study; takes two seconds, and what compiling takes.

    Returns
    -------
    Rates
        The usual ones where members' betweenness would have to be computed first, which may take
        minutes.

    Raises
    ------
    ModelError
        The model cannot be compiled, or a formula fails.
    """
    if CENTRALITIES in study.given.names and CENTRALITIES not in study.given.arrays:
        return usual_rates(study, "a measurement takes members' betweenness first")
    return _Calibration(study, tiling).run()


@dataclass(frozen=True)
class _Piece:
    """What a piece took."""

    points: int
    instances: int
    work: int
    seconds: float
    data: TileData

    @property
    def rate(self) -> float:
        """Steps a second."""
        return self.work / self.seconds


class _Calibration:
    """Runs pieces."""

    def __init__(self, study: Study, tiling: Tiling) -> None:
        self.study, self.tiling = study, tiling
        self.statistics = study.statistics(tiling)
        self.computer = TileComputer(study, tiling, self.statistics)
        self.compiling = self.networks = 0.0
        self.ready: set[object] = set()
        self.rate = usual_rates(study).steps / _CAUTION

    def run(self) -> Rates:
        """Run pieces at places of the design until the time is up."""
        pieces: list[_Piece] = []
        spent = 0.0
        most = min(_MOST, math.prod(self.tiling.shape) * self.tiling.n_blocks)
        for tile, point in itertools.islice(_places(self.tiling), most):
            part = self._part(tile, point)
            if part is None:
                continue
            if not pieces:
                part = self._warmed_up(tile, point, part)
            pieces.append(self._measure(part))
            spent += pieces[-1].seconds
            self.rate = pieces[-1].rate
            if spent > SECONDS and len(pieces) >= min(_LEAST, most):
                break
        # Each place counts the same, whatever the length of its piece.
        work = sum(piece.work / piece.instances for piece in pieces)
        seconds = sum(piece.seconds / piece.instances for piece in pieces)
        packed = [piece.data.packed[STATISTICS][: piece.points] for piece in pieces]
        kept = [values for piece in pieces for _, values in piece.data.direct.values()]
        labelling, labelled = _label(self.statistics, np.concatenate(packed), self.tiling)
        return Rates(
            steps=work / seconds,
            slowest=min(piece.rate for piece in pieces),
            fastest=max(piece.rate for piece in pieces),
            places=len(pieces),
            compiling=self.compiling,
            networks=self.networks,
            labelling=labelling,
            compressed=Compressed(_on_disk(packed), labelled, _on_disk(kept)),
        )

    def _warmed_up(self, tile: Tile, point: int, part: Tile) -> Tile:
        """Run pieces for nothing until caches are warm and they are as long as they should be."""
        for _ in range(_WARMING):
            piece = self._measure(part)
            self.rate = piece.rate
            part = self._part(tile, point) or part
            if piece.seconds > _PIECE_SECONDS / 2:
                break
        return part

    def _part(self, tile: Tile, point: int) -> Tile | None:
        """Return points of a tile around one of them as a tile; None if it had to be compiled for.

        They are as many as take some time, and run with the driver that the tile is run with.
        """
        study, model = self.study, self.study.model
        at = point - tile.first_point
        points = study.points(tile.first_point, tile.n_points)
        sizes = points[:, len(model.parameters) :]
        low, high = _run_of_equals(sizes, at)
        began = time.perf_counter()
        structure = study.given(tuple(sizes[at].tolist()))
        self.networks += time.perf_counter() - began
        whole = literals(model, points[low:high], structure)
        if whole not in self.ready:
            if self.compiling > _COMPILING:
                return None
            began = time.perf_counter()
            prepare_driver(model, points[low:high], study.given)
            self.compiling += time.perf_counter() - began
            self.ready.add(whole)
        steps = study.work(point, 1)
        n_replicates = max(int(_LONGEST * self.rate / steps), 8 * study.recorded_replicates, 64)
        n_replicates = min(n_replicates, tile.n_replicates)
        count = max(int(_PIECE_SECONDS * self.rate / (steps * n_replicates)), 1)
        while True:
            first = max(min(at - count // 2, high - count), low)
            last = min(first + count, high)
            if literals(model, points[first:last], structure) == whole:
                break
            count *= 2
        return replace(
            tile,
            first_point=tile.first_point + first,
            n_points=last - first,
            n_replicates=n_replicates,
            region=(slice(0, last - first),),
        )

    def _measure(self, part: Tile) -> _Piece:
        """Compute a part of a tile, by this thread's own time: others may be at work, too."""
        began = _now()
        data = self.computer.compute(part)
        seconds = max(_now() - began, _TICK)
        instances = part.n_points * part.n_replicates
        return _Piece(part.n_points, instances, self.computer.steps(part), seconds, data)


def _now() -> float:
    """Return the seconds that this thread has computed, by a clock that is fine enough."""
    return time.thread_time() if _FINE else time.perf_counter()


def _places(tiling: Tiling) -> Iterator[tuple[Tile, int]]:
    """Yield points spread evenly over the design, each with a tile that holds it."""
    steps = _steps(len(tiling.shape))
    for i in itertools.count():
        index = [
            int((0.5 + i * step) % 1.0 * n) for step, n in zip(steps, tiling.shape, strict=True)
        ]
        boxes = [j // n for j, n in zip(index, tiling.box_shape, strict=True)]
        box = _number(boxes, tiling.boxes_along)
        yield tiling.tile(box * tiling.n_blocks + i % tiling.n_blocks), _number(index, tiling.shape)


def _steps(n_axes: int) -> list[float]:
    """Return steps whose multiples, modulo 1, fill a cube evenly: powers of a golden ratio."""
    ratio = 2.0
    for _ in range(30):
        ratio = (1.0 + ratio) ** (1.0 / (n_axes + 1))
    return [ratio ** -(axis + 1) for axis in range(n_axes)]


def _number(index: Sequence[int], shape: Sequence[int]) -> int:
    """Return the number in C order of an index."""
    number = 0
    for i, n in zip(index, shape, strict=True):
        number = number * n + i
    return number


def _run_of_equals(rows: Floats, at: int) -> tuple[int, int]:
    """Return the range of consecutive rows around one of them that are equal to it."""
    other = np.flatnonzero((rows != rows[at]).any(axis=1))
    cut = int(np.searchsorted(other, at))
    low = int(other[cut - 1]) + 1 if cut else 0
    return low, int(other[cut]) if cut < len(other) else len(rows)


def _label(statistics: Statistics, columns: Floats, tiling: Tiling) -> tuple[float, float]:
    """Return the bytes of tiles and results that are labelled in a second, and their share on disk.

    Merged, finished and encoded; reading and writing files is left out.
    """
    points = min(_LABELLED, max(_LABELLED_VALUES // tiling.replicates, 1))
    block = np.resize(columns, (points, columns.shape[1]))
    blocks = [block] * tiling.n_blocks
    raw = None
    if statistics.quantile_outputs and tiling.n_blocks > 1:
        chance = np.random.default_rng(0)
        raw = chance.random((len(statistics.quantile_outputs), points, tiling.replicates))
    began = _now()
    results = list(statistics.finish(statistics.merge(blocks), raw).values())
    for values in results:
        encode_chunk(values)
    seconds = max(_now() - began, _TICK)
    n_bytes = sum(x.nbytes for x in (*blocks, *results)) + (raw.nbytes if raw is not None else 0)
    once = results if raw is not None else statistics.finish(columns).values()
    return n_bytes / seconds, _on_disk(once)


def _on_disk(arrays: Iterable[Floats]) -> float:
    """Return the bytes that arrays take as chunks, for each byte of theirs."""
    sizes = [(values.nbytes, len(encode_chunk(values))) for values in arrays]
    n_bytes = sum(size for size, _ in sizes)
    return sum(size for _, size in sizes) / n_bytes if n_bytes else 1.0
