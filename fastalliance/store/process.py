"""Which process is this, and does that one still live?

A host name and a process number alone are not enough: numbers are used again, containers share
host names, and a requeued job may get the same number. So a token holds a tag of the host name,
of the boot and of the process namespace, the process number, and when the process started.
"""

from __future__ import annotations

import contextlib
import enum
import functools
import hashlib
import os
import re
import socket
import subprocess
from pathlib import Path

_TOKEN = re.compile(r"([0-9a-f]{12})-(\d{1,10})-([0-9a-f]{1,16})(?:-|$)")


class State(enum.Enum):
    """What is known of a process."""

    ALIVE = "alive"
    DEAD = "dead"
    UNKNOWN = "unknown"


def token() -> str:
    """Return the token of this process, ``tag-pid-start``; safe as a part of a file name."""
    return _own_token(os.getpid())


def state_of(text: str) -> State:
    """Say whether the process whose token `text` starts with lives; unknown on another host."""
    match = _TOKEN.match(text)
    if match is None or match[1] != host_tag():
        return State.UNKNOWN
    pid = int(match[2])
    if not _exists(pid):
        return State.DEAD
    start = _start_of(pid)
    if start is None:
        return State.UNKNOWN
    return State.ALIVE if start == match[3] else State.DEAD


@functools.cache
def host_tag() -> str:
    """Return a tag of this host, its boot, and the namespace in which its processes count."""
    parts = [socket.gethostname()]
    # Elsewhere than on Linux the host name alone: process namespaces are Linux's.
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(str(os.stat("/proc/self/ns/pid").st_ino))
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:12]


@functools.cache
def _own_token(pid: int) -> str:
    return f"{host_tag()}-{pid}-{_start_of(pid) or '0'}"


def _exists(pid: int) -> bool:
    """Say whether some process has this number; on Windows, where asking can kill, say yes."""
    if os.name == "nt":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _start_of(pid: int) -> str | None:
    """Return when a process started, as hexadecimal digits; None where the system does not tell.

    A zombie is as good as dead: it gets "0", when no process started.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return _start_by_ps(pid)
    # The second field is the program's name in parentheses, which may contain anything.
    fields = stat.rpartition(")")[2].split()
    if fields[0] in "ZX":
        return "0"
    return f"{int(fields[19]):x}"


def _start_by_ps(pid: int) -> str | None:
    """Ask ``ps``, on systems without /proc (macOS, BSD)."""
    try:
        answer = subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(pid)],
            capture_output=True,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    text = answer.stdout.strip()
    return hashlib.sha256(text).hexdigest()[:16] if text else None
