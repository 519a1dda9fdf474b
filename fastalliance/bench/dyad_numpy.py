"""The dyad in vectorised NumPy: time outside, arrays over a chunk of instances inside."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt

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
        Of the generator (SFC64, the fastest of NumPy's).
    n_replicates : int
        Replicates of each point.
    dt, n_steps : float, int
        Step in months, and their number.
    noise, incidents : bool
        Whether any is drawn.
    """
    generator = np.random.Generator(np.random.SFC64(seed))
    n = len(points) * n_replicates
    outputs = np.empty((len(OUTPUTS), n))
    for first in range(0, n, CHUNK):
        last = min(first + CHUNK, n)
        rows = points[np.arange(first, last) // n_replicates]
        outputs[:, first:last] = _run_chunk(rows, generator, dt, n_steps, noise, incidents)
    return outputs.reshape(len(OUTPUTS), len(points), n_replicates)


def _clip01(x: Floats) -> Floats:
    return np.clip(x, 0.0, 1.0, out=x)


def _logistic(x: Floats, midpoint: Floats, steepness: Floats) -> Floats:
    """The S-curve; computed in place of a copy of `x`."""
    y = midpoint - x
    y *= steepness
    np.exp(y, out=y)
    y += 1.0
    return np.reciprocal(y, out=y)


def _run_chunk(
    rows: Floats,
    generator: np.random.Generator,
    dt: float,
    n_steps: int,
    noise: bool,
    incidents: bool,
) -> Floats:
    """Outputs of one chunk; arrays of shape (partner, instance) hold both partners."""
    columns = np.ascontiguousarray(rows.T)
    names = [parameter.name for parameter in PARAMETERS]
    p = SimpleNamespace(**dict(zip(names, columns, strict=True)))
    c = _constants(p, dt)
    n = len(rows)

    half_gap = 0.5 * p.initial_trust_gap
    trust = _clip01(np.stack([p.initial_trust + half_gap, p.initial_trust - half_gap]))
    engagement = np.stack([p.initial_engagement] * 2)
    benefit = np.stack([p.initial_benefit] * 2)
    openness = _logistic(trust, p.openness_midpoint, p.openness_steepness)
    joint_value, private_value = np.zeros(n), np.zeros((2, n))
    idle_steps = np.zeros(n)
    outputs = np.empty((len(OUTPUTS), n))  # of a dissolved alliance, written when it dissolves
    alive = np.ones(n, dtype=np.bool_)
    last_building = np.max(p.building_duration, where=p.building_effort > 0.0, initial=0.0)

    for k in range(n_steps):
        t = k * dt
        private = p.private_defence * (1.0 - trust)
        private += p.private_opportunism * openness[::-1]
        private += p.private_orientation
        _clip01(private)

        given = engagement * openness
        building = t < last_building
        if building:
            effort = np.where(t < p.building_duration, p.building_effort, 0.0)
            given *= 1.0 - p.building_crowding * effort
        value = np.sqrt(given[0] * given[1])
        interaction = np.sqrt(engagement[0] * engagement[1])
        taken = private * engagement
        taken *= openness[::-1]
        harm = p.private_harm * taken[::-1]
        common = value * (1.0 - 0.5 * (private[0] + private[1]))
        gained = c.share * common
        gained += p.private_gain * taken
        gained -= harm

        gap = given[::-1] - harm
        gap -= trust
        change = np.where(gap > 0.0, c.gain_step, c.loss_step)
        change *= gap
        change *= p.base_attention + c.interaction_attention * interaction
        if building:
            change += (dt * p.building_gain) * effort * (1.0 - trust)
        if noise:
            z = generator.standard_normal((2, n))
            z[1] *= c.noise_own
            z[1] += p.noise_correlation * z[0]
            z *= c.noise_scale
            z *= trust * (1.0 - trust)
            change += z
        if incidents:
            happens = generator.random(n) < c.incident_probability
            favourable = generator.random(n) < p.incident_favourable
            change += np.where(happens, p.incident_size, 0.0) * (favourable - trust)

        attractiveness = p.trust_weight * trust + c.benefit_weight * benefit
        engaged = _logistic(attractiveness, p.engagement_midpoint, p.engagement_steepness)
        engaged -= engagement
        engaged *= c.engagement_rate
        engaged += engagement
        opened = _logistic(trust, p.openness_midpoint, p.openness_steepness)
        opened *= 1.0 - p.private_withholding * private
        opened -= openness
        opened *= c.openness_rate
        opened += openness
        gained -= benefit
        gained *= c.benefit_rate
        gained += benefit
        change += trust
        _clip01(change)

        trust, engagement, openness, benefit = change, engaged, opened, gained
        value *= c.value_step
        joint_value += value
        taken *= c.private_step
        private_value += taken

        idle_steps += 1.0
        idle_steps *= engagement[0] * engagement[1] < c.squared_floor
        ends = alive & (idle_steps >= c.patience)
        if ends.any():
            states = (*trust, *engagement, *openness, *benefit, joint_value, *private_value)
            outputs[:, ends] = _outputs(states, ends, (k + 1) * dt)
            alive &= ~ends
            if not alive.any():
                break

    states = (*trust, *engagement, *openness, *benefit, joint_value, *private_value)
    outputs[:, alive] = _outputs(states, alive, np.nan)
    return outputs


def _outputs(states: Sequence[Floats], chosen: Mask, dissolution_time: float) -> Floats:
    """Outputs of the chosen instances, which dissolve now (or never, where the time is NaN)."""
    values = np.array([state[chosen] for state in states])
    dissolved = np.full(values.shape[1], not np.isnan(dissolution_time))
    success = ~dissolved & (0.5 * (values[0] + values[1]) > 0.5)
    return np.array([*values, dissolved, np.full(len(dissolved), dissolution_time), success])


def _constants(p: SimpleNamespace, dt: float) -> SimpleNamespace:
    """What steps need of the parameters, computed once."""
    patience = np.ceil((p.dissolution_patience - PATIENCE_SLACK) / dt)
    return SimpleNamespace(
        share=2.0 * np.stack([p.value_share, 1.0 - p.value_share]),
        gain_step=p.trust_gain * dt,
        loss_step=p.trust_loss * dt,
        interaction_attention=1.0 - p.base_attention,
        benefit_weight=1.0 - p.trust_weight,
        engagement_rate=dt / p.engagement_time,
        openness_rate=dt / p.openness_time,
        benefit_rate=dt / p.benefit_time,
        value_step=p.value_rate * dt,
        private_step=p.value_rate * p.private_gain * dt,
        noise_scale=p.trust_noise * np.sqrt(dt),
        noise_own=np.sqrt(1.0 - p.noise_correlation**2),
        incident_probability=-np.expm1(-p.incident_rate * dt),
        squared_floor=p.dissolution_engagement**2,
        patience=np.maximum(patience, 1.0),
    )
