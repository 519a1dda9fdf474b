"""What is known exactly of `multiparty`: reductions to the dyad, and laws of special cases.

Laws of exits that the alliance has in common with `exit_cascade` are those of `cascade_theory`.
Nothing here knows the formulas of `multiparty`, nor its twin.
"""

from __future__ import annotations

import dataclasses
import math
import warnings

import numpy as np
from scipy.special import ndtr

import fastalliance as fa
from fastalliance.kernels import uniforms
from fastalliance.library.dyad_formulas import Draws
from tests.exact.multiparty_cells import Found

# --- Settings in which parts of the model are switched off ----------------------------------------

NO_EXIT = {"base_hazard": 0.0, "threshold_mean": math.inf, "threshold_sd": 0.0}
PLAIN = {"capability_sd": 0.0, "centrality_premium": 0.0, "membership_cost": 0.0}
QUIET = {"threshold_mean": 99.0, "payoff_weight": 0.0, "exit_shock": 0.0, "trust_noise": 0.0}
ALIKE = {"prominence_weight": 0.0, "immunity": 0.0}
FROZEN = {"trust_gain": 0.0, "trust_loss": 0.0, "trust_noise": 0.0}
THRESHOLDS_ALONE = {"payoff_weight": 0.0, "exit_shock": 0.0, "base_hazard": 0.0, "trust_noise": 0.0}

STATES = ("trust", "engagement", "openness", "benefit")

# --- Two members are a dyad -----------------------------------------------------------------------

_NOISE = 5  # purpose of the noise in `multiparty`; 0 in `dyad`


def draw_under_tag_5(p, stream, k):
    """Return the uniforms of the dyad's noise under the other model's address."""
    noise0, noise1 = 0.5, 0.5
    if p.noise_scale > 0.0:
        noise0, noise1 = uniforms(stream, _NOISE, k, 0)
    return Draws(noise0, noise1, 1.0, 1.0)


DYAD = dataclasses.replace(fa.model("dyad"), name="dyad_under_tag_5", draw=draw_under_tag_5)

# --- Laws -----------------------------------------------------------------------------------------


def mean_field_exits(
    seeds: float,
    *,
    mean: float,
    sd: float,
    prominence_weight: float,
    immunity: float,
    skew: float,
    uncertainty: float = 1.0,
) -> float:
    """Return the share that leaves an infinite alliance of one industry after random seeds (X6).

    y = s0 + (1 - s0) E[m/E m Phi((U (1 - iota beta) y - mu)/s)] is the prominence that left, from
    s0 up to rest; beta = u^kappa and m = 1 + w beta. 20,000 midpoints of u are good to
    1e-10.
    """
    centrality = ((np.arange(20_000) + 0.5) / 20_000) ** skew
    weight = 1.0 + prominence_weight * centrality
    weight /= weight.mean()

    def leave(gone: float) -> np.ndarray:
        return ndtr((uncertainty * (1.0 - immunity * centrality) * gone - mean) / sd)

    gone, before = seeds, -1.0
    while gone - before > 1e-15:
        gone, before = seeds + (1.0 - seeds) * float((weight * leave(gone)).mean()), gone
    return seeds + (1.0 - seeds) * float(leave(gone).mean())


def logistic(x: float, midpoint: float, steepness: float) -> float:
    """Return L(x)."""
    return 1.0 / (1.0 + math.exp(-steepness * (x - midpoint)))


def two_state_membership(start: float, exit_step: float, entry_step: float, steps: int) -> float:
    """Return the expected share of filled slots, each of which fills and empties by chance (X10).

    `exit_step` and `entry_step` are the probabilities of a step; f* = p/(p + q) is approached by
    the factor 1 - p - q a step.
    """
    rest = entry_step / (entry_step + exit_step)
    return rest + (start - rest) * (1.0 - exit_step - entry_step) ** steps


# --- Mean field -----------------------------------------------------------------------------------

CASCADE = {"mean": 0.5, "sd": 0.25, "prominence_weight": 5.0, "immunity": 0.8, "skew": 4.0}


def cascade_exits(slots: int, runs: int, seed: int) -> Found:
    """Return the share that leaves alliances of one industry after 24 of 256 random seeds (X6)."""
    with warnings.catch_warnings():  # some thresholds are meant to lie below 0
        warnings.filterwarnings("ignore", ".* have a threshold <= 0")
        found = fa.simulate(
            "multiparty",
            parameters=THRESHOLDS_ALONE
            | {
                "threshold_mean": CASCADE["mean"],
                "threshold_sd": CASCADE["sd"],
                "prominence_weight": CASCADE["prominence_weight"],
                "immunity": CASCADE["immunity"],
                "centrality_skew": CASCADE["skew"],
                "seed_exits": 24 * slots // 256,
                "seed_rule": 0.0,
                "seed_time": 0.0,
            },
            structure={"slots": slots, "industries": 1},
            replicates=runs,
            seed=seed,
            horizon=20.0,  # 80 waves; in a thousand runs none needed twenty
        )
    share = found["exit_share"].values
    return Found(float(share.mean()), float(share.std(ddof=1)) / math.sqrt(runs))


def extrapolated(*, runs: int, seed: int) -> Found:
    """Return 2 X_512 - X_256, whose bias is of the order 1/N^2, from alliances of their own."""
    large, small = cascade_exits(512, runs, seed), cascade_exits(256, runs, seed + 1)
    return Found(2.0 * large.mean - small.mean, math.hypot(2.0 * large.error, small.error))
