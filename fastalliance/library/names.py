"""The names that a model's results take, and the refusal of two things under one name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fastalliance.errors import ModelError, suggestion
from fastalliance.outputs import Output

if TYPE_CHECKING:
    from fastalliance.library.model import Model

_RESERVED = ("point", "replicate", "time", "quantile", "member", "n_invalid")
_MOMENTS = ("mean", "std", "stderr", "min", "max", "quantile", "count")
_WILSON = ("mean", "low", "high", "count")


def result_names(output: Output) -> list[str]:
    """Return the names of an output's statistics."""
    if output.categories is not None:
        return [*(f"{output.name}_{c}_share" for c in output.categories), f"{output.name}_count"]
    suffixes = _WILSON if output.kind == "binary" else _MOMENTS
    return [f"{output.name}_{suffix}" for suffix in suffixes]


def check_names(where: str, model: Model) -> None:
    """Raise ModelError where two results or inputs would have one name, or one names nothing."""
    owners: dict[str, str] = {}
    for name, owner in _named(model):
        if name.startswith("_"):
            raise ModelError(f"{where}: {owner} must not begin with an underscore")
        if name in _RESERVED:
            raise ModelError(f"{where}: the name of {owner} is reserved; choose another")
        if name in owners:
            raise ModelError(
                f"{where}: the name {name!r} clashes: it is {owners[name]} and {owner}; rename one"
            )
        owners[name] = owner
    _check_references(where, model)


def _named(model: Model) -> Iterator[tuple[str, str]]:
    for parameter in model.inputs:
        yield parameter.name, f"the parameter {parameter.name}"
    for output in model.output_variables:
        yield output.name, f"the output {output.name}"
    for ratio in model.ratios:
        yield ratio.name, f"the ratio {ratio.name}"
    for output in model.output_variables:
        for name in result_names(output):
            yield name, f"a statistic of the output {output.name}"
    for ratio in model.ratios:
        yield f"{ratio.name}_stderr", f"the standard error of the ratio {ratio.name}"
    for name in [state.name for state in model.state_variables or ()] or model.state._fields:
        yield f"{name}_path", f"the path of the state {name}"


def _check_references(where: str, model: Model) -> None:
    outputs = [output.name for output in model.output_variables]
    for ratio in model.ratios:
        for name in (ratio.numerator, ratio.denominator):
            if name not in outputs:
                raise ModelError(
                    f"{where}: ratio {ratio.name} names the unknown output {name!r}"
                    f"{suggestion(name, outputs)}"
                )
    states = list(model.state._fields)
    for variable in model.state_variables or ():
        if variable.name not in states:
            raise ModelError(
                f"{where}: state_variables names the unknown state {variable.name!r}"
                f"{suggestion(variable.name, states)}"
            )
    parameters = [parameter.name for parameter in model.parameters]
    for parameter, field in model.switches.items():
        if parameter not in parameters:
            raise ModelError(
                f"{where}: switches names the unknown parameter {parameter!r}"
                f"{suggestion(parameter, parameters)}"
            )
        if model.prepare is None and field not in parameters:
            raise ModelError(
                f"{where}: switches names the unknown field {field!r} of p"
                f"{suggestion(field, parameters)}"
            )
