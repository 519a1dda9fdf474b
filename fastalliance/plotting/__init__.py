"""Figures from results: an xarray Dataset in, a matplotlib Figure out.

Figures are built on matplotlib's object interface, without pyplot and without its global state:
nothing needs a display, and threads may draw at the same time. The names below are imported on
first use, so that what reads results only (`plotting.schema`) does not wait for matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastalliance.plotting.figure import SUFFIXES, save
    from fastalliance.plotting.study import plot_study
    from fastalliance.plotting.trajectories import plot_trajectories

_HOME = {
    "SUFFIXES": "figure",
    "plot_study": "study",
    "plot_trajectories": "trajectories",
    "save": "figure",
}

__all__ = ["SUFFIXES", "plot_study", "plot_trajectories", "save"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'fastalliance.plotting' has no attribute {name!r}")
    value = getattr(import_module(f"fastalliance.plotting.{_HOME[name]}"), name)
    globals()[name] = value
    return value
