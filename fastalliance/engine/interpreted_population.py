"""A population's driver in pure Python: its rendered source, with formulas left uncompiled.

About a thousand times slower than compiled code, with the same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastalliance.engine.population import names, population_fields, scratch
from fastalliance.engine.render_population import render_population
from fastalliance.engine.structure import NOTHING
from fastalliance.kernels.interpret import interpreted
from fastalliance.kernels.intrinsics import PYTHON, shaped, stack_floats, stack_integers
from fastalliance.kernels.philox import Stream
from fastalliance.library.model import Model


def run_population(
    model: Model, parameters: Any, seed: int, instance: int, dt: float, n_steps: int
) -> tuple[float, ...]:
    """Return the outputs of one replicate without given arrays or a network.

    Parameters
    ----------
    parameters : tuple
        All that formulas see as ``p`` before `prepare`.
    instance : int
        Number of the instance, below 2^24.
    """
    prepared = parameters if model.prepare is None else interpreted(model.prepare)(parameters, dt)
    fields = population_fields(model, {}, prepared._fields, 1)
    namespace: dict[str, Any] = {
        **names(model),
        "Given": model.given,
        "Constants": type(prepared),
        "State": model.state,
        "Stream": Stream,
        "stack_floats": PYTHON[stack_floats],
        "stack_integers": PYTHON[stack_integers],
        "shaped": PYTHON[shaped],
    }
    for name, function in model.formulas().items():
        namespace["final" if name == "outputs" else name] = interpreted(function)
    namespace["mark_highest"] = interpreted(namespace["mark_highest"])
    exec(
        compile(render_population(model.name, fields), f"<driver of {model.name}>", "exec"),
        namespace,
    )
    points = np.array([parameters[: len(model.inputs)]], dtype=np.float64)
    sizes = len(model.parameters)
    outputs = np.empty((len(model.output_variables), 1, 1))
    with np.errstate(all="ignore"):
        namespace["run"](
            points,
            np.zeros((len(fields.population.inputs), 1, points.shape[1])),
            NOTHING.first_neighbours,
            NOTHING.neighbours,
            seed & 0xFFFFFFFF,
            seed >> 32,
            0,
            instance,
            1,
            False,
            dt,
            n_steps,
            0,
            outputs,
            np.empty((1, 1), dtype=np.bool_),
            np.empty((0, 1, 1, 0)),
            np.empty((0, 1, 1, 0)),
            np.empty((0, 1, 1, 0, 0)),
            *scratch(model, int(parameters[sizes]), int(parameters[sizes + 1]), 1),
        )
    return tuple(outputs[:, 0, 0].tolist())
