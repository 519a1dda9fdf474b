"""State of `multiparty` in vectorised NumPy: parameters, firms, and who is in which slot."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import numpy.typing as npt

from fastalliance.bench.arrays import clip01, columns, logistic
from fastalliance.bench.multiparty_draws import Draws
from fastalliance.library.multiparty import MODEL

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.intp]

TIE = 1e-12


def parameters(rows: Floats, dt: float) -> SimpleNamespace:
    """Columns (instance, 1): parameters by name, and what steps need of them."""
    p = columns(rows, MODEL.parameters)
    p.dt = np.full_like(p.trust_gain, dt)
    p.gain_step = p.trust_gain * dt
    p.loss_step = p.trust_loss * dt
    p.hazard_step = p.base_hazard * dt
    p.noise_scale = p.trust_noise * np.sqrt(dt)
    p.engagement_rate = dt / p.engagement_time
    p.openness_rate = dt / p.openness_time
    p.benefit_rate = dt / p.benefit_time
    p.interaction_attention = 1.0 - p.base_attention
    p.benefit_weight = 1.0 - p.trust_weight
    p.shortfall_weight = p.payoff_weight * p.network_effect
    p.kept_openness = 1.0 - p.private_withholding * p.private_orientation
    p.seed_step = np.floor(p.seed_time / dt + 0.5)
    return p


def draw(p: SimpleNamespace, generator: np.random.Generator, shape: tuple[int, int]) -> Draws:
    """Draw what is drawn of new firms (instance, slot)."""
    capability, threshold, trust = generator.standard_normal((3, *shape))
    return Draws(
        np.exp(p.capability_sd * capability - 0.5 * p.capability_sd**2),
        generator.random(shape) ** p.centrality_skew,
        p.threshold_mean + p.threshold_sd * threshold,
        generator.standard_exponential(shape),
        clip01(p.initial_trust + p.initial_trust_sd * trust),
        generator.random(shape) if p.seed_exits.any() else np.zeros(shape),
    )


def _firms(p: SimpleNamespace, draws: Draws) -> dict[str, Floats]:
    """What steps need of new firms."""
    power = draws.capability**p.bargaining * (1.0 + p.centrality_premium * draws.centrality)
    return {
        "capability": draws.capability,
        "centrality": draws.centrality,
        "weight": 1.0 + p.prominence_weight * draws.centrality,
        "power": power,
        "threshold": draws.threshold - TIE,
        "hazard_limit": np.where(p.base_hazard > 0.0, draws.hazard_limit, np.inf),
        "hazard": np.zeros_like(power),
        "trust": draws.trust.copy(),
        "engagement": p.initial_engagement + np.zeros_like(power),
        "openness": logistic(draws.trust, p.openness_midpoint, p.openness_steepness),
        "benefit": p.initial_benefit + np.zeros_like(power),
    }


def start(p: SimpleNamespace, draws: Draws) -> SimpleNamespace:
    """Arrays whose first axis is the instance: (instance, slot), (instance, 1) or (instance,)."""
    n, n_slots = draws.trust.shape
    s = SimpleNamespace(**_firms(p, draws), seed_key=draws.seed_key, index=np.arange(n))
    filled = np.floor(p.initial_share * n_slots + 0.5).astype(np.intp)
    s.inside = np.diff(np.arange(n_slots + 1) * filled // n_slots, axis=1) > 0
    s.gone = np.zeros((n, n_slots), dtype=np.bool_)
    central = s.centrality >= 0.5
    s.members = np.stack([(s.inside & ~central).sum(axis=1), (s.inside & central).sum(axis=1)], 1)
    s.exits = np.zeros_like(s.members)
    s.n, s.peak, s.entries, s.largest_wave = np.zeros((4, n), dtype=np.intp)
    s.collapse_time, s.surplus = np.full(n, np.nan), np.zeros(n)
    s.synergy = np.ones((n, 1))
    for name in ("present_capability", "per_others", "split", "social"):
        setattr(s, name, np.zeros((n, n_slots)))
    s.total_capability, s.per_all, s.returns = np.zeros((3, n, 1))
    return s


def chosen(arrays: SimpleNamespace, rows: Mask | Integers) -> SimpleNamespace:
    """Arrays of some of the instances."""
    return SimpleNamespace(**{name: value[rows] for name, value in vars(arrays).items()})


def enter(
    p: SimpleNamespace,
    s: SimpleNamespace,
    generator: np.random.Generator,
    rows: Integers,
    slots: Integers,
) -> None:
    """Put new firms into slots of instances `rows`."""
    own = chosen(p, rows)
    drawn = draw(own, generator, (len(rows), 1))
    for name, values in _firms(own, drawn).items():
        getattr(s, name)[rows, slots] = values[:, 0]
    s.inside[rows, slots] = True
    s.gone[rows, slots] = False
    s.entries += np.bincount(rows, minlength=len(s.entries))
    count(s.members, s, rows, slots)


def count(counts: Integers, s: SimpleNamespace, rows: Integers, slots: Integers) -> None:
    """Add firms to counts (instance, 2) of peripheral and central ones."""
    central = s.centrality[rows, slots] >= 0.5
    np.add.at(counts, (rows, central.astype(np.intp)), 1)
