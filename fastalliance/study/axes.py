"""Values of one varied parameter: given as a list, or by a rule, within what memory can hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastalliance.errors import DesignError, exact
from fastalliance.limits import MAX_POINTS
from fastalliance.study.plan import size_text

_VALUE_BYTES = 64  # of a value while it is checked: a Python float in lists, and its array
_MEMORY_SHARE = 0.8  # of the free memory that may be taken


def free_memory() -> int | None:
    """Return the free bytes of memory, of the machine or its container, where the system tells."""
    lines = _lines("/proc/meminfo")
    free = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    limit = _lines("/sys/fs/cgroup/memory.max")
    used = _lines("/sys/fs/cgroup/memory.current")
    if limit and used and limit[0].isdigit():
        free.append(max(int(limit[0]) - int(used[0]), 0))
    return min(free, default=None)


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def require_memory(n_bytes: float, what: str, advice: str) -> None:
    """Raise DesignError where `n_bytes` do not fit into the free memory."""
    free = free_memory()
    if free is not None and n_bytes > _MEMORY_SHARE * free:
        raise DesignError(
            f"{what} takes about {size_text(n_bytes)} of memory, {size_text(free)} are free; "
            f"{advice}"
        )


def require_points(n_points: int, where: str) -> None:
    """Raise DesignError where a design has more points than random numbers have addresses."""
    if n_points > MAX_POINTS:
        raise DesignError(
            f"{where} has {n_points:,} points, at most {MAX_POINTS:,} are possible (one statistic "
            f"of each would take {size_text(8 * n_points)})"
        )


def require_values(n_values: int, where: str) -> None:
    """Raise DesignError where a list of so many values would not fit into memory."""
    require_points(n_values, where)
    require_memory(n_values * _VALUE_BYTES, f"{where} with {n_values:,} values", "give fewer")


def values_list(values: Any, where: str) -> list[Any]:
    """Return given values as a list of plain numbers or names.

    Raises
    ------
    DesignError
        They are no list (a text, a set, a generator, a single number), have more than one
        dimension, or are too many.
    """
    no_list = isinstance(values, str | bytes | Mapping | set | frozenset)
    if no_list or not hasattr(values, "__len__") or not hasattr(values, "__getitem__"):
        raise DesignError(f"{where} must be a list of values, got {values!r}")
    if getattr(values, "ndim", 1) == 0:
        raise DesignError(f"{where} must be a list of values, got {values!r}")
    require_values(len(values), where)
    if not hasattr(values, "dtype"):  # NumPy would make a 1 of a true among numbers
        return [value.item() if isinstance(value, np.generic) else value for value in values]
    if np.ma.is_masked(values):
        raise DesignError(f"{where} holds masked values")
    array = np.asarray(values)
    if array.ndim != 1:
        raise DesignError(f"{where} must be one-dimensional, got shape {array.shape}")
    return list(array.tolist())


def axis_length(axis: Any) -> int:
    """Return the number of values of an axis of a configuration, before there are any."""
    if not isinstance(axis, Mapping):
        return len(axis)
    (kind, (start, stop, third)), *_ = axis.items()
    if kind != "arange":
        return int(third)
    return max(math.ceil((stop - start) / third - 1e-9), 0) if third else 0


def expand_axis(axis: Any, where: str) -> list[Any]:
    """Return the values of an axis: a list, or {linspace|arange|geomspace: [...]}.

    Scalar arithmetic on purpose: NumPy's transcendentals change bits with the machine's SIMD.

    Raises
    ------
    DesignError
        There is no value, there are too many, or geomspace has ends of two signs.
    """
    if not isinstance(axis, Mapping):
        return values_list(axis, where)
    n = axis_length(axis)
    (kind, (start, stop, third)), *_ = axis.items()
    if kind == "arange":
        if n < 1:
            steps = ", ".join(map(exact, (start, stop, third)))
            raise DesignError(f"{where}: arange [{steps}] is empty")
        require_values(n, where)
        return [start + i * third for i in range(n)]
    if n < 1 or n != third:
        raise DesignError(f"{where}: {kind} needs a whole number of points >= 1, got {third!r}")
    require_values(n, where)
    if kind == "geomspace" and not start * stop > 0:
        raise DesignError(
            f"{where}: geomspace needs two ends of one sign, got [{exact(start)}, {exact(stop)}]"
        )
    if n == 1:
        return [float(start)]
    if kind == "linspace":
        step = (stop - start) / (n - 1)  # in this order, the values are those of np.linspace
        inner = [start + i * step for i in range(n - 1)]
    else:
        inner = [start * (stop / start) ** (i / (n - 1)) for i in range(n - 1)]
    return [*map(float, inner), float(stop)]
