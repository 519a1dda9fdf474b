"""Loading a user's own model: the file and the name in it that the command line gives."""

from __future__ import annotations

import hashlib
import os
import sys
import traceback
import types
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fastalliance.configuration.messages import printable
from fastalliance.errors import FastAllianceError, ModelError, suggestion
from fastalliance.library.model import Model

_PREFIX = "_fastalliance_model_"


def load(spec: str) -> Model:
    """Run a Python file and return the model of the given name in it.

    The file becomes a module under a name that depends on its path alone, so that references to
    its functions stay valid. Modules beside the file can be imported by it.

    Parameters
    ----------
    spec : str
        ``"path/to/file.py:NAME"``.

    Raises
    ------
    ModelError
        There is no such file or name, it is no model, or running the file fails; the message says
        where.
    """
    file, colon, name = spec.rpartition(":")
    if not (colon and file and name.isidentifier()):
        raise ModelError(f"a model file is given as FILE.py:NAME, got {printable(repr(spec))}")
    module = _run(Path(file))
    return _model(module, name, printable(file))


def spec_of(model: Model) -> str | None:
    """Return ``FILE:NAME`` of a model that was loaded from its file; None of others."""
    module = sys.modules.get(getattr(model.init, "__module__", None) or "")
    if module is None or not is_model_file(module):
        return None
    name = next((key for key, value in vars(module).items() if value is model), None)
    return None if name is None else f"{module.__file__}:{name}"


def is_model_file(module: types.ModuleType) -> bool:
    """Say whether a module is the file of a model that was given by name."""
    return module.__name__.startswith(_PREFIX)


def _run(path: Path) -> types.ModuleType:
    shown = printable(str(path))
    try:
        source = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise ModelError(f"model file {shown} cannot be read: {reason}") from None
    absolute = os.path.realpath(path)
    module = types.ModuleType(_module_name(absolute))
    module.__file__ = absolute
    sys.modules[module.__name__] = module
    try:
        with _importable(Path(absolute).parent):
            # Compiled here, without a cache of bytecode beside the user's file: it is known to
            # serve the old code of a file that changed within a second.
            exec(compile(source, absolute, "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[module.__name__]
        raise ModelError(_explain(error, absolute, shown)) from error
    return module


def _module_name(path: str) -> str:
    return _PREFIX + hashlib.sha256(os.fsencode(path)).hexdigest()[:16]


@contextmanager
def _importable(directory: Path) -> Iterator[None]:
    entry = str(directory)
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        with suppress(ValueError):  # the file may have changed the path itself
            sys.path.remove(entry)


def _explain(error: BaseException, path: str, shown: str) -> str:
    """Return what went wrong and on which line of the user's file."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return f"model file {shown}, line {error.lineno}: {printable(str(error.msg))}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == path]
    where = f"model file {shown}, line {lines[-1]}" if lines else f"model file {shown}"
    text = " ".join(str(error).split())
    if not isinstance(error, FastAllianceError):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return f"{where}: {printable(text)}"


def _model(module: types.ModuleType, name: str, shown: str) -> Model:
    models = [key for key, value in vars(module).items() if isinstance(value, Model)]
    if name not in vars(module):
        raise ModelError(f"model file {shown} has no model {name!r}{suggestion(name, models)}")
    model = getattr(module, name)
    if not isinstance(model, Model):
        raise ModelError(
            f"model file {shown}: {name} must be a fa.Model, it is of type {type(model).__name__}"
            f"{suggestion(name, models)}"
        )
    return model
