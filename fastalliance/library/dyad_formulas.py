"""Formulas of the dyad: one alliance, one step, scalars only.

Symbols and numbers in comments are those of the model's page, `docs/models/dyad.md`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from fastalliance.kernels import box_muller, clip01, exp, fma, logistic, uniforms
from fastalliance.library.trust_formulas import (
    appropriated,
    attention,
    engaged,
    kept_open,
    learning,
    opened,
    private_benefit,
    relaxed,
    responses,
    shaken,
)

TRUST_NOISE, INCIDENTS = 0, 1  # purposes of draws


class Constants(NamedTuple):
    """Per-replicate constants: reciprocals and products that would cost a division each step."""

    initial_trust_a: float
    initial_trust_b: float
    initial_engagement: float
    initial_benefit: float
    initial_openness_a: float
    initial_openness_b: float
    openness_offset: float
    openness_slope: float
    openness_rate: float
    engagement_offset: float
    engagement_trust_slope: float
    engagement_benefit_slope: float
    engagement_rate: float
    benefit_rate: float
    gain_step: float
    loss_step: float
    base_attention: float
    private_orientation: float
    private_defence: float
    private_opportunism: float
    private_gain: float
    private_harm: float
    private_withholding: float
    building_effort: float
    building_duration: float
    building_step: float
    building_crowding: float
    value_share_a: float
    value_share_b: float
    value_step: float
    private_step: float
    noise_scale: float
    noise_common: float
    noise_own: float
    incident_probability: float
    incident_size: float
    incident_favourable: float
    dissolution_engagement: float
    patience_steps: float
    dt: float


class Draws(NamedTuple):
    """Uniforms of a step."""

    noise0: float
    noise1: float
    incident: float
    incident_kind: float


class State(NamedTuple):
    """State of one alliance; a dissolved one keeps it (what only steps need moves on)."""

    trust_a: float
    trust_b: float
    engagement_a: float
    engagement_b: float
    openness_a: float
    openness_b: float
    benefit_a: float
    benefit_b: float
    joint_value: float
    private_value_a: float
    private_value_b: float
    interaction: float
    idle_steps: float
    dissolved_step: float


def prepare(p, dt):
    """Constants of a replicate."""
    trust_a = clip01(p.initial_trust + 0.5 * p.initial_trust_gap)
    trust_b = clip01(p.initial_trust - 0.5 * p.initial_trust_gap)
    response = responses(p)
    return Constants(
        initial_trust_a=trust_a,
        initial_trust_b=trust_b,
        initial_engagement=p.initial_engagement,
        initial_benefit=p.initial_benefit,
        initial_openness_a=logistic(trust_a, p.openness_midpoint, p.openness_steepness),
        initial_openness_b=logistic(trust_b, p.openness_midpoint, p.openness_steepness),
        openness_offset=response.openness_offset,
        openness_slope=response.openness_slope,
        openness_rate=dt / p.openness_time,
        engagement_offset=response.engagement_offset,
        engagement_trust_slope=response.engagement_trust_slope,
        engagement_benefit_slope=response.engagement_benefit_slope,
        engagement_rate=dt / p.engagement_time,
        benefit_rate=dt / p.benefit_time,
        gain_step=p.trust_gain * dt,
        loss_step=p.trust_loss * dt,
        base_attention=p.base_attention,
        private_orientation=p.private_orientation,
        private_defence=p.private_defence,
        private_opportunism=p.private_opportunism,
        private_gain=p.private_gain,
        private_harm=p.private_harm,
        private_withholding=p.private_withholding,
        building_effort=p.building_effort,
        building_duration=p.building_duration,
        building_step=p.building_gain * dt,
        building_crowding=p.building_crowding,
        value_share_a=2.0 * p.value_share,
        value_share_b=2.0 * (1.0 - p.value_share),
        value_step=p.value_rate * dt,
        private_step=p.value_rate * p.private_gain * dt,
        noise_scale=p.trust_noise * math.sqrt(dt),
        noise_common=p.noise_correlation,
        noise_own=math.sqrt(1.0 - p.noise_correlation * p.noise_correlation),
        incident_probability=1.0 - exp(-p.incident_rate * dt),
        incident_size=p.incident_size,
        incident_favourable=p.incident_favourable,
        dissolution_engagement=p.dissolution_engagement,
        patience_steps=_patience_steps(p.dissolution_patience - 1e-9, dt),
        dt=dt,
    )


def _patience_steps(patience, dt):
    """Return the smallest whole number c >= 1 with c dt >= patience."""
    steps = math.ceil(patience / dt)
    if (steps - 1.0) * dt >= patience:
        steps -= 1.0
    if steps * dt < patience:
        steps += 1.0
    return max(steps, 1.0)


def init(p, stream):
    """State at t = 0."""
    return State(
        trust_a=p.initial_trust_a,
        trust_b=p.initial_trust_b,
        engagement_a=p.initial_engagement,
        engagement_b=p.initial_engagement,
        openness_a=p.initial_openness_a,
        openness_b=p.initial_openness_b,
        benefit_a=p.initial_benefit,
        benefit_b=p.initial_benefit,
        joint_value=0.0,
        private_value_a=0.0,
        private_value_b=0.0,
        interaction=p.initial_engagement,
        idle_steps=0.0,
        dissolved_step=0.0,
    )


def finished(s):
    """Whether the alliance can change no more."""
    return s.dissolved_step > 0.0


def draw(p, stream, k):
    """Uniforms of the trust noise and of an incident."""
    noise0, noise1, incident, incident_kind = 0.5, 0.5, 1.0, 1.0
    if p.noise_scale > 0.0:
        noise0, noise1 = uniforms(stream, TRUST_NOISE, k, 0)
    if p.incident_probability > 0.0:
        incident, incident_kind = uniforms(stream, INCIDENTS, k, 0)
    return Draws(noise0, noise1, incident, incident_kind)


def step(s, p, random, k, t, dt):
    """One explicit Euler-Maruyama step; numbers in comments are the steps of the model's page."""
    # 1 private emphasis and building effort
    private_a = clip01(
        fma(
            p.private_defence,
            1.0 - s.trust_a,
            fma(p.private_opportunism, s.openness_b, p.private_orientation),
        )
    )
    private_b = clip01(
        fma(
            p.private_defence,
            1.0 - s.trust_b,
            fma(p.private_opportunism, s.openness_a, p.private_orientation),
        )
    )
    effort = p.building_effort if t < p.building_duration else 0.0
    # 2 contributions and joint value; sqrt(C_a C_b) = I (1 - cu u) sqrt(O_a O_b)
    uncrowded = fma(-p.building_crowding, effort, 1.0)
    contribution_a = s.engagement_a * uncrowded * s.openness_a
    contribution_b = s.engagement_b * uncrowded * s.openness_b
    value = s.interaction * uncrowded * math.sqrt(s.openness_a * s.openness_b)
    # 3 appropriation
    taken_a = appropriated(private_a, s.engagement_a, s.openness_b)
    taken_b = appropriated(private_b, s.engagement_b, s.openness_a)
    common = value * fma(-0.5, private_a + private_b, 1.0)
    # 4 benefits
    harm_a = p.private_harm * taken_b
    harm_b = p.private_harm * taken_a
    benefit_a = fma(p.value_share_a, common, private_benefit(taken_a, harm_a, p))
    benefit_b = fma(p.value_share_b, common, private_benefit(taken_b, harm_b, p))
    # 5 evidence
    gap_a = contribution_b - harm_a - s.trust_a
    gap_b = contribution_a - harm_b - s.trust_b
    attentive = attention(s.interaction, p)
    learning_a = learning(gap_a, attentive, p)
    learning_b = learning(gap_b, attentive, p)
    # 6-8 trust
    built = p.building_step * effort
    change_a = fma(learning_a, gap_a, built * (1.0 - s.trust_a))
    change_b = fma(learning_b, gap_b, built * (1.0 - s.trust_b))
    if p.noise_scale > 0.0:
        z0, z1 = box_muller(random.noise0, random.noise1)
        z_b = fma(p.noise_common, z0, p.noise_own * z1)
        change_a = shaken(s.trust_a, change_a, z0, p)
        change_b = shaken(s.trust_b, change_b, z_b, p)
    if p.incident_probability > 0.0:
        size = p.incident_size if random.incident < p.incident_probability else 0.0
        target = 1.0 if random.incident_kind < p.incident_favourable else 0.0
        change_a = fma(size, target - s.trust_a, change_a)
        change_b = fma(size, target - s.trust_b, change_b)
    trust_a = clip01(s.trust_a + change_a)
    trust_b = clip01(s.trust_b + change_b)
    # 9 engagement, openness, benefit
    engaged_a = engaged(s.trust_a, s.benefit_a, p)
    engaged_b = engaged(s.trust_b, s.benefit_b, p)
    open_a = kept_open(opened(s.trust_a, p), private_a, p)
    open_b = kept_open(opened(s.trust_b, p), private_b, p)
    engagement_a = relaxed(s.engagement_a, engaged_a, p.engagement_rate)
    engagement_b = relaxed(s.engagement_b, engaged_b, p.engagement_rate)
    openness_a = relaxed(s.openness_a, open_a, p.openness_rate)
    openness_b = relaxed(s.openness_b, open_b, p.openness_rate)
    # 11 dissolution, counted from the step's end
    interaction = math.sqrt(engagement_a * engagement_b)
    idle_steps = s.idle_steps + 1.0 if interaction < p.dissolution_engagement else 0.0
    dissolved_step = k + 1.0 if idle_steps >= p.patience_steps else 0.0
    alive = s.dissolved_step == 0.0
    return State(
        trust_a=trust_a if alive else s.trust_a,
        trust_b=trust_b if alive else s.trust_b,
        engagement_a=engagement_a if alive else s.engagement_a,
        engagement_b=engagement_b if alive else s.engagement_b,
        openness_a=openness_a if alive else s.openness_a,
        openness_b=openness_b if alive else s.openness_b,
        benefit_a=relaxed(s.benefit_a, benefit_a, p.benefit_rate) if alive else s.benefit_a,
        benefit_b=relaxed(s.benefit_b, benefit_b, p.benefit_rate) if alive else s.benefit_b,
        joint_value=fma(p.value_step, value, s.joint_value) if alive else s.joint_value,
        private_value_a=fma(p.private_step, taken_a, s.private_value_a)
        if alive
        else s.private_value_a,
        private_value_b=fma(p.private_step, taken_b, s.private_value_b)
        if alive
        else s.private_value_b,
        interaction=interaction,
        idle_steps=idle_steps,
        dissolved_step=dissolved_step if alive else s.dissolved_step,
    )


def outputs(s, p):
    """Outputs at the horizon, in the order of OUTPUTS."""
    dissolved = s.dissolved_step > 0.0
    succeeded = not dissolved and 0.5 * (s.trust_a + s.trust_b) > 0.5
    return (
        s.trust_a,
        s.trust_b,
        s.engagement_a,
        s.engagement_b,
        s.openness_a,
        s.openness_b,
        s.benefit_a,
        s.benefit_b,
        s.joint_value,
        s.private_value_a,
        s.private_value_b,
        1.0 if dissolved else 0.0,
        s.dissolved_step * p.dt if dissolved else math.nan,
        1.0 if succeeded else 0.0,
    )


def fastest_rate(p):
    """Largest adjustment rate, 1/month."""
    return max(1.0 / p.openness_time, 1.0 / p.engagement_time, 1.0 / p.benefit_time)
