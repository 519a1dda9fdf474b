"""Figures from results: an xarray Dataset in, a matplotlib Figure out.

Figures are built on matplotlib's object interface, without pyplot and without its global state:
nothing needs a display, and threads may draw at the same time.
"""

from fastalliance.plotting.figure import SUFFIXES, save
from fastalliance.plotting.study import plot_study
from fastalliance.plotting.trajectories import plot_trajectories

__all__ = ["SUFFIXES", "plot_study", "plot_trajectories", "save"]
