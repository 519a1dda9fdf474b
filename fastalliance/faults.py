"""Named points at which a test can make the process kill itself, to prove that a restart recovers.

``FASTALLIANCE_FAULT=after-data:3`` sends SIGKILL to the process when it reaches the point
``after-data`` for the third time; without ``:3``, for the first time. Unset, a point costs one
comparison.
"""

from __future__ import annotations

import os
import signal
import threading

VARIABLE = "FASTALLIANCE_FAULT"

_name, _, _count = os.environ.get(VARIABLE, "").partition(":")
_remaining = int(_count) if _count else 1
_lock = threading.Lock()


def fault_point(name: str) -> None:
    """Kill this process here if the environment variable asks for it; otherwise do nothing."""
    if name == _name:
        _reach()


def _reach() -> None:
    global _remaining
    with _lock:
        _remaining -= 1
        if _remaining == 0:
            # Windows has no SIGKILL; SIGTERM ends a process there at once, without handlers.
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
