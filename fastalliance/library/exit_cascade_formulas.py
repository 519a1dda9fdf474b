"""The formulas of `exit_cascade`; its record and its source are in `exit_cascade.py`."""

from __future__ import annotations

import math
from typing import NamedTuple

from fastalliance.kernels import exp, fma, normals, uniforms
from fastalliance.library import exit_formulas

_TIE = 1e-9  # a pressure this near below the threshold has reached it
_FIRM, _THRESHOLD, _SEED = 0, 1, 2  # purposes of draws


class Constants(NamedTuple):
    """Constants of an alliance, computed once."""

    members: float
    central_members: float  # how many count as central
    uncertainty: float
    uncertainty_decay: float  # per quarter
    industry_weight: float
    alliance_weight: float
    tie_weight: float
    immunity: float
    centrality_skew: float
    prominence_weight: float
    threshold_mean: float
    threshold_sd: float
    hazard: float  # of a step, without peer pressure
    imitation: float
    kept: float  # share of an exposure that lasts through a step
    seed_exits: float
    seed_rule: float
    collapse_share: float
    dt: float
    given_centralities: float
    given_thresholds: float
    given_network: float


class Member(NamedTuple):
    """One firm: what it is, and where it stands."""

    centrality: float
    threshold: float
    weight: float  # of its exit in the eyes of others
    industry_pull: float  # pressure per unit of uncertainty and of peers' exits
    alliance_pull: float
    clock: float  # cumulative hazard at which it leaves
    hazard: float  # cumulative
    left: float  # number of the step after which it is gone; 0 for seeds, -1 while it is in
    degree: float
    neighbours_left: float
    seed_key: float
    seeded: float
    central: float


class Industry(NamedTuple):
    """What an industry's firms add up to."""

    weight: float
    gone: float  # weight of the members that left


class State(NamedTuple):
    """What is known of the alliance as a whole."""

    weight: float
    gone: float
    uncertainty: float
    exits: float
    first_exit: float  # these three in steps, -1 where there was none
    last_exit: float
    collapse: float
    peak_exits: float
    central_exits: float
    settled: float  # 1 where nothing can change any more


class Birth(NamedTuple):
    """What a firm has from the start."""

    centrality: float
    threshold: float
    weight: float
    clock: float
    seed_key: float
    left: float


class Entry(NamedTuple):
    """What a firm has once all others are known."""

    industry_pull: float
    alliance_pull: float
    left: float


class Decision(NamedTuple):
    """What a step changes of a firm."""

    hazard: float
    left: float
    neighbours_left: float


class Weight(NamedTuple):
    """Prominence, summed over firms."""

    weight: float


class Exits(NamedTuple):
    """Prominence and number of those who leave in a step."""

    weight: float
    number: float


class Number(NamedTuple):
    """A number of firms."""

    number: float


class Gone(NamedTuple):
    """Prominence of those who left."""

    gone: float


class CentralExits(NamedTuple):
    """Exits among the most central firms."""

    central_exits: float


class Counts(NamedTuple):
    """What a step changes of the alliance."""

    gone: float
    uncertainty: float
    exits: float
    first_exit: float
    last_exit: float
    collapse: float
    peak_exits: float
    settled: float


def prepare(p, dt):
    """Return the constants of an alliance."""
    return Constants(
        members=p.members,
        central_members=max(1.0, math.floor(p.members / 10.0)),
        uncertainty=p.uncertainty,
        uncertainty_decay=math.log(2.0) / p.uncertainty_halflife,
        industry_weight=p.industry_weight,
        alliance_weight=p.alliance_weight,
        tie_weight=p.tie_weight,
        immunity=p.immunity,
        centrality_skew=p.centrality_skew,
        prominence_weight=p.prominence_weight,
        threshold_mean=p.threshold_mean,
        threshold_sd=p.threshold_sd,
        hazard=p.base_hazard * dt,
        imitation=p.imitation,
        kept=exp(-dt / p.memory),
        seed_exits=p.seed_exits,
        seed_rule=p.seed_rule,
        collapse_share=p.collapse_share,
        dt=dt,
        given_centralities=p.given_centralities,
        given_thresholds=p.given_thresholds,
        given_network=p.given_network,
    )


def init(p, stream):
    """Return the alliance before its firms are known."""
    return State(0.0, 0.0, p.uncertainty, 0.0, -1.0, -1.0, -1.0, 0.0, 0.0, 0.0)


def birth(m, g, s, p, stream, at):
    """Draw a firm, or take what was given."""
    # all drawn before anything is chosen: branches would not vectorise, and what a literal 0 of a
    # switch leaves unused is dropped by the compiler
    u0, u1 = uniforms(stream, _FIRM, 0, at.member)
    z0, _ = normals(stream, _THRESHOLD, 0, at.member)
    key, _ = uniforms(stream, _SEED, 0, at.member)
    skewed = exit_formulas.central(u0, p)
    centrality = m.centrality if p.given_centralities > 0.0 else skewed
    spread = exit_formulas.threshold(z0, p)
    drawn = spread if p.threshold_sd > 0.0 else p.threshold_mean
    clock = exit_formulas.clock(u1)
    return Birth(
        centrality=centrality,
        threshold=m.threshold if p.given_thresholds > 0.0 else drawn,
        weight=exit_formulas.prominence(centrality, p),
        clock=clock if p.hazard > 0.0 else 0.0,
        seed_key=key if p.seed_exits > 0.0 else 0.0,
        left=-1.0,
    )


def own_weight(m, g, s, p, at):
    """Return a firm's prominence."""
    return Weight(m.weight)


def industry_weight(g, sums, s, p, at):
    """Return the prominence of an industry."""
    return Weight(sums.weight)


def alliance_weight(s, sums, p, at):
    """Return the prominence of the alliance."""
    return Weight(sums.weight)


def seed_score(m, g, s, p, at):
    """Return what puts a firm among the first to leave."""
    return exit_formulas.seed_score(m.centrality, m.seed_key, p)


def seed_count(s, p, at):
    """Return how many have left at the start."""
    return p.seed_exits


def central_score(m, g, s, p, at):
    """Return what puts a firm among the most central."""
    return m.centrality


def central_count(s, p, at):
    """Return how many are the most central."""
    return p.central_members


def enter(m, g, s, p, stream, at):
    """Return a firm's shares in the pressure, from what all others add up to."""
    damping = exit_formulas.shielding(m.centrality, p)
    peers = g.weight - m.weight
    others = s.weight - m.weight
    industry_pull = damping * p.industry_weight / peers
    alliance_pull = damping * p.alliance_weight / others
    return Entry(
        industry_pull=industry_pull if peers != 0.0 else 0.0,
        alliance_pull=alliance_pull if others != 0.0 else 0.0,
        left=0.0 if m.seeded > 0.0 else -1.0,
    )


def pressure(m, g, s, p):
    """Return the peer pressure on a member, from its industry, all members and its neighbours."""
    if p.given_network > 0.0:
        pull = 0.0  # a visit is loads from all over: none of what has no weight
        if p.industry_weight > 0.0 or p.alliance_weight > 0.0:
            pull = fma(g.gone, m.industry_pull, s.gone * m.alliance_pull)
        if p.tie_weight > 0.0 and m.degree > 0.0:
            damping = p.tie_weight
            if p.immunity > 0.0:
                damping = exit_formulas.shielding(m.centrality, p) * p.tie_weight
            pull += damping * (m.neighbours_left / m.degree)
    else:
        pull = fma(g.gone, m.industry_pull, s.gone * m.alliance_pull)
    return s.uncertainty * pull


def decide(m, g, s, p, stream, at):
    """Let a firm leave or stay, from the state at the step's beginning."""
    felt = pressure(m, g, s, p)
    grown = exit_formulas.cumulated(m.hazard, felt, p)
    leaves = (m.left < 0.0) & exit_formulas.leaves(felt, m.threshold - _TIE, grown, m.clock, p)
    now = at.step + 1.0
    return Decision(
        hazard=grown if p.hazard > 0.0 else m.hazard,
        left=now if leaves else m.left,
        neighbours_left=m.neighbours_left * p.kept,
    )


def exits(m, g, s, p, at):
    """Return what a firm adds to the exits of this step."""
    leaves = m.left == at.step + 1.0
    return Exits(m.weight if leaves else 0.0, 1.0 if leaves else 0.0)


def industry_gone(g, sums, s, p, at):
    """Fade an industry's exits and add the new ones."""
    return Gone(g.gone * p.kept + sums.weight)


def alliance_gone(s, sums, p, at):
    """Fade the alliance's exits, add the new ones, and count them."""
    now = at.step + 1.0
    some = sums.number > 0.0
    gone = s.exits + sums.number
    collapsed = gone / p.members >= p.collapse_share
    all_gone = gone == p.members
    # without a hazard, pressure grows by new exits alone
    stuck = p.hazard == 0.0 and at.step >= 0 and not some
    return Counts(
        gone=s.gone * p.kept + sums.weight,
        uncertainty=p.uncertainty * exp(-p.uncertainty_decay * (now * p.dt)),
        exits=gone,
        first_exit=now if some and s.first_exit < 0.0 else s.first_exit,
        last_exit=now if some else s.last_exit,
        collapse=now if collapsed and s.collapse < 0.0 else s.collapse,
        peak_exits=max(s.peak_exits, sums.number) if at.step >= 0 else 0.0,
        settled=1.0 if all_gone or stuck else 0.0,
    )


def finished(s):
    """Say whether nothing can change any more."""
    return s.settled > 0.0


def central_exit(m, g, s, p, at):
    """Return whether one of the most central firms has left."""
    return Number(1.0 if m.central > 0.0 and m.left >= 0.0 else 0.0)


def central_exits(s, sums, p, at):
    """Count the exits among the most central firms."""
    return CentralExits(sums.number)


def local(p):
    """Say whether members react to nothing but their neighbours' new exits."""
    unprompted = p.hazard == 0.0 and p.industry_weight == 0.0 and p.alliance_weight == 0.0
    return unprompted and p.kept == 1.0


def sends(m, at):
    """Say whether a firm's neighbours see it leave in this step."""
    return m.left == at.step + 1.0


def inside(m):
    """Say whether a firm is still a member."""
    return m.left < 0.0


def outputs(s, p):
    """Return the outputs, in the order of the model's declarations."""
    others = p.members - p.seed_exits
    return (
        s.exits,
        s.exits / p.members,
        (s.exits - p.seed_exits) / others if others > 0.0 else 0.0,
        s.last_exit * p.dt if s.last_exit >= 0.0 else math.nan,
        s.first_exit * p.dt if s.first_exit >= 0.0 else math.nan,
        s.peak_exits,
        1.0 if s.collapse >= 0.0 else 0.0,
        s.collapse * p.dt if s.collapse >= 0.0 else math.nan,
        s.central_exits / p.central_members,
    )


def member_outputs(m, p):
    """Return when a firm left, and its centrality."""
    return (m.left * p.dt if m.left >= 0.0 else math.nan, m.centrality)
