"""How fast a study runs: the usual figures, or what was measured of the study itself."""

from __future__ import annotations

from dataclasses import dataclass

USUAL_STEPS = 60e6  # instance-steps per second and core, cautious, for a model like the dyad
# Measured by `python -m benchmarks.cluster` and `benchmarks.scale`, see docs/scale.md.
START_SECONDS = 2.0  # a process until it runs or reads its first tile: Python and its packages
LOAD_SECONDS = 0.4  # kernels from the cache
WRITE_SECONDS = 1.5e-3  # a tile's way to the disk, and its own little costs
READ_SECONDS = 1e-4  # a tile's way back, when results are labelled
DASK_SECONDS = 1.5e-3  # of a dask cluster's scheduler and driver for a tile, at most
PROCESS_BYTES = 260 * 2**20  # of a process that does nothing yet


@dataclass(frozen=True)
class Compressed:
    """Bytes on disk for each byte of data."""

    packed: float
    labelled: float
    kept: float


@dataclass(frozen=True)
class Rates:
    """What a core does in a second, and what takes time beside that.

    Attributes
    ----------
    steps : float
        Steps of a study's work, everything that belongs to a tile included.
    slowest, fastest : float
        The same where it is least and most, of the places that were looked at.
    places : int
        So many places of the design were measured; 0 for the usual figures.
    compiling : float
        Seconds in which kernels were compiled, or loaded from the cache.
    networks : float
        Seconds in which each process makes or reads networks.
    labelling : float
        Bytes of tiles and results that are labelled in a second.
    compressed : Compressed, optional
        Where it was measured.
    reason : str
        Why the figures are the usual ones, where somebody wanted others.
    """

    steps: float
    slowest: float
    fastest: float
    places: int = 0
    compiling: float = LOAD_SECONDS
    networks: float = 0.0
    labelling: float = 60e6
    compressed: Compressed | None = None
    reason: str = ""


def usual(steps: float = USUAL_STEPS, reason: str = "") -> Rates:
    """Return the usual figures of a model that makes so many steps a second."""
    return Rates(steps, steps, steps, reason=reason)
