"""Says that no tile has finished for long, so that a run that hangs never does so in silence."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence

SILENT = 600.0  # seconds without a finished tile after which that is said
_SHOWN = 4  # tiles that are named


class SilenceWarning(UserWarning):
    """No tile has finished for a long time."""


class Silence:
    """The time since a tile last finished."""

    def __init__(self) -> None:
        self.end()

    def end(self) -> None:
        """A tile has finished."""
        self._began = time.monotonic()
        self._said = 0.0

    def say(self, running: Sequence[int], nobody: str = "there are no workers") -> None:
        """Warn if it has lasted for long, and again each time it has lasted twice as long.

        Parameters
        ----------
        running : sequence of int
            The tiles that run; none where nothing can run them.
        nobody : str
            What to say then.
        """
        lasted = time.monotonic() - self._began
        if lasted < max(SILENT, 2.0 * self._said):
            return
        self._said = lasted
        more = f" and {len(running) - _SHOWN} more" if len(running) > _SHOWN else ""
        tiles = ", ".join(map(str, running[:_SHOWN]))
        what = f"tiles that run: {tiles}{more}" if running else nobody
        warnings.warn(
            f"no tile has finished for {lasted / 60:.0f} minutes; {what}",
            SilenceWarning,
            stacklevel=2,
        )
