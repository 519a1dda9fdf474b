"""A small model file, and processes that run it with a kernel cache of their own."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]

MODEL = """
from typing import NamedTuple
import numpy as np
import fastalliance as fa
{head}
class State(NamedTuple):
    x: float

def init(p, stream):
    return State(p.start)

def step(s, p, stream, k, t, dt):
    return State(s.x + dt * {factor})

MODEL = fa.Model(
    name="growth", summary="growth", citation="none", time_unit="month", horizon=2.0, dt=0.5,
    parameters=[fa.Parameter("start", 1.0)], state=State, init=init, step=step,
    outputs=lambda s, p: (s.x,), output_variables=[fa.Output("x")],
)
"""


def write_model(path: Path, factor: str = "2.0", head: str = "") -> str:
    path.write_text(MODEL.format(factor=factor, head=head))
    return f"{path}:MODEL"


def process(
    *specs: str, cache_dir: Path, fault: str = "", limit: int = 0, **environment: str
) -> subprocess.Popen[str]:
    """Start a process that runs model files with a kernel cache."""

    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.Popen(
        [sys.executable, "-m", "tests.faults.cached_run", *specs],
        cwd=REPOSITORY,
        env={
            **os.environ,
            "FASTALLIANCE_CACHE_DIR": str(cache_dir),
            "FASTALLIANCE_FAULT": fault,
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit_files if limit else None,
    )


def run(*specs: str, cache_dir: Path, **options: Any) -> dict[str, Any]:
    return result(process(*specs, cache_dir=cache_dir, **options))


def result(running: subprocess.Popen[str]) -> dict[str, Any]:
    out, errors = running.communicate(timeout=120)
    assert running.returncode == 0, errors
    found: dict[str, Any] = json.loads(out)
    return found


def compiled_files(folder: Path) -> dict[str, int]:
    return {p.name: p.stat().st_mtime_ns for p in sorted(folder.rglob("*.nb[ic]"))}


def expected(factor: float = 2.0) -> list[list[float]]:
    """Return the outputs of `run` for a model whose factor is this."""
    return [[1.0 + 4 * 0.5 * factor] * 3]
