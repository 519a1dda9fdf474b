"""What the driver of a population model spells out, found by running each formula once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from fastalliance.engine.formulas import fields_read
from fastalliance.engine.render_calls import PopulationFields, StageFields
from fastalliance.engine.render_population import LANES
from fastalliance.errors import ModelError, suggestion
from fastalliance.kernels.interpret import interpreted
from fastalliance.kernels.intrinsics import shaped, stack_floats, stack_integers
from fastalliance.kernels.philox import Stream
from fastalliance.kernels.ranking import mark_highest
from fastalliance.kernels.telling import tell
from fastalliance.library.definition import place
from fastalliance.library.model import Model
from fastalliance.library.population import At, Population, Select, Sweep

WIDE_MEMBERS = 2**17  # above, one instance a block: eight would take more than 100 MB


def lanes(members: int, has_network: bool) -> int:
    """Return how many instances a block holds; results do not depend on it."""
    return 1 if has_network or members > WIDE_MEMBERS else LANES


def block_bytes(model: Model, members: int, has_network: bool) -> int:
    """Return the memory of one thread's block of populations."""
    n_values = len(_population(model).member._fields) + 2  # scores, keys
    network = 18 * members if has_network else 0  # lists
    return 8 * members * lanes(members, has_network) * n_values + network


def scratch(model: Model, members: int, industries: int, n_lanes: int) -> list[npt.NDArray[Any]]:
    """Return the arrays that a driver works in: members, industries, scores and keys."""
    population = _population(model)
    n_fields, n_own = len(population.member._fields), max(len(population.industry._fields), 1)
    return [
        np.empty(members * n_fields * n_lanes),
        np.empty(industries * n_own * n_lanes),
        np.empty((n_lanes, members)),
        np.empty(members, dtype=np.int64),
    ]


def population_fields(
    model: Model, literals: Mapping[str, str], constants: tuple[str, ...], n_lanes: int
) -> PopulationFields:
    """Return the names that the driver of a population model spells out."""
    population = _population(model)
    for stage in population.stages:
        arrival = stage.arrival if isinstance(stage, Sweep) else None
        if arrival is not None and arrival.switch not in constants:
            raise ModelError(
                f"model {model.name}: arrival of {stage.name} names the unknown constant "
                f"{arrival.switch!r}{suggestion(arrival.switch, constants)}"
            )
    flags = {name: literals.get(name, "0.0") for name in population.flags}
    return PopulationFields(
        population=population,
        parameters=(*(parameter.name for parameter in model.inputs), *population.flags),
        constants=constants,
        states=tuple(model.state._fields),
        recorded=tuple(variable.name for variable in model.recorded),
        n_outputs=len(model.output_variables),
        n_paths=len(population.path_variables),
        stages=stage_fields(model),
        has_prepare=model.prepare is not None,
        has_finished=model.finished is not None,
        literals={**literals, **flags},
        has_network=flags.get("given_network") == "1.0",
        lanes=n_lanes,
        reads={
            "final" if name == "outputs" else name: fields_read(function)
            for name, function in model.formulas().items()
        },
    )


def names(model: Model) -> dict[str, Any]:
    """Return what a population's driver needs in its namespace beside formulas."""
    found: dict[str, Any] = {
        "At": At,
        "stack_floats": stack_floats,
        "stack_integers": stack_integers,
        "shaped": shaped,
        "mark_highest": mark_highest,
        "tell": tell,
    }
    for name, returned in _returned(model).items():
        if "draw" in returned:
            found[f"{name}_Random"] = returned["draw"]
    return found


def stage_fields(model: Model) -> dict[str, StageFields]:
    """Return what the formulas of every stage return.

    Raises
    ------
    ModelError
        A formula raises, or returns another thing than it should.
    """
    return {
        name: StageFields(**{part: kind._fields for part, kind in returned.items()})
        for name, returned in _returned(model).items()
    }


def _population(model: Model) -> Population:
    assert model.population is not None
    return model.population


def _returned(model: Model) -> dict[str, dict[str, Any]]:
    """Return the types that stages' formulas return, run once on zeros in pure Python."""
    population = _population(model)
    given = model.defaults()
    p = given if model.prepare is None else interpreted(model.prepare)(given, model.dt)
    stream = Stream(1, 2, 3, 0)
    s = interpreted(model.init)(p, stream)
    m = population.member(*[0.0] * len(population.member._fields))
    g = population.industry(*[0.0] * len(population.industry._fields))
    at = At(0, 0, 0, 0.0, model.dt)
    found: dict[str, dict[str, Any]] = {}
    for stage in population.stages:
        call = _Caller(model, stage)
        if isinstance(stage, Select):
            call.number("score", m, g, s, p, at)
            call.number("count", s, p, at)
            found[stage.name] = {}
            continue
        if stage.when is not None:
            call.number("when", s, p, at)
        random = call.pair(p, stream, at) if stage.draw is not None else stream
        if stage.member is not None:
            call.record("member", m, m, g, s, p, random, at)
        if stage.arrival is not None:
            call.number("where", m, g, s, p, random, at)
            call.record("arrival", m, m, g, s, p, stream, at)
        sums = call.record("sums", None, m, g, s, p, at) if stage.sums is not None else None
        if stage.industry is not None:
            call.record("industry", g, g, sums, s, p, at)
        if stage.alliance is not None:
            call.record("alliance", s, s, sums, p, at)
        found[stage.name] = call.types
    return found


class _Caller:
    """Calls the formulas of a stage and checks what they return."""

    def __init__(self, model: Model, stage: Sweep | Select) -> None:
        self.model = model
        self.stage = stage
        self.types: dict[str, Any] = {}

    def _call(self, part: str, *arguments: Any) -> Any:
        function = dict(self.stage.formulas())[f"{self.stage.name}_{part}"]
        try:
            return interpreted(function)(*arguments)
        except Exception as error:
            raise ModelError(
                f"model {self.model.name}: {part} of {self.stage.name} ({place(function)}) failed "
                f"at the default parameters: {type(error).__name__}: {error}"
            ) from error

    def record(self, part: str, whole: Any, *arguments: Any) -> Any:
        """Return what a formula gives: a NamedTuple, of fields of `whole` where there is one."""
        return self._checked(part, whole, self._call(part, *arguments))

    def pair(self, *arguments: Any) -> Any:
        """Return the first of the two records of random numbers that a formula draws."""
        drawn = self._call("draw", *arguments)
        if not isinstance(drawn, tuple) or len(drawn) != 2 or type(drawn[0]) is not type(drawn[1]):
            raise ModelError(
                f"model {self.model.name}: draw of {self.stage.name} must return two records of "
                f"one kind, of the members 2j and 2j + 1, got {drawn!r}"
            )
        return self._checked("draw", None, drawn[0])

    def _checked(self, part: str, whole: Any, value: Any) -> Any:
        fields = getattr(value, "_fields", None)
        where = f"model {self.model.name}: {part} of {self.stage.name}"
        if fields is None:
            raise ModelError(f"{where} must return a NamedTuple of numbers, got {value!r}")
        for name in fields:
            if whole is not None and name not in whole._fields:
                raise ModelError(
                    f"{where} returns the unknown field {name!r}{suggestion(name, whole._fields)}"
                )
        self.types[part] = type(value)
        return value

    def number(self, part: str, *arguments: Any) -> None:
        """Check that a formula gives a number."""
        value = self._call(part, *arguments)
        if not isinstance(value, int | float):
            raise ModelError(
                f"model {self.model.name}: {part} of {self.stage.name} must return a number, "
                f"got {value!r}"
            )
