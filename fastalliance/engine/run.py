"""Runs a block of design points in memory: the one call from parameters to outputs."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fastalliance.engine.compile import LANES, Literals, driver, refresh
from fastalliance.engine.population import lanes, scratch
from fastalliance.engine.structure import NOTHING, Structure, Structures, nothing_given
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
    members : float64 (member output, point, replicate, member) or None
        Outputs of every member; NaN where invalid, and beyond the members of a smaller alliance.
    member_paths : float64 (member path, point, replicate, member, time) or None
        What is recorded of every member; NaN as `members`.
    """

    outputs: Floats
    invalid: npt.NDArray[np.bool_]
    paths: Floats | None
    members: Floats | None = None
    member_paths: Floats | None = None


def literals(model: Model, points: Floats, structure: Structure = NOTHING) -> Literals:
    """Return what is compiled into the driver of `points`: their sizes, and features that are off.

    The sizes are those of the first point. Those of a population are not compiled in, but whether
    its members were given arrays or a network is.
    """
    columns = {p.name: i for i, p in enumerate(model.inputs)}
    sizes = [(size.name, str(int(points[0, columns[size.name]]))) for size in model.structure]
    if model.population is not None:
        n_lanes = lanes(int(points[0, columns[model.population.size]]), structure.has_network)
        given = [(f"given_{name}", "1.0") for name in structure.given]
        sizes = [(LANES, str(n_lanes)), *given]
    off = [
        (constant, "0.0")
        for parameter, constant in model.switches.items()
        if not points[:, columns[parameter]].any()
    ]
    return (*sizes, *off)


def prepare_driver(model: Model, points: Floats, structures: Structures = nothing_given) -> None:
    """Compile or load the driver that `points` need, so that no tile waits for it.

    Where a global or a closure's constant of the model has changed, its drivers are compiled anew.
    """
    refresh(model)
    driver(model, literals(model, points, structures(_sizes(model, points))))


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
    structures: Structures = nothing_given,
    keep_members: bool = False,
    record_members: bool = False,
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
    structures : callable (sizes) -> Structure
        What populations of given sizes are given.
    keep_members : bool
        Whether the outputs of every member are wanted.
    record_members : bool
        Whether every member is recorded along with the states.

    Returns
    -------
    Block
        The same bits however points and replicates are cut into calls.
    """
    points = np.ascontiguousarray(points, dtype=np.float64)
    call = _Call(
        model,
        seed,
        n_replicates,
        common_random_numbers,
        dt,
        n_steps,
        record_steps,
        keep_members,
        record_members and record_steps > 0,
    )
    blocks = [
        call.run(points[low:high], first_point + low, first_replicate, structures)
        for low, high in _runs(points[:, len(model.parameters) :])
    ]
    return blocks[0] if len(blocks) == 1 else _joined(blocks)


def _sizes(model: Model, points: Floats) -> tuple[float, ...]:
    return tuple(points[0, len(model.parameters) :].tolist())


def _runs(sizes: Floats) -> list[tuple[int, int]]:
    """Return the ranges of consecutive points that have the same sizes."""
    changes = np.flatnonzero((sizes[1:] != sizes[:-1]).any(axis=1)) + 1
    bounds = [0, *changes.tolist(), len(sizes)]
    return list(itertools.pairwise(bounds))


@dataclass(frozen=True)
class _Call:
    """What all points of a call share."""

    model: Model
    seed: int
    n_replicates: int
    common: bool
    dt: float
    n_steps: int
    record_steps: int
    keep_members: bool
    record_members: bool

    def run(
        self, points: Floats, first_point: int, first_replicate: int, structures: Structures
    ) -> Block:
        """Run points of the same sizes."""
        model = self.model
        structure = structures(_sizes(model, points))
        shape = (len(points), self.n_replicates)
        outputs = np.empty((len(model.output_variables), *shape))
        invalid = np.empty(shape, dtype=np.bool_)
        n_times = self.n_steps // self.record_steps + 1 if self.record_steps else 0
        paths = np.empty((len(model.recorded) if n_times else 0, *shape, n_times))
        arguments = [points, self.seed & 0xFFFFFFFF, self.seed >> 32, first_point, first_replicate]
        arguments += [self.n_replicates, self.common, self.dt, self.n_steps, self.record_steps]
        arguments += [outputs, invalid, paths]
        kept = tracks = None
        if model.population is not None:
            n_kept = len(model.population.output_variables) if self.keep_members else 0
            members = int(_sizes(model, points)[0])
            kept = np.empty((n_kept, *shape, members if n_kept else 0))
            n_tracks = len(model.population.path_variables) if self.record_members else 0
            tracks = np.empty((n_tracks, *shape, members, n_times if n_tracks else 0))
            given = [structure.inputs, structure.first_neighbours, structure.neighbours]
            n_lanes = lanes(members, structure.has_network)
            room = scratch(model, members, int(_sizes(model, points)[1]), n_lanes)
            arguments = [arguments[0], *given, *arguments[1:], kept, tracks, *room]
        run = driver(model, literals(model, points, structure))
        try:
            run(*arguments)
        except Exception as error:
            raise ModelError(
                f"model {model.name}: a formula raised {type(error).__name__}: {error}; formulas "
                "must not raise, a state that is not finite marks a replicate as invalid"
            ) from error
        return Block(
            outputs,
            invalid,
            paths if n_times else None,
            kept if self.keep_members else None,
            tracks if self.record_members else None,
        )


def _joined(blocks: list[Block]) -> Block:
    paths = [block.paths for block in blocks if block.paths is not None]
    return Block(
        np.concatenate([block.outputs for block in blocks], axis=1),
        np.concatenate([block.invalid for block in blocks], axis=0),
        np.concatenate(paths, axis=1) if paths else None,
        _joined_members([block.members for block in blocks if block.members is not None]),
        _joined_members([b.member_paths for b in blocks if b.member_paths is not None]),
    )


def _joined_members(parts: list[Floats]) -> Floats | None:
    """Return members' outputs of alliances of several sizes, NaN beyond the smaller ones'."""
    if not parts:
        return None
    most = max(part.shape[3] for part in parts)
    widths = [(0, 0), (0, 0), (0, 0)]
    rest = [(0, 0)] * (parts[0].ndim - 4)
    padded = [
        np.pad(part, [*widths, (0, most - part.shape[3]), *rest], constant_values=np.nan)
        for part in parts
    ]
    return np.concatenate(padded, axis=1)
