"""Parameters and outputs of the model `multiparty` as the page has them, and sets to compare at."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

# Default and bounds, in the order of the page.
PARAMETERS: dict[str, tuple[float, float, float]] = {
    "initial_share": (1.0, 0.0, 1.0),
    "capability_sd": (0.5, 0.0, 1.5),
    "centrality_skew": (4.0, 1.0, 20.0),
    "prominence_weight": (5.0, 0.0, 50.0),
    "initial_trust": (0.6, 0.0, 1.0),
    "initial_trust_sd": (0.1, 0.0, 0.5),
    "initial_engagement": (0.5, 0.0, 1.0),
    "initial_benefit": (0.5, 0.0, 1.0),
    "trust_gain": (0.25, 0.0, 5.0),
    "trust_loss": (0.5, 0.0, 5.0),
    "base_attention": (0.2, 0.0, 1.0),
    "trust_noise": (0.1, 0.0, 1.0),
    "trust_weight": (0.6, 0.0, 1.0),
    "engagement_midpoint": (0.35, 0.0, 1.0),
    "engagement_steepness": (9.0, 0.0, 50.0),
    "openness_midpoint": (0.40, 0.0, 1.0),
    "openness_steepness": (9.0, 0.0, 50.0),
    "engagement_time": (3.0, 0.0, math.inf),
    "openness_time": (2.0, 0.0, math.inf),
    "benefit_time": (3.0, 0.0, math.inf),
    "private_orientation": (0.0, 0.0, 1.0),
    "private_withholding": (0.5, 0.0, 1.0),
    "private_gain": (0.5, 0.0, 1.0),
    "private_harm": (0.5, 0.0, 1.0),
    "network_effect": (1.0, 0.05, 10.0),
    "participation_returns": (0.5, 0.0, 2.0),
    "membership_cost": (0.1, 0.0, 1.0),
    "bargaining": (1.0, 0.0, 3.0),
    "centrality_premium": (0.5, 0.0, 5.0),
    "uncertainty": (1.0, 0.0, 3.0),
    "immunity": (0.8, 0.0, 1.0),
    "industry_weight": (0.7, 0.0, 1.0),
    "alliance_weight": (0.3, 0.0, 1.0),
    "payoff_weight": (2.0, 0.0, 10.0),
    "threshold_mean": (0.4, -1.0, math.inf),
    "threshold_sd": (0.12, 0.0, 1.0),
    "base_hazard": (0.001, 0.0, 1.0),
    "imitation": (3.0, 0.0, 5.0),
    "exit_shock": (2.0, 0.0, 10.0),
    "seed_exits": (0, 0, 512),
    "seed_rule": (1.0, -1.0, 1.0),
    "seed_industry": (-1, -1, 63),
    "seed_time": (12.0, 0.0, math.inf),
    "entry_rate": (0.0, 0.0, 2.0),
}

# In the order of the page, the counts after the shares that they make up.
OUTPUTS = (
    "membership",
    "peak_membership",
    "exit_share",
    "entry_share",
    "largest_wave",
    "collapsed",
    "collapse_time",
    "trust",
    "synergy",
    "surplus",
    "central_exit_share",
    "peripheral_exit_share",
    "central_exits",
    "central_members",
    "peripheral_exits",
    "peripheral_members",
)


@dataclass(frozen=True)
class Case:
    """One setting: parameters that differ from the defaults, sizes and times."""

    parameters: dict[str, float] = field(default_factory=dict)
    slots: int = 13
    industries: int = 3
    horizon: float = 15.0
    dt: float = 0.25

    def structure(self) -> dict[str, int]:
        """Return the sizes, by the names that the package and the twin share."""
        return {"slots": self.slots, "industries": self.industries}


SEEDED = {"initial_trust": 0.85, "uncertainty": 0.8, "seed_exits": 3, "seed_time": 2.0}
OPEN = {"entry_rate": 0.3, "base_hazard": 0.03, "initial_trust": 0.85, "uncertainty": 0.8}
CLOSED = {"base_hazard": 0.0, "threshold_mean": math.inf, "threshold_sd": 0.0}
ALIKE = {"prominence_weight": 0.0, "immunity": 0.0, "payoff_weight": 0.0}
# Everything on at once, in a regime in which some alliances fall and others stand.
LIVELY = {
    "initial_share": 0.8,
    "capability_sd": 0.7,
    "centrality_skew": 2.5,
    "prominence_weight": 3.0,
    "initial_trust": 0.8,
    "initial_trust_sd": 0.15,
    "initial_engagement": 0.6,
    "initial_benefit": 0.4,
    "trust_gain": 0.3,
    "trust_loss": 0.45,
    "base_attention": 0.3,
    "trust_noise": 0.15,
    "trust_weight": 0.55,
    "private_orientation": 0.06,
    "private_withholding": 0.4,
    "private_gain": 0.6,
    "private_harm": 0.45,
    "network_effect": 1.3,
    "participation_returns": 0.4,
    "membership_cost": 0.12,
    "bargaining": 0.9,
    "centrality_premium": 0.4,
    "uncertainty": 1.1,
    "immunity": 0.6,
    "industry_weight": 0.6,
    "alliance_weight": 0.4,
    "payoff_weight": 1.5,
    "threshold_mean": 0.5,
    "threshold_sd": 0.2,
    "base_hazard": 0.02,
    "imitation": 2.0,
    "exit_shock": 1.5,
    "seed_exits": 2,
    "seed_rule": 0.4,
    "seed_time": 3.0,
    "entry_rate": 0.15,
}

CASES: dict[str, Case] = {
    "defaults": Case(slots=64, industries=4, horizon=24.0),
    "lively": Case(LIVELY),
    # Seeds: who, how many, where and when.
    "seeds, central": Case(SEEDED | {"seed_rule": 1.0}),
    "seeds, random": Case(SEEDED | {"seed_rule": 0.0}),
    "seeds, peripheral": Case(SEEDED | {"seed_rule": -1.0}),
    "seeds, mostly central": Case(SEEDED | {"seed_rule": 0.4, "centrality_skew": 1.0}),
    "seeds, mostly peripheral": Case(SEEDED | {"seed_rule": -0.6}),
    "seeds, one industry": Case(SEEDED | {"seed_industry": 1}),
    "seeds, last industry": Case(SEEDED | {"seed_industry": 2, "seed_rule": 0.0}),
    "seeds, more than an industry has": Case(SEEDED | {"seed_industry": 0, "seed_exits": 9}),
    "seeds, all": Case(SEEDED | {"seed_exits": 13}),
    "seeds, more than are members": Case(SEEDED | {"seed_exits": 11, "initial_share": 0.5}),
    "seeds, in the first step": Case(SEEDED | {"seed_time": 0.0}),
    "seeds, in the last step": Case(SEEDED | {"seed_time": 14.75}),
    "seeds, time off the grid": Case(SEEDED | {"seed_time": 2.13}),
    "seeds, half a step": Case(SEEDED | {"seed_time": 2.125}),
    "seeds, of an open alliance": Case(SEEDED | OPEN | {"initial_share": 0.5}),
    # Members at the start, entry.
    "nobody": Case({"initial_share": 0.0}),
    "nobody, and open": Case(OPEN | {"initial_share": 0.0}),
    "tiny share, nobody": Case(OPEN | {"initial_share": 0.03}),
    "tiny share, one member": Case(OPEN | {"initial_share": 0.05}),
    "tiny share, two members": Case(OPEN | {"initial_share": 0.12}),
    "share .3": Case({"initial_share": 0.3}),
    "share .3, and open": Case(OPEN | {"initial_share": 0.3}),
    "share of halves": Case(OPEN | {"initial_share": 0.5}, slots=7),
    "full, and open": Case(OPEN),
    "entry without exits": Case(OPEN | CLOSED | {"initial_share": 0.25}),
    "generations": Case(
        {
            "entry_rate": 2.0,
            "base_hazard": 0.15,
            "initial_trust": 0.9,
            "threshold_mean": math.inf,
            "network_effect": 3.0,
            "exit_shock": 0.2,
        },
        slots=6,
        industries=2,
        horizon=40.0,
    ),
    "generations, of odd slots": Case(
        LIVELY | {"entry_rate": 2.0, "base_hazard": 0.1, "network_effect": 4.0},
        slots=7,
        industries=3,
        horizon=40.0,
    ),
    # Sizes.
    "two slots": Case(LIVELY | {"initial_share": 1.0, "base_hazard": 0.01}, 2, 1, 40.0),
    "two slots, two industries": Case(OPEN, slots=2, industries=2, horizon=40.0),
    "three slots": Case(OPEN | {"initial_share": 0.7}, slots=3, industries=2, horizon=40.0),
    "512 slots": Case(LIVELY | {"seed_time": 1.0}, slots=512, industries=64, horizon=3.0),
    "512 slots, one industry": Case(SEEDED | {"seed_exits": 40}, 512, 1, horizon=4.0),
    "one industry": Case(LIVELY, industries=1),
    "industries of one": Case(LIVELY | {"alliance_weight": 0.9}, industries=13),
    "industries of one, blind to the rest": Case(SEEDED | {"alliance_weight": 0.0}, industries=13),
    "64 industries": Case(SEEDED | {"initial_share": 0.9}, slots=65, industries=64, horizon=6.0),
    "uneven industries": Case(LIVELY, slots=17, industries=6),
    # Exits.
    "no exits": Case(CLOSED),
    "hazard only": Case({"base_hazard": 0.05, "threshold_mean": math.inf}),
    "hazard of one": Case({"base_hazard": 1.0, "imitation": 5.0}),
    "hazard without imitation": Case({"base_hazard": 0.05, "imitation": 0.0}),
    "hazard of e^100 and more": Case(
        {
            "base_hazard": 1e-3,
            "imitation": 5.0,
            "payoff_weight": 10.0,
            "network_effect": 10.0,
            "private_orientation": 1.0,
            "private_gain": 0.0,
            "private_harm": 1.0,
            "private_withholding": 0.0,
            "membership_cost": 1.0,
            "initial_trust": 1.0,
            "threshold_mean": math.inf,
            "uncertainty": 3.0,
        },
    ),
    "thresholds only": Case(SEEDED | {"base_hazard": 0.0}),
    "thresholds alike": Case(SEEDED | {"threshold_sd": 0.0, "threshold_mean": 0.3}),
    "thresholds of all kinds": Case({"threshold_sd": 1.0, "threshold_mean": 2.0}),
    "no thresholds": Case(SEEDED | {"threshold_mean": math.inf}),
    "all leave at once": Case({"threshold_mean": -1.0, "threshold_sd": 0.0}),
    "all leave at once, and open": Case(OPEN | {"threshold_mean": -1.0, "threshold_sd": 0.0}),
    "many leave at once": Case({"threshold_mean": 0.1, "threshold_sd": 0.4}),
    "payoff without weight": Case(SEEDED | {"payoff_weight": 0.0}),
    "payoff of weight": Case({"payoff_weight": 10.0, "initial_trust": 0.5, "initial_benefit": 0.1}),
    "no uncertainty": Case(SEEDED | {"uncertainty": 0.0}),
    "blind to industries": Case(SEEDED | {"industry_weight": 0.0, "uncertainty": 2.0}),
    "blind to the alliance": Case(SEEDED | {"alliance_weight": 0.0}),
    "blind": Case(SEEDED | {"industry_weight": 0.0, "alliance_weight": 0.0}),
    "immune": Case(SEEDED | {"immunity": 1.0, "centrality_skew": 1.0}),
    "not immune": Case(SEEDED | {"immunity": 0.0}),
    "prominence of none": Case(SEEDED | {"prominence_weight": 0.0}),
    "prominence of few": Case(SEEDED | {"prominence_weight": 50.0, "centrality_skew": 20.0}),
    # Trust and value.
    "no noise": Case(SEEDED | {"trust_noise": 0.0}),
    "much noise": Case(LIVELY | {"trust_noise": 0.45}),
    "noise that is clipped in a wave": Case(
        {"trust_noise": 1.0, "initial_trust": 0.85, "base_hazard": 0.1, "threshold_mean": math.inf},
        slots=25,
        horizon=20.0,
        dt=1.0,
    ),
    "no shock": Case(SEEDED | {"exit_shock": 0.0}),
    "a shock of 10": Case(SEEDED | {"exit_shock": 10.0}),
    "trust that stays": Case(SEEDED | {"trust_gain": 0.0, "trust_loss": 0.0}),
    "trust of 0": Case({"initial_trust": 0.0, "initial_trust_sd": 0.0}),
    "trust of 1": Case({"initial_trust": 1.0, "initial_trust_sd": 0.0}),
    "trust all over": Case({"initial_trust": 0.6, "initial_trust_sd": 0.5}),
    "no attention": Case({"base_attention": 0.0}),
    "full attention": Case({"base_attention": 1.0}),
    "private pursuit": Case(OPEN | {"private_orientation": 0.3}),
    "private pursuit, all of it": Case({"private_orientation": 1.0, "private_withholding": 0.2}),
    "returns of none": Case(OPEN | {"participation_returns": 0.0, "initial_share": 0.4}),
    "returns of 2": Case(OPEN | {"participation_returns": 2.0, "initial_share": 0.8}),
    "network effect of .05": Case({"network_effect": 0.05, "membership_cost": 0.0}),
    "network effect of 10": Case(LIVELY | {"network_effect": 10.0}),
    "cost of none": Case(OPEN | {"membership_cost": 0.0}),
    "cost of 1": Case(OPEN | {"membership_cost": 1.0}),
    "bargaining of none": Case({"bargaining": 0.0, "centrality_premium": 0.0}),
    "bargaining of 3": Case({"bargaining": 3.0}),
    "premium of 5": Case({"centrality_premium": 5.0}),
    "capabilities alike": Case(LIVELY | {"capability_sd": 0.0}),
    "capabilities far apart": Case(LIVELY | {"capability_sd": 1.5, "bargaining": 0.5}),
    "steps and logistics": Case(LIVELY | {"engagement_steepness": 50.0, "openness_steepness": 0.0}),
    "engaged by trust alone": Case(LIVELY | {"trust_weight": 1.0, "openness_steepness": 50.0}),
    "engaged by benefit alone": Case(LIVELY | {"trust_weight": 0.0}),
    # Times.
    "steps of a month": Case(LIVELY, horizon=20.0, dt=1.0),
    "steps of a tenth": Case(LIVELY, horizon=6.0, dt=0.1),
    "steps of .3": Case(LIVELY | {"seed_time": 1.9}, horizon=9.0, dt=0.3),
    "one step": Case(LIVELY | {"seed_time": 0.0}, horizon=0.25),
}

# --- Drawn sets -----------------------------------------------------------------------------------

# Where the page has no bound, or one at which nobody stays: the largest that steps of .5 take.
REACH = {
    "trust_gain": (0.0, 2.0),
    "trust_loss": (0.0, 2.0),
    "engagement_time": (0.6, 24.0),
    "openness_time": (0.6, 24.0),
    "benefit_time": (0.6, 24.0),
    "threshold_mean": (-0.2, 1.5),
    "base_hazard": (0.0, 0.1),
}
PLACED = ("seed_exits", "seed_industry", "seed_time")

# What switches a feature off.
FEATURES: dict[str, dict[str, float]] = {
    "noise": {"trust_noise": 0.0},
    "hazard": {"base_hazard": 0.0},
    "thresholds": {"threshold_mean": math.inf},
    "own thresholds": {"threshold_sd": 0.0},
    "payoff": {"payoff_weight": 0.0},
    "shock": {"exit_shock": 0.0},
    "entry": {"entry_rate": 0.0},
    "private": {"private_orientation": 0.0},
    "returns": {"participation_returns": 0.0},
    "capability": {"capability_sd": 0.0},
    "bargaining": {"bargaining": 1.0, "centrality_premium": 0.0},
    "seeds": {"seed_exits": 0},
}


def one_parameter(rng: random.Random, name: str, case: Case, *, share: float) -> float:
    """Return a value of a parameter, `share` of the way from its default to anywhere or an edge."""
    if name == "seed_exits":
        return rng.choice((0, 1, case.slots, rng.randint(0, case.slots)))
    if name == "seed_industry":
        return rng.randint(-1, case.industries - 1)
    if name == "seed_time":
        # Next to the middle between two steps, rounding could take either.
        last = round(case.horizon / case.dt) - 1
        return case.dt * max(0.0, rng.randint(0, last) - rng.choice((0.0, 0.3)))
    default, low, high = PARAMETERS[name]
    low, high = REACH.get(name, (low, high))
    value = rng.choice((low, high)) if rng.random() < 0.15 else rng.uniform(low, high)
    return default + share * (value - default)


def random_parameters(rng: random.Random, case: Case) -> dict[str, float]:
    """Return every parameter, anywhere or around the defaults, with some features switched off.

    Values from all over the bounds alone empty most alliances within months.
    """
    share = rng.choice((0.1, 0.3, 1.0))
    parameters = {name: one_parameter(rng, name, case, share=share) for name in PARAMETERS}
    if rng.random() < 0.5:
        parameters |= {"initial_trust": rng.uniform(0.7, 1.0), "uncertainty": rng.uniform(0.0, 1.0)}
        parameters |= {"entry_rate": rng.uniform(0.0, 1.0)}
    for off in FEATURES.values():
        if rng.random() < 0.2:
            parameters |= off
    return parameters
