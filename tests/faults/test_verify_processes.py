"""`verify` beside other runs, killed in mid-repair, and on what it never makes anew."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastalliance as fa
from fastalliance.errors import StoreError
from fastalliance.faults import VARIABLE
from fastalliance.store import files, process
from fastalliance.store.verification import inspect
from fastalliance.store.verification_repair import repairing
from fastalliance.study.verifying_scan import scan
from tests.faults import verified


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Undisturbed stores, never written to."""
    folder = tmp_path_factory.mktemp("stores")
    for kind in ("kept", "members"):
        verified.complete(kind, folder / f"{kind}.zarr")
    verified.unfinished("kept", folder / "kept-unfinished.zarr", [0, 2])
    return folder


@pytest.fixture
def copy(stores: Path, tmp_path: Path):
    def make(name: str) -> Path:
        return Path(shutil.copytree(stores / f"{name}.zarr", tmp_path / f"{name}.zarr"))

    return make


def verify(path: Path, **options: object) -> fa.study.verifying.Verification:
    model = verified.model_of(path.name.partition(".")[0].removesuffix("-unfinished"))
    return fa.verify(path, model=model, threads=1, **options)


@pytest.mark.parametrize("repair", [False, True])
@pytest.mark.parametrize("file", ["zarr.json", "_run/zarr.json", "hit/zarr.json", "n_hits"])
def test_damaged_metadata__are_refused_and_left(copy, file, repair):
    path = copy("kept")
    if file == "n_hits":
        (path / file / "zarr.json").unlink()
    else:
        verified.truncate(path / file)
    before = verified.stamps(path)
    with pytest.raises(StoreError, match=r"zarr\.json.*(missing|damaged).*--overwrite") as error:
        verify(path, repair=repair)
    assert len(str(error.value).splitlines()) == 1
    assert verified.stamps(path) == before


def test_two_repairs_at_once__the_second_is_refused(copy):
    path = copy("kept")
    (path / "level_end/c.1.0.0").unlink()
    with repairing(path):
        with pytest.raises(StoreError, match=rf"in use by process {os.getpid()}"):
            verify(path, repair=True)
        assert not verify(path)  # to look needs no lease
        assert not (path / "level_end/c.1.0.0").exists()
    assert verify(path, repair=True)


def test_repair__that_lost_its_lease_writes_nothing_more(copy):
    path = copy("kept")
    contents = inspect(path)
    values = contents.read_chunk("level_end", (1, 0, 0))
    with repairing(path) as repair:
        held = max((path / "_run/lease").glob("*.held"))
        held.rename(held.with_name("run-000009.held"))
        for write in (
            lambda: repair.write_chunk(contents, "level_end", (1, 0, 0), values),
            lambda: repair.record(contents, contents.rows),
        ):
            with pytest.raises(StoreError, match="another run has taken this store over"):
                write()


@pytest.mark.parametrize("point", ["during-repair", "during-ledger-repair"])
def test_kill__during_a_repair_leaves_what_can_be_repaired(copy, stores, point):
    path = copy("members")
    (path / "exit_time/c.0.0.0").unlink()
    (path / "exit_time/c.1.0.0").write_bytes(b"")
    verified.truncate(verified.ledger_files(path)[0])
    code = f"import fastalliance as fa; fa.verify({str(path)!r}, repair=True)"
    killed = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, VARIABLE: point}, capture_output=True
    )
    assert killed.returncode == -9, killed.stderr
    assert not verify(path)
    assert verify(path, repair=True)
    assert verified.files_of(path) == verified.files_of(stores / "members.zarr")
    assert verified.rows_of(path) == verified.rows_of(stores / "members.zarr")


def test_repair__sweeps_what_a_killed_one_left(copy):
    path = copy("kept")
    ended = subprocess.Popen([sys.executable, "-c", "pass"])
    ended.wait()
    dead = process.token().replace(str(os.getpid()), str(ended.pid))
    (path / f"_run/scratch/part-{dead}-0").write_text("half a chunk")
    assert files.orphans(path / "_run/scratch")
    assert verify(path, repair=True)
    assert [p.name for p in (path / "_run/scratch").iterdir()] == ["zarr.json"]


def test_finished_meanwhile__is_said_and_no_damage(copy, monkeypatch):
    path = copy("kept-unfinished")

    def scan_late(*arguments, **options):
        verified.complete("kept", path)
        return scan(*arguments, **options)

    monkeypatch.setattr("fastalliance.study.verifying.scan", scan_late)
    with pytest.raises(StoreError, match="has been finished since it was opened; verify it again"):
        verify(path)
    monkeypatch.undo()
    assert verify(path)


def test_unreadable_sector__is_damage(copy, monkeypatch):
    path = copy("kept")
    bad = path / "level_end/c.1.0.0"
    read_bytes = Path.read_bytes

    def failing(self: Path) -> bytes:
        if self == bad:
            raise OSError(5, "Input/output error")
        return read_bytes(self)

    monkeypatch.setattr(Path, "read_bytes", failing)
    (item,) = verify(path).damage
    assert (item.path, item.reason) == (bad, "cannot be read: the disk reports an error")
