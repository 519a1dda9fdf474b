"""Stores on the S3 server of the tests: where they are, what is in them, who may reach them."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

import fastalliance as fa
from fastalliance.study.model_file import load
from tests.cli.command import OWN_MODEL
from tests.faults import toy
from tests.faults.s3_proxy import Fault, S3Proxy, proxy
from tests.faults.s3_server import BUCKET, SECRETS, S3Server, environment, server

RETRY_SECONDS = "FASTALLIANCE_RETRY_SECONDS"
# Of a server that is asked for credentials where there are none: nobody listens at port 9.
NOBODY = "http://127.0.0.1:9"


@dataclass(frozen=True)
class Remote:
    """A server, the proxy before it, and names of stores on it."""

    server: S3Server
    proxy: S3Proxy

    def url(self, name: str) -> str:
        return f"s3://{BUCKET}/{name}/run.zarr"

    def files(self, url: str) -> list[str]:
        """Return the keys of a store, relative to it."""
        prefix = key_of(url)
        return [key.removeprefix(f"{prefix}/") for key in self.server.keys(prefix)]

    def values_hash(self, url: str) -> str:
        """Return a SHA-256 of all values of a finished store, as plain xarray reads them."""
        return toy.values_hash(self.plain(url))

    def plain(self, url: str) -> Any:
        """Return a store of zarr's own, which knows nothing of ours."""
        from obstore.store import S3Store
        from zarr.storage import ObjectStore

        client = S3Store(
            BUCKET,
            prefix=key_of(url),
            endpoint=self.server.url,
            region="us-east-1",
            access_key_id=SECRETS[0],
            secret_access_key=SECRETS[1],
            client_options={"allow_http": True},
        )
        return ObjectStore(client, read_only=True)

    @contextlib.contextmanager
    def one_test(self) -> Iterator[None]:
        """Begin without rules, and remove what was written: moto's listings go through all keys."""
        self.proxy.reset()
        before = set(self.server.keys())
        yield
        self.proxy.reset()
        self.server.delete(set(self.server.keys()) - before)

    @contextlib.contextmanager
    def outage(self, methods: str = "", target: str = "") -> Iterator[None]:
        """Fail some requests meanwhile, all of them and at once."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(RETRY_SECONDS, "0")
            self.proxy.add(Fault.STATUS, methods, target)
            yield
            self.proxy.clear()

    def assert_clean(self, url: str) -> None:
        """Nothing is left of what was killed, or failed: neither beside the store nor in it."""
        folder = key_of(url).rpartition("/")[0]
        assert all(key.startswith(f"{key_of(url)}/") for key in self.server.keys(folder))
        files = self.files(url)
        assert [f for f in files if f.startswith("_run/scratch/")] == ["_run/scratch/zarr.json"]
        assert not [f for f in files if f.startswith("_run/statistics")]
        arrays = {f.partition("/")[0] for f in files if f.endswith("/zarr.json")}
        assert {f.partition("/")[0] for f in files} == arrays | {"zarr.json"}


def study() -> fa.Study:
    """Three points of a model of two outputs, with kept replicates and trajectories: few files."""
    return fa.Study(
        load(f"{OWN_MODEL}:MODEL"),
        design=fa.grid(start=[0.0, 0.5, 1.0]),
        replicates=4,
        horizon=3.0,
        seed=3,
        keep={"replicates": True, "trajectories": {"every": 1.0, "replicates": 2}},
    )


def key_of(url: str) -> str:
    return url.removeprefix(f"s3://{BUCKET}/")


def names(files: list[str]) -> list[str]:
    """Return a store's files without leases, and without the names of runs in them."""
    kept = [file for file in files if not file.startswith("_run/lease/")]
    return sorted({re.sub(r"[^/]*[0-9a-f]{8}-\d{6}(?=\.json)", "rows", file) for file in kept})


@contextlib.contextmanager
def remote() -> Iterator[Remote]:
    """Yield a server and a proxy, the latter in this process's environment meanwhile."""
    with server() as made, proxy(made.port) as before, pytest.MonkeyPatch.context() as patch:
        surround(patch, environment(before.url), retry_seconds=20)
        yield Remote(made, before)


def surround(patch: pytest.MonkeyPatch, wanted: Mapping[str, str], retry_seconds: float) -> None:
    """Make this process's settings for object stores the wanted ones, and no others."""
    for name in os.environ:
        if name.startswith(("AWS_", "AZURE_", "GOOGLE_")):
            patch.delenv(name)
    for name, value in wanted.items():
        if name.startswith("AWS_"):
            patch.setenv(name, value)
    patch.setenv(RETRY_SECONDS, str(retry_seconds))
    patch.setenv("AWS_METADATA_ENDPOINT", NOBODY)


def assert_no_secrets(*texts: str | bytes) -> None:
    for text in texts:
        data = text if isinstance(text, bytes) else text.encode()
        for secret in SECRETS:
            assert secret.encode() not in data, "a secret of the environment was given away"


def one_line(err: str) -> str:
    """Return the message in one line of what was printed for an error, which must be all."""
    lines = err.splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("fastalliance: error: "), err
    assert_no_secrets(err)
    for word in ("Debug source", "RetryError", "<Error>", "obstore"):
        assert word not in err
    return lines[0].removeprefix("fastalliance: error: ")
