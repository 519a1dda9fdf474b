"""Tiles whose statistics are drawn, not simulated: for what a study costs beside its kernel."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from unittest import mock

import numpy as np

from fastalliance.outputs import Output
from fastalliance.store import TileData
from fastalliance.study import labels, runner
from fastalliance.study.tile_data import TileComputer
from fastalliance.study.tiles import Tile

N_DRAWN = 8  # replicates that a statistic is made of


class SyntheticComputer(TileComputer):
    """Gives each tile statistics of the real shape that depend on its number alone."""

    def compute(self, tile: Tile) -> TileData:
        """Return the packed statistics of outputs drawn for the tile."""
        chance = np.random.default_rng(tile.number)
        shape = (tile.n_points, N_DRAWN)
        outputs = np.array([_draw(output, chance, shape) for output in self.statistics.outputs])
        columns = self.statistics.reduce(outputs, np.zeros(shape, dtype=bool))
        return TileData({labels.STATISTICS: self._padded(columns, (columns.shape[1],))})


def _draw(output: Output, chance: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    if output.kind == "binary":
        return chance.integers(0, 2, shape).astype(float)
    if output.kind == "category":
        return chance.choice(list(output.categories.values()), shape).astype(float)
    return chance.random(shape)


@contextlib.contextmanager
def synthetic_tiles() -> Iterator[None]:
    """Let the runs of this process compute such tiles."""
    with mock.patch.object(runner, "TileComputer", SyntheticComputer):
        yield
