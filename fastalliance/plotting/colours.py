"""Colour scales of outputs, and their colour bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from fastalliance.plotting.figure import LABEL_SIZE, SMALL_SIZE
from fastalliance.plotting.labels import output_label
from fastalliance.plotting.schema import FloatArray, estimate_name, is_binary

if TYPE_CHECKING:
    import xarray as xr

# All are perceptually uniform and readable for the colour-blind; two, so that nobody takes the
# second panel's values for probabilities.
PROBABILITY_MAP = "viridis"
VALUE_MAP = "cividis"
# What nobody wants is the darker, the more of it there is.
LOSS_MAP = "magma_r"
LOSS_VALUE_MAP = "cividis_r"
LOSSES = frozenset(
    {
        *("collapsed", "dissolved", "exits", "exit_share", "cascade_share", "largest_wave"),
        *("central_exit_share", "peripheral_exit_share", "central_exits", "peripheral_exits"),
        *("central_exit_rate", "peripheral_exit_rate"),
    }
)


def colour_scale(ds: xr.Dataset, output: str, values: FloatArray) -> Normalize:
    """Return the range of colours: 0 to 1 for shares inside it, otherwise that of the values."""
    finite = values[np.isfinite(values)]
    share = str(ds[estimate_name(ds, output)].attrs.get("units", "1")) == "1"
    if finite.size == 0 or (share and finite.min() >= 0 and finite.max() <= 1):
        return Normalize(0.0, 1.0)
    return Normalize(float(finite.min()), float(finite.max()))


def colour_map(ds: xr.Dataset, output: str) -> str:
    """Return the name of the colour map of an output."""
    if output in LOSSES:
        return LOSS_MAP if is_binary(ds, output) else LOSS_VALUE_MAP
    return PROBABILITY_MAP if is_binary(ds, output) else VALUE_MAP


def add_colour_bar(
    figure: Figure, ax: Axes, drawn: ScalarMappable, ds: xr.Dataset, output: str
) -> None:
    """Add a colour bar beside `ax` with the label and unit of `output`."""
    bar = figure.colorbar(drawn, ax=ax, pad=0.02, fraction=0.06)
    bar.set_label(output_label(ds, output), fontsize=LABEL_SIZE)
    bar.ax.tick_params(labelsize=SMALL_SIZE)
    bar.outline.set_linewidth(0.6)
