"""The errors of fastalliance; each names what is wrong, where, and what would be right."""

from __future__ import annotations

import difflib
import functools
import inspect
import keyword
import numbers
from collections.abc import Iterable, Mapping
from typing import Any, SupportsFloat, TypeVar

T = TypeVar("T")
MAX_NAME_BYTES = 100  # a result's name becomes a file's, which has at most 255 with its suffix


class FastAllianceError(Exception):
    """Base of every error that fastalliance raises on purpose."""


class ParameterError(FastAllianceError):
    """A parameter has an unknown name, a wrong type, or a value outside its bounds."""


class DesignError(FastAllianceError):
    """A design (grid, sample or table) is empty, repeated, oversized or otherwise unusable."""


class ConfigError(FastAllianceError):
    """A configuration cannot be read, or one of its fields is wrong."""


class StoreError(FastAllianceError):
    """A store is refused: another study's, in use, of a newer format, or damaged."""


class ClusterError(FastAllianceError):
    """A cluster cannot be reached, or was lost."""


class TileError(FastAllianceError):
    """Some tiles of a run failed on every try; the others are done.

    Attributes
    ----------
    tiles : dict of int to str
        The tiles that failed, and why.
    """

    def __init__(self, message: str, tiles: Mapping[int, str]) -> None:
        super().__init__(message)
        self.tiles = dict(tiles)


class ModelError(FastAllianceError):
    """A model definition is incomplete, inconsistent, or cannot be compiled."""


def suggestion(name: str, valid: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest valid name, or the valid names.

    Raises nothing. The text is meant to end an error message about an unknown name.
    """
    names = sorted(valid)
    near = difflib.get_close_matches(str(name), names, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; valid names: {', '.join(names)}" if names else "; there are none"


def exact(value: SupportsFloat) -> str:
    """Return a refused number with all its digits: ``1000001``, ``0.1``, ``1e+300``, ``-inf``."""
    if isinstance(value, numbers.Integral) and abs(int(value)) < 10**16:
        return str(int(value))
    return repr(float(value)).removesuffix(".0")


def is_name(value: object) -> bool:
    """Say whether a parameter, output or model may have this name: a short identifier."""
    identifier = isinstance(value, str) and value.isidentifier() and not keyword.iskeyword(value)
    return identifier and len(str(value).encode()) <= MAX_NAME_BYTES


def declared(cls: type[T]) -> type[T]:
    """Decorate a dataclass so that missing or unknown arguments raise ModelError, with names."""
    initialise = cls.__init__
    signature = inspect.signature(initialise)

    @functools.wraps(initialise)
    def checked(self: T, *values: Any, **named: Any) -> None:
        try:
            signature.bind(self, *values, **named)
        except TypeError as error:
            raise ModelError(_complaint(cls.__name__, signature, values, named, error)) from None
        initialise(self, *values, **named)

    setattr(cls, "__init__", checked)  # noqa: B010 -- mypy refuses the plain assignment
    return cls


def _complaint(
    kind: str,
    signature: inspect.Signature,
    values: tuple[Any, ...],
    named: Mapping[str, Any],
    error: TypeError,
) -> str:
    fields = list(signature.parameters.values())[1:]
    names = [field.name for field in fields]
    what = f"fa.{kind}({named['name']!r})" if "name" in named else f"fa.{kind}"
    for name in named:
        if name not in names:
            return f"{what} has no field {name!r}{suggestion(name, names)}"
    positional = [field.name for field in fields if field.kind is not field.KEYWORD_ONLY]
    if len(values) > len(positional):
        return f"{what} takes at most {len(positional)} fields without their names"
    given = {*named, *positional[: len(values)]}
    lacking = [f.name for f in fields if f.default is f.empty and f.name not in given]
    return f"{what} lacks {', '.join(lacking)}" if lacking else f"{what}: {error}"
