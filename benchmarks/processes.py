"""Processes of their own for measurements: what one takes of memory, and what it reports."""

from __future__ import annotations

import resource
import sys
from pathlib import Path


def own_peak() -> int:
    """Return this process' peak memory in bytes, without what its parent had when it forked."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage counts a fork's pages before its exec
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM:"))
        return 1024 * int(line.split()[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
