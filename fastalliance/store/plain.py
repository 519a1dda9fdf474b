"""Attributes as plain JSON: NumPy scalars, tuples, and floats that JSON has no word for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from fastalliance.errors import StoreError

# The words that zarr v3 itself uses for such fill values.
_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def to_plain(value: Any, where: str = "attrs") -> Any:
    """Return `value` as what standard JSON can hold; NaN and infinities become words.

    Raises
    ------
    StoreError
        A value is neither a number, a string, a boolean, None, nor a list or mapping of such.
    """
    if isinstance(value, Mapping):
        return {str(key): to_plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return to_plain(value.tolist(), where)
    if isinstance(value, list | tuple):
        return [to_plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return next(word for word, number in _WORDS.items() if str(number) == str(value))
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise StoreError(f"{where} must be plain data, got {type(value).__name__}")


def from_plain(value: Any) -> Any:
    """Return `value` with the words for NaN and infinities as the floats they stand for."""
    if isinstance(value, dict):
        return {key: from_plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [from_plain(item) for item in value]
    if isinstance(value, str) and value in _WORDS:
        return _WORDS[value]
    return value
