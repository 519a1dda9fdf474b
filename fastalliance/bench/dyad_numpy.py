"""The dyad in vectorised NumPy: time outside, arrays over a chunk of instances inside."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt

from fastalliance.bench.arrays import by_chunks, clip01, generator_of, logistic, relaxed
from fastalliance.library.dyad import OUTPUTS, PARAMETERS

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

CHUNK = 4096  # instances; measured best of 1024 to 16384 (its arrays fit into L2)
PATIENCE_SLACK = 1e-9


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
    """Outputs (output, point, replicate) of points (point, parameter), with NumPy's own generator.

    Parameters
    ----------
    points : float64 (point, parameter)
        In the order of the model's parameters.
    seed : int
        Of the generator.
    n_replicates : int
        Replicates of each point.
    dt, n_steps : float, int
        Step in months, and their number.
    noise, incidents : bool
        Whether any is drawn.
    """
    generator = generator_of(seed)
    return by_chunks(
        lambda rows: _run_chunk(rows, generator, dt, n_steps, noise, incidents),
        points,
        n_replicates,
        len(OUTPUTS),
        CHUNK,
    )


@np.errstate(over="ignore")  # exp of a logistic that is 0
def _run_chunk(
    rows: Floats,
    generator: np.random.Generator,
    dt: float,
    n_steps: int,
    noise: bool,
    incidents: bool,
) -> Floats:
    """Outputs of one chunk; arrays of shape (partner, instance) hold both partners."""
    p = _parameters(rows, dt)
    n = len(rows)
    half_gap = 0.5 * p.initial_trust_gap
    trust = clip01(np.stack([p.initial_trust + half_gap, p.initial_trust - half_gap]))
    engagement = np.stack([p.initial_engagement] * 2)
    benefit = np.stack([p.initial_benefit] * 2)
    openness = logistic(trust, p.openness_midpoint, p.openness_steepness)
    joint_value, private_value, idle_steps = np.zeros(n), np.zeros((2, n)), np.zeros(n)
    alive = np.ones(n, dtype=np.bool_)
    outputs = np.empty((len(OUTPUTS), n))  # of a dissolved alliance, written when it dissolves

    for k in range(n_steps):
        private = _private(p, trust, openness)
        given = engagement * openness
        effort = _building_effort(p, k * dt)
        if effort is not None:
            given *= 1.0 - p.building_crowding * effort
        value = np.sqrt(given[0] * given[1])
        taken = private * engagement
        taken *= openness[::-1]
        harm = p.private_harm * taken[::-1]
        gained = p.share * (value * (1.0 - 0.5 * (private[0] + private[1])))
        gained += p.private_gain * taken
        gained -= harm

        change = _learning(p, given[::-1] - harm, trust, engagement)
        if effort is not None:
            change += p.building_step * effort * (1.0 - trust)
        if noise:
            change += _noise(p, trust, generator)
        if incidents:
            change += _incidents(p, trust, generator)
        attractiveness = p.trust_weight * trust
        attractiveness += p.benefit_weight * benefit
        engaged = logistic(attractiveness, p.engagement_midpoint, p.engagement_steepness)
        opened = logistic(trust, p.openness_midpoint, p.openness_steepness)
        opened *= 1.0 - p.private_withholding * private

        change += trust
        trust = clip01(change)
        engagement = relaxed(engagement, engaged, p.engagement_rate)
        openness = relaxed(openness, opened, p.openness_rate)
        benefit = relaxed(benefit, gained, p.benefit_rate)
        joint_value += p.value_step * value
        private_value += p.private_step * taken
        idle_steps += 1.0
        idle_steps *= engagement[0] * engagement[1] < p.squared_floor
        ends = alive & (idle_steps >= p.patience)
        if ends.any():
            states = (*trust, *engagement, *openness, *benefit, joint_value, *private_value)
            outputs[:, ends] = _outputs(states, ends, (k + 1) * dt)
            alive &= ~ends
            if not alive.any():
                return outputs

    states = (*trust, *engagement, *openness, *benefit, joint_value, *private_value)
    outputs[:, alive] = _outputs(states, alive, np.nan)
    return outputs


def _private(p: SimpleNamespace, trust: Floats, openness: Floats) -> Floats:
    private: Floats = p.private_defence * (1.0 - trust)
    private += p.private_opportunism * openness[::-1]
    private += p.private_orientation
    return clip01(private)


def _building_effort(p: SimpleNamespace, t: float) -> Floats | None:
    """Effort at `t`; None where nobody in the chunk makes any."""
    if t >= p.last_building:
        return None
    return np.where(t < p.building_duration, p.building_effort, 0.0)


def _learning(p: SimpleNamespace, evidence: Floats, trust: Floats, engagement: Floats) -> Floats:
    gap = evidence
    gap -= trust
    attention = np.sqrt(engagement[0] * engagement[1])
    attention *= p.interaction_attention
    attention += p.base_attention
    gap *= np.where(gap > 0.0, p.gain_step, p.loss_step)
    gap *= attention
    return gap


def _noise(p: SimpleNamespace, trust: Floats, generator: np.random.Generator) -> Floats:
    z = generator.standard_normal(trust.shape)
    z[1] *= p.noise_own
    z[1] += p.noise_correlation * z[0]
    z *= p.noise_scale
    z *= trust * (1.0 - trust)
    return z


def _incidents(p: SimpleNamespace, trust: Floats, generator: np.random.Generator) -> Floats:
    u = generator.random(trust.shape)
    size = np.where(u[0] < p.incident_probability, p.incident_size, 0.0)
    change: Floats = size * ((u[1] < p.incident_favourable) - trust)
    return change


def _outputs(states: Sequence[Floats], chosen: Mask, dissolution_time: float) -> Floats:
    """Outputs of the chosen instances, which dissolve now (or never, where the time is NaN)."""
    values = np.array([state[chosen] for state in states])
    dissolved = np.full(values.shape[1], not np.isnan(dissolution_time))
    success = ~dissolved & (0.5 * (values[0] + values[1]) > 0.5)
    return np.array([*values, dissolved, np.full(len(dissolved), dissolution_time), success])


def _parameters(rows: Floats, dt: float) -> SimpleNamespace:
    """Parameters by name, and what steps need of them, computed once."""
    names = [parameter.name for parameter in PARAMETERS]
    p = SimpleNamespace(**dict(zip(names, np.ascontiguousarray(rows.T), strict=True)))
    p.share = 2.0 * np.stack([p.value_share, 1.0 - p.value_share])
    p.gain_step = p.trust_gain * dt
    p.loss_step = p.trust_loss * dt
    p.building_step = p.building_gain * dt
    p.last_building = np.max(p.building_duration, where=p.building_effort > 0.0, initial=0.0)
    p.interaction_attention = 1.0 - p.base_attention
    p.benefit_weight = 1.0 - p.trust_weight
    p.engagement_rate = dt / p.engagement_time
    p.openness_rate = dt / p.openness_time
    p.benefit_rate = dt / p.benefit_time
    p.value_step = p.value_rate * dt
    p.private_step = p.value_rate * p.private_gain * dt
    p.noise_scale = p.trust_noise * np.sqrt(dt)
    p.noise_own = np.sqrt(1.0 - p.noise_correlation**2)
    p.incident_probability = -np.expm1(-p.incident_rate * dt)
    p.squared_floor = p.dissolution_engagement**2
    p.patience = np.maximum(np.ceil((p.dissolution_patience - PATIENCE_SLACK) / dt), 1.0)
    return p
