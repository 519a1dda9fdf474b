"""Shards of a study: each runs its tiles, the last one labels the result."""

import numpy as np
import pytest

import fastalliance as fa
from tests.unit.small_model import MODEL

KEEP = {"replicates": True, "trajectories": {"every": 1.0, "replicates": 2}}


def study(**fields) -> fa.Study:
    options = {
        "design": fa.grid(start=[0.0, 0.5, 1.0, 1.5, 2.0], hit_rate=[0.1, 0.4]),
        "replicates": 30,
        "seed": 3,
        "keep": KEEP,
    }
    return fa.Study(MODEL, **{**options, **fields})


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_shards__one_after_another_give_the_whole(tmp_path, order):
    expected = study().run()
    store = tmp_path / "run.zarr"
    for index in order:
        ds = study().run(store=store, shard=f"{index}/3", points_per_tile=1)
        last = index == order[-1]
        assert ds.attrs["complete"] is last
        done = ~np.isnan(ds["hit_count"].values)
        for name in ds.data_vars:
            np.testing.assert_array_equal(ds[name].values[done], expected[name].values[done])
    assert done.all()


def test_shards__work_is_shared(tmp_path):
    """Each shard computes what is its own, and a shard that is done has nothing left to do."""
    store = tmp_path / "run.zarr"
    study().run(store=store, shard="0/2", points_per_tile=1)
    first = study().run(store=store, shard="0/2")
    assert first.attrs["tiles_done"] == first.attrs["n_tiles"] / 2
    whole = study().run(store=store)  # a run without shards finishes what is left
    assert whole.attrs["complete"] is True


def test_shards__need_a_store():
    with pytest.raises(fa.ConfigError, match="shard 0/2 needs a store"):
        study().run(shard="0/2")
    with pytest.raises(fa.ConfigError, match="shard must be I/N with 0 <= I < N"):
        study().run(shard="2/2", store="x.zarr")
