"""The benchmarks of scale and of clusters run, and notice what is wrong."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("distributed")

from benchmarks import cluster, plan, scale, synthetic_tiles
from benchmarks.scale_part import POINTS_PER_TILE, Part, study_of
from benchmarks.synthetic_tiles import SyntheticComputer
from tests.unit.benchmark_checks import check_results

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_scale_benchmark__runs(tmp_path: Path) -> None:
    picture = tmp_path / "scale.png"
    scale.main(["--tiny", "--out", str(tmp_path), "--plot", str(picture)])
    (table,) = json.loads((tmp_path / "scale.json").read_text())["tables"]
    ((killed, failed, finished),) = table["runs"]
    n = killed["n_tiles"]
    assert killed["handed_over"] == n // 2
    # what was done and not recorded yet is done again
    assert n // 2 <= failed["handed_over"] <= n
    assert failed["deaths"] >= 4
    assert finished["handed_over"] == 1
    assert finished["finalising"] > 0.0
    assert all(part["driver_seconds"] > 0.0 for part in (killed, failed))
    assert picture.stat().st_size > 10_000


def test_scale_benchmark__notices_wrong_values(tmp_path: Path, monkeypatch) -> None:
    part = Part(str(tmp_path / "study.zarr"), 6, 3, 1.0)
    part.run(lambda: pytest.fail("it was to be killed"))
    assert part.ended == "finished"
    scale.check(part)
    monkeypatch.setattr(synthetic_tiles, "N_DRAWN", 9)
    with pytest.raises(RuntimeError, match=r"tile \d of 6 has other values than were given"):
        scale.check(part)


def test_synthetic_tiles__have_the_real_shape_and_differ() -> None:
    study = study_of(20)
    tiling = study.tiling(POINTS_PER_TILE)
    assert tiling.n_tiles == 20
    statistics = study.statistics(tiling)
    computer = SyntheticComputer(study, tiling, statistics)
    first, again, other = (computer.compute(tiling.tile(i)).packed["statistics"] for i in (0, 0, 1))
    assert first.shape == (POINTS_PER_TILE, statistics.n_columns)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other, equal_nan=True)


def test_cluster_benchmark__runs(tmp_path: Path) -> None:
    cluster.main(["--tiny", "--rounds", "1", "--out", str(tmp_path)])
    names = check_results(tmp_path, "cluster", 7)
    assert names == ["2 workers", "1 worker", "2 threads", "1 thread", "2 processes", "1 process"]
    tables = json.loads((tmp_path / "cluster.json").read_text())["tables"]
    gains, overhead, finished, dask = (table["rows"] for table in tables[3:])
    assert set(gains) == {"dask workers of one thread", "threads executor"}
    assert set(overhead) == {"dask, 1 worker", "threads, 1 thread", "computation"}
    assert set(finished) == {"study.run", "fastalliance run"}
    assert all(0.0 < values[0] < 60.0 for values in finished.values())
    assert all(0.0 < values[0] < 1000.0 for values in dask.values())


def test_plan_benchmark__runs(tmp_path: Path) -> None:
    plan.main(["--tiny", "--rounds", "1", "--out", str(tmp_path)])
    (table,) = json.loads((tmp_path / "plan.json").read_text())["tables"]
    (row,) = table["rows"]
    assert row["plan"]["files"] == row["run"]["files"]
    assert 0.5 < row["plan"]["memory"] / row["run"]["memory"] < 2.0
    assert row["plan"]["seconds"] > 0.0 < row["run"]["cpu"]
