"""Commands on single replicates: `simulate` a few, `replay` one of a study."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fastalliance.cli.configurations import load_model
from fastalliance.cli.exits import DONE, UsageError
from fastalliance.configuration.messages import printable, show
from fastalliance.errors import ModelError, exact, suggestion

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import xarray as xr

    from fastalliance.library import Model

_FIELDS = ("parameters", "structure", "replicates", "seed", "horizon", "dt")
_MAX_COLUMNS = 5  # replicates shown one by one
_MAX_TIMES = 500  # points of a drawn trajectory
_MIN_TIMES = 50
_OF_ONE_REPLICATE = ("point", "replicate", "plot", "every", "members")  # options of a replay


def simulate(options: argparse.Namespace) -> int:
    """Simulate a few replicates of one parameter point and show every output."""
    from fastalliance.study.simulate import simulate as run

    _check_drawing(options)
    model = _chosen_model(options)
    fields = _fields(options)
    if options.members:
        _check_members(model, fields.get("replicates", 1))
    every = _record_every(options, model, fields.get("horizon"), fields.get("dt"))
    ds = run(model, **fields, record_every=every, members=options.members)
    _show(ds, options)
    return DONE


def replay(options: argparse.Namespace) -> int:
    """Run one replicate of a stored study again, the same bits as in the study."""
    from fastalliance.study.rebuilding import stored_study

    if options.tile is not None:
        return _replay_tile(options)
    _check_drawing(options)
    study = stored_study(options.store, load_model(options))
    if options.members:
        _check_members(study.model, 1)
    every = _record_every(options, study.model, study.horizon, study.dt)
    ds = study.replay(
        point=0 if options.point is None else _point(options.point),
        replicate=options.replicate or 0,
        record_every=every,
        members=options.members or None,
    )
    _show(ds, options)
    return DONE


def _replay_tile(options: argparse.Namespace) -> int:
    """Run a tile again, as a run does; what it is comes first, since it may end the process."""
    from fastalliance.cli.console import print_line
    from fastalliance.study.replaying import TileReplay, describe

    values = {f"--{name}": getattr(options, name) for name in _OF_ONE_REPLICATE}
    given = [name for name, value in values.items() if value is not None and value is not False]
    if given:
        raise UsageError(
            f"--tile runs all of a tile, not one replicate; leave out {', '.join(given)}"
        )
    replay = TileReplay(options.store, options.tile, load_model(options))
    print_line(
        f"tile {replay.tile.number} of {replay.n_tiles:,}: {describe(replay.tile)}, "
        f"seed {replay.seed}"
    )
    sys.stdout.flush()
    print_line(f"computed without a failure; SHA-256 of its values {replay.run()}")
    return DONE


def _check_drawing(options: argparse.Namespace) -> None:
    if options.plot is None:
        if options.every is not None:
            raise UsageError("--every is the interval of drawn trajectories; give --plot too")
        if options.members:
            raise UsageError("--members draws the members of an alliance; give --plot too")
        return
    from fastalliance.plotting.figure import check_path

    check_path(options.plot)


def _check_members(model: Model, n_replicates: Any) -> None:
    if model.population is None or not model.population.path_variables:
        raise UsageError(f"--members: {model.name} records no states of members; multiparty does")
    if n_replicates != 1:
        raise UsageError(
            f"--members draws the members of one alliance, not of {n_replicates} replicates"
        )


def _chosen_model(options: argparse.Namespace) -> Model:
    from fastalliance import library

    given = load_model(options)
    if given is None and options.model is None:
        raise UsageError("give the name of a model, or --model-file FILE:NAME")
    if given is None:
        return library.get(options.model)
    if options.model not in (None, given.name):
        raise ModelError(f"--model-file gives the model {given.name!r}, not {options.model!r}")
    return given


def _fields(options: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of a simulation from --set and the options that name fields."""
    from fastalliance.configuration.messages import Origin
    from fastalliance.configuration.overrides import apply_overrides

    data, origin = apply_overrides({}, Origin(), options.set)
    for name in data:
        if name not in _FIELDS:
            raise UsageError(f"{origin.where(name)}: {_unknown_field(name, options)}")
    for name in ("replicates", "seed", "horizon", "dt"):
        value = getattr(options, name)
        if value is not None:
            data[name] = value
    return data


def _unknown_field(name: str, options: argparse.Namespace) -> str:
    parameters = [parameter.name for parameter in _chosen_model(options).parameters]
    if name in parameters:
        return f"parameters are set as parameters.{name}=VALUE"
    return f"a simulation has no field {printable(repr(name))}{suggestion(name, _FIELDS)}"


def _record_every(
    options: argparse.Namespace, model: Model, horizon: float | None, dt: float | None
) -> float | None:
    """Return the interval of records for a drawing: the given one, or at most 500 of them."""
    if options.plot is None or options.every is not None:
        every: float | None = options.every
        return every
    from fastalliance.study.checks import count_steps

    step = float(dt or model.dt)
    n_steps = count_steps(float(horizon or model.horizon), step)
    divisors = (d for d in range(1, n_steps // _MIN_TIMES + 1) if n_steps % d == 0)
    enough = next((d for d in divisors if n_steps // d <= _MAX_TIMES), 1)
    return enough * step


def _point(text: str) -> dict[str, Any] | int:
    """Return what --point says: the number of a design point, or values by name."""
    if text.strip().isdecimal():
        try:
            return int(text)
        except ValueError:  # more digits than Python reads
            raise UsageError(f"--point: there is no design point {show(text)}") from None
    values: dict[str, Any] = {}
    for item in text.split(","):
        name, equals, value = (part.strip() for part in item.partition("="))
        if not (name and equals and value):
            raise UsageError(
                f"--point must be a number, or NAME=VALUE,NAME=VALUE, got {printable(repr(text))}"
            )
        if name in values:
            raise UsageError(f"--point gives {printable(name)} twice")
        values[name] = number_or_text(value)
    return values


def number_or_text(text: str) -> float | str:
    """Return a value on the command line: a number, or the name of a choice."""
    try:
        return float(text)
    except ValueError:
        return text


def _show(ds: xr.Dataset, options: argparse.Namespace) -> None:
    """Print what was run and every output, and draw the trajectories where asked."""
    from fastalliance.cli.console import print_line

    attrs = ds.attrs
    n = ds.sizes["replicate"]
    first = int(ds["replicate"][0])
    which = f"replicate {first}" if n == 1 else f"{n:,} replicates"
    unit = attrs["time_unit"]
    print_line(
        f"{attrs['model']}, {which}, seed {attrs['seed']}, horizon "
        f"{exact(attrs['horizon'])} {unit}, dt {exact(attrs['dt'])} {unit}"
    )
    point = {str(name): c for name, c in ds.coords.items() if c.ndim == 0}
    if point:
        print_line("at " + ", ".join(f"{name} = {_value(c)}" for name, c in point.items()))
    print_line()
    _show_outputs(ds, {str(k): v for k, v in ds.data_vars.items() if v.dims == ("replicate",)})
    if options.plot is not None:
        from fastalliance.plotting import plot_trajectories

        plot_trajectories(ds, path=options.plot)
        print_line()
        print_line(f"picture: {options.plot}")


def _value(coordinate: xr.DataArray) -> str:
    from fastalliance.analysis import names_of_codes

    value = float(coordinate)
    return names_of_codes(coordinate).get(value, f"{value:.12g}")


def _show_outputs(ds: xr.Dataset, outputs: Mapping[str, xr.DataArray]) -> None:
    """Print a column for each of a few replicates, or statistics over many."""
    from fastalliance.cli.console import Column, number, show_table

    replicates = ds["replicate"].values
    few = len(replicates) <= _MAX_COLUMNS
    if few:
        heads = [f"replicate {r}" if len(replicates) == 1 else f"r {r}" for r in replicates]
    else:
        heads = ["mean", "std", "min", "max", "count"]
    rows = []
    for name, variable in outputs.items():
        values = variable.values
        cells = [number(value) for value in values] if few else _statistics(values)
        rows.append((name, *cells, str(variable.attrs.get("units", "1"))))
    columns = (Column(head, right=True) for head in heads)
    show_table((Column("output"), *columns, Column("unit")), rows)


def _statistics(values: npt.NDArray[np.float64]) -> list[str]:
    """Return mean, standard deviation, extremes and count of the values that are there."""
    import numpy as np

    from fastalliance.cli.console import number

    known = values[np.isfinite(values)]
    if not known.size:
        return [*["-"] * 4, "0"]
    spread = known.std(ddof=1) if known.size > 1 else np.nan
    numbers = (known.mean(), spread, known.min(), known.max())
    return [*map(number, numbers), f"{known.size:,}"]
