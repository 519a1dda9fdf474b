"""From a store back to the study that made it, so that its replicates can be run again."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from fastalliance import library
from fastalliance.engine import kernel_hash
from fastalliance.errors import ModelError
from fastalliance.store import StoreHandle, read
from fastalliance.study.checks import ResultWarning
from fastalliance.study.design import Design, grid, table
from fastalliance.study.restored import restored, take_over_centralities
from fastalliance.study.study import Study

if TYPE_CHECKING:
    from fastalliance.library import Model

_FIELDS = (
    "parameters",
    "replicates",
    "seed",
    "horizon",
    "dt",
    "common_random_numbers",
)


def rebuild(url: str, model: Model | None) -> Study:
    """Return a study with the points, seed and time steps of a store.

    A store is data and never names code to run: the model of a study is a built-in one of the
    store's name, or the one given.

    Parameters
    ----------
    url : str
        The store; it need not be finished.
    model : Model, optional
        The user's own model.

    Raises
    ------
    StoreError
        There is no store, or it is damaged.
    ModelError
        The model is not the store's, or not known.
    """
    handle = read(url)
    configuration = handle.attrs["configuration"]
    chosen = _model(str(handle.attrs["model"]), model)
    if kernel_hash(chosen) != handle.attrs["kernel_hash"]:
        warnings.warn(
            "the store was computed by other kernels (another version, or a changed model): the "
            "replicate may differ from the one in the study",
            ResultWarning,
            stacklevel=2,
        )
    fields: dict[str, Any] = {
        name: configuration[name] for name in _FIELDS if name in configuration
    }
    fields["structure"] = restored(handle, chosen)
    study = Study(chosen, design=_design(handle), **fields)
    take_over_centralities(study, handle)
    return study


def _model(name: str, given: Model | None) -> Model:
    if given is not None and given.name != name:
        raise ModelError(
            f"the store was made with the model {name!r}, --model-file gives {given.name!r}"
        )
    if given is None and name not in library.NAMES:
        raise ModelError(
            f"the store was made with the model {name!r}, which is not built in; give its file "
            "with --model-file FILE.py:NAME"
        )
    return given or library.get(name)


def _design(handle: StoreHandle) -> Design:
    """Return the design from the stored coordinates, which no library has to compute again."""
    shape = handle.attrs["configuration"].get("design")
    if not shape:
        return grid()
    dims = handle.attrs["tiling"]["dims"]
    if "grid" in shape:
        return grid(**{name: handle.read_array(name) for name in dims})
    names = shape["sample"]["ranges"] if "sample" in shape else shape["table"]
    return table({name: handle.read_array(name) for name in names})
