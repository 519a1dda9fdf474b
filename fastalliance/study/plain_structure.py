"""The structure that a user of Python gives: what a configuration can hold, and objects."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np


def _is_plain(value: Any) -> bool:
    kinds = (str, os.PathLike, np.generic, int, float, type(None), Mapping, list)
    return isinstance(value, kinds) or getattr(value, "ndim", None) == 0


def plain_part(structure: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the entries of a structure that a configuration can hold."""
    if not isinstance(structure, Mapping):
        return structure
    plain = {name: value for name, value in structure.items() if _is_plain(value)}
    return {name: _with_text_keys(value) for name, value in plain.items()}


def _with_text_keys(value: Any) -> Any:
    """Return a recipe whose shares of degrees, {1: 0.5, 3: 0.5}, have texts as keys."""
    if not isinstance(value, Mapping) or not isinstance(value.get("degrees"), Mapping):
        return value
    shares = value["degrees"].items()
    return {**value, "degrees": {str(k) if type(k) is int else k: v for k, v in shares}}


def objects_in(structure: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the entries that it cannot: graphs, matrices, arrays."""
    entries = structure.items() if isinstance(structure, Mapping) else ()
    return {name: value for name, value in entries if not _is_plain(value)}
