"""Ctrl-C and SIGTERM: finish the running tiles and keep them; a second time, stop now.

Once all tiles are done the first signal changes nothing: labelling takes a moment, and then the
result is whole, which is what the exit code says.
"""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """While entered, the first signal sets `stop`; the second raises KeyboardInterrupt at once.

    Only the main thread can handle signals; elsewhere this does nothing.
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._asked = False
        self._labels = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            if handler is not None:  # None: it was not set from Python
                signal.signal(number, handler)
        self._previous = {}

    def begin_labelling(self) -> bool:
        """Return whether the tiles ended unasked; from now on the first signal sets no `stop`."""
        self._labels = True
        return not self.stop.is_set()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt(
                "stopped at once, before the result was labelled; a store keeps all tiles"
                if self._labels
                else "stopped at once; the tiles that were running are lost"
            )
        self._asked = True
        # not print: the signal may have come while a line was being printed
        if self._labels:
            os.write(2, b"\nthe tiles are done: the result is labelled first (again to stop now)\n")
            return
        self.stop.set()
        os.write(2, b"\nstopping: the running tiles finish first (again to stop now)\n")
