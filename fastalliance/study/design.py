"""Designs: which parameter points a study runs, as grids, samples and tables."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fastalliance.errors import DesignError, ParameterError
from fastalliance.library.model import Model

Floats = npt.NDArray[np.float64]
Method = Literal["sobol", "latin_hypercube", "uniform"]
METHODS: tuple[Method, ...] = ("sobol", "latin_hypercube", "uniform")
MAX_POINTS = 2**32


@dataclass(frozen=True, eq=False)
class Design:
    """Design points of a study, numbered in C order.

    Made by :func:`grid`, :func:`sample`, :func:`table`; one unnamed point without axes.

    Attributes
    ----------
    kind : {"grid", "sample", "table"}
    axes : dict of str to sequence
        Values per varied parameter: a grid's axes, or equally long columns.
    source : dict
        How the configuration says it.
    """

    kind: str
    axes: dict[str, list[Any]]
    source: dict[str, Any]

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the dimensions: the parameters of a grid, else ``("point",)``."""
        return tuple(self.axes) if self.kind == "grid" else ("point",)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of points along each dimension."""
        if self.kind == "grid":
            return tuple(len(values) for values in self.axes.values())
        return (len(next(iter(self.axes.values()))),)

    @property
    def n_points(self) -> int:
        """Number of design points, as a Python integer."""
        return math.prod(self.shape)

    def coordinates(self, model: Model) -> dict[str, Floats]:
        """Return the checked numeric values of each varied parameter.

        Raises
        ------
        ParameterError, DesignError
            An unknown parameter, a value outside its bounds, an empty or repeated axis.
        """
        checked = {}
        for name, values in self.axes.items():
            parameter = model.parameter(name, f"design.{self.kind}")
            if not len(values):
                raise DesignError(f"design.{self.kind}.{name} is empty; give at least one value")
            numbers = [
                parameter.check(value, f"design.{self.kind}.{name}[{i}] ({model.name}.{name})")
                for i, value in enumerate(values)
            ]
            if self.kind == "grid" and len(set(numbers)) < len(numbers):
                repeated = next(x for i, x in enumerate(numbers) if x in numbers[:i])
                raise DesignError(f"design.grid.{name} holds {repeated:g} more than once")
            checked[name] = np.array(numbers)
        if self.n_points > MAX_POINTS:
            raise DesignError(f"the design has {self.n_points:,} points; at most {MAX_POINTS:,}")
        return checked


def grid(**axes: Sequence[float] | Floats) -> Design:
    """Return the full grid of the given axes, the first varying slowest.

    Parameters
    ----------
    **axes : sequence of float
        One sequence of values per parameter (names for a choice).

    Examples
    --------
    >>> grid(initial_trust=[0.4, 0.5, 0.6], private_orientation=[0.0, 0.1]).n_points
    6
    """
    lists = {name: _values(values, f"design.grid.{name}") for name, values in axes.items()}
    return Design("grid", lists, {"grid": lists} if lists else {})


def table(points: Any) -> Design:
    """Return an explicit list of points: a mapping of equally long columns, or a DataFrame.

    Raises
    ------
    DesignError
        The table is empty or its columns differ in length.
    """
    if not hasattr(points, "items"):
        raise DesignError("design.table must be a mapping of columns or a DataFrame")
    columns = {
        str(name): _values(values, f"design.table.{name}") for name, values in points.items()
    }
    lengths = {name: len(values) for name, values in columns.items()}
    if not columns or not min(lengths.values()):
        raise DesignError("design.table is empty; give at least one row")
    if len(set(lengths.values())) > 1:
        text = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise DesignError(f"design.table: columns must be equally long, got {text}")
    return Design("table", columns, {"table": columns})


def read_table(path: Path) -> Design:
    """Return the table of a CSV file whose first line names the parameters.

    Raises
    ------
    DesignError
        The file is missing, empty, ragged, or has a cell that is neither number nor name.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DesignError(f"design.table: cannot read {path}: {error}") from None
    if len(rows) < 2:
        raise DesignError(f"design.table: {path} has no rows below its header")
    header = [name.strip() for name in rows[0]]
    if len(set(header)) < len(header):
        raise DesignError(f"design.table: {path} names a column twice: {', '.join(header)}")
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(header):
            raise DesignError(
                f"design.table: {path}, row {number} has {len(row)} cells, the header {len(header)}"
            )
    return table({name: [_cell(row[i]) for row in rows[1:]] for i, name in enumerate(header)})


def _cell(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text.strip()


def sample(
    n: int,
    *,
    ranges: Mapping[str, tuple[float, float]],
    method: Method = "sobol",
    seed: int = 0,
) -> Design:
    """Return `n` points spread over `ranges`, quasi-random by default.

    Parameters
    ----------
    n : int
        Number of points; a power of 2 keeps Sobol's balance.
    ranges : mapping of str to (low, high)
        Range per parameter; a whole-number parameter takes each value in it alike.
    method : {"sobol", "latin_hypercube", "uniform"}
        Scrambled Sobol (Owen), Latin hypercube, or independent uniforms (SciPy).
    seed : int
        Seed of the sample, not of the study.

    Raises
    ------
    DesignError
        A range is empty, or the method or number is wrong.

    Examples
    --------
    >>> sample(8, ranges={"initial_trust": (0.0, 1.0)}, seed=1).n_points
    8
    """
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise DesignError(f"design.sample.n must be a whole number >= 1, got {n!r}")
    if method not in METHODS:
        raise DesignError(
            f"design.sample.method must be one of {', '.join(METHODS)}, got {method!r}"
        )
    if not ranges:
        raise DesignError("design.sample.ranges is empty; give low and high for a parameter")
    bounds = {}
    for name, pair in ranges.items():
        try:
            low, high = (float(x) for x in pair)
        except (TypeError, ValueError):
            raise DesignError(
                f"design.sample.ranges.{name} must be [low, high], got {pair!r}"
            ) from None
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise DesignError(
                f"design.sample.ranges.{name} must be finite with low < high, "
                f"got [{low:g}, {high:g}]"
            )
        bounds[name] = (low, high)
    unit = _unit_sample(int(n), len(bounds), method, seed)
    axes = {
        name: (low + (high - low) * unit[:, i]).tolist()
        for i, (name, (low, high)) in enumerate(bounds.items())
    }
    source = {
        "n": int(n),
        "method": method,
        "seed": int(seed),
        "ranges": {name: list(pair) for name, pair in bounds.items()},
    }
    return Design("sample", axes, {"sample": source})


def _unit_sample(n: int, dimensions: int, method: Method, seed: int) -> Floats:
    from scipy.stats import qmc

    if method == "uniform":
        return np.random.default_rng(seed).random((n, dimensions))
    if method == "latin_hypercube":
        return np.asarray(qmc.LatinHypercube(dimensions, rng=seed).random(n))
    sampler = qmc.Sobol(dimensions, rng=seed)
    return np.asarray(
        sampler.random_base2(math.ceil(math.log2(n)))[:n] if n > 1 else sampler.random(1)
    )


def expand_axis(axis: Any, where: str) -> list[Any]:
    """Return the values of an axis: a list, or {linspace|arange|geomspace: [...]}.

    Scalar arithmetic on purpose: NumPy's transcendentals change bits with the machine's SIMD.
    """
    if not isinstance(axis, Mapping):
        return _values(axis, where)
    (kind, arguments), *_ = axis.items()
    start, stop, third = arguments
    if kind == "arange":
        count = math.ceil((stop - start) / third - 1e-9) if third else 0
        if count < 1:
            raise DesignError(f"{where}: arange [{start:g}, {stop:g}, {third:g}] is empty")
        return [start + i * third for i in range(count)]
    n = int(third)
    if n < 1 or n != third:
        raise DesignError(f"{where}: {kind} needs a whole number of points >= 1, got {third!r}")
    if n == 1:
        return [float(start)]
    if kind == "linspace":
        inner = [start + i * (stop - start) / (n - 1) for i in range(n - 1)]
    else:
        if not start * stop > 0:
            raise DesignError(
                f"{where}: geomspace needs two ends of one sign, got [{start:g}, {stop:g}]"
            )
        inner = [start * (stop / start) ** (i / (n - 1)) for i in range(n - 1)]
    return [*map(float, inner), float(stop)]


def _values(values: Any, where: str) -> list[Any]:
    if isinstance(values, str | bytes) or not hasattr(values, "__len__"):
        raise DesignError(f"{where} must be a list of values, got {values!r}")
    array = np.asarray(values)
    if array.ndim != 1:
        raise DesignError(f"{where} must be one-dimensional, got shape {array.shape}")
    return list(array.tolist()) if array.dtype.kind in "fiub" else list(values)


def from_configuration(design: Mapping[str, Any] | None, folder: Path) -> Design:
    """Return the design of a configuration; relative paths are from `folder`."""
    if not design:
        return grid()
    if design.get("grid") is not None:
        axes = {
            name: expand_axis(axis, f"design.grid.{name}") for name, axis in design["grid"].items()
        }
        if not axes:
            raise DesignError("design.grid is empty; give at least one axis")
        return grid(**axes)
    if design.get("sample") is not None:
        given = dict(design["sample"])
        return sample(given.pop("n"), **given)
    points = design["table"]
    return read_table(folder / points) if isinstance(points, str) else table(points)


def integers_in_range(design: Design, model: Model) -> Design:
    """Return `design` with sampled whole-number parameters rounded to their values.

    Raises
    ------
    DesignError
        A choice is sampled over a range.
    """
    if design.kind != "sample":
        return design
    axes = dict(design.axes)
    for name in axes:
        parameter = model.parameter(name, "design.sample.ranges")
        low, high = design.source["sample"]["ranges"][name]
        if parameter.kind == "choice":
            raise DesignError(
                f"design.sample.ranges.{name}: a choice cannot be sampled; use a grid"
            )
        for end in (low, high):
            try:
                parameter.check(end, f"design.sample.ranges.{name} ({model.name}.{name})")
            except ParameterError as error:
                if parameter.above is None or end != parameter.above:
                    raise
                raise DesignError(f"{error}; raise the lower end of the range") from None
        if parameter.kind == "integer":
            shares = [(x - low) / (high - low) for x in axes[name]]
            axes[name] = [float(min(low + math.floor(u * (high - low + 1)), high)) for u in shares]
    return Design(design.kind, axes, design.source)
