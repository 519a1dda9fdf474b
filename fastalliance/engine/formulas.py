"""Formulas as numba functions, and a digest of everything that determines what they compute."""

from __future__ import annotations

import hashlib
import types
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import fastalliance.kernels as kernels
from fastalliance.kernels.accelerate import inline

Function = Callable[..., Any]
_KERNELS = "fastalliance.kernels"
_STANDARD = ("math", "numpy", "numba")


class UnresolvedError(Exception):
    """A formula refers to something whose value cannot be hashed."""


def compiled(function: Function, tag: str, seen: dict[Function, Any] | None = None) -> Any:
    """Return `function` as an inlined numba function, plain helpers that it calls included.

    Helpers are found among its globals and closure cells, so that a model's file needs no numba
    decorators. Formulas of :mod:`fastalliance.kernels` are used as they are. `tag` makes the
    symbols of one model's formulas unlike another's: two cached drivers with equal symbols in one
    process would call each other's code.
    """
    seen = {} if seen is None else seen
    if not isinstance(function, types.FunctionType):
        return function
    if function not in seen:
        names = dict(function.__globals__)
        clone = _clone(function, names, tag)
        seen[function] = inline(clone)
        for name in _names(function.__code__):
            value = names.get(name)
            if isinstance(value, types.FunctionType):
                names[name] = compiled(value, tag, seen)
        if function.__closure__:
            for cell, original in zip(clone.__closure__ or (), function.__closure__, strict=True):
                value = original.cell_contents
                cell.cell_contents = compiled(value, tag, seen)
    return seen[function]


def _clone(function: types.FunctionType, names: dict[str, Any], tag: str) -> types.FunctionType:
    cells = tuple(types.CellType() for _ in function.__closure__ or ())
    clone = types.FunctionType(
        function.__code__, names, function.__name__, function.__defaults__, cells or None
    )
    clone.__kwdefaults__ = function.__kwdefaults__
    clone.__qualname__ = f"{function.__name__}_{tag}"
    clone.__module__ = __name__  # numba's cache imports it when it loads
    return clone


def digest(functions: list[Function]) -> str:
    """Return a SHA-256 of what `functions` compute.

    It covers bytecode, constants, defaults, closure cells and referenced globals, recursively, and
    the source of the kernels. A hash of source text alone was seen to serve a closure's old
    constant from the cache.

    Raises
    ------
    UnresolvedError
        A referenced value has no stable representation.
    """
    sha = hashlib.sha256(_kernel_sources())
    seen: set[int] = set()
    for function in functions:
        for part in _function_parts(function, seen):
            sha.update(part.encode())
            sha.update(b"\0")
    return sha.hexdigest()


@cache
def _kernel_sources() -> bytes:
    folder = Path(kernels.__file__).parent
    sha = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        sha.update(path.read_bytes())
    return sha.digest()


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _function_parts(function: Function, seen: set[int]) -> Iterator[str]:
    if id(function) in seen:
        yield "again"
        return
    seen.add(id(function))
    yield from _code_parts(function.__code__)
    for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).items()):
        yield from _value_parts(value, seen)
    for cell in function.__closure__ or ():
        yield from _value_parts(cell.cell_contents, seen)
    for name in sorted(set(_names(function.__code__))):
        if name in function.__globals__:
            yield name
            yield from _value_parts(function.__globals__[name], seen)


def _code_parts(code: types.CodeType) -> Iterator[str]:
    yield code.co_code.hex()
    yield repr((code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars))
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _code_parts(constant)
        else:
            yield repr(constant)


def _value_parts(value: object, seen: set[int]) -> Iterator[str]:
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        yield repr(value)
    elif isinstance(value, np.ndarray | np.generic):
        array = np.ascontiguousarray(value)
        if array.dtype.hasobject:
            raise UnresolvedError(f"an array of objects: {value!r}")
        yield f"{array.dtype.str} {array.shape} {hashlib.sha256(array.tobytes()).hexdigest()}"
    elif isinstance(value, tuple):
        for item in value:
            yield from _value_parts(item, seen)
    elif isinstance(value, types.ModuleType):
        if value.__name__.split(".")[0] not in _STANDARD and not value.__name__.startswith(
            _KERNELS
        ):
            raise UnresolvedError(f"the module {value.__name__}")
        yield value.__name__
    elif getattr(value, "__module__", None) is not None:
        yield from _named_parts(value, seen)
    else:
        raise UnresolvedError(repr(value))


def _named_parts(value: Any, seen: set[int]) -> Iterator[str]:
    module = str(value.__module__)
    python_function = getattr(value, "py_func", value)
    if module.startswith(_KERNELS) or module.split(".")[0] in ("builtins", *_STANDARD):
        yield f"{module}.{getattr(value, '__qualname__', repr(value))}"
    elif isinstance(python_function, types.FunctionType):
        yield from _function_parts(python_function, seen)
    elif isinstance(value, type) and issubclass(value, tuple) and hasattr(value, "_fields"):
        yield f"{value.__name__}{value._fields}"
    else:
        raise UnresolvedError(repr(value))
