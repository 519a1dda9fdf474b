"""From a configuration to what a study runs: model, times, points, all checked at the door."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastalliance import library
from fastalliance.configuration.messages import show
from fastalliance.errors import ConfigError, DesignError, FastAllianceError
from fastalliance.library.model import Model
from fastalliance.study import checks
from fastalliance.study import design as designs
from fastalliance.study.design import Design
from fastalliance.study.structure import GivenStructure
from fastalliance.study.tiles import BLOCK

if TYPE_CHECKING:
    from fastalliance.configuration import Configuration

Floats = npt.NDArray[np.float64]
_MAX_QUANTILE_REPLICATES = 10**6
NO_OBJECTS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Definition:
    """What a configuration means, every default filled in.

    Attributes
    ----------
    model : Model
    horizon, dt : float
        In the model's time unit.
    n_steps : int
    record_steps, recorded_replicates : int
        Steps between two records of trajectories, and of how many replicates; 0 without.
    design : Design
    coordinates : dict of str to float64 array
        Values of the varied parameters: a grid's axes, or columns over points.
    fixed : dict of str to float
        All other parameters and sizes.
    given : GivenStructure
        Arrays and a network of a population.
    """

    model: Model
    horizon: float
    dt: float
    n_steps: int
    record_steps: int
    recorded_replicates: int
    design: Design
    coordinates: dict[str, Floats]
    fixed: dict[str, float]
    given: GivenStructure


@contextmanager
def located(configuration: Configuration, path: str) -> Iterator[None]:
    """Prefix an error with the place of a field in the configuration's file, where it is known."""
    try:
        yield
    except FastAllianceError as error:
        where = configuration.where(path)
        if not where:
            raise
        raise type(error)(f"{where}: {error}") from None


def define(
    configuration: Configuration,
    model: Model | None = None,
    design: Design | None = None,
    objects: Mapping[str, Any] = NO_OBJECTS,
) -> Definition:
    """Return what `configuration` means, with a user's own model or design where they are given.

    `objects` are entries of structure that are no plain data: graphs, matrices, arrays.

    Raises
    ------
    ConfigError, ParameterError, DesignError, ModelError
        A field is wrong; the message names it, its rule, the value and, where known, the line.
    """
    model = _model(configuration, model)
    horizon = float(configuration.horizon or model.horizon)
    dt = float(configuration.dt or model.dt)
    with located(configuration, "horizon" if configuration.horizon else "dt"):
        n_steps = checks.count_steps(horizon, dt)
    _check_available(configuration, model)
    record_steps, recorded = _recording(configuration, horizon, dt)
    design = _design(configuration, model, design)
    coordinates = {}
    for name in design.axes:
        with located(configuration, design.place(name)):
            coordinates[name] = design.coordinate(model, name)
    given = _given(configuration, model, objects, coordinates)
    fixed = _fixed(configuration, model, coordinates, given)
    varied = checks.Varied(coordinates, design.kind == "grid")
    if model.population is not None:
        given.check(population_sizes(model, fixed, varied), partial(located, configuration))
    flags = {f"given_{name}": 1.0 for name in given.names}
    with located(configuration, "dt"):
        checks.check_step(model, dt, horizon, {**fixed, **flags}, varied)
    return Definition(
        model, horizon, dt, n_steps, record_steps, recorded, design, coordinates, fixed, given
    )


def _given(
    configuration: Configuration,
    model: Model,
    objects: Mapping[str, Any],
    coordinates: Mapping[str, Floats],
) -> GivenStructure:
    """Return what the structure gives beside sizes."""
    sizes = {size.name for size in model.structure}
    for name in objects:
        if name in sizes:
            raise ConfigError(f"structure.{name} must be one number, got {show(objects[name])}")
        if model.population is None:
            model.resolve_structure({name: 0.0})  # refuses the name
    if model.population is None:
        return GivenStructure(model, {}, Path())
    entries = {**configuration.structure, **objects}
    return GivenStructure(
        model,
        {name: value for name, value in entries.items() if name not in sizes},
        configuration.source_directory or Path(),
        varied=[name for name in coordinates if name in sizes],
        at=partial(located, configuration),
    )


def population_sizes(
    model: Model, fixed: Mapping[str, float], varied: checks.Varied
) -> list[dict[str, float]]:
    """Return the sizes of populations that occur in a design, thinned where they are many."""
    names = [size.name for size in model.structure]
    axes = [name for name in names if name in varied.columns]
    rows = varied.combinations(axes) if axes else [()]
    kept = {name: fixed[name] for name in names if name not in axes}
    return [{**kept, **dict(zip(axes, row, strict=True))} for row in rows]


def _model(configuration: Configuration, given: Model | None) -> Model:
    if given is not None and not isinstance(given, Model):
        raise ConfigError(f"model must be a fa.Model, got {given!r}")
    with located(configuration, "model"):
        if given is None:
            return library.get(configuration.model)
        if given.name != configuration.model:
            raise ConfigError(
                f"model is {configuration.model!r}, but the model given is {given.name!r}"
            )
    return given


def _check_available(configuration: Configuration, model: Model) -> None:
    """Refuse what the model does not have, and what this version does not do."""
    with located(configuration, "keep.members"):
        if configuration.keep.members and model.population is None:
            raise ConfigError(f"keep.members: {model.name} has no members")
    replicates = configuration.replicates
    with located(configuration, "statistics.quantiles"):
        if configuration.statistics.quantiles and replicates > _MAX_QUANTILE_REPLICATES:
            raise ConfigError(
                f"statistics.quantiles: exact quantiles take at most {_MAX_QUANTILE_REPLICATES:,} "
                f"replicates per point, got {replicates:,}"
            )


def _recording(configuration: Configuration, horizon: float, dt: float) -> tuple[int, int]:
    trajectories = configuration.keep.trajectories
    if trajectories is None:
        return 0, 0
    every = "keep.trajectories.every"
    with located(configuration, every):
        record_steps = checks.record_interval(trajectories.every, horizon, dt, every)
    with located(configuration, "keep.trajectories.replicates"):
        if trajectories.replicates > BLOCK:
            raise ConfigError(
                f"keep.trajectories.replicates must be <= {BLOCK}, got {trajectories.replicates}"
            )
    return record_steps, trajectories.replicates


def _design(configuration: Configuration, model: Model, design: Design | None) -> Design:
    with located(configuration, "design"):
        if design is None:
            given = configuration.design
            plain = given.to_plain() if given else None
            folder = configuration.source_directory or Path()
            design = designs.from_configuration(plain, folder)
        return designs.integers_in_range(design, model)


def _fixed(
    configuration: Configuration,
    model: Model,
    coordinates: dict[str, Floats],
    given: GivenStructure,
) -> dict[str, float]:
    structure = configuration.structure
    if model.population is not None:
        sizes = {size.name for size in model.structure}
        structure = {name: value for name, value in structure.items() if name in sizes}
        size = model.population.size
        if size not in structure and size not in coordinates:
            with located(configuration, "structure.network"):
                structure |= {} if (members := given.members) is None else {size: members}
    sections = {"parameters": configuration.parameters, "structure": structure}
    resolve = {"parameters": model.resolve, "structure": model.resolve_structure}
    for section, values in sections.items():
        for name, value in values.items():
            with located(configuration, f"{section}.{name}"):
                resolve[section]({name: value})
                if name in coordinates:
                    raise DesignError(
                        f"{name} is given both in {section} and in the design; drop one of them"
                    )
    parameters, sizes_given = model.resolve(sections["parameters"]), sections["structure"]
    values = {**parameters, **model.resolve_structure(sizes_given)}
    return {name: value for name, value in values.items() if name not in coordinates}
