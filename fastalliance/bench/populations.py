"""What the benchmarks of models with members share: settings, contenders, and how they compare.

The same tables drive the correctness tests of the baselines and the measurements. A member-step is
one member (or slot) of one instance in one step that the model defines, whether or not it has left:
the same count for every contender.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from fastalliance.bench.timing import Comparison, Task, interleave
from fastalliance.engine import run_points
from fastalliance.library.model import Model

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
class PopulationSetting:
    """One point of a model: defaults, but for sizes and `parameters`.

    A benchmark derives its own `Setting`, with its model and the sizes and times it starts from.
    """

    model: ClassVar[Model]
    name: str
    parameters: Mapping[str, float] = field(default_factory=dict)
    n_members: int = 2
    n_industries: int = 1
    dt: float = 1.0
    n_steps: int = 1
    seed: int = 7

    def points(self) -> Floats:
        """Parameter values (point, parameter), of one point."""
        row = {parameter.name: float(parameter.default) for parameter in self.model.parameters}
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


@dataclass(frozen=True)
class Contender:
    """One way to compute a model.

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


@dataclass(frozen=True)
class Kernel:
    """The package's own kernel of `model`, as a `Run`."""

    model: Model

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
        **address: Any,
    ) -> Floats:
        """Outputs (output, point, replicate); `address` as that of `engine.run_points`."""
        members, *others = self.model.structure
        sizes = {members.name: n_members, "industries": n_industries}
        columns = [float(sizes.get(size.name, size.default)) for size in (members, *others)]
        inputs = np.hstack([points, np.tile(columns, (len(points), 1))])
        block = run_points(
            self.model,
            inputs,
            seed=seed,
            n_replicates=n_replicates,
            dt=dt,
            n_steps=n_steps,
            **address,
        )
        return block.outputs


def compare_in(
    settings: Sequence[PopulationSetting],
    contenders: Sequence[Contender],
    rounds: int,
    tiny: bool,
) -> list[Comparison]:
    """Measure all contenders, one thread each, in turns.

    Parameters
    ----------
    settings : sequence of PopulationSetting
        One comparison each.
    contenders : sequence of Contender
        The others are compared with the first.
    rounds : int
        Measurements of each contender.
    tiny : bool
        Two replicates: shows that everything runs, not how fast.
    """
    return [_compare(setting, contenders, rounds, tiny) for setting in settings]


def _compare(
    setting: PopulationSetting, contenders: Sequence[Contender], rounds: int, tiny: bool
) -> Comparison:
    def task(contender: Contender) -> Task:
        n = 2 if tiny else math.ceil(contender.n_members / setting.n_members)
        work = n * setting.n_members * setting.n_steps
        return Task(contender.name, lambda: setting.run(contender.run, n), work)

    timings = interleave([task(contender) for contender in contenders], rounds, time.process_time)
    about = {
        "model": setting.model.name,
        "parameters": {name: _plain(value) for name, value in setting.parameters.items()},
        "n_members": setting.n_members,
        "n_industries": setting.n_industries,
        "n_steps": setting.n_steps,
        "dt": setting.dt,
        "threads": 1,
        "clock": "CPU time of the process",
    }
    return Comparison(setting.name, "member-steps", timings, setting=about)


def _plain(value: float) -> float | str:
    """`value` as JSON can hold it."""
    return value if math.isfinite(value) else str(value)
