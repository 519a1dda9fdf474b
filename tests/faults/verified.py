"""Stores of every kind to be verified: complete or unfinished, damaged, and compared."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

import fastalliance as fa
from fastalliance.store import RunStore
from fastalliance.store.format import encode_chunk
from fastalliance.store.ledger import _checksum
from fastalliance.store.verification import inspect
from fastalliance.study.layout import layout
from fastalliance.study.tile_data import TileComputer
from tests.unit.small_model import MODEL as SMALL


def kept() -> fa.Study:
    """Three tiles with kept replicates and trajectories."""
    return fa.Study(
        SMALL,
        design=fa.grid(start=[0.0, 1.0, 2.0], rate=[0.5, 1.0]),
        replicates=6,
        seed=3,
        keep={"replicates": True, "trajectories": {"every": 1.0, "replicates": 2}},
        statistics={"quantiles": [0.5]},
    )


def blocks() -> fa.Study:
    """Two blocks of replicates a point, with quantiles and some trajectories."""
    return fa.Study(
        SMALL,
        design=fa.table({"start": [0.0, 1.0, 2.0]}),
        replicates=4100,
        horizon=1.0,
        keep={"trajectories": {"every": 0.5, "replicates": 2}},
        statistics={"quantiles": [0.1, 0.9]},
    )


def members() -> fa.Study:
    """Members on a random network, with given thresholds."""
    return fa.Study(
        "exit_cascade",
        design=fa.grid(uncertainty=[0.1, 0.5]),
        replicates=5,
        horizon=6.0,
        structure={
            "members": 6,
            "industries": 2,
            "network": {"kind": "erdos_renyi", "mean_degree": 3.0, "seed": 1},
            "thresholds": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
        },
        keep={"members": True},
    )


STUDIES: dict[str, Callable[[], fa.Study]] = {"kept": kept, "blocks": blocks, "members": members}
POINTS_PER_TILE = {"kept": 2, "blocks": 1, "members": 1}


def model_of(kind: str) -> fa.Model | None:
    return None if kind == "members" else SMALL


def complete(kind: str, path: Path) -> Path:
    STUDIES[kind]().run(store=path, points_per_tile=POINTS_PER_TILE[kind], threads=1)
    return path


def unfinished(kind: str, path: Path, tiles: Iterable[int]) -> Path:
    """Make a store of which these tiles are done, each in a ledger file of its own."""
    study = STUDIES[kind]()
    tiling = study.tiling(POINTS_PER_TILE[kind])
    computer = TileComputer(study, tiling, study.statistics(tiling))
    with RunStore.open(path, layout(study, tiling)) as store:
        for tile in tiles:
            digest = store.write(tile, computer.compute(tiling.tile(tile)))
            store.record([(tile, digest)])
    return path


# What a store holds ---------------------------------------------------------------------------


def files_of(path: Path) -> dict[str, bytes]:
    """Return all files but those of the lease and the ledger; chunks are bytes of their values."""
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file() and file.parent.name not in ("lease", "ledger")
    }


def rows_of(path: Path) -> dict[int, str]:
    contents = inspect(path)
    assert contents.ledger_damage == ()
    return contents.rows


def stamps(path: Path) -> dict[str, tuple[int, int]]:
    """Return which file each name is, and when it changed; without the lease."""
    return {
        str(file.relative_to(path)): (file.stat().st_ino, file.stat().st_mtime_ns)
        for file in sorted(path.rglob("*"))
        if file.is_file() and file.parent.name != "lease"
    }


def ledger_files(path: Path) -> list[Path]:
    return sorted(p for p in (path / "_run/ledger").iterdir() if p.name != "zarr.json")


# Damage ---------------------------------------------------------------------------------------


def flip(path: Path) -> None:
    """Flip a bit of the checksum, or of a ledger's last digest."""
    data = bytearray(path.read_bytes())
    data[-4] ^= 1
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def delete(path: Path) -> None:
    path.unlink()


DAMAGES = {"flipped": flip, "truncated": truncate, "deleted": delete}


def change(path: Path, file: str) -> None:
    """Write a chunk with another value, by the store's own encoder, so that its checksum fits."""
    contents = inspect(path)
    name, _, key = file.removeprefix("_run/").partition("/")
    index = tuple(map(int, key.split(".")[1:]))
    values = contents.read_chunk(name, index)
    assert isinstance(values, np.ndarray)
    whole = np.zeros(contents.info(name).chunks, dtype=values.dtype)
    whole[tuple(slice(0, n) for n in values.shape)] = values
    last = tuple(n - 1 for n in values.shape)
    whole[last] = 0.125 if whole.dtype.kind == "f" else 77
    (path / file).write_bytes(encode_chunk(whole))


def change_ledger(file: Path, tile: int, sha: str = "0" * 64) -> None:
    """Give a tile another digest, in a file whose checksum fits."""
    document = json.loads(file.read_bytes())
    document["rows"] = [[t, sha if t == tile else s] for t, s in document["rows"]]
    document["sha256"] = _checksum(document)
    file.write_text(json.dumps(document))


def change_attributes(path: Path, **attrs: object) -> None:
    document = json.loads((path / "zarr.json").read_bytes())
    document["attributes"].update(attrs)
    (path / "zarr.json").write_text(json.dumps(document))


def rows_in(file: Path) -> list[int]:
    return [tile for tile, _ in json.loads(file.read_bytes())["rows"]]
