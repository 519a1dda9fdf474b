"""`multiparty`: exit cascades and trust-engagement in one open multiparty alliance.

A formalisation, coupled by us, of two processes that the literature treats apart: peers imitate
exits (R. Gerges-Yammine and A. L. J. Ter Wal), and exits destroy the trust on which contributions
rest (F. Kapmeier and J. Struben), with the group's accounting of B. Gomes-Casseres. The functional
forms are ours but for that accounting. Its page is `docs/models/multiparty.md`, its formulas are in
`multiparty_firms.py` and `multiparty_formulas.py`.
"""

from __future__ import annotations

import math
from typing import Any

from fastalliance.library import multiparty_firms as firms
from fastalliance.library import multiparty_formulas as formulas
from fastalliance.library import multiparty_records as records
from fastalliance.library.exit_formulas import UNPROMPTED, unprompted_share
from fastalliance.library.model import Caution, Model, Requirement
from fastalliance.library.population import Arrival, Population, Select, Sweep
from fastalliance.outputs import Output, Ratio
from fastalliance.parameters import Parameter, share, steepness, time_constant

MAX_SLOTS = 512
MAX_INDUSTRIES = 64


def between(
    name: str, default: float, low: float, high: float, unit: str, description: str
) -> Parameter:
    """Return a real parameter with two bounds."""
    return Parameter(name, default, lower=low, upper=high, unit=unit, description=description)


TRUST = (
    share("initial_trust", 0.6, "mean trust of firms that become members"),
    between("initial_trust_sd", 0.1, 0.0, 0.5, "1", "its standard deviation between firms"),
    share("initial_engagement", 0.5, "interaction intensity of a firm that becomes a member"),
    share("initial_benefit", 0.5, "perceived benefit of a firm that becomes a member"),
    between("trust_gain", 0.25, 0.0, 5.0, "1/month", "speed at which trust rises to evidence"),
    between("trust_loss", 0.5, 0.0, 5.0, "1/month", "speed at which trust falls to evidence"),
    share("base_attention", 0.2, "share of learning about the others that needs no interaction"),
    between("trust_noise", 0.1, 0.0, 1.0, "month^-1/2", "volatility of trust, scaled by T(1-T)"),
    share("trust_weight", 0.6, "weight of trust, against perceived benefit, in attractiveness"),
    share("engagement_midpoint", 0.35, "attractiveness at which a member is half engaged"),
    steepness("engagement_steepness", 9.0, "steepness of the engagement response"),
    share("openness_midpoint", 0.4, "trust at which a member is half open"),
    steepness("openness_steepness", 9.0, "steepness of the openness response"),
    time_constant("engagement_time", 3.0, "month", "adjustment time of engagement"),
    time_constant("openness_time", 2.0, "month", "adjustment time of openness"),
    time_constant("benefit_time", 3.0, "month", "smoothing time of perceived benefit"),
    share("private_orientation", 0.0, "degree to which all members pursue private benefits"),
    share("private_withholding", 0.5, "openness withheld per unit of private orientation"),
    share("private_gain", 0.5, "benefit from a unit of appropriation"),
    share("private_harm", 0.5, "harm to others from a unit of appropriation"),
)

GROUP = (
    share("initial_share", 1.0, "share of slots that are filled at t = 0"),
    between("capability_sd", 0.5, 0.0, 1.5, "1", "standard deviation of the log of capability"),
    between("centrality_skew", 4.0, 1.0, 20.0, "1", "centrality is u^skew: few are central"),
    between("network_effect", 1.0, 0.05, 10.0, "1", "best attainable group surplus, sigma - 1"),
    between("participation_returns", 0.5, 0.0, 2.0, "1", "exponent of membership in sigma"),
    share("membership_cost", 0.1, "cost of membership, in stand-alone profits"),
    between("bargaining", 1.0, 0.0, 3.0, "1", "power is capability^bargaining; 1 is neutral"),
    between("centrality_premium", 0.5, 0.0, 5.0, "1", "extra power of the most central firm"),
    between(
        "entry_rate",
        0.0,
        0.0,
        2.0,
        "1/month",
        "entry hazard of a vacant slot per unit of net surplus",
    ),
)

EXITS = (
    between("prominence_weight", 5.0, 0.0, 50.0, "1", "extra weight of the most central exit"),
    between("uncertainty", 1.0, 0.0, 3.0, "1", "how much others' exits weigh in a judgement"),
    share("immunity", 0.8, "how far the highest centrality shields from peer pressure"),
    share("industry_weight", 0.7, "weight of industry peers' exits"),
    share("alliance_weight", 0.3, "weight of all members' exits"),
    between("payoff_weight", 2.0, 0.0, 10.0, "1", "pressure per unit of payoff shortfall"),
    Parameter(
        "threshold_mean",
        0.4,
        lower=-1.0,
        description="mean exit threshold; .inf: none",
        allow_infinite=True,
    ),
    share("threshold_sd", 0.12, "spread of exit thresholds (normal)"),
    between("base_hazard", 0.001, 0.0, 1.0, "1/month", "exit hazard without pressure"),
    between("imitation", 3.0, 0.0, 5.0, "1", "log hazard ratio per unit of pressure"),
    between(
        "exit_shock", 2.0, 0.0, 10.0, "1", "log loss of trust if the prominence of all others left"
    ),
    Parameter(
        "seed_exits",
        0.0,
        lower=0.0,
        upper=MAX_SLOTS,
        unit="firms",
        kind="integer",
        description="members that are forced to leave at seed_time",
        label="forced exits",
    ),
    Parameter(
        "seed_rule",
        1.0,
        lower=-1.0,
        upper=1.0,
        choices={"peripheral": -1.0, "random": 0.0, "central": 1.0},
        description="which members those are, from the most peripheral to the most central",
        label="who is forced to leave",
    ),
    Parameter(
        "seed_industry",
        -1.0,
        lower=-1.0,
        upper=MAX_INDUSTRIES - 1,
        kind="integer",
        description="industry of those members; -1: any",
        label="industry of the forced exits",
    ),
    Parameter(
        "seed_time",
        12.0,
        lower=0.0,
        unit="month",
        description="when they leave",
        label="time of the forced exit",
    ),
)

STRUCTURE = (
    Parameter(
        "slots",
        64.0,
        lower=2.0,
        upper=MAX_SLOTS,
        unit="firms",
        kind="integer",
        description="members that the alliance can have",
    ),
    Parameter(
        "industries",
        4.0,
        lower=1.0,
        upper=MAX_INDUSTRIES,
        kind="integer",
        description="industries; slot i is in industry floor(i industries / slots)",
    ),
)

OUTPUTS = (
    Output("membership", description="members at the horizon, as a share of slots"),
    Output("peak_membership", description="largest number of members, as a share of slots"),
    Output("exit_share", description="exits, as a share of all firms that ever were members"),
    Output("entry_share", description="entries, as a share of slots"),
    Output("largest_wave", description="largest number of exits in a step, as a share of slots"),
    Output("collapsed", "binary", description="fewer members than half the peak at the horizon"),
    Output(
        "collapse_time",
        unit="month",
        description="when members first were fewer than half the peak; the horizon if never",
    ),
    Output("trust", description="mean trust of the members at the horizon; 0 if there are none"),
    Output("synergy", description="sigma: profit of the group over its members' alone"),
    Output(
        "surplus",
        description="mean group profit above stand-alone per slot, in stand-alone profits, gross "
        "of membership cost and private transfers",
    ),
    Output("central_exit_share", description="exits among firms of centrality >= 1/2; 0 if none"),
    Output("peripheral_exit_share", description="exits among those below; 0 if none"),
    Output("central_exits", "count", description="exits of firms of centrality >= 1/2"),
    Output("central_members", "count", description="such firms that ever were members"),
    Output("peripheral_exits", "count", description="exits of firms of centrality < 1/2"),
    Output("peripheral_members", "count", description="such firms that ever were members"),
)

RATIOS = tuple(
    Ratio(
        f"{kind}_exit_rate",
        f"{kind}_exits",
        f"{kind}_members",
        description=f"exits of {kind} firms over all that ever were members, pooled",
    )
    for kind in ("central", "peripheral")
)

MEMBER_OUTPUTS = (
    Output(
        "exit_time",
        "time",
        "month",
        description="when the slot's first firm left; NaN if it did not",
    ),
    Output(
        "entry_time",
        "time",
        "month",
        description="when the slot's first firm became a member; NaN if none did",
    ),
    Output("centrality", description="centrality of the slot's first firm; NaN if there was none"),
    Output(
        "capability",
        unit="stand-alone profit",
        description="capability of the slot's first firm, of mean 1; NaN if there was none",
    ),
)

MEMBER_PATHS = tuple(
    Output(f"member_{name}", description=f"{text} of the slot's member; NaN while vacant")
    for name, text in (
        ("trust", "trust in the collective"),
        ("engagement", "interaction intensity"),
        ("openness", "openness"),
        ("benefit", "perceived benefit, relative to the best attainable,"),
    )
)

_SUMS: dict[str, Any] = {
    "sums": formulas.totals,
    "industry": formulas.industry_totals,
    "alliance": formulas.alliance_totals,
}
POPULATION = Population(
    size="slots",
    rate=80e6,
    member=records.Member,
    industry=records.Industry,
    start=(
        Sweep(name="birth", member=firms.found, **_SUMS),
        Sweep(name="keys", when=firms.seeds_come, member=firms.seed_key),
    ),
    step=(
        Select(name="seeds", score=firms.seed_score, count=firms.seed_count, field="seeded"),
        Sweep(
            name="decision",
            draw=formulas.noise,
            member=formulas.decide,
            sums=formulas.wave,
            industry=formulas.industry_wave,
            alliance=formulas.alliance_wave,
        ),
        Sweep(name="shock", when=formulas.some_leave, member=formulas.shock),
        Sweep(
            name="move",
            draw=formulas.uniform_of_entry,
            member=formulas.move,
            arrival=Arrival(where=firms.enters, member=firms.enter, switch="entry_hazard"),
            **_SUMS,
        ),
    ),
    end=(Sweep(name="view", sums=formulas.view, alliance=formulas.record),),
    outputs=formulas.member_outputs,
    output_variables=MEMBER_OUTPUTS,
    paths=formulas.member_paths,
    path_variables=MEMBER_PATHS,
)


MODEL = Model(
    name="multiparty",
    summary="trust, engagement and exits of members that feed back on each other in one alliance",
    citation=(
        "our coupling of a formalisation of the findings of R. Gerges-Yammine and A. L. J. Ter "
        "Wal, Firm exit from open multiparty alliances, Research Policy 52(4), 104705 (2023), with "
        "one of those of F. Kapmeier and J. Struben, Dynamics of Early Alliance Operation (ISDC "
        "2021, paper 1161), and the group accounting of B. Gomes-Casseres"
    ),
    time_unit="month",
    horizon=120.0,
    dt=0.25,
    parameters=(*TRUST, *GROUP, *EXITS),
    structure=STRUCTURE,
    state=records.State,
    prepare=firms.prepare,
    init=firms.init,
    population=POPULATION,
    finished=formulas.finished,
    outputs=formulas.outputs,
    output_variables=OUTPUTS,
    state_variables=tuple(o for o in OUTPUTS if o.name in ("membership", "trust", "synergy")),
    ratios=RATIOS,
    requirements=(
        Requirement("industries must be <= slots", lambda p, dt, horizon: p.industries <= p.slots),
        Requirement("seed_exits must be <= slots", lambda p, dt, horizon: p.seed_exits <= p.slots),
        Requirement(
            "seed_industry must be < industries",
            lambda p, dt, horizon: p.seed_industry < p.industries,
        ),
        Requirement(
            "seed_time must be <= horizon - dt where there are seed_exits",
            lambda p, dt, horizon: (
                p.seed_exits == 0.0 or p.seed_time <= (horizon - dt) * (1.0 + 1e-9)
            ),
        ),
        *(
            Requirement(
                f"dt * {rate} must be <= 1, or verdicts on the others reverse",
                lambda p, dt, horizon, rate=rate: dt * getattr(p, rate) <= 1.0,
            )
            for rate in ("trust_gain", "trust_loss")
        ),
        *(
            Requirement(
                f"{time} must be > dt",
                lambda p, dt, horizon, time=time: getattr(p, time) > dt,
            )
            for time in ("engagement_time", "openness_time", "benefit_time")
        ),
    ),
    cautions=(
        Caution(
            "dt * max(trust_gain, trust_loss) > 0.5: trust jumps to its evidence",
            lambda p, dt: dt * max(p.trust_gain, p.trust_loss) > 0.5,
        ),
        Caution(UNPROMPTED, lambda p, dt: unprompted_share(p) > 0.01),
        Caution(
            "network_effect < 2 membership_cost: membership hardly pays, and nearly every alliance "
            "collapses",
            lambda p, dt: p.network_effect < 2.0 * p.membership_cost,
        ),
        Caution(
            "trust_noise * sqrt(dt) > 0.25: clipping to 0..1 replaces the noise",
            lambda p, dt: p.trust_noise * math.sqrt(dt) > 0.25,
        ),
    ),
    switches={"trust_noise": "noise_scale", "entry_rate": "entry_hazard"},
)
