"""Arrays of one number a member: given as one number, a list, an array or a text file."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fastalliance.configuration.messages import printable, show
from fastalliance.errors import ConfigError, ParameterError, exact
from fastalliance.library.population import MemberInput
from fastalliance.parameters import Parameter

Floats = npt.NDArray[np.float64]
SUFFIXES = (".csv", ".txt")
_LISTED = 100  # values that a configuration's description lists; else their digest
_HEADER = re.compile(r'"?[^\W\d][\w .-]*"?')


def read_array(entry: MemberInput, given: Any, folder: Path) -> Floats:
    """Return given values as (graph, member), checked against the bounds of one value.

    One number stands for all members, of any number of them: (1, 1).

    Raises
    ------
    ConfigError, ParameterError
        They are no numbers, out of bounds, or too few; or the file cannot be read.
    """
    where = f"structure.{entry.name}"
    if isinstance(given, str | os.PathLike):
        path = folder / os.fspath(given)
        if path.suffix not in SUFFIXES:
            raise ConfigError(
                f"{where} must be a number, a list, or the path of a file that ends in "
                f"{' or '.join(SUFFIXES)}, got {show(str(given))}"
            )
        given, where = _read_column(path, where), f"{where}: {_name(path)}"
    if np.ma.is_masked(given):
        raise ConfigError(f"{where} holds masked values")
    if isinstance(given, Mapping | set | frozenset):
        raise ConfigError(f"{where} must be a number, a list or a path, got {show(given)}")
    array = _numbers(given, where)
    if array.ndim == 0:
        return np.array([[entry.value.check(array.item(), where)]])
    array = array[np.newaxis] if array.ndim == 1 else array
    if array.ndim != 2 or array.shape[1] < 2 or not len(array):
        raise ConfigError(
            f"{where} must hold one number a member, at least two, got {_shape(array)}"
        )
    _check_values(array, entry.value, where)
    return np.ascontiguousarray(array)


def _numbers(given: Any, where: str) -> Floats:
    """Return what is given as an array of floats; NumPy would take truth values and texts too."""
    if isinstance(given, list | tuple):
        _refuse_others(given, where)
    try:
        array = np.asarray(given)
    except ValueError:  # lists of different lengths
        raise ConfigError(
            f"{where} must hold lists of one length, one number a member in each"
        ) from None
    if array.size and array.dtype.kind not in "iuf":
        what = "a number, a list or a path" if array.ndim == 0 else "numbers"
        got = given if array.ndim == 0 else array.flat[0]
        raise ConfigError(f"{where} must be {what}, got {show(got)}")
    return array.astype(np.float64)


def _refuse_others(values: Any, where: str) -> None:
    """Refuse truth values among numbers, and what is no number."""
    for value in values:
        if isinstance(value, list | tuple):
            _refuse_others(value, where)
        elif isinstance(value, bool | np.bool_ | str) or value is None:
            raise ConfigError(f"{where} must be numbers, got {show(value)}")


def _check_values(array: Floats, value: Parameter, where: str) -> None:
    inside = (array >= value.lower) & (array <= value.upper)
    inside &= np.isfinite(array) | (value.allow_infinite & ~np.isnan(array))
    if not inside.all():
        graph, member = np.argwhere(~inside)[0]
        refused = float(array[graph, member])
        rule = value.requirement(refused)
        of_graph = f" in graph {graph}" if len(array) > 1 else ""
        raise ParameterError(
            f"{where} must be {rule}, got {exact(refused)} for member {member}{of_graph}"
        )


def _shape(array: Floats) -> str:
    if array.size == 0:
        return "none"
    return "one" if array.size == 1 else f"an array of shape {array.shape}"


def _name(path: Path) -> str:
    return printable(repr(str(path)))


def _read_column(path: Path, where: str) -> list[float]:
    """Return the numbers of a text file with one a line, blank lines and # skipped.

    A first line that is a word or more is a header.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{where}: cannot read {_name(path)}: {reason}") from None
    lines = [(i, line.strip()) for i, line in enumerate(text.split("\n"), 1)]
    lines = [(i, line) for i, line in lines if line and not line.startswith("#")]
    values: list[float] = []
    for i, line in lines:
        value = _number(line)
        if value is not None:
            values.append(value)
        elif i != lines[0][0] or not _HEADER.fullmatch(line):
            raise ConfigError(
                f"{where}: {_name(path)}, line {i} must be one number, got {show(line)}"
            )
    if not values:
        raise ConfigError(f"{where}: {_name(path)} holds no numbers; one number a line is wanted")
    return values


def _number(text: str) -> float | None:
    """Return a line as a number: as Python reads it, .inf as YAML does, but not 1_000."""
    text = text.replace(".inf", "inf") if text.lstrip("+-") == ".inf" else text
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def described(array: Floats) -> Any:
    """Return an array as plain data: one number, a short list, or the digest of a longer one."""
    if array.size == 1:
        return array.item()
    if array.size <= _LISTED and len(array) == 1 and np.isfinite(array).all():
        return array[0].tolist()
    return {"n_values": int(array.size), "sha256": _digest(array)}


def _digest(array: Floats) -> str:
    return hashlib.sha256(np.ascontiguousarray(array, dtype="<f8").tobytes()).hexdigest()
