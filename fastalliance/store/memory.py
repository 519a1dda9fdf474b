"""A run's store in memory, with the methods of the one on disk."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from fastalliance.errors import StoreError
from fastalliance.store.finalising import check_covered
from fastalliance.store.layout import Layout, Slab, TileData, check_tile_data, digest
from fastalliance.store.ledger import check_same
from fastalliance.store.skeleton import spec_info


class MemoryStore:
    """Keeps the tiles of a run, and in the end its labelled arrays, in memory.

    Attributes
    ----------
    layout : Layout
        What the run keeps.
    attrs : dict
        Its attributes, with ``complete``.
    arrays : dict of str to array
        The direct arrays from the start, the final arrays once finalised; NaN where not written.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.attrs: dict[str, Any] = {**layout.attrs, "complete": False}
        self.arrays: dict[str, npt.NDArray[np.float64]] = {
            spec.name: np.full(spec.shape, np.nan) for spec in layout.direct
        }
        self._packed: dict[int, dict[str, npt.NDArray[np.float64]]] = {}
        self._rows: dict[int, str] = {}
        self._lock = threading.Lock()

    @property
    def complete(self) -> bool:
        """Whether the run has been finalised."""
        return bool(self.attrs["complete"])

    def missing(self, *, everyone: bool = False) -> npt.NDArray[np.int64]:
        """Return the numbers of the tiles that are not done yet, ascending."""
        missing = np.ones(self.layout.n_tiles, dtype=bool)
        missing[list(self._rows)] = False
        return np.flatnonzero(missing)

    def require_space(self, n_bytes: int) -> None:
        """Accept: a run in memory needs no room on a disk."""

    def write(self, tile: int, data: TileData) -> str:
        """Keep a tile's data and return the SHA-256 of its values; `record` makes it count."""
        self._check_tile(tile)
        check_tile_data(data, self.layout.packed, [spec.name for spec in self.layout.direct])
        sha = digest(data)
        check_same(tile, self._rows.get(tile, sha), sha)
        with self._lock:
            self._packed[tile] = {name: values.copy() for name, values in data.packed.items()}
            for name, (region, values) in data.direct.items():
                if self.arrays[name][region].shape != values.shape:
                    raise StoreError(
                        f"array {name}: {region} does not fit values of {values.shape}"
                    )
                self.arrays[name][region] = values
        return sha

    def record(self, rows: Iterable[tuple[int, str]]) -> None:
        """Note tiles, with their digests, as done."""
        for tile, sha in rows:
            self._check_tile(tile)
            check_same(tile, self._rows.setdefault(tile, sha), sha)

    def read_packed(self, name: str, first: int, last: int) -> npt.NDArray[np.float64]:
        """Return a packed array of the tiles first, ..., last - 1; NaN where not done."""
        if name not in self.layout.packed:
            raise StoreError(f"{name} is no packed array of the layout")
        if not 0 <= first <= last <= self.layout.n_tiles:
            raise StoreError(f"tiles {first} to {last} are not among the {self.layout.n_tiles}")
        out = np.full((last - first, *self.layout.packed[name]), np.nan)
        for tile in range(first, last):
            if tile in self._rows:
                out[tile - first] = self._packed[tile][name]
        return out

    def finalise(self, slabs: Iterable[Slab]) -> None:
        """Write the final arrays, mark the run complete, and let go of the packed data."""
        if self.complete:
            return
        missing = self.missing()
        if missing.size:
            raise StoreError(
                f"the run cannot be finalised: {missing.size} of {self.layout.n_tiles} tiles are "
                f"not done, the first is {missing[0]}"
            )
        final = {spec.name: np.full(spec.shape, np.nan) for spec in self.layout.final}
        n_written = dict.fromkeys(final, 0)
        for slab in slabs:
            for name, (region, values) in slab.items():
                if name not in final:
                    raise StoreError(f"slab of {name}, which is no final array of the layout")
                final[name][region] = values
                n_written[name] += values.size
        check_covered({spec.name: spec_info(spec) for spec in self.layout.final}, n_written)
        self.arrays.update(final)
        self._packed.clear()
        self.attrs["complete"] = True

    def close(self) -> None:
        """Do nothing: memory needs no closing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _check_tile(self, tile: int) -> None:
        if not 0 <= tile < self.layout.n_tiles:
            raise StoreError(f"tile {tile} is none of the {self.layout.n_tiles} tiles of the run")
