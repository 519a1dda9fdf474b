"""Formulas as numba functions, and a digest of everything that determines what they compute."""

from __future__ import annotations

import dis
import enum
import hashlib
import types
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import fastalliance.kernels as kernels
from fastalliance.kernels.accelerate import inline_only
from fastalliance.library.definition import place

Function = Callable[..., Any]
_KERNELS = "fastalliance.kernels"
_STANDARD = ("math", "numpy", "numba", "builtins", "typing")


class UnresolvedError(Exception):
    """A formula refers to something whose value cannot be hashed."""


def compiled(function: Function, tag: str, seen: dict[Any, Any] | None = None) -> Any:
    """Return `function` as an inlined numba function, plain helpers that it calls included.

    Helpers are found among its globals, closure cells and the modules that it names, so that a
    model's file needs no numba decorators; a decorated one is compiled as the plain function.
    Formulas of :mod:`fastalliance.kernels` are used as they are. `tag` makes the symbols of one
    model's formulas unlike another's: two cached drivers with equal symbols in one process would
    call each other's code.
    """
    seen = {} if seen is None else seen
    function = _plain(function)
    if not isinstance(function, types.FunctionType):
        return function
    if function not in seen:
        names = dict(function.__globals__)
        clone = _clone(function, names, tag)
        seen[function] = inline_only(clone)
        for name in _globals(function.__code__):
            if name in names:
                names[name] = _ready(names[name], function.__code__, tag, seen)
        for cell, original in zip(clone.__closure__ or (), function.__closure__ or (), strict=True):
            cell.cell_contents = _ready(original.cell_contents, function.__code__, tag, seen)
    return seen[function]


def _plain(value: Any) -> Any:
    """Return the Python function of one that a user's file has decorated, else `value`."""
    python = getattr(value, "py_func", value)
    ours = str(getattr(python, "__module__", "")).startswith(_KERNELS)
    return python if isinstance(python, types.FunctionType) and not ours else value


def _ready(value: Any, code: types.CodeType, tag: str, seen: dict[Any, Any]) -> Any:
    """Return what a compiled formula sees in the place of a global or a cell's content."""
    if not isinstance(value, types.ModuleType) or _is_standard(value.__name__):
        return compiled(value, tag, seen)
    if value not in seen:
        seen[value] = types.ModuleType(value.__name__)
    for name in set(_attributes(code)) & set(vars(value)):
        if not name.startswith("__"):
            setattr(seen[value], name, _ready(getattr(value, name), code, tag, seen))
    return seen[value]


def _is_standard(module: str) -> bool:
    return module.split(".")[0] in _STANDARD or module.startswith(_KERNELS)


def _clone(function: types.FunctionType, names: dict[str, Any], tag: str) -> types.FunctionType:
    cells = tuple(types.CellType() for _ in function.__closure__ or ())
    clone = types.FunctionType(
        function.__code__, names, function.__name__, function.__defaults__, cells or None
    )
    clone.__kwdefaults__ = function.__kwdefaults__
    clone.__qualname__ = f"{function.__name__}_{tag}"
    clone.__module__ = __name__  # numba's cache imports it when it loads
    return clone


def uses_global_random(function: Function, seen: set[int] | None = None) -> str | None:
    """Return the place where a formula, or a helper of it, uses NumPy's or Python's own draws.

    Those depend on what was drawn before, and so on threads, tiles and restarts.
    """
    seen = set() if seen is None else seen
    function = getattr(function, "py_func", function)
    if not isinstance(function, types.FunctionType) or id(function) in seen:
        return None
    seen.add(id(function))
    if (function.__module__ or "").startswith(_KERNELS):
        return None
    code = function.__code__
    for value in _references(function):
        module = value.__name__ if isinstance(value, types.ModuleType) else ""
        if module in ("random", "numpy.random"):
            return place(function)
        if module == "numpy" and "random" in _attributes(code):
            return place(function)
        home = str(getattr(value, "__module__", ""))
        if home == "random" or home.startswith("numpy.random"):
            return place(function)
        if found := uses_global_random(value, seen):
            return found
    return None


def fields_read(function: Function) -> frozenset[str] | None:
    """Return every name that a formula or a helper of it reads as an attribute.

    None where one of them takes a tuple apart in another way (an index, an unpacking, a star).
    """
    found: set[str] = set()
    for one in _with_helpers(function):
        code = one.__code__
        for instruction in dis.get_instructions(code):
            if instruction.opname in ("BINARY_SUBSCR", "BINARY_SLICE", "CALL_FUNCTION_EX"):
                return None
        found.update(_attributes(code))
    return frozenset(found)


def _with_helpers(function: Function) -> list[types.FunctionType]:
    """Return a formula and the plain functions outside the kernels that it calls."""
    found: list[types.FunctionType] = []
    waiting = [_plain(function)]
    while waiting:
        one = waiting.pop()
        if not isinstance(one, types.FunctionType) or one in found:
            continue
        if not _is_standard(one.__module__ or ""):
            found.append(one)
            waiting.extend(map(_plain, _references(one)))
    return found


def recursive(functions: list[Function]) -> bool:
    """Say whether a formula calls itself, directly or through helpers.

    numba's cache ends the process when it loads such a function ("Symbol not found").
    """
    done: set[Any] = set()

    def calls_itself(function: Any, callers: tuple[Any, ...]) -> bool:
        if not isinstance(function, types.FunctionType):
            return False
        if function in callers or function in done:
            return function in callers
        done.add(function)
        inside = (*callers, function)
        return any(calls_itself(_plain(value), inside) for value in _references(function))

    return any(calls_itself(_plain(function), ()) for function in functions)


def _references(function: types.FunctionType) -> Iterator[Any]:
    """Yield what a function refers to: cells, globals, and members of modules of the user's."""
    yield from (cell.cell_contents for cell in function.__closure__ or ())
    for name in _globals(function.__code__):
        value = function.__globals__.get(name)
        yield value
        if isinstance(value, types.ModuleType) and not _is_standard(value.__name__):
            yield from (vars(value).get(name) for name in _attributes(function.__code__))


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
    seen: dict[Any, int] = {}
    for function in functions:
        for part in _function_parts(_plain(function), seen):
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


@cache
def _globals(code: types.CodeType) -> tuple[str, ...]:
    """Return the globals that code reads; `p.rate` reads no global `rate`."""
    found = {
        instruction.argval
        for instruction in dis.get_instructions(code)
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    }
    return tuple(sorted(found.union(*map(_globals, _nested(code)))))


@cache
def _attributes(code: types.CodeType) -> tuple[str, ...]:
    """Return the attributes, and maybe globals, that code reads."""
    return tuple(sorted(set(code.co_names).union(*map(_attributes, _nested(code)))))


def _nested(code: types.CodeType) -> list[types.CodeType]:
    return [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]


def _function_parts(function: Any, seen: dict[Any, int]) -> Iterator[str]:
    if function in seen:
        yield f"the function {seen[function]}"
        return
    seen[function] = len(seen)
    code = function.__code__
    yield from _code_parts(code)
    yield from _value_parts(function.__defaults__ or (), code, seen)
    yield from _value_parts(tuple((function.__kwdefaults__ or {}).items()), code, seen)
    for cell in function.__closure__ or ():
        yield from _value_parts(cell.cell_contents, code, seen)
    for name in _globals(code):
        if name in function.__globals__:
            yield name
            yield from _value_parts(function.__globals__[name], code, seen)


def _code_parts(code: types.CodeType) -> Iterator[str]:
    yield code.co_code.hex()
    yield repr((code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars))
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _code_parts(constant)
        elif isinstance(constant, frozenset):
            yield repr(sorted(map(repr, constant)))  # its own order depends on hash seeds
        else:
            yield repr(constant)


def _value_parts(value: Any, code: types.CodeType, seen: dict[Any, int]) -> Iterator[str]:
    """Yield what determines a value; `code` tells which attributes of a module are read."""
    value = _plain(value)
    if isinstance(value, enum.Enum):
        yield f"{value!r}"
    elif value is None or isinstance(value, bool | int | float | complex | str | bytes):
        yield repr(value)
    elif isinstance(value, np.ndarray | np.generic):
        array = np.ascontiguousarray(value)
        if array.dtype.hasobject:
            raise UnresolvedError(f"an array of objects: {value!r}")
        yield f"{array.dtype.str} {array.shape} {hashlib.sha256(array.tobytes()).hexdigest()}"
    elif isinstance(value, tuple):
        yield f"{type(value).__name__} of {len(value)}"
        for item in value:
            yield from _value_parts(item, code, seen)
    elif isinstance(value, types.FunctionType) and not _is_standard(value.__module__ or ""):
        yield from _function_parts(value, seen)
    elif isinstance(value, types.ModuleType):
        yield from _module_parts(value, code, seen)
    else:
        yield _named_part(value)


def _module_parts(
    module: types.ModuleType, code: types.CodeType, seen: dict[Any, int]
) -> Iterator[str]:
    yield module.__name__
    if _is_standard(module.__name__):
        return
    for name in _attributes(code):
        if name in vars(module):
            yield name
            yield from _value_parts(getattr(module, name), code, seen)


def _named_part(value: Any) -> str:
    module = str(getattr(value, "__module__", "") or "")
    if _is_standard(module):
        return f"{module}.{getattr(value, '__qualname__', repr(value))}"
    if isinstance(value, type) and issubclass(value, tuple) and hasattr(value, "_fields"):
        return f"{value.__name__}{value._fields}{getattr(value, '_field_defaults', {})}"
    if isinstance(value, type) and issubclass(value, enum.Enum):
        return f"{value.__name__}{[(member.name, member.value) for member in value]}"
    raise UnresolvedError(repr(value))
