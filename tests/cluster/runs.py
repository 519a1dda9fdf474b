"""The study that the checks run, the undisturbed run of it, and what equal means."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import fastalliance as fa
from tests.cluster.slurm_node import SlurmError

FASTALLIANCE = (sys.executable, "-m", "fastalliance")
# Some 70 tiles of one or two tenths of a second each.
CONFIGURATION = """\
model: dyad
seed: 11
replicates: 4000
parameters: {trust_noise: 0.2}
design:
  grid:
    initial_trust: {linspace: [0.3, 0.7, 240]}
    private_orientation: [0, 0.05, 0.1, 0.15]
keep: {trajectories: {every: 10.0, replicates: 2}}
"""


@dataclass
class Undisturbed:
    """The study, and its values from one run on threads."""

    configuration: Path
    store: Path

    @classmethod
    def run(cls, folder: Path) -> Undisturbed:
        """Run the study once, on two threads."""
        made = cls(folder / "study.yaml", folder / "undisturbed.zarr")
        made.configuration.write_text(CONFIGURATION)
        command("run", str(made.configuration), "--store", str(made.store), "--threads", "2")
        return made

    def require_equal(self, store: Path) -> str:
        """Return what was compared; raise SlurmError unless `store` has the same values."""
        proof = command("verify", str(store), "--all", "--quiet").splitlines()[-1]
        if not re.fullmatch(r"equal: (\d+) of \1 tiles recomputed bit for bit", proof):
            raise SlurmError(f"fastalliance verify {store} --all says: {proof}")
        expected, found = fa.open(self.store), fa.open(store)
        if set(expected.variables) != set(found.variables):
            raise SlurmError(f"{store} has other variables than the undisturbed run")
        n_values = 0
        for name in expected.variables:
            one, other = expected[name].values, found[name].values
            if one.dtype != other.dtype or one.tobytes() != other.tobytes():
                worst = np.abs(one - other).max() if one.shape == other.shape else "another shape"
                raise SlurmError(f"{store}: {name} differs from the undisturbed run: {worst}")
            n_values += one.size
        n_names = len(expected.variables)
        return f"verify --all: {proof}; {n_values:,} values of {n_names} arrays as undisturbed"


def command(*arguments: str, expected: int = 0) -> str:
    """Run ``fastalliance ...`` to its end and return what it prints."""
    done = subprocess.run([*FASTALLIANCE, *arguments], capture_output=True, text=True)
    if done.returncode != expected:
        raise SlurmError(
            f"fastalliance {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}"
        )
    return done.stdout.strip()


def ledger_files(store: Path, writer: str = "") -> int:
    """Return how many ledger files there are of a writer, such as ``shard-0-of-3``."""
    return len(list(store.glob(f"_run/ledger/{writer}*.json")))


class Report:
    """Lines about what was done, with the seconds since the last heading."""

    def __init__(self) -> None:
        self.began = self.first = time.monotonic()

    def heading(self, text: str) -> None:
        """Begin a check."""
        self.began = time.monotonic()
        print(f"\n{text}", flush=True)

    def __call__(self, text: str) -> None:
        print(f"  {time.monotonic() - self.began:5.1f} s  {text}", flush=True)
