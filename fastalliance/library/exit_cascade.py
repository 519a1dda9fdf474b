"""`exit_cascade`: peer-imitation exits from an open multiparty alliance.

A formalisation of the findings of R. Gerges-Yammine and A. L. J. Ter Wal, *Firm exit from open
multiparty alliances*, Research Policy 52(4), 104705 (2023), with the threshold rule of Granovetter
(1978) and Watts (2002) and the discrete-time complementary log-log hazard of event-history
analysis. The functional forms are ours. Its page is `docs/models/exit_cascade.md`, its formulas
are in `exit_cascade_formulas.py`.
"""

from __future__ import annotations

import math
from typing import Any

from fastalliance.library import exit_cascade_formulas as formulas
from fastalliance.library.exit_formulas import UNPROMPTED, unprompted_share
from fastalliance.library.model import Caution, Model, Requirement
from fastalliance.library.population import (
    MemberInput,
    Population,
    Select,
    Sweep,
    Ties,
    unbounded,
)
from fastalliance.outputs import Output
from fastalliance.parameters import Parameter, nonnegative, share

MAX_MEMBERS = 1_000_000


def lasting(name: str, description: str) -> Parameter:
    """Return a time in quarters that may be infinite, and is by default."""
    return Parameter(
        name, math.inf, above=0.0, unit="quarter", description=description, allow_infinite=True
    )


PARAMETERS = (
    nonnegative("uncertainty", 1.0, "1", "how much peers' exits weigh in a member's judgement"),
    lasting("uncertainty_halflife", "time in which uncertainty halves"),
    nonnegative("industry_weight", 0.7, "1", "weight of industry peers"),
    nonnegative("alliance_weight", 0.3, "1", "weight of all members"),
    nonnegative("tie_weight", 0.0, "1", "weight of network neighbours"),
    share("immunity", 0.5, "how far the highest centrality shields from peer pressure"),
    nonnegative(
        "centrality_skew",
        4.0,
        "1",
        "drawn centrality is u^skew (few central members); unused when centrality is given",
    ),
    nonnegative(
        "prominence_weight", 1.0, "1", "extra weight of the exit of the most central member"
    ),
    Parameter(
        "threshold_mean", 0.45, description="mean exit threshold; .inf: none", allow_infinite=True
    ),
    nonnegative("threshold_sd", 0.12, "1", "spread of exit thresholds (normal)"),
    nonnegative("base_hazard", 0.005, "1/quarter", "exit hazard without peer pressure"),
    Parameter("imitation", 2.0, description="log hazard ratio per unit of peer pressure"),
    lasting("memory", "time over which past exits lose influence"),
    Parameter(
        "seed_exits",
        0.0,
        lower=0.0,
        upper=MAX_MEMBERS,
        kind="integer",
        description="members that have left at t = 0",
    ),
    Parameter(
        "seed_rule",
        0.0,
        lower=-1.0,
        upper=1.0,
        choices={"peripheral": -1.0, "random": 0.0, "central": 1.0},
        description="which members those are, from the most peripheral to the most central",
    ),
    share("collapse_share", 0.5, "share of exits that counts as collapse"),
)

STRUCTURE = (
    Parameter("members", 200.0, lower=2.0, upper=MAX_MEMBERS, kind="integer", description="firms"),
    Parameter(
        "industries",
        5.0,
        lower=1.0,
        upper=MAX_MEMBERS,
        kind="integer",
        description="industries; member i is in industry floor(i industries / members)",
    ),
    nonnegative(
        "mean_degree",
        0.0,
        "1",
        "mean number of neighbours in a network of kind erdos_renyi; 0: as its recipe says",
    ),
)


def _time(name: str, description: str) -> Output:
    return Output(name, "time", "quarter", description=description)


OUTPUTS = (
    Output("exits", "count", description="members that left, seeds among them"),
    Output("exit_share", description="share of members that left"),
    Output("cascade_share", description="share that left of those that were no seeds"),
    Output(
        "last_exit_time",
        "time",
        "quarter",
        description="time of the last exit; NaN if there was none",
    ),
    Output(
        "first_exit_time",
        "time",
        "quarter",
        description="time of the first exit; NaN if there was none",
    ),
    Output("peak_exits", "count", description="largest number that left in one step, seeds apart"),
    Output("collapsed", "binary", description="whether the share of exits reached collapse_share"),
    _time("collapse_time", "time when it did; NaN if it did not"),
    Output("central_exit_share", description="share that left of the most central tenth"),
)

MEMBER_OUTPUTS = (
    Output(
        "exit_time",
        "time",
        "quarter",
        description="time at which the member left; NaN if it never did",
    ),
    Output("centrality", description="centrality of the member, relative to the most central"),
)

POPULATION = Population(
    member=formulas.Member,
    industry=formulas.Industry,
    start=(
        Sweep(
            name="birth",
            member=formulas.birth,
            sums=formulas.own_weight,
            industry=formulas.industry_weight,
            alliance=formulas.alliance_weight,
        ),
        Select(name="seeds", score=formulas.seed_score, count=formulas.seed_count, field="seeded"),
        Select(
            name="centre",
            score=formulas.central_score,
            count=formulas.central_count,
            field="central",
        ),
        Sweep(
            name="entry",
            member=formulas.enter,
            sums=formulas.exits,
            industry=formulas.industry_gone,
            alliance=formulas.alliance_gone,
        ),
    ),
    step=(
        Sweep(
            name="decision",
            member=formulas.decide,
            sums=formulas.exits,
            industry=formulas.industry_gone,
            alliance=formulas.alliance_gone,
        ),
    ),
    end=(Sweep(name="count", sums=formulas.central_exit, alliance=formulas.central_exits),),
    outputs=formulas.member_outputs,
    output_variables=MEMBER_OUTPUTS,
    inputs=(
        MemberInput(
            name="centralities",
            field="centrality",
            value=share("centrality", 0.0, "centrality of a member"),
        ),
        MemberInput(
            name="thresholds",
            field="threshold",
            value=unbounded("threshold", "1", "exit threshold of a member"),
        ),
    ),
    ties=Ties(
        sends=formulas.sends,
        open=formulas.inside,
        received="neighbours_left",
        degree="degree",
        local=formulas.local,
    ),
)


def unprompted(p: Any, dt: float) -> bool:
    """Say whether more than 1 % of the members leave in the first step without any cause."""
    return not p.given_thresholds and unprompted_share(p) > 0.01


MODEL = Model(
    name="exit_cascade",
    summary="peer-imitation exits from an open multiparty alliance, with thresholds and hazards",
    citation=(
        "a formalisation of the findings of R. Gerges-Yammine and A. L. J. Ter Wal, Firm exit from "
        "open multiparty alliances, Research Policy 52(4), 104705 (2023), with the threshold rule "
        "of Granovetter (1978) and Watts (2002); the functional forms are ours"
    ),
    time_unit="quarter",
    horizon=48.0,
    dt=1.0,
    parameters=PARAMETERS,
    structure=STRUCTURE,
    state=formulas.State,
    prepare=formulas.prepare,
    init=formulas.init,
    population=POPULATION,
    finished=formulas.finished,
    outputs=formulas.outputs,
    output_variables=OUTPUTS,
    state_variables=OUTPUTS[:1],
    requirements=(
        Requirement(
            "industries must be <= members", lambda p, dt, horizon: p.industries <= p.members
        ),
        Requirement(
            "seed_exits must be <= members", lambda p, dt, horizon: p.seed_exits <= p.members
        ),
    ),
    cautions=(
        Caution(
            "tie_weight has no effect without a network; give structure.network",
            lambda p, dt: p.tie_weight > 0.0 and not p.given_network,
        ),
        Caution(UNPROMPTED, unprompted),
    ),
    switches={
        "base_hazard": "hazard",
        "threshold_sd": "threshold_sd",
    },
)
