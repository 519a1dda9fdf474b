"""A strict reader of YAML: plain data and the line of every field, from PyYAML's events.

The usual loaders read ``no`` as false, ``012`` as ten, ``12:30`` as 750 and ``1e-3`` as text, let
the last of two equal keys win, and expand aliases without limit. Here scalars follow `scalars`;
keys are text and stand once; anchors, aliases, tags, merge keys, directives and second documents
are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from fastalliance.configuration.messages import (
    DEEP,
    MAX_DEPTH,
    MAX_KEY_LENGTH,
    EmptyFieldError,
    Part,
    UnreadableError,
    check_characters,
    dotted,
    is_text,
    show,
)
from fastalliance.configuration.scalars import resolve

# The parser of libyaml is 20 times faster; both yield the same events.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

NOT_YAML = "not valid YAML"


class Document(NamedTuple):
    """Plain data, and the line (from 1) of every dotted path in it."""

    data: Any
    lines: dict[str, int]


def load_yaml(text: str) -> Document:
    """Return the one document of a YAML text; of an empty text, None.

    Raises
    ------
    UnreadableError
        The text is not YAML, or uses a part of it that is refused here.
    """
    check_characters(text)
    reader = _Reader(text)
    try:
        return Document(reader.document(), reader.lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _not_yaml(text, mark.line if mark else 0, error.problem or "") from None
    except (yaml.YAMLError, ValueError, OverflowError):
        # The pure Python parser passes on what chr() says about an escape that names no character.
        raise UnreadableError(None, f"{NOT_YAML}: an escape that names no character") from None


def _not_yaml(text: str, row: int, problem: str) -> UnreadableError:
    rows = text.splitlines() or [""]
    row = min(row, len(rows) - 1)  # where the text ends too soon, the mark is past its end
    tab = "; the line holds a tab, and YAML indents by spaces" if "\t" in rows[row] else ""
    return UnreadableError(row + 1, f"{NOT_YAML}: {problem}{tab}")


class _Reader:
    """Builds plain data from events, by recursive descent no deeper than MAX_DEPTH."""

    def __init__(self, text: str) -> None:
        self.events: Iterator[yaml.Event] = yaml.parse(text, Loader=_LOADER)
        self.lines: dict[str, int] = {}

    def document(self) -> Any:
        next(self.events)  # start of the stream
        start = next(self.events)
        if isinstance(start, yaml.StreamEndEvent):
            return None
        if isinstance(start, yaml.DocumentStartEvent) and (start.version or start.tags):
            raise _refused(start, "directives (%YAML, %TAG) are not supported")
        data = self.value(next(self.events), ())
        next(self.events)  # end of the document
        after = next(self.events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise _refused(after, "a second document begins; a configuration is only one")
        return data

    def value(self, event: yaml.Event, path: tuple[Part, ...]) -> Any:
        _check_bare(event)
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event, path)
        if len(path) >= MAX_DEPTH:
            raise _refused(event, DEEP)
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(path)
        return self.mapping(path)

    def sequence(self, path: tuple[Part, ...]) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            inner = (*path, len(items))
            self.lines[dotted(inner)] = _line(event)
            items.append(self.value(event, inner))
        return items

    def mapping(self, path: tuple[Part, ...]) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = _key(event)
            inner = (*path, key)
            name = dotted(inner)
            if key in entries:
                raise _refused(event, f"duplicate key {name} (first on line {self.lines[name]})")
            self.lines[name] = _line(event)
            entries[key] = self.value(next(self.events), inner)
        return entries


def _check_bare(event: yaml.Event) -> None:
    if isinstance(event, yaml.AliasEvent):
        raise _refused(event, "aliases (*name) are not supported; write the value out")
    if getattr(event, "anchor", None) is not None:
        raise _refused(event, "anchors (&name) are not supported")
    tag = getattr(event, "tag", None)
    if tag is not None:
        raise _refused(event, f"tags are not supported, got {show(tag)}")


def _key(event: yaml.Event) -> str:
    _check_bare(event)
    if not isinstance(event, yaml.ScalarEvent):
        raise _refused(event, "a key must be text, got a list or a mapping")
    key = event.value
    if event.implicit[0]:  # not quoted
        if key == "<<":
            raise _refused(event, "merge keys (<<) are not supported")
        try:
            text = isinstance(resolve(key), str)
        except ValueError:
            text = False
        if not text:
            raise _refused(event, f"a key must be text, got {key or 'nothing'}; quote it")
    if len(key) > MAX_KEY_LENGTH:
        raise _refused(event, f"a key is longer than {MAX_KEY_LENGTH} characters")
    return _whole_characters(event)


def _scalar(event: yaml.ScalarEvent, path: tuple[Part, ...]) -> Any:
    if not event.implicit[0]:  # quoted, or a block of text
        return _whole_characters(event)
    if not event.value:
        raise EmptyFieldError(_line(event), path)
    try:
        return resolve(event.value)
    except ValueError as error:
        raise _refused(event, f"{dotted(path) or 'the value'} {error}") from None


def _whole_characters(event: yaml.ScalarEvent) -> str:
    # The pure Python parser reads the escape "\ud800", which no file could hold.
    if not is_text(event.value):
        raise _refused(event, "an escape names half of a surrogate pair")
    return event.value


def _refused(event: yaml.Event, text: str) -> UnreadableError:
    return UnreadableError(_line(event), text)


def _line(event: yaml.Event) -> int:
    assert event.start_mark is not None
    return event.start_mark.line + 1
