"""Fans: one state of many replicates over time, as lines or as median and quantile bands."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from fastalliance.plotting.figure import BLUE, ORANGE
from fastalliance.plotting.schema import FloatArray

# More lines than this are a blot; quantile bands say more.
MAX_LINES = 50
# Of a pair of partners' states, or ("") of a state that is no one's. The second one is dashed, so
# that the first shows below it where both are equal.
COLOURS = {"": BLUE, "a": BLUE, "b": ORANGE}
STYLES: dict[str, Any] = {"": "-", "a": "-", "b": (0, (4, 2))}
BANDS = ((0.05, 0.95), (0.25, 0.75))


def draw_fan(
    ax: Axes,
    time: FloatArray,
    values: FloatArray,
    colour: str,
    style: Any,
    *,
    bands: bool,
    stepped: bool = False,
) -> None:
    """Draw the rows of `values` (replicate, time) as lines, or as median and bands.

    What is `stepped` keeps its value up to the next time.
    """
    n_replicates = values.shape[0]
    step: Literal["post"] | None = "post" if stepped else None
    if bands and n_replicates:
        for levels in BANDS:
            low, high = quantiles(values, levels)
            ax.fill_between(time, low, high, step=step, color=colour, alpha=0.2, linewidth=0)
        draw_single(ax, time, quantiles(values, (0.5,))[0], colour, style, stepped=stepped)
    elif n_replicates:
        alpha = min(max(6 / n_replicates, 0.3), 0.8)
        ax.plot(time, values.T, color=colour, lw=0.8, alpha=alpha, ds=_drawstyle(stepped))


def draw_single(
    ax: Axes,
    time: FloatArray,
    values: FloatArray,
    colour: str,
    style: Any,
    *,
    stepped: bool = False,
) -> None:
    """Draw the only replicate, or what stands for all of them."""
    ax.plot(time, values, color=colour, lw=1.8, ls=style, ds=_drawstyle(stepped))


def _drawstyle(stepped: bool) -> Literal["steps-post", "default"]:
    return "steps-post" if stepped else "default"


def quantiles(values: FloatArray, levels: tuple[float, ...]) -> FloatArray:
    """Return quantiles over the replicates that are finite; NaN at times where none is."""
    result = np.full((len(levels), values.shape[1]), np.nan)
    known = np.isfinite(values).any(axis=0)
    result[:, known] = np.nanquantile(values[:, known], levels, axis=0)
    return result


def fan_handles(colour: str) -> list[Artist]:
    """Return the legend's entries for median and bands."""
    handles: list[Artist] = [Line2D([], [], color=colour, lw=1.8, label="median")]
    for (low, high), alpha in zip(BANDS, (0.2, 0.4), strict=True):
        text = f"{100 * low:g} to {100 * high:g} % of replicates"
        handles.append(Patch(facecolor=colour, alpha=alpha, label=text))
    return handles
