"""Reading a configuration file: size, encoding, and the reader of its format."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any

from fastalliance.configuration.messages import (
    EmptyFieldError,
    Origin,
    Part,
    UnreadableError,
    check_characters,
    printable,
    show,
)
from fastalliance.configuration.yaml_loader import Document, load_yaml
from fastalliance.errors import ConfigError

MAX_BYTES = 2**20

_OTHER_ENCODINGS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)


def read_file(path: str | Path) -> tuple[dict[str, Any], Origin]:
    """Return the data of a configuration file and the places of its fields.

    Raises
    ------
    ConfigError
        The file cannot be read, or is not a mapping in its format.
    """
    name = printable(str(path))
    try:
        document = _parse(_decode(_bytes(path)), Path(path).suffix.lower())
    except UnreadableError as fault:
        where = f"{name}, line {fault.line}" if fault.line else name
        raise ConfigError(f"{where}: {printable(full_text(fault))}") from None
    if not isinstance(document.data, dict):
        raise ConfigError(f"{name}: must be a mapping of fields, got {show(document.data)}")
    directory = Path(path).absolute().parent
    return document.data, Origin(str(path), document.lines, directory=directory)


def full_text(fault: UnreadableError, place: tuple[Part, ...] = ()) -> str:
    """Return what is wrong with a text that stands at `place`, and what could be done about it."""
    if not isinstance(fault, EmptyFieldError):
        return fault.text
    from fastalliance.configuration.faults import empty_advice

    return fault.text + empty_advice((*place, *fault.path))


def _bytes(path: str | Path) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableError(None, f"cannot be read: {reason}") from None
    if len(content) > MAX_BYTES:
        raise UnreadableError(
            None, "larger than 1 MiB; write long tables to a CSV file and name it in design.table"
        )
    return content


def _decode(content: bytes) -> str:
    if content.startswith(_OTHER_ENCODINGS):
        raise UnreadableError(1, "the file is not UTF-8 but UTF-16 or UTF-32; save it as UTF-8")
    try:
        text = content.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        raise UnreadableError(
            line, f"byte 0x{byte:02x} is not UTF-8; save the file as UTF-8"
        ) from None
    check_characters(text)
    return text


def _parse(text: str, suffix: str) -> Document:
    if suffix in (".yaml", ".yml", ""):
        return load_yaml(text)
    if suffix not in (".toml", ".json"):
        raise UnreadableError(
            None, f"the name must end in .yaml, .yml, .toml or .json, got {show(suffix)}"
        )
    from fastalliance.configuration.toml_json import load_json, load_toml

    return load_toml(text) if suffix == ".toml" else load_json(text)
