"""Runs `fastalliance` in children of a process that has everything loaded, so that kills hit work.

Reads a line of arguments, prints the child's process number, and at its end its exit code. Tiles
are small and noted at once, so that a run of half a second has many of both.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys

import zarr  # noqa: F401

from fastalliance.cli import main
from fastalliance.study import runner, tiles


def serve(configuration: str) -> None:
    runner._RECORD_SECONDS = 0.02
    tiles._MIN_TILE_STEPS = 100_000
    with contextlib.redirect_stdout(io.StringIO()):
        main(["run", configuration, "--quiet"])  # loads the kernel and all modules, keeps nothing
    nowhere = os.open(os.devnull, os.O_WRONLY)
    while line := sys.stdin.readline():
        child = os.fork()
        if child == 0:
            os.dup2(nowhere, sys.stdout.fileno())  # the pipe is for the two numbers
            os._exit(main(line.split()))
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1])
