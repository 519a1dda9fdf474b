"""Checks of a model's definition at the door, and its description as a table."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from fastalliance.errors import ModelError, suggestion
from fastalliance.outputs import Output, Ratio
from fastalliance.parameters import Parameter

if TYPE_CHECKING:
    from fastalliance.library.model import Model

_ARGUMENTS = {
    "prepare": ("p", "dt"),
    "init": ("p", "stream"),
    "step": ("s", "p", "stream", "k", "t", "dt"),
    "outputs": ("s", "p"),
    "finished": ("s",),
    "fastest_rate": ("p",),
}
_SUFFIXES = (
    "mean",
    "std",
    "stderr",
    "min",
    "max",
    "quantile",
    "count",
    "low",
    "high",
    "share",
    "path",
)
_RESERVED = ("point", "replicate", "time", "quantile", "member", "n_invalid")


def check_definition(model: Model) -> None:
    """Raise ModelError where a piece is missing, names clash or a formula has the wrong arity."""
    if not isinstance(model.name, str) or not model.name.isidentifier():
        raise ModelError(f"model name {model.name!r} must be a Python identifier")
    where = f"model {model.name}"
    for name, number in (("horizon", model.horizon), ("dt", model.dt)):
        if not (isinstance(number, int | float) and math.isfinite(number) and number > 0):
            raise ModelError(f"{where}: {name} must be a positive number, got {number!r}")
    _check_kinds(where, "parameters", model.parameters, Parameter)
    _check_kinds(where, "structure", model.structure, Parameter)
    for size in model.structure:
        if size.kind != "integer":
            raise ModelError(
                f"{where}: the size {size.name} in structure must be of kind 'integer'"
            )
    _check_kinds(where, "output_variables", model.output_variables, Output)
    _check_kinds(where, "ratios", model.ratios, Ratio)
    if not model.output_variables:
        raise ModelError(f"{where}: output_variables is empty; declare at least one fa.Output")
    fields = getattr(model.state, "_fields", None)
    if not (isinstance(model.state, type) and issubclass(model.state, tuple) and fields):
        raise ModelError(f"{where}: state must be a NamedTuple class with at least one field")
    for formula, arguments in _ARGUMENTS.items():
        _check_arity(where, formula, getattr(model, formula), arguments)
    _check_names(where, model)
    for parameter in model.switches:
        model_names = [p.name for p in model.parameters]
        if parameter not in model_names:
            raise ModelError(
                f"{where}: switches names the unknown parameter {parameter!r}"
                f"{suggestion(parameter, model_names)}"
            )


def _check_kinds(where: str, field: str, items: Iterable[object], kind: type) -> None:
    for item in items:
        if not isinstance(item, kind):
            raise ModelError(f"{where}: {field} must hold fa.{kind.__name__} objects, got {item!r}")


def _check_arity(where: str, name: str, function: Any, arguments: tuple[str, ...]) -> None:
    optional = name in ("prepare", "finished", "fastest_rate")
    if function is None and optional:
        return
    if not callable(function):
        raise ModelError(f"{where}: {name} must be a function ({', '.join(arguments)})")
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


def _check_names(where: str, model: Model) -> None:
    parameters = [p.name for p in model.inputs]
    outputs = [o.name for o in model.output_variables]
    for kind, names in (
        ("parameter", parameters),
        ("output", outputs + [r.name for r in model.ratios]),
    ):
        for name in names:
            if names.count(name) > 1:
                raise ModelError(f"{where}: the {kind} {name!r} is declared twice")
            if name in _RESERVED or name.startswith("_"):
                raise ModelError(f"{where}: the {kind} name {name!r} is reserved; choose another")
    clash = set(parameters) & set(outputs)
    if clash:
        raise ModelError(
            f"{where}: {sorted(clash)[0]!r} is both a parameter and an output; rename one"
        )
    for name in outputs:
        for suffix in _SUFFIXES:
            if f"{name}_{suffix}" in outputs:
                raise ModelError(
                    f"{where}: output {name}_{suffix} clashes with a statistic of output {name}"
                )
    for ratio in model.ratios:
        for name in (ratio.numerator, ratio.denominator):
            if name not in outputs:
                raise ModelError(
                    f"{where}: ratio {ratio.name} names the unknown output {name!r}"
                    f"{suggestion(name, outputs)}"
                )
    for variable in model.state_variables or ():
        states = list(model.state._fields)
        if variable.name not in states:
            raise ModelError(
                f"{where}: state_variables names the unknown state {variable.name!r}"
                f"{suggestion(variable.name, states)}"
            )


def describe(model: Model) -> str:
    """Return the model as text: summary, source, parameters and outputs as aligned tables."""
    rows = [("parameter", "default", "bounds", "unit", "meaning")]
    for p in model.inputs:
        default = p.default if isinstance(p.default, str) else f"{p.default:g}"
        rows.append((p.name, default, p.bounds, p.unit, p.description))
    outputs = [("output", "kind", "", "unit", "meaning")]
    outputs += [(o.name, o.kind, "", o.unit, o.description) for o in model.output_variables]
    outputs += [(r.name, "ratio", "", r.unit, r.description) for r in model.ratios]
    head = (
        f"{model.name}: {model.summary}\nSource: {model.citation}\n"
        f"Study defaults: horizon {model.horizon:g}, dt {model.dt:g} {model.time_unit}"
    )
    return f"{head}\n\n{_aligned(rows)}\n\n{_aligned(outputs)}"


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    return "\n".join(
        "  ".join(
            [cell.ljust(w) for cell, w in zip(row, widths, strict=False) if w] + [row[-1]]
        ).rstrip()
        for row in rows
    )
