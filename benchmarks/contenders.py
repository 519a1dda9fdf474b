"""All contenders of the dyad's benchmark: the built-in ones, C, JAX and Mesa."""

from __future__ import annotations

from benchmarks.baselines import dyad_c, dyad_jax, dyad_mesa
from fastalliance.bench.dyad import BUILT_IN, Contender

CONTENDERS = (
    *BUILT_IN,
    Contender(
        "hand-written C", dyad_c.run, n_replicates=1024, addressed=True, missing=dyad_c.missing
    ),
    Contender("JAX", dyad_jax.run, n_replicates=256, missing=dyad_jax.missing),
    Contender("Mesa", dyad_mesa.run, n_replicates=2, missing=dyad_mesa.missing),
)
