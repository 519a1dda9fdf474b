"""The dyad in hand-written C, compiled on the spot: the bar for the package's own kernel."""

from __future__ import annotations

import ctypes
import functools
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

SOURCE = Path(__file__).parent / "c" / "dyad.c"
N_PARAMETERS, N_OUTPUTS = 34, 14
DISSOLUTION_ENGAGEMENT = 32
# The last two let GCC use one instruction for a minimum, as LLVM does without them; nothing in the
# steps relies on NaN or signed zeros, and outputs are checked by their bits.
FLAGS = (
    "-O3",
    "-march=native",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-shared",
    "-fPIC",
    "-ffinite-math-only",
    "-fno-signed-zeros",
)
# GCC prefers 256 bits on most CPUs; which one is faster is measured. A compiler that knows no such
# option gets the last variant.
VARIANTS: tuple[tuple[str, ...], ...] = (
    ("-mprefer-vector-width=512",),
    ("-mprefer-vector-width=256",),
    (),
)
ARGUMENTS = [
    ctypes.c_void_p,  # points
    ctypes.c_int64,  # n_points
    ctypes.c_int64,  # first_point
    ctypes.c_int64,  # first_replicate
    ctypes.c_int64,  # n_replicates
    ctypes.c_uint64,  # seed
    ctypes.c_int,  # common_random_numbers
    ctypes.c_double,  # dt
    ctypes.c_int64,  # n_steps
    ctypes.c_int,  # noise
    ctypes.c_int,  # incidents
    ctypes.c_void_p,  # outputs
]


def missing() -> str:
    """Why this baseline cannot run here; empty where it can."""
    if shutil.which("cc") is None:
        return "no C compiler (cc) on the path"
    try:
        library()
    except RuntimeError as error:
        return str(error)
    return ""


@functools.cache
def library() -> ctypes.CDLL:
    """Compile the source at each vector width and return the faster library.

    Raises
    ------
    RuntimeError
        The compiler accepts none of the variants.
    """
    compiled, complaint = [], ""
    with tempfile.TemporaryDirectory() as directory:  # a loaded library survives its file
        for i, variant in enumerate(VARIANTS):
            if compiled and not variant:
                break
            target = Path(directory) / f"dyad{i}.so"
            command = ["cc", *FLAGS, *variant, "-o", str(target), str(SOURCE), "-lm"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                compiled.append(_load(target))
            else:
                complaint = done.stderr.strip().partition("\n")[0]
    if not compiled:
        raise RuntimeError(f"cc refused the C baseline: {complaint}")
    return min(compiled, key=_seconds)


def run(
    points: np.ndarray,
    *,
    seed: int,
    n_replicates: int,
    dt: float,
    n_steps: int,
    first_point: int = 0,
    first_replicate: int = 0,
    common_random_numbers: bool = False,
    noise: bool = True,
    incidents: bool = True,
) -> np.ndarray:
    """Outputs (14, n_points, n_replicates) of points (n_points, 34), one thread."""
    settings = (first_point, first_replicate, n_replicates, seed, common_random_numbers)
    return _call(library(), points, *settings, dt, n_steps, noise, incidents)


def _load(path: Path) -> ctypes.CDLL:
    loaded = ctypes.CDLL(str(path))
    loaded.dyad_run.argtypes = ARGUMENTS
    loaded.dyad_run.restype = None
    return loaded


def _call(loaded: ctypes.CDLL, points: np.ndarray, *settings: float) -> np.ndarray:
    rows = np.ascontiguousarray(points, dtype=np.float64)
    outputs = np.empty((N_OUTPUTS, len(rows), int(settings[2])))
    loaded.dyad_run(rows.ctypes.data, len(rows), *settings, outputs.ctypes.data)
    return outputs


def _seconds(loaded: ctypes.CDLL) -> float:
    """Best time of a small run, in seconds."""
    points = np.full((1, N_PARAMETERS), 0.5)
    points[:, DISSOLUTION_ENGAGEMENT] = 0.0  # nobody dissolves, so every step is computed
    best = np.inf
    for _ in range(5):
        start = time.perf_counter()
        _call(loaded, points, 0, 0, 4096, 0, 0, 0.125, 100, 1, 0)
        best = min(best, time.perf_counter() - start)
    return best
