"""Checks of time, step size and sizes before anything is computed or written."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fastalliance.engine.limits import MAX_STEPS
from fastalliance.errors import ConfigError
from fastalliance.library.model import Model

Floats = npt.NDArray[np.float64]
_MAX_CHECKED = 20_000  # distinct parameter combinations looked at in Python


class ResultWarning(UserWarning):
    """A result deserves a second look: a coarse step, invalid replicates, an unfinished store."""


def count_steps(horizon: float, dt: float) -> int:
    """Return horizon / dt as a whole number.

    Raises
    ------
    ConfigError
        A value is not positive and finite, dt exceeds the horizon, the horizon is no multiple of
        dt within 1e-9, or there are 2**31 steps or more.
    """
    for name, value in (("horizon", horizon), ("dt", dt)):
        if not (math.isfinite(value) and value > 0):
            raise ConfigError(f"{name} must be positive and finite, got {value:g}")
    if dt > horizon:
        raise ConfigError(f"dt must not exceed the horizon {horizon:g}, got {dt:g}")
    ratio = horizon / dt
    if ratio > MAX_STEPS:
        raise ConfigError(
            f"horizon {horizon:g} / dt {dt:g} gives {ratio:.3g} steps; at most {MAX_STEPS:,}"
        )
    steps = round(ratio)
    if abs(ratio - steps) > 1e-9 * ratio:
        raise ConfigError(
            f"horizon must be a multiple of dt: {horizon:g} / {dt:g} = {ratio:.12g} steps; "
            f"horizon {steps * dt:g} would be"
        )
    return steps


def record_interval(every: float, horizon: float, dt: float, where: str) -> int:
    """Return how many steps lie between two records.

    Raises
    ------
    ConfigError
        `every` is no multiple of dt, or the horizon is no multiple of `every`.
    """
    if not (math.isfinite(every) and every > 0):
        raise ConfigError(f"{where} must be positive and finite, got {every!r}")
    steps = round(every / dt)
    if steps < 1 or abs(every / dt - steps) > 1e-9 * steps:
        raise ConfigError(f"{where} must be a multiple of dt {dt:g}, got {every:g}")
    if count_steps(horizon, dt) % steps:
        raise ConfigError(f"{where} must divide the horizon {horizon:g}, got {every:g}")
    return steps


@dataclass(frozen=True)
class Varied:
    """The varied parameters: a grid's axes, or columns over points."""

    columns: Mapping[str, Floats]
    is_grid: bool

    def combinations(self, names: Sequence[str]) -> list[tuple[float, ...]]:
        """Return distinct values of `names` that occur together, thinned where there are many.

        The smallest and the largest of each parameter always stay.
        """
        columns = [self.columns[name].tolist() for name in names]
        if not self.is_grid:
            return _thinned(sorted(set(zip(*columns, strict=True))))
        room = max(int(_MAX_CHECKED ** (1 / len(names))), 2)
        return list(itertools.product(*(_thinned(sorted(column), room) for column in columns)))


def _thinned(items: list[Any], room: int = _MAX_CHECKED) -> list[Any]:
    if len(items) <= room:
        return items
    last = len(items) - 1
    return [items[round(i * last / (room - 1))] for i in range(room)]


class _Reader:
    """Stands in for ``p`` and notes which parameters a formula reads."""

    def __init__(self, values: Mapping[str, float]) -> None:
        self._values = values
        self._names: set[str] = set()

    def __getattr__(self, name: str) -> float:
        self._names.add(name)
        return self._values[name]


def _evaluate(
    function: Callable[..., Any], fixed: Mapping[str, float], varied: Varied, *rest: float
) -> Iterator[tuple[dict[str, float], Any]]:
    """Yield `function` at the distinct combinations of the varied parameters that it reads."""
    first = {**fixed, **{name: float(values[0]) for name, values in varied.columns.items()}}
    reader = _Reader(first)
    value = function(reader, *rest)
    read = sorted(reader._names & set(varied.columns))
    if not read:
        yield {}, value
        return
    for row in varied.combinations(read):
        point = dict(zip(read, row, strict=True))
        yield point, function(_Reader({**first, **point}), *rest)


def check_step(model: Model, dt: float, fixed: Mapping[str, float], varied: Varied) -> None:
    """Refuse a dt beyond the model's fastest rate, and warn where a caution holds.

    Parameters
    ----------
    fixed : mapping of str to float
        Parameters that do not vary.
    varied : Varied
        Those that do.

    Raises
    ------
    ConfigError
        dt * fastest_rate(p) > 1 at some design point.
    """
    if model.fastest_rate is not None:
        for point, rate in _evaluate(model.fastest_rate, fixed, varied):
            if not dt * rate <= 1.0 + 1e-12:
                raise ConfigError(
                    f"dt must be <= {1.0 / rate:g} {model.time_unit} for {model.name}{_at(point)} "
                    f"(its fastest rate is {rate:g} per {model.time_unit}), got {dt:g}"
                )
    for caution in model.cautions:
        for point, holds in _evaluate(caution.holds, fixed, varied, dt):
            if holds:
                warnings.warn(
                    f"{model.name}{_at(point)}: {caution.text}", ResultWarning, stacklevel=4
                )
                break


def _at(point: Mapping[str, float]) -> str:
    return " at " + ", ".join(f"{k} {v:g}" for k, v in point.items()) if point else ""


def invalid_attrs() -> dict[str, str]:
    """Return the attributes of `n_invalid`."""
    return {
        "units": "1",
        "long_name": "invalid replicates",
        "description": "replicates that left the finite numbers",
    }


def warn_invalid(n_invalid: float, n_points: int) -> None:
    """Warn where replicates left the finite numbers."""
    if n_invalid:
        warnings.warn(
            f"{n_invalid:,.0f} replicates at {n_points:,} design points left the finite numbers "
            "and are excluded from the statistics (n_invalid counts them); a smaller dt may help",
            ResultWarning,
            stacklevel=5,
        )
