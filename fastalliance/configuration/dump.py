"""Configurations as YAML that every reader understands alike."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from fastalliance.configuration.schema import Configuration

_FLOW_WIDTH = 72
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
# Words that YAML 1.1 readers take for something other than text.
_WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}


def to_yaml(configuration: Configuration) -> str:
    """Return the YAML text of a configuration, defaults included.

    Reading it gives an equal configuration, bit by bit: floats are written in the shortest form
    that reads back as they are. (Only a table of more than about 1 MiB is refused on reading.)

    Examples
    --------
    >>> from fastalliance.configuration import validate_fields
    >>> text = to_yaml(validate_fields({"model": "dyad", "parameters": {"trust_noise": 0.2}}))
    >>> print(text.splitlines()[3])
    parameters: {trust_noise: 0.2}
    """
    return dump_yaml(configuration.to_plain())


def dump_yaml(data: Mapping[str, Any]) -> str:
    """Return the YAML text of a mapping of plain data (dict, list, str, numbers, bool, None)."""
    return "".join(f"{line}\n" for line in _block(data, "")) if data else "{}\n"


def _block(data: Mapping[str, Any], indent: str) -> list[str]:
    lines = []
    for key, value in data.items():
        name = f"{indent}{_text(key)}:"
        if isinstance(value, Mapping) and not _fits_on_a_line(value):
            lines.append(name)
            lines.extend(_block(value, indent + "  "))
        else:
            lines.append(f"{name} {_flow(value)}")
    return lines


def _fits_on_a_line(value: Mapping[str, Any]) -> bool:
    if not value:
        return True
    nested = any(isinstance(item, Mapping) for item in value.values())
    return not nested and len(_flow(value)) <= _FLOW_WIDTH


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_text(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)


def _float(value: float) -> str:
    if not math.isfinite(value):
        return ".nan" if math.isnan(value) else (".inf" if value > 0.0 else "-.inf")
    mantissa, e, exponent = repr(value).partition("e")
    # YAML 1.1 readers take 1e-05 for text, and 1.0e-05 for a number.
    return f"{mantissa}.0e{exponent}" if e and "." not in mantissa else repr(value)


def _text(value: str) -> str:
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return '"' + "".join(_escaped(char) for char in value) + '"'


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
