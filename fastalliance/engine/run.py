"""Runs a block of design points in memory: the one call from parameters to outputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fastalliance.engine.compile import driver
from fastalliance.library.model import Model

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Block:
    """What a block of points gives.

    Attributes
    ----------
    outputs : float64 (output, point, replicate)
        NaN where invalid.
    invalid : bool (point, replicate)
        Replicates that left the finite numbers.
    paths : float64 (state, point, replicate, time) or None
        Recorded states, t = 0 included.
    """

    outputs: Floats
    invalid: npt.NDArray[np.bool_]
    paths: Floats | None


def switched_off(model: Model, points: Floats) -> frozenset[str]:
    """Return the constants whose switch parameter is 0 at all `points`."""
    columns = {p.name: i for i, p in enumerate(model.parameters)}
    return frozenset(
        constant
        for parameter, constant in model.switches.items()
        if not points[:, columns[parameter]].any()
    )


def prepare_driver(model: Model, points: Floats) -> None:
    """Compile or load the driver that `points` need, so that no tile waits for it."""
    driver(model, switched_off(model, np.ascontiguousarray(points, dtype=np.float64)))


def run_points(
    model: Model,
    points: Floats,
    *,
    seed: int,
    first_point: int = 0,
    first_replicate: int = 0,
    n_replicates: int = 1,
    common_random_numbers: bool = False,
    dt: float,
    n_steps: int,
    record_steps: int = 0,
) -> Block:
    """Step `n_replicates` replicates of every point to the horizon, on one thread.

    Parameters
    ----------
    model : Model
    points : float64 (point, parameter)
        Parameter values in the model's order; the design's points first_point, first_point + 1, ...
    seed : int
        0..2**64 - 1.
    first_point, first_replicate : int
        Numbers that the random draws' addresses start from.
    dt : float
        Step in the model's time unit.
    n_steps : int
        Number of steps to the horizon.
    record_steps : int
        Record the states every so many steps; 0 records nothing.

    Returns
    -------
    Block
        The same bits however points and replicates are cut into calls.
    """
    points = np.ascontiguousarray(points, dtype=np.float64)
    n_points = points.shape[0]
    shape = (n_points, n_replicates)
    outputs = np.empty((len(model.output_variables), *shape))
    invalid = np.empty(shape, dtype=np.bool_)
    n_times = n_steps // record_steps + 1 if record_steps else 0
    paths = np.empty((len(model.recorded) if n_times else 0, *shape, n_times))
    driver(model, switched_off(model, points))(
        points,
        seed & 0xFFFFFFFF,
        seed >> 32,
        first_point,
        first_replicate,
        n_replicates,
        common_random_numbers,
        dt,
        n_steps,
        record_steps,
        outputs,
        invalid,
        paths,
    )
    return Block(outputs, invalid, paths if n_times else None)
