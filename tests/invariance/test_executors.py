"""The same bits from threads, dask workers and shards, in any number and any order.

Decoded values are compared by SHA-256 with those of one thread.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fastalliance.store import status
from fastalliance.study import executing
from fastalliance.study.progress import NoProgress
from tests.faults.clusters import cluster
from tests.invariance.studies import STUDIES, digest

POPULATIONS = [name for name in STUDIES if name != "dyad"]  # the dyad's are in `test_bits.py`


def tile(name: str) -> int:
    """Return points per tile: six or seven tiles each."""
    return 3 if name == "dyad" else 2 if name == "multiparty" else 1


@pytest.fixture(scope="module")
def references() -> dict[str, str]:
    return {name: digest(study().run(threads=1)) for name, study in STUDIES.items()}


@pytest.mark.parametrize("name", POPULATIONS)
@pytest.mark.parametrize("threads", [2, 4])
def test_bits__threads(references: dict[str, str], name: str, threads: int) -> None:
    assert (
        digest(STUDIES[name]().run(threads=threads, points_per_tile=tile(name))) == references[name]
    )


# One test, so that the processes of the cluster are started once.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of distributed
def test_bits__dask_workers_then_shards_then_threads(
    references: dict[str, str], tmp_path: Path
) -> None:
    pytest.importorskip("distributed")
    with cluster(1, "--no-nanny") as made:
        on_dask = {"executor": "dask", "scheduler": made.address}
        for workers, names in ((1, ["dyad"]), (2, STUDIES), (4, ["dyad", "multiparty"])):
            while len(made.workers) < workers:
                made.add_worker("--no-nanny")
            made.wait(workers)
            for name in names:
                store = tmp_path / f"{workers} {name}.zarr" if name == "multiparty" else None
                ds = STUDIES[name]().run(**on_dask, store=store, points_per_tile=tile(name))
                assert digest(ds.load()) == references[name], (workers, name)
        study, store = STUDIES["exit_cascade, network"], tmp_path / "run.zarr"
        with pytest.raises(KeyboardInterrupt):
            study().run(**on_dask, store=store, progress=Interrupting(), points_per_tile=1)
    done = [status(store).n_done]
    study().run(store=store, shard="1/2")
    done.append(status(store).n_done)
    ds = study().run(store=store)
    assert 0 < done[0] < done[1] < 6
    assert digest(ds.load()) == references["exit_cascade, network"]


class Interrupting(NoProgress):
    """Ends the run at its first tile."""

    def advance(self, steps: int) -> None:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("name", "shards"), [("dyad", 1), ("dyad", 2), *((name, 4) for name in STUDIES)]
)
def test_bits__shards(references: dict[str, str], tmp_path: Path, name: str, shards: int) -> None:
    order = np.random.default_rng(shards).permutation(shards)
    for index in order:
        ds = STUDIES[name]().run(
            store=tmp_path / "run.zarr", shard=f"{index}/{shards}", points_per_tile=tile(name)
        )
    assert ds.attrs["complete"] is True
    assert digest(ds.load()) == references[name]


@pytest.mark.parametrize("name", POPULATIONS)
@pytest.mark.parametrize("order", ["reversed", "shuffled"])
def test_bits__tile_order(
    references: dict[str, str], monkeypatch: pytest.MonkeyPatch, name: str, order: str
) -> None:
    original = executing.run_on_threads

    def reordered(task, numbers, **options):
        numbers = list(numbers)[::-1]
        if order == "shuffled":
            np.random.default_rng(3).shuffle(numbers)
        assert len(numbers) > 5
        return original(task, numbers, **options)

    monkeypatch.setattr(executing, "run_on_threads", reordered)
    assert digest(STUDIES[name]().run(points_per_tile=1, threads=2)) == references[name]
