"""Whatever happens to the kernel cache costs compilation and one warning, never a result."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
import pytest

from fastalliance.engine import cache, compile, run_points
from fastalliance.engine.cache import CacheWarning
from fastalliance.study.model_file import load
from tests.faults.kernel_runs import compiled_files, expected, process, result, run, write_model

# --- in this process: as if it had just started ---------------------------------------------------


@pytest.fixture
def start(tmp_path, monkeypatch) -> Callable[[Path], list[str]]:
    """Return a function that loads and runs the model anew and returns the warnings."""
    spec = write_model(tmp_path / "model.py")

    def run_anew(folder: Path, times: int = 1) -> list[str]:
        monkeypatch.setenv(cache.ENVIRONMENT, str(folder))
        monkeypatch.setattr(cache, "_warned", set())
        compile._drivers.clear()
        model = load(spec)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(times):
                compile._drivers.clear()
                block = run_points(
                    model, np.array([[1.0]]), seed=1, n_replicates=3, dt=0.5, n_steps=4
                )
        np.testing.assert_array_equal(block.outputs[:, 0, :], expected())
        assert all(issubclass(warning.category, CacheWarning) for warning in caught)
        return [str(warning.message) for warning in caught]

    return run_anew


def file_in_the_way(folder: Path) -> Path:
    folder.write_text("a file")
    return folder


def below_a_file(folder: Path) -> Path:
    folder.write_text("a file")
    return folder / "cache"


def writable_by_all(folder: Path) -> Path:
    folder.mkdir()
    folder.chmod(0o777)
    return folder


def writable_by_group(folder: Path) -> Path:
    folder.mkdir()
    folder.chmod(0o770)
    return folder


def read_only(folder: Path) -> Path:
    if os.getuid() == 0:
        return Path("/proc/fastalliance")  # root may write anywhere else
    folder.mkdir()
    folder.chmod(0o500)
    return folder


def of_somebody_else(folder: Path) -> Path:
    if os.getuid() != 0:
        pytest.skip("only root can give a directory away")
    folder.mkdir()
    os.chown(folder, 12345, 12345)
    return folder


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (file_in_the_way, "File exists|Not a directory"),
        (below_a_file, "Not a directory"),
        (writable_by_all, "writable by others"),
        (writable_by_group, "writable by others"),
        (read_only, "Permission|No such file|Operation not permitted"),
        (of_somebody_else, "belongs to another user"),
    ],
)
def test_directory__that_cannot_be_used_costs_one_warning(tmp_path, start, make, reason):
    folder = make(tmp_path / "cache")
    (said,) = start(folder, times=2)
    assert f"kernel cache {folder} cannot be used" in said
    assert any(part in said for part in reason.split("|")), said
    assert not (folder.is_dir() and any(folder.iterdir()))


def test_directory__is_made_private(tmp_path, start):
    folder = tmp_path / "deep" / "cache"
    assert start(folder) == []
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert len(compiled_files(folder)) == 2
    assert start(folder) == []


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def garble(path: Path) -> None:
    path.write_bytes(os.urandom(300))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n# more")


DAMAGE = [
    *[("*.nbc", damage) for damage in (truncate, empty, garble, flip, append, Path.unlink)],
    *[("*.nbi", damage) for damage in (truncate, garble, Path.unlink)],
    *[("*.sha256", damage) for damage in (truncate, garble, Path.unlink)],
    *[("*.py", damage) for damage in (append, Path.unlink)],
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Return a cache that has the model's driver; to be copied."""
    folder = tmp_path_factory.mktemp("whole")
    run(write_model(folder / "model.py"), cache_dir=folder / "cache")
    return folder / "cache"


@pytest.mark.parametrize(("pattern", "damage"), DAMAGE)
def test_damage__is_noticed_and_put_right(tmp_path, start, whole, pattern, damage):
    folder = tmp_path / "cache"
    shutil.copytree(whole, folder)
    (path,) = folder.rglob(pattern)
    damage(path)
    assert start(folder) == []
    files = compiled_files(folder)
    assert len(files) == 2
    assert start(folder) == []
    assert compiled_files(folder) == files  # whole again: loaded, not compiled


def test_damage__a_planted_driver_is_never_executed(tmp_path, start, whole):
    folder = tmp_path / "cache"
    shutil.copytree(whole, folder)
    (source,) = folder.glob("*.py")
    source.write_text(source.read_text().replace("total = ", "total = 1.0 + "))
    assert start(folder) == []
    assert "1.0 + " not in source.read_text()


# --- in processes of their own --------------------------------------------------------------------


def test_start__warm_loads_what_cold_compiled(tmp_path):
    spec, folder = write_model(tmp_path / "model.py"), tmp_path / "cache"
    cold = run(spec, cache_dir=folder)
    files = compiled_files(folder)
    warm = run(spec, cache_dir=folder)
    assert cold["outputs"] == warm["outputs"] == [expected()]
    assert cold["warnings"] == warm["warnings"] == []
    assert compiled_files(folder) == files
    assert cold["compiled"] > 0
    assert warm["compiled"] == 0


def test_start__two_processes_compile_at_once(tmp_path):
    spec, folder = write_model(tmp_path / "model.py"), tmp_path / "cache"
    both = [process(spec, cache_dir=folder) for _ in range(2)]
    for found in map(result, both):
        assert found["outputs"] == [expected()]
        assert found["warnings"] == []
    assert run(spec, cache_dir=folder)["outputs"] == [expected()]


def test_disk__that_is_full_costs_one_warning(tmp_path):
    """A limit on file sizes stands for it: the source fits, the machine code does not."""
    spec, folder = write_model(tmp_path / "model.py"), tmp_path / "cache"
    found = run(spec, cache_dir=folder, limit=20_000)
    assert found["outputs"] == [expected()]
    (said,) = found["warnings"]
    assert said.startswith("CacheWarning: kernel cache")
    assert run(spec, cache_dir=folder)["warnings"] == []


@pytest.mark.parametrize("write", [1, 2])
def test_kill__during_a_write_leaves_a_usable_cache(tmp_path, write):
    spec, folder = write_model(tmp_path / "model.py"), tmp_path / "cache"
    killed = process(spec, cache_dir=folder, fault=f"during-cache-write:{write}")
    killed.communicate(timeout=120)
    assert killed.returncode == -signal.SIGKILL
    (left,) = folder.glob("*.tmp.*")
    old = time.time() - 7200.0
    os.utime(left, (old, old))
    found = run(spec, cache_dir=folder)
    assert found["outputs"] == [expected()]
    assert found["warnings"] == []
    assert not left.exists()


def test_directory__of_numba_is_used_and_checked_too(tmp_path, start, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "numba"))
    assert start(tmp_path / "cache") == []
    (compiled,) = (tmp_path / "numba").rglob("*.nbc")
    flip(compiled)
    assert start(tmp_path / "cache") == []
    assert compiled_files(tmp_path / "cache") == {}
