"""Running one tile of a stored study again: what a run of it does, in this process alone."""

from __future__ import annotations

import shlex

from fastalliance import library
from fastalliance.engine import prepare_driver
from fastalliance.library.model import Model
from fastalliance.store import digest
from fastalliance.study.checks import whole_number
from fastalliance.study.model_file import spec_of
from fastalliance.study.rebuilding import stored
from fastalliance.study.tile_data import TileComputer
from fastalliance.study.tiles import Tile, Tiling


class TileReplay:
    """A tile of a stored study, to be run again.

    Attributes
    ----------
    tile : Tile
    n_tiles : int
        Tiles of the study.
    seed : int
    """

    def __init__(self, store: str, number: int, model: Model | None) -> None:
        """Look the tile up; raise as `stored` does, or ConfigError where there is no such tile."""
        self._study, handle = stored(store, model)
        self._tiling = Tiling.from_plain(handle.attrs["tiling"])
        self.n_tiles = self._tiling.n_tiles
        self.tile = self._tiling.tile(whole_number(number, "tile", 0, self.n_tiles - 1))
        self.seed = self._study.seed

    def run(self) -> str:
        """Compute the tile, and return the digest of its data."""
        study = self._study
        points = study.points(self.tile.first_point, self.tile.n_points)
        prepare_driver(study.model, points, study.given)
        computer = TileComputer(study, self._tiling, study.statistics(self._tiling))
        return digest(computer.compute(self.tile))


def describe(tile: Tile) -> str:
    """Return which points and replicates a tile has."""
    last_point = tile.first_point + tile.n_points - 1
    last = tile.first_replicate + tile.n_replicates - 1
    return f"points {tile.first_point} to {last_point}, replicates {tile.first_replicate} to {last}"


def command_of(model: Model, tile: Tile, store: str | None) -> str:
    """Return what runs a tile again: a command, or in Python what runs a replicate of it."""
    spec = spec_of(model)
    built_in = model.name in library.NAMES and library.get(model.name) is model
    if store is None or not (spec or built_in):
        return f"study.replay(point={tile.first_point}, replicate={tile.first_replicate})"
    command = ["fastalliance", "replay", store, "--tile", str(tile.number)]
    return shlex.join([*command, *(["--model-file", spec] if spec else [])])
