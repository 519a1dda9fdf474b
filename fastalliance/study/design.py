"""Designs: which parameter points a study runs, as grids, samples and tables."""

from __future__ import annotations

import contextlib
import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fastalliance.errors import DesignError, ParameterError
from fastalliance.library.model import Model
from fastalliance.parameters import Parameter
from fastalliance.study.axes import axis_length, expand_axis, require_points, values_list
from fastalliance.study.samples import Method, sample_axes, sample_source

Floats = npt.NDArray[np.float64]


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

    def __post_init__(self) -> None:
        require_points(self.n_points, "the design")

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

    def place(self, name: str) -> str:
        """Return where a configuration says the values of a varied parameter."""
        section = "sample.ranges" if self.kind == "sample" else self.kind
        return f"design.{section}.{name}"

    def columns(
        self, coordinates: Mapping[str, Floats], first: int, count: int
    ) -> dict[str, Floats]:
        """Return the values of the varied parameters at consecutive points."""
        if self.kind != "grid":
            return {name: values[first : first + count] for name, values in coordinates.items()}
        indices = np.unravel_index(np.arange(first, first + count), self.shape) if self.axes else ()
        pairs = zip(coordinates.items(), indices, strict=True)
        return {name: values[index] for (name, values), index in pairs}

    def total(self, name: str, values: Floats, first: int, count: int) -> int:
        """Return the sum of a varied parameter's values, whole numbers, over consecutive points.

        By cycles of a grid's axis: a study of millions of points asks for every tile.
        """
        if self.kind != "grid":
            return int(values[first : first + count].sum())
        stride = math.prod(self.shape[list(self.axes).index(name) + 1 :])
        sums: list[int] = [0, *np.cumsum(values).astype(np.int64).tolist()]

        def up_to(point: int) -> int:
            cycles, rest = divmod(point, stride * len(values))
            i, part = divmod(rest, stride)
            begun = (sums[i + 1] - sums[i]) * part if part else 0
            return cycles * sums[-1] * stride + sums[i] * stride + begun

        return up_to(first + count) - up_to(first)

    def coordinate(self, model: Model, name: str) -> Floats:
        """Return the checked numeric values of a varied parameter.

        Raises
        ------
        ParameterError, DesignError
            An unknown parameter, a value outside its bounds, an empty or repeated axis.
        """
        where = f"design.{self.kind}.{name}"
        parameter = model.parameter(name, f"design.{self.kind}")
        if not len(self.axes[name]):
            raise DesignError(f"{where} is empty; give at least one value")
        numbers = _checked(parameter, self.axes[name], where, model.name)
        if self.kind == "grid":
            _refuse_repeated(numbers, where)
        return numbers


def _checked(parameter: Parameter, values: Sequence[Any], where: str, model: str) -> Floats:
    if parameter.kind == "real" and set(map(type, values)) <= {float, int}:
        with contextlib.suppress(ParameterError, OverflowError):  # found below, with its place
            array = np.array(values, dtype=np.float64)
            for end in (array.min(), array.max()):  # NaN if there is one; all others lie between
                parameter.check(end, where)
            return array
    return np.array(
        [
            parameter.check(value, f"{where}[{i}] ({model}.{parameter.name})")
            for i, value in enumerate(values)
        ]
    )


def _refuse_repeated(numbers: Floats, where: str) -> None:
    distinct, counts = np.unique(numbers, return_counts=True)
    if len(distinct) < len(numbers):
        raise DesignError(f"{where} holds {distinct[counts.argmax()]:.12g} more than once")


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
    lists = {name: values_list(values, f"design.grid.{name}") for name, values in axes.items()}
    return Design("grid", lists, {"grid": lists} if lists else {})


def table(points: Any) -> Design:
    """Return an explicit list of points: a mapping of equally long columns, or a DataFrame.

    Raises
    ------
    DesignError
        The table is empty or its columns differ in length.

    Examples
    --------
    >>> table({"initial_trust": [0.4, 0.6, 0.6], "private_orientation": [0.0, 0.0, 0.2]}).n_points
    3
    """
    if not hasattr(points, "items"):
        raise DesignError(
            f"design.table must be a mapping of columns or a DataFrame, got {type(points).__name__}"
        )
    columns: dict[str, list[Any]] = {}
    for name, values in points.items():
        if not isinstance(name, str):
            raise DesignError(f"design.table: a column's name must be text, got {name!r}")
        if name in columns:
            raise DesignError(f"design.table names the column {name!r} twice")
        columns[name] = values_list(values, f"design.table.{name}")
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
            reader = csv.reader(file)
            rows = [(reader.line_num, row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DesignError(f"design.table: cannot read {path}: {reason}") from None
    if len(rows) < 2:
        raise DesignError(f"design.table: {path} has no rows below its header")
    header = [name.strip() for name in rows[0][1]]
    if len(set(header)) < len(header):
        raise DesignError(f"design.table: {path} names a column twice: {', '.join(header)}")
    for line, row in rows[1:]:
        if len(row) != len(header):
            raise DesignError(
                f"design.table: {path}, line {line} has {len(row)} cells, the header {len(header)}"
            )
    cells = [row for _, row in rows[1:]]
    return table({name: [_cell(row[i]) for row in cells] for i, name in enumerate(header)})


def _cell(text: str) -> float | str:
    try:
        return text.strip() if "_" in text else float(text)  # Python reads 1_0 as 10
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
    source = sample_source(n, ranges, method, seed)
    return Design("sample", sample_axes(source), {"sample": source})


def from_configuration(design: Mapping[str, Any] | None, folder: Path) -> Design:
    """Return the design of a configuration; relative paths are from `folder`."""
    if not design:
        return grid()
    if design.get("grid") is not None:
        n_points = math.prod(axis_length(axis) for axis in design["grid"].values())
        require_points(n_points, "design.grid")
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
