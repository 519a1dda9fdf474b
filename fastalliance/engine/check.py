"""Checks of a model's formulas: at the door, and compiled against pure Python."""

from __future__ import annotations

import math
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastalliance import library
from fastalliance.engine.formulas import uses_global_random
from fastalliance.engine.interpreted_population import run_population
from fastalliance.engine.population import stage_fields
from fastalliance.errors import ModelError, ParameterError, suggestion
from fastalliance.kernels.interpret import interpreted
from fastalliance.kernels.philox import Stream
from fastalliance.library.definition import place
from fastalliance.library.model import Model

_TOLERANCE = 1e-9


@dataclass(frozen=True)
class ModelCheck:
    """Outcome of :func:`check_model`.

    Attributes
    ----------
    replicates, steps : int
        What was run both ways.
    identical : bool
        Whether every output has the same bits compiled and interpreted.
    largest_difference : float
        Largest relative difference of an output.
    """

    model: str
    replicates: int
    steps: int
    identical: bool
    largest_difference: float

    def __str__(self) -> str:
        same = (
            "the same bits" if self.identical else f"within {self.largest_difference:.1e} relative"
        )
        return (
            f"{self.model}: {self.replicates} replicates of {self.steps} steps, "
            f"compiled and interpreted: {same}"
        )


def check_model(
    model: str | Model, *, replicates: int = 3, steps: int = 50, seed: int = 0
) -> ModelCheck:
    """Run a few replicates compiled and in pure Python and compare them.

    Parameters
    ----------
    model : str or Model
        Name of a built-in model, or a model of your own.
    replicates, steps : int
        How much to run; pure Python is about a thousand times slower.
    seed : int
        Seed of the random draws.

    Raises
    ------
    ModelError
        The model cannot be run, or the two differ by more than 1e-9 relative.

    Examples
    --------
    >>> import fastalliance as fa
    >>> fa.check_model(fa.model("dyad")).identical
    True
    """
    from fastalliance.engine.run import prepare_driver, run_points

    model = library.get(model) if isinstance(model, str) else model
    if not isinstance(model, Model):
        raise ModelError(f"check_model takes the name of a model or a fa.Model, got {model!r}")
    if replicates < 1 or steps < 1 or not 0 <= seed < 2**64:
        raise ModelError(
            f"check_model takes replicates >= 1, steps >= 1 and a seed from 0 to 2^64 - 1, got "
            f"{replicates}, {steps} and {seed}"
        )
    n_steps = min(steps, round(model.horizon / model.dt))
    defaults = model.defaults()
    points = np.array([defaults], dtype=np.float64)
    prepare_driver(model, points)
    block = run_points(
        model,
        points,
        seed=seed,
        n_replicates=replicates,
        dt=model.dt,
        n_steps=n_steps,
    )
    pure = [run_interpreted(model, defaults, seed, r, model.dt, n_steps) for r in range(replicates)]
    largest, identical = 0.0, True
    for r, values in enumerate(pure):
        for output, expected, got in zip(
            model.output_variables, values, block.outputs[:, 0, r].tolist(), strict=True
        ):
            if not math.isfinite(expected) or not math.isfinite(got):
                difference = 0.0 if _same(expected, got) or block.invalid[0, r] else math.inf
            else:
                difference = (
                    abs(got - expected) / max(abs(expected), 1e-300) if got != expected else 0.0
                )
            identical = identical and difference == 0.0
            largest = max(largest, difference)
            if difference > _TOLERANCE:
                raise ModelError(
                    f"model {model.name}: output {output.name} of replicate {r} is {got!r} "
                    f"compiled and {expected!r} interpreted; a formula differs under numba"
                )
    return ModelCheck(model.name, replicates, n_steps, identical, largest)


def _same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))


def run_interpreted(
    model: Model, parameters: Any, seed: int, instance: int, dt: float, n_steps: int
) -> tuple[float, ...]:
    """Return the outputs of one replicate, run in pure Python."""
    if model.population is not None:
        return run_population(model, parameters, seed, instance, dt, n_steps)
    formulas = {name: interpreted(function) for name, function in model.formulas().items()}
    stream = Stream(
        seed & 0xFFFFFFFF, seed >> 32, instance & 0xFFFFFFFF, (instance >> 32) & 0xFFFFFF
    )
    p = formulas["prepare"](parameters, dt) if model.prepare is not None else parameters
    s = formulas["init"](p, stream)
    frozen = None
    for k in range(n_steps):
        random = formulas["draw"](p, stream, k) if model.draw is not None else stream
        s = formulas["step"](s, p, random, k, k * dt, dt)
        if frozen is not None and repr(formulas["outputs"](s, p)) != frozen:
            raise ModelError(
                f"model {model.name}: finished(s) was true before step {k}, which changed the "
                "outputs; it must be true only where nothing can change any more"
            )
        if model.finished is not None and formulas["finished"](s):
            frozen = repr(formulas["outputs"](s, p))
    return tuple(float(value) for value in formulas["outputs"](s, p))


def check_pieces(model: Model) -> tuple[Any, Any]:
    """Run every formula once in pure Python and check what they return.

    Returns
    -------
    type, type or None
        The NamedTuple classes of what the formulas see as ``p``, and of what `draw` returns.

    Raises
    ------
    ModelError
        A formula raises, or returns another thing than it should; names the formula and its place.
    """
    for name, function in model.formulas().items():
        if where := uses_global_random(function):
            raise ModelError(
                f"model {model.name}: {name} uses random draws with a state ({where}); draws come "
                "from fastalliance.kernels: normals, uniforms, exponential"
            )
    given = model.defaults()
    stream = Stream(1, 2, 3, 0)
    p: Any = _prepared(model, given)
    s = _call(model, "init", p, stream)
    _require(model, "init", _is_state(model, s), f"a {model.state.__name__} of numbers", s)
    random: Any = stream
    if model.draw is not None:
        random = _call(model, "draw", p, stream, 0)
        _require(model, "draw", _is_named(random), "a NamedTuple of numbers", random)
    if model.population is None:
        s = _call(model, "step", s, p, random, 0, 0.0, model.dt)
        _require(model, "step", _is_state(model, s), f"a {model.state.__name__} of numbers", s)
    else:
        stage_fields(model)
    if model.finished is not None:
        finished = _call(model, "finished", s)
        _require(model, "finished", isinstance(finished, bool | np.bool_), "a truth", finished)
    values = _call(model, "outputs", s, p)
    n_outputs = len(model.output_variables)
    right = _are_numbers(values) and len(values) == n_outputs
    names = ", ".join(output.name for output in model.output_variables)
    _require(model, "outputs", right, f"a tuple of {n_outputs} numbers ({names})", values)
    _check_switches(model, given, p)
    return type(p), type(random) if model.draw is not None else None


def _prepared(model: Model, given: Any) -> Any:
    if model.prepare is None:
        return given
    p = _call(model, "prepare", given, model.dt)
    _require(model, "prepare", _is_named(p), "a NamedTuple of numbers", p)
    return p


def _check_switches(model: Model, given: Any, p: Any) -> None:
    """Refuse a switch whose field does not exist, or is not 0 where the parameter is."""
    for parameter, field in model.switches.items():
        where = f"model {model.name}: switches: {parameter}"
        if field not in p._fields:
            raise ModelError(
                f"{where} names the unknown field {field!r} of p{suggestion(field, p._fields)}"
            )
        try:
            model.parameter(parameter).check(0.0, parameter)
        except ParameterError:
            continue  # never 0, never off
        value = getattr(_prepared(model, given._replace(**{parameter: 0.0})), field)
        if value != 0.0:
            raise ModelError(f"{where} is 0, but the field {field!r} of p is {value!r} then, not 0")


def _are_numbers(values: Any) -> bool:
    kinds = (bool, int, float, np.bool_, np.integer, np.floating)
    return isinstance(values, tuple) and all(isinstance(value, kinds) for value in values)


def _is_named(value: Any) -> bool:
    return hasattr(value, "_fields") and _are_numbers(value)


def _is_state(model: Model, value: Any) -> bool:
    return (
        _are_numbers(value)
        and type(value).__name__ == model.state.__name__
        and len(value) == len(model.state._fields)
    )


def _call(model: Model, name: str, *arguments: Any) -> Any:
    function = getattr(model, name)
    try:
        return interpreted(function)(*arguments)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(
            f"model {model.name}: {name} ({place(function)}) failed at the default parameters"
            f"{_line(error)}: {type(error).__name__}: {error}{_meant(error)}"
        ) from error


def _line(error: Exception) -> str:
    """Return the line of the user's code at which a formula failed."""
    others = (str(Path(__file__).parents[1]), str(Path(np.__file__).parent))
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if not frame.filename.startswith(others)]
    return f", line {lines[-1]}" if lines else ""


def _meant(error: Exception) -> str:
    """Return the name that was probably meant, where an attribute is missing."""
    fields = getattr(getattr(error, "obj", None), "_fields", ())
    return (
        suggestion(str(error.name), fields) if isinstance(error, AttributeError) and fields else ""
    )


def _require(model: Model, name: str, right: bool, wanted: str, got: object) -> None:
    if not right:
        shown = repr(got) if len(repr(got)) <= 80 else type(got).__name__
        count = f", {len(got)} values" if isinstance(got, tuple) else ""
        raise ModelError(
            f"model {model.name}: {name} ({place(getattr(model, name))}) must return {wanted}, "
            f"got {shown}{count}"
        )
