"""How a command ends: exit codes, errors and warnings as single lines, pipes that close early."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import TextIO

from fastalliance.configuration.messages import printable
from fastalliance.errors import (
    ConfigError,
    DesignError,
    FastAllianceError,
    ModelError,
    ParameterError,
    StoreError,
    TileError,
)

DONE = 0
FAILED = 1
WRONG_INPUT = 2
STORE_REFUSED = 3
TILES_FAILED = 4
INTERRUPTED = 130

PROGRAM = "fastalliance"
_INPUT_ERRORS = (ConfigError, DesignError, ModelError, ParameterError)


class UsageError(ConfigError):
    """The command line itself is wrong."""


def guard(command: Callable[[], int], *, debug: bool) -> int:
    """Run a command and return its exit code, whatever happens.

    Parameters
    ----------
    command : callable
        Returns an exit code.
    debug : bool
        Show the traceback of an error below its line.
    """
    try:
        code = command()
        with stdout_errors():
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        _forget(sys.stdout)
        return DONE  # the reader of our output has seen enough
    except KeyboardInterrupt as interrupt:
        say(str(interrupt) or "interrupted")
        return INTERRUPTED
    except SystemExit as end:  # argparse, after --help and --version
        return end.code if isinstance(end.code, int) else DONE
    except Exception as error:
        say(f"error: {_message(error)}")
        if debug:
            traceback.print_exc()
        return exit_code(error)


def exit_code(error: Exception) -> int:
    """Return the exit code that an error stands for."""
    if isinstance(error, StoreError):
        return STORE_REFUSED
    if isinstance(error, TileError):
        return TILES_FAILED
    return WRONG_INPUT if isinstance(error, _INPUT_ERRORS) else FAILED


def say(text: str) -> None:
    """Print a message of one or more lines to standard error, safe for a terminal."""
    first, *more = [printable(line) for line in text.splitlines()] or [""]
    lines = [f"{PROGRAM}: {first}", *more]
    with contextlib.suppress(OSError):  # nobody is left to be told
        print("\n".join(lines), file=sys.stderr, flush=True)


def _message(error: Exception) -> str:
    if isinstance(error, FastAllianceError):
        return str(error)
    if isinstance(error, MemoryError):
        return "not enough memory; make the study or its tiles smaller (fastalliance plan)"
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return f"unexpected {text}; run again with --debug for the traceback"


@contextlib.contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Show warnings as one line each, without the source line that raised them."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        say(f"warning: {' '.join(str(message).split())}")

    with warnings.catch_warnings():
        if not sys.warnoptions:  # what was asked for by python -W stands
            warnings.simplefilter("default", UserWarning)
            warnings.filterwarnings("always", "no tile has finished")  # whenever it is so
        warnings.showwarning = show
        yield


def make_streams_tolerant() -> None:
    """Let characters that the streams' encoding lacks appear as escapes instead of raising."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def stdout_errors() -> Iterator[None]:
    """Say that it is standard output which cannot be written, on a full disk say."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        _forget(sys.stdout)
        raise FastAllianceError(
            f"standard output cannot be written: {error.strerror or error}; what is in a store is "
            "kept"
        ) from error


def forget_full_streams() -> None:
    """Give up what a full disk does not take, or the interpreter's last flush would fail."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            _forget(stream)


def _forget(stream: TextIO) -> None:
    """Point a stream at nothing, so that the interpreter's last flush finds no pipe."""
    with contextlib.suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)
