"""Small runs with trajectories, and replays of single replicates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastalliance.engine import Block, prepare_driver, run_points
from fastalliance.errors import ConfigError, DesignError
from fastalliance.library.model import Model
from fastalliance.limits import MAX_REPLICATES
from fastalliance.outputs import Output
from fastalliance.store import Coordinate
from fastalliance.study import checks, labels
from fastalliance.study.layout import attributes, member_coordinates
from fastalliance.study.plan import size_text
from fastalliance.study.study import Study

if TYPE_CHECKING:
    import xarray as xr

Floats = npt.NDArray[np.float64]
Variable = tuple[tuple[str, ...], Any, dict[str, Any]]
_MAX_BYTES = 2**32


def simulate(
    model: str | Model,
    *,
    parameters: Mapping[str, Any] | None = None,
    replicates: int = 1,
    replicate: int | None = None,
    seed: int = 0,
    horizon: float | None = None,
    dt: float | None = None,
    structure: Mapping[str, Any] | None = None,
    record_every: float | None = None,
    members: bool = False,
) -> xr.Dataset:
    """Run a few replicates of one parameter point and return every output of each.

    Parameters
    ----------
    model : str or Model
        Name of a built-in model, or a model of your own.
    parameters : mapping, optional
        Parameter values; defaults elsewhere.
    replicates : int
        Number of replicates 0, 1, ...
    replicate : int, optional
        Instead: only the replicate of this number, the same bits as in any study's point 0.
    seed : int
        Seed of all random draws, 0..2**64 - 1.
    horizon, dt : float, optional
        In the model's time unit; the model's defaults otherwise.
    structure : mapping, optional
        Structural inputs of the model.
    record_every : float, optional
        Record the states at this interval, a multiple of dt that divides the horizon.
    members : bool
        Whether the outputs of every member of a population are wanted too, and with
        `record_every` the members' own states.

    Returns
    -------
    xarray.Dataset
        Outputs (replicate); with `record_every` the states X_path (replicate, time); with
        `members` the members' outputs (replicate, member), and with both members' states
        member_X_path (replicate, member, time).

    Raises
    ------
    FastAllianceError
        An argument is wrong; the message names it, its rule and the value.

    Examples
    --------
    >>> ds = simulate("dyad", parameters={"initial_trust": 0.7}, replicates=3, record_every=1.0)
    >>> ds["trust_a_path"].shape
    (3, 61)
    """
    if replicates is None:
        raise ConfigError("replicates must be a whole number, got None")
    if replicate is not None and replicates != 1:
        raise ConfigError("give replicates, or the number of one replicate, not both")
    study = Study(
        model,
        parameters=parameters,
        replicates=replicates if replicate is None else 1,
        seed=seed,
        horizon=horizon,
        dt=dt,
        structure=structure,
        keep={"members": True} if members else None,
    )
    first = 0 if replicate is None else replicate
    return _run(study, 0, first, study.replicates, record_every, members)


def replay(
    study: Study,
    point: Mapping[str, float] | int,
    replicate: int,
    record_every: float | None,
    members: bool | None,
) -> xr.Dataset:
    """Run one replicate of one design point of `study` again."""
    if members and study.model.population is None:
        raise ConfigError(f"members: {study.model.name} has no members")
    members = study.configuration.keep.members if members is None else members
    if isinstance(point, Mapping):
        number = find_point(study, point)
    else:
        number = checks.whole_number(point, "point", 0, study.design.n_points - 1)
    return _run(study, number, replicate, 1, record_every, members)


def find_point(study: Study, values: Mapping[str, float]) -> int:
    """Return the number of the design point with these values (within 1e-9).

    Raises
    ------
    DesignError
        A varied parameter is missing or unknown, or no point has the values.
    """
    for name in values:
        if name not in study.coordinates:
            varied = ", ".join(study.coordinates) or "nothing"
            raise DesignError(f"point: {name!r} does not vary in this study; {varied} does")
    missing = [name for name in study.coordinates if name not in values]
    if missing:
        raise DesignError(f"point: give a value of {', '.join(missing)} too")
    wanted = {
        name: study.model.parameter(name).check(value, f"point.{name}")
        for name, value in values.items()
    }
    distances = {name: _distance(study.coordinates[name], wanted[name]) for name in wanted}
    if study.design.kind == "grid":
        nearest = {name: int(np.argmin(distances[name])) for name in study.coordinates}
        for name, i in nearest.items():
            if not distances[name][i] <= 1.0:
                raise DesignError(
                    f"point: {name} has no design value {wanted[name]:.12g}; the nearest is "
                    f"{study.coordinates[name][i]:.12g}"
                )
        indices = tuple(nearest.values())
        return int(np.ravel_multi_index(indices, study.design.shape)) if indices else 0
    together = np.max(list(distances.values()), axis=0)
    row = int(np.argmin(together))
    if not together[row] <= 1.0:
        raise DesignError("point: no design point has these values; give its number instead")
    return row


def _distance(column: Floats, wanted: float) -> Floats:
    """Return how far values lie from the wanted one, in tolerances; 0 for infinities alike."""
    tolerance = 1e-9 * max(1.0, abs(wanted)) if np.isfinite(wanted) else 1.0
    with np.errstate(invalid="ignore"):
        return np.where(column == wanted, 0.0, np.abs(column - wanted) / tolerance)


def _run(
    study: Study,
    point: int,
    first_replicate: int,
    n_replicates: int,
    record_every: float | None,
    members: bool,
) -> xr.Dataset:
    first_replicate = checks.whole_number(first_replicate, "replicate", 0, MAX_REPLICATES - 1)
    record_steps = 0
    if record_every is not None:
        record_steps = checks.record_interval(record_every, study.horizon, study.dt, "record_every")
    _require_room(study, n_replicates, record_steps, members)
    points = study.points(point, 1)
    prepare_driver(study.model, points, study.given)
    block = run_points(
        study.model,
        points,
        seed=study.seed,
        first_point=point,
        first_replicate=first_replicate,
        n_replicates=n_replicates,
        common_random_numbers=study.common_random_numbers,
        dt=study.dt,
        n_steps=study.n_steps,
        record_steps=record_steps,
        structures=study.given,
        keep_members=members,
        record_members=members,
    )
    coordinates = [labels.replicate_coordinate(n_replicates, first_replicate)]
    if block.paths is not None:
        unit = study.model.time_unit
        coordinates.append(labels.time_coordinate(study.n_steps, record_steps, study.dt, unit))
    if block.members is not None:
        fixed = {**study.fixed, **_varied_at(study, point)}
        coordinates += member_coordinates(study, fixed, block.members.shape[3], named=True)
    coordinates += _point_coordinates(study, point)
    invalid = int(block.invalid.sum())
    variables = _variables(study.model, block)
    variables["n_invalid"] = ((), float(invalid), checks.invalid_attrs())
    checks.warn_invalid(invalid, 1)
    attrs = {**attributes(study), "complete": True, "point": point}
    return labels.dataset(coordinates, variables, attrs)


def _require_room(study: Study, n_replicates: int, record_steps: int, members: bool) -> None:
    """Refuse a result that no one could mean to hold in memory."""
    model = study.model
    n_times = study.n_steps // record_steps + 1 if record_steps else 0
    n_values = len(model.output_variables) + len(model.recorded) * n_times
    if members and model.population is not None:
        n_kept = len(model.population.output_variables)
        n_kept += len(model.population.path_variables) * n_times
        n_values += n_kept * study.most_members
    n_bytes = 8 * n_replicates * n_values
    if n_bytes > _MAX_BYTES:
        raise ConfigError(
            f"the result would take {size_text(n_bytes)}; simulate fewer replicates, record less "
            "often, or run a study"
        )


def _variables(model: Model, block: Block) -> dict[str, Variable]:
    """Return what a block of one point holds, labelled."""
    population = model.population
    kept = population.output_variables if population is not None else ()
    tracks = population.path_variables if population is not None else ()
    parts: list[tuple[Sequence[Output], Floats | None, str, tuple[str, ...]]] = [
        (model.output_variables, block.outputs, "", ("replicate",)),
        (model.recorded, block.paths, "_path", ("replicate", "time")),
        (kept, block.members, "", ("replicate", "member")),
        (tracks, block.member_paths, "_path", ("replicate", "member", "time")),
    ]
    return {
        f"{output.name}{end}": (dims, values[0], labels.output_attrs(output, model.time_unit))
        for outputs, arrays, end, dims in parts
        if arrays is not None
        for output, values in zip(outputs, arrays, strict=True)
    }


def _point_coordinates(study: Study, point: int) -> list[Coordinate]:
    return [
        Coordinate(name, (), np.array(value), labels.parameter_attrs(study.model.parameter(name)))
        for name, value in _varied_at(study, point).items()
    ]


def _varied_at(study: Study, point: int) -> dict[str, float]:
    """Return the values of the varied parameters at a design point."""
    row = study.points(point, 1)[0].tolist()
    values = dict(zip((parameter.name for parameter in study.model.inputs), row, strict=True))
    return {name: values[name] for name in study.coordinates}
