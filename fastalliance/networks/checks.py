"""Refusals of the field `structure.network`, and the packages that it may need."""

from __future__ import annotations

import importlib
import numbers
import reprlib
from collections.abc import Mapping
from typing import Any, TypeGuard

import numpy as np

from fastalliance.errors import ConfigError, exact, suggestion
from fastalliance.limits import MAX_SEED

FIELD = "structure.network"
MAX_ENTRIES = 2**31  # neighbours and rows of all graphs together: 16 GiB


def refusal(text: str, key: str = "") -> ConfigError:
    """Return the error that says `text` of the network, or of the field `key` in its recipe."""
    return ConfigError(f"{FIELD}.{key} {text}" if key else f"{FIELD}: {text}")


def show(value: object) -> str:
    """Return a short representation of a refused value, on one line."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str | list | tuple | dict):
        return " ".join(reprlib.repr(value).split())
    return type(value).__name__


def package(name: str, purpose: str) -> Any:
    """Return an optional package of the extra `networks`.

    Raises
    ------
    ConfigError
        It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise refusal(f'{purpose} needs {name}: pip install "fastalliance[networks]"') from None


def require_keys(recipe: Mapping[Any, Any], allowed: list[str], where: str) -> None:
    """Raise ConfigError where a recipe has a key that means nothing in it."""
    for key in recipe:
        if key not in allowed:
            hint = suggestion(str(key), allowed)
            raise refusal(f"unknown key {show(key)}{where}{hint}")


def number(recipe: Mapping[str, Any], key: str, high: float, why: str = "") -> float:
    """Return a recipe's number from 0 to `high`.

    Raises
    ------
    ConfigError
        It is missing, no number, or out of range.
    """
    value = present(recipe, key)
    if not is_number(value) or not 0.0 <= float(value) <= high:
        raise refusal(f"must be a number from 0 to {exact(high)}{why}, got {show(value)}", key)
    return float(value)


def whole(recipe: Mapping[str, Any], key: str, low: int, high: int, why: str = "") -> int:
    """Return a recipe's whole number from `low` to `high`.

    Raises
    ------
    ConfigError
        It is missing, no whole number, or out of range.
    """
    value = present(recipe, key)
    if not is_whole(value) or not low <= int(value) <= high:
        top = "2^64 - 1" if high == MAX_SEED else f"{high}"
        raise refusal(f"must be a whole number from {low} to {top}{why}, got {show(value)}", key)
    return int(value)


def is_number(value: object) -> TypeGuard[float]:
    """Say whether a value is a real number of Python or NumPy, and no truth value."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)


def is_whole(value: object) -> TypeGuard[int]:
    """Say whether a value is an integer of Python or NumPy, and no truth value."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool | np.bool_)


def present(recipe: Mapping[str, Any], key: str) -> Any:
    """Return a recipe's value, which must be there."""
    if key not in recipe:
        raise refusal(f"is missing; the kind {recipe['kind']} needs it", key)
    return recipe[key]


def require_entries(n_graphs: int, n_members: int, n_edges: float) -> None:
    """Raise ConfigError where graphs of about `n_edges` edges each would be too large.

    Rows and neighbours lie in 8 bytes each, and building a graph takes five times its own size.
    """
    entries = n_graphs * (n_members + 1.0 + 2.0 * n_edges)
    if entries > MAX_ENTRIES:
        graphs = f"{n_graphs:,} graphs" if n_graphs > 1 else "a graph"
        raise refusal(
            f"{graphs} of {n_members:,} members and about {n_edges:,.0f} edges would have "
            f"{entries:,.0f} entries, at most 2^31 are possible; take fewer members, edges or "
            "graphs"
        )
