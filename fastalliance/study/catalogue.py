"""The catalogue of built-in models."""

from __future__ import annotations

from fastalliance import library
from fastalliance.library.model import Model


def models() -> list[str]:
    """Return the names of the built-in models.

    Examples
    --------
    >>> "dyad" in models()
    True
    """
    return list(library.NAMES)


def model(name: str) -> Model:
    """Return the built-in model `name`; it prints as tables of its parameters and outputs.

    Raises
    ------
    ModelError
        There is no such model; the nearest name is suggested.

    Examples
    --------
    >>> model("dyad").parameters[0].name
    'initial_trust'
    """
    return library.get(name)
