"""Which formula of a model numba cannot compile, and why, in a line that a user can act upon."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from numba import types

from fastalliance.kernels.philox import Stream
from fastalliance.library.definition import place
from fastalliance.library.model import Model

_MAX_LENGTH = 400
_PLACE = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+):')
_RAISED_FROM = re.compile(r"Raised from (?P<file>.+) \((?P<line>\d+)\)")
_PARTICULAR = re.compile(r"raised a specific error:\s+(?:\w+: )?(?P<text>.+)")
_HINTS = {
    "(IMPORT_NAME)": "import at the top of the file, not inside a formula",
    "(STORE_GLOBAL)": "a formula must not change a global",
}


def blame(model: Model, namespace: Mapping[str, Any], error: Exception) -> str:
    """Return which formula cannot be compiled and why, in one line.

    Parameters
    ----------
    namespace : mapping
        The formulas as numba functions, as the driver sees them.
    error : Exception
        What compiling the driver has raised.
    """
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
        where = place(getattr(model, formula))
        try:
            namespace[name].compile(arguments())
        except Exception as found:
            return f"numba cannot compile {formula} ({where}): {reason(found)}"
        returned = namespace[name].overloads[arguments()].signature.return_type
        wrong = _wrong_return(formula, returned, model)
        if wrong:
            return f"{formula} ({where}) {wrong}"
        if formula == "prepare":
            p = returned
        elif formula == "draw":
            random = returned
    return f"numba cannot compile its driver: {reason(error)}"


def _tuple(kinds: list[Any], cls: Any) -> Any:
    if len(set(kinds)) == 1:
        return types.NamedUniTuple(kinds[0], len(kinds), cls)  # type: ignore[no-untyped-call]
    return types.NamedTuple(kinds, cls)  # type: ignore[no-untyped-call]


def _wrong_return(formula: str, returned: Any, model: Model) -> str:
    """Say what is wrong with the type that a formula returns; empty where nothing is."""
    if formula == "finished":
        wrong = not isinstance(returned, types.Boolean)
        return f"must return a truth, numba infers {returned}" if wrong else ""
    if isinstance(returned, types.Optional):
        return "returns nothing on some path; every path must return its values"
    if not isinstance(returned, types.BaseTuple):
        return f"must return a tuple of numbers on every path, numba infers {returned}"
    n_fields = len(model.state._fields)
    if formula in ("init", "step") and len(returned) != n_fields:
        return f"must give all {n_fields} fields of {model.state.__name__}; numba has no defaults"
    kinds: Any = returned
    for i, kind in enumerate(kinds):
        if not isinstance(kind, types.Boolean | types.Integer | types.Float):
            name = getattr(kinds, "fields", {i: f"value {i}"})[i]
            return f"must return numbers, numba infers {kind} for {name}"
    return ""


def reason(error: Exception) -> str:
    """Return an error's reason in a line: where in the user's file, what, and the details."""
    text = str(error)
    found = _PLACE.search(text) or _RAISED_FROM.search(text)
    particular = _PARTICULAR.search(text)
    lines = [line.strip() for line in _PLACE.split(text)[0].splitlines()]
    lines = [line for line in lines if line and not line.startswith("Failed in nopython mode")]
    for i, line in enumerate(lines):
        if line.startswith(("During:", "There are ", "This error", "To see")):
            lines = lines[:i]
            break
    what = _RAISED_FROM.sub("", " ".join(lines).replace(">>> ", "")).strip()
    what = what or type(error).__name__
    if particular is not None and particular["text"].strip() not in what:
        what = f"{what} ({particular['text'].strip()})"
    for sign, hint in _HINTS.items():
        if sign in what:
            what = f"{what} {hint}"
    what = what if len(what) <= _MAX_LENGTH else f"{what[:_MAX_LENGTH]}..."
    return f"line {found['line']}: {what}" if found is not None else what
