"""Formulas of a step of `multiparty`, and of its outputs; its record is in `multiparty.py`.

Symbols and numbers in comments are those of the model's page, `docs/models/multiparty.md`. A step
is two visits of every member: one for all that depends on the state at its beginning, one for what
depends on the joint value and on who leaves; a third, in steps in which somebody leaves, for the
trust of those who stay.
"""

from __future__ import annotations

import math

from fastalliance.kernels import clip01, exp, fma, normals, pow, uniforms
from fastalliance.library import exit_formulas
from fastalliance.library.multiparty_records import (
    CENTRAL,
    EXITED,
    MEMBER,
    Beginning,
    Course,
    Decision,
    Entry,
    IndustryWave,
    Move,
    Noise,
    Prominence,
    Record,
    Totals,
    Trust,
    View,
    Wave,
)
from fastalliance.library.trust_formulas import (
    appropriated,
    attention,
    engaged,
    kept_open,
    learning,
    opened,
    private_benefit,
    relaxed,
    shaken,
)

_NOISE, _ENTRY = 5, 6  # purposes of draws
_TIE = 1e-12  # a pressure this near below the threshold has reached it
_NOBODY = 1e-9  # a prominence up to this is nobody's


def totals(m, g, s, p, at):
    """Return what a slot adds to the sums of the next step (1)."""
    member = m.status == MEMBER
    capability = m.capability if member else 0.0
    enters_now = m.born == at.step + 1.0
    is_central = m.centrality >= CENTRAL
    return Totals(
        members=1.0 if member else 0.0,
        capability=capability,
        power=m.power if member else 0.0,
        contribution=capability * (m.engagement * m.openness),
        engagement=capability * m.engagement,
        openness=capability * m.openness,
        active=m.weight if member else 0.0,
        gone=m.weight if m.status == EXITED else 0.0,
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
    member = m.status == MEMBER
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
    is_central = m.centrality >= CENTRAL
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
        status=EXITED if leaves else m.status,
        benefit=m.benefit + fma(m.claim, s.benefit_scale, p.benefit_cost),
        leaving=0.0,
        first_left=at.step + 1.0 if first_leaves else m.first_left,
    )


def view(m, g, s, p, at):
    """Return what a member adds to the alliance as it is recorded."""
    member = m.status == MEMBER
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
    member = m.status == MEMBER
    return (
        m.trust if member else math.nan,
        m.engagement if member else math.nan,
        m.openness if member else math.nan,
        m.benefit if member else math.nan,
    )
