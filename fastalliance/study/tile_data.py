"""The data of one tile: statistics and kept results, computed in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastalliance.engine import run_points
from fastalliance.store import TileData
from fastalliance.study import labels
from fastalliance.study.statistics import Statistics
from fastalliance.study.tiles import Tile, Tiling

if TYPE_CHECKING:
    from fastalliance.study.study import Study

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TileComputer:
    """Computes tiles of a study; the same data for a tile wherever and whenever it is asked."""

    study: Study
    tiling: Tiling
    statistics: Statistics

    def steps(self, tile: Tile) -> int:
        """Return the work in a tile, see `Study.work`."""
        return tile.n_replicates * self.study.work(tile.first_point, tile.n_points)

    def compute(self, tile: Tile) -> TileData:
        """Return the packed statistics and the kept raw results of one tile."""
        study = self.study
        points = study.points(tile.first_point, tile.n_points)
        common: dict[str, Any] = {
            "seed": study.seed,
            "first_point": tile.first_point,
            "first_replicate": tile.first_replicate,
            "common_random_numbers": study.common_random_numbers,
            "dt": study.dt,
            "n_steps": study.n_steps,
            "structures": study.given,
        }
        members = bool(study.member_outputs)
        block = run_points(
            study.model, points, n_replicates=tile.n_replicates, keep_members=members, **common
        )
        columns = self.statistics.reduce(block.outputs, block.invalid)
        packed = {labels.STATISTICS: self._padded(columns, (columns.shape[1],))}
        if self.statistics.quantile_outputs and self.tiling.n_blocks > 1:
            packed[labels.RAW] = self._raw(block.outputs)
        direct: dict[str, tuple[tuple[slice, ...], Floats]] = {}
        box = tuple(part.stop - part.start for part in tile.region)
        if study.configuration.keep.replicates:
            region = (*tile.region, tile.replicates)
            for output, values in zip(study.model.output_variables, block.outputs, strict=True):
                direct[output.name] = (region, values.reshape(*box, -1))
        if block.members is not None:
            direct.update(self._members(tile, block.members, box))
        if study.record_steps and (tile.block == 0 or self.study.keeps_all_replicates):
            direct.update(self._paths(tile, points, box, common))
        return TileData(packed, direct)

    def _members(
        self, tile: Tile, members: Floats, box: tuple[int, ...]
    ) -> dict[str, tuple[tuple[slice, ...], Floats]]:
        """Return the outputs of every member, NaN beyond those of smaller alliances."""
        most = self.study.most_members
        full = np.full((*members.shape[:3], most), np.nan)
        full[..., : members.shape[3]] = members
        region = (*tile.region, tile.replicates, slice(0, most))
        return {
            output.name: (region, values.reshape(*box, -1, most))
            for output, values in zip(self.study.member_outputs, full, strict=True)
        }

    def _paths(
        self, tile: Tile, points: Floats, box: tuple[int, ...], common: dict[str, Any]
    ) -> dict[str, tuple[tuple[slice, ...], Floats]]:
        """Return the trajectories of the first replicates, run again with recording on.

        Beside kept replicates they share the dimension `replicate`, and are NaN beyond the first.
        """
        study = self.study
        n_times = study.n_steps // study.record_steps + 1
        recorded = study.recorded_replicates
        width = tile.n_replicates if study.keeps_all_replicates else recorded
        shape = (len(study.model.recorded), tile.n_points, width, n_times)
        paths = np.full(shape, np.nan)
        if tile.block == 0:
            again = run_points(
                study.model,
                points,
                n_replicates=recorded,
                record_steps=study.record_steps,
                **common,
            )
            paths[:, :, :recorded] = again.paths
        first = tile.first_replicate
        region = (*tile.region, slice(first, first + width), slice(0, n_times))
        return {
            f"{state.name}_path": (region, path.reshape(*box, width, n_times))
            for state, path in zip(study.model.recorded, paths, strict=True)
        }

    def _padded(self, values: Floats, rest: tuple[int, ...]) -> Floats:
        full = np.full((self.tiling.points_per_tile, *rest), np.nan)
        full[: len(values)] = values
        return full

    def _raw(self, outputs: Floats) -> Floats:
        names = [output.name for output in self.statistics.outputs]
        wanted = [names.index(name) for name in self.statistics.quantile_outputs]
        shape = (len(wanted), self.tiling.points_per_tile, self.tiling.replicates_per_tile)
        raw = np.full(shape, np.nan)
        raw[:, : outputs.shape[1], : outputs.shape[2]] = outputs[wanted]
        return raw
