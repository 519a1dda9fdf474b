"""Says that no tile has finished for long, so that a run that hangs never does so in silence.

A thread of its own says it: what hangs may be the very call in which the run waits.
"""

from __future__ import annotations

import contextlib
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence

SILENT = 600.0  # seconds without a finished tile after which that is said
_LOOK_EVERY = 5.0  # seconds
_SHOWN = 4  # tiles that are named


class SilenceWarning(UserWarning):
    """No tile has finished for a long time."""


class Silence:
    """The time since a tile last finished.

    Parameters
    ----------
    what : callable
        Returns what is known of the reason; called on the thread of `watched`.
    """

    def __init__(self, what: Callable[[], str]) -> None:
        self._what = what
        self._lock = threading.Lock()
        self._refused: SilenceWarning | None = None
        self.end()

    def end(self) -> None:
        """A tile has finished."""
        with self._lock:
            self._began = time.monotonic()
            self._said = 0.0

    def say(self) -> None:
        """Warn if it has lasted for long, and again each time it has lasted twice as long."""
        with self._lock:
            lasted = time.monotonic() - self._began
            if lasted < max(SILENT, 2.0 * self._said):
                return
            self._said = lasted
        text = f"no tile has finished for {lasted / 60:.0f} minutes; {self._what()}"
        warnings.warn(text, SilenceWarning, stacklevel=2)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Say it as long as this is entered."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(min(_LOOK_EVERY, SILENT / 2)):
                try:
                    self.say()
                except SilenceWarning as refused:
                    self._refused = refused
                    return

        self.end()
        threading.Thread(target=watch, name="silence", daemon=True).start()
        try:
            yield
        finally:
            over.set()

    def check(self) -> None:
        """Raise the warning where warnings are errors, which a thread of its own cannot."""
        if self._refused is not None:
            raise self._refused


def tiles_that_run(tiles: Sequence[int]) -> str:
    """Return the first of some tiles as text."""
    more = f" and {len(tiles) - _SHOWN} more" if len(tiles) > _SHOWN else ""
    return f"tiles that run: {', '.join(map(str, tiles[:_SHOWN]))}{more}"
