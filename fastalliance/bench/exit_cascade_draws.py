"""What is drawn for an instance of `exit_cascade`, for baselines that take it as given."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Draws(NamedTuple):
    """Draws (instance, member).

    Attributes
    ----------
    centrality : float64
        b of each member.
    threshold : float64
        theta of each member.
    hazard_limit : float64
        Unit exponential that the cumulative hazard has to reach.
    seed_key : float64
        Uniform by which random seeds are chosen.
    """

    centrality: Floats
    threshold: Floats
    hazard_limit: Floats
    seed_key: Floats
