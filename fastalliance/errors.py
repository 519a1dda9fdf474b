"""The errors of fastalliance; each names what is wrong, where, and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


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


class ModelError(FastAllianceError):
    """A model definition is incomplete, inconsistent, or cannot be compiled."""


def suggestion(name: str, valid: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest valid name, or the valid names.

    Raises nothing. The text is meant to end an error message about an unknown name.
    """
    names = sorted(valid)
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; valid names: {', '.join(names)}" if names else "; there are none"
