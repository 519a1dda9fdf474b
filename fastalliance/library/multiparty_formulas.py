"""The formulas of `multiparty`; its record and its source are in `multiparty.py`.

Symbols and numbers in comments are those of the model's page, `docs/models/multiparty.md`. A step
is two visits of every member: one for all that depends on the state at its beginning, one for what
depends on the joint value and on who leaves; a third, in steps in which somebody leaves, for the
trust of those who stay.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from fastalliance.kernels import clip01, exp, fma, normals, pow, uniforms
from fastalliance.library import exit_formulas
from fastalliance.library.trust_formulas import (
    appropriated,
    attention,
    engaged,
    kept_open,
    learning,
    opened,
    private_benefit,
    relaxed,
    responses,
    shaken,
)

_FIRM, _CLOCK, _TRUST, _SEED, _NOISE, _ENTRY = 1, 2, 3, 4, 5, 6  # purposes of draws
_VACANT, _MEMBER, _EXITED = 0.0, 1.0, 2.0  # status of a slot
_TIE = 1e-12  # a pressure this near below the threshold has reached it
_NOBODY = 1e-9  # a prominence up to this is nobody's
_CENTRAL = 0.5  # centrality from which a firm counts as central


class Constants(NamedTuple):
    """Constants of an alliance, computed once."""

    slots: float
    initial_members: float
    capability_sd: float
    centrality_skew: float
    prominence_weight: float
    initial_trust: float
    initial_trust_sd: float
    initial_engagement: float
    initial_benefit: float
    openness_offset: float
    openness_slope: float
    openness_rate: float
    engagement_offset: float
    engagement_trust_slope: float
    engagement_benefit_slope: float
    engagement_rate: float
    benefit_rate: float
    benefit_cost: float  # of a step, in units of benefit
    benefit_unit: float  # benefit of a step per unit of sigma rho
    gain_step: float
    loss_step: float
    base_attention: float
    noise_scale: float
    private_orientation: float
    private_withholding: float
    private_gain: float
    private_harm: float
    best_synergy: float  # nu (1 - p)
    participation_returns: float
    membership_cost: float
    bargaining: float
    centrality_premium: float
    uncertainty: float
    immunity: float
    industry_weight: float
    alliance_weight: float
    shortfall_weight: float  # pressure per unit of negative benefit
    threshold_mean: float
    threshold_sd: float
    hazard: float  # of a step, without pressure
    imitation: float
    exit_shock: float
    seed_exits: float
    seed_rule: float
    seed_industry: float
    seed_step: float
    entry_hazard: float  # of a step, per unit of net surplus
    dt: float


class Member(NamedTuple):
    """One slot: the firm in it, and where it stands."""

    status: float
    trust: float
    engagement: float
    openness: float
    benefit: float  # between a step's visits without its share of the joint value
    hazard: float  # cumulative
    leaving: float
    joint: float  # pi sqrt(C M), what the member adds to the joint value
    capability: float
    power: float
    claim: float  # power / capability
    centrality: float
    weight: float  # of its exit in the eyes of others
    exposure: float  # pressure per unit of peers' exits
    threshold: float
    clock: float  # cumulative hazard at which it leaves
    born: float  # number of the step before which it became a member
    seed_key: float
    seeded: float
    first_born: float  # of the slot's first firm, in steps; -1 where there is none
    first_left: float
    first_centrality: float
    first_capability: float


class Industry(NamedTuple):
    """What an industry's firms add up to."""

    active: float  # prominence of members
    gone: float  # prominence of the slots that were left
    wave: float  # prominence of those who leave in this step


class State(NamedTuple):
    """The alliance: sums over its members, and what it has come to."""

    members: float
    capability: float
    power: float
    contribution: float  # this and the next two weighted by capability
    engagement: float
    openness: float
    active: float
    gone: float
    peak: float
    collapse: float  # in steps, -1 where there was none
    benefit_scale: float
    entry_probability: float
    leavers: float
    wave: float
    largest_wave: float
    entries: float
    central_exits: float
    central_members: float
    peripheral_exits: float
    peripheral_members: float
    accumulated: float  # (sigma - 1) W dt
    membership: float  # these five are known at records and at the horizon
    trust: float
    synergy: float
    surplus: float
    time: float


class Firm(NamedTuple):
    """What a firm has when it becomes a member."""

    status: float
    trust: float
    engagement: float
    openness: float
    benefit: float
    hazard: float
    leaving: float
    capability: float
    power: float
    claim: float
    centrality: float
    weight: float
    exposure: float
    threshold: float
    clock: float
    born: float
    first_born: float
    first_left: float
    first_centrality: float
    first_capability: float


class Key(NamedTuple):
    """What orders slots at random when the first to leave are chosen."""

    seed_key: float


class Noise(NamedTuple):
    """A member's random number of a step."""

    z: float


class Entry(NamedTuple):
    """A vacant slot's random number of a step."""

    u: float


class Decision(NamedTuple):
    """What the state at a step's beginning makes of a member."""

    trust: float
    engagement: float
    openness: float
    benefit: float
    hazard: float
    leaving: float
    joint: float


class Trust(NamedTuple):
    """The trust of a member."""

    trust: float


class Move(NamedTuple):
    """What a step's end changes of a slot."""

    status: float
    benefit: float
    leaving: float
    first_left: float


class Totals(NamedTuple):
    """What a slot adds to the sums at the beginning of a step."""

    members: float
    capability: float
    power: float
    contribution: float
    engagement: float
    openness: float
    active: float
    gone: float
    central: float  # a firm of centrality 1/2 or more that has just become a member
    peripheral: float  # another one


class Wave(NamedTuple):
    """What a member adds to the joint value and to the exits of a step."""

    joint: float
    weight: float
    central: float
    peripheral: float


class View(NamedTuple):
    """What a member adds to the alliance as it is recorded."""

    joint: float
    trust: float


class Prominence(NamedTuple):
    """Prominence in an industry: of members, and of slots that were left."""

    active: float
    gone: float


class IndustryWave(NamedTuple):
    """Prominence of those who leave an industry in a step."""

    wave: float


class Beginning(NamedTuple):
    """The alliance at the beginning of a step."""

    members: float
    capability: float
    power: float
    contribution: float
    engagement: float
    openness: float
    active: float
    gone: float
    peak: float
    collapse: float
    entries: float
    central_members: float
    peripheral_members: float


class Course(NamedTuple):
    """What a step makes of the alliance."""

    accumulated: float
    benefit_scale: float
    entry_probability: float
    leavers: float
    wave: float
    largest_wave: float
    central_exits: float
    peripheral_exits: float


class Record(NamedTuple):
    """The alliance as it is recorded."""

    membership: float
    trust: float
    synergy: float
    surplus: float
    time: float


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
    status = _MEMBER if filled else _VACANT
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
    vacant = m.status != _MEMBER
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
    eligible = m.status == _MEMBER
    if p.seed_industry >= 0.0:
        eligible = eligible & (p.seed_industry == at.industry)
    return exit_formulas.seed_score(m.centrality, m.seed_key, p) if eligible else -math.inf


def totals(m, g, s, p, at):
    """Return what a slot adds to the sums of the next step (1)."""
    member = m.status == _MEMBER
    capability = m.capability if member else 0.0
    enters_now = m.born == at.step + 1.0
    is_central = m.centrality >= _CENTRAL
    return Totals(
        members=1.0 if member else 0.0,
        capability=capability,
        power=m.power if member else 0.0,
        contribution=capability * (m.engagement * m.openness),
        engagement=capability * m.engagement,
        openness=capability * m.openness,
        active=m.weight if member else 0.0,
        gone=m.weight if m.status == _EXITED else 0.0,
        central=1.0 if enters_now & is_central else 0.0,
        peripheral=0.0 if is_central else 1.0 if enters_now else 0.0,
    )


def industry_totals(g, sums, s, p, at):
    """Return the prominence in an industry."""
    return Prominence(sums.active, sums.gone)


def alliance_totals(s, sums, p, at):
    """Take in the sums of the next step; note the peak, and a first collapse."""
    peak = max(s.peak, sums.members)
    collapsed = 2.0 * sums.members < peak
    entered = sums.central + sums.peripheral if at.step >= 0 else 0.0
    return Beginning(
        members=sums.members,
        capability=sums.capability,
        power=sums.power,
        contribution=sums.contribution,
        engagement=sums.engagement,
        openness=sums.openness,
        active=sums.active,
        gone=sums.gone,
        peak=peak,
        collapse=at.step + 1.0 if collapsed and s.collapse < 0.0 else s.collapse,
        entries=s.entries + entered,
        central_members=s.central_members + sums.central,
        peripheral_members=s.peripheral_members + sums.peripheral,
    )


def _mean(total, own, share):
    """Return the mean of all others (2), where `share` is 1 / (W - pi)."""
    difference = total - own
    return difference * share if difference > 0.0 else 0.0


def _joint_value(joint, s):
    """Return the joint value V (3)."""
    return joint / s.capability if s.members > 0.0 else 0.0


def _synergy(value, s, p):
    """Return the network effect sigma (4)."""
    effect = p.best_synergy * value * pow(s.members / p.slots, p.participation_returns)
    return 1.0 + effect if s.members > 0.0 else 1.0


def noise(p, stream, at):
    """Draw two members' noise."""
    z0, z1 = 0.0, 0.0
    if p.noise_scale > 0.0:
        z0, z1 = normals(stream, _NOISE, at.step, at.member)
    return Noise(z0), Noise(z1)


def decide(m, g, s, p, random, at):
    """Move trust, engagement and openness, and let a member leave or stay (2, 5 to 7, 9)."""
    member = m.status == _MEMBER
    peers, others = g.gone + g.active - m.weight, s.gone + s.active - m.weight
    # one division for three: 1 / (W - pi), 1 / D_I and 1 / D_A
    rest = s.capability - m.capability if member & (s.members > 1.0) else 1.0
    some_peers = peers if peers > _NOBODY else 1.0
    some_others = others if others > _NOBODY else 1.0
    reciprocal = 1.0 / (rest * some_peers * some_others)
    share = some_peers * some_others * reciprocal if s.members > 1.0 else 0.0
    gone_peers = g.gone * (rest * some_others * reciprocal) if peers > _NOBODY else 0.0
    gone_others = s.gone * (rest * some_peers * reciprocal) if others > _NOBODY else 0.0

    contribution = m.engagement * m.openness
    evidence = _mean(s.contribution, m.capability * contribution, share)
    engagement = _mean(s.engagement, m.capability * m.engagement, share)
    openness = _mean(s.openness, m.capability * m.openness, share)

    taken = appropriated(p.private_orientation, m.engagement, openness)
    harm = p.private_harm * appropriated(p.private_orientation, engagement, m.openness)
    gap = evidence - harm - m.trust
    attentive = attention(math.sqrt(m.engagement * engagement), p)
    change = learning(gap, attentive, p) * gap
    if p.noise_scale > 0.0:
        change = shaken(m.trust, change, random.z, p)

    pull = fma(p.industry_weight, gone_peers, p.alliance_weight * gone_others)
    shortfall = p.shortfall_weight * (-m.benefit if m.benefit < 0.0 else 0.0)
    felt = fma(m.exposure, pull, shortfall)
    grown = exit_formulas.cumulated(m.hazard, felt, p) if p.hazard > 0.0 else m.hazard
    leaves = exit_formulas.leaves(felt, m.threshold - _TIE, grown, m.clock, p)
    sent_away = (m.seeded > 0.0) & (at.step == p.seed_step)
    opening = kept_open(opened(m.trust, p), p.private_orientation, p)
    return Decision(
        trust=clip01(m.trust + change),
        engagement=relaxed(m.engagement, engaged(m.trust, m.benefit, p), p.engagement_rate),
        openness=relaxed(m.openness, opening, p.openness_rate),
        benefit=relaxed(m.benefit, private_benefit(taken, harm, p), p.benefit_rate),
        hazard=grown,
        leaving=1.0 if member & (leaves | sent_away) else 0.0,
        joint=m.capability * math.sqrt(contribution * evidence) if member else 0.0,
    )


def wave(m, g, s, p, at):
    """Return what a member adds to the joint value and to the exits (3, 8)."""
    leaves = m.leaving > 0.0
    is_central = m.centrality >= _CENTRAL
    return Wave(
        joint=m.joint,
        weight=m.weight if leaves else 0.0,
        central=1.0 if leaves & is_central else 0.0,
        peripheral=0.0 if is_central else 1.0 if leaves else 0.0,
    )


def industry_wave(g, sums, s, p, at):
    """Return the prominence of those who leave an industry (8)."""
    return IndustryWave(sums.weight)


def alliance_wave(s, sums, p, at):
    """Return the network effect and what follows from it (3 to 5, 10), and count the exits."""
    synergy = _synergy(_joint_value(sums.joint, s), s, p)
    surplus = synergy - 1.0
    net = surplus - p.membership_cost
    chance = 1.0 - exp(-p.entry_hazard * (net if net > 0.0 else 0.0))
    leavers = sums.central + sums.peripheral
    scale = p.benefit_unit * synergy * (s.capability / s.power)
    return Course(
        accumulated=fma(surplus * p.dt, s.capability, s.accumulated),
        benefit_scale=scale if s.members > 0.0 else 0.0,
        entry_probability=chance,
        leavers=leavers,
        wave=sums.weight,
        largest_wave=max(s.largest_wave, leavers),
        central_exits=s.central_exits + sums.central,
        peripheral_exits=s.peripheral_exits + sums.peripheral,
    )


def some_leave(s, p, at):
    """Say whether anybody leaves in this step."""
    return s.leavers > 0.0


def shock(m, g, s, p, stream, at):
    """Cut the trust of a member that stays, by the prominence of those who leave (8, 9)."""
    peers, others = g.gone + g.active - m.weight, s.gone + s.active - m.weight
    felt = p.industry_weight * (g.wave / peers) if peers > _NOBODY else 0.0
    felt += p.alliance_weight * (s.wave / others) if others > _NOBODY else 0.0
    return Trust(m.trust * exp(-p.exit_shock * felt))


def uniform_of_entry(p, stream, at):
    """Draw for two slots whether a firm enters."""
    u0, u1 = 1.0, 1.0
    if p.entry_hazard > 0.0:
        u0, u1 = uniforms(stream, _ENTRY, at.step, at.member)
    return Entry(u0), Entry(u1)


def move(m, g, s, p, random, at):
    """Add the share of the joint value to a member's benefit (5, 9), and let leavers go."""
    leaves = m.leaving > 0.0
    first_leaves = leaves & (m.first_left < 0.0)
    return Move(
        status=_EXITED if leaves else m.status,
        benefit=m.benefit + fma(m.claim, s.benefit_scale, p.benefit_cost),
        leaving=0.0,
        first_left=at.step + 1.0 if first_leaves else m.first_left,
    )


def view(m, g, s, p, at):
    """Return what a member adds to the alliance as it is recorded."""
    member = m.status == _MEMBER
    several = member & (s.members > 1.0)
    contribution = m.engagement * m.openness
    share = 1.0 / (s.capability - m.capability) if several else 0.0
    evidence = _mean(s.contribution, m.capability * contribution, share)
    return View(
        joint=m.capability * math.sqrt(contribution * evidence) if member else 0.0,
        trust=m.trust if member else 0.0,
    )


def record(s, sums, p, at):
    """Return the alliance as it is recorded."""
    return Record(
        membership=s.members / p.slots,
        trust=sums.trust / s.members if s.members > 0.0 else 0.0,
        synergy=_synergy(_joint_value(sums.joint, s), s, p),
        surplus=s.accumulated / (at.time * p.slots) if at.time > 0.0 else 0.0,
        time=at.time,
    )


def finished(s):
    """Say whether nothing can change any more: all are gone, and nobody enters without members."""
    return s.members == 0.0


def _share(part, whole):
    return part / whole if whole > 0.0 else 0.0


def outputs(s, p):
    """Return the outputs, in the order of the model's declarations."""
    exits = s.central_exits + s.peripheral_exits
    return (
        s.membership,
        s.peak / p.slots,
        _share(exits, s.central_members + s.peripheral_members),
        s.entries / p.slots,
        s.largest_wave / p.slots,
        1.0 if 2.0 * s.members < s.peak else 0.0,
        s.collapse * p.dt if s.collapse >= 0.0 else s.time,
        s.trust,
        s.synergy,
        s.surplus,
        _share(s.central_exits, s.central_members),
        _share(s.peripheral_exits, s.peripheral_members),
        s.central_exits,
        s.central_members,
        s.peripheral_exits,
        s.peripheral_members,
    )


def member_outputs(m, p):
    """Return when a slot's first firm left and entered, and what it was."""
    some = m.first_born >= 0.0
    return (
        m.first_left * p.dt if m.first_left >= 0.0 else math.nan,
        m.first_born * p.dt if some else math.nan,
        m.first_centrality if some else math.nan,
        m.first_capability if some else math.nan,
    )


def member_paths(m, p):
    """Return the state of a slot's firm, NaN where there is none."""
    member = m.status == _MEMBER
    return (
        m.trust if member else math.nan,
        m.engagement if member else math.nan,
        m.openness if member else math.nan,
        m.benefit if member else math.nan,
    )
