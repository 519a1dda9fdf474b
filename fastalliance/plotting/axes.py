"""One varied parameter as an axis of a figure: positions, scale, cell edges, ticks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from matplotlib.axes import Axes

from fastalliance.analysis import names_of_codes
from fastalliance.plotting.labels import label
from fastalliance.plotting.schema import FloatArray, as_array

if TYPE_CHECKING:
    import xarray as xr

_MAX_TICKS = 7  # up to as many values, each has its own

Scale = Literal["linear", "log", "index"]


@dataclass(frozen=True)
class Axis:
    """The values of a varied parameter in increasing order and how they are drawn.

    Parameters
    ----------
    name, label : str
        Dimension, and its name with unit.
    values : array of shape (n,)
        Coordinates in increasing order.
    scale : {"linear", "log", "index"}
        "log" for geometric steps over a decade or more; "index", evenly spaced with the values as
        tick labels, where a value is infinite or the name of a choice.
    names : mapping of float to str
        Names of the values of a choice; empty for numbers.
    """

    name: str
    label: str
    values: FloatArray
    scale: Scale
    names: Mapping[float, str]

    @property
    def positions(self) -> FloatArray:
        """Where the values lie on the figure's axis."""
        return np.arange(float(self.values.size)) if self.scale == "index" else self.values

    @property
    def edges(self) -> FloatArray:
        """The n + 1 borders of the cells: halfway between neighbours, mirrored at the ends."""
        p = np.log(self.positions) if self.scale == "log" else self.positions
        if p.size == 1:
            edges = np.array([p[0] - 0.5, p[0] + 0.5])
        else:
            inner = (p[1:] + p[:-1]) / 2
            edges = np.concatenate(([2 * p[0] - inner[0]], inner, [2 * p[-1] - inner[-1]]))
        return np.exp(edges) if self.scale == "log" else edges

    def dress(self, ax: Axes, which: Literal["x", "y"], size: float) -> None:
        """Set scale, label and ticks of the horizontal or vertical axis of `ax`."""
        axis = ax.xaxis if which == "x" else ax.yaxis
        axis.set_label_text(self.label, fontsize=size)
        if self.scale == "log":
            (ax.set_xscale if which == "x" else ax.set_yscale)("log")
            if self.values.size <= _MAX_TICKS:
                axis.set_ticks(self.positions, labels=[_number(v) for v in self.values.tolist()])
                axis.set_ticks([], minor=True)
        if self.scale == "index":
            step = -(-self.values.size // 10)
            texts = [self.names.get(v, _number(v)) for v in self.values[::step].tolist()]
            axis.set_ticks(self.positions[::step], labels=texts)
        elif self.scale == "linear" and self._is_short_and_even():
            axis.set_ticks(self.positions)

    def _is_short_and_even(self) -> bool:
        steps = np.diff(self.values)
        return 1 < self.values.size <= _MAX_TICKS and np.allclose(steps, steps[0])


def axis_of(ds: xr.Dataset, dim: str) -> Axis:
    """Return the axis of a grid's dimension, which is sorted."""
    values, names = as_array(ds[dim]), names_of_codes(ds[dim])
    return Axis(dim, label(ds[dim]), values, "index" if names else _scale(values), names)


def _scale(values: FloatArray) -> Scale:
    if not np.isfinite(values).all():
        return "index"
    if values.size < 3 or values[0] <= 0 or values[-1] < 10 * values[0]:
        return "linear"
    ratios = values[1:] / values[:-1]
    return "log" if np.allclose(ratios, ratios[0], rtol=1e-3) else "linear"


def _number(value: float) -> str:
    return "∞" if value == np.inf else f"{value:g}"
