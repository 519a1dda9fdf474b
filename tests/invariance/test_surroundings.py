"""Populations give the same bits in other surroundings and on other machines.

The kernels of `dyad` are held to this in `test_bits.py`. FASTALLIANCE_MACHINES=1 adds the kernels
of populations, which take half a minute to compile once more.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastalliance as fa
from tests.invariance.studies import networked

ROOT = Path(__file__).parents[2]
RECIPE = {"kind": "erdos_renyi", "mean_degree": 4, "seed": 1, "pool": 3}
SIZES = {"exit_cascade": {"members": 40, "industries": 4}, "multiparty": {"slots": 20}}


def digest_of_networks() -> str:
    """Return a digest of the hashes, ties and centralities of studies with networks."""
    sha = hashlib.sha256()
    of_recipe = {"structure": {"network": RECIPE, "members": 40, "industries": 4}}
    for study in (networked(), networked(**of_recipe)):
        sha.update(study.configuration_hash.encode())
        for coordinate in study.given.coordinates(study.fixed):
            sha.update(np.ascontiguousarray(coordinate.values).tobytes())
    return sha.hexdigest()


def digest_of_kernel(name: str) -> str:
    """Return a digest of all that a few alliances give, member by member."""
    ds = fa.simulate(name, structure=SIZES[name], replicates=64, seed=9, members=True)
    sha = hashlib.sha256()
    for variable in sorted(map(str, ds.data_vars)):
        values = ds[variable].values
        sha.update(np.where(np.isnan(values), np.nan, values).tobytes())
    return sha.hexdigest()


def elsewhere(call: str, folder: Path, **environment: str) -> str:
    """Return what a function of this file gives in a process of its own."""
    program = f"from tests.invariance import test_surroundings as here; print(here.{call})"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_bits__networks_and_their_centralities(tmp_path: Path) -> None:
    """Hash seed, locale, time zone and working directory; sets and dictionaries of ties."""
    surroundings = {"PYTHONHASHSEED": "7", "LC_ALL": "C", "TZ": "Asia/Tokyo"}
    found = elsewhere("digest_of_networks()", tmp_path, **surroundings)
    assert len(found) == 64
    assert found == digest_of_networks()


@pytest.mark.skipif("FASTALLIANCE_MACHINES" not in os.environ, reason="FASTALLIANCE_MACHINES=1")
@pytest.mark.parametrize("name", SIZES)
def test_bits__haswell_and_host(tmp_path: Path, name: str) -> None:
    """AVX2 and the host's widest vectors."""
    found = elsewhere(
        f"digest_of_kernel({name!r})",
        tmp_path,
        NUMBA_CPU_NAME="haswell",
        NUMBA_CPU_FEATURES="",
        FASTALLIANCE_CACHE_DIR=str(tmp_path / "cache"),
    )
    assert found == digest_of_kernel(name)
