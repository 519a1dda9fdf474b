"""One wrong line, and the tests that must notice it."""

from __future__ import annotations

from typing import NamedTuple


class Mutation(NamedTuple):
    """One wrong line.

    Attributes
    ----------
    name : str
        What is wrong then.
    file : str
        File below `fastalliance/`.
    old, new : str
        Text that occurs exactly once in the file, and what replaces it.
    tests : tuple of str
        Files below `tests/` with the beginning of a name of tests or of a class of them,
        ``unit/test_x.py::test_begin``; at least one test of each must fail.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def mutations_of(file: str, *rows: tuple[str, str, str, tuple[str, ...]]) -> list[Mutation]:
    """Return the mutations of one file from their name, old text, new text and tests."""
    return [Mutation(name, file, old, new, tests) for name, old, new, tests in rows]
