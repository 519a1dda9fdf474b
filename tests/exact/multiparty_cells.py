"""The cells of the stylised facts F1 to F15 of `multiparty`, and how they are run.

A fact is a table of parameters, what is measured in every run, what the page printed of it, and
which of two cells is larger. Runs of two cells of a fact share their random numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

import fastalliance as fa

MODEL = fa.model("multiparty")
SEED = 20240601  # of the page
HALF_UNIT = 0.0005  # of the last digit that the page prints
DEFAULTS = {parameter.name: parameter.default for parameter in MODEL.inputs}
NO_EXIT = {"base_hazard": 0.0, "threshold_mean": 99.0, "threshold_sd": 0.0}

Floats = NDArray[np.float64]
Measure = Callable[[xr.Dataset], Floats]


def survivors_trust(ds: xr.Dataset) -> Floats:
    """Return the mean trust, NaN for runs without survivors in the first cell."""
    survives = ds["membership"].values[0] > 0.0
    return np.where(survives, ds["trust"].values, np.nan)


def grew_then_collapsed(ds: xr.Dataset) -> Floats:
    """Say which alliances had half as many members more than at first, and collapsed later."""
    first = ds["membership_path"].values[..., 0]
    return (ds["peak_membership"].values >= 1.5 * first) * ds["collapsed"].values


def gain_of_year(year: int) -> Measure:
    """Return the measure of what membership gains in a year, counted from 1."""
    return lambda ds: np.diff(ds["membership_path"].values, axis=-1)[..., year - 1]


def acceleration(year: int) -> Measure:
    """Return the measure of how much more a year's gain is than that of the year before."""
    return lambda ds: gain_of_year(year)(ds) - gain_of_year(year - 1)(ds)


MEASURES: dict[str, Measure] = {
    "trusting": lambda ds: np.asarray(ds["trust"].values > 0.5, dtype=np.float64),
    "exit gap": lambda ds: ds["peripheral_exit_share"].values - ds["central_exit_share"].values,
    "survivors' trust": survivors_trust,
    "grew, then collapsed": grew_then_collapsed,
    **{f"gain of year {year}": gain_of_year(year) for year in range(1, 6)},
    "acceleration in year 2": acceleration(2),
    "acceleration in year 3": acceleration(3),
}


class Printed(NamedTuple):
    """A mean and its standard error as the page prints them; the error NaN where it does not."""

    mean: float
    error: float = math.nan


class Found(NamedTuple):
    """A mean over runs and its standard error."""

    mean: float
    error: float

    @property
    def z(self) -> float:
        """How many standard errors the mean lies above 0."""
        return self.mean / self.error if self.error > 0.0 else math.copysign(math.inf, self.mean)


class Contrast(NamedTuple):
    """A weighted sum of what is measured in the cells of each run."""

    measure: str
    weights: Mapping[int, float]

    def of(self, ds: xr.Dataset) -> Found:
        """Return its mean."""
        values = measured(ds, self.measure)
        sums = sum(weight * values[cell] for cell, weight in self.weights.items())
        sums = sums[~np.isnan(sums)]
        return Found(float(sums.mean()), float(sums.std(ddof=1)) / math.sqrt(sums.size))


def measured(ds: xr.Dataset, measure: str) -> Floats:
    """Return an output, or one of MEASURES, (cell, run)."""
    return MEASURES[measure](ds) if measure in MEASURES else ds[measure].values


class Order(NamedTuple):
    """The mean of `measure` is larger in cell `high` than in cell `low`, by so many errors."""

    measure: str
    low: int
    high: int
    errors: float = 4.0

    def gap(self, ds: xr.Dataset) -> Found:
        """Return the paired difference."""
        return Contrast(self.measure, {self.high: 1.0, self.low: -1.0}).of(ds)


def rising(measure: str, *cells: int, errors: float = 4.0) -> list[Order]:
    """Return the orders of a measure that rises from each of some cells to the next."""
    return [Order(measure, low, high, errors) for low, high in pairwise(cells)]


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One stylised fact.

    Attributes
    ----------
    name, claim : str
    cells : list of mapping
        Parameters, and sizes, of every cell beside `shared`.
    printed : mapping of str to sequence of Printed or None
        By measure: what the page prints of each cell.
    contrasts : mapping of str to (Contrast, Printed)
        Gaps that the page prints.
    orders : list of Order
    runs, horizon, dt
    yearly : bool
        Whether membership is recorded every twelve months.
    """

    name: str
    claim: str
    cells: Sequence[Mapping[str, float]]
    shared: Mapping[str, float] = field(default_factory=dict)
    printed: Mapping[str, Sequence[Printed | None]] = field(default_factory=dict)
    contrasts: Mapping[str, tuple[Contrast, Printed]] = field(default_factory=dict)
    orders: Sequence[Order] = ()
    runs: int = 1000
    horizon: float = 120.0
    dt: float = 0.25
    yearly: bool = False

    def run(self, runs: int | None = None, seed: int = SEED) -> xr.Dataset:
        """Return the outputs of every run of every cell, (point, replicate)."""
        names = sorted({name for cell in self.cells for name in cell})
        table = {name: [cell.get(name, DEFAULTS[name]) for cell in self.cells] for name in names}
        sizes = {"slots", "industries"} & set(self.shared)
        runs = runs or self.runs
        keep: dict[str, Any] = {"replicates": True}
        if self.yearly:
            keep["trajectories"] = {"every": 12.0, "replicates": runs}
        study = fa.Study(
            model=MODEL.name,
            parameters={name: v for name, v in self.shared.items() if name not in sizes},
            structure={name: int(self.shared[name]) for name in sizes},
            design=fa.table(table),
            replicates=runs,
            seed=seed,
            horizon=self.horizon,
            dt=self.dt,
            common_random_numbers=True,
            statistics={},
            keep=keep,
        )
        return study.run()


def shares(text: str) -> list[Printed | None]:
    """Return what the page prints: ``.961(.006)``, an error or not, ``-`` for nothing."""
    found: list[Printed | None] = []
    for word in text.split():
        mean, _, error = word.rstrip(")").partition("(")
        found.append(None if word == "-" else Printed(float(mean), float(error or "nan")))
    return found


def along(name: str, *values: float) -> list[dict[str, float]]:
    """Return cells that differ in one parameter."""
    return [{name: value} for value in values]


def same_members(runs: int, seed: int) -> Found:
    """Return F6b: what exits do in two years to the trust of a run's mean member that stays.

    Members that stay in spite of three central exits, with those and without any.
    """
    ends = [
        fa.simulate(
            MODEL.name,
            parameters=parameters,
            replicates=runs,
            seed=seed,
            horizon=24.0,
            record_every=24.0,
            members=True,
        )["member_trust_path"]
        .transpose("replicate", "member", "time")
        .values[..., -1]
        for parameters in ({"seed_exits": 3}, NO_EXIT)
    ]
    changes = ends[0] - ends[1]
    means = np.array([change[~np.isnan(change)].mean() for change in changes if stays(change)])
    return Found(float(means.mean()), float(means.std(ddof=1)) / math.sqrt(means.size))


def stays(trust: Floats) -> bool:
    """Say whether anybody is left."""
    return not np.isnan(trust).all()
