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
from fastalliance.engine.blame import blame
from fastalliance.engine.check import check_pieces
from fastalliance.engine.population import lanes, names, population_fields
from fastalliance.engine.render import DriverFields, render
from fastalliance.engine.render_population import render_population
from fastalliance.errors import ModelError
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
_POPULATION_SIGNATURE = types.void(
    types.Array(types.float64, 2, "C"),  # points
    types.Array(types.float64, 3, "C"),  # inputs
    types.Array(types.int64, 2, "C"),  # first_neighbours
    types.Array(types.int64, 1, "C"),  # neighbours
    *_SIGNATURE.args[1:],
    types.Array(types.float64, 4, "C"),  # kept
    types.Array(types.float64, 5, "C"),  # member_tracks
    types.Array(types.float64, 1, "C"),  # all_members
    types.Array(types.float64, 1, "C"),  # all_industries
    types.Array(types.float64, 2, "C"),  # scores
    types.Array(types.int64, 1, "C"),  # keys
)
Literals = tuple[tuple[str, str], ...]  # names and values that are compiled into a driver
LANES = "lanes of a block"  # the literal of a population's driver that is no field of p

_lock = threading.Lock()
_drivers: weakref.WeakKeyDictionary[Model, dict[Literals, Any]] = weakref.WeakKeyDictionary()
_digests: weakref.WeakKeyDictionary[Model, str] = weakref.WeakKeyDictionary()
_hashes: weakref.WeakKeyDictionary[Model, tuple[str | None, str]] = weakref.WeakKeyDictionary()


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


def refresh(model: Model) -> None:
    """Forget the drivers of a model whose globals or closures have changed since the last call."""
    digest = _digest(model) or ""
    with _lock:
        if _digests.get(model, digest) != digest:
            _drivers.pop(model, None)
        _digests[model] = digest


def _digest(model: Model) -> str | None:
    """Return the digest of a model's formulas, or None where they cannot be resolved."""
    try:
        return formulas.digest(list(model.formulas().values()))
    except formulas.UnresolvedError:
        return None


def kernel_hash(model: Model) -> str:
    """Return the hash of what the model's kernels compute and of what their outputs are called.

    Raises
    ------
    ModelError
        A formula fails; the message names it.
    """
    digest = _digest(model)
    with _lock:
        known, found = _hashes.get(model, (None, ""))
    if digest is not None and digest == known:
        return found
    outputs = [(o.name, o.kind, o.categories) for o in model.output_variables]
    ratios = [(r.name, r.numerator, r.denominator) for r in model.ratios]
    sources = [driver_source(model)]
    if model.population is not None:
        flags = [(flag, "1.0") for flag in model.population.flags]
        sources.append(driver_source(model, ((LANES, "1"), *flags)))
    described = "\0".join(map(str, (digest or "unresolved", *sources, outputs, ratios)))
    found = hashlib.sha256(described.encode()).hexdigest()
    with _lock:
        _hashes[model] = (digest, found)
    return found


def require_resolved(model: Model) -> None:
    """Refuse a model whose changes could not be noticed, before it writes a store.

    Raises
    ------
    ModelError
        A formula refers to something whose value cannot be hashed.
    """
    try:
        formulas.digest(list(model.formulas().values()))
    except formulas.UnresolvedError as error:
        raise ModelError(
            f"model {model.name}: a formula refers to {error}, whose value cannot be hashed, so a "
            "store could not tell whether it changed; make it a parameter or a constant, or run "
            "without a store"
        ) from None


def driver_source(model: Model, literals: Literals | None = None) -> str:
    """Return the rendered source of the driver."""
    literals = default_sizes(model) if literals is None else literals
    constants, draws = check_pieces(model)
    if model.population is None:
        return render(model.name, _driver_fields(model, literals, constants, draws))
    values = dict(literals)
    n_lanes = int(values.pop(LANES))
    fields = population_fields(model, values, constants._fields, n_lanes)
    return render_population(model.name, fields)


def default_sizes(model: Model) -> Literals:
    """Return the literals of the defaults: sizes, or of a population that nothing is given."""
    defaults = model.defaults()
    if model.population is not None:
        return ((LANES, str(lanes(getattr(defaults, model.population.size), has_network=False))),)
    return tuple((size.name, str(getattr(defaults, size.name))) for size in model.structure)


def _driver_fields(model: Model, literals: Literals, constants: Any, draws: Any) -> DriverFields:
    """Return the names that the driver of `model` spells out."""
    return DriverFields(
        parameters=tuple(parameter.name for parameter in model.inputs),
        sizes=tuple(size.name for size in model.structure),
        constants=constants._fields,
        draws=draws._fields if draws is not None else (),
        states=tuple(model.state._fields),
        recorded=tuple(variable.name for variable in model.recorded),
        n_outputs=len(model.output_variables),
        has_prepare=model.prepare is not None,
        has_finished=model.finished is not None,
        keeps_nonfinite=model.keeps_nonfinite,
        literals=dict(literals),
    )


def _build(model: Model, literals: Literals) -> Any:
    constants, draws = check_pieces(model)
    source = driver_source(model, literals)
    python_formulas = model.formulas()
    digest = _digest(model)
    cached = digest is not None and not formulas.recursive(list(python_formulas.values()))
    version = f"{numba.__version__} {np.__version__} {platform.python_version()}"
    key = hashlib.sha256(f"{digest}\0{version}\0{source}".encode()).hexdigest()[:32]
    seen: dict[Any, Any] = {}
    namespace = {
        "Given": model.given,
        "Constants": constants,
        "Draws": draws,
        "State": model.state,
        "Stream": Stream,
        **(names(model) if model.population is not None else {}),
    } | {
        ("final" if name == "outputs" else name): formulas.compiled(function, key, seen)
        for name, function in python_formulas.items()
    }
    name = model.name[:40] if model.name.isascii() else "model"  # numba has it twice in file names
    return cache.load(f"{name}_{key}", source, namespace, _Compiler(model, namespace), cached)


class _Compiler:
    """Compiles a driver; on failure finds the formula to blame."""

    def __init__(self, model: Model, namespace: Mapping[str, Any]) -> None:
        self.model = model
        self.namespace = namespace

    def dispatcher(self, run: Callable[..., Any], cached: bool) -> Any:
        """Return the driver as a numba function that is not compiled yet."""
        return numba.njit(nogil=True, error_model="numpy", cache=cached)(run)

    def compile(self, dispatcher: Any, cached: bool) -> None:
        """Compile it, or load it from numba's cache."""
        try:
            population = self.model.population is not None
            dispatcher.compile(_POPULATION_SIGNATURE if population else _SIGNATURE)
        except Exception as error:
            known = (numba.core.errors.NumbaError, numba.core.errors.UnsupportedBytecodeError)
            if cached and not isinstance(error, known):
                raise  # maybe the cache's fault: it is tried again without
            raise ModelError(
                f"model {self.model.name}: {blame(self.model, self.namespace, error)}"
            ) from error
        dispatcher.disable_compile()
