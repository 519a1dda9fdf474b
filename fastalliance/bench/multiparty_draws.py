"""What is drawn for the first firms of `multiparty`, for baselines that take it as given."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Draws(NamedTuple):
    """What is drawn of the firm in each slot (instance, slot) at t = 0.

    Attributes
    ----------
    capability : float64
        pi of each firm.
    centrality : float64
        beta of each firm.
    threshold : float64
        theta of each firm.
    hazard_limit : float64
        Unit exponential that the cumulative hazard has to reach.
    trust : float64
        Initial trust, 0..1.
    seed_key : float64
        Uniform by which random seeds are chosen.
    """

    capability: Floats
    centrality: Floats
    threshold: Floats
    hazard_limit: Floats
    trust: Floats
    seed_key: Floats
