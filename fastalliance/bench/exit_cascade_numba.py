"""Exit cascades as most people write them in numba: for each instance, each step, each member."""

# mypy: disallow-untyped-decorators=False, disallow-untyped-defs=False, disallow-untyped-calls=False

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from fastalliance.bench.exit_cascade_draws import Draws
from fastalliance.bench.scalars import first_of_descending, population_run, records
from fastalliance.library.exit_cascade import OUTPUTS, PARAMETERS

Floats = npt.NDArray[np.float64]


def run_drawn(
    points: Floats, draws: Draws, *, dt: float, n_steps: int, n_industries: int
) -> Floats:
    """Outputs (output, instance), where the draws are given: point and draws of each instance."""
    outputs = np.empty((len(points), len(OUTPUTS)))
    for i, record in enumerate(records(points, PARAMETERS)):
        _simulate(
            record,
            draws.centrality[i],
            draws.threshold[i],
            draws.hazard_limit[i],
            draws.seed_key[i],
            dt,
            n_steps,
            n_industries,
            outputs[i],
        )
    return outputs.T


@njit(cache=True)
def _run(points, seed, dt, n_steps, n_members, n_industries, outputs):
    np.random.seed(seed)
    for point in range(len(points)):
        p = points[point]
        for replicate in range(outputs.shape[1]):
            centrality = np.random.random(n_members) ** p.centrality_skew
            threshold = p.threshold_mean + p.threshold_sd * np.random.standard_normal(n_members)
            hazard_limit = np.random.standard_exponential(n_members)
            seed_key = np.random.random(n_members if p.seed_exits > 0 else 0)
            _simulate(
                p,
                centrality,
                threshold,
                hazard_limit,
                seed_key,
                dt,
                n_steps,
                n_industries,
                outputs[point, replicate],
            )


run = population_run(_run, PARAMETERS, len(OUTPUTS))


@njit(cache=True)
def _simulate(p, centrality, threshold, hazard_limit, seed_key, dt, n_steps, n_industries, out):
    n_members = len(centrality)
    industry = np.arange(n_members) * n_industries // n_members
    weight = 1.0 + p.prominence_weight * centrality
    susceptibility = 1.0 - p.immunity * centrality
    total = weight.sum()
    industry_total = np.zeros(n_industries)
    for i in range(n_members):
        industry_total[industry[i]] += weight[i]

    left = np.zeros(n_members, dtype=np.bool_)
    n_seeds = int(p.seed_exits)
    if n_seeds > 0:
        score = p.seed_rule * centrality + (1.0 - abs(p.seed_rule)) * seed_key
        left[first_of_descending(score, n_seeds)] = True

    exposure = 0.0
    industry_exposure = np.zeros(n_industries)
    for i in range(n_members):
        if left[i]:
            exposure += weight[i]
            industry_exposure[industry[i]] += weight[i]

    exits, peak_exits = n_seeds, 0
    first_exit_time = last_exit_time = 0.0 if n_seeds > 0 else math.nan
    collapse_time = 0.0 if exits / n_members >= p.collapse_share else math.nan
    hazard = np.zeros(n_members)
    leaves = np.empty(n_members, dtype=np.bool_)
    fading = math.exp(-dt / p.memory)

    for k in range(n_steps):
        uncertainty = p.uncertainty * 2.0 ** (-k * dt / p.uncertainty_halflife)
        new_exits = 0
        for i in range(n_members):
            leaves[i] = False
            if left[i]:
                continue
            g = industry[i]
            exits_seen = 0.0
            if industry_total[g] > weight[i]:
                exits_seen += (
                    p.industry_weight * industry_exposure[g] / (industry_total[g] - weight[i])
                )
            exits_seen += p.alliance_weight * exposure / (total - weight[i])
            pressure = uncertainty * susceptibility[i] * exits_seen
            if p.base_hazard > 0.0:
                hazard[i] += p.base_hazard * math.exp(p.imitation * pressure) * dt
            if pressure >= threshold[i] - 1e-9 or hazard[i] >= hazard_limit[i]:
                leaves[i] = True
                new_exits += 1

        exposure *= fading
        for g in range(n_industries):
            industry_exposure[g] *= fading
        if new_exits > 0:
            for i in range(n_members):
                if leaves[i]:
                    left[i] = True
                    exposure += weight[i]
                    industry_exposure[industry[i]] += weight[i]
            exits += new_exits
            peak_exits = max(peak_exits, new_exits)
            last_exit_time = (k + 1) * dt
            if math.isnan(first_exit_time):
                first_exit_time = last_exit_time
            if math.isnan(collapse_time) and exits / n_members >= p.collapse_share:
                collapse_time = last_exit_time
            if exits == n_members:
                break
        elif p.base_hazard == 0.0:
            break  # pressures only fall from here on

    n_central = max(1, n_members // 10)
    central_exits = 0
    for i in first_of_descending(centrality, n_central):
        central_exits += left[i]

    out[0] = exits
    out[1] = exits / n_members
    out[2] = (exits - n_seeds) / (n_members - n_seeds) if n_seeds < n_members else 0.0
    out[3], out[4] = last_exit_time, first_exit_time
    out[5] = peak_exits
    out[6], out[7] = not math.isnan(collapse_time), collapse_time
    out[8] = central_exits / n_central
