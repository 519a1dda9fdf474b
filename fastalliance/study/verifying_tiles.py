"""Recomputing tiles, and comparing them with the ledger and with what the store has of them."""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fastalliance.store import TileData, digest
from fastalliance.store.verification import Contents, Damage, Index
from fastalliance.store.verification_repair import Repair
from fastalliance.study.tile_data import TileComputer

Floats = npt.NDArray[np.float64]


@dataclass
class TileResult:
    """What the recomputation of a tile showed.

    Attributes
    ----------
    tile, steps : int
        Its number and work.
    sha : str
        Digest of the recomputed data.
    listed : str or None
        Digest in the ledger; None where it has none.
    trusted : bool
        Whether the recomputed data may take the place of damaged ones.
    n_values, n_different : int
        Values of labelled arrays that were compared, and that differ.
    different : list of str
        Arrays that differ.
    damage : list of Damage
        Chunks of the tile that are not what the ledger recorded.
    repaired : list of Damage
        Those that were written anew.
    packed : dict
        Packed blocks, where they are wanted.
    """

    tile: int
    steps: int
    sha: str
    listed: str | None
    trusted: bool
    n_values: int = 0
    n_different: int = 0
    different: list[str] = field(default_factory=list)
    damage: list[Damage] = field(default_factory=list)
    repaired: list[Damage] = field(default_factory=list)
    packed: dict[str, Floats] = field(default_factory=dict)

    @property
    def contradicts(self) -> bool:
        """Whether the ledger has another digest."""
        return self.listed is not None and self.listed != self.sha


@dataclass(frozen=True)
class TileChecker:
    """Recomputes and compares tiles; called on threads.

    Attributes
    ----------
    computer : TileComputer
    contents : Contents
    repair : Repair or None
        Writes what is damaged, if that is wanted.
    proved : bool
        Whether the store is of this study and of these kernels, so that a tile without a digest
        in the ledger can be trusted.
    wanted : collection of int
        Tiles whose packed blocks are wanted.
    cores, stop
        As those of a run.
    """

    computer: TileComputer
    contents: Contents
    repair: Repair | None
    proved: bool
    wanted: Collection[int]
    cores: threading.Semaphore
    stop: threading.Event

    def __call__(self, number: int) -> TileResult | None:
        """Check a tile; one that waits for a core when it is stopped is not computed."""
        tile = self.computer.tiling.tile(number)
        with self.cores:
            if self.stop.is_set():
                return None
            data = self.computer.compute(tile)
        listed, sha = self.contents.rows.get(number), digest(data)
        result = TileResult(
            tile=number,
            steps=self.computer.steps(tile),
            sha=sha,
            listed=listed,
            trusted=sha == listed or (listed is None and self.proved),
            packed=data.packed if number in self.wanted else {},
        )
        for name, index in self.contents.tile_chunks(number).items():
            self._check_chunk(result, name, index, _chunk_values(data, name))
        return result

    def _check_chunk(self, result: TileResult, name: str, index: Index, values: Floats) -> None:
        stored = self.contents.read_chunk(name, index)
        labelled = name in self.contents.handle.direct
        if not isinstance(stored, Damage):
            n_different = count_different(stored, values)
            if labelled:
                result.n_values += values.size
            if not n_different:
                return
            if result.sha != result.listed:  # then it is not known which of the two is right
                result.different.append(name)
                result.n_different += n_different if labelled else 0
                return
            reason = "its values are not those in the ledger"
            stored = Damage(name, reason, None, index, result.tile)
        elif result.listed is None and not self.contents.handle.complete:
            result.different.append(name)  # a tile that was not done, as it turns out
            return
        result.damage.append(stored)
        if self.repair is not None and result.trusted:
            self.repair.write_chunk(self.contents, name, index, values)
            result.repaired.append(stored)


def count_different(stored: npt.NDArray[np.generic], values: npt.NDArray[np.generic]) -> int:
    """Return how many values differ in their bits; every NaN equals every other."""
    if stored.shape != values.shape or stored.dtype.newbyteorder("=") != values.dtype:
        return int(values.size)
    left, right = (np.ascontiguousarray(array).ravel() for array in (stored, values))
    width = left.dtype.itemsize
    differ = (
        (left.view(f"<u{width}") != right.view(f"<u{width}"))
        if width in (1, 2, 4, 8)
        else (left != right)
    )
    if left.dtype.kind == "f":
        differ &= ~(np.isnan(left) & np.isnan(right))
    return int(differ.sum())


def _chunk_values(data: TileData, name: str) -> Floats:
    if name in data.packed:
        return data.packed[name][None]
    return data.direct[name][1]
