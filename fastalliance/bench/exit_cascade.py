"""The benchmark of `exit_cascade`: settings, and a table of contenders that run them.

The same table drives the correctness tests of the baselines and the measurements; the comparison
with NDlib, on a network, is in `benchmarks/watts.py`. A member-step is one member of one instance
in one step that the model defines, whether or not it has left: the same count for every contender.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from fastalliance.bench import exit_cascade_numba, exit_cascade_numpy
from fastalliance.bench.timing import Comparison, Task, interleave
from fastalliance.engine import run_points
from fastalliance.library.exit_cascade import MODEL

Floats = npt.NDArray[np.float64]


class Run(Protocol):
    """Steps every replicate of every point; outputs (output, point, replicate)."""

    def __call__(
        self,
        points: Floats,
        *,
        seed: int,
        n_replicates: int,
        dt: float,
        n_steps: int,
        n_members: int,
        n_industries: int,
    ) -> Floats:
        """Run `n_replicates` replicates of every point (point, parameter)."""
        ...


@dataclass(frozen=True)
class Setting:
    """One point of the model: defaults, but for sizes and `parameters`."""

    name: str
    parameters: Mapping[str, float] = field(default_factory=dict)
    n_members: int = 200
    n_industries: int = 5
    dt: float = 1.0
    n_steps: int = 48
    seed: int = 7

    def points(self) -> Floats:
        """Parameter values (point, parameter), of one point."""
        row = {parameter.name: float(parameter.default) for parameter in MODEL.parameters}
        return np.array([list((row | dict(self.parameters)).values())])

    def run(self, run: Run, n_replicates: int) -> Floats:
        """Outputs (output, point, replicate) by one contender."""
        return run(
            self.points(),
            seed=self.seed,
            n_replicates=n_replicates,
            dt=self.dt,
            n_steps=self.n_steps,
            n_members=self.n_members,
            n_industries=self.n_industries,
        )


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


@dataclass(frozen=True)
class Contender:
    """One way to compute exit cascades.

    Attributes
    ----------
    name : str
        Name in tables.
    run : callable
        As `Run`.
    n_members : int
        Members of all instances of one round together, such that it takes some tenths of a second.
    """

    name: str
    run: Run
    n_members: int


def run_kernel(
    points: Floats,
    *,
    seed: int,
    n_replicates: int,
    dt: float,
    n_steps: int,
    n_members: int,
    n_industries: int,
    **address: Any,
) -> Floats:
    """The package's own kernel."""
    sizes = {"members": n_members, "industries": n_industries}
    columns = [float(sizes.get(size.name, size.default)) for size in MODEL.structure]
    inputs = np.hstack([points, np.tile(columns, (len(points), 1))])
    block = run_points(
        MODEL, inputs, seed=seed, n_replicates=n_replicates, dt=dt, n_steps=n_steps, **address
    )
    return block.outputs


BUILT_IN = (
    Contender("fastalliance", run_kernel, n_members=4_000_000),
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
    """Measure all contenders, one thread each, in turns.

    Parameters
    ----------
    contenders : sequence of Contender
        The others are compared with the first.
    settings : sequence of Setting
        One comparison each.
    rounds : int
        Measurements of each contender.
    tiny : bool
        Two replicates: shows that everything runs, not how fast.
    """
    return [_compare_in(setting, contenders, rounds, tiny) for setting in settings]


def _compare_in(
    setting: Setting, contenders: Sequence[Contender], rounds: int, tiny: bool
) -> Comparison:
    def task(contender: Contender) -> Task:
        n = 2 if tiny else math.ceil(contender.n_members / setting.n_members)
        work = n * setting.n_members * setting.n_steps
        return Task(contender.name, lambda: setting.run(contender.run, n), work)

    timings = interleave([task(contender) for contender in contenders], rounds, time.process_time)
    about = {
        "model": MODEL.name,
        "parameters": dict(setting.parameters),
        "n_members": setting.n_members,
        "n_industries": setting.n_industries,
        "n_steps": setting.n_steps,
        "dt": setting.dt,
        "threads": 1,
        "clock": "CPU time of the process",
    }
    return Comparison(setting.name, "member-steps", timings, setting=about)
