"""Slow, obvious twin of the model `dyad`: one alliance, one step at a time, plain Python.

Written from models/dyad.md and models/README.md alone, never from a kernel; the numbers in the
comments are those of the page's "Step k". Everything the compiled model does for speed (constants
prepared once, squares compared for roots, draws left out) is left undone here on purpose.
"""

from __future__ import annotations

import math
from typing import Any

from tests.oracle import philox

PURPOSE_NOISE, PURPOSE_INCIDENT = 0, 1

DEFAULTS: dict[str, float] = {
    "initial_trust": 0.6,
    "initial_trust_gap": 0.0,
    "initial_engagement": 0.5,
    "initial_benefit": 0.5,
    "openness_midpoint": 0.40,
    "openness_steepness": 9.0,
    "openness_time": 2.0,
    "engagement_midpoint": 0.35,
    "engagement_steepness": 9.0,
    "engagement_time": 3.0,
    "trust_weight": 0.6,
    "benefit_time": 3.0,
    "trust_gain": 0.25,
    "trust_loss": 0.5,
    "base_attention": 0.2,
    "private_orientation": 0.0,
    "private_defence": 0.0,
    "private_opportunism": 0.0,
    "private_gain": 0.5,
    "private_harm": 0.5,
    "private_withholding": 0.5,
    "building_effort": 0.0,
    "building_duration": 6.0,
    "building_gain": 0.15,
    "building_crowding": 0.75,
    "value_rate": 1.0,
    "value_share": 0.5,
    "trust_noise": 0.1,
    "noise_correlation": 0.0,
    "incident_rate": 0.0,
    "incident_size": 0.3,
    "incident_favourable": 0.0,
    "dissolution_engagement": 0.1,
    "dissolution_patience": 6.0,
}
HORIZON, DT = 60.0, 0.125

# The states that are outputs too; `dissolved`, `dissolution_time` and `success` come on top.
STATES = (
    "trust_a",
    "trust_b",
    "engagement_a",
    "engagement_b",
    "openness_a",
    "openness_b",
    "benefit_a",
    "benefit_b",
    "joint_value",
    "private_value_a",
    "private_value_b",
)
OUTPUTS = (*STATES, "dissolved", "dissolution_time", "success")


def clip01(x: float) -> float:
    """Return `x` moved into 0..1."""
    return min(1.0, max(0.0, x))


def logistic(x: float, midpoint: float, steepness: float) -> float:
    """Return L(x; m, s), exactly 0 or 1 where exp overflows."""
    try:
        return 1.0 / (1.0 + math.exp(-steepness * (x - midpoint)))
    except OverflowError:
        return 0.0


def n_steps(horizon: float, dt: float) -> int:
    """Return the number of steps; the horizon is a multiple of dt within 1e-9 relative."""
    n = round(horizon / dt)
    assert abs(n * dt - horizon) <= 1e-9 * horizon
    return n


def start(p: dict[str, float]) -> dict[str, float]:
    """Return the state at t = 0."""
    trust_a = clip01(p["initial_trust"] + p["initial_trust_gap"] / 2.0)
    trust_b = clip01(p["initial_trust"] - p["initial_trust_gap"] / 2.0)
    return {
        "trust_a": trust_a,
        "trust_b": trust_b,
        "engagement_a": p["initial_engagement"],
        "engagement_b": p["initial_engagement"],
        "openness_a": logistic(trust_a, p["openness_midpoint"], p["openness_steepness"]),
        "openness_b": logistic(trust_b, p["openness_midpoint"], p["openness_steepness"]),
        "benefit_a": p["initial_benefit"],
        "benefit_b": p["initial_benefit"],
        "joint_value": 0.0,
        "private_value_a": 0.0,
        "private_value_b": 0.0,
    }


def shocks(
    s: dict[str, float], p: dict[str, float], *, seed: int, instance: int, k: int, dt: float
) -> tuple[float, float]:
    """Return what noise and an incident add to the trust of a and of b in step k."""
    # 6. noise
    z0, z1 = philox.normals(seed, instance, PURPOSE_NOISE, k, 0)
    rho = p["noise_correlation"]
    z_a, z_b = z0, rho * z0 + math.sqrt(1.0 - rho**2) * z1
    # 7. incident, experienced by both partners
    u0, u1 = philox.uniforms(seed, instance, PURPOSE_INCIDENT, k, 0)
    happens = u0 < 1.0 - math.exp(-p["incident_rate"] * dt)
    favourable = u1 < p["incident_favourable"]

    def shock(trust: float, z: float) -> float:
        jump = 0.0
        if happens:
            size = p["incident_size"]
            jump = size * (1.0 - trust) if favourable else -size * trust
        return p["trust_noise"] * math.sqrt(dt) * trust * (1.0 - trust) * z + jump

    return shock(s["trust_a"], z_a), shock(s["trust_b"], z_b)


def step(
    s: dict[str, float], p: dict[str, float], *, seed: int, instance: int, k: int, dt: float
) -> dict[str, float]:
    """Return the state after step k of a living alliance."""
    trust_a, trust_b = s["trust_a"], s["trust_b"]
    engagement_a, engagement_b = s["engagement_a"], s["engagement_b"]
    openness_a, openness_b = s["openness_a"], s["openness_b"]
    benefit_a, benefit_b = s["benefit_a"], s["benefit_b"]

    # 1. private emphasis, trust-building effort
    def emphasis(own_trust: float, other_openness: float) -> float:
        return clip01(
            p["private_orientation"]
            + p["private_defence"] * (1.0 - own_trust)
            + p["private_opportunism"] * other_openness
        )

    private_a, private_b = emphasis(trust_a, openness_b), emphasis(trust_b, openness_a)
    effort = p["building_effort"] if k * dt < p["building_duration"] else 0.0

    # 2. contributions, joint value, interaction
    kept = 1.0 - p["building_crowding"] * effort
    contribution_a = engagement_a * kept * openness_a
    contribution_b = engagement_b * kept * openness_b
    value = math.sqrt(contribution_a * contribution_b)
    interaction = math.sqrt(engagement_a * engagement_b)

    # 3. appropriation and the common benefit it reduces
    taken_a = private_a * engagement_a * openness_b
    taken_b = private_b * engagement_b * openness_a
    common = value * (1.0 - (private_a + private_b) / 2.0)

    # 4. benefits
    share, gain, harm = p["value_share"], p["private_gain"], p["private_harm"]
    gets_a = 2.0 * share * common + gain * taken_a - harm * taken_b
    gets_b = 2.0 * (1.0 - share) * common + gain * taken_b - harm * taken_a

    # 5. evidence: what a partner observes of the other, and feels as harm, against its trust
    gap_a = contribution_b - harm * taken_b - trust_a
    gap_b = contribution_a - harm * taken_a - trust_b
    attention = p["base_attention"] + (1.0 - p["base_attention"]) * interaction
    rate_a = (p["trust_gain"] if gap_a > 0.0 else p["trust_loss"]) * attention
    rate_b = (p["trust_gain"] if gap_b > 0.0 else p["trust_loss"]) * attention

    # 6. and 7.
    shock_a, shock_b = shocks(s, p, seed=seed, instance=instance, k=k, dt=dt)

    # 8. trust
    built = p["building_gain"] * effort

    def next_trust(trust: float, rate: float, gap: float, shock: float) -> float:
        return clip01(trust + dt * (rate * gap + built * (1.0 - trust)) + shock)

    # 9. engagement, openness, perceived benefit
    def next_engagement(engagement: float, trust: float, benefit: float) -> float:
        attractiveness = p["trust_weight"] * trust + (1.0 - p["trust_weight"]) * benefit
        goal = logistic(attractiveness, p["engagement_midpoint"], p["engagement_steepness"])
        return engagement + dt * (goal - engagement) / p["engagement_time"]

    def next_openness(openness: float, trust: float, private: float) -> float:
        goal = logistic(trust, p["openness_midpoint"], p["openness_steepness"])
        goal *= 1.0 - p["private_withholding"] * private
        return openness + dt * (goal - openness) / p["openness_time"]

    def next_benefit(benefit: float, gets: float) -> float:
        return benefit + dt * (gets - benefit) / p["benefit_time"]

    return {
        "trust_a": next_trust(trust_a, rate_a, gap_a, shock_a),
        "trust_b": next_trust(trust_b, rate_b, gap_b, shock_b),
        "engagement_a": next_engagement(engagement_a, trust_a, benefit_a),
        "engagement_b": next_engagement(engagement_b, trust_b, benefit_b),
        "openness_a": next_openness(openness_a, trust_a, private_a),
        "openness_b": next_openness(openness_b, trust_b, private_b),
        "benefit_a": next_benefit(benefit_a, gets_a),
        "benefit_b": next_benefit(benefit_b, gets_b),
        # 10. accumulated values
        "joint_value": s["joint_value"] + p["value_rate"] * value * dt,
        "private_value_a": s["private_value_a"] + p["value_rate"] * gain * taken_a * dt,
        "private_value_b": s["private_value_b"] + p["value_rate"] * gain * taken_b * dt,
    }


def simulate(
    parameters: dict[str, float] | None = None,
    *,
    seed: int,
    instance: int,
    horizon: float = HORIZON,
    dt: float = DT,
    record_every: float | None = None,
) -> dict[str, Any]:
    """Return every output of one alliance.

    Parameters
    ----------
    parameters : dict, optional
        Values that differ from the defaults.
    seed, instance : int
        Address of the random numbers.
    horizon, dt : float
        In months.
    record_every : float, optional
        Adds `time` and, for each state X, `X_path`: the states from 0 to the horizon.
    """
    p = DEFAULTS | (parameters or {})
    assert p.keys() == DEFAULTS.keys(), "unknown parameter"
    n = n_steps(horizon, dt)
    every = math.floor(record_every / dt + 0.5) if record_every is not None else n + 1

    s = start(p)
    idle, dissolved, dissolution_time = 0, False, math.nan
    recorded = [s]
    for k in range(n):
        if not dissolved:
            s = step(s, p, seed=seed, instance=instance, k=k, dt=dt)
            # 11. dissolution
            joint_engagement = math.sqrt(s["engagement_a"] * s["engagement_b"])
            idle = idle + 1 if joint_engagement < p["dissolution_engagement"] else 0
            if idle >= 1 and idle * dt >= p["dissolution_patience"] - 1e-9:
                dissolved, dissolution_time = True, (k + 1) * dt
        if (k + 1) % every == 0:
            recorded.append(s)

    success = not dissolved and (s["trust_a"] + s["trust_b"]) / 2.0 > 0.5
    result: dict[str, Any] = dict(s)
    result["dissolved"] = float(dissolved)
    result["dissolution_time"] = dissolution_time
    result["success"] = float(success)
    if record_every is not None:
        result["time"] = [i * every * dt for i in range(len(recorded))]
        result |= {f"{name}_path": [state[name] for state in recorded] for name in STATES}
    return result
