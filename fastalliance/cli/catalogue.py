"""The command `models`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastalliance.cli.configurations import load_model
from fastalliance.cli.exits import DONE
from fastalliance.errors import ModelError, exact

if TYPE_CHECKING:
    from fastalliance.library import Model
    from fastalliance.parameters import Parameter


def models(options: argparse.Namespace) -> int:
    """List the built-in models, or show the parameters and outputs of one, or of a file's."""
    from fastalliance import library
    from fastalliance.cli.console import Column, show_table

    given = load_model(options)
    if given is not None and options.name not in (None, given.name):
        raise ModelError(f"--model-file gives the model {given.name!r}, not {options.name!r}")
    if given is not None or options.name is not None:
        _show_model(given or library.get(options.name))
        return DONE
    rows = [(name, library.get(name).summary) for name in library.NAMES]
    show_table((Column("model", whole=True), Column("what it is")), rows)
    return DONE


def _show_model(model: Model) -> None:
    from fastalliance.cli.console import Column, print_line, print_text, show_table
    from fastalliance.library.definition import given_rows

    print_text(f"{model.name}: {model.summary}.")
    print_text(f"Source: {model.citation}.")
    unit = model.time_unit
    horizon, dt = exact(model.horizon), exact(model.dt)
    print_text(f"Study defaults: horizon {horizon} {unit}, dt {dt} {unit}.")
    print_line()
    _show_inputs("parameter", model.parameters)
    if model.structure:
        print_line()
        _show_inputs("structure", model.structure, given_rows(model))
    print_line()
    of_members = model.population.output_variables if model.population is not None else ()
    outputs = [
        *((o.name, str(o.kind), o.unit, o.description) for o in model.output_variables),
        *((r.name, "ratio", r.unit, r.description) for r in model.ratios),
        *((o.name, f"{o.kind}, member", o.unit, o.description) for o in of_members),
    ]
    columns = (Column("output", whole=True), Column("kind", whole=True))
    show_table((*columns, Column("unit", whole=True), Column("meaning")), outputs)


def _show_inputs(
    title: str, inputs: Sequence[Parameter], more_rows: Sequence[tuple[str, ...]] = ()
) -> None:
    from fastalliance.cli.console import Column, show_table

    rows = []
    for p in inputs:
        default = p.default if isinstance(p.default, str) else exact(p.default)
        rows.append((p.name, default, p.bounds, p.unit, p.description))
    columns = (Column(title, whole=True), Column("default", right=True, whole=True))
    more = (Column("bounds"), Column("unit", whole=True), Column("meaning"))
    show_table((*columns, *more), [*rows, *more_rows])
