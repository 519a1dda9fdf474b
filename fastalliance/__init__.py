"""fastalliance: millions of simulated strategic alliances at once.

When does the trust between partners tip into success or failure, and when does one member's exit
become a cascade? Models are numba kernels, studies are grids or samples of parameters, results are
labelled xarray datasets in zarr. The names below are imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastalliance.analysis.survival import survival
    from fastalliance.engine.check import check_model
    from fastalliance.errors import (
        ConfigError,
        DesignError,
        FastAllianceError,
        ModelError,
        ParameterError,
        StoreError,
    )
    from fastalliance.library.model import Caution, Model, Requirement
    from fastalliance.outputs import Output, Ratio
    from fastalliance.parameters import Parameter
    from fastalliance.study.catalogue import model, models
    from fastalliance.study.design import grid, sample, table
    from fastalliance.study.opening import open
    from fastalliance.study.simulate import simulate
    from fastalliance.study.study import Study
    from fastalliance.study.verifying import verify

__version__ = "0.1.0"

_HOME = {
    "Caution": "library.model",
    "ConfigError": "errors",
    "DesignError": "errors",
    "FastAllianceError": "errors",
    "Model": "library.model",
    "ModelError": "errors",
    "Output": "outputs",
    "Parameter": "parameters",
    "ParameterError": "errors",
    "Ratio": "outputs",
    "Requirement": "library.model",
    "StoreError": "errors",
    "Study": "study.study",
    "check_model": "engine.check",
    "grid": "study.design",
    "model": "study.catalogue",
    "models": "study.catalogue",
    "open": "study.opening",
    "sample": "study.design",
    "simulate": "study.simulate",
    "survival": "analysis.survival",
    "table": "study.design",
    "verify": "study.verifying",
}

__all__ = [
    "Caution",
    "ConfigError",
    "DesignError",
    "FastAllianceError",
    "Model",
    "ModelError",
    "Output",
    "Parameter",
    "ParameterError",
    "Ratio",
    "Requirement",
    "StoreError",
    "Study",
    "check_model",
    "grid",
    "model",
    "models",
    "open",
    "sample",
    "simulate",
    "survival",
    "table",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'fastalliance' has no attribute {name!r}")
    value = getattr(import_module(f"fastalliance.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
