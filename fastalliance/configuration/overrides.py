"""Overrides: ``--set a.b=v`` on the command line, mappings in Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fastalliance.configuration.messages import Origin, UnreadableError, dotted, printable, show
from fastalliance.configuration.plain import plain_data
from fastalliance.configuration.read import full_text
from fastalliance.configuration.scalars import NULLS
from fastalliance.configuration.yaml_loader import load_yaml
from fastalliance.errors import ConfigError

Overrides = Mapping[str, object] | Sequence[str]


class _Assignment(NamedTuple):
    keys: tuple[str, ...]
    value: Any
    label: str


def apply_overrides(
    data: dict[str, Any], origin: Origin, overrides: Overrides
) -> tuple[dict[str, Any], Origin]:
    """Return data and origin with the overrides applied in their order; `data` is changed.

    An override replaces what stands at its path. Only a mapping given in Python for a section
    other than `design` sets the entries it names and leaves the others.

    Raises
    ------
    ConfigError
        An override is no assignment, or leads through something that is not a mapping.
    """
    if isinstance(overrides, Mapping):
        assignments = _from_mapping(overrides)
    else:
        texts = [overrides] if isinstance(overrides, str) else overrides
        assignments = [_from_text(text) for text in texts]
    for assignment in assignments:
        origin = _assign(data, origin, assignment)
    return data, origin


def _from_text(text: str) -> _Assignment:
    name, equals, value_text = text.partition("=")
    keys = tuple(key.strip() for key in name.split("."))
    if not equals or not all(keys):
        raise ConfigError(f"--set {printable(text)}: must be written --set name.of.field=value")
    label = f"--set {dotted(keys)}"
    try:
        value = load_yaml(value_text).data
    except UnreadableError as fault:
        raise ConfigError(f"{label}: {printable(full_text(fault, keys))}") from None
    if value is None and value_text.strip() not in NULLS:
        from fastalliance.configuration.faults import empty_advice

        raise ConfigError(f"{label}: has no value{empty_advice(keys)}")
    return _Assignment(keys, value, label)


def _from_mapping(overrides: Mapping[str, object]) -> list[_Assignment]:
    assignments = []
    for name, value in overrides.items():
        if not isinstance(name, str):
            raise ConfigError(f"override {show(name)}: must be the dotted name of a field")
        keys = tuple(name.split("."))
        label = f"override {dotted(keys)}"
        value = plain_data(value, Origin(labels={name: label}), keys)
        if isinstance(value, dict) and len(keys) == 1 and name != "design":
            for key, entry in value.items():
                inner = (*keys, key)
                assignments.append(_Assignment(inner, entry, f"override {dotted(inner)}"))
        else:
            assignments.append(_Assignment(keys, value, label))
    return assignments


def _assign(data: dict[str, Any], origin: Origin, assignment: _Assignment) -> Origin:
    keys, value, label = assignment
    node = data
    for depth, key in enumerate(keys[:-1], start=1):
        inner = node.get(key)
        if inner is None:
            inner = node[key] = {}
            origin = origin.relabelled(dotted(keys[:depth]), label)
        if not isinstance(inner, dict):
            place = dotted(keys[:depth])
            raise ConfigError(
                f"{label}: {place} is not a mapping but {show(inner)}; set {place} as a whole"
            )
        node = inner
    node[keys[-1]] = value
    return origin.relabelled(dotted(keys), label)
