"""The library of models, one file each, and the table of them.

Names are known without importing a model, because a model imports numba.
"""

from __future__ import annotations

from importlib import import_module

from fastalliance.errors import ModelError, suggestion
from fastalliance.library.model import Caution, Model, Requirement

NAMES = ("dyad", "exit_cascade", "multiparty")


def get(name: str) -> Model:
    """Return the built-in model `name`.

    Raises
    ------
    ModelError
        There is no such model; the nearest name is suggested.
    """
    if name not in NAMES:
        raise ModelError(f"model: there is no model {name!r}{suggestion(name, NAMES)}")
    model: Model = import_module(f"fastalliance.library.{name}").MODEL
    return model


__all__ = ["NAMES", "Caution", "Model", "Requirement", "get"]
