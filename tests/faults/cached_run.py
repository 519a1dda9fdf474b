"""Run model files with the kernel cache of the environment, and tell what happened as JSON.

``python -m tests.faults.cached_run FILE.py:NAME ...`` prints the outputs, the warnings, and the
seconds that compiling or loading took.
"""

from __future__ import annotations

import json
import sys
import time
import warnings

import numpy as np


def main(specs: list[str]) -> None:
    from fastalliance.engine import prepare_driver, run_points
    from fastalliance.study.model_file import load

    outputs, seconds = [], 0.0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        models = [load(spec) for spec in specs]
        for model in models:
            points = np.array([model.defaults()])
            begin = time.perf_counter()
            prepare_driver(model, points)
            seconds += time.perf_counter() - begin
        for model in models:
            points = np.array([model.defaults()])
            block = run_points(model, points, seed=1, n_replicates=3, dt=0.5, n_steps=4)
            outputs.append(block.outputs[:, 0, :].tolist())
    said = [f"{warning.category.__name__}: {warning.message}" for warning in caught]
    print(json.dumps({"outputs": outputs, "warnings": said, "seconds": seconds}))


if __name__ == "__main__":
    main(sys.argv[1:])
