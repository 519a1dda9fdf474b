"""Writing tiles: the part of a store that worker threads and processes need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from fastalliance.errors import StoreError
from fastalliance.faults import fault_point
from fastalliance.store import files, lease
from fastalliance.store.chunks import chunk_index, chunks_in, packed_info, write_region
from fastalliance.store.format import ArrayInfo
from fastalliance.store.layout import Layout, Region, TileData, check_tile_data, digest
from fastalliance.store.ledger import check_same
from fastalliance.store.object_requests import guarded
from fastalliance.store.objects import Place
from fastalliance.store.paths import Paths
from fastalliance.store.skeleton import spec_info


@dataclass(frozen=True)
class TileWriter:
    """Writes tiles of one run; plain data, so that it can be sent to other processes.

    Attributes
    ----------
    root : Place
        The store's directory.
    n_tiles : int
        Number of tiles.
    packed : dict of str to tuple of int
        Shape of one tile in each packed array.
    direct : dict of str to ArrayInfo
        Labelled arrays that tiles write.
    strides : dict of str to int or None
        Which chunk of a direct array is which tile's, see `ArraySpec.tile_stride`.
    generation, run_id, lease_name : int, str, str
        The lease under which it writes.
    """

    root: Place
    n_tiles: int
    packed: dict[str, tuple[int, ...]]
    direct: dict[str, ArrayInfo]
    strides: dict[str, int | None]
    generation: int
    run_id: str
    lease_name: str

    @classmethod
    def of(cls, root: Place, layout: Layout, held: lease.Lease) -> TileWriter:
        """Return the writer for a layout, under a lease."""
        return cls(
            root,
            layout.n_tiles,
            dict(layout.packed),
            {spec.name: spec_info(spec) for spec in layout.direct},
            {spec.name: spec.tile_stride for spec in layout.direct},
            held.generation,
            held.run_id,
            held.name,
        )

    def write(self, tile: int, data: TileData, recorded: str | None = None) -> str:
        """Write a tile's data, flushed to the disk, and return the digest of its values.

        Safe from many threads and processes at once, for different tiles.

        Raises
        ------
        StoreError
            The data do not fit the layout or differ from what was recorded of this tile, the
            lease is lost, or the file system refuses.
        """
        self._check(tile, data)
        sha = digest(data)
        check_same(tile, recorded or sha, sha)
        paths = Paths(self.root)
        with files.os_errors(self.root, f"writing tile {tile}"), guarded(self._check_lease):
            self._check_lease()
            for name, values in data.packed.items():
                info = packed_info(name, self.n_tiles, self.packed[name])
                region = (slice(tile, tile + 1), *(slice(0, n) for n in values.shape))
                directory = paths.packed(name)
                self._write_region(directory, info, region, values[None])
            fault_point("between-arrays")
            files.each(self.root, lambda entry: self._write_direct(*entry), data.direct.items())
        fault_point("after-data")
        return sha

    def _check_lease(self) -> None:
        held = (self.generation, self.run_id, self.lease_name)
        lease.check_held(Paths(self.root).lease, *held)

    def _write_direct(self, name: str, part: tuple[Region, npt.NDArray[Any]]) -> None:
        region, values = part
        self._write_region(Paths(self.root).array(name), self.direct[name], region, values)

    def _write_region(
        self, directory: Place, info: ArrayInfo, region: Region, values: npt.NDArray[Any]
    ) -> None:
        scratch = Paths(self.root).scratch
        write_region(
            directory, info, region, values, scratch, whole_chunks=True, check=self._check_lease
        )

    def _check(self, tile: int, data: TileData) -> None:
        if not 0 <= tile < self.n_tiles:
            raise StoreError(f"tile {tile} is none of the {self.n_tiles} tiles of the run")
        check_tile_data(data, self.packed, self.direct)
        for name, stride in self.strides.items():
            if stride is None:
                continue
            info = self.direct[name]
            # The stride is what a resumed run and a reader trust to find what is missing.
            due = [] if tile % stride else [chunk_index(info, tile // stride)]
            entry = data.direct.get(name)
            touched = chunks_in(info, entry[0], entry[1].shape) if entry else []
            if touched != due:
                raise StoreError(f"tile {tile} must write chunks {due} of {name}, got {touched}")
