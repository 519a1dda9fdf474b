"""From a store back to the study that made it, so that its replicates and tiles can be run again.

A store is data and never names code to run: the model of a study is a built-in one of the store's
name, or the one given.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from fastalliance import library
from fastalliance.engine import kernel_hash
from fastalliance.errors import ModelError, StoreError
from fastalliance.library.model import Model
from fastalliance.store import StoreHandle, read
from fastalliance.study.checks import warn
from fastalliance.study.design import Design, grid, table
from fastalliance.study.restored import restored, take_over_centralities
from fastalliance.study.structure import APPROXIMATE, CENTRALITIES
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


def stored_study(url: str, model: Model | None) -> Study:
    """Return the study of a store, for a replay; see `stored`."""
    return stored(url, model)[0]


def stored(url: str, model: Model | None) -> tuple[Study, StoreHandle]:
    """Return the study of a store, which need not be finished, and the store.

    A warning says where its kernels are others.

    Raises
    ------
    StoreError
        There is no store, or it is damaged.
    ModelError
        The model is not the store's, or not known.
    """
    handle = read(url)
    chosen = model_of(handle, model)
    warn_of_other_kernels(handle, chosen)
    return rebuild(handle, chosen, adopt=True), handle


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


def warn_of_other_kernels(handle: StoreHandle, model: Model, more: str = "") -> bool:
    """Say so, and what `more` it means, where a store was computed by other kernels.

    Returns
    -------
    bool
        Whether it was, all of it or a part.
    """
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
        f"kernels {now[:12]}): recomputed values may differ{more}"
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
    refuse_files(handle)
    study = Study(
        model, design=_design(handle), structure=restored(handle, model), **stored_fields(handle)
    )
    if adopt:
        with contextlib.suppress(StoreError):  # damaged: then they are computed anew
            take_over_centralities(study, handle)
    return study


def refuse_files(handle: StoreHandle) -> None:
    """Refuse a configuration that names files where ours has values: a store is only data."""
    configuration = handle.attrs["configuration"]
    structure = dict(configuration.get("structure") or {})
    if structure.get(CENTRALITIES) == APPROXIMATE:
        del structure[CENTRALITIES]  # the one text there that is no path
    given = [*structure.values()]
    given += (configuration.get("design") or {}).values()
    if any(isinstance(value, str) for value in given):
        raise StoreError(f"the configuration of {handle.path} names a file; it is not read")


def stored_fields(handle: StoreHandle) -> dict[str, Any]:
    """Return the fields of the configuration that are the same in Python."""
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
