"""Plans: what a study takes on some cores, from a usual rate or from one that was measured."""

import dataclasses
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import fastalliance as fa
from fastalliance.engine import run as engine_run
from fastalliance.engine.run import literals
from fastalliance.study import calibration
from fastalliance.study.planning import plan
from fastalliance.study.progress import NoProgress
from fastalliance.study.rates import DASK_SECONDS, READ_SECONDS, WRITE_SECONDS, Compressed, Rates
from fastalliance.study.structure import GivenStructure
from fastalliance.study.tile_data import TileComputer
from tests.unit.small_model import MODEL

EVEN = Rates(steps=1e6, slowest=1e6, fastest=1e6, places=9)


def study(n_points: int = 100, **fields) -> fa.Study:
    design = fa.grid(target=np.linspace(0.0, 1.0, n_points))
    return fa.Study(MODEL, **{"design": design, "replicates": 1000, **fields})


def planned(tiles: int, cores: int, rates: Rates = EVEN, **changes) -> fa.study.plan.Plan:
    """A plan of tiles of 1 s."""
    made = plan(study(), cores, study().tiling(1), rates)
    work = int(tiles * (1.0 - WRITE_SECONDS) * 1e6)
    given = {"tiles": tiles, "work": work, "driver_seconds": 0.0, **changes}
    return dataclasses.replace(made, **given)


# --- time -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tiles", "cores", "seconds"), [(10, 1, 10), (10, 2, 5), (10, 3, 4), (10, 10, 1), (10, 99, 1)]
)
def test_tiles__are_whole(tiles, cores, seconds):
    assert planned(tiles, cores).computing_seconds == pytest.approx(seconds, rel=1e-6)


def test_slow_tiles__end_late_where_others_have_nothing_left():
    uneven = dataclasses.replace(EVEN, slowest=0.25e6)
    assert planned(10, 1, uneven).computing_seconds == pytest.approx(10.0, rel=1e-6)
    assert planned(10, 10, uneven).computing_seconds == pytest.approx(1.0 + 0.9 * 3.0, rel=0.01)
    assert planned(1000, 10, uneven).computing_seconds == pytest.approx(102.7, rel=0.01)


def test_driver__is_the_limit_of_very_many_cores():
    few, many = (planned(10**5, n, driver_seconds=1e-3) for n in (100, 10_000))
    assert few.computing_seconds == pytest.approx(1000.0, rel=1e-6)
    assert many.computing_seconds == pytest.approx(100.0, rel=1e-6)
    assert many.remark == (
        "the driver of a cluster hands out about 1,000 tiles a second, and 10,000 cores compute "
        "10,000: take fewer cores, larger tiles (--points-per-tile 20), or shards, which have no "
        "driver"
    )
    assert "larger tiles" not in dataclasses.replace(many, points=19).remark
    assert few.remark == ""


def test_driver__counts_on_clusters_alone():
    assert study().plan(cores=1).driver_seconds == 0.0
    assert study().plan(cores=10**4).driver_seconds == DASK_SECONDS
    on_dask = study(execution={"executor": "dask"})
    assert on_dask.plan(cores=1).driver_seconds == DASK_SECONDS


def test_labelling__takes_all_tiles_and_results():
    made = planned(50, 2, dataclasses.replace(EVEN, labelling=1e6))
    n_bytes = made.packed_bytes + made.statistics_bytes
    assert made.labelling_seconds == pytest.approx(n_bytes / 1e6 + 50 * READ_SECONDS)
    parts = made.starting_seconds + made.computing_seconds + made.labelling_seconds
    assert made.seconds == pytest.approx(parts)


def test_compiling__is_named_where_it_was_seen():
    cold = dataclasses.replace(EVEN, compiling=11.0)
    assert ("- compiling, once a machine", "11 s") in planned(9, 2, cold).rows()
    assert planned(9, 2, cold).seconds == planned(9, 2).seconds
    assert "compiling" not in str(planned(9, 2))


def test_networks__are_made_by_each_process():
    slow = dataclasses.replace(EVEN, networks=30.0)
    assert planned(9, 2, slow).seconds == pytest.approx(planned(9, 2).seconds + 30.0)


# --- too many cores -------------------------------------------------------------------------------


def test_idle_cores__are_named_with_what_helps():
    assert planned(64, 100, points_per_tile=8).remark == (
        "64 tiles on 100 cores: 36 cores idle; as fast with 64 cores, faster with smaller tiles "
        "(--points-per-tile 1)"
    )
    assert planned(65, 64, points_per_tile=1).remark == (
        "65 tiles on 64 cores: 63 cores idle in the last round; as fast with 33 cores"
    )
    assert planned(64, 70).remark == "64 tiles on 70 cores: 6 cores idle; as fast with 64 cores"
    assert planned(64, 64).remark == planned(1000, 64).remark == ""


def test_smaller_tiles__help():
    made = study(1000, replicates=4096)
    hint = planned(10, 900, points_per_tile=100).remark.split()[-1].rstrip(")")
    assert made.plan(cores=900, points_per_tile=100).tiles == 10
    assert made.plan(cores=900, points_per_tile=int(hint)).tiles == 1000


def test_tiny_studies__are_spared_of_it():
    assert fa.Study(MODEL, replicates=9).plan(cores=2).remark == ""


@pytest.mark.parametrize("cores", [0, -1, 1.5, "2", True, math.nan])
def test_cores__that_are_no_number_are_refused(cores):
    with pytest.raises(
        fa.ConfigError, match=r"^cores must be a whole number from 1 to 10{9}, got "
    ):
        study().plan(cores=cores)


def test_points_per_tile__that_is_no_number_is_refused():
    with pytest.raises(fa.ConfigError, match=r"^points_per_tile must be a whole number >= 1"):
        study().plan(points_per_tile=0)


# --- files and bytes ------------------------------------------------------------------------------

KEEP = {"replicates": True, "trajectories": {"every": 1.0, "replicates": 2}}
DESIGNS = {
    "grid": fa.grid(target=np.linspace(0.0, 1.0, 30), mode=["calm", "wild"]),
    "sample": fa.sample(20, ranges={"target": (0.0, 1.0), "rate": (0.1, 0.4)}),
    "none": None,
}


class Counter(NoProgress):
    """Counts the files of a store after each tile."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self.most = 0

    def advance(self, steps: int) -> None:
        # what has no name yet, and is written at this moment, does not count
        found = [path for path in self.store.rglob("*") if not path.name.startswith("part-")]
        self.most = max(self.most, sum(path.is_file() for path in found))


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("keep", [None, KEEP])
def test_files__are_as_many_as_a_run_leaves(tmp_path, design, keep):
    made = fa.Study(MODEL, design=DESIGNS[design], replicates=9, keep=keep)
    counter = Counter(tmp_path / "run.zarr")
    made.run(store=counter.store, threads=1, points_per_tile=2, progress=counter)
    size = made.plan(points_per_tile=2)
    finished = sum(path.is_file() for path in counter.store.rglob("*"))
    assert size.files_finished == finished
    # how many files the ledger has meanwhile, and whether any yet, is left to chance
    assert size.files_running - 62 <= counter.most <= size.files_running


def test_bytes__are_said_as_on_disk_where_that_was_measured():
    assert "compressed" not in str(planned(9, 2).rows()).replace("uncompressed", "")
    share = Compressed(packed=0.5, labelled=0.25, kept=1.0)
    made = planned(9, 2, dataclasses.replace(EVEN, compressed=share))
    text = [value for label, value in made.rows() if label == "- compressed"]
    half, quarter = made.packed_bytes / 2, made.statistics_bytes / 4
    assert text == [f"{half / 1024:.1f} KiB", f"{quarter / 1024:.1f} KiB"]


# --- calibration ----------------------------------------------------------------------------------


def test_plan__computes_nothing_unless_asked(monkeypatch):
    monkeypatch.setattr(engine_run, "driver", lambda *_: pytest.fail("a driver was asked for"))
    made = study().plan(cores=4)
    assert made.rates.places == 0
    assert ("- not measured", "a cautious figure for models like this one") in made.rows()


class Bench:
    """A machine on which an instance takes as long as the test says."""

    def __init__(self, monkeypatch, seconds) -> None:
        self.now, self.seconds, self.parts = 0.0, seconds, []
        compute = TileComputer.compute

        def timed(computer: TileComputer, tile):
            self.parts.append(tile)
            points = computer.study.points(tile.first_point, tile.n_points)
            self.now += tile.n_replicates * sum(map(seconds, points))
            return compute(computer, tile)

        monkeypatch.setattr(TileComputer, "compute", timed)
        clock = SimpleNamespace(thread_time=lambda: self.now, perf_counter=lambda: self.now)
        monkeypatch.setattr(calibration, "time", clock)


TARGET = [parameter.name for parameter in MODEL.inputs].index("target")


def test_rate__is_that_of_the_whole_design(monkeypatch):
    def seconds(point):  # the dear points lie together
        return 9e-5 if point[TARGET] > 0.7 else 1e-5

    Bench(monkeypatch, seconds)
    made = study(1000)
    rates = made.plan(calibrate=True).rates
    whole = sum(map(seconds, made.points(0, 1000))) / 1000
    assert rates.steps == pytest.approx(made.n_steps / whole, rel=0.25)
    assert rates.slowest == pytest.approx(made.n_steps / 9e-5, rel=1e-6)
    assert rates.fastest == pytest.approx(made.n_steps / 1e-5, rel=1e-6)
    assert rates.places >= 4


@pytest.mark.parametrize("seconds", [1e-8, 1e-6, 1e-5])
def test_calibration__takes_a_second_or_two(monkeypatch, seconds):
    bench = Bench(monkeypatch, lambda point: seconds)
    made = study(2000, replicates=2000)
    rates = made.plan(calibrate=True).rates
    assert rates.steps == pytest.approx(made.n_steps / seconds, rel=1e-6)
    assert bench.now < 2.5


def test_calibration__of_few_points_and_many_blocks(monkeypatch):
    bench = Bench(monkeypatch, lambda point: 1e-6)
    made = fa.Study(MODEL, replicates=3 * 4096 + 5, statistics={"quantiles": [0.5]})
    assert made.plan(calibrate=True).rates.steps == pytest.approx(made.n_steps / 1e-6, rel=1e-6)
    assert {part.block for part in bench.parts} == {0, 1, 2, 3}


def test_pieces__run_with_the_driver_of_their_tiles(monkeypatch):
    """Of a feature that is off at some points of a tile, as in the whole tile."""
    bench = Bench(monkeypatch, lambda point: 1e-3)
    axes = {"initial_trust": np.linspace(0.0, 1.0, 9), "trust_noise": [0.0, 0.05, 0.1]}
    made = fa.Study("dyad", design=fa.grid(**axes), replicates=100, horizon=1.0)
    tiling = made.tiling(3)
    calibration.measure(made, tiling)
    small = [part for part in bench.parts if part.n_points < 3]
    assert small
    for part in bench.parts:
        tile = tiling.tile(part.number)
        own, whole = (made.points(t.first_point, t.n_points) for t in (part, tile))
        assert literals(made.model, own) == literals(made.model, whole)


def test_pieces__lie_in_their_tiles_all_over_the_design(monkeypatch):
    bench = Bench(monkeypatch, lambda point: 2e-5)
    axes = {"target": np.linspace(0.0, 1.0, 40), "start": np.linspace(0.0, 1.0, 50)}
    made = fa.Study(MODEL, design=fa.grid(**axes), replicates=1000)
    tiling = made.tiling(25)
    calibration.measure(made, tiling)
    for part in bench.parts:
        tile = tiling.tile(part.number)
        assert tile.first_point <= part.first_point
        assert part.first_point + part.n_points <= tile.first_point + tile.n_points
    rows = {part.first_point // 50 // 10 for part in bench.parts}
    halves = {part.first_point % 50 // 25 for part in bench.parts}
    assert (rows, halves) == ({0, 1, 2, 3}, {0, 1})


def test_pieces__of_populations_have_one_size(monkeypatch):
    bench = Bench(monkeypatch, lambda point: 1e-4)
    made = fa.Study(
        "exit_cascade",
        replicates=70,
        horizon=2,
        structure={"industries": 1},
        design=fa.table({"members": [4, 4, 4, 9, 9, 30], "uncertainty": [1.0] * 6}),
    )
    calibration.measure(made, made.tiling(6))
    column = [entry.name for entry in made.model.inputs].index("members")
    sizes = [set(made.points(p.first_point, p.n_points)[:, column]) for p in bench.parts]
    assert all(len(found) == 1 for found in sizes)
    assert set.union(*sizes) == {4.0, 9.0, 30.0}


def test_betweenness__is_not_computed_for_a_plan(monkeypatch):
    monkeypatch.setattr(GivenStructure, "_betweenness", lambda *_: pytest.fail("it was"))
    network = {"kind": "erdos_renyi", "mean_degree": 4, "seed": 1}
    made = fa.Study("exit_cascade", structure={"members": 50, "network": network}, replicates=10)
    size = made.plan(calibrate=True)
    assert size.rates.places == 0
    assert "a measurement takes members' betweenness first" in str(size)


def test_compression__is_measured():
    made = fa.Study(MODEL, replicates=200, design=fa.grid(target=np.linspace(0, 1, 9)), keep=KEEP)
    share = made.plan(calibrate=True).rates.compressed
    assert all(0.0 < value < 1.1 for value in dataclasses.astuple(share))
    without = fa.Study(MODEL, replicates=200).plan(calibrate=True).rates.compressed
    assert without.kept == 1.0


# --- designs --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "design",
    [
        fa.grid(slots=[6, 9, 5], initial_trust=[0.1, 0.2], prominence_weight=[1, 2, 3]),
        fa.grid(initial_trust=[0.1, 0.2], slots=[6, 9, 5], prominence_weight=[1, 2, 3]),
        fa.grid(initial_trust=[0.1, 0.2], slots=[6, 9, 5]),
        fa.table({"slots": [4, 8, 9, 6], "initial_trust": [0.1, 0.2, 0.3, 0.4]}),
    ],
)
def test_work__is_that_of_each_point(design):
    made = fa.Study("multiparty", design=design)
    column = [entry.name for entry in made.model.inputs].index("slots")
    slots = made.points(0, made.design.n_points)[:, column]
    for first in range(len(slots)):
        for last in range(first, len(slots) + 1):
            expected = made.n_steps * int(slots[first:last].sum())
            assert made.work(first, last - first) == expected
