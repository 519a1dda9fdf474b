"""What a study will take: points, instances, steps, tiles, time, memory, files and bytes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fastalliance.store.files import size_text as size_text
from fastalliance.study.rates import (
    LOAD_SECONDS,
    PROCESS_BYTES,
    READ_SECONDS,
    START_SECONDS,
    WRITE_SECONDS,
    Rates,
)

_COMPILED = 2.0  # seconds that loading from the kernel cache does not take
_TILES_A_CORE = 4  # with so many the last round does not matter
_NOTHING = 0.1  # seconds of computing that nothing need be said of
_SHORT = 0.2  # seconds of a tile that need not be cut
_WASTE = 0.2  # share of idle cores from which on that is said


@dataclass(frozen=True, repr=False)
class Plan:
    """Size of a study, and what it takes on some cores; prints as a table.

    Attributes
    ----------
    points, replicates, instances, steps, tiles : int
        Design points, replicates per point, their product, steps per instance, units of work.
    instance_steps : int
        instances * steps.
    members : int
        Members of the largest population; 1 where the model has none.
    work : int
        Instance-steps, or the steps of all members.
    points_per_tile : int
        Points of a tile.
    statistics_bytes, kept_bytes : int
        Uncompressed bytes of the statistics and of the kept replicates and trajectories.
    packed_bytes : int
        Uncompressed bytes that are kept until the run is finished.
    thread_bytes, tile_bytes, shared_bytes, labelling_bytes : int
        Memory of a thread that computes; of a tile that is being written; of what all threads
        share; of labelling the results in the end.
    files_running, files_finished : int
        Files of the store, about: most while tiles come in, and in the end.
    cores : int
        Cores that all compute.
    driver_seconds : float
        What one process that hands out all tiles takes for each, on a cluster.
    rates : Rates
        What a core does in a second, measured or not.
    """

    model: str
    points: int
    replicates: int
    instances: int
    steps: int
    instance_steps: int
    members: int
    work: int
    tiles: int
    points_per_tile: int
    statistics_bytes: int
    kept_bytes: int
    packed_bytes: int
    thread_bytes: int
    tile_bytes: int
    shared_bytes: int
    labelling_bytes: int
    files_running: int
    files_finished: int
    cores: int
    driver_seconds: float
    rates: Rates

    @property
    def total_bytes(self) -> int:
        """Uncompressed bytes of the finished store."""
        return self.statistics_bytes + self.kept_bytes

    @property
    def memory_bytes(self) -> int:
        """Peak memory of one process of `cores` threads, beyond the interpreter and libraries."""
        threads = self.cores * self.thread_bytes + self.tile_bytes
        return threads + self.shared_bytes + self.labelling_bytes

    @property
    def tile_seconds(self) -> float:
        """Time of a tile on one core, in the mean."""
        return self.work / self.tiles / self.rates.steps + WRITE_SECONDS

    @property
    def rounds(self) -> int:
        """How many tiles the busiest core computes, where all take the same time."""
        return -(-self.tiles // self.cores)

    @property
    def starting_seconds(self) -> float:
        """Time until the first tile runs, in each process; kernels come from the cache."""
        return START_SECONDS + self.rates.networks + min(self.rates.compiling, LOAD_SECONDS)

    @property
    def computing_seconds(self) -> float:
        """Time from the first tile to the last: tiles are whole, and the last ones end late."""
        mean = self.tile_seconds
        late = mean * (self.rates.steps / self.rates.slowest - 1.0)
        spread = self.tiles * mean / self.cores + late * (1.0 - 1.0 / self.cores)
        return max(self.rounds * mean, spread, self._handing_out)

    @property
    def _handing_out(self) -> float:
        """Time in which a driver can hand out all tiles, however many cores it has."""
        return self.tiles * self.driver_seconds

    @property
    def labelling_seconds(self) -> float:
        """Time of labelling the results, in one process."""
        n_bytes = self.packed_bytes + self.statistics_bytes
        return n_bytes / self.rates.labelling + self.tiles * READ_SECONDS

    @property
    def seconds(self) -> float:
        """Time of a run, from its command to its result."""
        return self.starting_seconds + self.computing_seconds + self.labelling_seconds

    @property
    def remark(self) -> str:
        """What is worth a second thought; empty where nothing is."""
        return self._idle_cores() or self._limit()

    def _idle_cores(self) -> str:
        """Return what to do where cores have no tile."""
        idle = self.rounds * self.cores - self.tiles
        if self.tiles >= self.cores and idle < _WASTE * self.rounds * self.cores:
            return ""
        if self.computing_seconds < _NOTHING:
            return ""
        where = "idle" if self.rounds == 1 else "idle in the last round"
        fewer = _counted(-(-self.tiles // self.rounds), "core")
        text = (
            f"{_counted(self.tiles, 'tile')} on {_counted(self.cores, 'core')}: "
            f"{_counted(idle, 'core')} {where}; as fast with {fewer}"
        )
        finer = max(self.points_per_tile * self.tiles // (_TILES_A_CORE * self.cores), 1)
        if finer >= self.points_per_tile or self.tile_seconds < _SHORT:
            return text
        return f"{text}, faster with smaller tiles (--points-per-tile {finer})"

    def _limit(self) -> str:
        """Return what to do where a cluster's driver is slower than its workers."""
        if self._handing_out < self.computing_seconds:
            return ""
        rate = self.cores / self.tile_seconds
        larger = math.ceil(2 * self.points_per_tile * rate * self.driver_seconds)
        tiles = f"larger tiles (--points-per-tile {larger}), " if larger <= self.points else ""
        return (
            f"the driver of a cluster hands out about {1 / self.driver_seconds:,.0f} tiles a "
            f"second, and {self.cores:,} cores compute {rate:,.0f}: take fewer cores, {tiles}or "
            "shards, which have no driver"
        )

    def rows(self) -> list[tuple[str, str]]:
        """Return labels and values, as text."""
        return [
            ("model", self.model),
            ("design points", f"{self.points:,}"),
            ("replicates per point", f"{self.replicates:,}"),
            ("instances", f"{self.instances:,}"),
            ("steps per instance", f"{self.steps:,}"),
            ("instance-steps", f"{self.instance_steps:,}"),
            *self._member_rows(),
            ("tiles", self._tiles_text()),
            ("statistics", size_text(self.statistics_bytes)),
            ("kept replicates and trajectories", size_text(self.kept_bytes)),
            *self._rate_rows(),
            *self._time_rows(),
            *self._memory_rows(),
            *self._store_rows(),
            *([("note", self.remark)] if self.remark else []),
        ]

    def _tiles_text(self) -> str:
        points = _counted(self.points_per_tile, "point")
        return f"{self.tiles:,} of {points}, about {seconds_text(self.tile_seconds)} each"

    def _member_rows(self) -> list[tuple[str, str]]:
        if self.members == 1:
            return []
        return [
            ("members, at most", f"{self.members:,}"),
            ("member-steps", f"{self.work:,}"),
        ]

    def _rate_rows(self) -> list[tuple[str, str]]:
        rates, unit = self.rates, "instance-steps" if self.members == 1 else "member-steps"
        about = ("rate of a core, about", f"{_millions(rates.steps)} M {unit}/s")
        if not rates.places:
            why = f": {rates.reason}" if rates.reason else " for models like this one"
            return [about, ("- not measured", f"a cautious figure{why}")]
        low, high = _millions(rates.slowest), _millions(rates.fastest)
        text = f"on this machine at {rates.places} places of the design, {low} to {high} M"
        return [about, ("- measured", text)]

    def _time_rows(self) -> list[tuple[str, str]]:
        compiling = self.rates.compiling
        once = ("- compiling, once a machine", seconds_text(compiling))
        cores = _counted(self.cores, "core")
        return [
            ("time, about", f"{time_text(self.seconds)} on {cores}"),
            ("- starting a process", seconds_text(self.starting_seconds)),
            *([once] if compiling > _COMPILED else []),
            ("- tiles", seconds_text(self.computing_seconds)),
            ("- labelling, by one process", seconds_text(self.labelling_seconds)),
        ]

    def _memory_rows(self) -> list[tuple[str, str]]:
        one = PROCESS_BYTES + self.shared_bytes + self.thread_bytes + self.tile_bytes
        return [
            ("memory of a process, about", f"{size_text(one)} with one thread"),
            ("- for each thread more", size_text(self.thread_bytes)),
            ("- for labelling", size_text(self.labelling_bytes)),
        ]

    def _store_rows(self) -> list[tuple[str, str]]:
        running, finished = self.packed_bytes + self.kept_bytes, self.total_bytes
        rows = [
            ("store while it runs, about", _files(self.files_running, running)),
            ("store when finished, about", _files(self.files_finished, finished)),
        ]
        if (share := self.rates.compressed) is None:
            return rows
        kept = share.kept * self.kept_bytes
        sizes = (share.packed * self.packed_bytes, share.labelled * self.statistics_bytes)
        on_disk = [("- compressed", size_text(n_bytes + kept)) for n_bytes in sizes]
        return [rows[0], on_disk[0], rows[1], on_disk[1]]

    def __str__(self) -> str:
        width = max(len(label) for label, _ in self.rows())
        return "\n".join(f"{label:<{width}}  {value}" for label, value in self.rows())

    __repr__ = __str__  # at a prompt and in a notebook too


def _millions(steps: float) -> str:
    return f"{steps / 1e6:,.0f}" if steps >= 1e8 else f"{steps / 1e6:.3g}"


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def _files(n: int, n_bytes: int) -> str:
    return f"{n:,} files, {size_text(n_bytes)} uncompressed"


def time_text(seconds: float) -> str:
    """Return a duration as text."""
    if seconds < 1:
        return "less than a second"
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:,.0f} h" if seconds < 360_000 else f"{seconds / 86_400:,.0f} days"


def seconds_text(seconds: float) -> str:
    """Return a duration that may be short as text."""
    if seconds >= 10:
        return time_text(seconds)
    return f"{1e3 * seconds:.2g} ms" if seconds < 0.0995 else f"{seconds:.2g} s"
