"""Checks of time, step size and sizes before anything is computed or written."""

from __future__ import annotations

import itertools
import math
import numbers
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from fastalliance.errors import ConfigError, ModelError, ParameterError, exact, suggestion
from fastalliance.library.definition import place
from fastalliance.library.model import Model
from fastalliance.limits import MAX_STEPS

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
            raise ConfigError(f"{name} must be positive and finite, got {exact(value)}")
    if dt > horizon:
        raise ConfigError(f"dt must not exceed the horizon {exact(horizon)}, got {exact(dt)}")
    ratio = horizon / dt
    if ratio > MAX_STEPS:
        raise ConfigError(
            f"horizon {exact(horizon)} / dt {exact(dt)} gives {_steps_text(ratio)} steps; at most "
            f"{MAX_STEPS:,}"
        )
    steps = round(ratio)
    if abs(ratio - steps) > 1e-9 * ratio:
        raise ConfigError(
            f"horizon must be a multiple of dt: {exact(horizon)} / {exact(dt)} = {ratio:.12g} "
            f"steps; horizon {steps * dt:.12g} would be"
        )
    return steps


def _steps_text(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio < 1e15 else f"{ratio:.3g}"


def record_interval(every: Any, horizon: float, dt: float, where: str) -> int:
    """Return how many steps lie between two records.

    Raises
    ------
    ConfigError
        `every` is no multiple of dt, or the horizon is no multiple of `every`.
    """
    number = isinstance(every, numbers.Real) and not isinstance(every, bool)
    if not (number and math.isfinite(every) and every > 0):
        raise ConfigError(f"{where} must be a positive, finite number, got {every!r}")
    if every > horizon:
        rule = f"must not exceed the horizon {exact(horizon)}"
        raise ConfigError(f"{where} {rule}, got {exact(every)}")
    steps = round(float(every) / dt)
    if steps < 1 or abs(every / dt - steps) > 1e-9 * steps:
        raise ConfigError(f"{where} must be a multiple of dt {exact(dt)}, got {exact(every)}")
    if count_steps(horizon, dt) % steps:
        raise ConfigError(f"{where} must divide the horizon {exact(horizon)}, got {exact(every)}")
    return steps


def whole_number(value: Any, where: str, least: int, most: int | None = None) -> int:
    """Return a whole number of Python or NumPy inside bounds, or raise ConfigError."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if whole and least <= int(value) and (most is None or int(value) <= most):
        return int(value)
    bounds = f">= {least}" if most is None else f"from {least} to {most}"
    raise ConfigError(f"{where} must be a whole number {bounds}, got {value!r}")


def path_text(path: Any, where: str) -> str:
    """Return a path as text, or raise ConfigError for what is none."""
    try:
        return os.fsdecode(path)
    except TypeError:
        raise ConfigError(f"{where} must be a path, got {path!r}") from None


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
            rows = sorted(set(zip(*columns, strict=True)))
            if len(rows) <= _MAX_CHECKED:
                return rows
            ends = [pick(rows, key=itemgetter(i)) for i in range(len(names)) for pick in (min, max)]
            return [*_thinned(rows), *ends]
        room = max(int(_MAX_CHECKED ** (1 / len(names))), 2)
        axes = [_thinned(sorted(column), room) for column in columns]
        return [*itertools.islice(itertools.product(*axes), 2 * _MAX_CHECKED), _last(axes)]


def _last(axes: Sequence[Sequence[float]]) -> tuple[float, ...]:
    return tuple(axis[-1] for axis in axes)


def _thinned(items: list[Any], room: int = _MAX_CHECKED) -> list[Any]:
    if len(items) <= room:
        return items
    last = len(items) - 1
    return [items[round(i * last / (room - 1))] for i in range(room)]


class _Reader:
    """Stands in for ``p`` and notes which parameters a formula reads.

    Values are NumPy's, so that a division by zero gives infinity, as it does in kernels.
    """

    def __init__(self, model: Model, values: Mapping[str, float]) -> None:
        sizes = {size.name for size in model.structure}
        self._values = {
            name: int(value) if name in sizes else np.float64(value)
            for name, value in values.items()
        }
        self._names: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        if name not in self._values:
            raise AttributeError(f"p has no {name!r}{suggestion(name, self._values)}")
        self._names.add(name)
        return self._values[name]

    def __getitem__(self, index: int) -> Any:
        return getattr(self, list(self._values)[index])

    def __len__(self) -> int:
        return len(self._values)


Point = dict[str, float]


def _evaluate(
    model: Model,
    function: Callable[..., Any],
    fixed: Mapping[str, float],
    varied: Varied,
    *rest: float,
) -> list[tuple[Point, Any]]:
    """Return `function` at the distinct combinations of the varied parameters that it reads."""
    values = {**fixed, **{name: float(column[0]) for name, column in varied.columns.items()}}
    first = {name: values.get(name, 0.0) for name in model.given._fields}  # type: ignore[attr-defined]
    read: set[str] = set()
    while True:
        names = sorted(read)
        found: list[tuple[Point, Any]] = []
        for row in varied.combinations(names) if names else [()]:
            point = dict(zip(names, row, strict=True))
            reader = _Reader(model, {**first, **point})
            found.append((point, _call(model, function, reader, point, *rest)))
            if reader._names & set(varied.columns) - read:  # also a branch that is taken here only
                read |= reader._names & set(varied.columns)
                break
        else:
            return found


def _call(
    model: Model, function: Callable[..., Any], reader: _Reader, point: Point, *rest: float
) -> Any:
    try:
        with np.errstate(all="ignore"):
            return function(reader, *rest)
    except Exception as error:
        raise ModelError(
            f"model {model.name}: {place(function)} failed{_at(point)}: "
            f"{type(error).__name__}: {error}"
        ) from error


def check_step(
    model: Model, dt: float, horizon: float, fixed: Mapping[str, float], varied: Varied
) -> None:
    """Refuse what the model rules out, a dt beyond its fastest rate too; warn of its cautions.

    Parameters
    ----------
    fixed : mapping of str to float
        Parameters that do not vary.
    varied : Varied
        Those that do.

    Raises
    ------
    ConfigError, ParameterError
        dt * fastest_rate(p) > 1, or a requirement is not met, at some design point.
    ModelError
        One of the model's own functions fails, or the rate is no number.
    """
    if model.fastest_rate is not None:
        for point, rate in _evaluate(model, model.fastest_rate, fixed, varied):
            _check_rate(model, dt, point, rate)
    for requirement in model.requirements:
        for point, holds in _evaluate(model, requirement.holds, fixed, varied, dt, horizon):
            if not holds:
                values = {**fixed, **point, "dt": dt, "horizon": horizon}
                named = [name for name in requirement.text.split() if name in values]
                got = ", ".join(f"{name} {exact(values[name])}" for name in named)
                raise ParameterError(f"{model.name}: {requirement.text}, got {got}")
    for caution in model.cautions:
        for point, holds in _evaluate(model, caution.holds, fixed, varied, dt):
            if holds:
                warn(f"{model.name}{_at(point)}: {caution.text}")
                break


def _check_rate(model: Model, dt: float, point: Point, rate: Any) -> None:
    if not isinstance(rate, numbers.Real) or math.isnan(rate):
        raise ModelError(f"model {model.name}: fastest_rate{_at(point)} is no number but {rate!r}")
    if dt * float(rate) > 1.0 + 1e-12:
        # 13 digits: a dt of so many is inside the tolerance
        most = f"{1.0 / float(rate):.13g} {model.time_unit}"
        rule = f"be <= {most}" if rate < math.inf else "be shorter"
        raise ConfigError(
            f"dt must {rule} for {model.name}{_at(point)} "
            f"(its fastest rate is {float(rate):.12g} per {model.time_unit}), got {exact(dt)}"
        )


def _at(point: Mapping[str, float]) -> str:
    return " at " + ", ".join(f"{k} {v:.12g}" for k, v in point.items()) if point else ""


def warn(text: str) -> None:
    """Issue a ResultWarning at the line outside this package from which it was called."""
    frame, level = sys._getframe(1), 2
    while frame is not None and str(frame.f_globals.get("__name__")).startswith("fastalliance."):
        frame, level = frame.f_back, level + 1  # type: ignore[assignment]
    warnings.warn(text, ResultWarning, stacklevel=level)


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
        warn(
            f"{n_invalid:,.0f} replicates at {n_points:,} design points left the finite numbers "
            "and are excluded from the statistics (n_invalid counts them); a smaller dt may help"
        )
