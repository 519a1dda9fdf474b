"""The records that the formulas of `multiparty` take and return."""

from __future__ import annotations

from typing import NamedTuple

VACANT, MEMBER, EXITED = 0.0, 1.0, 2.0  # status of a slot
CENTRAL = 0.5  # centrality from which a firm counts as central


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
