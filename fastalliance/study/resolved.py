"""A study as plain data, every default filled in, and the hash of what can change a result."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastalliance.configuration import to_yaml, validate_fields
from fastalliance.errors import ConfigError
from fastalliance.study.structure import identity

if TYPE_CHECKING:
    from fastalliance.study.study import Study

Floats = npt.NDArray[np.float64]
_LISTED_VALUES = 1000
_NOT_RESULTS = ("store", "execution")  # fields that cannot change a result


def resolved(study: Study) -> dict[str, Any]:
    """Return the full configuration as plain data, every default filled in."""
    plain = study.configuration.to_plain()
    for name in _NOT_RESULTS:
        plain.pop(name, None)
    sizes = {size.name for size in study.model.structure}
    source = study.design.source
    if study.design.kind != "sample":
        columns = {name: _listed(values) for name, values in study.coordinates.items()}
        source = {study.design.kind: columns}
    return {
        **plain,
        "horizon": study.horizon,
        "dt": study.dt,
        "parameters": {n: v for n, v in study.fixed.items() if n not in sizes},
        "structure": {
            **{n: v for n, v in study.fixed.items() if n in sizes},
            **study.given.describe(study.fixed),
        },
        "design": source if study.coordinates else None,
    }


def configuration_hash(study: Study) -> str:
    """Return the SHA-256 of everything in the configuration that can change a result."""
    plain = {**study.resolved, "structure": identity(study.resolved["structure"])}
    sha = hashlib.sha256(json.dumps(plain, sort_keys=True).encode())
    for name, values in study.coordinates.items():
        sha.update(name.encode())
        sha.update(np.ascontiguousarray(values, dtype="<f8").tobytes())
    return sha.hexdigest()


def written(study: Study, path: str | Path | None) -> str:
    """Return the study as a configuration, and write it where a path is given."""
    plain = study.configuration.to_plain()
    plain["structure"] = {**plain["structure"], **study.given.plain(study.fixed)}
    if study.coordinates:
        plain["design"] = study.design.source
    text: str = to_yaml(validate_fields(plain))
    if path is not None:
        try:
            Path(path).write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None
    return text


def _listed(values: Floats) -> list[float] | dict[str, Any]:
    """Return the values of an axis or column, or, where they are many, their digest.

    The values themselves are coordinates; text of millions would make a result slow to open.
    """
    if len(values) <= _LISTED_VALUES:
        return list(values.tolist())
    digest = hashlib.sha256(np.ascontiguousarray(values, dtype="<f8").tobytes()).hexdigest()
    return {"n_values": len(values), "sha256": digest}
