"""Tiles that failed: the others go on without them, and in the end they are named."""

from __future__ import annotations

from fastalliance.errors import FastAllianceError, TileError

MOST = 20  # failed tiles with which a run goes on; more of them are the fault of the study


class Failures:
    """The tiles that failed, and why."""

    def __init__(self) -> None:
        self.reasons: dict[int, str] = {}
        self.cause: BaseException | None = None

    @property
    def too_many(self) -> bool:
        """Whether so many failed that the others are not worth the time."""
        return len(self.reasons) > MOST

    def add(self, tile: int, reason: BaseException | str) -> None:
        """Note a tile that failed."""
        if isinstance(reason, BaseException):
            self.cause = self.cause or reason
            reason = _text(reason)
        self.reasons[tile] = reason

    def again(self) -> list[int]:
        """Return the tiles to be run once more, and forget that they failed."""
        if self.too_many:
            return []
        tiles = sorted(self.reasons)
        self.reasons, self.cause = {}, None
        return tiles

    def report(self) -> None:
        """Raise TileError where there are failed tiles."""
        if not self.reasons:
            return
        first = min(self.reasons)
        text = f"tile {first} failed on every try ({self.reasons[first]})"
        if self.too_many:
            text += f", and {len(self.reasons) - 1} more, so that the run was given up"
        elif len(self.reasons) > 1:
            text += f", and {len(self.reasons) - 1} more"
        raise TileError(text, self.reasons) from self.cause


def _text(error: BaseException) -> str:
    if isinstance(error, FastAllianceError):
        return str(error)
    if isinstance(error, MemoryError):
        return "not enough memory"
    return " ".join(f"{type(error).__name__}: {error}".split())
