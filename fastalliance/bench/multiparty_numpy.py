"""`multiparty` in vectorised NumPy: time outside, arrays (instance, slot) of a chunk inside."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import numpy.typing as npt

from fastalliance.bench.arrays import (
    blocks,
    clip01,
    first_of_descending,
    generator_of,
    logistic,
    population_run,
    reciprocal,
    relaxed,
)
from fastalliance.bench.multiparty_draws import Draws
from fastalliance.bench.multiparty_numpy_state import (
    chosen,
    count,
    draw,
    enter,
    parameters,
    start,
)
from fastalliance.library.multiparty import OUTPUTS

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.intp]

CHUNK = 2**14  # slots of all instances together; measured best of 2**12 to 2**16
EMPTY_SHARE = 0.125  # of a chunk, from which on its empty alliances are left out
NOBODY = 1e-9


def _simulate(
    rows: Floats,
    generator: np.random.Generator,
    dt: float,
    n_steps: int,
    n_members: int,
    n_industries: int,
) -> Floats:
    """Outputs (output, instance) of rows (instance, parameter), whose first firms are drawn."""
    p = parameters(rows, dt)
    drawn = draw(p, generator, (len(rows), n_members))
    return _run_chunk(p, drawn, generator, n_steps, n_industries)


run = population_run(_simulate, len(OUTPUTS), CHUNK)


def run_drawn(
    points: Floats, draws: Draws, *, dt: float, n_steps: int, n_industries: int
) -> Floats:
    """Outputs (output, instance), where point and first firms of each instance are given."""
    generator = generator_of(0)  # of noise and entry, where there is any
    return _run_chunk(parameters(points, dt), draws, generator, n_steps, n_industries)


@np.errstate(over="ignore", invalid="ignore")  # logistics that are 0, and infinite hazards
def _run_chunk(
    p: SimpleNamespace,
    draws: Draws,
    generator: np.random.Generator,
    n_steps: int,
    n_industries: int,
) -> Floats:
    """Outputs (output, instance) of one chunk; emptied alliances are written, and left out."""
    n, n_slots = draws.trust.shape
    dt = float(p.dt[0, 0])
    industries = blocks(n_slots, n_industries)
    s = start(p, draws)
    outputs = np.empty((len(OUTPUTS), n))
    changed = np.ones(n, dtype=np.bool_)  # whether members came or went
    for k in range(n_steps + 1):
        if changed.any():
            s.n = np.count_nonzero(s.inside, axis=1)
            np.maximum(s.peak, s.n, out=s.peak)
            if k < n_steps:
                s.collapse_time[np.isnan(s.collapse_time) & (2 * s.n < s.peak)] = k * dt
            empty = s.n == 0  # for good: without synergy nobody enters
            if np.count_nonzero(empty) > EMPTY_SHARE * len(empty):
                outputs[:, s.index[empty]] = _outputs(chosen(s, empty), n_steps * dt)
                if empty.all():
                    return outputs
                p, s, changed = chosen(p, ~empty), chosen(s, ~empty), changed[~empty]
            _regroup(p, s, np.flatnonzero(changed), industries)
        others_given = _synergise(p, s)
        if k < n_steps:
            changed = _step(p, s, others_given, generator, industries, k)
    outputs[:, s.index] = _outputs(s, n_steps * dt)
    return outputs


def _regroup(
    p: SimpleNamespace,
    s: SimpleNamespace,
    rows: Integers,
    industries: tuple[Integers, Integers],
) -> None:
    """Compute anew what depends on who is inside and who has gone, where that changed."""
    inside = s.inside[rows]
    capability, power = s.capability[rows], s.power[rows]
    present = np.where(inside, capability, 0.0)
    total = present.sum(axis=1, keepdims=True)
    total_power = np.where(inside, power, 0.0).sum(axis=1, keepdims=True)
    s.present_capability[rows] = present
    s.total_capability[rows] = total
    s.per_all[rows] = reciprocal(total)
    s.per_others[rows] = reciprocal(total - present)
    s.split[rows] = power / capability * (total * reciprocal(total_power))
    s.returns[rows] = (s.n[rows, np.newaxis] / s.trust.shape[1]) ** p.participation_returns[rows]
    gone = np.where(s.gone[rows], s.weight[rows], 0.0)
    attention = p.uncertainty[rows] * (1.0 - p.immunity[rows] * s.centrality[rows])
    s.social[rows] = attention * _share_of_others(p, s, rows, gone, industries)


def _share_of_others(
    p: SimpleNamespace,
    s: SimpleNamespace,
    rows: Integers,
    weight: Floats,
    industries: tuple[Integers, Integers],
) -> Floats:
    """Share of `weight` in all others' prominence, as each slot sees industry and alliance."""
    firsts, sizes = industries
    own = s.weight[rows]
    filled = np.where(s.inside[rows] | s.gone[rows], own, 0.0)
    in_industry = np.repeat(np.add.reduceat(filled, firsts, axis=1), sizes, axis=1) - own
    in_alliance = filled.sum(axis=1, keepdims=True) - own
    seen = np.repeat(np.add.reduceat(weight, firsts, axis=1), sizes, axis=1)
    seen *= p.industry_weight[rows] * reciprocal(in_industry, NOBODY)
    by_alliance = p.alliance_weight[rows] * reciprocal(in_alliance, NOBODY)
    seen += by_alliance * weight.sum(axis=1, keepdims=True)
    return seen


def _others(s: SimpleNamespace, x: Floats) -> Floats:
    """Capability-weighted mean of the other members' `x`; 0 where there are none."""
    others: Floats = s.present_capability * x
    np.subtract(others.sum(axis=1, keepdims=True), others, out=others)
    others *= s.per_others
    return np.maximum(others, 0.0, out=others)


def _synergise(p: SimpleNamespace, s: SimpleNamespace) -> Floats:
    """Let members create joint value; return the others' mean contributions."""
    given = s.engagement * s.openness
    others_given = _others(s, given)
    given *= others_given
    roots = np.sqrt(given, out=given)
    roots *= s.present_capability
    value = roots.sum(axis=1, keepdims=True) * s.per_all
    s.synergy = 1.0 + p.network_effect * (1.0 - p.private_orientation) * value * s.returns
    return others_given


def _step(
    p: SimpleNamespace,
    s: SimpleNamespace,
    others_given: Floats,
    generator: np.random.Generator,
    industries: tuple[Integers, Integers],
    k: int,
) -> Mask:
    """Move all alliances by a step; return where members came or went."""
    s.surplus += ((s.synergy - 1.0) * s.total_capability * p.dt)[:, 0]
    leaves = _leavers(p, s, industries[1], k)
    n_leaving = np.count_nonzero(leaves, axis=1)
    _move(p, s, others_given, generator)
    changed: Mask = n_leaving > 0
    rows = np.flatnonzero(changed)
    if rows.size:
        np.maximum(s.largest_wave, n_leaving, out=s.largest_wave)
        wave = np.where(leaves[rows], s.weight[rows], 0.0)
        shock = _share_of_others(p, s, rows, wave, industries)
        s.trust[rows] *= np.exp(-p.exit_shock[rows] * shock)
    came, slots = _entrants(p, s, generator)
    if rows.size:
        s.inside &= ~leaves
        s.gone |= leaves
        count(s.exits, s, *np.nonzero(leaves))
    if came.size:
        enter(p, s, generator, came, slots)
        changed[came] = True
    return changed


def _leavers(p: SimpleNamespace, s: SimpleNamespace, sizes: Integers, k: int) -> Mask:
    """Who leaves in step k, by pressure, by hazard or by force."""
    pressure = np.maximum(-s.benefit, 0.0)
    pressure *= p.shortfall_weight
    pressure += s.social
    leaves: Mask = pressure >= s.threshold
    if p.base_hazard.any():
        pressure *= p.imitation
        rate = np.exp(pressure, out=pressure)
        rate *= p.hazard_step
        s.hazard += rate
        leaves |= s.hazard >= s.hazard_limit
    seeded = (p.seed_step == k) & (p.seed_exits > 0.0)
    if seeded.any():
        leaves |= _forced(p, s, seeded, sizes)
    leaves &= s.inside
    return leaves


def _forced(p: SimpleNamespace, s: SimpleNamespace, seeded: Mask, sizes: Integers) -> Mask:
    """Which members of the seeded alliances (instance, 1) leave by force."""
    industry = np.repeat(np.arange(len(sizes)), sizes)
    eligible = s.inside & seeded & ((p.seed_industry < 0.0) | (industry == p.seed_industry))
    score = p.seed_rule * s.centrality + (1.0 - np.abs(p.seed_rule)) * s.seed_key
    order = first_of_descending(np.where(eligible, score, -np.inf), int(p.seed_exits.max()))
    n = np.minimum(p.seed_exits, eligible.sum(axis=1, keepdims=True))
    forced = np.zeros(eligible.shape, dtype=np.bool_)
    np.put_along_axis(forced, order, np.arange(order.shape[1]) < n, axis=1)
    return forced


def _move(
    p: SimpleNamespace, s: SimpleNamespace, others_given: Floats, generator: np.random.Generator
) -> None:
    """Move the members' states, but for the shock of a wave."""
    others_engagement = _others(s, s.engagement)
    gained = s.split * s.synergy
    gained -= p.membership_cost + 1.0
    gap = others_given
    if p.private_orientation.any():
        harm = p.private_harm * others_engagement * s.openness
        taken = p.private_gain * s.engagement * _others(s, s.openness)
        gained += p.network_effect * p.private_orientation * (taken - harm)
        gap -= p.private_orientation * harm
    gained /= p.network_effect

    gap -= s.trust
    others_engagement *= s.engagement
    attention = np.sqrt(others_engagement, out=others_engagement)
    attention *= p.interaction_attention
    attention += p.base_attention
    gap *= np.where(gap > 0.0, p.gain_step, p.loss_step)
    gap *= attention
    if p.trust_noise.any():
        noise = generator.standard_normal(gap.shape)
        noise *= p.noise_scale
        noise *= s.trust * (1.0 - s.trust)
        gap += noise

    appeal = p.trust_weight * s.trust
    appeal += p.benefit_weight * s.benefit
    engaged = logistic(appeal, p.engagement_midpoint, p.engagement_steepness)
    opened = logistic(s.trust, p.openness_midpoint, p.openness_steepness)
    opened *= p.kept_openness
    gap += s.trust
    s.trust = clip01(gap)
    s.engagement = relaxed(s.engagement, engaged, p.engagement_rate)
    s.openness = relaxed(s.openness, opened, p.openness_rate)
    s.benefit = relaxed(s.benefit, gained, p.benefit_rate)


def _entrants(
    p: SimpleNamespace, s: SimpleNamespace, generator: np.random.Generator
) -> tuple[Integers, Integers]:
    """Instances and slots into which firms enter."""
    if not p.entry_rate.any():
        return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp)
    net = np.maximum(s.synergy - 1.0 - p.membership_cost, 0.0)
    probability = -np.expm1(-p.entry_rate * net * p.dt)[:, 0]
    rows, slots = np.nonzero(~s.inside)
    fills = generator.random(len(rows)) < probability[rows]
    return rows[fills], slots[fills]


def _outputs(s: SimpleNamespace, horizon: float) -> Floats:
    """Outputs (output, instance) of alliances that are empty, or at the horizon."""
    n_slots = s.trust.shape[1]
    trust = np.where(s.inside, s.trust, 0.0).sum(axis=1) / np.maximum(s.n, 1)
    shares = s.exits / np.maximum(s.members, 1)
    return np.array(
        [
            s.n / n_slots,
            s.peak / n_slots,
            s.exits.sum(axis=1) / np.maximum(s.members.sum(axis=1), 1),
            s.entries / n_slots,
            s.largest_wave / n_slots,
            2 * s.n < s.peak,
            np.where(np.isnan(s.collapse_time), horizon, s.collapse_time),
            trust,
            np.where(s.n > 0, s.synergy[:, 0], 1.0),
            s.surplus / (horizon * n_slots),
            shares[:, 1],
            shares[:, 0],
            s.exits[:, 1],
            s.members[:, 1],
            s.exits[:, 0],
            s.members[:, 0],
        ],
        dtype=np.float64,
    )
