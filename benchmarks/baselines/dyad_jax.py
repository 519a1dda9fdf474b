"""The dyad in JAX: jit and lax.scan over steps, arrays over a chunk of instances, 64-bit."""

from __future__ import annotations

import functools
import importlib.util
import os
from types import SimpleNamespace
from typing import Any

import numpy as np

from fastalliance.library.dyad import OUTPUTS, PARAMETERS

CHUNK = 1024  # instances; measured best of 512 to 8192 (a chunk keeps all its draws)
NAMES = [parameter.name for parameter in PARAMETERS]
ONE_THREAD = "--xla_cpu_multi_thread_eigen=false --xla_cpu_prefer_vector_width=512"


def missing() -> str:
    """Why this baseline cannot run here; empty where it can."""
    return "" if importlib.util.find_spec("jax") else "JAX is not installed"


def run(
    points: np.ndarray,
    *,
    seed: int,
    n_replicates: int,
    dt: float,
    n_steps: int,
    noise: bool = True,
    incidents: bool = True,
) -> np.ndarray:
    """Outputs (14, n_points, n_replicates) of points (n_points, 34), with JAX's own generator."""
    jax = _jax()
    chunk = _chunk(dt, n_steps, noise, incidents)
    n = len(points) * n_replicates
    outputs = np.empty((len(OUTPUTS), n))
    for i, first in enumerate(range(0, n, CHUNK)):
        # the last chunk is filled up, so that one compilation serves all
        numbers = np.minimum(np.arange(first, first + CHUNK), n - 1)
        key = jax.random.fold_in(jax.random.key(seed), i)
        result = np.asarray(chunk(points[numbers // n_replicates].T, key))
        outputs[:, first : first + CHUNK] = result[:, : n - first]
    return outputs.reshape(len(OUTPUTS), len(points), n_replicates)


@functools.cache
def _jax() -> Any:
    """Import JAX with one thread and 64 bits; the environment acts until its client exists."""
    settings = {"NPROC": "1", "JAX_PLATFORMS": "cpu"}  # NPROC: the size of XLA's thread pool
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        import jax

        jax.config.update("jax_enable_x64", True)
        jax.devices()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    return jax


@functools.cache
def _chunk(dt: float, n_steps: int, noise: bool, incidents: bool) -> Any:
    """Compiled function of (parameters (34, CHUNK), key) to outputs (14, CHUNK)."""
    jax = _jax()
    jnp = jax.numpy

    def logistic(x: Any, midpoint: Any, steepness: Any) -> Any:
        return 1.0 / (1.0 + jnp.exp(steepness * (midpoint - x)))

    def draw(key: Any, n: int) -> dict[str, Any]:
        """All random numbers of a chunk; drawing them step by step took twice as long."""
        noise_key, incident_key = jax.random.split(key)
        draws = {"k": jnp.arange(n_steps)}
        if noise:
            draws["normals"] = jax.random.normal(noise_key, (n_steps, 2, n))
        if incidents:
            draws["uniforms"] = jax.random.uniform(incident_key, (n_steps, 2, n))
        return draws

    def shocks(p: Any, trust: Any, draws: dict[str, Any]) -> Any:
        change = jnp.zeros_like(trust)
        if noise:
            z = draws["normals"]
            rho = p.noise_correlation
            z = jnp.stack([z[0], rho * z[0] + jnp.sqrt(1.0 - rho**2) * z[1]])
            change += p.trust_noise * np.sqrt(dt) * trust * (1.0 - trust) * z
        if incidents:
            u = draws["uniforms"]
            happens = u[0] < 1.0 - jnp.exp(-p.incident_rate * dt)
            target = jnp.where(u[1] < p.incident_favourable, 1.0, 0.0)
            change += jnp.where(happens, p.incident_size, 0.0) * (target - trust)
        return change

    def step(p: Any, s: Any, draws: dict[str, Any]) -> Any:
        """State after step k; arrays of shape (partner, instance) hold both partners."""
        trust, engagement, openness, benefit, joint, private_value, idle_steps, dissolved = s
        k = draws["k"]
        private = p.private_orientation + p.private_defence * (1.0 - trust)
        private = jnp.clip(private + p.private_opportunism * openness[::-1], 0.0, 1.0)
        effort = jnp.where(k * dt < p.building_duration, p.building_effort, 0.0)
        given = engagement * (1.0 - p.building_crowding * effort) * openness
        value = jnp.sqrt(given[0] * given[1])
        interaction = jnp.sqrt(engagement[0] * engagement[1])
        taken = private * engagement * openness[::-1]
        common = value * (1.0 - 0.5 * (private[0] + private[1]))
        share = jnp.stack([p.value_share, 1.0 - p.value_share])
        harm = p.private_harm * taken[::-1]
        gained = 2.0 * share * common + p.private_gain * taken - harm
        gap = given[::-1] - harm - trust
        attention = p.base_attention + (1.0 - p.base_attention) * interaction
        rate = jnp.where(gap > 0.0, p.trust_gain, p.trust_loss) * attention
        change = dt * (rate * gap + p.building_gain * effort * (1.0 - trust))
        change += shocks(p, trust, draws)
        attractiveness = p.trust_weight * trust + (1.0 - p.trust_weight) * benefit
        engaged = logistic(attractiveness, p.engagement_midpoint, p.engagement_steepness)
        opened = logistic(trust, p.openness_midpoint, p.openness_steepness)
        opened *= 1.0 - p.private_withholding * private
        new_engagement = engagement + (dt / p.engagement_time) * (engaged - engagement)
        idle = jnp.sqrt(new_engagement[0] * new_engagement[1]) < p.dissolution_engagement
        idle_steps = jnp.where(idle, idle_steps + 1.0, 0.0)
        ends = (idle_steps >= 1.0) & (idle_steps * dt >= p.dissolution_patience - 1e-9)
        new = (
            jnp.clip(trust + change, 0.0, 1.0),
            new_engagement,
            openness + (dt / p.openness_time) * (opened - openness),
            benefit + (dt / p.benefit_time) * (gained - benefit),
            joint + p.value_rate * value * dt,
            private_value + p.value_rate * p.private_gain * taken * dt,
            idle_steps,
            jnp.where(ends, k + 1.0, 0.0),
        )
        alive = dissolved == 0.0
        return tuple(jnp.where(alive, a, b) for a, b in zip(new, s, strict=True)), None

    def run_chunk(columns: Any, key: Any) -> Any:
        p = SimpleNamespace(**dict(zip(NAMES, columns, strict=True)))
        zero = jnp.zeros_like(p.initial_trust)
        half_gap = 0.5 * p.initial_trust_gap
        trust = jnp.clip(jnp.stack([p.initial_trust + half_gap, p.initial_trust - half_gap]), 0, 1)
        openness = logistic(trust, p.openness_midpoint, p.openness_steepness)
        engagement = jnp.stack([p.initial_engagement] * 2)
        benefit = jnp.stack([p.initial_benefit] * 2)
        start = (trust, engagement, openness, benefit, zero, jnp.zeros_like(trust), zero, zero)
        s, _ = jax.lax.scan(functools.partial(step, p), start, draw(key, len(zero)))
        trust, engagement, openness, benefit, joint, private_value, _, dissolved = s
        time = jnp.where(dissolved > 0.0, dissolved * dt, jnp.nan)
        success = (dissolved == 0.0) & (0.5 * (trust[0] + trust[1]) > 0.5)
        rows = [*trust, *engagement, *openness, *benefit, joint, *private_value]
        return jnp.stack([*rows, dissolved > 0.0, time, success])

    return jax.jit(run_chunk)
