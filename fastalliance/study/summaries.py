"""Summaries of one output or ratio: replicates to columns, columns merged, columns to results."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fastalliance.errors import ModelError, exact
from fastalliance.outputs import Output, Ratio

Floats = npt.NDArray[np.float64]
Z95 = 1.959963984540054  # normal quantile of a two-sided 95 % interval


@dataclass(frozen=True)
class Variable:
    """One labelled result: its name, the dimension beyond the design's, its attributes."""

    name: str
    attrs: dict[str, Any]
    extra_dim: str | None = None
    extra_size: int = 1


def describe(name: str, unit: str, description: str) -> dict[str, Any]:
    """Return the attributes that every variable has."""
    return {"units": unit, "long_name": name.replace("_", " "), "description": description}


class Summary(ABC):
    """How one output's replicates become columns, and columns become variables.

    Divisions by empty counts are meant to give NaN: callers switch NumPy's warnings off.
    """

    n_columns: int

    @abstractmethod
    def reduce(self, outputs: dict[str, Floats]) -> Floats:
        """Return (point, column) of a block's outputs, each (point, replicate)."""

    @abstractmethod
    def merge(self, left: Floats, right: Floats) -> Floats:
        """Return the columns of two blocks taken together."""

    @abstractmethod
    def variables(self) -> list[Variable]:
        """Return the variables, in the order of `finish`."""

    @abstractmethod
    def finish(self, columns: Floats) -> list[Floats]:
        """Return the values of the variables from merged columns."""


def _count_and_sum(values: Floats) -> tuple[Floats, Floats]:
    """Return how many values of each point are not NaN, and their sum."""
    total: Floats = values.sum(axis=1)
    if not np.isnan(total).any():  # nearly always; twice as fast, and the same bits
        return np.full(len(values), float(values.shape[1])), total
    valid = ~np.isnan(values)
    return valid.sum(axis=1).astype(np.float64), np.where(valid, values, 0.0).sum(axis=1)


@dataclass(frozen=True)
class MomentsSummary(Summary):
    """Count, mean, second moment, extremes and, with one block, quantiles of a numeric output."""

    output: Output
    unit: str
    quantiles: tuple[float, ...] = ()
    in_block: bool = True
    n_columns: int = field(init=False, default=5)

    def __post_init__(self) -> None:
        if self.in_block:
            object.__setattr__(self, "n_columns", 5 + len(self.quantiles))

    def reduce(self, outputs: dict[str, Floats]) -> Floats:
        values = outputs[self.output.name]
        count, total = _count_and_sum(values)
        mean = total / count
        deviation = values - mean[:, None]
        deviation *= deviation
        if (count == values.shape[1]).all():
            low, high = values.min(axis=1), values.max(axis=1)
        else:
            deviation = np.where(np.isnan(deviation), 0.0, deviation)
            low, high = np.fmin.reduce(values, axis=1), np.fmax.reduce(values, axis=1)
        # + 0.0: the two minima choose different zeros, and -0.0 would depend on a tile's NaN
        columns = [count, mean, deviation.sum(axis=1), low + 0.0, high + 0.0]
        if self.in_block and self.quantiles:
            columns.extend(exact_quantiles(values, self.quantiles))
        return np.stack(columns, axis=1)

    def merge(self, left: Floats, right: Floats) -> Floats:
        count = left[:, 0] + right[:, 0]
        shift = right[:, 1] - left[:, 1]
        mean = left[:, 1] + shift * (right[:, 0] / count)
        second = left[:, 2] + right[:, 2] + shift * shift * (left[:, 0] * right[:, 0] / count)
        mean = np.where(left[:, 0] == 0, right[:, 1], np.where(right[:, 0] == 0, left[:, 1], mean))
        empty = (left[:, 0] == 0) | (right[:, 0] == 0)
        second = np.where(empty, left[:, 2] + right[:, 2], second)
        low, high = np.fmin(left[:, 3], right[:, 3]), np.fmax(left[:, 4], right[:, 4])
        return np.stack([count, mean, second, low, high], axis=1)

    def variables(self) -> list[Variable]:
        name, unit, what = self.output.name, self.unit, _meaning(self.output)
        variables = [
            Variable(
                f"{name}_mean", describe(f"mean {name}", unit, f"mean over replicates: {what}")
            ),
            Variable(
                f"{name}_std",
                describe(f"std of {name}", unit, f"standard deviation (ddof 1): {what}"),
            ),
            Variable(
                f"{name}_stderr",
                describe(f"standard error of {name}", unit, f"standard error of the mean: {what}"),
            ),
            Variable(f"{name}_min", describe(f"smallest {name}", unit, f"minimum: {what}")),
            Variable(f"{name}_max", describe(f"largest {name}", unit, f"maximum: {what}")),
            Variable(f"{name}_count", _count_attrs(name, what)),
        ]
        if self.quantiles:
            attrs = describe(
                f"{name} quantile", unit, f"exact quantiles, linear interpolation: {what}"
            )
            variables.append(Variable(f"{name}_quantile", attrs, "quantile", len(self.quantiles)))
        return variables

    def finish(self, columns: Floats) -> list[Floats]:
        count, mean, second, low, high = columns[:, :5].T
        std = np.sqrt(np.where(count > 1, second / (count - 1.0), np.nan))
        stderr = std / np.sqrt(count)
        values = [mean, std, stderr, low, high, count]
        if self.quantiles:
            values.append(columns[:, 5:])
        return values


@dataclass(frozen=True)
class BinarySummary(Summary):
    """Share of ones with its 95 % Wilson interval."""

    output: Output
    n_columns: int = field(init=False, default=2)

    def reduce(self, outputs: dict[str, Floats]) -> Floats:
        values = outputs[self.output.name]
        count, ones = _count_and_sum(values)
        wrong = (values != 0.0) & (values != 1.0) & ~np.isnan(values)
        _require_codes(self.output, values, wrong, "0 or 1")
        return np.stack([count, ones], axis=1)

    def merge(self, left: Floats, right: Floats) -> Floats:
        return left + right

    def variables(self) -> list[Variable]:
        name, what = self.output.name, _meaning(self.output)
        return [
            Variable(
                f"{name}_mean",
                describe(f"probability of {name}", "1", f"share of replicates: {what}"),
            ),
            Variable(
                f"{name}_low",
                describe(f"{name}, lower bound", "1", f"95 % Wilson interval: {what}"),
            ),
            Variable(
                f"{name}_high",
                describe(f"{name}, upper bound", "1", f"95 % Wilson interval: {what}"),
            ),
            Variable(f"{name}_count", _count_attrs(name, what)),
        ]

    def finish(self, columns: Floats) -> list[Floats]:
        count, ones = columns.T
        return [_ratio(ones, count), *wilson(ones, count), count]


@dataclass(frozen=True)
class CategorySummary(Summary):
    """Share of each category."""

    output: Output
    n_columns: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "n_columns", 1 + len(self._codes))

    @property
    def _codes(self) -> dict[str, int]:
        return dict(self.output.categories or {})

    def reduce(self, outputs: dict[str, Floats]) -> Floats:
        values = outputs[self.output.name]
        count, _ = _count_and_sum(values)
        masks = [values == code for code in self._codes.values()]
        allowed = ", ".join(f"{code} ({name})" for name, code in self._codes.items())
        _require_codes(
            self.output, values, ~np.logical_or.reduce([*masks, np.isnan(values)]), allowed
        )
        shares = [mask.sum(axis=1).astype(np.float64) for mask in masks]
        return np.stack([count, *shares], axis=1)

    def merge(self, left: Floats, right: Floats) -> Floats:
        return left + right

    def variables(self) -> list[Variable]:
        name, what = self.output.name, _meaning(self.output)
        shares = [
            Variable(
                f"{name}_{category}_share",
                describe(f"share of {name} {category}", "1", f"share of replicates: {what}"),
            )
            for category in self._codes
        ]
        return [*shares, Variable(f"{name}_count", _count_attrs(name, what))]

    def finish(self, columns: Floats) -> list[Floats]:
        count = columns[:, 0]
        return [*(_ratio(column, count) for column in columns[:, 1:].T), count]


@dataclass(frozen=True)
class RatioSummary(Summary):
    """Pooled ratio of two outputs' sums with its delta-method standard error."""

    ratio: Ratio
    n_columns: int = field(init=False, default=6)

    def reduce(self, outputs: dict[str, Floats]) -> Floats:
        top, bottom = outputs[self.ratio.numerator], outputs[self.ratio.denominator]
        both = ~(np.isnan(top) | np.isnan(bottom))
        count = both.sum(axis=1).astype(np.float64)
        means = [_ratio(np.where(both, x, 0.0).sum(axis=1), count) for x in (top, bottom)]
        x, y = (
            np.where(both, values - mean[:, None], 0.0)
            for values, mean in zip((top, bottom), means, strict=True)
        )
        moments = [(x * x).sum(axis=1), (y * y).sum(axis=1), (x * y).sum(axis=1)]
        return np.stack([count, *means, *moments], axis=1)

    def merge(self, left: Floats, right: Floats) -> Floats:
        count = left[:, 0] + right[:, 0]
        weight = np.nan_to_num(_ratio(left[:, 0] * right[:, 0], count))
        share = np.nan_to_num(_ratio(right[:, 0], count))
        a, b = np.nan_to_num(left[:, 1:3]), np.nan_to_num(right[:, 1:3])
        shift = np.where(((left[:, 0] > 0) & (right[:, 0] > 0))[:, None], b - a, 0.0)
        base = np.where((left[:, 0] > 0)[:, None], a, b)
        means = np.where((count > 0)[:, None], base + shift * share[:, None], np.nan)
        products = np.stack([shift[:, 0] ** 2, shift[:, 1] ** 2, shift[:, 0] * shift[:, 1]], axis=1)
        moments = left[:, 3:] + right[:, 3:] + products * weight[:, None]
        return np.concatenate([count[:, None], means, moments], axis=1)

    def variables(self) -> list[Variable]:
        name, unit = self.ratio.name, self.ratio.unit
        what = self.ratio.description or f"{self.ratio.numerator} / {self.ratio.denominator}"
        return [
            Variable(name, describe(name, unit, f"ratio of sums over replicates: {what}")),
            Variable(
                f"{name}_stderr",
                describe(f"standard error of {name}", unit, f"delta-method standard error: {what}"),
            ),
        ]

    def finish(self, columns: Floats) -> list[Floats]:
        count, top, bottom, xx, yy, xy = columns.T
        ratio = np.where(bottom != 0, _ratio(top, bottom), np.nan)
        spread = xx - 2.0 * ratio * xy + ratio * ratio * yy
        variance = np.maximum(spread, 0.0) / ((count - 1.0) * count * bottom * bottom)
        stderr = np.sqrt(np.where((count > 1) & (bottom != 0), variance, np.nan))
        return [ratio, stderr]


def _meaning(output: Output) -> str:
    return output.description or output.long_name


def _require_codes(
    output: Output, values: Floats, wrong: npt.NDArray[np.bool_], allowed: str
) -> None:
    """Refuse an output whose values are not those that its kind declares."""
    if wrong.any():
        raise ModelError(
            f"output {output.name} is declared as {output.kind}, so it must be {allowed} (or NaN), "
            f"got {exact(values[wrong][0])}"
        )


def _count_attrs(name: str, what: str) -> dict[str, Any]:
    return describe(f"valid replicates of {name}", "1", f"replicates that have a value: {what}")


def _ratio(top: Floats, bottom: Floats) -> Floats:
    return np.asarray(np.where(bottom == 0, np.nan, top / bottom))


def wilson(ones: Floats, count: Floats) -> tuple[Floats, Floats]:
    """Return the 95 % Wilson interval of `ones` successes among `count`; NaN where count is 0."""
    z2 = Z95 * Z95
    share = _ratio(ones, count)
    centre = (share + z2 / (2.0 * count)) / (1.0 + z2 / count)
    inner = share * (1.0 - share) / count + z2 / (4.0 * count * count)
    half = Z95 * np.sqrt(inner) / (1.0 + z2 / count)
    low = np.where(ones == 0, 0.0, centre - half)
    high = np.where(ones == count, 1.0, centre + half)
    return np.where(count > 0, low, np.nan), np.where(count > 0, high, np.nan)


def exact_quantiles(values: Floats, quantiles: Sequence[float]) -> list[Floats]:
    """Return the quantiles over the last axis of (point, replicate), NaN excluded.

    Linear interpolation, NumPy's default; NaN where a point has no valid replicate.
    """
    ordered = np.sort(values, axis=1)  # NaN sort to the end
    count = (~np.isnan(values)).sum(axis=1)
    rows = np.arange(len(values))
    results = []
    for quantile in quantiles:
        position = quantile * np.maximum(count - 1, 0)
        low = np.floor(position).astype(np.int64)
        high = np.minimum(low + 1, np.maximum(count - 1, 0))
        weight = position - low
        left, right = ordered[rows, low], ordered[rows, high]
        step = right - left
        mixed = np.where(weight >= 0.5, right - step * (1.0 - weight), left + step * weight)
        results.append(np.where(count > 0, mixed, np.nan))
    return results
