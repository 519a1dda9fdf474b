"""From a store back to the study that made it, with all that it keeps, and the proof of that."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from fastalliance import library
from fastalliance.engine import kernel_hash
from fastalliance.errors import FastAllianceError, ModelError, StoreError
from fastalliance.library.model import Model
from fastalliance.store import Layout, StoreHandle
from fastalliance.store.provenance import difference
from fastalliance.store.skeleton import structures, tiling
from fastalliance.store.verification import Contents
from fastalliance.study.checks import warn
from fastalliance.study.design import Design, grid, table
from fastalliance.study.restored import restored, take_over_centralities
from fastalliance.study.structure import NETWORK, identity
from fastalliance.study.study import Study

_FIELDS = (
    "parameters",
    "replicates",
    "seed",
    "horizon",
    "dt",
    "common_random_numbers",
    "statistics",
    "keep",
)


def model_of(handle: StoreHandle, given: Model | None) -> Model:
    """Return the model of a store: the one given, or a built-in one of the store's name.

    Raises
    ------
    ModelError
        The model given is not the store's, or the store's is not built in.
    """
    name = str(handle.attrs["model"])
    if given is not None and given.name != name:
        raise ModelError(
            f"the store was made with the model {name!r}, the one given is {given.name!r}"
        )
    if given is None and name not in library.NAMES:
        raise ModelError(
            f"the store was made with the model {name!r}, which is not built in; give it: "
            "--model-file FILE.py:NAME, or model= in Python"
        )
    return given or library.get(name)


def warn_of_other_kernels(handle: StoreHandle, model: Model) -> bool:
    """Say so where a store was computed by other kernels; return whether it was."""
    now = kernel_hash(model)
    history = handle.attrs.get("history", [])
    found = dict.fromkeys([handle.attrs["kernel_hash"], *(e.get("kernel_hash") for e in history)])
    others = [str(kernels) for kernels in found if kernels not in (None, now)]
    if not others:
        return False
    mixed = "in part " if now in found else ""
    warn(
        f"{handle.path} was {mixed}computed by other kernels (version "
        f"{handle.attrs['fastalliance_version']}, kernels {', '.join(k[:12] for k in others)}; now "
        f"kernels {now[:12]}): recomputed values may differ, nothing without a digest is repaired"
    )
    return True


def rebuild(handle: StoreHandle, model: Model, *, adopt: bool) -> Study:
    """Return the study of a store from its configuration, coordinates, arrays and networks.

    With `adopt`, the betweenness that the store keeps is taken over instead of computed anew.

    Raises
    ------
    StoreError
        The store lacks something, or it is damaged.
    """
    _refuse_files(handle)
    study = Study(
        model, design=_design(handle), structure=restored(handle, model), **_fields(handle)
    )
    if adopt:
        with contextlib.suppress(StoreError):  # damaged: then they are computed anew
            take_over_centralities(study, handle)
    return study


def rebuild_without_arrays(handle: StoreHandle, model: Model) -> Study | None:
    """Return the study of a store from its configuration alone; None where that is not enough.

    The hash, which covers every coordinate, array and network, tells whether it is the same study.
    """
    configuration = handle.attrs["configuration"]
    structure = dict(configuration.get("structure") or {})
    if NETWORK in structure:
        structure[NETWORK] = dict(structure[NETWORK].get("recipe", {}))
        structure[NETWORK].pop("industries", None)  # an entry of structure
    try:
        _refuse_files(handle)
        study = Study(
            model, design=configuration.get("design"), structure=structure, **_fields(handle)
        )
        same = study.configuration_hash == handle.attrs["configuration_hash"]
    except FastAllianceError:
        return None
    return study if same else None


def has_its_hash(handle: StoreHandle, study: Study) -> bool:
    """Say whether the stored configuration and the coordinates have the hash of the store.

    It is made of what is stored, as another version may fill in other defaults.
    """
    configuration = handle.attrs["configuration"]
    plain = {**configuration, "structure": identity(configuration.get("structure") or {})}
    sha = hashlib.sha256(json.dumps(plain, sort_keys=True).encode())
    for name, values in study.coordinates.items():
        sha.update(name.encode())
        sha.update(np.ascontiguousarray(values, dtype="<f8").tobytes())
    return sha.hexdigest() == str(handle.attrs["configuration_hash"])


def require_layout(contents: Contents, layout: Layout) -> None:
    """Raise StoreError unless a store has the tiles and arrays of `layout`."""
    run = contents.run
    expected = tiling(layout)
    lines = difference({key: run.get(key) for key in expected}, expected)
    found = {
        "direct": {name: run["arrays"].get(name) for name in contents.handle.direct},
        "final": run["final"] if contents.handle.complete else structures(layout.final),
        "coordinates": sorted(contents.coordinates),
    }
    wanted = {
        "direct": structures(layout.direct),
        "final": structures(layout.final),
        "coordinates": sorted(coordinate.name for coordinate in layout.coordinates),
    }
    lines = lines or [name for name in wanted if found[name] != wanted[name]]
    if lines:
        raise StoreError(
            f"{contents.handle.path} has other tiles or arrays than this version makes of its "
            f"configuration ({'; '.join(line.strip() for line in lines[:3])}); verify it with "
            f"version {contents.handle.attrs['fastalliance_version']}"
        )


def _refuse_files(handle: StoreHandle) -> None:
    """Refuse a configuration that names files where ours has values: a store is only data."""
    configuration = handle.attrs["configuration"]
    given = [*(configuration.get("structure") or {}).values()]
    given += (configuration.get("design") or {}).values()
    if any(isinstance(value, str) for value in given):
        raise StoreError(f"the configuration of {handle.path} names a file; it is not read")


def _fields(handle: StoreHandle) -> dict[str, Any]:
    configuration: Mapping[str, Any] = handle.attrs["configuration"]
    return {name: configuration[name] for name in _FIELDS if name in configuration}


def _design(handle: StoreHandle) -> Design:
    """Return the design from the stored coordinates, which no library has to compute again."""
    shape = handle.attrs["configuration"].get("design")
    if not shape:
        return grid()
    if "grid" in shape:
        return grid(**{name: handle.read_array(name) for name in handle.attrs["tiling"]["dims"]})
    names = shape["sample"]["ranges"] if "sample" in shape else shape["table"]
    return table({name: handle.read_array(name) for name in names})
