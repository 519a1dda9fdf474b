"""Is this the study of that store? The hash, the tiles and the arrays tell."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from fastalliance.errors import FastAllianceError, StoreError
from fastalliance.library.model import Model
from fastalliance.store import Layout, StoreHandle
from fastalliance.store.provenance import difference
from fastalliance.store.skeleton import structures, tiling
from fastalliance.store.verification import Contents
from fastalliance.study.rebuilding import refuse_files, stored_fields
from fastalliance.study.structure import NETWORK, identity
from fastalliance.study.study import Study


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
        refuse_files(handle)
        study = Study(
            model, design=configuration.get("design"), structure=structure, **stored_fields(handle)
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
