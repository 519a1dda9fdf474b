"""Configurations: YAML, TOML, JSON or keywords of Python, read strictly into one checked record.

Everything here is data: no model is looked up, nothing is computed, and text never runs code.
The names below are imported on first use, because pydantic takes 0.2 s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastalliance.configuration.dump import dump_yaml, to_yaml
    from fastalliance.configuration.editor_schema import json_schema
    from fastalliance.configuration.load import load_configuration, validate_fields
    from fastalliance.configuration.schema import (
        AxisRule,
        Configuration,
        Design,
        Execution,
        Keep,
        Sample,
        Statistics,
        Trajectories,
    )

_HOME = {
    "AxisRule": "schema",
    "Configuration": "schema",
    "Design": "schema",
    "Execution": "schema",
    "Keep": "schema",
    "Sample": "schema",
    "Statistics": "schema",
    "Trajectories": "schema",
    "dump_yaml": "dump",
    "json_schema": "editor_schema",
    "load_configuration": "load",
    "to_yaml": "dump",
    "validate_fields": "load",
}

__all__ = [
    "AxisRule",
    "Configuration",
    "Design",
    "Execution",
    "Keep",
    "Sample",
    "Statistics",
    "Trajectories",
    "dump_yaml",
    "json_schema",
    "load_configuration",
    "to_yaml",
    "validate_fields",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
