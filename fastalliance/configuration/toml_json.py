"""Strict readers of TOML and JSON, with the same result as that of YAML."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from typing import Any, NoReturn

from fastalliance.configuration.messages import DEEP, MAX_DEPTH, UnreadableError, printable
from fastalliance.configuration.scalars import real_number, whole_number
from fastalliance.configuration.yaml_loader import NOT_YAML, Document, load_yaml

# tomllib's time grows with the square of a dotted key's parts: 28 s for 80 kB.
_DEEP_TOML_KEY = re.compile(
    r"(?<![\w-])(?:(?:\"[^\"\n]*+\"|'[^'\n]*+'|[\w-]++)[ \t]*+\.[ \t]*+)"
    rf"{{{MAX_DEPTH}}}"
)
_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


def load_toml(text: str) -> Document:
    """Return the data of a TOML text; lines are known only of what cannot be read.

    Raises
    ------
    UnreadableError
        The text is not TOML, or holds a number that is no double.
    """
    deep = _DEEP_TOML_KEY.search(text)
    if deep:
        raise UnreadableError(text.count("\n", 0, deep.start()) + 1, DEEP)
    try:
        return Document(tomllib.loads(text, parse_float=_checked(real_number)), {})
    except RecursionError:
        raise UnreadableError(None, DEEP) from None
    except ValueError as error:
        raise _not_toml(text, str(error)) from None


def _not_toml(text: str, problem: str) -> UnreadableError:
    place = _TOML_PLACE.search(problem)
    at_line = place[1] if place else None
    line = int(at_line) if at_line else text.rstrip().count("\n") + 1
    problem = _TOML_PLACE.sub("", problem)
    if problem == "Cannot overwrite a value":
        problem = "duplicate key"
    return UnreadableError(line, f"not valid TOML: {problem}")


def load_json(text: str) -> Document:
    """Return the data of a JSON text, with the lines where they are known.

    Raises
    ------
    UnreadableError
        The text is not JSON, repeats a key, or holds NaN, Infinity or a number that is no double.
    """
    try:
        data = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_float=_checked(real_number),
            parse_int=_checked(whole_number),
            parse_constant=_no_constant,
        )
    except RecursionError:
        raise UnreadableError(None, DEEP) from None
    except json.JSONDecodeError as error:
        raise UnreadableError(error.lineno, f"not valid JSON: {error.msg}") from None
    except UnreadableError as fault:
        raise _located(text, fault) from None
    return Document(data, _lines_of_json(text))


def _located(text: str, fault: UnreadableError) -> UnreadableError:
    # The reader of YAML finds the same repeated keys and impossible numbers, and knows their lines.
    try:
        load_yaml(text)
    except UnreadableError as same:
        return fault if same.text.startswith(NOT_YAML) else same
    return fault


def _lines_of_json(text: str) -> dict[str, int]:
    # JSON is YAML but for a few escapes; where it is not, errors name the field alone.
    try:
        return load_yaml(text).lines
    except UnreadableError:
        return {}


def _checked(read: Callable[[str], Any]) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            return read(text)
        except ValueError as error:
            raise UnreadableError(None, f"a number {error}") from None

    return parse


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    for key, value in pairs:
        if key in entries:
            raise UnreadableError(None, f"duplicate key {printable(repr(key))}")
        entries[key] = value
    return entries


def _no_constant(name: str) -> NoReturn:
    raise UnreadableError(None, f"{name} is not a number that JSON has")
