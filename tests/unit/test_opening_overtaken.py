import numpy as np

import fastalliance as fa
from fastalliance.study import opening


def test_shard__that_is_overtaken_by_the_one_that_labels_opens_the_result(tmp_path, monkeypatch):
    def study():
        design = fa.grid(initial_trust=np.linspace(0.4, 0.6, 6))
        return fa.Study("dyad", design=design, replicates=20)

    partial = opening._partial

    def overtaken(handle):
        monkeypatch.setattr(opening, "_partial", partial)
        study().run(store=tmp_path / "run.zarr", shard="1/2", points_per_tile=1)
        return partial(handle)

    monkeypatch.setattr(opening, "_partial", overtaken)
    ds = study().run(store=tmp_path / "run.zarr", shard="0/2", points_per_tile=1)
    assert ds.attrs["complete"] is True
    assert not np.isnan(ds["success_mean"]).any()
