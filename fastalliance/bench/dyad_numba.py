"""The dyad as most people write it in numba: for each instance, for each step, scalar formulas."""

# mypy: disallow-untyped-decorators=False, disallow-untyped-defs=False, disallow-untyped-calls=False

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from fastalliance.bench.scalars import clip01, logistic, records
from fastalliance.library.dyad import OUTPUTS, PARAMETERS

Floats = npt.NDArray[np.float64]


def run(
    points: Floats,
    *,
    seed: int,
    n_replicates: int,
    dt: float,
    n_steps: int,
    noise: bool = True,
    incidents: bool = True,
) -> Floats:
    """Outputs (output, point, replicate) of points (point, parameter), with numba's own generator.

    Parameters as those of `fastalliance.bench.dyad_numpy.run`; the seed's low 32 bits are used.
    """
    outputs = np.empty((len(points), n_replicates, len(OUTPUTS)))
    _run(records(points, PARAMETERS), seed & 0xFFFFFFFF, dt, n_steps, noise, incidents, outputs)
    return outputs.transpose(2, 0, 1)


@njit(cache=True)
def _private(p, own_trust, other_openness):
    return clip01(
        p.private_orientation
        + p.private_defence * (1.0 - own_trust)
        + p.private_opportunism * other_openness
    )


@njit(cache=True)
def _run(points, seed, dt, n_steps, noise, incidents, outputs):
    np.random.seed(seed)
    for point in range(len(points)):
        for replicate in range(outputs.shape[1]):
            _simulate(points[point], dt, n_steps, noise, incidents, outputs[point, replicate])


@njit(cache=True)
def _simulate(p, dt, n_steps, noise, incidents, out):
    trust_a = clip01(p.initial_trust + p.initial_trust_gap / 2.0)
    trust_b = clip01(p.initial_trust - p.initial_trust_gap / 2.0)
    engagement_a = engagement_b = p.initial_engagement
    openness_a = logistic(trust_a, p.openness_midpoint, p.openness_steepness)
    openness_b = logistic(trust_b, p.openness_midpoint, p.openness_steepness)
    benefit_a = benefit_b = p.initial_benefit
    joint_value = private_value_a = private_value_b = 0.0
    idle_steps = 0
    dissolution_time = math.nan

    noise_scale = p.trust_noise * math.sqrt(dt)
    noise_own = math.sqrt(1.0 - p.noise_correlation**2)
    incident_probability = 1.0 - math.exp(-p.incident_rate * dt)

    for k in range(n_steps):
        private_a = _private(p, trust_a, openness_b)
        private_b = _private(p, trust_b, openness_a)
        effort = p.building_effort if k * dt < p.building_duration else 0.0

        given_a = engagement_a * (1.0 - p.building_crowding * effort) * openness_a
        given_b = engagement_b * (1.0 - p.building_crowding * effort) * openness_b
        value = math.sqrt(given_a * given_b)
        interaction = math.sqrt(engagement_a * engagement_b)
        taken_a = private_a * engagement_a * openness_b
        taken_b = private_b * engagement_b * openness_a
        common = value * (1.0 - (private_a + private_b) / 2.0)
        gained_a = (
            2.0 * p.value_share * common + p.private_gain * taken_a - p.private_harm * taken_b
        )
        gained_b = (
            2.0 * (1.0 - p.value_share) * common
            + p.private_gain * taken_b
            - p.private_harm * taken_a
        )

        gap_a = given_b - p.private_harm * taken_b - trust_a
        gap_b = given_a - p.private_harm * taken_a - trust_b
        attention = p.base_attention + (1.0 - p.base_attention) * interaction
        rate_a = (p.trust_gain if gap_a > 0.0 else p.trust_loss) * attention
        rate_b = (p.trust_gain if gap_b > 0.0 else p.trust_loss) * attention
        built = p.building_gain * effort
        change_a = dt * (rate_a * gap_a + built * (1.0 - trust_a))
        change_b = dt * (rate_b * gap_b + built * (1.0 - trust_b))
        if noise:
            z0 = np.random.standard_normal()
            z1 = p.noise_correlation * z0 + noise_own * np.random.standard_normal()
            change_a += noise_scale * trust_a * (1.0 - trust_a) * z0
            change_b += noise_scale * trust_b * (1.0 - trust_b) * z1
        if incidents and np.random.random() < incident_probability:
            target = 1.0 if np.random.random() < p.incident_favourable else 0.0
            change_a += p.incident_size * (target - trust_a)
            change_b += p.incident_size * (target - trust_b)

        engaged_a = logistic(
            p.trust_weight * trust_a + (1.0 - p.trust_weight) * benefit_a,
            p.engagement_midpoint,
            p.engagement_steepness,
        )
        engaged_b = logistic(
            p.trust_weight * trust_b + (1.0 - p.trust_weight) * benefit_b,
            p.engagement_midpoint,
            p.engagement_steepness,
        )
        open_a = logistic(trust_a, p.openness_midpoint, p.openness_steepness)
        open_b = logistic(trust_b, p.openness_midpoint, p.openness_steepness)
        open_a *= 1.0 - p.private_withholding * private_a
        open_b *= 1.0 - p.private_withholding * private_b

        trust_a = clip01(trust_a + change_a)
        trust_b = clip01(trust_b + change_b)
        engagement_a += dt * (engaged_a - engagement_a) / p.engagement_time
        engagement_b += dt * (engaged_b - engagement_b) / p.engagement_time
        openness_a += dt * (open_a - openness_a) / p.openness_time
        openness_b += dt * (open_b - openness_b) / p.openness_time
        benefit_a += dt * (gained_a - benefit_a) / p.benefit_time
        benefit_b += dt * (gained_b - benefit_b) / p.benefit_time
        joint_value += p.value_rate * value * dt
        private_value_a += p.value_rate * p.private_gain * taken_a * dt
        private_value_b += p.value_rate * p.private_gain * taken_b * dt

        idle = math.sqrt(engagement_a * engagement_b) < p.dissolution_engagement
        idle_steps = idle_steps + 1 if idle else 0
        if idle_steps >= 1 and idle_steps * dt >= p.dissolution_patience - 1e-9:
            dissolution_time = (k + 1) * dt
            break

    dissolved = not math.isnan(dissolution_time)
    out[0], out[1] = trust_a, trust_b
    out[2], out[3] = engagement_a, engagement_b
    out[4], out[5] = openness_a, openness_b
    out[6], out[7] = benefit_a, benefit_b
    out[8], out[9], out[10] = joint_value, private_value_a, private_value_b
    out[11] = dissolved
    out[12] = dissolution_time
    out[13] = not dissolved and (trust_a + trust_b) / 2.0 > 0.5
