"""Plain scalars of YAML by the core rules of version 1.2, with ambiguous numbers refused.

====================================  ==========================================================
``1e-3 1.5E+4 .5 5. +7 -2``           numbers
``0x1F 0o17``                         whole numbers
``.inf -.inf .nan``                   infinities, not a number
``true false null ~``                 truth values, nothing; also ``True TRUE``, ...
``012 -007 01.5``                     refused: octal to some readers, decimal to others
no text at all                        refused: a value was forgotten
``1e400 1e-400``                      refused: a double would read infinity or zero
``yes no on off 12:30 1_000 0b11``    text, as everything else
====================================  ==========================================================
"""

from __future__ import annotations

import math
import re
import sys

_INTEGER = re.compile(r"[-+]?[0-9]+")
_RADIX = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_LEADING_ZERO = re.compile(r"([-+]?)0+([0-9].*)")
_LARGEST = int(sys.float_info.max)
_MAX_DIGITS = 309  # of the largest double

NULLS = ("~", "null", "Null", "NULL")

_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(NULLS),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}


def resolve(text: str) -> bool | int | float | str | None:
    """Return what a plain scalar means.

    Raises
    ------
    ValueError
        The text is a number to some readers and another one to others, or outside the doubles, or
        empty. The message goes after the name of the field.
    """
    if text in _WORDS:
        return _WORDS[text]
    if not text:
        raise ValueError("has no value")
    if not _FLOAT.fullmatch(text):
        return whole_number(text) if _RADIX.fullmatch(text) else text
    zeros = _LEADING_ZERO.fullmatch(text)
    if zeros:
        number = zeros[1] + zeros[2]
        raise ValueError(
            f"begins with a zero, which some readers take for octal, got {_short(text)}: "
            f"write {_short(number)} or '{_short(text)}'"
        )
    return whole_number(text) if _INTEGER.fullmatch(text) else real_number(text)


def whole_number(text: str) -> int:
    """Return a whole number, decimal or with a prefix of 0x or 0o.

    Raises
    ------
    ValueError
        It is larger than the largest double.
    """
    radix = _RADIX.fullmatch(text)
    # Python refuses to read decimal integers of more than 4300 digits, so the length comes first.
    if radix or len(text) <= _MAX_DIGITS + 1:
        number = int(text, 0 if radix else 10)
        if in_range(number):
            return number
    raise ValueError(f"is beyond the range of double precision, got {_short(text)}")


def in_range(number: int) -> bool:
    """Return whether a whole number lies in the range of a double."""
    return abs(number) <= _LARGEST


def real_number(text: str) -> float:
    """Return a decimal number as a float.

    Raises
    ------
    ValueError
        A double would hold infinity or zero instead.
    """
    number = float(text)
    if math.isinf(number) and "inf" not in text.lower():
        raise ValueError(f"is beyond the range of double precision, got {_short(text)}")
    if number == 0.0 and re.search("[1-9]", re.split("[eE]", text)[0]):
        raise ValueError(f"is too small for double precision, which reads 0, got {_short(text)}")
    return number


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:30]}...{text[-5:]}"
