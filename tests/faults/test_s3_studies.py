"""Studies on a store by URL: the values of a local store, through every command that reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import fastalliance as fa
from fastalliance.errors import StoreError
from fastalliance.store import status
from tests.cli.command import OWN_MODEL, command, done, refused
from tests.faults.s3_server import BUCKET
from tests.faults.s3_stores import Remote, remote, study

pytest.importorskip("moto")
pytest.importorskip("obstore")

STUDY = """\
model: ornstein_uhlenbeck
seed: 5
replicates: 20
horizon: 12
design: {grid: {start: [0, 0.5, 1]}}
keep: {replicates: true}
"""
MODEL = ("--model-file", f"{OWN_MODEL}:MODEL")
RUN = ("run", "study.yaml", *MODEL, "--quiet", "--threads", "1", "--store")


@pytest.fixture(scope="module")
def s3() -> Iterator[Remote]:
    with remote() as made:
        yield made


@pytest.fixture(autouse=True)
def _one_test(s3: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    Path("study.yaml").write_text(STUDY)
    with s3.one_test():
        yield


@pytest.fixture(scope="module")
def finished(s3: Remote, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A store by URL with kept replicates and trajectories, and the same in a directory."""
    local, url = tmp_path_factory.mktemp("local") / "run.zarr", s3.url("finished")
    for store in (local, url):
        study().run(store=store, points_per_tile=1, threads=2)
    return url, local


def pairs(out: str) -> dict[str, str]:
    """Return the labelled values of what `status` printed."""
    rows = (re.split(r"\s{2,}", line, maxsplit=1) for line in out.splitlines() if line)
    return {row[0]: row[-1] for row in rows}


def without_history(ds: xr.Dataset) -> xr.Dataset:
    """Return a dataset without the attributes that say where and when."""
    for name in ("created", "finished", "history"):
        ds.attrs.pop(name, None)
    return ds


def requests_for_chunks(s3: Remote) -> int:
    return s3.proxy.count("GET", r"run\.zarr/(?!_run).*/c\.")


def test_study__has_the_values_of_a_local_store(s3: Remote, finished: tuple[str, Path]) -> None:
    url, local = finished
    with fa.open(url) as ours, fa.open(local) as theirs:
        xr.testing.assert_identical(without_history(ours), without_history(theirs))
        assert ours.attrs["complete"] is True
        assert {"x", "x_path", "x_mean"} <= set(ours)
    assert s3.files(url)[-1] == "zarr.json"
    s3.assert_clean(url)


def test_open__reads_chunks_when_they_are_asked_for(s3: Remote, finished: tuple[str, Path]) -> None:
    url, _ = finished
    with fa.open(url) as ds:
        before = requests_for_chunks(s3)
        part = ds["x_path"].isel(start=1, replicate=[0, 1]).compute()
        read = requests_for_chunks(s3) - before
        assert np.isfinite(part.values).all()
    assert s3.proxy.count("GET", "x_path/c") == read == 1


def test_plain_xarray__reads_it_by_obstore_and_by_fsspec(
    s3: Remote, finished: tuple[str, Path]
) -> None:
    from obstore.fsspec import FsspecStore
    from zarr.storage import FsspecStore as FsspecZarr

    url, local = finished
    places = FsspecStore("s3", client_options={"allow_http": True}, asynchronous=True)
    stores = (s3.plain(url), FsspecZarr(places, path=url.removeprefix("s3://"), read_only=True))
    with xr.open_zarr(local, consolidated=False) as theirs:
        expected = without_history(theirs.load())
    for store in stores:
        with xr.open_zarr(store, consolidated=False) as ours:
            xr.testing.assert_identical(without_history(ours.load()), expected)


def test_commands__run_status_verify_plot_export(s3: Remote) -> None:
    url = s3.url("commands")
    summary = done(*RUN, url)
    assert url in summary.replace("\n", "")
    done(*RUN, "local.zarr")
    told, local = (pairs(done("status", store)) for store in (url, "local.zarr"))
    assert told.pop("store") == url
    assert told["state"] == "complete"
    assert told["being written by"] == "nobody"
    differ = {name for name in told if told[name] != local[name]}
    assert differ <= {"started", "finished", "on disk"}
    verified_ = command("verify", url, "--all", *MODEL)
    assert verified_.code == 0, verified_
    assert "1 of 1 tiles recomputed bit for bit" in verified_.out
    done("plot", url, "--to", "picture.png")
    assert Path("picture.png").stat().st_size > 5000
    for store, target in ((url, "remote.csv"), ("local.zarr", "local.csv")):
        done("export", store, "--to", target)
    assert Path("remote.csv").read_text() == Path("local.csv").read_text()
    before = s3.files(url)
    done("plot", url)
    assert Path("run.png").is_file(), "beside the store is no place for a picture"
    assert s3.files(url) == before
    assert list(Path().glob("s3*")) == []


def test_unfinished__says_so_and_is_resumed_where_it_ended(s3: Remote) -> None:
    url = s3.url("unfinished")
    with s3.outage("PUT", r"/_run/statistics/c\.[12]"), pytest.raises(StoreError):
        study().run(store=url, points_per_tile=1, threads=1)
    found = status(url)
    assert (found.complete, found.n_done, found.n_tiles) == (False, 1, 3)
    assert found.owner is None
    with pytest.warns(fa.study.checks.ResultWarning, match="unfinished|not complete|incomplete"):
        part = fa.open(url)
    assert part.attrs["complete"] is False
    whole = study().run()
    for name in ("x_mean", "x"):
        shown = part[name].values
        assert np.isnan(shown[1:]).all(), "points of the tiles that are missing"
        np.testing.assert_array_equal(shown[0], whole[name].values[0])
    s3.proxy.reset()
    resumed = study().run(store=url, points_per_tile=1, threads=1)
    assert s3.proxy.count("PUT", r"/_run/statistics/c\.") == 2
    xr.testing.assert_equal(resumed.load(), whole)
    s3.assert_clean(url)


def test_finished__run_again_computes_nothing(s3: Remote, finished: tuple[str, Path]) -> None:
    url, _ = finished
    study().run(store=url, points_per_tile=1, threads=1)
    assert s3.proxy.count("PUT POST DELETE") == 0


def test_another_study__is_refused_until_overwrite(s3: Remote) -> None:
    """And what is beside it, under names that begin alike, is left."""
    url = s3.url("alike")
    theirs = {"alike/run.zarr2/zarr.json": b"2", "alike/run.zarr-notes": b"3", "alike/run.zar": b""}
    for key, data in theirs.items():
        s3.server.put(key, data)
    done(*RUN, url)
    before = s3.server.objects("alike")
    outcome = command(*RUN, url, "--set", "seed=6")
    assert outcome.code == 3
    assert outcome.err.startswith(f"fastalliance: error: {url} holds another study")
    assert "seed: 5 -> 6" in outcome.err
    assert s3.server.objects("alike") == before
    done(*RUN, url, "--set", "seed=6", "--overwrite")
    assert fa.open(url).attrs["seed"] == 6
    assert {key: s3.server.get(key) for key in theirs} == theirs
    assert not {key for key in s3.server.keys("alike") if key.endswith(".held")}


def test_overwrite__leaves_what_is_no_store(s3: Remote) -> None:
    url = s3.url("others")
    theirs = {"others/run.zarr/data.csv": b"1", "others/single": b"3"}
    for key, data in theirs.items():
        s3.server.put(key, data)
    for place in (url, f"s3://{BUCKET}/others/single"):
        for more in ((), ("--overwrite",)):
            assert "left untouched" in refused(*RUN, place, *more, code=3)
    assert s3.server.objects("others") == theirs


def test_nothing_there__is_one_line(s3: Remote) -> None:
    url = s3.url("nothing")
    for command_, *more in (["status"], ["verify"], ["plot"], ["export", "--to", "x.csv"]):
        assert url in refused(command_, url, *more, code=3)
    with pytest.raises(StoreError, match=r"nothing/run\.zarr"):
        fa.open(url)
    assert s3.proxy.count("PUT POST DELETE") == 0


def test_path__of_a_url_that_pathlib_has_shortened_is_refused(s3: Remote) -> None:
    with pytest.raises(fa.FastAllianceError, match="s3://"):
        study().run(store=Path(s3.url("shortened")), threads=1)
    assert list(Path().glob("s3*")) == []
