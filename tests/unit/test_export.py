"""Results for other programs: what pandas and xarray read back is the result."""

import csv
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import xarray as xr

import fastalliance as fa
from fastalliance import export as module
from fastalliance.analysis.regions import regions
from fastalliance.export import export
from fastalliance.kernels import uniforms


def read_csv(path: Path) -> pd.DataFrame:
    """Read a table with exact numbers, whatever the version of pandas does with them."""
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    columns = zip(*rows, strict=True)
    return pd.DataFrame(
        {name: [_cell(text) for text in cells] for name, cells in zip(header, columns, strict=True)}
    )


def _cell(text: str) -> float | str:
    try:
        return float(text or "nan")
    except ValueError:
        return text


@pytest.fixture(scope="module")
def grid() -> xr.Dataset:
    return fa.Study(
        "dyad",
        design=fa.grid(initial_trust=[0.4, 0.55, 0.7], private_orientation=[0.0, 0.1]),
        replicates=30,
        horizon=30,
        seed=2,
        statistics={"quantiles": [0.05, 0.5]},
        keep={"replicates": True, "trajectories": {"every": 1.0, "replicates": 2}},
    ).run()


class State(NamedTuple):
    x: float


MODEL = fa.Model(
    name="weather",
    summary="a category, a choice and a ratio",
    citation="none",
    time_unit="month",
    horizon=1.0,
    dt=1.0,
    parameters=[
        fa.Parameter("season", default="dry", kind="choice", choices={"dry": 0.0, "wet": 2.0})
    ],
    state=State,
    init=lambda p, stream: State(p.season),
    step=lambda s, p, stream, k, t, dt: State(s.x + uniforms(stream, 0, k, 0)[0]),
    outputs=lambda s, p: (1.0 if s.x > 2.5 else 0.0, 1.0 if s.x > 1.0 else 0.0, 1.0),
    output_variables=[
        fa.Output("sky", "category", description="sky", categories={"clear": 0, "grey": 1}),
        fa.Output("rain", "binary", description="rain"),
        fa.Output("day", "count", description="one"),
    ],
    ratios=[fa.Ratio("rain_share", "rain", "day")],
)


@pytest.fixture(scope="module")
def named() -> xr.Dataset:
    study = fa.Study(
        MODEL,
        design=fa.grid(season=["dry", "wet"]),
        replicates=40,
        keep={"replicates": True},
    )
    return study.run()


def test_csv__is_a_tidy_table_with_the_same_bits(grid: xr.Dataset, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    export(grid, path)
    table = read_csv(path)
    assert list(table.columns[:2]) == ["initial_trust", "private_orientation"]
    assert table.shape[0] == 6
    np.testing.assert_array_equal(table["initial_trust"], np.repeat([0.4, 0.55, 0.7], 2))
    np.testing.assert_array_equal(table["private_orientation"], [0.0, 0.1] * 3)
    statistics = [name for name, v in grid.data_vars.items() if v.dims == grid["success_mean"].dims]
    assert len(statistics) > 60
    for name in statistics:
        np.testing.assert_array_equal(table[name], grid[name].values.ravel(), err_msg=name)
    for i, share in enumerate(("0.05", "0.5")):
        column = table[f"joint_value_quantile_{share}"]
        np.testing.assert_array_equal(column, grid["joint_value_quantile"].values[..., i].ravel())
    quantiles = sum("quantile" in name for name in table.columns)
    assert len(table.columns) == 2 + len(statistics) + quantiles
    assert "" in path.read_text().splitlines()[6].split(",")  # NaN is an empty cell


def test_csv__names_of_quantiles_tell_near_ones_apart(tmp_path: Path) -> None:
    near = {"quantiles": [0.1234567, 0.1234568]}
    study = fa.Study("dyad", replicates=9, horizon=4, statistics=near)
    path = tmp_path / "table.csv"
    export(study.run(), path)
    names = [name for name in read_csv(path).columns if name.startswith("trust_a_quantile_")]
    assert names == ["trust_a_quantile_0.1234567", "trust_a_quantile_0.1234568"]


def test_parquet__is_the_same_table_with_units_and_provenance(
    grid: xr.Dataset, tmp_path: Path
) -> None:
    export(grid, tmp_path / "a.csv")
    export(grid, tmp_path / "a.parquet")
    expected = read_csv(tmp_path / "a.csv")
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "a.parquet"), expected, check_dtype=False
    )
    schema = pq.read_schema(tmp_path / "a.parquet")
    assert schema.field("joint_value_mean").metadata[b"units"] == b"value"
    about = json.loads(schema.metadata[b"fastalliance"])
    assert about["configuration_hash"] == grid.attrs["configuration_hash"]


def test_replicates__a_row_each(grid: xr.Dataset, tmp_path: Path) -> None:
    for suffix in (".csv", ".parquet"):
        export(grid, tmp_path / f"a{suffix}", replicates=True)
    table = read_csv(tmp_path / "a.csv")
    assert list(table.columns[:3]) == ["initial_trust", "private_orientation", "replicate"]
    assert len(table) == 6 * 30
    np.testing.assert_array_equal(table["replicate"], np.tile(np.arange(30), 6))
    np.testing.assert_array_equal(table["joint_value"], grid["joint_value"].values.ravel())
    np.testing.assert_array_equal(
        table["dissolution_time"], grid["dissolution_time"].values.ravel()
    )
    assert not [name for name in table.columns if name.endswith(("_mean", "_path"))]
    same = pd.read_parquet(tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(same, table, check_dtype=False)


def test_sample_and_single_point__tables_too(tmp_path: Path) -> None:
    design = fa.sample(8, ranges={"trust_noise": (0.1, 0.2), "initial_trust": (0, 1)}, seed=1)
    ds = fa.Study("dyad", design=design, replicates=5, horizon=5).run()
    export(ds, tmp_path / "sample.csv")
    table = read_csv(tmp_path / "sample.csv")
    assert list(table.columns[:3]) == ["point", "trust_noise", "initial_trust"]
    np.testing.assert_array_equal(table["trust_noise"], ds["trust_noise"])
    export(fa.Study("dyad", replicates=5, horizon=5).run(), tmp_path / "one.csv")
    assert read_csv(tmp_path / "one.csv").shape[0] == 1
    export(fa.simulate("dyad", replicates=3), tmp_path / "small.csv", replicates=True)
    assert list(read_csv(tmp_path / "small.csv")["replicate"]) == [0, 1, 2]


def test_names__of_choices_and_categories_stand_in_tables(
    named: xr.Dataset, tmp_path: Path
) -> None:
    export(named, tmp_path / "a.csv")
    export(named, tmp_path / "a.parquet")
    for table in (read_csv(tmp_path / "a.csv"), pd.read_parquet(tmp_path / "a.parquet")):
        assert list(table["season"]) == ["dry", "wet"]
        np.testing.assert_allclose(table["sky_grey_share"], named["sky_grey_share"])
        np.testing.assert_allclose(table["rain_share"], named["rain_share"])
    export(named, tmp_path / "raw.parquet", replicates=True)
    export(named, tmp_path / "raw.csv", replicates=True)
    for raw in (read_csv(tmp_path / "raw.csv"), pd.read_parquet(tmp_path / "raw.parquet")):
        grey = (raw["sky"] == "grey").to_numpy().reshape(2, 40)
        np.testing.assert_array_equal(grey, named["sky"].values == 1.0)
        assert set(raw["sky"]) == {"clear", "grey"}


def test_table_of_a_study__made_from_an_export(named: xr.Dataset, tmp_path: Path) -> None:
    export(named, tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="") as file:
        seasons = [row["season"] for row in csv.DictReader(file)]
    study = fa.Study(MODEL, design=fa.table({"season": seasons}), replicates=5)
    np.testing.assert_array_equal(study.coordinates["season"], [0.0, 2.0])


def test_sidecar__has_units_and_provenance(grid: xr.Dataset, tmp_path: Path) -> None:
    written = export(grid, tmp_path / "a.csv")
    assert written == [tmp_path / "a.csv", tmp_path / "a.csv.json"]
    about = json.loads((tmp_path / "a.csv.json").read_text())
    header = (tmp_path / "a.csv").read_text().splitlines()[0].split(",")
    assert list(about["columns"]) == header
    assert about["columns"]["dissolution_time_mean"]["units"] == "month"
    assert about["attributes"]["configuration"]["model"] == "dyad"


def test_netcdf__holds_everything(grid: xr.Dataset, tmp_path: Path) -> None:
    assert export(grid, tmp_path / "a.nc") == [tmp_path / "a.nc"]
    with xr.open_dataset(tmp_path / "a.nc", engine="h5netcdf") as ds:
        assert set(ds.variables) == set(grid.variables)
        for name, variable in grid.variables.items():
            np.testing.assert_array_equal(ds[name], variable)
            assert ds[name].dims == variable.dims
            assert ds[name].attrs["units"] == variable.attrs["units"]
        assert ds.attrs["seed"] == 2
        assert json.loads(ds.attrs["configuration"]) == grid.attrs["configuration"]
        assert json.loads(ds.attrs["complete"]) is True


def test_attributes__of_numpy_are_written_as_plain_ones(grid: xr.Dataset, tmp_path: Path) -> None:
    ds = grid.assign_attrs(levels=np.array([0.5, 1.5]), number=np.float64(2.5), note=None)
    export(ds, tmp_path / "a.csv")
    attributes = json.loads((tmp_path / "a.csv.json").read_text())["attributes"]
    assert (attributes["levels"], attributes["number"], attributes["note"]) == (
        [0.5, 1.5],
        2.5,
        None,
    )
    export(ds, tmp_path / "a.nc")
    with xr.open_dataset(tmp_path / "a.nc", engine="h5netcdf") as back:
        np.testing.assert_array_equal(back.attrs["levels"], [0.5, 1.5])
        assert (back.attrs["number"], back.attrs["note"]) == (2.5, "null")


def test_netcdf__codes_keep_their_meanings(named: xr.Dataset, tmp_path: Path) -> None:
    export(named, tmp_path / "a.nc")
    with xr.open_dataset(tmp_path / "a.nc", engine="h5netcdf") as ds:
        assert list(ds["season"].attrs["flag_values"]) == [0.0, 2.0]
        assert ds["season"].attrs["flag_meanings"] == "dry wet"


def test_store__exports_as_the_result_in_memory_does(tmp_path: Path) -> None:
    study = fa.Study("dyad", design=fa.grid(initial_trust=[0.4, 0.6]), replicates=9, horizon=5)
    study.run(store=tmp_path / "kept.zarr")
    export(fa.open(tmp_path / "kept.zarr"), tmp_path / "stored.csv")
    export(study.run(), tmp_path / "memory.csv")
    stored, memory = (read_csv(tmp_path / f"{name}.csv") for name in ("stored", "memory"))
    pd.testing.assert_frame_equal(stored[memory.columns], memory)
    export(fa.open(tmp_path / "kept.zarr"), tmp_path / "stored.nc")


def test_large_tables__are_written_in_parts(
    grid: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for suffix in (".csv", ".parquet"):
        export(grid, tmp_path / f"whole{suffix}", replicates=True)
        monkeypatch.setattr(module, "_MAX_ROWS", 7)
        export(grid, tmp_path / f"parts{suffix}", replicates=True)
        monkeypatch.undo()
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    parts = pq.ParquetFile(tmp_path / "parts.parquet")
    assert parts.num_row_groups > 6
    assert parts.read().equals(pq.read_table(tmp_path / "whole.parquet"))


@pytest.mark.parametrize("shape", [(), (5,), (3, 4), (4, 3, 5), (2, 1, 6, 2)])
@pytest.mark.parametrize("max_rows", [1, 2, 7, 12, 1000])
def test_regions__cover_every_cell_once_in_order(shape: tuple[int, ...], max_rows: int) -> None:
    numbers = np.arange(int(np.prod(shape))).reshape(shape)
    parts = [numbers[region].ravel() for region in regions(shape, max_rows)]
    np.testing.assert_array_equal(np.concatenate(parts), numbers.ravel())
    assert max(map(len, parts)) <= max_rows


@pytest.mark.parametrize("name", ["a.xlsx", "a", "a.CSV", "a.zarr"])
def test_refused__another_format(grid: xr.Dataset, tmp_path: Path, name: str) -> None:
    with pytest.raises(fa.ConfigError, match=r"must end in \.nc, \.parquet, \.csv"):
        export(grid, tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.nc", "a.parquet", "a.csv"])
def test_refused__existing_file(grid: xr.Dataset, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(fa.ConfigError, match="exists; replace it with --overwrite"):
        export(grid, tmp_path / name)
    assert (tmp_path / name).read_text() == "mine"
    export(grid, tmp_path / name, overwrite=True)
    assert (tmp_path / name).read_bytes() != b"mine"
    (tmp_path / "b.csv").mkdir()
    with pytest.raises(fa.ConfigError, match="is a directory"):
        export(grid, tmp_path / "b.csv", overwrite=True)


def test_refused__tables_that_the_result_does_not_have(tmp_path: Path) -> None:
    ds = fa.Study("dyad", replicates=3, horizon=5).run()
    with pytest.raises(fa.DesignError, match=r"keep\.replicates: true"):
        export(ds, tmp_path / "a.csv", replicates=True)
    with pytest.raises(fa.DesignError, match="no statistics"):
        export(fa.simulate("dyad", horizon=5), tmp_path / "a.csv")
    with pytest.raises(fa.ConfigError, match="NetCDF"):
        export(ds, tmp_path / "a.nc", replicates=True)
    assert not list(tmp_path.iterdir())


def test_missing_package__says_what_to_install(
    grid: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    for name, package in (("a.nc", "h5netcdf, h5py"), ("a.parquet", "pyarrow")):
        with pytest.raises(fa.FastAllianceError) as caught:
            export(grid, tmp_path / name)
        assert str(caught.value) == (
            f'writing {Path(name).suffix} needs {package}: pip install "fastalliance[export]"'
        )
    export(grid, tmp_path / "a.csv")  # needs nothing


@pytest.mark.parametrize("name", ["a.nc", "a.parquet", "a.csv"])
def test_failure__leaves_nothing_behind(
    grid: xr.Dataset, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(source: str, target: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "replace", fail)
    with pytest.raises(fa.FastAllianceError, match=r"cannot write .*: No space left on device"):
        export(grid, tmp_path / name)
    assert not list(tmp_path.iterdir())
