"""Run model files with the kernel cache of the environment, and tell what happened as JSON.

``python -m tests.faults.cached_run FILE.py:NAME ...`` prints the outputs, the warnings, and how
many functions were compiled, not loaded.
"""

from __future__ import annotations

import json
import sys
import warnings

import numpy as np
from numba.core.event import install_recorder


def main(specs: list[str]) -> None:
    from fastalliance.engine import prepare_driver, run_points
    from fastalliance.study.model_file import load

    outputs = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        models = [load(spec) for spec in specs]
        with install_recorder("numba:compile") as recorder:
            for model in models:
                prepare_driver(model, np.array([model.defaults()]))
        for model in models:
            points = np.array([model.defaults()])
            block = run_points(model, points, seed=1, n_replicates=3, dt=0.5, n_steps=4)
            outputs.append(block.outputs[:, 0, :].tolist())
    said = [f"{warning.category.__name__}: {warning.message}" for warning in caught]
    compiled = sum(event.is_start for _, event in recorder.buffer)
    print(json.dumps({"outputs": outputs, "warnings": said, "compiled": compiled}))


if __name__ == "__main__":
    main(sys.argv[1:])
