"""What travels to the workers of a cluster: a user's model by value, kernels by their names.

Workers cannot import the file that a user named on the command line, nor a notebook. Pickled by
value, formulas would bring copies of the kernels' own functions along, which numba does not know.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import pickle
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastalliance.library.model import Model
from fastalliance.study.model_file import is_model_file

_OURS = "fastalliance."


def packed(model: Model, content: Any) -> bytes:
    """Return `content`, which holds `model`, pickled so that a worker can unpickle it."""
    import cloudpickle

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        def reducer_override(self, thing: Any) -> Any:
            name = _name(thing)
            return (_found, name) if name else super().reducer_override(thing)

    file = io.BytesIO()
    with _by_value(model):
        Pickler(file).dump(content)
    return file.getvalue()


def unpacked(data: bytes) -> Any:
    """Return what was packed."""
    return pickle.loads(data)


def _name(thing: Any) -> tuple[str, str] | None:
    """Return module and name of a function of ours that numba has wrapped."""
    function = getattr(thing, "py_func", None) or getattr(thing, "_defn", None)
    module = getattr(function, "__module__", None)
    if not isinstance(module, str) or not module.startswith(_OURS):
        return None
    name = str(getattr(function, "__name__", ""))
    return (module, name) if getattr(sys.modules.get(module), name, None) is thing else None


def _found(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


@contextlib.contextmanager
def _by_value(model: Model) -> Iterator[None]:
    """Let cloudpickle take a model's file, and modules beside it, by value."""
    import cloudpickle

    module = sys.modules.get(getattr(model.init, "__module__", None) or "")
    modules = _beside(module) if module is not None and is_model_file(module) else []
    for one in modules:
        cloudpickle.register_pickle_by_value(one)
    try:
        yield
    finally:
        for one in modules:
            cloudpickle.unregister_pickle_by_value(one)


def _beside(module: types.ModuleType) -> list[types.ModuleType]:
    """Return a model file's module and those of the same directory, which it may have imported."""
    directory = Path(str(module.__file__)).parent
    found = [module]
    for one in list(sys.modules.values()):
        file = getattr(one, "__file__", None)
        beside = isinstance(file, str) and Path(file).parent == directory
        if beside and one is not module and one.__name__ != "__main__":
            found.append(one)
    return found
