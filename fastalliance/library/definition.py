"""Checks of a model's definition at the door, and its description as a table."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any

from fastalliance.errors import ModelError, exact, is_name, suggestion
from fastalliance.library.names import check_names
from fastalliance.library.population import Population, Select, Sweep
from fastalliance.outputs import Output, Ratio
from fastalliance.parameters import Parameter

if TYPE_CHECKING:
    from fastalliance.library.model import Model

_ARGUMENTS = {
    "prepare": ("p", "dt"),
    "init": ("p", "stream"),
    "draw": ("p", "stream", "k"),
    "step": ("s", "p", "stream", "k", "t", "dt"),
    "outputs": ("s", "p"),
    "finished": ("s",),
    "fastest_rate": ("p",),
}
_KINDS: dict[str, type] = {
    "parameters": Parameter,
    "structure": Parameter,
    "output_variables": Output,
    "state_variables": Output,
    "ratios": Ratio,
}
_TEXTS = ("summary", "citation", "time_unit")


def check_definition(model: Model) -> None:
    """Raise ModelError where a piece is missing, names clash or a formula has the wrong arity."""
    if not is_name(model.name):
        raise ModelError(f"model name {model.name!r} must be a Python identifier")
    where = f"model {model.name}"
    for name in _TEXTS:
        if not isinstance(getattr(model, name), str):
            raise ModelError(f"{where}: {name} must be text, got {getattr(model, name)!r}")
    for name, number in (("horizon", model.horizon), ("dt", model.dt)):
        if not (isinstance(number, int | float) and math.isfinite(number) and number > 0):
            raise ModelError(f"{where}: {name} must be a positive number, got {number!r}")
    for field, kind in _KINDS.items():
        _check_kinds(where, field, getattr(model, field), kind)
    for size in model.structure if model.population is None else ():
        if size.kind != "integer":
            raise ModelError(
                f"{where}: the size {size.name} in structure must be of kind 'integer'"
            )
    if not model.output_variables:
        raise ModelError(f"{where}: output_variables is empty; declare at least one fa.Output")
    if model.step is None and model.population is None:
        raise ModelError(f"fa.Model({model.name!r}) lacks step")
    if model.step is not None and model.population is not None:
        raise ModelError(f"{where}: give either step, or a population")
    fields = getattr(model.state, "_fields", None)
    if not (isinstance(model.state, type) and issubclass(model.state, tuple) and fields):
        raise ModelError(f"{where}: state must be a NamedTuple class with at least one field")
    for formula, arguments in _ARGUMENTS.items():
        _check_arity(where, formula, getattr(model, formula), arguments)
    for caution in model.cautions:
        _check_arity(where, "holds of a caution", caution.holds, ("p", "dt"))
    for requirement in model.requirements:
        _check_arity(where, "holds of a requirement", requirement.holds, ("p", "dt", "horizon"))
    if model.population is not None:
        check_population(where, model, model.population)
    check_names(where, model)


_STAGE_ARGUMENTS = {
    "member": ("m", "g", "s", "p", "stream", "at"),
    "draw": ("p", "stream", "at"),
    "when": ("s", "p", "at"),
    "where": ("m", "g", "s", "p", "stream", "at"),
    "arrival": ("m", "g", "s", "p", "stream", "at"),
    "sums": ("m", "g", "s", "p", "at"),
    "industry": ("g", "sums", "s", "p", "at"),
    "alliance": ("s", "sums", "p", "at"),
    "score": ("m", "g", "s", "p", "at"),
    "count": ("s", "p", "at"),
}


def check_population(where: str, model: Model, population: Population) -> None:
    """Raise ModelError where a stage, a field or a size of a population is missing or wrong."""
    for stage in population.stages:
        if not isinstance(stage, Sweep | Select):
            raise ModelError(f"{where}: a stage must be a Sweep or a Select, got {stage!r}")
    sizes = [size.name for size in model.structure if size.kind == "integer"]
    first = [population.size, "industries"]
    if [size.name for size in model.structure[:2]] != first or len(sizes) < 2:
        raise ModelError(f"{where}: structure of a population must begin with {', '.join(first)}")
    fields = getattr(population.member, "_fields", ())
    used = [entry.field for entry in population.inputs]
    used += [stage.field for stage in population.stages if isinstance(stage, Select)]
    used += [population.ties.received, population.ties.degree] if population.ties else []
    for name in used:
        if name not in fields:
            raise ModelError(
                f"{where}: population names the unknown field {name!r} of a member"
                f"{suggestion(name, fields)}"
            )
    names = [stage.name for stage in population.stages]
    if len(set(names)) < len(names):
        raise ModelError(f"{where}: two stages have one name: {', '.join(names)}")
    if population.ties is not None and population.size != "members":
        raise ModelError(f"{where}: a population with ties must have the size 'members'")
    if (population.paths is None) != (not population.path_variables):
        raise ModelError(f"{where}: give both paths and path_variables, or neither")
    for stage in population.stages:
        for name, function in stage.formulas():
            if function is not None:
                part = name.removeprefix(f"{stage.name}_")
                _check_arity(where, f"{part} of {stage.name}", function, _STAGE_ARGUMENTS[part])
        if isinstance(stage, Sweep) and (stage.industry or stage.alliance) and not stage.sums:
            raise ModelError(f"{where}: {stage.name} has sums to take in, but no formula sums")


def _check_kinds(where: str, field: str, items: Iterable[object] | None, kind: type) -> None:
    for item in items or ():
        if not isinstance(item, kind):
            raise ModelError(f"{where}: {field} must hold fa.{kind.__name__} objects, got {item!r}")


def _check_arity(where: str, name: str, function: Any, arguments: tuple[str, ...]) -> None:
    optional = name in ("prepare", "draw", "step", "finished", "fastest_rate")
    if function is None and optional:
        return
    if not isinstance(_python(function), FunctionType):
        raise ModelError(
            f"{where}: {name} must be a plain function ({', '.join(arguments)}), no method and no "
            f"object, got {function!r}"
        )
    signature = inspect.signature(_python(function))
    try:
        signature.bind(*arguments)
    except TypeError:
        raise ModelError(
            f"{where}: {name} must take ({', '.join(arguments)}), "
            f"{place(function)} takes {signature}"
        ) from None


def _python(function: Callable[..., Any]) -> Callable[..., Any]:
    return getattr(function, "py_func", function)


def place(function: Callable[..., Any]) -> str:
    """Return the file and line of a formula, for messages."""
    code = getattr(_python(function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(function)


def describe(model: Model) -> str:
    """Return the model as text: summary, source, parameters and outputs as aligned tables."""
    rows: list[tuple[str, ...]] = [("parameter", "default", "bounds", "unit", "meaning")]
    for p in model.inputs:
        default = p.default if isinstance(p.default, str) else exact(p.default)
        rows.append((p.name, default, p.bounds, p.unit, p.description))
    rows += given_rows(model)
    outputs = [("output", "kind", "", "unit", "meaning")]
    outputs += [(o.name, o.kind, "", o.unit, o.description) for o in model.output_variables]
    outputs += [(r.name, "ratio", "", r.unit, r.description) for r in model.ratios]
    if model.population is not None:
        of_members = model.population.output_variables
        outputs += [(o.name, f"{o.kind} of members", "", o.unit, o.description) for o in of_members]
        tracks = model.population.path_variables
        outputs += [
            (f"{o.name}_path", "path of members", "", o.unit, o.description) for o in tracks
        ]
    head = (
        f"{model.name}: {model.summary}\nSource: {model.citation}\n"
        f"Study defaults: horizon {exact(model.horizon)}, dt {exact(model.dt)} {model.time_unit}"
    )
    return f"{head}\n\n{_aligned(rows)}\n\n{_aligned(outputs)}"


def given_rows(model: Model) -> list[tuple[str, ...]]:
    """Return what a study may give the members of a population beside sizes."""
    population = model.population
    if population is None:
        return []
    rows: list[tuple[str, ...]] = [
        (entry.name, "not given", entry.value.bounds, entry.value.unit, entry.value.description)
        for entry in population.inputs
    ]
    if population.ties is not None:
        rows.append(("network", "none", "", "1", "ties between members: graph, file or recipe"))
    return rows


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    return "\n".join(
        "  ".join(
            [cell.ljust(w) for cell, w in zip(row, widths, strict=False) if w] + [row[-1]]
        ).rstrip()
        for row in rows
    )
