"""The dyad's benchmark: settings, and a table of contenders that run them.

The same table drives the correctness tests of the baselines and the measurements; `benchmarks/` in
the repository adds the contenders that need a compiler or further packages.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from fastalliance.bench import dyad_numba, dyad_numpy
from fastalliance.bench.timing import Comparison, Task, interleave
from fastalliance.engine import run_points
from fastalliance.library.dyad import MODEL

Floats = npt.NDArray[np.float64]
NAMES = [parameter.name for parameter in MODEL.parameters]


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
        noise: bool,
        incidents: bool,
    ) -> Floats:
        """Run `n_replicates` replicates of every point."""
        ...


@dataclass(frozen=True)
class Setting:
    """A design to be run: initial trust from 0 to 1, all else at the defaults but `parameters`."""

    name: str
    parameters: Mapping[str, float] = field(default_factory=dict)
    n_points: int = 64
    dt: float = 0.125
    n_steps: int = 480
    seed: int = 7

    def points(self) -> Floats:
        """Parameter values (point, parameter)."""
        row = {parameter.name: float(parameter.default) for parameter in MODEL.parameters}
        points = np.tile(list((row | dict(self.parameters)).values()), (self.n_points, 1))
        points[:, NAMES.index("initial_trust")] = np.linspace(0.0, 1.0, self.n_points)
        return points

    def run(self, run: Run, n_replicates: int) -> Floats:
        """Outputs by one contender, which draws nothing for what is off at every point."""
        points = self.points()
        return run(
            points,
            seed=self.seed,
            n_replicates=n_replicates,
            dt=self.dt,
            n_steps=self.n_steps,
            noise=bool(points[:, NAMES.index("trust_noise")].any()),
            incidents=bool(points[:, NAMES.index("incident_rate")].any()),
        )


SETTINGS = (
    Setting("dyad with noise"),
    Setting("dyad with noise and incidents", {"incident_rate": 0.05}),
    Setting("dyad with noise, nobody dissolves", {"dissolution_engagement": 0.0}),
)


@dataclass(frozen=True)
class Contender:
    """One way to compute the dyad.

    Attributes
    ----------
    name : str
        Name in tables.
    run : callable
        As `Run`.
    n_replicates : int
        Replicates a point in one round, such that a round takes some tenths of a second.
    addressed : bool
        Whether it draws the model's addressed random numbers, so that results agree replicate by
        replicate; otherwise in distribution.
    missing : callable
        Why it cannot run here; empty where it can.
    """

    name: str
    run: Run
    n_replicates: int
    addressed: bool = False
    missing: Callable[[], str] = str


def run_kernel(
    points: Floats,
    *,
    seed: int,
    n_replicates: int,
    dt: float,
    n_steps: int,
    noise: bool = True,
    incidents: bool = True,
    **address: Any,
) -> Floats:
    """The package's own kernel, which sees from the points what is off."""
    del noise, incidents
    block = run_points(
        MODEL, points, seed=seed, n_replicates=n_replicates, dt=dt, n_steps=n_steps, **address
    )
    return block.outputs


BUILT_IN = (
    Contender("fastalliance", run_kernel, n_replicates=1024, addressed=True),
    Contender("vectorised NumPy", dyad_numpy.run, n_replicates=256),
    Contender("numba loop", dyad_numba.run, n_replicates=256),
)


def compare(
    contenders: Sequence[Contender] = BUILT_IN,
    settings: Sequence[Setting] = SETTINGS,
    *,
    rounds: int = 7,
    tiny: bool = False,
) -> list[Comparison]:
    """Measure all contenders that can run here, one thread each, in turns.

    Parameters
    ----------
    contenders : sequence of Contender
        The others are compared with the first.
    settings : sequence of Setting
        One comparison each.
    rounds : int
        Measurements of each contender.
    tiny : bool
        One replicate a point: shows that everything runs, not how fast.
    """
    skipped = {c.name: why for c in contenders if (why := c.missing())}
    present = [c for c in contenders if c.name not in skipped]
    return [_compare_in(setting, present, skipped, rounds, tiny) for setting in settings]


def _compare_in(
    setting: Setting,
    contenders: Sequence[Contender],
    skipped: Mapping[str, str],
    rounds: int,
    tiny: bool,
) -> Comparison:
    def task(contender: Contender) -> Task:
        n = 1 if tiny else contender.n_replicates
        work = setting.n_points * n * setting.n_steps
        return Task(contender.name, lambda: setting.run(contender.run, n), work)

    timings = interleave([task(contender) for contender in contenders], rounds, time.process_time)
    about = {
        "model": MODEL.name,
        "parameters": dict(setting.parameters),
        "n_points": setting.n_points,
        "n_steps": setting.n_steps,
        "dt": setting.dt,
        "threads": 1,
        "clock": "CPU time of the process",
    }
    return Comparison(setting.name, "instance-steps", timings, skipped, about)
