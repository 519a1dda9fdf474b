"""A reader beside a run: kept replicates of recorded tiles, and of no others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from fastalliance.store import RunStore, read
from tests.faults import toy


def test_reader__sees_kept_replicates_of_recorded_tiles_only(tmp_path: Path) -> None:
    path = tmp_path / "run.zarr"
    with RunStore.open(path, toy.layout(3)) as store:
        store.record([(1, store.write(1, toy.tile_data(1)))])
        store.write(2, toy.tile_data(2))  # it is there, but nothing vouches for it
        assert (path / "x/c.2.0").is_file()
        with xr.open_zarr(read(path).zarr_store(), consolidated=False) as dataset:
            found = dataset["x"].values
    region, values = toy.tile_data(1).direct["x"]
    expected = np.full_like(found, np.nan)
    expected[region] = values
    np.testing.assert_array_equal(found, expected)
