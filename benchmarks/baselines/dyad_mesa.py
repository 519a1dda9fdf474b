"""The dyad in Mesa 3: an agent per alliance, activated step by step.

One agent per alliance, rather than one per partner, halves the number of agents.
"""

from __future__ import annotations

import math
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import numpy as np

from fastalliance.library.dyad import OUTPUTS, PARAMETERS

if find_spec("mesa"):
    from mesa import Agent, Model
else:  # the classes below are then never used
    Agent = Model = object

NAMES = [parameter.name for parameter in PARAMETERS]


def missing() -> str:
    """Why this baseline cannot run here; empty where it can."""
    return "" if find_spec("mesa") else "Mesa is not installed"


def run(
    points: np.ndarray,
    *,
    seed: int,
    n_replicates: int,
    dt: float,
    n_steps: int,
    noise: bool = True,
    incidents: bool = True,
) -> np.ndarray:
    """Outputs (14, n_points, n_replicates) of points (n_points, 34), with Mesa's own generator."""
    market = Market(points, n_replicates, dt, noise, incidents, seed)
    alliances = list(market.agents)
    for _ in range(n_steps):
        market.step()
    values = np.array([alliance.outputs() for alliance in alliances])
    return values.T.reshape(len(OUTPUTS), len(points), n_replicates)


class Market(Model):
    """Independent alliances; those that dissolve leave the market."""

    def __init__(
        self,
        points: np.ndarray,
        n_replicates: int,
        dt: float,
        noise: bool,
        incidents: bool,
        seed: int,
    ) -> None:
        super().__init__(rng=seed)
        self.dt, self.noise, self.incidents, self.k = dt, noise, incidents, 0
        for row in points.tolist():
            for _ in range(n_replicates):
                Alliance(self, SimpleNamespace(**dict(zip(NAMES, row, strict=True))))

    def step(self) -> None:
        self.agents.do("step")
        self.k += 1


class Alliance(Agent):
    """Two partners, a and b."""

    def __init__(self, model: Market, p: SimpleNamespace) -> None:
        super().__init__(model)
        self.p = p
        self.trust_a = clip01(p.initial_trust + p.initial_trust_gap / 2.0)
        self.trust_b = clip01(p.initial_trust - p.initial_trust_gap / 2.0)
        self.engagement_a = self.engagement_b = p.initial_engagement
        self.openness_a = logistic(self.trust_a, p.openness_midpoint, p.openness_steepness)
        self.openness_b = logistic(self.trust_b, p.openness_midpoint, p.openness_steepness)
        self.benefit_a = self.benefit_b = p.initial_benefit
        self.joint_value = self.private_value_a = self.private_value_b = 0.0
        self.idle_steps = 0
        self.dissolution_time = math.nan

    def step(self) -> None:
        p, dt = self.p, self.model.dt
        private_a = self.private_emphasis(self.trust_a, self.openness_b)
        private_b = self.private_emphasis(self.trust_b, self.openness_a)
        effort = p.building_effort if self.model.k * dt < p.building_duration else 0.0
        kept = 1.0 - p.building_crowding * effort
        given_a = self.engagement_a * kept * self.openness_a
        given_b = self.engagement_b * kept * self.openness_b
        value = math.sqrt(given_a * given_b)
        taken_a = private_a * self.engagement_a * self.openness_b
        taken_b = private_b * self.engagement_b * self.openness_a
        common = value * (1.0 - (private_a + private_b) / 2.0)
        gain, harm, share = p.private_gain, p.private_harm, 2.0 * p.value_share
        gained_a = share * common + gain * taken_a - harm * taken_b
        gained_b = (2.0 - share) * common + gain * taken_b - harm * taken_a
        interaction = math.sqrt(self.engagement_a * self.engagement_b)
        shock_a, shock_b = self.shocks()

        trust_a = self.learned(self.trust_a, given_b - harm * taken_b, interaction, effort)
        trust_b = self.learned(self.trust_b, given_a - harm * taken_a, interaction, effort)
        self.engagement_a += self.engaging(self.engagement_a, self.trust_a, self.benefit_a)
        self.engagement_b += self.engaging(self.engagement_b, self.trust_b, self.benefit_b)
        self.openness_a += self.opening(self.openness_a, self.trust_a, private_a)
        self.openness_b += self.opening(self.openness_b, self.trust_b, private_b)
        self.benefit_a += dt * (gained_a - self.benefit_a) / p.benefit_time
        self.benefit_b += dt * (gained_b - self.benefit_b) / p.benefit_time
        self.trust_a = clip01(trust_a + shock_a)
        self.trust_b = clip01(trust_b + shock_b)
        self.joint_value += p.value_rate * value * dt
        self.private_value_a += p.value_rate * gain * taken_a * dt
        self.private_value_b += p.value_rate * gain * taken_b * dt
        self.perhaps_dissolve()

    def private_emphasis(self, own_trust: float, other_openness: float) -> float:
        p = self.p
        return clip01(
            p.private_orientation
            + p.private_defence * (1.0 - own_trust)
            + p.private_opportunism * other_openness
        )

    def shocks(self) -> tuple[float, float]:
        """What noise and an incident add to both trusts."""
        p, dt, random = self.p, self.model.dt, self.model.random
        shock_a = shock_b = 0.0
        if self.model.noise:
            z0, z1 = random.gauss(0.0, 1.0), random.gauss(0.0, 1.0)
            rho, scale = p.noise_correlation, p.trust_noise * math.sqrt(dt)
            z_b = rho * z0 + math.sqrt(1.0 - rho * rho) * z1
            shock_a = scale * self.trust_a * (1.0 - self.trust_a) * z0
            shock_b = scale * self.trust_b * (1.0 - self.trust_b) * z_b
        if self.model.incidents and random.random() < 1.0 - math.exp(-p.incident_rate * dt):
            target = 1.0 if random.random() < p.incident_favourable else 0.0
            shock_a += p.incident_size * (target - self.trust_a)
            shock_b += p.incident_size * (target - self.trust_b)
        return shock_a, shock_b

    def learned(self, trust: float, evidence: float, interaction: float, effort: float) -> float:
        """Trust after evidence and trust building."""
        p = self.p
        gap = evidence - trust
        rate = p.trust_gain if gap > 0.0 else p.trust_loss
        rate *= p.base_attention + (1.0 - p.base_attention) * interaction
        return trust + self.model.dt * (rate * gap + p.building_gain * effort * (1.0 - trust))

    def engaging(self, engagement: float, trust: float, benefit: float) -> float:
        p = self.p
        attractiveness = p.trust_weight * trust + (1.0 - p.trust_weight) * benefit
        goal = logistic(attractiveness, p.engagement_midpoint, p.engagement_steepness)
        return self.model.dt * (goal - engagement) / p.engagement_time

    def opening(self, openness: float, trust: float, private: float) -> float:
        p = self.p
        goal = logistic(trust, p.openness_midpoint, p.openness_steepness)
        goal *= 1.0 - p.private_withholding * private
        return self.model.dt * (goal - openness) / p.openness_time

    def perhaps_dissolve(self) -> None:
        p, dt = self.p, self.model.dt
        idle = math.sqrt(self.engagement_a * self.engagement_b) < p.dissolution_engagement
        self.idle_steps = self.idle_steps + 1 if idle else 0
        if self.idle_steps >= 1 and self.idle_steps * dt >= p.dissolution_patience - 1e-9:
            self.dissolution_time = (self.model.k + 1) * dt
            self.remove()

    def outputs(self) -> list[Any]:
        dissolved = not math.isnan(self.dissolution_time)
        succeeded = not dissolved and (self.trust_a + self.trust_b) / 2.0 > 0.5
        return [
            self.trust_a,
            self.trust_b,
            self.engagement_a,
            self.engagement_b,
            self.openness_a,
            self.openness_b,
            self.benefit_a,
            self.benefit_b,
            self.joint_value,
            self.private_value_a,
            self.private_value_b,
            dissolved,
            self.dissolution_time,
            succeeded,
        ]


def clip01(x: float) -> float:
    return min(1.0, max(0.0, x))


def logistic(x: float, midpoint: float, steepness: float) -> float:
    return 1.0 / (1.0 + math.exp(-steepness * (x - midpoint)))
