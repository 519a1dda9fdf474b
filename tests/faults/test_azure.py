"""A store on Azure Blob Storage, as its emulator azurite has it; skipped where there is none.

``npm install azurite`` brings it; FASTALLIANCE_AZURITE names its program ``azurite-blob`` where it
is not on the path.
"""

from __future__ import annotations

import base64
import email.utils
import hashlib
import hmac
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import fastalliance as fa
from fastalliance.errors import StoreError
from fastalliance.store import RunStore, read, status
from tests.faults import toy
from tests.faults.clusters import free_port
from tests.faults.forks import Forks
from tests.faults.s3_stores import study

pytest.importorskip("obstore")
AZURITE = os.environ.get("FASTALLIANCE_AZURITE") or shutil.which("azurite-blob")
if AZURITE is None:
    pytest.skip("azurite is not installed", allow_module_level=True)

ACCOUNT = "devstoreaccount1"  # azurite's own, with a key that everybody knows
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
CONTAINER = "alliances"
OPTIONS = ("--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent")


def make_container(endpoint: str) -> None:
    """Create a container; signed by hand, as obstore has no request for it."""
    date = email.utils.formatdate(usegmt=True)
    headers = {"x-ms-date": date, "x-ms-version": "2021-12-02"}
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    text = f"PUT{chr(10) * 12}{lines}/{ACCOUNT}/{ACCOUNT}/{CONTAINER}\nrestype:container"
    digest = hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()
    headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
    url = f"{endpoint}/{CONTAINER}?restype=container"
    with urllib.request.urlopen(
        urllib.request.Request(url, method="PUT", headers=headers)
    ) as reply:
        assert reply.status == 201


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    assert AZURITE is not None
    port = free_port()
    process = subprocess.Popen(
        [AZURITE, "--blobHost", "127.0.0.1", "--blobPort", str(port), *OPTIONS],
        stdout=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                assert time.monotonic() < end, "azurite does not start"
                time.sleep(0.1)
        url = f"http://127.0.0.1:{port}/{ACCOUNT}"
        make_container(url)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT)
            patch.setenv("AZURE_STORAGE_ACCOUNT_KEY", KEY)
            patch.setenv("AZURE_STORAGE_ENDPOINT", url)
            patch.setenv("AZURE_ALLOW_HTTP", "true")
            patch.setenv("FASTALLIANCE_RETRY_SECONDS", "5")
            yield url
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def url(endpoint: str, request: pytest.FixtureRequest) -> str:
    return f"az://{CONTAINER}/{request.node.name}/run.zarr"


def test_study__has_the_values_of_one_in_memory(url: str) -> None:
    with study().run(store=url, points_per_tile=1, threads=2) as stored, study().run() as memory:
        assert stored.load().equals(memory.load())
    assert fa.verify(url, model=study().model, threads=1, tiles="all").ok
    assert status(url).owner is None


def test_second_run__is_refused_and_a_lost_lease_noticed(url: str) -> None:
    with RunStore.open(url, toy.layout()) as first:
        with pytest.raises(StoreError, match=f"is in use by process {os.getpid()} on "):
            RunStore.open(url, toy.layout())
        with RunStore.open(url, toy.layout(), break_lock=True) as second:
            with pytest.raises(StoreError, match="another run has taken this store over"):
                first.write(0, toy.tile_data(0))
            toy.drive(second, 6)
    assert read(url).complete
    with RunStore.open(url, toy.layout(configuration_hash="new"), overwrite=True) as third:
        assert third.missing().size == 6


def test_shards__at_one_moment_create_one_store_and_finish_it(url: str, tmp_path: Path) -> None:
    with Forks(tmp_path) as forks:
        numbers = forks.start(*([url, "--shard", f"{index}/3"] for index in range(3)))
        assert [forks.end(number) for number in numbers] == [(0, "")] * 3
    found = status(url)
    assert found.complete
    assert found.owner is None


def test_missing_container__is_one_line(endpoint: str) -> None:
    with pytest.raises(StoreError, match="the bucket does not exist") as failure:
        status("az://nowhere/run.zarr")
    assert len(str(failure.value).splitlines()) == 1
    assert KEY not in str(failure.value)
