"""Formulas as pure Python, with the same bits as their compiled versions.

For tests (coverage, debugging, error messages) and for the few calls that are not worth a
compilation. About a thousand times slower than compiled code.
"""

from __future__ import annotations

import functools
import math
import sys
import types
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from fastalliance.kernels.intrinsics import PYTHON

Function = Callable[..., Any]
_LEFT_ALONE = frozenset(sys.stdlib_module_names) | {"numpy", "numba", "llvmlite"}


def interpreted(function: Function) -> Function:
    """Return a pure-Python version of a formula.

    Every numba function that it calls, directly or through plain helpers, closures, modules or
    dispatchers, is replaced by its Python source, and every intrinsic by exact arithmetic, so that
    results have the bits of the compiled formula.

    Floats become ``numpy.float64`` inside (arguments, literals, globals, defaults and cells), with
    floating-point warnings off: a division by zero is then an infinity or NaN as in compiled code,
    and functions of :mod:`math` return what IEEE 754 has instead of raising. A division of one
    Python *integer* by a zero integer still raises. Results come back as plain floats.

    Parameters
    ----------
    function : callable
        A Python function, a numba function, or an intrinsic of :mod:`fastalliance.kernels`.

    Returns
    -------
    callable
        With the same arguments, which it takes as floats, integers and (named) tuples of them.

    Examples
    --------
    >>> from fastalliance.kernels import exp
    >>> interpreted(exp)(1.0)
    2.718281828459045
    """
    python = _Rebuild().value(function)

    @functools.wraps(getattr(function, "py_func", function))
    def call(*arguments: Any, **named: Any) -> Any:
        named = {name: _inward(value) for name, value in named.items()}
        with np.errstate(all="ignore"):
            return _outward(python(*map(_inward, arguments), **named))

    return call


def _inward(value: Any) -> Any:
    """Return `value` with Python floats as numpy.float64, whose division never raises."""
    if type(value) is float:
        return np.float64(value)
    return _tuple(value, _inward) if isinstance(value, tuple) else value


def _outward(value: Any) -> Any:
    if isinstance(value, np.float64):
        return float(value)
    if isinstance(value, np.bool_):
        return bool(value)
    return _tuple(value, _outward) if isinstance(value, tuple) else value


def _tuple(value: Any, convert: Function) -> Any:
    items = [convert(item) for item in value]
    return type(value)(*items) if hasattr(value, "_fields") else tuple(items)


class _Rebuild:
    """One rebuilding; remembers what it has rebuilt, so that recursion ends."""

    def __init__(self) -> None:
        self.done: dict[Any, Any] = {}

    def value(self, value: Any) -> Any:
        """Return the pure-Python counterpart of a global, a cell's content or a default."""
        value = getattr(value, "py_func", value)
        if isinstance(value, types.FunctionType):
            return value if _left_alone(value.__module__) else self.function(value)
        if isinstance(value, types.ModuleType):
            return self.module(value)
        if isinstance(value, types.BuiltinFunctionType) and value.__module__ == "math":
            return _guarded(value)
        if isinstance(value, tuple):
            return _tuple(value, self.value)
        return PYTHON[value] if _is_intrinsic(value) else _inward(value)

    def function(self, function: types.FunctionType) -> types.FunctionType:
        if function in self.done:
            return self.done[function]
        cells = tuple(types.CellType() for _ in function.__closure__ or ())
        names = dict(function.__globals__)
        rebuilt = types.FunctionType(
            _float64_constants(function.__code__), names, function.__name__, None, cells or None
        )
        self.done[function] = rebuilt
        for name in _names(function.__code__):
            if name in names:
                names[name] = self.value(names[name])
        for cell, original in zip(cells, function.__closure__ or (), strict=True):
            cell.cell_contents = self.value(original.cell_contents)
        rebuilt.__defaults__ = self.value(function.__defaults__)
        rebuilt.__kwdefaults__ = {
            name: self.value(value) for name, value in (function.__kwdefaults__ or {}).items()
        }
        return rebuilt

    def module(self, module: types.ModuleType) -> Any:
        if module is not math and _left_alone(module.__name__):
            return module
        return self.done.setdefault(module, _Module(module, self))


class _Module:
    """Stands for a module; its attributes are replaced when they are looked up."""

    def __init__(self, module: types.ModuleType, rebuild: _Rebuild) -> None:
        self._module = module
        self._rebuild = rebuild

    def __getattr__(self, name: str) -> Any:
        return self._rebuild.value(getattr(self._module, name))


def _guarded(function: Function) -> Function:
    """Return a function of `math` that answers with infinity or NaN where it would raise."""

    def guarded(*arguments: Any) -> Any:
        try:
            return _inward(function(*arguments))
        except (ValueError, OverflowError):
            # numpy's function of the same name returns the IEEE value of the exceptional case
            if not hasattr(np, function.__name__):
                raise
            return getattr(np, function.__name__)(*map(np.float64, arguments))

    return guarded


def _left_alone(module: str | None) -> bool:
    return (module or "").split(".")[0] in _LEFT_ALONE


def _is_intrinsic(value: object) -> bool:
    return isinstance(value, Hashable) and value in PYTHON


def _float64_constants(code: types.CodeType) -> types.CodeType:
    constants = (
        _float64_constants(constant) if isinstance(constant, types.CodeType) else _inward(constant)
        for constant in code.co_consts
    )
    return code.replace(co_consts=tuple(constants))


def _names(code: types.CodeType) -> set[str]:
    nested = [_names(part) for part in code.co_consts if isinstance(part, types.CodeType)]
    return set(code.co_names).union(*nested)
