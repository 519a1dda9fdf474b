"""Runs a block of design points in memory: the one call from parameters to outputs."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fastalliance.engine.compile import Literals, driver, refresh
from fastalliance.errors import ModelError
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


def literals(model: Model, points: Floats) -> Literals:
    """Return what is compiled into the driver of `points`: their sizes, and features that are off.

    The sizes are those of the first point.
    """
    columns = {p.name: i for i, p in enumerate(model.inputs)}
    sizes = [(size.name, str(int(points[0, columns[size.name]]))) for size in model.structure]
    off = [
        (constant, "0.0")
        for parameter, constant in model.switches.items()
        if not points[:, columns[parameter]].any()
    ]
    return (*sizes, *off)


def prepare_driver(model: Model, points: Floats) -> None:
    """Compile or load the driver that `points` need, so that no tile waits for it.

    Where a global or a closure's constant of the model has changed, its drivers are compiled anew.
    """
    refresh(model)
    driver(model, literals(model, points))


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
    points : float64 (point, input)
        Parameters, then sizes, in the model's order; consecutive points of the design.
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
    blocks = [
        _run_same_structure(
            model,
            points[low:high],
            literals(model, points[low:high]),
            (seed & 0xFFFFFFFF, seed >> 32, first_point + low, first_replicate),
            n_replicates,
            common_random_numbers,
            (dt, n_steps, record_steps),
        )
        for low, high in _runs(points[:, len(model.parameters) :])
    ]
    return blocks[0] if len(blocks) == 1 else _joined(blocks)


def _runs(sizes: Floats) -> list[tuple[int, int]]:
    """Return the ranges of consecutive points that have the same sizes."""
    changes = np.flatnonzero((sizes[1:] != sizes[:-1]).any(axis=1)) + 1
    bounds = [0, *changes.tolist(), len(sizes)]
    return list(itertools.pairwise(bounds))


def _run_same_structure(
    model: Model,
    points: Floats,
    compiled_in: Literals,
    address: tuple[int, int, int, int],
    n_replicates: int,
    common_random_numbers: bool,
    times: tuple[float, int, int],
) -> Block:
    dt, n_steps, record_steps = times
    shape = (len(points), n_replicates)
    outputs = np.empty((len(model.output_variables), *shape))
    invalid = np.empty(shape, dtype=np.bool_)
    n_times = n_steps // record_steps + 1 if record_steps else 0
    paths = np.empty((len(model.recorded) if n_times else 0, *shape, n_times))
    run = driver(model, compiled_in)
    try:
        run(
            points,
            *address,
            n_replicates,
            common_random_numbers,
            dt,
            n_steps,
            record_steps,
            outputs,
            invalid,
            paths,
        )
    except Exception as error:
        raise ModelError(
            f"model {model.name}: a formula raised {type(error).__name__}: {error}; formulas must "
            "not raise, a state that is not finite marks a replicate as invalid"
        ) from error
    return Block(outputs, invalid, paths if n_times else None)


def _joined(blocks: list[Block]) -> Block:
    paths = [block.paths for block in blocks if block.paths is not None]
    return Block(
        np.concatenate([block.outputs for block in blocks], axis=1),
        np.concatenate([block.invalid for block in blocks], axis=0),
        np.concatenate(paths, axis=1) if paths else None,
    )
