"""Empty figures, the colours they share, and saving them."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from fastalliance.errors import ConfigError, FastAllianceError

SUFFIXES = (".png", ".svg", ".pdf")
DPI = 200

# Okabe and Ito's palette: told apart under every common colour blindness.
BLUE = "#0072B2"
ORANGE = "#D55E00"
GREY = "0.45"
# Without the yellow, which a thin line on white does not show.
DISTINCT = (BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
WARNING = "#8C2D04"

LABEL_SIZE = 10.5
SMALL_SIZE = 9
TITLE_SIZE = 11.5

_HATCH: dict[str, Any] = {
    "facecolor": "0.92",
    "edgecolor": "0.68",
    "hatch": "////",
    "linewidth": 0.0,
}


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of `width` x `height` inches with its own canvas."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def tidy(ax: Axes) -> None:
    """Give `ax` the common look: light grid below the data, no top and right spine."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(True, color="0.9", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=SMALL_SIZE)


def hatch_background(ax: Axes) -> None:
    """Hatch the whole background of `ax`, so that it shows wherever nothing is drawn."""
    ax.add_patch(Rectangle((0, 0), 1, 1, transform=ax.transAxes, zorder=0, **_HATCH))


def hatch_span(ax: Axes, left: float, right: float) -> None:
    """Hatch the background of `ax` between two positions of its horizontal axis."""
    ax.axvspan(left, right, zorder=0, **_HATCH)


def hatch_handle(label: str) -> Patch:
    """Return the legend's entry for hatched places."""
    return Patch(label=label, **_HATCH)


def legend_below(ax: Axes, handles: Sequence[Artist], n_columns: int) -> None:
    """Put the legend under the horizontal axis, where it cannot cover data."""
    ax.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.17),
        ncols=n_columns,
        frameon=False,
        fontsize=SMALL_SIZE,
    )


def check_path(path: str | os.PathLike[str]) -> Path:
    """Return `path` if a figure can be written under that name.

    Raises
    ------
    ConfigError
        The suffix is none of `SUFFIXES`, or something other than a file has that name.
    """
    target = Path(path)
    if target.suffix.lower() not in SUFFIXES:
        got = f"{target.suffix!r} in {str(target)!r}" if target.suffix else repr(str(target))
        raise ConfigError(f"a plot's file name must end in {', '.join(SUFFIXES)}, got {got}")
    if target.exists() and not target.is_file():
        raise ConfigError(f"a plot cannot be written to {str(target)!r}: it is not a file")
    return target


def save(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Write a figure to `path` in the format that its suffix names, and return the path.

    Missing parent directories are created. The file appears whole or not at all: it is written
    under a temporary name beside it and renamed. An existing plot of that name is replaced.

    Parameters
    ----------
    figure : Figure
        What to write.
    path : str or path
        Ends in ``.png``, ``.svg`` or ``.pdf``.

    Raises
    ------
    ConfigError
        The suffix is another one, or something other than a file has that name.
    FastAllianceError
        The file cannot be written.
    """
    target = check_path(path)
    real = target.resolve()
    temporary = real.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as stream:
            figure.savefig(stream, format=target.suffix.lower().removeprefix("."), dpi=DPI)
        os.replace(temporary, real)
    except OSError as error:
        raise FastAllianceError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return target
