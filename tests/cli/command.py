"""Runs the command line as a user does, in this process or in one of its own."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fastalliance.cli import main

ROOT = Path(__file__).parents[2]
OWN_MODEL = ROOT / "docs" / "examples" / "ornstein_uhlenbeck.py"


@dataclass(frozen=True)
class Outcome:
    """Exit code and what was printed."""

    code: int
    out: str
    err: str


def command(*arguments: str | Path) -> Outcome:
    """Run `fastalliance` in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return Outcome(code, out.getvalue(), err.getvalue())


def done(*arguments: str | Path) -> str:
    """Run `fastalliance`, which must succeed without a message, and return what it printed."""
    outcome = command(*arguments)
    assert (outcome.code, outcome.err) == (0, ""), outcome
    return outcome.out


def refused(*arguments: str | Path, code: int = 2) -> str:
    """Run `fastalliance`, which must end with `code`, write nothing, and say why in one line."""
    before = listing()
    outcome = command(*arguments)
    assert outcome.code == code, outcome
    assert outcome.out == ""
    lines = outcome.err.splitlines()
    assert len(lines) == 1, outcome.err
    assert lines[0].startswith("fastalliance: error: "), outcome.err
    assert listing() == before
    return lines[0].removeprefix("fastalliance: error: ")


def listing() -> dict[str, tuple[int, int]]:
    """Return the files below the working directory with their sizes and times."""
    return {
        str(path): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(Path().rglob("*"))
        if path.is_file()
    }


def start(*arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    """Start `fastalliance` in a process of its own, with pipes for what it prints."""
    return subprocess.Popen(
        [sys.executable, "-m", "fastalliance", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


@contextlib.contextmanager
def started(*arguments: str | Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Start `fastalliance` in a process of its own, which is gone in the end."""
    process = start(*arguments, **environment)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
