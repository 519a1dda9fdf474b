"""The benchmark of `exit_cascade`: settings, and a table of contenders that run them.

The comparison with NDlib, on a network, is in `benchmarks/watts.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastalliance.bench import exit_cascade_numba, exit_cascade_numpy
from fastalliance.bench.populations import Contender, Kernel, PopulationSetting, compare_in
from fastalliance.bench.timing import Comparison
from fastalliance.library.exit_cascade import MODEL


@dataclass(frozen=True)
class Setting(PopulationSetting):
    """One point of `exit_cascade`: defaults, but for sizes and `parameters`."""

    model = MODEL
    n_members: int = 200
    n_industries: int = 5
    n_steps: int = 48


SETTINGS = (
    Setting("exit cascades, defaults (200 members, 5 industries)"),
    Setting("exit cascades, 8 members, 2 industries", n_members=8, n_industries=2),
    Setting("exit cascades, 5,000 members, 5 industries", n_members=5000),
    Setting(
        "exit cascades, fading, 6 central seeds",
        {"memory": 16.0, "uncertainty_halflife": 48.0, "seed_exits": 6.0, "seed_rule": 1.0},
    ),
    Setting(
        "exit cascades, thresholds alone, 6 random seeds", {"base_hazard": 0.0, "seed_exits": 6.0}
    ),
)

BUILT_IN = (
    Contender("fastalliance", Kernel(MODEL), n_members=4_000_000),
    Contender("vectorised NumPy", exit_cascade_numpy.run, n_members=1_000_000),
    Contender("numba loop", exit_cascade_numba.run, n_members=1_000_000),
)


def compare(
    contenders: Sequence[Contender] = BUILT_IN,
    settings: Sequence[Setting] = SETTINGS,
    *,
    rounds: int = 7,
    tiny: bool = False,
) -> list[Comparison]:
    """Measure all contenders, one thread each, in turns; see `populations.compare_in`."""
    return compare_in(settings, contenders, rounds, tiny)
