"""Commands on the installation: `doctor` checks and measures it, `bench` compares it."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import time
import warnings
from pathlib import Path
from typing import NamedTuple

from fastalliance.cli.exits import DONE, FAILED

_PACKAGES = (
    "numpy",
    "numba",
    "llvmlite",
    "xarray",
    "zarr",
    "dask",
    "scipy",
    "pydantic",
    "matplotlib",
    "rich",
)
_EXTRAS = ("h5netcdf", "h5py", "pyarrow")
_FEATURES = {"avx2": "AVX2", "fma": "FMA", "avx512f": "AVX-512"}
_SECONDS = 1.0  # of the measurement
_REPLICATES = 4096


class Finding(NamedTuple):
    """A line of the doctor's report; `verdict` is "ok", "note", "FAILED", or empty."""

    what: str
    text: str
    verdict: str = ""


def doctor(options: argparse.Namespace) -> int:
    """Check this installation and machine, and measure its speed."""
    from fastalliance.cli.console import Column, show_table

    findings = [*_installation(), *_machine(), *_kernels()]
    columns = (Column(whole=True), Column(), Column(whole=True))
    show_table(columns, findings)
    return FAILED if any(finding.verdict == "FAILED" for finding in findings) else DONE


def bench(options: argparse.Namespace) -> int:
    """Compare the dyad's kernel with other ways to compute it."""
    from fastalliance.bench import bench as measure

    out = None if options.to is None else Path(options.to)
    print(measure(rounds=options.rounds, tiny=options.tiny, out=out))
    return DONE


def _installation() -> list[Finding]:
    import fastalliance

    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES)
    missing = [name for name in _EXTRAS if not _installed(name)]
    extras = Finding("export", ", ".join(f"{n} {importlib.metadata.version(n)}" for n in _EXTRAS))
    if missing:
        text = f'lacks {", ".join(missing)}: pip install "fastalliance[export]"'
        extras = Finding("export", text, "note")
    python = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return [
        Finding("fastalliance", fastalliance.__version__),
        Finding("Python", python),
        Finding("packages", versions),
        extras,
    ]


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _machine() -> list[Finding]:
    import llvmlite.binding

    from fastalliance.executors import thread_count
    from fastalliance.store.provenance import cpu_name
    from fastalliance.study.axes import free_memory
    from fastalliance.study.plan import size_text

    findings = [Finding("processor", cpu_name())]
    if platform.machine().lower() in ("x86_64", "amd64"):
        has = llvmlite.binding.get_host_cpu_features()
        text = ", ".join(f"{t} {'yes' if has.get(n) else 'no'}" for n, t in _FEATURES.items())
        fast = has.get("fma") and has.get("avx2")
        known = (text, "ok") if fast else (f"{text}; kernels will be slow", "note")
        findings.append(Finding("instructions", *known))
    forced = os.environ.get("NUMBA_CPU_NAME")
    if forced:
        findings.append(Finding("compiled for", f"{forced} (NUMBA_CPU_NAME)", "note"))
    findings.append(Finding("cores", f"{thread_count()} usable of {os.cpu_count()}"))
    free = free_memory()
    findings.append(Finding("free memory", "unknown" if free is None else size_text(free)))
    return findings


def _kernels() -> list[Finding]:
    """Compile or load the dyad's kernel, compare its bits with pure Python, and time it."""
    from fastalliance import library
    from fastalliance.engine import cache
    from fastalliance.engine.check import check_model

    model = library.get("dyad")
    began = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", cache.CacheWarning)
        check = check_model(model)
    seconds = time.perf_counter() - began
    complaints = [str(w.message) for w in caught if issubclass(w.category, cache.CacheWarning)]
    cached = (complaints[0], "note") if complaints else (str(cache.directory()), "ok")
    rate = _rate() / 1e6
    return [
        Finding("kernel cache", *cached),
        Finding("kernel", f"compiled or loaded, and checked, in {seconds:.1f} s", "ok"),
        Finding("bits", str(check), "ok" if check.identical else "FAILED"),
        Finding("speed", f"dyad with noise: {rate:,.0f} M instance-steps/s on one core"),
    ]


def _rate() -> float:
    """Return instance-steps per second of the dyad at its defaults on one thread."""
    import numpy as np

    from fastalliance import library
    from fastalliance.engine import run_points

    model = library.get("dyad")
    points = np.array([model.defaults()])
    n_steps = round(model.horizon / model.dt)
    done, began, elapsed = 0, time.perf_counter(), 0.0
    while elapsed < _SECONDS:
        run_points(model, points, seed=1, n_replicates=_REPLICATES, dt=model.dt, n_steps=n_steps)
        done += _REPLICATES * n_steps
        elapsed = time.perf_counter() - began
    return done / elapsed
