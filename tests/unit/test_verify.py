"""`fa.verify` on intact stores of every kind, on other versions' stores, and what it refuses."""

from __future__ import annotations

import dataclasses
import json
import signal
from pathlib import Path

import numpy as np
import pytest

import fastalliance as fa
from fastalliance.errors import ConfigError, ModelError, StoreError
from fastalliance.store.verification import inspect
from fastalliance.study import labels
from fastalliance.study.checks import ResultWarning
from fastalliance.study.progress import NoProgress
from fastalliance.study.tiles import Tiling
from fastalliance.study.verifying_choice import sampled
from fastalliance.study.verifying_tiles import count_different
from tests.faults import verified
from tests.unit.small_model import MODEL as SMALL


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("kind", verified.STUDIES)
def test_complete__is_equal(tmp_path, kind, threads):
    path = verified.complete(kind, tmp_path / "run.zarr")
    found = fa.verify(path, model=verified.model_of(kind), tiles="all", threads=threads)
    n_tiles = {"kept": 3, "blocks": 6, "members": 2}[kind]
    assert found
    assert (found.tiles_recomputed, found.tiles_equal, found.tiles_different) == (n_tiles,) * 2 + (
        0,
    )
    assert found.values_compared == _n_values(path)
    assert (found.values_different, found.damage, found.differences) == (0, (), ())
    assert found.n_chunks == len([*path.glob("*/c.*")])
    assert found.verdict == f"equal: {n_tiles} of {n_tiles} tiles recomputed bit for bit"


def _n_values(path: Path) -> int:
    """Return the number of values of all arrays: each of them is compared."""
    contents = inspect(path)
    return sum(int(np.prod(info.shape)) for info in contents.handle.arrays.values())


@pytest.mark.parametrize(
    ("kind", "tiles"), [("kept", [2]), ("blocks", [0, 1, 5]), ("members", [0, 1]), ("kept", [])]
)
def test_unfinished__tiles_that_are_done_are_equal(tmp_path, kind, tiles):
    path = verified.unfinished(kind, tmp_path / "run.zarr", tiles)
    found = fa.verify(path, model=verified.model_of(kind), tiles="all")
    assert found
    assert (found.n_done, found.tiles_recomputed, found.tiles_equal) == (len(tiles),) * 3
    ending = "not labelled yet: run it again" if kind == "members" else "not done yet: "
    assert ending in found.verdict
    assert not inspect(path).handle.complete


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"design": fa.sample(8, ranges={"start": (0.0, 1.0), "members": (1, 4)}, seed=2)},
        {"design": fa.table({"mode": ["wild", "calm"], "start": [1.0, 2.0]})},
        {"design": fa.grid(mode=["wild", "calm"], start=[0.0, 1.0]), "common_random_numbers": True},
        {"design": {"grid": {"start": {"linspace": [0.0, 1.0, 5]}}}, "dt": 0.25},
    ],
    ids=["one point", "sample", "table", "grid", "rule"],
)
def test_design__of_every_kind_is_equal(tmp_path, fields):
    path = tmp_path / "run.zarr"
    fa.Study(SMALL, replicates=5, seed=2**64 - 1, keep={"replicates": True}, **fields).run(
        store=path
    )
    found = fa.verify(path, model=SMALL, tiles="all")
    assert found, found
    assert found.values_compared == _n_values(path)
    (path / "start" if (path / "start").exists() else path / "replicate").joinpath("c.0").unlink()
    assert fa.verify(path, model=SMALL, repair=True), "its configuration tells its coordinates"


def test_population__of_sizes_that_vary(tmp_path):
    path = tmp_path / "run.zarr"
    fa.Study(
        "exit_cascade",
        design=fa.grid(members=[4, 6]),
        structure={"industries": 2, "network": {"kind": "erdos_renyi", "mean_degree": 2.0}},
        replicates=4,
        horizon=4,
        keep={"members": True, "replicates": True, "trajectories": {"every": 1.0, "replicates": 2}},
    ).run(store=path)
    assert fa.verify(path, tiles="all")


def test_slabs__of_few_points_are_all_compared(tmp_path, monkeypatch):
    monkeypatch.setattr(labels, "_SLAB_POINTS", 2)
    path = verified.complete("kept", tmp_path / "run.zarr")
    assert (path / "level_end_mean/c.2.0").exists()
    found = fa.verify(path, model=SMALL, tiles="all", threads=3)
    assert found
    assert found.values_compared == _n_values(path)
    verified.change(path, "level_end_mean/c.1.0")
    found = fa.verify(path, model=SMALL, tiles="all", threads=3)
    assert found.differences == ("tile 1 gives other statistics: level_end_mean/c.1.0 differ",)


def test_blocks__are_merged_in_the_order_of_the_run(tmp_path):
    path = tmp_path / "run.zarr"
    fields = {"horizon": 1.0, "statistics": {"quantiles": [0.3]}}
    fa.Study(SMALL, design=fa.grid(hit_rate=[0.3, 0.9]), replicates=12_000, **fields).run(
        store=path, points_per_tile=1
    )
    found = fa.verify(path, model=SMALL, tiles="all", threads=3)
    assert found, found
    assert found.values_compared == _n_values(path)


def test_points__with_some_of_their_tiles_do_not_hide_others(tmp_path):
    path = verified.complete("blocks", tmp_path / "run.zarr")
    seed = next(seed for seed in range(20) if _sample(path, 2, seed) == {0, 1})
    before = fa.verify(path, model=SMALL, tiles=2, seed=seed)
    (path / "hits_path/c.1.0.0").unlink()  # made by tile 2, the first block of another point
    found = fa.verify(path, model=SMALL, tiles=2, seed=seed, repair=True)
    assert found
    assert found.tiles_recomputed == 3
    assert found.values_compared > before.values_compared


# Other versions, and other models -------------------------------------------------------------


def test_other_kernels__with_the_same_values_are_said_and_equal(tmp_path):
    path = verified.complete("kept", tmp_path / "run.zarr")
    verified.change_attributes(path, kernel_hash="f" * 64, history=[])
    with pytest.warns(ResultWarning, match=r"computed by other kernels \(version .*ffffffffffff"):
        found = fa.verify(path, model=SMALL, tiles="all")
    assert found
    assert found.other_kernels


def other_outputs(s, p):
    return (s.level * 2.0, 1.0 if s.hits > 0.0 else 0.0, s.hits, p.mode, s.first_hit)


def test_other_kernels__with_other_values_are_said_and_different(tmp_path):
    path = verified.complete("kept", tmp_path / "run.zarr")
    (path / "level_end/c.1.0.0").unlink()
    before = verified.stamps(path)
    changed = dataclasses.replace(SMALL, outputs=other_outputs)
    with pytest.warns(ResultWarning, match="was computed by other kernels"):
        found = fa.verify(path, model=changed, tiles="all", repair=True)
    assert not found
    assert (found.tiles_equal, found.tiles_different) == (0, 3)
    assert len([d for d in found.differences if "SHA-256" in d]) == 3
    assert found.repaired == ()
    assert verified.stamps(path) == before


def test_other_kernels__repair_nothing_of_a_lost_row(tmp_path):
    path = verified.complete("kept", tmp_path / "run.zarr")
    verified.change_attributes(path, kernel_hash="f" * 64, history=[])
    (path / "level_end/c.1.0.0").unlink()
    (path / "level_end_mean/c.0.0").unlink()
    verified.truncate(verified.ledger_files(path)[0])
    before = verified.stamps(path)
    with pytest.warns(ResultWarning, match="nothing without a digest is repaired"):
        found = fa.verify(path, model=SMALL, repair=True)
    assert [item.name for item in found.left] == ["ledger", "level_end", "level_end_mean"]
    assert "restore the file from a copy" in found.verdict
    assert verified.stamps(path) == before


def test_other_kernels__leave_the_ledger_of_an_unfinished_store(tmp_path):
    path = verified.unfinished("kept", tmp_path / "run.zarr", [0, 2])
    verified.change_attributes(path, kernel_hash="f" * 64, history=[])
    verified.truncate(verified.ledger_files(path)[0])
    before = verified.stamps(path)
    with pytest.warns(ResultWarning, match="nothing without a digest is repaired"):
        found = fa.verify(path, model=SMALL, repair=True)
    assert [item.name for item in found.left] == ["ledger"]
    assert verified.stamps(path) == before


def test_other_kernels__in_a_part_of_the_history_are_said(tmp_path):
    path = verified.complete("kept", tmp_path / "run.zarr")
    history = json.loads((path / "zarr.json").read_bytes())["attributes"]["history"]
    verified.change_attributes(path, history=[*history, {"kernel_hash": "e" * 64}])
    with pytest.warns(ResultWarning, match="was in part computed by other kernels"):
        assert fa.verify(path, model=SMALL)


def test_layout__of_another_version_is_refused(tmp_path):
    path = verified.complete("kept", tmp_path / "run.zarr")
    more = [*SMALL.output_variables, fa.Output("more")]
    changed = dataclasses.replace(
        SMALL, output_variables=more, outputs=lambda s, p: (*other_outputs(s, p), 1.0)
    )
    with (
        pytest.warns(ResultWarning, match="other kernels"),
        pytest.raises(StoreError, match="other tiles or arrays than this version makes"),
    ):
        fa.verify(path, model=changed)


def test_own_model__must_be_given(tmp_path):
    path = verified.complete("kept", tmp_path / "run.zarr")
    with pytest.raises(ModelError, match="'small', which is not built in; give it: --model-file"):
        fa.verify(path)
    with pytest.raises(ModelError, match="made with the model 'small', the one given is 'dyad'"):
        fa.verify(path, model=fa.model("dyad"))


def test_configuration__that_names_a_file_is_not_followed(tmp_path):
    path = verified.complete("blocks", tmp_path / "run.zarr")
    secret = tmp_path / "secret.csv"
    secret.write_text("start\n0\n1\n2\n")
    configuration = json.loads((path / "zarr.json").read_bytes())["attributes"]["configuration"]
    verified.change_attributes(
        path, configuration={**configuration, "design": {"table": str(secret)}}
    )
    found = fa.verify(path, model=SMALL)
    assert "names a file; it is not read" in found.verdict


# Samples --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two_blocks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return verified.complete("blocks", tmp_path_factory.mktemp("stores") / "run.zarr")


def _sample(path: Path, tiles: int, seed: int = 0) -> set[int]:
    contents = inspect(path)
    return sampled(contents, Tiling.from_plain(contents.handle.attrs["tiling"]), tiles, seed)


def test_sample__draws_whole_points_by_its_seed(two_blocks):
    drawn = {frozenset(_sample(two_blocks, 3, seed)) for seed in range(20)}
    assert drawn == {frozenset({0, 1}), frozenset({2, 3}), frozenset({4, 5})}
    assert _sample(two_blocks, 3, 5) == _sample(two_blocks, 3, 5)
    assert len(_sample(two_blocks, 1)) == 1
    assert _sample(two_blocks, 6) == set(range(6))


def test_sample__of_an_unfinished_store_has_tiles_that_are_done(tmp_path):
    path = verified.unfinished("blocks", tmp_path / "run.zarr", [1, 2, 3, 4])
    assert all(_sample(path, 2, seed) == {2, 3} for seed in range(5))
    assert {min(_sample(path, 1, seed)) for seed in range(40)} == {1, 2, 3, 4}


def test_sample__is_stated(two_blocks):
    found = fa.verify(two_blocks, model=SMALL, tiles=2, seed=7)
    assert found.tiles_recomputed == 2
    assert found.verdict == "equal: 2 of 6 tiles (drawn by seed 7) recomputed bit for bit"
    assert str(found).splitlines()[-1] == found.verdict
    assert found.values_compared > 0


# Bits -----------------------------------------------------------------------------------------


def test_bits__every_nan_equals_every_other_and_zero_has_a_sign():
    quiet, other = np.array([0x7FF8000000000000, 0xFFF8000000000123], dtype=np.uint64).view(
        np.float64
    )
    assert count_different(np.array([quiet, 1.0]), np.array([other, 1.0])) == 0
    assert count_different(np.array([0.0, 1.0, 2.0]), np.array([-0.0, 1.0, 2.0])) == 1
    assert count_different(np.array([np.nan, 1.0]), np.array([1.0, np.nan])) == 2
    assert count_different(np.array([1.0]), np.array([np.nextafter(1.0, 2.0)])) == 1


def test_bits__of_integers_shapes_and_types():
    assert count_different(np.arange(4), np.array([0, 1, 2, 7])) == 1
    assert count_different(np.array([True, False]), np.array([True, True])) == 1
    assert count_different(np.arange(4), np.arange(3)) == 3
    assert count_different(np.arange(4), np.arange(4.0)) == 4
    assert count_different(np.array(1.0), np.array(2.0)) == 1
    assert count_different(np.arange(4.0, dtype="<f8")[::2], np.array([0.0, 2.0])) == 0


# Progress, interruption, arguments ------------------------------------------------------------


class Interrupting(NoProgress):
    """Asks for an end after the first tile, as Ctrl-C would."""

    def __init__(self) -> None:
        self.total, self.steps = 0, 0

    def start(self, total: int, done: int) -> None:
        self.total = total

    def advance(self, steps: int) -> None:
        self.steps += steps
        if self.steps == steps:
            signal.raise_signal(signal.SIGINT)


def test_interrupt__ends_after_the_running_tiles(tmp_path):
    path = verified.complete("blocks", tmp_path / "run.zarr")
    before = verified.stamps(path)
    progress = Interrupting()
    with pytest.raises(KeyboardInterrupt, match=r"interrupted after [1-4] of 6 tiles"):
        fa.verify(path, model=SMALL, tiles="all", threads=1, progress=progress)
    assert 0 < progress.steps < progress.total
    assert verified.stamps(path) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tiles": 0}, "tiles must be a whole number >= 1, got 0"),
        ({"tiles": "some"}, "tiles must be a whole number >= 1, got 'some'"),
        ({"threads": 0}, "threads must be a whole number >= 1, got 0"),
        ({"seed": -1}, "seed must be a whole number >= 0, got -1"),
        ({"model": "small"}, "model must be a fa.Model, got 'small'"),
        (
            {"progress": 3},
            "progress must be True, False or a reporter with .* 3 lacks start",
        ),
    ],
)
def test_arguments__that_are_wrong_are_refused(two_blocks, options, message):
    with pytest.raises(ConfigError, match=message):
        fa.verify(two_blocks, **{"model": SMALL, **options})


def test_store__that_is_not_there(tmp_path):
    for repair in (False, True):
        with pytest.raises(StoreError, match="there is no store at"):
            fa.verify(tmp_path / "none.zarr", repair=repair)
    assert list(tmp_path.iterdir()) == []
