"""Exit cascades in vectorised NumPy: time outside, arrays (instance, member) of a chunk inside."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import numpy.typing as npt

from fastalliance.bench.arrays import (
    blocks,
    columns,
    first_of_descending,
    population_run,
    reciprocal,
)
from fastalliance.bench.exit_cascade_draws import Draws
from fastalliance.library.exit_cascade import OUTPUTS, PARAMETERS

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.intp]

CHUNK = 2**15  # members of all instances together; measured best of 2**12 to 2**17
TIE = 1e-9


def _simulate(
    rows: Floats,
    generator: np.random.Generator,
    dt: float,
    n_steps: int,
    n_members: int,
    n_industries: int,
) -> Floats:
    """Outputs (output, instance) of rows (instance, parameter), drawn for."""
    p = columns(rows, PARAMETERS)
    return _run_chunk(p, _draw(p, generator, n_members), dt, n_steps, n_industries)


run = population_run(_simulate, len(OUTPUTS), CHUNK)


def run_drawn(
    points: Floats, draws: Draws, *, dt: float, n_steps: int, n_industries: int
) -> Floats:
    """Outputs (output, instance), where the draws are given: point and draws of each instance."""
    return _run_chunk(columns(points, PARAMETERS), draws, dt, n_steps, n_industries)


def _draw(p: SimpleNamespace, generator: np.random.Generator, n_members: int) -> Draws:
    shape = (len(p.seed_exits), n_members)
    threshold = generator.standard_normal(shape)
    threshold *= p.threshold_sd
    threshold += p.threshold_mean
    return Draws(
        generator.random(shape) ** p.centrality_skew,
        threshold,
        generator.standard_exponential(shape),
        generator.random(shape) if p.seed_exits.any() else np.zeros(shape),
    )


@np.errstate(over="ignore", invalid="ignore")  # infinite hazards, and no hazard of infinite pull
def _run_chunk(
    p: SimpleNamespace, draws: Draws, dt: float, n_steps: int, n_industries: int
) -> Floats:
    """Outputs (output, instance) of one chunk."""
    n, n_members = draws.centrality.shape
    firsts, sizes = blocks(n_members, n_industries)
    weight = 1.0 + p.prominence_weight * draws.centrality
    by_industry, by_alliance = _pulls(p, draws.centrality, weight, firsts, sizes)

    new = _seeds(p, draws)
    left = new.copy()
    exits = new.sum(axis=1)
    seeds, peak = exits, np.zeros(n, dtype=np.intp)
    first_time = np.where(exits > 0, 0.0, np.nan)
    last_time = first_time.copy()
    share = p.collapse_share[:, 0]
    collapse_time = np.where(exits / n_members >= share, 0.0, np.nan)
    gained = np.where(new, weight, 0.0)
    industry_exposure = np.add.reduceat(gained, firsts, axis=1)
    exposure = gained.sum(axis=1, keepdims=True)
    hazard = np.zeros((n, n_members))
    hazard_limit = np.where(p.base_hazard > 0.0, draws.hazard_limit, np.inf)
    threshold = draws.threshold - TIE
    fading = np.exp(-dt / p.memory)
    hazards, fades = bool(p.base_hazard.any()), bool(np.isfinite(p.memory).any())

    for k in range(n_steps):
        uncertainty = p.uncertainty * 2.0 ** (-k * dt / p.uncertainty_halflife)
        pressure = np.repeat(uncertainty * industry_exposure, sizes, axis=1)
        pressure *= by_industry
        pressure += by_alliance * (uncertainty * exposure)
        new = pressure >= threshold
        if hazards:
            pressure *= p.imitation
            rate = np.exp(pressure, out=pressure)
            rate *= p.base_hazard * dt
            hazard += rate
            new |= hazard >= hazard_limit
        new &= ~left
        if fades:
            industry_exposure *= fading
            exposure *= fading
        n_new = np.count_nonzero(new, axis=1)
        if n_new.any():
            left |= new
            gained = np.where(new, weight, 0.0)
            by_groups = np.add.reduceat(gained, firsts, axis=1)
            industry_exposure += by_groups
            exposure += by_groups.sum(axis=1, keepdims=True)
            exits = exits + n_new
            np.maximum(peak, n_new, out=peak)
            t, some = (k + 1) * dt, n_new > 0
            last_time[some] = t
            first_time[some & np.isnan(first_time)] = t
            collapse_time[np.isnan(collapse_time) & (exits / n_members >= share)] = t
            if exits.min() == n_members:
                break
        elif not hazards:
            break  # pressures only fall from here on

    central = first_of_descending(draws.centrality, max(1, n_members // 10))
    not_seeds = np.maximum(n_members - seeds, 1)
    return np.array(
        [
            exits,
            exits / n_members,
            (exits - seeds) / not_seeds,
            last_time,
            first_time,
            peak,
            ~np.isnan(collapse_time),
            collapse_time,
            np.take_along_axis(left, central, axis=1).mean(axis=1),
        ],
        dtype=np.float64,
    )


def _pulls(
    p: SimpleNamespace, centrality: Floats, weight: Floats, firsts: Integers, sizes: Integers
) -> tuple[Floats, Floats]:
    """What one unit of exposure adds to each member's pressure at uncertainty 1."""
    susceptibility = 1.0 - p.immunity * centrality
    in_industry = np.repeat(np.add.reduceat(weight, firsts, axis=1), sizes, axis=1)
    by_industry = p.industry_weight * susceptibility * reciprocal(in_industry - weight)
    in_alliance = weight.sum(axis=1, keepdims=True)
    by_alliance = p.alliance_weight * susceptibility * reciprocal(in_alliance - weight)
    return by_industry, by_alliance


def _seeds(p: SimpleNamespace, draws: Draws) -> Mask:
    """Who has left at the start."""
    left = np.zeros(draws.centrality.shape, dtype=np.bool_)
    most = int(p.seed_exits.max())
    if most > 0:
        score = p.seed_rule * draws.centrality + (1.0 - np.abs(p.seed_rule)) * draws.seed_key
        order = first_of_descending(score, most)
        np.put_along_axis(left, order, np.arange(most) < p.seed_exits, axis=1)
    return left
