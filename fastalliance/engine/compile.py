"""From a model's formulas to a compiled block driver."""

from __future__ import annotations

import hashlib
import platform
import threading
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import numba
import numpy as np
from numba import types

from fastalliance.engine import cache, formulas
from fastalliance.engine.check import blame, check_pieces
from fastalliance.engine.render import DriverFields, render
from fastalliance.errors import ModelError
from fastalliance.kernels.interpret import interpreted
from fastalliance.kernels.philox import Stream
from fastalliance.library.model import Model

_SIGNATURE = types.void(
    types.Array(types.float64, 2, "C"),  # points
    types.int64,  # key0
    types.int64,  # key1
    types.int64,  # first_point
    types.int64,  # first_replicate
    types.int64,  # n_replicates
    types.boolean,  # common
    types.float64,  # dt
    types.int64,  # n_steps
    types.int64,  # record_steps
    types.Array(types.float64, 3, "C"),  # outputs
    types.Array(types.boolean, 2, "C"),  # invalid
    types.Array(types.float64, 4, "C"),  # paths
)
Literals = tuple[tuple[str, str], ...]  # names and values that are compiled into a driver

_lock = threading.Lock()
_drivers: weakref.WeakKeyDictionary[Model, dict[Literals, Any]] = weakref.WeakKeyDictionary()


def driver(model: Model, literals: Literals | None = None) -> Any:
    """Return the compiled driver of `model`, with the given literals compiled in.

    Without any, the sizes are those of the defaults, and every feature is on.

    Raises
    ------
    ModelError
        A formula cannot be compiled; the message names it and numba's reason.
    """
    if literals is None:
        literals = default_sizes(model)
    with _lock:
        variants = _drivers.setdefault(model, {})
        if literals not in variants:
            variants[literals] = _build(model, literals)
        return variants[literals]


def kernel_hash(model: Model) -> str:
    """Return the hash of what the model's kernels compute, or of its name where unresolvable."""
    try:
        return formulas.digest(list(model.formulas().values()))
    except formulas.UnresolvedError as error:
        return f"unresolved: {error}"


def driver_source(model: Model) -> str:
    """Return the rendered source of the driver."""
    return render(model.name, driver_fields(model, default_sizes(model)))


def default_sizes(model: Model) -> Literals:
    """Return the sizes of the defaults as literals."""
    defaults = model.defaults()
    return tuple((size.name, str(getattr(defaults, size.name))) for size in model.structure)


def driver_fields(model: Model, literals: Literals) -> DriverFields:
    """Return the names that the driver of `model` spells out."""
    parameters = tuple(parameter.name for parameter in model.inputs)
    return DriverFields(
        parameters=parameters,
        sizes=tuple(size.name for size in model.structure),
        constants=constants_class(model)._fields,
        draws=draws_class(model)._fields if model.draw is not None else (),
        states=tuple(model.state._fields),
        recorded=tuple(variable.name for variable in model.recorded),
        n_outputs=len(model.output_variables),
        has_prepare=model.prepare is not None,
        has_finished=model.finished is not None,
        keeps_nonfinite=model.keeps_nonfinite,
        literals=dict(literals),
    )


def constants_class(model: Model) -> Any:
    """Return the NamedTuple class of what the formulas see as ``p``."""
    if model.prepare is None:
        return model.given
    return type(interpreted(model.prepare)(model.defaults(), model.dt))


def draws_class(model: Model) -> Any:
    """Return the NamedTuple class of what the model's `draw` returns; None without one."""
    if model.draw is None:
        return None
    p = model.defaults()
    if model.prepare is not None:
        p = interpreted(model.prepare)(p, model.dt)
    return type(interpreted(model.draw)(p, Stream(1, 2, 3, 0), 0))


def _build(model: Model, literals: Literals) -> Any:
    check_pieces(model)
    fields = driver_fields(model, literals)
    source = render(model.name, fields)
    python_formulas = model.formulas()
    try:
        digest = formulas.digest(list(python_formulas.values()))
        cached = True
    except formulas.UnresolvedError:
        digest, cached = "", False
    version = f"{numba.__version__} {np.__version__} {platform.python_version()}"
    key = hashlib.sha256(f"{digest}\0{version}\0{source}".encode()).hexdigest()[:32]
    seen: dict[Callable[..., Any], Any] = {}
    namespace = {
        "Given": model.given,
        "Constants": constants_class(model),
        "Draws": draws_class(model),
        "State": model.state,
        "Stream": Stream,
    } | {
        ("final" if name == "outputs" else name): formulas.compiled(function, key, seen)
        for name, function in python_formulas.items()
    }
    return cache.load(f"{model.name}_{key}", source, namespace, _Compiler(model, namespace), cached)


class _Compiler:
    """Compiles a driver; on failure finds the formula to blame."""

    def __init__(self, model: Model, namespace: Mapping[str, Any]) -> None:
        self.model = model
        self.namespace = namespace

    def __call__(self, run: Callable[..., Any], use_cache: bool) -> Any:
        jit = numba.njit([_SIGNATURE], nogil=True, error_model="numpy", cache=use_cache)
        try:
            return jit(run)
        except numba.core.errors.NumbaError as error:
            raise ModelError(
                f"model {self.model.name}: {blame(self.model, self.namespace)}"
            ) from error
