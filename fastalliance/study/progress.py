"""Progress of a run: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from types import TracebackType
from typing import Any, Protocol, Self

from fastalliance.errors import ConfigError
from fastalliance.study.plan import time_text

_LINE_SECONDS = 10.0


class ProgressLike(Protocol):
    """What a run tells about its progress, in steps of instances, or of members of populations."""

    def start(self, total: int, done: int) -> None:
        """Begin with `done` of `total` steps done in earlier runs."""

    def begin(self) -> None:
        """The kernel is compiled or loaded; tiles run from now on."""

    def use(self, threads: int) -> None:
        """So many threads run tiles; of a cluster it is told again as workers come and go."""

    def advance(self, steps: int) -> None:
        """Add steps that were just done."""

    def finish(self) -> None:
        """All tiles are done and labelled."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class NoProgress:
    """Says nothing."""

    def start(self, total: int, done: int) -> None:
        """Say nothing."""

    def begin(self) -> None:
        """Say nothing."""

    def use(self, threads: int) -> None:
        """Say nothing."""

    def advance(self, steps: int) -> None:
        """Say nothing."""

    def finish(self) -> None:
        """Say nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class Lines(NoProgress):
    """Plain lines every ten seconds, for logs."""

    def __init__(self, unit: str) -> None:
        self._unit = unit

    def start(self, total: int, done: int) -> None:
        """Say where the run begins."""
        self._total, self._before, self._done = total, done, done
        _print(f"{done / total:4.0%}  compiling or loading the kernel")

    def begin(self) -> None:
        """Begin the clock."""
        self._begin = self._said = time.monotonic()

    def advance(self, steps: int) -> None:
        """Print a line if the last one is some time ago."""
        self._done += steps
        now = time.monotonic()
        if now - self._said >= _LINE_SECONDS:
            self._said = now
            self._say(now)

    def finish(self) -> None:
        """Print the last line."""
        self._say(time.monotonic())

    def _say(self, now: float) -> None:
        rate = (self._done - self._before) / max(now - self._begin, 1e-9)
        left = (self._total - self._done) / rate if rate else 0.0
        text = f"{self._done / self._total:4.0%}  {rate / 1e6:,.0f} M {self._unit}/s"
        if self._done < self._total:
            text += f"  {time_text(left)} left"
        _print(text)


def _print(text: str) -> None:
    with contextlib.suppress(OSError):  # a log on a full disk, or closed, ends no run
        print(text, file=sys.stderr, flush=True)


class Bar(NoProgress):
    """A bar with steps per second and time left."""

    def __init__(self, unit: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        self._unit = unit
        self._bar = Progress(
            BarColumn(bar_width=40),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]}"),
            TextColumn("{task.fields[left]}"),
            console=Console(stderr=True),
        )

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def start(self, total: int, done: int) -> None:
        """Draw the bar."""
        self._new, self._left = 0, total - done
        fields: dict[str, Any] = {"rate": "compiling or loading the kernel", "left": ""}
        self._task = self._bar.add_task("", total=total, completed=done, **fields)

    def begin(self) -> None:
        """Begin the clock."""
        self._begin = time.monotonic()

    def advance(self, steps: int) -> None:
        """Move the bar."""
        self._new += steps
        rate = self._new / max(time.monotonic() - self._begin, 1e-9)
        left = max(self._left - self._new, 0) / rate
        fields: dict[str, Any] = {
            "rate": f"{rate / 1e6:,.0f} M {self._unit}/s",
            "left": f"{time_text(left)} left",
        }
        self._bar.update(self._task, advance=steps, **fields)

    def finish(self) -> None:
        """Say how long it took."""
        took = time.monotonic() - self._begin
        self._bar.update(self._task, left=f"took {took:,.1f} s")


def make_progress(progress: bool | ProgressLike, unit: str = "instance-steps") -> ProgressLike:
    """Return a reporter: the given one, none, a bar on a terminal, or plain lines."""
    if not isinstance(progress, bool):
        wanted = ("start", "begin", "use", "advance", "finish", "__enter__")
        if lacking := [name for name in wanted if not hasattr(progress, name)]:
            raise ConfigError(
                f"progress must be True, False or a reporter with {', '.join(wanted[:-1])}, which "
                f"is entered; {progress!r} lacks {lacking[0]}"
            )
        return progress
    if not progress or sys.stderr is None:  # closed, as of a daemon
        return NoProgress()
    return Bar(unit) if sys.stderr.isatty() else Lines(unit)
