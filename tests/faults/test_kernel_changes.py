"""A changed model never gets its old machine code, and two models never each other's."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import fastalliance as fa
from fastalliance.engine import cache, kernel_hash, run_points
from fastalliance.study.model_file import load
from tests.faults.kernel_runs import compiled_files, expected, run, write_model

CHANGES = {
    "global": (("RATE", "RATE = 2.0"), ("RATE", "RATE = 3.0")),
    "array": (
        ("RATES[1]", "RATES = np.array([9.0, 2.0])"),
        ("RATES[1]", "RATES = np.array([9.0, 3.0])"),
    ),
    "tuple": (("RATES[1]", "RATES = (9.0, 2.0)"), ("RATES[1]", "RATES = (9.0, 3.0)")),
    "helper of a helper": (
        ("f(0.0)", "def g(x): return x + 2.0\ndef f(x): return g(x)"),
        ("f(0.0)", "def g(x): return x + 3.0\ndef f(x): return g(x)"),
    ),
    "default": (
        ("f()", "def f(x=2.0): return x"),
        ("f()", "def f(x=3.0): return x"),
    ),
    "closure": (
        ("f()", "def make(x):\n    return lambda: x\nf = make(2.0)"),
        ("f()", "def make(x):\n    return lambda: x\nf = make(3.0)"),
    ),
    "alias": (
        ("(f() + g() - g() + h() - f())", "def f(): return 2.0\ndef g(): return 3.0\nh = f"),
        ("(f() + g() - g() + h() - f())", "def f(): return 2.0\ndef g(): return 3.0\nh = g"),
    ),
    "decorated": (
        ("f(1.0)", "import numba\n@numba.njit\ndef f(x): return 2.0 * x"),
        ("f(1.0)", "import numba\n@numba.njit\ndef f(x): return 3.0 * x"),
    ),
    "module": (("own.f(1.0)", "import own"), ("own.f(1.0)", "import own ")),
}


@pytest.mark.parametrize("what", CHANGES)
def test_change__of_a_model_file_is_noticed(tmp_path, monkeypatch, what):
    """One cache directory, one path: the file's old result must never come back."""
    monkeypatch.setenv(cache.ENVIRONMENT, str(tmp_path / "cache"))
    path = tmp_path / "changing.py"
    hashes = []
    for turn in (0, 1, 0):
        factor, head = CHANGES[what][turn]
        sys.modules.pop("own", None)
        (tmp_path / "own.py").write_text(f"RATE = {2.0 + turn}\ndef f(x): return RATE * x\n")
        for stale in tmp_path.glob("__pycache__/own*"):
            stale.unlink()
        model = load(write_model(path, factor, head))
        block = run_points(model, np.array([[1.0]]), seed=1, n_replicates=3, dt=0.5, n_steps=4)
        np.testing.assert_allclose(
            block.outputs[:, 0, :], expected(2.0 + turn), rtol=1e-15, err_msg=what
        )
        hashes.append(kernel_hash(model))
    sys.modules.pop("own", None)
    assert hashes[0] == hashes[2] != hashes[1]


def test_change__is_noticed_by_another_process(tmp_path):
    path, folder = tmp_path / "model.py", tmp_path / "cache"
    for factor in (2.0, 3.0):
        spec = write_model(path, "f(0.0)", f"def f(x): return x + {factor}")
        assert run(spec, cache_dir=folder)["outputs"] == [expected(factor)]


def test_change__of_a_global_in_a_running_process_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.ENVIRONMENT, str(tmp_path / "cache"))
    model = load(write_model(tmp_path / "model.py", "RATE", "RATE = 2.0"))
    before = fa.simulate(model, replicates=3, seed=1)
    model.step.__globals__["RATE"] = 3.0
    after = fa.simulate(model, replicates=3, seed=1)
    assert before["x"].values.tolist() == expected(2.0)[0]
    assert after["x"].values.tolist() == expected(3.0)[0]
    assert before.attrs["kernel_hash"] != after.attrs["kernel_hash"]


def test_hash__ignores_globals_that_only_share_a_field_s_name(tmp_path):
    path = tmp_path / "model.py"
    first = kernel_hash(load(write_model(path, head="x = 1.0\nstart = object()")))
    second = kernel_hash(load(write_model(path, head="x = 2.0\nstart = object()")))
    assert first == second


def test_names__that_two_models_share_do_not_mix(tmp_path):
    """Models, helpers and states of equal names in one process: cold, and loaded from the cache."""
    plain = "def f(x): return x * {}\n"
    decorated = "import numba\n@numba.njit\ndef f(x): return x * {}\n"
    recursive = "def f(x, n=3): return x * {} if n == 0 else f(x, n - 1)\n"  # is not inlined
    specs = [
        write_model(tmp_path / "a.py", "f(1.0)", plain.format(2.0)),
        write_model(tmp_path / "b.py", "f(1.0)", plain.format(3.0)),
        write_model(tmp_path / "c.py", "f(1.0)", decorated.format(4.0)),
        write_model(tmp_path / "d.py", "f(1.0)", decorated.format(5.0)),
        write_model(tmp_path / "e.py", "f(1.0)", recursive.format(6.0)),
        write_model(tmp_path / "f.py", "f(1.0)", recursive.format(7.0)),
    ]
    wanted = [expected(factor) for factor in (2.0, 3.0, 4.0, 5.0, 6.0, 7.0)]
    folder = tmp_path / "cache"
    for spec, outputs in zip(specs[2:], wanted[2:], strict=True):
        assert run(spec, cache_dir=folder)["outputs"] == [outputs]  # each compiled by its own
    assert run(*specs, cache_dir=folder)["outputs"] == wanted
    files = compiled_files(folder)
    assert run(*specs[::-1], cache_dir=folder)["outputs"] == wanted[::-1]
    assert compiled_files(folder) == files
