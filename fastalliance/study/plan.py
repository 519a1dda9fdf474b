"""What a study will take: points, instances, steps, tiles, bytes and an estimate of the time."""

from __future__ import annotations

from dataclasses import dataclass

from fastalliance.store.files import size_text as size_text

RATE = 60e6  # instance-steps per second and core, a cautious figure for a model like the dyad


@dataclass(frozen=True, repr=False)
class Plan:
    """Size of a study; prints as a table.

    Attributes
    ----------
    points, replicates, instances, steps, tiles : int
        Design points, replicates per point, their product, steps per instance, units of work.
    instance_steps : int
        instances * steps.
    statistics_bytes, kept_bytes : int
        Uncompressed bytes of the statistics and of the kept replicates and trajectories.
    packed_bytes : int
        Uncompressed bytes that are kept until the run is finished.
    memory_bytes : int
        Estimated peak memory beyond the interpreter and its libraries.
    threads : int
        Threads assumed for `seconds`.
    members : int
        Members of the largest population; 1 where the model has none.
    work : int
        Instance-steps, or the steps of all members.
    rate : float
        Steps of `work` that a core makes in a second, about.
    seconds : float
        Estimated time, compilation left out.
    """

    model: str
    points: int
    replicates: int
    instances: int
    steps: int
    instance_steps: int
    tiles: int
    statistics_bytes: int
    kept_bytes: int
    packed_bytes: int
    memory_bytes: int
    threads: int
    members: int
    work: int
    rate: float = RATE

    @property
    def total_bytes(self) -> int:
        """Uncompressed bytes of the finished store."""
        return self.statistics_bytes + self.kept_bytes

    @property
    def seconds(self) -> float:
        """Estimated run time, compilation left out."""
        return self.work / (self.rate * self.threads)

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
            ("tiles", f"{self.tiles:,}"),
            ("statistics", size_text(self.statistics_bytes)),
            ("kept replicates and trajectories", size_text(self.kept_bytes)),
            ("kept while it runs", size_text(self.packed_bytes)),
            ("memory, about", size_text(self.memory_bytes)),
            (f"time on {self.threads} threads, about", time_text(self.seconds)),
        ]

    def _member_rows(self) -> list[tuple[str, str]]:
        if self.members == 1:
            return []
        return [
            ("members, at most", f"{self.members:,}"),
            ("member-steps", f"{self.work:,}"),
        ]

    def __str__(self) -> str:
        width = max(len(label) for label, _ in self.rows())
        return "\n".join(f"{label:<{width}}  {value}" for label, value in self.rows())

    __repr__ = __str__  # at a prompt and in a notebook too


def time_text(seconds: float) -> str:
    """Return a duration as text."""
    if seconds < 1:
        return "less than a second"
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:,.0f} h" if seconds < 360_000 else f"{seconds / 86_400:,.0f} days"
