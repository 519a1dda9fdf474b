"""Opening a store: resumed, refused, replaced; which paths and layouts it takes."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr

from fastalliance.errors import ConfigError, StoreError
from fastalliance.store import ArraySpec, Coordinate, Layout, RunStore, read, require_space
from fastalliance.store.layout import REQUIRED_ATTRIBUTES
from tests.faults import toy

# Resuming and refusing ------------------------------------------------------------------------


def test_resume__goes_on_where_it_was(tmp_path: Path) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [0, 4])
    with RunStore.open(path, toy.layout()) as store:
        assert store.missing().tolist() == [1, 2, 3, 5]
        toy.drive(store, 6)
    assert toy.values_hash(path) == toy.values_hash(toy.finished(tmp_path / "other.zarr"))


def test_resume__of_a_finished_store_has_nothing_to_do(tmp_path: Path) -> None:
    path = toy.finished(tmp_path / "run.zarr")
    before = toy.tree(path)
    with RunStore.open(path, toy.layout()) as store:
        assert store.complete
        assert store.missing().size == 0
        toy.drive(store, 6)
    assert toy.tree(path) == before


def test_resume__of_a_finished_store_with_another_tiling_has_nothing_to_do(tmp_path: Path) -> None:
    path = toy.finished(tmp_path / "run.zarr")
    with RunStore.open(path, toy.layout(12)) as store:
        assert store.complete
        assert store.missing().size == 0


def test_resume__of_ten_thousand_finished_tiles_takes_no_time(tmp_path: Path) -> None:
    n_tiles = 10_000
    path = tmp_path / "run.zarr"
    spec = ArraySpec("v", ("point",), (n_tiles,), (n_tiles,), {})
    layout = Layout(n_tiles, {"statistics": (1,)}, (), (spec,), (), toy.attributes())
    with RunStore.open(path, layout) as store:
        store.record([(tile, f"{tile:064x}") for tile in range(n_tiles)])
        store.finalise([{"v": ((slice(0, n_tiles),), np.zeros(n_tiles))}])
    start = time.process_time()
    with RunStore.open(path, layout) as store:
        assert store.missing().size == 0
    assert time.process_time() - start < 5.0


def test_resume__another_configuration_is_refused_field_by_field(tmp_path: Path) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [0])
    before = toy.tree(path)
    configuration = {
        "model": "toy",
        "design": {"grid": {"trust": [0.0, 0.4, 1.0]}},
        "parameters": {"noise": 0.2},
    }
    other = toy.layout(configuration=configuration, configuration_hash="other")
    with pytest.raises(StoreError, match="holds another study") as error:
        RunStore.open(path, other)
    lines = str(error.value).splitlines()
    assert [line.strip() for line in lines[1:]] == [
        "design.grid.trust[1]: 0.5 -> 0.4",
        "parameters.halflife: 'Infinity' -> (not set)",
        "parameters.noise: (not set) -> 0.2",
    ]
    assert "--overwrite" in lines[0]
    assert toy.tree(path) == before


def test_resume__switched_off_is_refused(tmp_path: Path) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [0])
    with pytest.raises(StoreError, match="exists and resuming is off"):
        RunStore.open(path, toy.layout(), resume=False)


@pytest.mark.parametrize("make", [toy.finished, lambda path: toy.unfinished(path, [0])])
def test_resume__other_kernels_are_refused(tmp_path: Path, make: Any) -> None:
    path = make(tmp_path / "run.zarr")
    changed = toy.layout(kernel_hash="new", fastalliance_version="0.2.0")
    with pytest.raises(StoreError, match=r"kernels beef; now version 0\.2\.0, kernels new"):
        RunStore.open(path, changed)


def test_resume__other_kernels_are_recorded_when_allowed(tmp_path: Path) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [0])
    changed = toy.layout(kernel_hash="new")
    with RunStore.open(path, changed, allow_version_change=True) as store:
        assert [entry["kernel_hash"] for entry in store.attrs["history"]] == ["beef", "new"]
    with RunStore.open(path, changed, allow_version_change=True) as store:
        toy.drive(store, 6)
    with xr.open_zarr(path, consolidated=False) as dataset:
        assert [entry["kernel_hash"] for entry in dataset.attrs["history"]] == ["beef", "new"]
        assert dataset.attrs["kernel_hash"] == "beef"


def test_resume__another_version_with_the_same_kernels_is_allowed_and_recorded(
    tmp_path: Path,
) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [0])
    with RunStore.open(path, toy.layout(fastalliance_version="0.1.1")) as store:
        versions = [entry["fastalliance_version"] for entry in store.attrs["history"]]
        assert versions == ["0.1.0", "0.1.1"]
        assert store.missing().size == 5


def test_resume__another_tiling_is_refused(tmp_path: Path) -> None:
    path = toy.unfinished(tmp_path / "run.zarr", [0])
    with pytest.raises(StoreError, match="is cut into other tiles") as error:
        RunStore.open(path, toy.layout(12))
    assert "n_tiles: 6 -> 12" in str(error.value)


def test_resume__a_newer_schema_is_refused_with_both_versions(tmp_path: Path) -> None:
    path = tmp_path / "run.zarr"
    RunStore.open(path, toy.layout(schema_version=2)).close()
    for attempt in (lambda: RunStore.open(path, toy.layout()), lambda: read(path)):
        with pytest.raises(StoreError, match=r"schema version 2, .* reads up to 1"):
            attempt()


def test_overwrite__replaces_a_store(tmp_path: Path) -> None:
    path = toy.finished(tmp_path / "run.zarr")
    with RunStore.open(path, toy.layout(configuration_hash="new"), overwrite=True) as store:
        assert store.missing().size == 6
        assert not store.complete
    assert os.listdir(tmp_path) == ["run.zarr"]
    assert not (path / "x_mean").exists()


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("kind", ["file", "directory", "zarr group"])
def test_foreign__is_refused_and_left_untouched(tmp_path: Path, kind: str, overwrite: bool) -> None:
    path = tmp_path / "precious"
    if kind == "file":
        path.write_text("precious")
    elif kind == "directory":
        path.mkdir()
        (path / "data.csv").write_text("precious")
    else:
        zarr.create_group(path).create_array("precious", data=np.arange(3))
    before = toy.tree(tmp_path)
    with pytest.raises(StoreError, match="left untouched"):
        RunStore.open(path, toy.layout(), overwrite=overwrite)
    assert toy.tree(tmp_path) == before


def test_path__empty_directories_symlinks_and_missing_parents_are_fine(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch" / "empty.zarr"
    scratch.mkdir(parents=True)
    link = tmp_path / "link.zarr"
    link.symlink_to(scratch)
    dangling = tmp_path / "dangling.zarr"
    dangling.symlink_to(tmp_path / "scratch" / "new.zarr")
    for path in (link, dangling, tmp_path / "a" / "b" / "run.zarr"):
        toy.finished(path)
        toy.values_hash(path)
    assert link.is_symlink()
    assert dangling.is_symlink()
    assert (scratch / "zarr.json").exists()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "path is empty"),
        ("a\0b", "NUL"),
        ("x" * 256, "component of 256 bytes"),
        ("ä" * 128, "component of 256 bytes"),
        ("s3://user:secret@bucket/run.zarr", "neither credentials nor options"),
        ("gs://bucket/run.zarr?key=secret", "neither credentials nor options"),
        ("az://bucket", "must name a bucket and a place in it: az://bucket/path/to/run.zarr"),
        ("s3:///run.zarr", "must name a bucket"),
        ("s3://bucket/../run.zarr", "relative or unprintable parts"),
        ("s3://bucket/" + "x" * 701, "has 701 bytes, at most 700"),
        ("ftp://user:secret@host/run.zarr", "not supported"),
        ("file://host/run.zarr", "this host"),
        ("file.txt/run.zarr", "a part of the path is a file"),
        ("/".join(["y" * 250] * 20), "too long"),
    ],
)
def test_path__that_cannot_be_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").write_text("")
    with pytest.raises((ConfigError, StoreError), match=message) as error:
        RunStore.open(url, toy.layout())
    assert len(str(error.value).splitlines()) == 1
    assert "secret" not in str(error.value)
    assert os.listdir(tmp_path) == ["file.txt"]


def test_path__longest_possible_component_works(tmp_path: Path) -> None:
    toy.values_hash(toy.finished(tmp_path / ("é" * 127)))


def test_path__file_url_with_a_blank(tmp_path: Path) -> None:
    RunStore.open(f"file://{tmp_path}/my%20run.zarr", toy.layout()).close()
    assert os.listdir(tmp_path) == ["my run.zarr"]


def test_space__is_asked_of_the_nearest_directory_that_exists(tmp_path: Path) -> None:
    require_space(tmp_path / "not" / "yet", 1)
    with pytest.raises(StoreError, match=r"needs 1,048,576\.0 TiB, .*B are free; free some space"):
        require_space(tmp_path / "not" / "yet", 2**60)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc here")
def test_path__where_no_directory_can_be_made_is_said_so() -> None:
    require_space(Path("/proc/nope/run.zarr"), 2**20)  # it has no space to count
    with pytest.raises(StoreError) as error:
        RunStore.open("/proc/nope/run.zarr", toy.layout())
    assert str(error.value) == (
        "/proc/nope/run.zarr cannot be created: no directory can be made in /proc; "
        "choose another path"
    )


# Layouts --------------------------------------------------------------------------------------


def changed_layout(**changes: Any) -> Layout:
    given = toy.layout()
    fields = {name: getattr(given, name) for name in Layout.__dataclass_fields__}
    return Layout(**{**fields, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_tiles": 0}, "n_tiles must be at least 1"),
        ({"packed": {"ledger": (1,)}}, "must not be named 'ledger'"),
        ({"packed": {"a/b": (1,)}}, "public Python identifier"),
        ({"packed": {"x": (1,)}}, "unique, got x"),
        ({"packed": {"big": (2**28,)}}, "chunk of big"),
        ({"packed": {"none": (0,)}}, "chunk of none"),
        ({"final": (ArraySpec("_run", ("a",), (1,), (1,)),)}, "public Python identifier"),
        ({"final": (ArraySpec("v", ("a", "b"), (1,), (1,)),)}, "as many dims"),
        ({"final": (ArraySpec("v", ("a",), (0,), (1,)),)}, "must not be empty"),
        ({"coordinates": (Coordinate("n", ("n",), np.array(["a"])),)}, "must hold numbers"),
        ({"coordinates": (Coordinate("n", ("n",), np.array([None])),)}, "must hold numbers"),
        ({"coordinates": (Coordinate("n", ("n",), np.zeros((2, 2))),)}, "as many axes"),
        ({"coordinates": (Coordinate("n", ("n",), np.zeros(0)),)}, "not be empty"),
    ],
)
def test_layout__that_cannot_be_stored_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(StoreError, match=message):
        changed_layout(**changes)


@pytest.mark.parametrize("name", REQUIRED_ATTRIBUTES)
def test_layout__needs_its_provenance(name: str) -> None:
    attrs = toy.attributes()
    del attrs[name]
    with pytest.raises(StoreError, match=f"attrs lack {name}"):
        changed_layout(attrs=attrs)


def test_attributes__that_are_no_plain_data_leave_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"attrs\.note\[0\] must be plain data, got object"):
        RunStore.open(tmp_path / "run.zarr", toy.layout(note=[object()]))
    assert os.listdir(tmp_path) == []
