"""Plain data from what users of Python give: NumPy values, tuples and paths become data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from fastalliance.configuration.messages import (
    DEEP,
    MAX_DEPTH,
    MAX_KEY_LENGTH,
    Origin,
    Part,
    dotted,
    is_text,
    show,
)
from fastalliance.configuration.scalars import in_range
from fastalliance.errors import ConfigError

_WANTED = "must be plain data (numbers, text, true or false, lists, mappings)"


def plain_data(value: object, origin: Origin, path: tuple[Part, ...] = ()) -> Any:
    """Return a deep copy of `value` made of dict, list, str, float, int, bool and None only.

    Raises
    ------
    ConfigError
        A value is something else, nested too deeply, or a whole number beyond the doubles.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return _checked_integer(int(value), origin, path)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return _checked_text(str(value), origin, path)
    if isinstance(value, Mapping | list | tuple | range):
        if len(path) >= MAX_DEPTH:
            raise _fault(origin, path, f"is {DEEP}")
        if isinstance(value, Mapping):
            return _mapping(value, origin, path)
        return [plain_data(item, origin, (*path, i)) for i, item in enumerate(value)]
    if isinstance(value, os.PathLike):
        return plain_data(os.fspath(value), origin, path)
    if hasattr(type(value), "__array__"):
        return _from_array(value, origin, path)
    raise _fault(origin, path, f"{_WANTED}, got {show(value)}")


def _mapping(value: Mapping[Any, object], origin: Origin, path: tuple[Part, ...]) -> dict[str, Any]:
    entries = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise _fault(origin, path, f"has a key that is not text: {show(key)}")
        if len(key) > MAX_KEY_LENGTH:
            raise _fault(origin, path, f"has a key longer than {MAX_KEY_LENGTH} characters")
        name = _checked_text(str(key), origin, path)
        entries[name] = plain_data(item, origin, (*path, name))
    return entries


def _from_array(value: object, origin: Origin, path: tuple[Part, ...]) -> Any:
    import numpy as np

    array = np.asarray(value)
    if array.dtype.kind not in "biufU" and not (array.dtype.kind == "O" and array.ndim):
        raise _fault(origin, path, f"{_WANTED}, got an array of {array.dtype}")
    if array.dtype.kind == "f":
        array = array.astype(np.float64)
    return plain_data(array.tolist(), origin, path)


def _checked_integer(value: int, origin: Origin, path: tuple[Part, ...]) -> int:
    if not in_range(value):
        raise _fault(origin, path, "is a whole number beyond the range of double precision")
    return value


def _checked_text(value: str, origin: Origin, path: tuple[Part, ...]) -> str:
    if not is_text(value):
        raise _fault(origin, path, f"must be text that UTF-8 can hold, got {show(value)}")
    return value


def _fault(origin: Origin, path: tuple[Part, ...], text: str) -> ConfigError:
    name = dotted(path)
    return ConfigError(origin.complaint(name, f"{name or 'a configuration'} {text}"))
