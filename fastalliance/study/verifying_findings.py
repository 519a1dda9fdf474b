"""Collecting what a verification finds, and the ledger's repair, which needs all of it."""

from __future__ import annotations

from fastalliance.store.verification import Contents, Damage, Scan
from fastalliance.store.verification_repair import Repair
from fastalliance.study.verifying_coordinates import CoordinatesResult
from fastalliance.study.verifying_points import PointsResult
from fastalliance.study.verifying_report import Verification
from fastalliance.study.verifying_scan import Scanned
from fastalliance.study.verifying_tiles import TileResult


class Findings:
    """What is known of a store so far.

    Parameters
    ----------
    contents : Contents
        The store.
    other_kernels : bool
        Whether it was computed by other kernels.
    repairing : bool
        Whether damage is repaired.
    """

    def __init__(self, contents: Contents, *, other_kernels: bool, repairing: bool) -> None:
        self.contents = contents
        self.other_kernels = other_kernels
        self.repairing = repairing
        self.proved = not other_kernels  # whether what has no digest can be trusted
        self.obstacle = ""
        self.differences: list[str] = []
        self.n_recomputed = 0
        self._damage = dict.fromkeys(contents.ledger_damage)
        self._repaired: dict[Damage, None] = {}
        self._n_arrays = self._n_chunks = self._n_bytes = 0
        self._n_equal = self._n_different = self._n_recorded = 0
        self._n_values = self._n_values_different = 0
        self._unlisted: dict[int, str] = {}  # tiles without a row, and their digests
        self._doubtful: set[int] = set()  # those of them that must not get one

    @property
    def damage(self) -> list[Damage]:
        """What is, or was, damaged."""
        return list(self._damage)

    @property
    def repaired(self) -> list[Damage]:
        """What was put right."""
        return list(self._repaired)

    def take_scan(self, scan: Scan, scanned: Scanned) -> None:
        """Note what reading every chunk showed."""
        self._n_arrays, self._n_chunks = scan.n_arrays, scanned.chunks
        self._n_bytes = scanned.n_bytes
        self._damage.update(dict.fromkeys(scanned.damage))

    def take_coordinates(self, result: CoordinatesResult) -> None:
        """Note what the comparison of coordinates showed."""
        self._count(result.n_values, result.n_different)
        self._repaired.update(dict.fromkeys(result.repaired))
        self.differences += [
            f"coordinate {name} is not what the configuration gives" for name in result.different
        ]

    def take_tile(self, result: TileResult) -> None:
        """Note what the recomputation of a tile showed."""
        self.n_recomputed += 1
        tile = result.tile
        for item in [i for i in self._damage if i.tile == tile and i.chunk is None]:
            del self._damage[item]  # known better by now
        self._take_damage(result.damage, result.repaired)
        if result.listed is None:
            self._unlisted[tile] = result.sha
            if result.different or not result.trusted:
                self._doubtful.add(tile)
            if not self.contents.handle.complete:
                return  # a tile that is not done holds nothing that could be wrong
        self._count(result.n_values, result.n_different)
        self._n_equal += result.listed == result.sha
        self._n_different += result.contradicts
        if result.contradicts:
            self.differences.append(
                f"tile {tile} gives other values: SHA-256 {result.listed} in the ledger, "
                f"{result.sha} recomputed"
            )
        elif result.different:
            names = ", ".join(result.different)
            self.differences.append(f"tile {tile} gives other values of {names}")

    def take_points(self, result: PointsResult, n_blocks: int) -> None:
        """Note what the comparison of labelled statistics showed."""
        self._count(result.n_values, result.n_different)
        self._take_damage(result.damage, result.repaired)
        for box, names in result.boxes.items():
            if names:
                tiles = range(box * n_blocks, (box + 1) * n_blocks)
                self._doubtful.update(tiles)
                what = f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else names[0]
                self.differences.append(f"tile {tiles[0]} gives other statistics: {what} differ")

    def repair_ledger(self, repair: Repair) -> None:
        """Give tiles whose rows were lost their rows again, if all of them are proved."""
        damage = self.contents.ledger_damage
        if not damage or not self.proved:
            return
        rows = {t: sha for t, sha in self._unlisted.items() if t not in self._doubtful}
        handle = self.contents.handle
        if handle.complete and len(rows) + len(handle.rows) < handle.n_tiles:
            return
        repair.record(self.contents, rows)
        self._n_recorded = len(rows)
        self._repaired.update(dict.fromkeys(damage))

    def report(self, seed: int | None) -> Verification:
        """Return all that was found."""
        handle = self.contents.handle
        return Verification(
            path=handle.path,
            complete=handle.complete,
            n_tiles=handle.n_tiles,
            n_done=len(handle.rows) + self._n_recorded,
            n_ledger_files=self.contents.ledger_files,
            n_arrays=self._n_arrays,
            n_chunks=self._n_chunks,
            n_bytes=self._n_bytes,
            tiles_recomputed=self.n_recomputed,
            tiles_equal=self._n_equal,
            tiles_different=self._n_different,
            values_compared=self._n_values,
            values_different=self._n_values_different,
            damage=tuple(self._damage),
            repaired=tuple(self._repaired),
            differences=tuple(self.differences),
            other_kernels=self.other_kernels,
            repairing=self.repairing,
            seed=seed,
            obstacle=self.obstacle,
        )

    def _count(self, n_values: int, n_different: int) -> None:
        self._n_values += n_values
        self._n_values_different += n_different

    def _take_damage(self, damage: list[Damage], repaired: list[Damage]) -> None:
        self._damage.update(dict.fromkeys(damage))
        self._repaired.update(dict.fromkeys(repaired))
