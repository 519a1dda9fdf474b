"""Text of error messages: where a field stands, and values that are safe on a terminal."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

MAX_DEPTH = 32
MAX_KEY_LENGTH = 100  # YAML bounds an implicit key to 1024 characters; an escape takes up to 10

DEEP = f"nested deeper than {MAX_DEPTH} levels"

Part = str | int

_REFUSED = re.compile(
    "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ud800-\\udfff\\ufffe\\uffff]"
)
_PLAIN_KEY = re.compile(r"[^\W\d][\w-]*")


class UnreadableError(Exception):
    """A text cannot be read; `line` counts from 1 and is None where it is not known."""

    def __init__(self, line: int | None, text: str) -> None:
        super().__init__(text)
        self.line = line
        self.text = text


class EmptyFieldError(UnreadableError):
    """Nothing stands where the value of the field at `path` should."""

    def __init__(self, line: int, path: tuple[Part, ...]) -> None:
        super().__init__(line, f"{dotted(path) or 'the value'} has no value")
        self.path = path


def check_characters(text: str) -> None:
    """Refuse characters that no configuration needs, at their line.

    Raises
    ------
    UnreadableError
        The text holds a control character, half of a surrogate pair, or a line break that YAML
        counts and editors do not: line numbers must agree with both.
    """
    refused = _REFUSED.search(text)
    if refused:
        line = text.count("\n", 0, refused.start()) + 1
        raise UnreadableError(line, f"the character {show(refused[0])} is not allowed")


def is_text(value: str) -> bool:
    """Return whether UTF-8 can hold a string, which it cannot with half of a surrogate pair."""
    return value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value)


def printable(text: str) -> str:
    """Return `text` with every character that a terminal may act upon written as an escape."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def show(value: object) -> str:
    """Return a short, printable representation of a value that was refused."""
    if value is None:
        return "nothing"
    shortener = reprlib.Repr()
    shortener.maxstring = shortener.maxother = 60
    shortener.maxlist = shortener.maxdict = 4
    shortener.maxlevel = 3
    return printable(shortener.repr(value))


def dotted(path: Sequence[Part]) -> str:
    """Return ``("design", "grid", "x", 2)`` as ``"design.grid.x[2]"``; odd keys are quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            key = part if _PLAIN_KEY.fullmatch(part) else printable(repr(part))
            text += f".{key}" if text else key
    return text


def _ancestors(path: str) -> list[str]:
    """Return a dotted path and what it lies in, innermost first."""
    found = []
    while path:
        found.append(path)
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return found


@dataclass(frozen=True, eq=False)
class Origin:
    """Where the fields of a configuration were written.

    Parameters
    ----------
    source : str
        Name of the file as the user gave it; empty for keywords of Python.
    lines : mapping of str to int
        Dotted paths and the lines, from 1, on which they stand.
    labels : mapping of str to str
        Dotted paths and the overrides that set them, which hide the lines.
    directory : Path, optional
        Directory of the file.
    """

    source: str = ""
    lines: Mapping[str, int] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None

    def __eq__(self, other: object) -> bool:
        # Where a configuration was written is no part of what it says.
        return isinstance(other, Origin)

    __hash__ = None  # type: ignore[assignment]

    def where(self, path: str) -> str:
        """Return ``"tipping.yaml, line 7"`` for a dotted path, or for what it lies in."""
        for place in _ancestors(path):
            if place in self.labels:
                return printable(self.labels[place])
            if place in self.lines:
                line = f"line {self.lines[place]}"
                return f"{printable(self.source)}, {line}" if self.source else line
        return printable(self.source)

    def line(self, path: str) -> int:
        """Return the line of a dotted path, or of what it lies in, or 0."""
        return next((self.lines[place] for place in _ancestors(path) if place in self.lines), 0)

    def relabelled(self, path: str, label: str) -> Origin:
        """Return the origin after an override has set everything at and below a path."""
        inside = (path + ".", path + "[")

        def kept(place: str) -> bool:
            return place != path and not place.startswith(inside)

        lines = {place: line for place, line in self.lines.items() if kept(place)}
        labels = {place: text for place, text in self.labels.items() if kept(place)}
        return replace(self, lines=lines, labels={**labels, path: label})

    def complaint(self, path: str, text: str) -> str:
        """Return one line that says where and what; `path` need not exist."""
        where = self.where(path)
        return f"{where}: {printable(text)}" if where else printable(text)
