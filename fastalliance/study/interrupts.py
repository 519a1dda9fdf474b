"""Ctrl-C and SIGTERM: finish the running tiles and keep them; a second time, stop now."""

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

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.stop.is_set():
            raise KeyboardInterrupt("stopped at once; the tiles that were running are lost")
        self.stop.set()
        # not print: the signal may have come while a line was being printed
        os.write(2, b"\nstopping: the running tiles finish first (again to stop now)\n")
