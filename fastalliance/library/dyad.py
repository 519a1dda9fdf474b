"""`dyad`: interpartner trust and engagement of two partners, with a trust tipping threshold.

A formalisation of the constructs and findings of F. Kapmeier and J. Struben, *Dynamics of Early
Alliance Operation: Interpartner Trust and Engagement* (ISDC 2021, paper 1161). Their equations are
not public: the equations here are ours. Its page is `docs/models/dyad.md`, its formulas are in
`dyad_formulas.py`.
"""

from __future__ import annotations

import math

from fastalliance.library import dyad_formulas as formulas
from fastalliance.library.model import Caution, Model
from fastalliance.outputs import Output
from fastalliance.parameters import Parameter, nonnegative, share, steepness, time_constant

PARAMETERS = (
    share(
        "initial_trust",
        0.6,
        "mean of both partners' trust at the start, before each is clipped to 0..1",
    ),
    Parameter(
        "initial_trust_gap",
        0.0,
        lower=-1.0,
        upper=1.0,
        description="trust_a - trust_b at the start",
    ),
    share("initial_engagement", 0.5, "interaction intensity of both partners at the start"),
    share(
        "initial_benefit", 0.5, "perceived benefit, relative to the best attainable, at the start"
    ),
    share("openness_midpoint", 0.4, "trust at which a partner is half open"),
    steepness("openness_steepness", 9.0, "steepness of the openness response"),
    time_constant("openness_time", 2.0, "month", "adjustment time of openness"),
    share("engagement_midpoint", 0.35, "attractiveness at which a partner is half engaged"),
    steepness("engagement_steepness", 9.0, "steepness of the engagement response"),
    time_constant("engagement_time", 3.0, "month", "adjustment time of engagement"),
    share("trust_weight", 0.6, "weight of trust, against perceived benefit, in attractiveness"),
    time_constant("benefit_time", 3.0, "month", "smoothing time of perceived benefit"),
    nonnegative(
        "trust_gain", 0.25, "1/month", "speed at which trust rises towards better evidence"
    ),
    nonnegative("trust_loss", 0.5, "1/month", "speed at which trust falls towards worse evidence"),
    share("base_attention", 0.2, "share of learning about the partner that needs no interaction"),
    share("private_orientation", 0.0, "standing emphasis on private benefits"),
    share(
        "private_defence", 0.0, "private emphasis added as own trust falls (manage relational risk)"
    ),
    share(
        "private_opportunism",
        0.0,
        "private emphasis added as the partner opens (exploit relational risk)",
    ),
    nonnegative("private_gain", 0.5, "1", "benefit from a unit of appropriation"),
    nonnegative("private_harm", 0.5, "1", "harm to the partner from a unit of appropriation"),
    share("private_withholding", 0.5, "openness withheld per unit of own private emphasis"),
    share("building_effort", 0.0, "collective trust-building effort while it lasts"),
    nonnegative("building_duration", 6.0, "month", "how long it lasts from the start"),
    nonnegative("building_gain", 0.15, "1/month", "trust built per unit of effort"),
    share("building_crowding", 0.75, "share of the effort taken out of contribution"),
    nonnegative("value_rate", 1.0, "value/month", "joint value per month at full contribution"),
    share("value_share", 0.5, "share of the common benefit that goes to partner a"),
    nonnegative("trust_noise", 0.1, "month^-1/2", "volatility of trust, scaled by T(1-T)"),
    Parameter(
        "noise_correlation",
        0.0,
        lower=-1.0,
        upper=1.0,
        description="correlation of the partners' noise",
    ),
    nonnegative("incident_rate", 0.0, "1/month", "rate of incidents that both partners experience"),
    share(
        "incident_size", 0.3, "share of trust lost (or of the missing trust gained) in an incident"
    ),
    share("incident_favourable", 0.0, "share of incidents that are favourable"),
    share("dissolution_engagement", 0.1, "joint engagement below which the alliance is idle"),
    nonnegative(
        "dissolution_patience", 6.0, "month", "idle time after which the alliance is dissolved"
    ),
)

OUTPUTS = (
    Output("trust_a", description="trust of partner a in b at the horizon"),
    Output("trust_b", description="trust of partner b in a at the horizon"),
    Output("engagement_a", description="interaction intensity of partner a at the horizon"),
    Output("engagement_b", description="interaction intensity of partner b at the horizon"),
    Output("openness_a", description="openness of partner a at the horizon"),
    Output("openness_b", description="openness of partner b at the horizon"),
    Output("benefit_a", description="perceived benefit of partner a, relative to the best"),
    Output("benefit_b", description="perceived benefit of partner b, relative to the best"),
    Output("joint_value", unit="value", description="joint value accumulated to the horizon"),
    Output("private_value_a", unit="value", description="private value that partner a accumulated"),
    Output("private_value_b", unit="value", description="private value that partner b accumulated"),
    Output("dissolved", "binary", description="whether the alliance was dissolved"),
    Output("dissolution_time", "time", "month", "when it was dissolved; NaN if it was not"),
    Output(
        "success", "binary", description="not dissolved and mean trust above 1/2 at the horizon"
    ),
)

MODEL = Model(
    name="dyad",
    summary="interpartner trust and engagement of two partners, with a trust tipping threshold",
    citation=(
        "a formalisation of the constructs and findings of F. Kapmeier and J. Struben, Dynamics of "
        "Early Alliance Operation: Interpartner Trust and Engagement (ISDC 2021, paper 1161); "
        "the equations are ours"
    ),
    time_unit="month",
    horizon=60.0,
    dt=0.125,
    parameters=PARAMETERS,
    state=formulas.State,
    prepare=formulas.prepare,
    init=formulas.init,
    draw=formulas.draw,
    step=formulas.step,
    finished=formulas.finished,
    keeps_nonfinite=True,
    outputs=formulas.outputs,
    output_variables=OUTPUTS,
    state_variables=OUTPUTS[:11],
    fastest_rate=formulas.fastest_rate,
    cautions=(
        Caution(
            "dt * max(trust_gain, trust_loss) > 1: trust overshoots its evidence in a step",
            lambda p, dt: dt * max(p.trust_gain, p.trust_loss) > 1.0,
        ),
        Caution(
            "dt * building_gain * building_effort > 1: building overshoots full trust in a step",
            lambda p, dt: dt * p.building_gain * p.building_effort > 1.0,
        ),
        Caution(
            "trust_noise * sqrt(dt) > 0.25: clipping to 0..1 replaces the noise",
            lambda p, dt: p.trust_noise * math.sqrt(dt) > 0.25,
        ),
        Caution(
            "incident_rate * dt > 0.2: at most one incident happens in a step",
            lambda p, dt: p.incident_rate * dt > 0.2,
        ),
    ),
    switches={"trust_noise": "noise_scale", "incident_rate": "incident_probability"},
)
