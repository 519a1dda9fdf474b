"""Reading handles, status, provenance, and what processes are asked."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from fastalliance.errors import StoreError
from fastalliance.store import RunStore, process, provenance, read, status
from tests.faults import toy


def test_read__a_finished_store(tmp_path: Path) -> None:
    handle = read(toy.finished(tmp_path / "run.zarr"))
    assert handle.complete
    assert handle.done.tolist() == [0, 1, 2, 3, 4, 5]
    assert set(handle.arrays) == {"x", "x_mean", "x_std", "n_invalid", "point", "trust", "rule"}
    assert handle.attrs["configuration"]["parameters"]["halflife"] == float("inf")
    assert handle.packed == {}
    with xr.open_zarr(handle.zarr_store(), consolidated=False) as checked:
        np.testing.assert_array_equal(checked["x_std"].values, handle.read_array("x_std"))
    assert handle.read_array("rule").shape == ()
    with pytest.raises(StoreError, match="y is no array"):
        handle.read_array("y")


def test_read__metadata_that_change_afterwards_are_not_what_zarr_reads(tmp_path: Path) -> None:
    path = toy.finished(tmp_path / "run.zarr")
    handle = read(path)
    document = path / "x_std" / "zarr.json"
    written = json.loads(document.read_text())
    document.write_text(json.dumps(written | {"data_type": "float32"}))
    with xr.open_zarr(handle.zarr_store(), consolidated=False) as checked:
        assert checked["x_std"].dtype == np.float64
        np.testing.assert_array_equal(checked["x_std"].values, handle.read_array("x_std"))
    with pytest.raises(StoreError, match="x_std"):
        read(path)


def test_read__an_unfinished_store(tmp_path: Path) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [1, 4])
    with RunStore.open(path, toy.layout()) as store:
        store.write(2, toy.tile_data(2))  # not recorded
        handle = read(path)
    assert not handle.complete
    assert handle.done.tolist() == [1, 4]
    assert set(handle.arrays) == {"x", "point", "trust", "rule"}
    assert handle.packed == {"statistics": (4, 3)}
    values = handle.read_packed("statistics", 1, 3)
    np.testing.assert_array_equal(values[0], toy.tile_data(1).packed["statistics"])
    assert np.isnan(values[1]).all()
    with pytest.raises(StoreError, match="moments is no packed array"):
        handle.read_packed("moments", 0, 1)
    with xr.open_zarr(handle.zarr_store(), consolidated=False) as dataset:
        assert np.isnan(dataset["x"].values[:4]).all()


def test_read__a_store_that_is_finished_meanwhile_says_so(tmp_path: Path) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [1])
    handle = read(path)
    toy.finished(path)
    with pytest.raises(StoreError, match="finished since it was opened; open it again"):
        handle.read_packed("statistics", 1, 2)


def test_read__the_checked_store_can_be_pickled(tmp_path: Path) -> None:
    store = read(toy.finished(tmp_path / "run.zarr")).zarr_store()
    again = pickle.loads(pickle.dumps(store))
    with xr.open_zarr(again, consolidated=False) as dataset:
        dataset["x_mean"].load()
    (tmp_path / "run.zarr/x_mean/c.0").unlink()
    with (
        xr.open_zarr(again, consolidated=False) as dataset,
        pytest.raises(StoreError, match="array x_mean"),
    ):
        dataset["x_mean"].load()


def test_read__refuses_foreign_arrays_outside_the_allow_list(tmp_path: Path) -> None:
    path = toy.finished(tmp_path / "run.zarr")
    group = zarr.open_group(path, mode="a")
    group.create_array("fine", data=np.arange(24.0), chunks=(8,), dimension_names=["point"])
    with xr.open_zarr(read(path).zarr_store(), consolidated=False) as dataset:
        assert dataset["fine"].values[-1] == 23.0
    group.create_array("note", shape=(1,), dtype="complex128", chunks=(1,), dimension_names=["a"])
    with pytest.raises(StoreError, match="array note is refused: data type 'complex128'"):
        read(path)


def test_read__refuses_changed_structure_but_not_attributes(tmp_path: Path) -> None:
    path = toy.finished(tmp_path / "run.zarr")
    zarr.open_group(path, mode="a")["x_mean"].attrs["note"] = "looked at"
    read(path)
    document = json.loads((path / "x_mean/zarr.json").read_text())
    document["shape"] = [23]
    (path / "x_mean/zarr.json").write_text(json.dumps(document))
    with pytest.raises(StoreError, match="array x_mean is damaged"):
        read(path)


@pytest.mark.parametrize("function", [read, status])
def test_read__nothing_there(tmp_path: Path, function: object) -> None:
    assert callable(function)
    with pytest.raises(StoreError, match="there is no store at"):
        function(tmp_path / "run.zarr")
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file"):
        with pytest.raises(StoreError) as caught:
            function(path)
        assert str(caught.value) == f"{path} is no store of fastalliance"
    (tmp_path / "zarr.json").write_text(
        '{"zarr_format": 3, "node_type": "group", "attributes": {}}'
    )
    with pytest.raises(StoreError, match=r"is no store of fastalliance$"):
        function(tmp_path)  # somebody else's zarr group


def test_status__of_a_running_and_a_finished_run(tmp_path: Path) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [0, 2])
    idle = status(path)
    assert (idle.n_done, idle.n_tiles, idle.complete) == (2, 6, False)
    assert (idle.owner, idle.finished, idle.n_invalid, idle.n_points) == (None, None, None, None)
    with RunStore.open(path, toy.layout()) as store:
        owner = status(path).owner
        assert owner is not None
        assert (owner.pid, owner.state) == (os.getpid(), process.State.ALIVE)
        toy.drive(store, 6)
    done = status(path)
    assert (done.n_done, done.complete, done.owner) == (6, True, None)
    assert done.n_invalid == sum(4 * (tile % 3) for tile in range(6))
    assert done.configuration_hash == "c0ffee"
    assert done.versions["fastalliance"] == "0.1.0"
    assert done.versions["numpy"] == np.__version__
    assert done.started is not None
    assert done.finished is not None
    assert done.n_bytes == sum(len(data) for data in toy.tree(path).values())


def test_status__tells_points_where_the_attributes_do(tmp_path: Path) -> None:
    RunStore.open(tmp_path / "run.zarr", toy.layout(n_points=24)).close()
    assert status(tmp_path / "run.zarr").n_points == 24


def test_store__is_imported_without_zarr_and_xarray() -> None:
    code = "import sys, fastalliance.store; sys.exit(bool({'zarr', 'xarray'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Provenance -----------------------------------------------------------------------------------


def test_difference__names_fields_and_shows_both_values() -> None:
    old = {"a": {"b": 1, "c": [1, 2]}, "d": "x", "same": 1.0, "flag": True}
    new = {"a": {"b": 2, "c": [1, 2, 3]}, "e": None, "same": 1, "flag": 1}
    assert provenance.difference(old, new) == [
        "a.b: 1 -> 2",
        "a.c: [1, 2] -> [1, 2, 3]",
        "d: 'x' -> (not set)",
        "e: (not set) -> None",
        "flag: True -> 1",
    ]


def test_difference__stays_short() -> None:
    lines = provenance.difference({str(i): 0 for i in range(50)}, {"0": "z" * 1000})
    assert len(lines) == provenance.MAX_DIFFERENCES + 1
    assert lines[-1] == "and 30 more"
    assert max(map(len, lines)) < 100


def test_git_commit__is_read_from_the_checkout(tmp_path: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    git = tmp_path / "source" / ".git"
    assert provenance.git_commit(git.parent) is None
    (git / "refs/heads").mkdir(parents=True)
    (git / "HEAD").write_text(f"{commit}\n")
    assert provenance.git_commit(git.parent) == commit
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    assert provenance.git_commit(git.parent) is None  # nothing committed yet
    (git / "packed-refs").write_text(f"# pack-refs\n{commit[::-1]} refs/heads/main\n")
    assert provenance.git_commit(git.parent) == commit[::-1]
    (git / "refs/heads/main").write_text(f"{commit}\n")
    assert provenance.git_commit(git.parent) == commit
    worktree = git / "worktrees" / "w"
    worktree.mkdir(parents=True)
    (worktree / "HEAD").write_text("ref: refs/heads/main\n")
    (worktree / "commondir").write_text("../..\n")
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / ".git").write_text(f"gitdir: {worktree}\n")
    assert provenance.git_commit(tmp_path / "w") == commit


# Processes ------------------------------------------------------------------------------------


def test_process__own_token_is_alive_and_a_child_s_dies_with_it() -> None:
    assert process.state_of(process.token()) is process.State.ALIVE
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    token = process._own_token(child.pid)
    assert process.state_of(token) is process.State.ALIVE
    assert process.state_of(f"{token}-17") is process.State.ALIVE
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, and a zombie until waited for
    assert process.state_of(token) is process.State.DEAD
    child.communicate()
    assert process.state_of(token) is process.State.DEAD


def test_process__without_proc_is_asked_of_ps(monkeypatch: pytest.MonkeyPatch) -> None:
    start = process._start_by_ps(os.getpid())
    if start is None:
        pytest.skip("there is no ps here")
    assert start == process._start_by_ps(os.getpid())
    monkeypatch.setenv("PATH", "/nonexistent")
    assert process._start_by_ps(os.getpid()) is None


@pytest.mark.parametrize("token", ["", "nonsense", "0" * 12 + "-1-1", "f" * 12 + "-99999-ab-3"])
def test_process__elsewhere_is_unknown(token: str) -> None:
    assert process.state_of(token) is process.State.UNKNOWN
