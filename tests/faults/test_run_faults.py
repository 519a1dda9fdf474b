"""Faults around a real study: full, read-only and vanished disks; a reader beside the writer."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import fastalliance as fa
from fastalliance.cli import main
from fastalliance.store import status
from fastalliance.study import runner, tile_data, tiles
from fastalliance.study.progress import NoProgress
from tests.cli.command import OWN_MODEL, command
from tests.faults import toy
from tests.faults.disks import fill, mounted

STUDY = """\
model: dyad
seed: 5
replicates: 100
horizon: 30
design: {grid: {initial_trust: {linspace: [0.2, 0.9, 32]}}}
keep: {replicates: true}
"""


@pytest.fixture(autouse=True)
def _a_study_of_many_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(tiles, "_MIN_TILE_STEPS", 48_000)  # two points
    monkeypatch.setattr(runner, "_RECORD_SECONDS", 0.0)
    Path("study.yaml").write_text(STUDY)


def run(store: Path | str, *options: str) -> tuple[int, str]:
    outcome = command("run", "study.yaml", "--quiet", "--threads", "1", "--store", store, *options)
    return outcome.code, outcome.err


def expected() -> str:
    assert run("reference.zarr") == (0, "")
    assert status("reference.zarr").n_tiles == 16
    return toy.values_hash(Path("reference.zarr"))


def after_tiles(monkeypatch: pytest.MonkeyPatch, n: int, action: Callable[[], object]) -> None:
    """Do something once, when `n` tiles have finished."""
    done = 0

    def advance(self: NoProgress, steps: int) -> None:
        nonlocal done
        done += 1
        if done == n:
            action()

    monkeypatch.setattr(NoProgress, "advance", advance)


def refused(store: Path, *parts: str) -> None:
    """Run; it must end with code 3 and one line that has the path and `parts`."""
    code, err = run(store)
    assert code == 3, err
    assert len(err.splitlines()) == 1, err
    for part in (f"fastalliance: error: {store}", *parts):
        assert part in err


def test_full_disk__stops_the_study_cleanly_and_it_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = expected()
    with mounted(tmp_path / "small", "4m") as small:
        store = small / "run.zarr"
        with monkeypatch.context() as filled:
            after_tiles(filled, 3, lambda: fill(small, 0))
            refused(
                store,
                "No space left on device",
                "the disk is full: free some space",
                "(what was missing at the start takes ",
            )
        after = status(store)
        assert 3 <= after.n_done + 1 < after.n_tiles  # what was noted before the disk was full
        assert after.owner is None
        with pytest.warns(UserWarning, match="is unfinished"):
            ds = fa.open(store)
        n_missing = int(np.isnan(ds["success_mean"]).sum())
        assert n_missing == 2 * (after.n_tiles - after.n_done)
        refused(store, "No space left on device")  # still full
        (small / "ballast").unlink()
        assert run(store) == (0, "")
        assert toy.values_hash(store) == values
        assert [p.name for p in (store / "_run/scratch").iterdir()] == ["zarr.json"]


def test_full_disk__found_at_the_end_keeps_all_tiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = expected()
    with mounted(tmp_path / "small", "4m") as small:
        store = small / "run.zarr"
        with monkeypatch.context() as filled:
            filled.setattr(NoProgress, "advance", lambda self, steps: None)
            record = runner.RunStore.record

            def record_then_fill(self: runner.RunStore, rows: list[tuple[int, str]]) -> None:
                record(self, rows)
                if not self.missing().size:
                    fill(small, 8192)

            filled.setattr(runner.RunStore, "record", record_then_fill)
            refused(store, "finalising the store failed: No space left on device")
        after = status(store)
        assert (after.n_done, after.complete) == (after.n_tiles, False)
        (small / "ballast").unlink()
        computed: list[int] = []
        monkeypatch.setattr(NoProgress, "advance", lambda self, steps: computed.append(steps))
        assert run(store) == (0, "")
        assert computed == []
        assert toy.values_hash(store) == values


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_full_disk__of_the_log_ends_no_run(tmp_path: Path) -> None:
    arguments = ["run", "study.yaml", "--store", "run.zarr"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "fastalliance", *arguments], stdout=subprocess.PIPE, stderr=full
        )
    assert done.returncode == 0
    assert b"store: run.zarr" in done.stdout
    assert status("run.zarr").complete


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_full_disk__of_the_output_is_said_and_leaves_the_store(tmp_path: Path) -> None:
    errors = io.StringIO()
    with (
        open("/dev/full", "w") as full,
        contextlib.redirect_stdout(full),
        contextlib.redirect_stderr(errors),
    ):
        assert main(["run", "study.yaml", "--quiet", "--store", "run.zarr"]) == 1
    assert errors.getvalue() == (
        "fastalliance: error: standard output cannot be written: No space left on device; what is "
        "in a store is kept\n"
    )
    assert status("run.zarr").complete


def test_read_only_directory__is_refused_before_computing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[int] = []
    monkeypatch.setattr(tile_data.TileComputer, "compute", lambda self, tile: computed.append(tile))
    with mounted(tmp_path / "small", "1m") as small:
        subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
        refused(small / "run.zarr", "the file system is read-only")
    assert computed == []


def test_vanished_directory__stops_at_once_and_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = expected()
    store = tmp_path / "run.zarr"
    with monkeypatch.context() as moved:
        after_tiles(moved, 3, lambda: store.rename(tmp_path / "moved.zarr"))
        refused(store, "has vanished")
    assert not store.exists()
    assert 0 < status("moved.zarr").n_done < 16
    (tmp_path / "moved.zarr").rename(store)
    # This process lives, and could not give a lease back that was out of its reach.
    assert run(store, "--break-lock") == (0, "")
    assert toy.values_hash(store) == values


def test_reader__beside_a_running_study_sees_finished_tiles_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected()
    reference = fa.open("reference.zarr").load()
    store = tmp_path / "run.zarr"
    seen: list[int] = []

    def look(self: NoProgress, steps: int) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".* is unfinished")
            ds = fa.open(store)
        assert ds.attrs["complete"] is False
        for name in ("success_mean", "trust_a_std", "n_invalid"):
            values = ds[name].values
            there = ~np.isnan(values)
            np.testing.assert_array_equal(values[there], reference[name].values[there])
        seen.append(int(there.sum()))

    monkeypatch.setattr(NoProgress, "advance", look)
    assert run(store) == (0, "")
    assert len(seen) == 16
    assert seen == sorted(seen)
    assert len(set(seen)) > 5
    assert max(seen) < 32


def test_opening__a_result_never_imports_the_model(tmp_path: Path) -> None:
    mark = tmp_path / "imported"
    Path("own.py").write_text(f"open({str(mark)!r}, 'w').close()\n{OWN_MODEL.read_text()}")
    Path("own.yaml").write_text("model: ornstein_uhlenbeck\nreplicates: 9\nstore: own.zarr\n")
    assert command("run", "own.yaml", "--quiet", "--model-file", "own.py:MODEL").code == 0
    mark.unlink()  # it was imported by its name on the command line
    program = """
        import sys, fastalliance as fa
        from fastalliance.cli import main
        unpickled = []
        sys.addaudithook(lambda event, _: event == "pickle.find_class" and unpickled.append(event))
        assert fa.open("own.zarr").load().attrs["model"] == "ornstein_uhlenbeck"
        assert not unpickled
        for arguments in (["status"], ["plot"], ["export", "--to", "own.csv"], ["replay"]):
            print(main([*arguments, "own.zarr"]))
        print("own" in sys.modules)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True
    )
    assert "--model-file" in done.stderr  # replay asks for it
    assert done.stdout.splitlines()[-1] == "False"
    assert Path("own.csv").exists()
    assert not mark.exists()


def test_secrets__of_the_environment_are_in_no_file_and_no_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = "c4n4ry-7f3e"
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "GITHUB_TOKEN", "PASSWORD"):
        monkeypatch.setenv(name, canary)
    outcomes = [
        command("run", "study.yaml", "--store", "run.zarr"),
        command("run", "study.yaml", "--store", "run.zarr", "--set", "seed=6"),
        command("status", "run.zarr"),
        command("doctor"),
    ]
    assert [outcome.code for outcome in outcomes[:3]] == [0, 3, 0]
    assert not any(canary in outcome.out + outcome.err for outcome in outcomes)
    files = toy.tree(tmp_path / "run.zarr")
    assert len(files) > 50
    assert not any(canary.encode() in data for data in files.values())
    assert canary in os.environ["PASSWORD"]
