"""Shards: which tiles of a run one of several independent processes computes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from fastalliance.errors import ConfigError

MAX_COUNT = 100_000

_TEXT = re.compile(r"(\d{1,6})/(\d{1,6})", re.ASCII)
_NAME = re.compile(r"shard-(\d{1,6})-of-(\d{1,6})", re.ASCII)


@dataclass(frozen=True, order=True)
class Shard:
    """One of `count` parts of a run; the parts need no scheduler and do not know of each other.

    Tiles are dealt out in rounds of `count`, one to each shard, so that shares are even to one
    tile and neighbours, which cost alike, go to different shards. Each round begins with another
    shard, as if drawn by lot: otherwise one shard would get the same place of every round, such
    as the dearest value of an axis, or the last and shorter block of every point.

    Parameters
    ----------
    index : int
        Number of the shard, from 0 on.
    count : int
        How many there are.

    Raises
    ------
    ConfigError
        Not ``0 <= index < count``, or more shards than 100,000.

    Examples
    --------
    >>> from fastalliance.store.shards import Shard
    >>> Shard.parse("1/3")
    Shard(index=1, count=3)
    >>> Shard(1, 3).tiles(10).tolist()
    [0, 3, 8]
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        numbers = type(self.index) is int and type(self.count) is int
        if not numbers or not 0 <= self.index < self.count <= MAX_COUNT:
            raise ConfigError(_rule(f"{self.index}/{self.count}"))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the shard that a text such as ``0/8`` names.

        Raises
        ------
        ConfigError
            The text is not of that form, or there is no such shard.
        """
        match = _TEXT.fullmatch(text.strip()) if isinstance(text, str) else None
        if match is None:
            raise ConfigError(_rule(text))
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of_lease(cls, name: str) -> Self | None:
        """Return the shard whose lease has that name; None for the name of another lease."""
        match = _NAME.fullmatch(name)
        if match is None or not 0 <= int(match[1]) < int(match[2]) <= MAX_COUNT:
            return None
        return cls(int(match[1]), int(match[2]))

    @property
    def lease(self) -> str:
        """Name of the shard's lease, with which the names of its ledger files start, too."""
        return f"shard-{self.index}-of-{self.count}"

    def tiles(self, n_tiles: int) -> npt.NDArray[np.int64]:
        """Return the numbers of the shard's tiles among `n_tiles`, ascending."""
        tiles = np.arange(n_tiles, dtype=np.int64)
        first = _mixed(tiles // self.count) % self.count
        return np.flatnonzero((tiles + first) % self.count == self.index)

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def _mixed(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return numbers below 2^31 that look drawn by lot (SplitMix64, Steele et al. 2014)."""
    z = (numbers.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(33)).astype(np.int64)


def _rule(got: Any) -> str:
    text = str(got)[:40]
    return (
        f"shard must be I/N with 0 <= I < N <= {MAX_COUNT:,} (shards count from 0), "
        f"got {text if text.isprintable() else repr(text)}"
    )
