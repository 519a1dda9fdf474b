"""`multiparty` as most people write it in numba: for each instance, each step, each member.

`_simulate` is long on purpose: it is the plain loop that people write, not cut into pieces.
"""

# mypy: disallow-untyped-decorators=False, disallow-untyped-defs=False, disallow-untyped-calls=False

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from fastalliance.bench.multiparty_draws import Draws
from fastalliance.bench.scalars import (
    clip01,
    first_of_descending,
    logistic,
    population_run,
    records,
)
from fastalliance.library.multiparty import MODEL, OUTPUTS

Floats = npt.NDArray[np.float64]
NEVER_FILLED, INSIDE, GONE = 0, 1, 2
TIE = 1e-12
NOBODY = 1e-9


def run_drawn(
    points: Floats, draws: Draws, *, dt: float, n_steps: int, n_industries: int
) -> Floats:
    """Outputs (output, instance), where point and first firms of each instance are given."""
    outputs = np.empty((len(points), len(OUTPUTS)))
    for i, record in enumerate(records(points, MODEL.parameters)):
        firms = Draws(*(values[i].copy() for values in draws))
        _simulate(record, firms, dt, n_steps, n_industries, outputs[i])
    return outputs.T


@njit(cache=True)
def _run(points, seed, dt, n_steps, n_slots, n_industries, outputs):
    np.random.seed(seed)
    for point in range(len(points)):
        p = points[point]
        for replicate in range(outputs.shape[1]):
            firms = Draws(
                np.empty(n_slots),
                np.empty(n_slots),
                np.empty(n_slots),
                np.empty(n_slots),
                np.empty(n_slots),
                np.random.random(n_slots if p.seed_exits > 0 else 0),
            )
            for i in range(n_slots):
                _draw_firm(p, firms, i)
            _simulate(p, firms, dt, n_steps, n_industries, outputs[point, replicate])


run = population_run(_run, MODEL.parameters, len(OUTPUTS))


@njit(cache=True)
def _draw_firm(p, firms, i):
    firms.capability[i] = math.exp(
        p.capability_sd * np.random.standard_normal() - 0.5 * p.capability_sd**2
    )
    firms.centrality[i] = np.random.random() ** p.centrality_skew
    firms.threshold[i] = p.threshold_mean + p.threshold_sd * np.random.standard_normal()
    firms.hazard_limit[i] = np.random.standard_exponential()
    firms.trust[i] = clip01(p.initial_trust + p.initial_trust_sd * np.random.standard_normal())


@njit(cache=True)
def _force_exits(p, firms, status, industry, leaves):
    eligible = status == INSIDE
    if p.seed_industry >= 0:
        eligible &= industry == int(p.seed_industry)
    score = p.seed_rule * firms.centrality + (1.0 - abs(p.seed_rule)) * firms.seed_key
    score[~eligible] = -np.inf
    n = min(int(p.seed_exits), eligible.sum())
    leaves[first_of_descending(score, n)] = True


@njit(cache=True)
def _simulate(p, firms, dt, n_steps, n_industries, out):
    capability, centrality, trust = firms.capability, firms.centrality, firms.trust
    n_slots = len(capability)
    industry = np.arange(n_slots) * n_industries // n_slots
    power = capability**p.bargaining * (1.0 + p.centrality_premium * centrality)
    weight = 1.0 + p.prominence_weight * centrality
    engagement = np.full(n_slots, p.initial_engagement)
    benefit = np.full(n_slots, p.initial_benefit)
    openness = np.empty(n_slots)
    hazard = np.zeros(n_slots)
    status = np.full(n_slots, NEVER_FILLED)
    members = np.zeros(2)  # that ever were: peripheral, central
    exits = np.zeros(2)
    n_initial = math.floor(p.initial_share * n_slots + 0.5)
    for i in range(n_slots):
        openness[i] = logistic(trust[i], p.openness_midpoint, p.openness_steepness)
        if (i + 1) * n_initial // n_slots > i * n_initial // n_slots:
            status[i] = INSIDE
            members[int(centrality[i] >= 0.5)] += 1

    given, others_given = np.empty(n_slots), np.empty(n_slots)
    industry_inside, industry_gone = np.empty(n_industries), np.empty(n_industries)
    industry_wave = np.empty(n_industries)
    leaves = np.zeros(n_slots, dtype=np.bool_)
    n = peak = entries = largest_wave = 0
    surplus, synergy, collapse_time = 0.0, 1.0, math.nan
    private = p.private_orientation
    seed_step = math.floor(p.seed_time / dt + 0.5)
    noise_scale = p.trust_noise * math.sqrt(dt)

    for k in range(n_steps + 1):
        # What members and the gone add up to
        n = 0
        total_capability = total_power = total_given = total_engagement = total_openness = 0.0
        inside = gone = 0.0
        industry_inside[:] = 0.0
        industry_gone[:] = 0.0
        for i in range(n_slots):
            if status[i] == INSIDE:
                n += 1
                given[i] = engagement[i] * openness[i]
                total_capability += capability[i]
                total_power += power[i]
                total_given += capability[i] * given[i]
                total_engagement += capability[i] * engagement[i]
                total_openness += capability[i] * openness[i]
                inside += weight[i]
                industry_inside[industry[i]] += weight[i]
            elif status[i] == GONE:
                gone += weight[i]
                industry_gone[industry[i]] += weight[i]
        peak = max(peak, n)
        if k < n_steps and math.isnan(collapse_time) and 2 * n < peak:
            collapse_time = k * dt
        if n == 0:  # no synergy, hence no entry either
            synergy = 1.0
            break

        value = 0.0
        if n > 1:
            for i in range(n_slots):
                if status[i] == INSIDE:
                    others = total_capability - capability[i]
                    others_given[i] = max(0.0, (total_given - capability[i] * given[i]) / others)
                    value += capability[i] * math.sqrt(given[i] * others_given[i])
            value /= total_capability
        else:
            others_given[:] = 0.0
        returns = (n / n_slots) ** p.participation_returns
        synergy = 1.0 + p.network_effect * (1.0 - private) * value * returns
        if k == n_steps:
            break
        surplus += (synergy - 1.0) * total_capability * dt

        # Who leaves
        for i in range(n_slots):
            leaves[i] = False
            if status[i] != INSIDE:
                continue
            in_industry = industry_gone[industry[i]] + industry_inside[industry[i]] - weight[i]
            in_alliance = gone + inside - weight[i]
            exits_seen = 0.0
            if in_industry > NOBODY:
                exits_seen += p.industry_weight * industry_gone[industry[i]] / in_industry
            if in_alliance > NOBODY:
                exits_seen += p.alliance_weight * gone / in_alliance
            pressure = p.uncertainty * (1.0 - p.immunity * centrality[i]) * exits_seen
            pressure += p.payoff_weight * p.network_effect * max(0.0, -benefit[i])
            if p.base_hazard > 0.0:
                hazard[i] += p.base_hazard * math.exp(p.imitation * pressure) * dt
            leaves[i] = pressure >= firms.threshold[i] - TIE or hazard[i] >= firms.hazard_limit[i]
        if k == seed_step and p.seed_exits > 0:
            _force_exits(p, firms, status, industry, leaves)
        n_leaving = 0
        wave = 0.0
        industry_wave[:] = 0.0
        for i in range(n_slots):
            if leaves[i]:
                n_leaving += 1
                wave += weight[i]
                industry_wave[industry[i]] += weight[i]
        largest_wave = max(largest_wave, n_leaving)

        # Those who stay
        for i in range(n_slots):
            if status[i] != INSIDE or leaves[i]:
                continue
            others_engagement = others_openness = 0.0
            if n > 1:
                others = total_capability - capability[i]
                others_engagement = max(
                    0.0, (total_engagement - capability[i] * engagement[i]) / others
                )
                others_openness = max(0.0, (total_openness - capability[i] * openness[i]) / others)
            taken = p.private_gain * engagement[i] * others_openness
            harm = p.private_harm * others_engagement * openness[i]
            split = power[i] / total_power * total_capability / capability[i]
            payoff = synergy * split - p.membership_cost
            payoff += p.network_effect * private * (taken - harm)

            gap = others_given[i] - private * harm - trust[i]
            attention = p.base_attention + (1.0 - p.base_attention) * math.sqrt(
                engagement[i] * others_engagement
            )
            change = (p.trust_gain if gap > 0.0 else p.trust_loss) * attention * gap * dt
            if noise_scale > 0.0:
                noise = noise_scale * np.random.standard_normal()
                change += noise * trust[i] * (1.0 - trust[i])
            engaged = logistic(
                p.trust_weight * trust[i] + (1.0 - p.trust_weight) * benefit[i],
                p.engagement_midpoint,
                p.engagement_steepness,
            )
            opened = logistic(trust[i], p.openness_midpoint, p.openness_steepness)
            opened *= 1.0 - p.private_withholding * private

            trust[i] = clip01(trust[i] + change)
            if n_leaving > 0:
                in_industry = industry_gone[industry[i]] + industry_inside[industry[i]] - weight[i]
                in_alliance = gone + inside - weight[i]
                shock = 0.0
                if in_industry > NOBODY:
                    shock += p.industry_weight * industry_wave[industry[i]] / in_industry
                if in_alliance > NOBODY:
                    shock += p.alliance_weight * wave / in_alliance
                trust[i] *= math.exp(-p.exit_shock * shock)
            engagement[i] += dt * (engaged - engagement[i]) / p.engagement_time
            openness[i] += dt * (opened - openness[i]) / p.openness_time
            benefit[i] += dt * ((payoff - 1.0) / p.network_effect - benefit[i]) / p.benefit_time

        # Entry into slots that were vacant in this step, and exits
        if p.entry_rate > 0.0:
            net = max(0.0, synergy - 1.0 - p.membership_cost)
            probability = 1.0 - math.exp(-p.entry_rate * net * dt)
            for i in range(n_slots):
                if status[i] != INSIDE and np.random.random() < probability:
                    _draw_firm(p, firms, i)
                    power[i] = capability[i] ** p.bargaining * (
                        1.0 + p.centrality_premium * centrality[i]
                    )
                    weight[i] = 1.0 + p.prominence_weight * centrality[i]
                    engagement[i] = p.initial_engagement
                    benefit[i] = p.initial_benefit
                    openness[i] = logistic(trust[i], p.openness_midpoint, p.openness_steepness)
                    hazard[i] = 0.0
                    status[i] = INSIDE
                    members[int(centrality[i] >= 0.5)] += 1
                    entries += 1
        if n_leaving > 0:
            for i in range(n_slots):
                if leaves[i]:
                    status[i] = GONE
                    exits[int(centrality[i] >= 0.5)] += 1

    out[0], out[1] = n / n_slots, peak / n_slots
    out[2] = exits.sum() / members.sum() if members.sum() > 0 else 0.0
    out[3], out[4] = entries / n_slots, largest_wave / n_slots
    out[5] = 2 * n < peak
    out[6] = n_steps * dt if math.isnan(collapse_time) else collapse_time
    out[7] = trust[status == INSIDE].mean() if n > 0 else 0.0
    out[8], out[9] = synergy, surplus / (n_steps * dt * n_slots)
    out[10] = exits[1] / members[1] if members[1] > 0 else 0.0
    out[11] = exits[0] / members[0] if members[0] > 0 else 0.0
    out[12], out[13], out[14], out[15] = exits[1], members[1], exits[0], members[0]
