"""Tables and lines on standard output: aligned, wrapped to the terminal, plain in a pipe."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fastalliance.cli.exits import stdout_errors
from fastalliance.configuration.messages import printable


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    title : str
    right : bool
        Align to the right, as numbers are.
    whole : bool
        Never break a cell over lines.
    """

    title: str = ""
    right: bool = False
    whole: bool = False


def show_table(columns: Sequence[Column], rows: Iterable[Sequence[str]], title: str = "") -> None:
    """Print a table; without any column title, one without a head."""
    console = _console()
    if title:
        print_line(title, bold=True)
    table = Table(
        box=None,
        show_header=any(column.title for column in columns),
        pad_edge=False,
        header_style="bold",
        padding=(0, 2, 0, 0),
    )
    for column in columns:
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            no_wrap=column.whole,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    with stdout_errors():
        with console.capture() as captured:
            console.print(table)
        for line in captured.get().splitlines():
            print(line.rstrip())  # tables are padded to the right


def show_pairs(rows: Iterable[tuple[str, str]], title: str = "") -> None:
    """Print labels and values as two columns."""
    show_table((Column(whole=True), Column()), rows, title)


def print_line(text: str = "", *, bold: bool = False, alarm: bool = False) -> None:
    """Print a line as it is; a terminal wraps it itself, so that a path can be copied."""
    console = _console()
    with stdout_errors():
        if console.is_terminal and (bold or alarm):
            style = "bold red" if alarm else "bold"
            console.print(Text(printable(text), style=style), soft_wrap=True)
        else:
            print(printable(text))


def print_text(text: str) -> None:
    """Print prose, wrapped at words."""
    with stdout_errors():
        print(textwrap.fill(printable(text), _console().width))


def number(value: float) -> str:
    """Return a number in four significant digits, whole above 10,000, NaN as a dash."""
    if math.isnan(value):
        return "-"
    if abs(value) >= 10_000 and abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def counted(n: float, noun: str) -> str:
    """Return "1 point", "2,000 points"."""
    return f"{n:,.0f} {noun}" if n == 1 else f"{n:,.0f} {noun}s"


def _console() -> Console:
    return Console(highlight=False, markup=False, emoji=False)
