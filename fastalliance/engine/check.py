"""Checks of a model's formulas: at the door, when they fail to compile, and against pure Python."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numba import types

from fastalliance.errors import ModelError
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


def check_model(model: Model, *, replicates: int = 3, steps: int = 50, seed: int = 0) -> ModelCheck:
    """Run a few replicates compiled and in pure Python and compare them.

    Parameters
    ----------
    model : Model
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
    from fastalliance.engine.run import run_points

    n_steps = min(steps, round(model.horizon / model.dt))
    defaults = model.defaults()
    block = run_points(
        model,
        np.array([defaults]),
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
    formulas = {name: interpreted(function) for name, function in model.formulas().items()}
    stream = Stream(
        seed & 0xFFFFFFFF, seed >> 32, instance & 0xFFFFFFFF, (instance >> 32) & 0xFFFFFF
    )
    p = formulas["prepare"](parameters, dt) if model.prepare is not None else parameters
    s = formulas["init"](p, stream)
    for k in range(n_steps):
        random = formulas["draw"](p, stream, k) if model.draw is not None else stream
        s = formulas["step"](s, p, random, k, k * dt, dt)
    return tuple(float(value) for value in formulas["outputs"](s, p))


def check_pieces(model: Model) -> None:
    """Run every formula once in pure Python and check the shapes of what they return.

    Raises
    ------
    ModelError
        A formula raises, or returns another thing than it should; names the formula and its place.
    """
    p: Any = model.defaults()
    stream = Stream(1, 2, 3, 0)
    if model.prepare is not None:
        p = _call(model, "prepare", p, model.dt)
        _require(model, "prepare", hasattr(p, "_fields"), "a NamedTuple of constants", p)
    s = _call(model, "init", p, stream)
    _require(model, "init", _is_state(model, s), f"a {model.state.__name__}", s)
    random: Any = stream
    if model.draw is not None:
        random = _call(model, "draw", p, stream, 0)
        _require(model, "draw", hasattr(random, "_fields"), "a NamedTuple of numbers", random)
    s = _call(model, "step", s, p, random, 0, 0.0, model.dt)
    _require(model, "step", _is_state(model, s), f"a {model.state.__name__}", s)
    values = _call(model, "outputs", s, p)
    n_outputs = len(model.output_variables)
    right = isinstance(values, tuple) and len(values) == n_outputs
    names = ", ".join(output.name for output in model.output_variables)
    _require(model, "outputs", right, f"a tuple of {n_outputs} numbers ({names})", values)


def _is_state(model: Model, value: Any) -> bool:
    return type(value).__name__ == model.state.__name__ and len(value) == len(model.state._fields)


def _call(model: Model, name: str, *arguments: Any) -> Any:
    function = getattr(model, name)
    try:
        return interpreted(function)(*arguments)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(
            f"model {model.name}: {name} ({place(function)}) failed at the default parameters: "
            f"{type(error).__name__}: {error}"
        ) from error


def _require(model: Model, name: str, right: bool, wanted: str, got: object) -> None:
    if not right:
        count = f" with {len(got)} values" if isinstance(got, tuple) else ""
        raise ModelError(
            f"model {model.name}: {name} ({place(getattr(model, name))}) must return {wanted}, "
            f"got {type(got).__name__}{count}"
        )


def blame(model: Model, namespace: Mapping[str, Any]) -> str:
    """Return which formula numba cannot compile and why, in one line."""
    kinds = [types.float64] * len(model.parameters) + [types.int64] * len(model.structure)
    given = _tuple(kinds, model.given)
    stream = _tuple([types.int64] * 4, Stream)
    state = _tuple([types.float64] * len(model.state._fields), model.state)
    p: Any = given
    random: Any = stream
    steps: list[tuple[str, str, Callable[[], tuple[Any, ...]]]] = [
        ("prepare", "prepare", lambda: (given, types.float64)),
        ("init", "init", lambda: (p, stream)),
        ("draw", "draw", lambda: (p, stream, types.int64)),
        ("step", "step", lambda: (state, p, random, types.int64, types.float64, types.float64)),
        ("finished", "finished", lambda: (state,)),
        ("outputs", "final", lambda: (state, p)),
    ]
    for formula, name, arguments in steps:
        if name not in namespace:
            continue
        try:
            namespace[name].compile(arguments())
        except numba.core.errors.NumbaError as error:
            where = place(getattr(model, formula))
            return f"numba cannot compile {formula} ({where}): {reason(error)}"
        returned = namespace[name].overloads[arguments()].signature.return_type
        if formula == "prepare":
            p = returned
        elif formula == "draw":
            random = returned
    return "numba cannot compile its driver"


def _tuple(kinds: list[Any], cls: Any) -> Any:
    if len(set(kinds)) == 1:
        return types.NamedUniTuple(kinds[0], len(kinds), cls)  # type: ignore[no-untyped-call]
    return types.NamedTuple(kinds, cls)  # type: ignore[no-untyped-call]


def reason(error: Exception) -> str:
    """Return numba's reason in a line, without its advice on how to report it."""
    lines = [line.strip() for line in str(error).splitlines()]
    skipped = ("During:", "- Resolution", "[", "<source", "Failed in", "File ", "This ", "To see")
    useful = [line for line in lines if line and not line.startswith(skipped) and line != "^"]
    text = " ".join(useful)
    return text if len(text) <= 400 else f"{text[:400]}..."
