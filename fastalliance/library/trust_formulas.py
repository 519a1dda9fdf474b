"""Formulas of trust, engagement and openness that `dyad` and `multiparty` share.

Our formalisation of the constructs of F. Kapmeier and J. Struben; see `docs/models/dyad.md`. A
partner's rules are the same whether the other side is one partner or the mean of all other
members. `p` holds constants of a replicate under the names that `responses` lists.
"""

from __future__ import annotations

from typing import NamedTuple

from fastalliance.kernels import fma, logistic_base2, logistic_base2_bounded

LOG2_E = 1.4426950408889634


class Responses(NamedTuple):
    """Constants of the responses to trust; exponents are of 2."""

    openness_offset: float
    openness_slope: float
    engagement_offset: float
    engagement_trust_slope: float
    engagement_benefit_slope: float


def responses(p):
    """Return the constants of a partner's responses, from the parameters."""
    openness_scale = LOG2_E * p.openness_steepness
    engagement_scale = LOG2_E * p.engagement_steepness
    return Responses(
        openness_offset=openness_scale * p.openness_midpoint,
        openness_slope=-openness_scale,
        engagement_offset=engagement_scale * p.engagement_midpoint,
        engagement_trust_slope=-engagement_scale * p.trust_weight,
        engagement_benefit_slope=-engagement_scale * (1.0 - p.trust_weight),
    )


def appropriated(emphasis, engagement, openness):
    """Return what a partner takes of another's openness, p_i E_i O_j."""
    return emphasis * engagement * openness


def private_benefit(taken, harm, p):
    """Return the gain from one's own appropriation less the harm of the other's."""
    return fma(p.private_gain, taken, -harm)


def attention(interaction, p):
    """Return how much is learnt of the evidence, eps + (1 - eps) I."""
    return fma(1.0 - p.base_attention, interaction, p.base_attention)


def learning(gap, attentive, p):
    """Return the share of the evidence gap that a step closes, larger downwards than upwards."""
    return (p.gain_step if gap > 0.0 else p.loss_step) * attentive


def shaken(trust, change, z, p):
    """Return a change of trust with noise, which is scaled by T (1 - T)."""
    return fma(p.noise_scale * trust * (1.0 - trust), z, change)


def engaged(trust, benefit, p):
    """Return the engagement that trust and benefit call for, L(w T + (1 - w) B; mE, sE)."""
    return logistic_base2(
        fma(
            p.engagement_trust_slope,
            trust,
            fma(p.engagement_benefit_slope, benefit, p.engagement_offset),
        )
    )


def opened(trust, p):
    """Return the openness that trust calls for, L(T; mO, sO)."""
    # at most 50 log2(e): trust and midpoint lie in 0..1, the steepness in 0..50
    return logistic_base2_bounded(fma(p.openness_slope, trust, p.openness_offset))


def kept_open(openness, emphasis, p):
    """Return openness less what is withheld under a private emphasis."""
    return openness * fma(-p.private_withholding, emphasis, 1.0)


def relaxed(value, target, rate):
    """Return a value that has moved towards its target by the share `rate`."""
    return fma(rate, target - value, value)
