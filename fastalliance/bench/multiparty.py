"""The benchmark of `multiparty`: settings, and a table of contenders that run them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fastalliance.bench import multiparty_numba, multiparty_numpy
from fastalliance.bench.populations import Contender, Kernel, PopulationSetting, compare_in
from fastalliance.bench.timing import Comparison
from fastalliance.library.multiparty import MODEL


@dataclass(frozen=True)
class Setting(PopulationSetting):
    """One point of `multiparty`: defaults, but for sizes and `parameters`."""

    model = MODEL
    n_members: int = 64
    n_industries: int = 4
    dt: float = 0.25
    n_steps: int = 480


SETTINGS = (
    Setting("multiparty, defaults (64 slots, 4 industries)"),
    Setting("multiparty, 8 slots, 2 industries", n_members=8, n_industries=2),
    Setting("multiparty, 512 slots, 4 industries", n_members=512),
    Setting(
        "multiparty, entry into a quarter of the slots filled",
        {"entry_rate": 0.05, "initial_share": 0.25, "initial_trust": 0.7},
    ),
    Setting("multiparty, 3 central seeds", {"seed_exits": 3.0, "initial_trust": 0.7}),
    Setting("multiparty, nobody leaves", {"base_hazard": 0.0, "threshold_mean": math.inf}),
)

BUILT_IN = (
    Contender("fastalliance", Kernel(MODEL), n_members=160_000),
    Contender("vectorised NumPy", multiparty_numpy.run, n_members=40_000),
    Contender("numba loop", multiparty_numba.run, n_members=40_000),
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
