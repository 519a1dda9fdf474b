"""The same bits after 0, 1 and 20 interruptions, for one thread and two.

FASTALLIANCE_INTERRUPTIONS=200 asks for as many as that beside them.
"""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

import fastalliance as fa
from fastalliance.store import status
from fastalliance.study.progress import NoProgress
from tests.faults import toy

COUNTS = [0, 1, 20]
if "FASTALLIANCE_INTERRUPTIONS" in os.environ:
    COUNTS.append(int(os.environ["FASTALLIANCE_INTERRUPTIONS"]))


class Interrupted(NoProgress):
    """Asks for an end after the first tile, as Ctrl-C would."""

    asked = False

    def advance(self, steps: int) -> None:
        if not self.asked:
            self.asked = True
            signal.raise_signal(signal.SIGINT)


def study(n_points: int) -> fa.Study:
    return fa.Study(
        model="dyad",
        parameters={"incident_rate": 0.02, "trust_noise": 0.1},
        design=fa.grid(initial_trust=np.linspace(0.3, 0.8, n_points)),
        replicates=50,
        seed=2**63 + 11,
        horizon=12.0,
        statistics={"quantiles": [0.1, 0.5]},
        keep={"replicates": True, "trajectories": {"every": 3.0, "replicates": 2}},
    )


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("count", COUNTS)
def test_bits__interruptions(tmp_path: Path, count: int, threads: int) -> None:
    # An interruption keeps the tiles that run, and one more that waits: at most three.
    interrupted = study(3 * count + 5)
    store = tmp_path / "run.zarr"
    done = 0
    for _ in range(count):
        with pytest.raises(KeyboardInterrupt, match="run again to resume"):
            interrupted.run(store=store, threads=threads, points_per_tile=1, progress=Interrupted())
        before, done = done, status(store).n_done
        assert before < done <= before + threads + 1
    interrupted.run(store=store, threads=threads, points_per_tile=1)
    undisturbed = tmp_path / "undisturbed.zarr"
    interrupted.run(store=undisturbed, threads=1)
    assert toy.values_hash(store) == toy.values_hash(undisturbed)
