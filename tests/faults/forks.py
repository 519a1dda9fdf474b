"""Runs the toy run in children of a process that has everything loaded, many at one moment.

Reads a line ``start`` with a fault and commands as JSON, forks a child for each, lets all go at
once, and prints their process numbers; reads ``end`` with a process number, and prints its exit
code. Children write their errors to ``<number>.err`` in the directory given.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

REPOSITORY = Path(__file__).parents[2]


class Forks:
    """The process that forks, as the tests see it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.forks", str(directory)],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, *commands: list[str], fault: str = "") -> list[int]:
        """Start a child for each list of arguments, all at one moment."""
        numbers: list[int] = json.loads(self._ask("start", [fault, commands]))
        return numbers

    def end(self, number: int) -> tuple[int, str]:
        """Wait for a child's end, and return its exit code and its errors."""
        code = int(self._ask("end", number))
        return code, (self._directory / f"{number}.err").read_text()

    def kill(self, number: int) -> int:
        """Kill a child, and return its exit code: it may have ended before."""
        os.kill(number, signal.SIGKILL)  # it stays a zombie at least until `end`
        return self.end(number)[0]

    def _ask(self, verb: str, what: object) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps([verb, what])}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)
        assert self._process.stdout is not None
        self._process.stdout.close()


def _child(arguments: list[str], fault: str, go: int, directory: Path) -> None:
    from fastalliance import faults
    from tests.faults import toy_run

    sys.stdin.close()
    errors = os.open(directory / f"{os.getpid()}.err", os.O_CREAT | os.O_WRONLY)
    os.dup2(errors, sys.stderr.fileno())
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    faults._name, _, count = fault.partition(":")
    faults._remaining = int(count or 1)
    os.read(go, 1)  # until the parent closes the other end
    code = 1
    try:
        code = toy_run.main(arguments)
    finally:
        sys.stderr.flush()
        os._exit(code)


def _start(fault: str, commands: list[list[str]], directory: Path) -> list[int]:
    go, ready = os.pipe()
    numbers = []
    for arguments in commands:
        number = os.fork()
        if number == 0:
            os.close(ready)
            _child(arguments, fault, go, directory)
        (directory / f"{number}.err").touch()
        numbers.append(number)
    os.close(ready)
    os.close(go)
    return numbers


def _serve(directory: Path) -> None:
    from tests.faults import toy_run  # noqa: F401 -- children find it loaded

    while line := sys.stdin.readline():
        verb, what = json.loads(line)
        if verb == "start":
            print(json.dumps(_start(*what, directory)), flush=True)
        else:
            print(os.waitstatus_to_exitcode(os.waitpid(what, 0)[1]), flush=True)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
