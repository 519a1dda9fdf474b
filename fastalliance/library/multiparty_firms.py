"""Formulas of `multiparty` for what comes before a step: constants, firms, who is sent away.

Symbols and numbers in comments are those of the model's page, `docs/models/multiparty.md`.
"""

from __future__ import annotations

import math

from fastalliance.kernels import clip01, exp, fma, normals, pow, uniforms
from fastalliance.library import exit_formulas
from fastalliance.library.multiparty_records import (
    MEMBER,
    VACANT,
    Constants,
    Firm,
    Key,
    State,
)
from fastalliance.library.trust_formulas import opened, responses

_FIRM, _CLOCK, _TRUST, _SEED = 1, 2, 3, 4  # purposes of draws


def prepare(p, dt):
    """Return the constants of an alliance."""
    response = responses(p)
    return Constants(
        slots=p.slots,
        initial_members=math.floor(p.initial_share * p.slots + 0.5),
        capability_sd=p.capability_sd,
        centrality_skew=p.centrality_skew,
        prominence_weight=p.prominence_weight,
        initial_trust=p.initial_trust,
        initial_trust_sd=p.initial_trust_sd,
        initial_engagement=p.initial_engagement,
        initial_benefit=p.initial_benefit,
        openness_offset=response.openness_offset,
        openness_slope=response.openness_slope,
        openness_rate=dt / p.openness_time,
        engagement_offset=response.engagement_offset,
        engagement_trust_slope=response.engagement_trust_slope,
        engagement_benefit_slope=response.engagement_benefit_slope,
        engagement_rate=dt / p.engagement_time,
        benefit_rate=dt / p.benefit_time,
        benefit_cost=-(dt / p.benefit_time) * (1.0 + p.membership_cost) / p.network_effect,
        benefit_unit=dt / p.benefit_time / p.network_effect,
        gain_step=p.trust_gain * dt,
        loss_step=p.trust_loss * dt,
        base_attention=p.base_attention,
        noise_scale=p.trust_noise * math.sqrt(dt),
        private_orientation=p.private_orientation,
        private_withholding=p.private_withholding,
        private_gain=p.private_gain,
        private_harm=p.private_harm,
        best_synergy=p.network_effect * (1.0 - p.private_orientation),
        participation_returns=p.participation_returns,
        membership_cost=p.membership_cost,
        bargaining=p.bargaining,
        centrality_premium=p.centrality_premium,
        uncertainty=p.uncertainty,
        immunity=p.immunity,
        industry_weight=p.industry_weight,
        alliance_weight=p.alliance_weight,
        shortfall_weight=p.payoff_weight * p.network_effect,
        threshold_mean=p.threshold_mean,
        threshold_sd=p.threshold_sd,
        hazard=p.base_hazard * dt,
        imitation=p.imitation,
        exit_shock=p.exit_shock,
        seed_exits=p.seed_exits,
        seed_rule=p.seed_rule,
        seed_industry=p.seed_industry,
        seed_step=math.floor(p.seed_time / dt + 0.5),
        entry_hazard=p.entry_rate * dt,
        dt=dt,
    )


def init(p, stream):
    """Return the alliance before its firms are known."""
    return State(
        members=0.0,
        capability=0.0,
        power=0.0,
        contribution=0.0,
        engagement=0.0,
        openness=0.0,
        active=0.0,
        gone=0.0,
        peak=0.0,
        collapse=-1.0,
        benefit_scale=0.0,
        entry_probability=0.0,
        leavers=0.0,
        wave=0.0,
        largest_wave=0.0,
        entries=0.0,
        central_exits=0.0,
        central_members=0.0,
        peripheral_exits=0.0,
        peripheral_members=0.0,
        accumulated=0.0,
        membership=0.0,
        trust=0.0,
        synergy=0.0,
        surplus=0.0,
        time=0.0,
    )


def _firm(m, p, stream, at, filled, is_first):
    """Return a firm that becomes a member before the next step where `filled`."""
    step = at.step + 1
    z0, z1 = normals(stream, _FIRM, step, at.member)
    u0, u1 = uniforms(stream, _CLOCK, step, at.member)
    z2, _ = normals(stream, _TRUST, step, at.member)
    capability = exp(fma(p.capability_sd, z0, -0.5 * p.capability_sd * p.capability_sd))
    centrality = exit_formulas.central(u0, p)
    power = pow(capability, p.bargaining) * (1.0 + p.centrality_premium * centrality)
    trust = clip01(fma(p.initial_trust_sd, z2, p.initial_trust))
    status = MEMBER if filled else VACANT
    born = step * 1.0 if filled else -1.0
    # chosen here, not in the call: numba takes no long call with branches in it
    first_born = born if is_first else m.first_born
    first_left = -1.0 if is_first else m.first_left
    first_centrality = centrality if is_first else m.first_centrality
    first_capability = capability if is_first else m.first_capability
    return Firm(
        status=status,
        trust=trust,
        engagement=p.initial_engagement,
        openness=opened(trust, p),
        benefit=p.initial_benefit,
        hazard=0.0,
        leaving=0.0,
        capability=capability,
        power=power,
        claim=power / capability,
        centrality=centrality,
        weight=exit_formulas.prominence(centrality, p),
        exposure=p.uncertainty * exit_formulas.shielding(centrality, p),
        threshold=exit_formulas.threshold(z1, p),
        clock=exit_formulas.clock(u1),
        born=born,
        first_born=first_born,
        first_left=first_left,
        first_centrality=first_centrality,
        first_capability=first_capability,
    )


def found(m, g, s, p, stream, at):
    """Fill the slots of the initial members, evenly interleaved, and leave the others vacant."""
    i = at.member * 1.0
    taken = math.floor((i + 1.0) * p.initial_members / p.slots)
    filled = taken > math.floor(i * p.initial_members / p.slots)
    return _firm(m, p, stream, at, filled, True)


def enters(m, g, s, p, random, at):
    """Say whether a firm enters a vacant slot in this step (10)."""
    vacant = m.status != MEMBER
    return vacant & (random.u < s.entry_probability)


def enter(m, g, s, p, stream, at):
    """Return the firm that enters."""
    return _firm(m, p, stream, at, True, m.first_born < 0.0)


def seeds_come(s, p, at):
    """Say whether members will be forced to leave."""
    return p.seed_exits > 0.0


def seed_key(m, g, s, p, stream, at):
    """Draw what orders slots at random."""
    key, _ = uniforms(stream, _SEED, 0, at.member)
    return Key(key)


def seed_count(s, p, at):
    """Return how many members are forced to leave in this step."""
    return p.seed_exits if at.step == p.seed_step else 0.0


def seed_score(m, g, s, p, at):
    """Return what puts a member among those, minus infinity where it is not eligible."""
    eligible = m.status == MEMBER
    if p.seed_industry >= 0.0:
        eligible = eligible & (p.seed_industry == at.industry)
    return exit_formulas.seed_score(m.centrality, m.seed_key, p) if eligible else -math.inf
