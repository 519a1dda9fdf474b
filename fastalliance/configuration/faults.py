"""One clear line for each of pydantic's errors."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from fastalliance.configuration.messages import Origin, Part, dotted, show
from fastalliance.configuration.schema import (
    BRANCHES,
    AxisRule,
    Configuration,
    Design,
    Execution,
    Keep,
    Sample,
    Section,
    Statistics,
    Trajectories,
)
from fastalliance.errors import suggestion

MAX_FAULTS = 5

SECTIONS: dict[tuple[str, ...], type[Section]] = {
    (): Configuration,
    ("design",): Design,
    ("design", "grid", "*"): AxisRule,
    ("design", "sample"): Sample,
    ("statistics",): Statistics,
    ("keep",): Keep,
    ("keep", "trajectories"): Trajectories,
    ("execution",): Execution,
}

_LEAVE_OUT = "leave the field out to have its default"
_MAPPING_TYPES = ("model_type", "model_attributes_type", "dict_type")


def describe(error: ValidationError, origin: Origin) -> str:
    """Return the errors of a configuration, one line each, in the order of the file."""
    faults = [_describe_one(details, origin) for details in error.errors(include_url=False)]
    faults.sort(key=lambda fault: fault[0])  # stable: without lines, the order of the fields
    lines = list(dict.fromkeys(text for _, text in faults))
    if len(lines) > MAX_FAULTS:
        lines[MAX_FAULTS:] = [f"... and {len(lines) - MAX_FAULTS} more"]
    return "\n".join(lines)


def empty_advice(path: tuple[Part, ...]) -> str:
    """Return what to do about a field without a value, to end the message about it."""
    if not path:
        return ""
    section = _section(path[:-1])
    if section is None:  # an entry of a mapping, or an item of a list
        return f"; {_LEAVE_OUT}" if path[0] in ("parameters", "structure") else ""
    field = section.model_fields.get(str(path[-1]))
    if field is None or section in (Design, AxisRule):  # of whose fields one is needed
        return ""
    if field.is_required():
        return "; it is required"
    return f"; {_LEAVE_OUT}" + (", or write null" if field.default is None else "")


def _describe_one(details: ErrorDetails, origin: Origin) -> tuple[int, str]:
    path = tuple(part for part in details["loc"] if part not in BRANCHES)
    name = ".".join(filter(None, (dotted(path), details.get("ctx", {}).get("at"))))
    return origin.line(name), origin.complaint(name, _sentence(details, path, name))


def _sentence(details: ErrorDetails, path: tuple[Part, ...], name: str) -> str:
    kind, value = details["type"], details["input"]
    if kind == "missing":
        return f"{name} is required"
    if kind == "extra_forbidden":
        return f"unknown field {name}{suggestion(str(path[-1]), _valid_names(path[:-1]))}"
    if kind in _MAPPING_TYPES:
        return f"{name} must be a mapping, got {show(value)}{_empty_hint(value)}"
    if kind == "list_type":
        return f"{name} must be a list, got {show(value)}{_empty_hint(value)}"
    return f"{name} {details['msg']}"


def _empty_hint(value: Any) -> str:
    return f"; {_LEAVE_OUT}" if value is None else ""


def _valid_names(path: tuple[Part, ...]) -> list[str]:
    section = _section(path)
    return list(section.model_fields) if section else []


def _section(path: tuple[Part, ...]) -> type[Section] | None:
    """Return the section at a path, if one with known fields stands there."""

    def leads_to(pattern: tuple[str, ...]) -> bool:
        return len(pattern) == len(path) and all(
            wanted in ("*", part) for wanted, part in zip(pattern, path, strict=True)
        )

    return next((SECTIONS[pattern] for pattern in SECTIONS if leads_to(pattern)), None)
