"""What a verification found: counts for a table, what is wrong in lines, and a verdict."""

from __future__ import annotations

from dataclasses import dataclass

from fastalliance.store.objects import Place
from fastalliance.store.verification import LEDGER, Damage

COLUMNS = ("", "checked", "equal", "different", "damaged", "repaired")


@dataclass(frozen=True, repr=False)
class Verification:
    """What a verification found; prints as a table, and is true where all is well.

    Attributes
    ----------
    path : Path or ObjectPath
        The store's directory.
    complete : bool
        Whether its run has been finalised.
    n_tiles, n_done : int
        Number of tiles, and of those that the ledger lists as done.
    n_ledger_files, n_arrays, n_chunks, n_bytes : int
        What was read and checked.
    tiles_recomputed, tiles_equal, tiles_different : int
        Tiles that were computed anew, and whose digests equal the ledger's or do not. A tile whose
        row of the ledger is lost is neither.
    values_compared, values_different : int
        Values of labelled arrays against recomputed ones, bit for bit; NaN equals NaN.
    damage : tuple of Damage
        Files that are missing, damaged, or not what the ledger recorded.
    repaired : tuple of Damage
        Those of them that were put right.
    differences : tuple of str
        What was recomputed and differs, a line each; never repaired.
    other_kernels : bool
        Whether the store was computed by another version of the kernels.
    repairing : bool
        Whether a repair was wanted.
    seed : int or None
        The tiles are a sample drawn by it; None where all were wanted.
    obstacle : str
        Why no tile could be recomputed; empty otherwise.
    """

    path: Place
    complete: bool
    n_tiles: int
    n_done: int
    n_ledger_files: int
    n_arrays: int
    n_chunks: int
    n_bytes: int
    tiles_recomputed: int
    tiles_equal: int
    tiles_different: int
    values_compared: int
    values_different: int
    damage: tuple[Damage, ...]
    repaired: tuple[Damage, ...]
    differences: tuple[str, ...]
    other_kernels: bool
    repairing: bool
    seed: int | None
    obstacle: str = ""

    @property
    def left(self) -> tuple[Damage, ...]:
        """What is still damaged."""
        repaired = set(self.repaired)
        return tuple(item for item in self.damage if item not in repaired)

    @property
    def ok(self) -> bool:
        """Whether nothing differs and nothing is damaged any more."""
        return not (self.differences or self.left or self.obstacle)

    def __bool__(self) -> bool:
        return self.ok

    @property
    def problems(self) -> list[str]:
        """A line for everything that is wrong still."""
        return [*self.differences, *map(str, self.left), *([self.obstacle] * bool(self.obstacle))]

    def rows(self) -> list[tuple[str, ...]]:
        """Return the cells of a table under `COLUMNS`, as text."""
        chunks = [item for item in self.damage if item.name != LEDGER]
        chunks_repaired = [item for item in self.repaired if item.name != LEDGER]
        arrays, put_right = {item.name for item in chunks}, {item.name for item in chunks_repaired}
        ledger = len(self.damage) - len(chunks), len(self.repaired) - len(chunks_repaired)
        return [
            _row("ledger files", self.n_ledger_files, None, None, *ledger),
            _row("arrays", self.n_arrays, None, None, len(arrays), len(put_right)),
            _row("chunks", self.n_chunks, None, None, len(chunks), len(chunks_repaired)),
            _row("tiles recomputed", self.tiles_recomputed, self.tiles_equal, self.tiles_different),
            _row(
                "labelled values",
                self.values_compared,
                self.values_compared - self.values_different,
                self.values_different,
            ),
        ]

    @property
    def verdict(self) -> str:
        """One line: what is proved, or what is wrong and what to do."""
        if self.obstacle:
            return f"not verified: {self.obstacle}"
        if self.differences:
            return f"different: {self._counted()}{self._first(self.differences[0])}"
        if self.left:
            remedy = (
                "what was recomputed is not proved to be what was lost: restore the file from a "
                "copy, or start the run anew with --overwrite"
                if self.repairing
                else "fastalliance verify --repair computes it anew"
            )
            return f"damaged: {self._counted()}{self._first(str(self.left[0]))}; {remedy}"
        to_come = self.n_tiles - self.n_done
        done = (
            ""
            if self.complete
            else f"; not done yet: {to_come:,}"
            if to_come
            else ("; not labelled yet: run it again")
        )
        tiles = f"{self.tiles_recomputed:,} of {self.n_tiles:,} tiles{self._drawn()}"
        found = "repaired, and equal" if self.repaired else "equal"
        return f"{found}: {tiles} recomputed bit for bit{done}"

    def _drawn(self) -> str:
        partial = self.seed is not None and self.tiles_recomputed < self.n_done
        return f" (drawn by seed {self.seed})" if partial else ""

    def _counted(self) -> str:
        counts = [(len(self.differences), "difference"), (len(self.left), "damaged file")]
        parts = [f"{n:,} {what}{'s' if n > 1 else ''}" for n, what in counts if n]
        return " and ".join(parts)

    def _first(self, text: str) -> str:
        return f": {text}" if len(self.problems) == 1 else f", first {text}"

    def __str__(self) -> str:
        table = [COLUMNS, *self.rows()]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [
            "  ".join(
                [
                    row[0].ljust(widths[0]),
                    *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)),
                ]
            ).rstrip()
            for row in table
        ]
        return "\n".join([*lines, *self.problems[:10], self.verdict])

    __repr__ = __str__  # at a prompt and in a notebook too


def _row(what: str, *counts: int | None) -> tuple[str, ...]:
    cells = ["-" if count is None else f"{count:,}" for count in counts]
    return (what, *cells, *["-"] * (len(COLUMNS) - 1 - len(cells)))
