"""Formulas of exits that `exit_cascade` and `multiparty` share.

Our formalisation of the findings of R. Gerges-Yammine and A. L. J. Ter Wal, with the threshold rule
of Granovetter (1978) and Watts (2002) and the discrete-time complementary log-log hazard; see
`docs/models/exit_cascade.md`. `p` holds constants of a replicate.
"""

from __future__ import annotations

import math
from typing import Any

from fastalliance.kernels import exp, fma, log, pow


def central(u, p):
    """Return a drawn centrality, u^skew: few members are central."""
    return pow(u, p.centrality_skew)


def prominence(centrality, p):
    """Return the weight of a member's exit in the eyes of others."""
    return 1.0 + p.prominence_weight * centrality


def threshold(z, p):
    """Return a drawn exit threshold."""
    return p.threshold_mean + p.threshold_sd * z


def clock(u):
    """Return the cumulative hazard at which a member leaves."""
    return -log(u)


def shielding(centrality, p):
    """Return the share of peer pressure that reaches a member: central ones are shielded."""
    return 1.0 - p.immunity * centrality


def cumulated(hazard, felt, p):
    """Return the cumulative hazard after a step under pressure, a complementary log-log hazard."""
    return fma(p.hazard, exp(p.imitation * felt), hazard)


def leaves(felt, reached, cumulative, due, p):
    """Say whether pressure has reached its threshold, or the hazard its clock."""
    # without a hazard 0 times an overflowing exponential is no number
    struck = (p.hazard > 0.0) & (cumulative >= due)
    return struck | (felt >= reached)


def seed_score(centrality, key, p):
    """Return what puts a member among the first to leave, from central to random to peripheral."""
    return p.seed_rule * centrality + (1.0 - abs(p.seed_rule)) * key


def unprompted_share(p: Any) -> float:
    """Return the share of members whose threshold is 0 or less."""
    if math.isinf(p.threshold_mean):
        return 0.0
    if p.threshold_sd == 0.0:
        return 1.0 if p.threshold_mean <= 0.0 else 0.0
    return 0.5 * math.erfc(p.threshold_mean / (p.threshold_sd * math.sqrt(2.0)))


UNPROMPTED = (
    "more than 1 % of the members have a threshold <= 0 and leave in the first step, unprompted; "
    "threshold_mean should be well above 0"
)
