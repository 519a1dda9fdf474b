"""The two fates of replicates, whose common fan would show what happens to none of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fastalliance.plotting.figure import BLUE, ORANGE
from fastalliance.plotting.paths import REPLICATE
from fastalliance.plotting.schema import as_array

if TYPE_CHECKING:
    import xarray as xr

# Of 0/1 outputs: the name of 0, and of 1.
_NAMES = {"collapsed": ("survived", "collapsed"), "success": ("failed", "succeeded")}
_COLOURS = {"survived": BLUE, "collapsed": ORANGE, "failed": ORANGE, "succeeded": BLUE}


@dataclass(frozen=True)
class Fate:
    """Replicates that ended alike.

    Attributes
    ----------
    name, colour : str
    those : booleans of shape (replicates,)
        Of recorded ones.
    share : float
        Of the recorded replicates whose end is known; NaN if there are none.
    """

    name: str
    colour: str
    those: npt.NDArray[np.bool_]
    share: float

    @property
    def text(self) -> str:
        """Name and share."""
        if np.isnan(self.share):
            return self.name
        return f"{self.name}: {_percent(self.share)}"


def fate_output(ds: xr.Dataset) -> str | None:
    """Return the 0/1 output that tells the fate of each replicate, if the result holds one."""
    held = {str(name) for name, variable in ds.data_vars.items() if REPLICATE in variable.dims}
    return next((name for name in _NAMES if name in held), None)


def fates(ds: xr.Dataset, recorded: npt.NDArray[np.bool_]) -> list[Fate]:
    """Return the fates at a point of the design, the better one first; none that are not told.

    `recorded` tells of which replicates there are trajectories: shares of others would contradict
    what is drawn.
    """
    output = fate_output(ds)
    if output is None:
        return []
    ends = np.atleast_1d(as_array(ds[output]))
    n_known = np.count_nonzero(recorded & np.isfinite(ends))
    found = []
    for value, name in enumerate(_NAMES[output]):
        those = recorded & (ends == value)
        share = float(those.sum() / n_known) if n_known else float("nan")
        found.append(Fate(name, _COLOURS[name], those, share))
    return sorted(found, key=lambda fate: fate.colour != BLUE)


def _percent(share: float) -> str:
    """Return a share in per cent; only none and all are 0 and 100."""
    percent = 100 * share
    if 0 < percent < 1:
        return "< 1 %"
    if 99 < percent < 100:
        return "> 99 %"
    return f"{percent:.0f} %"
