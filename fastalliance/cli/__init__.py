"""The command line: `fastalliance COMMAND ...`.

Nothing heavy is imported before a command needs it, so that ``--help`` answers at once. Each
command is a function of its name in one of the modules of this package; it takes the parsed
arguments and returns the exit code.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from fastalliance.cli import exits, signals
from fastalliance.cli.parser import parse

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; by default, those of this process.

    Returns
    -------
    int
        0 done, 1 failed while running, 2 wrong usage or configuration, 3 store refused, 4 some
        tiles failed, 130 interrupted.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    with exits.warnings_as_lines(), signals.terminate_as_interrupt():
        code = exits.guard(lambda: _execute(arguments), debug="--debug" in arguments)
    if argv is None:
        exits.forget_full_streams()
        if code == exits.INTERRUPTED:
            signals.leave_running_threads(code)
    return code


def _execute(arguments: list[str]) -> int:
    exits.make_streams_tolerant()
    command, options = parse(arguments)
    return command(options)
