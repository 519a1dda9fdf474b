"""Places in object stores, and what is said of requests that fail; no server is asked."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from fastalliance.errors import StoreError
from fastalliance.store import object_requests
from fastalliance.store.files import os_errors
from fastalliance.store.location import locate
from fastalliance.store.object_requests import ObjectStoreError, ask, explained
from fastalliance.store.objects import ObjectPath, local
from fastalliance.store.paths import Paths, document

SECRET = "wJalrXUtnFEMI"


def answer(status: str, body: str = "") -> str:
    return (
        f"Generic S3 error: Error performing PUT http://127.0.0.1:1/b/x?k={SECRET} in 4ms - Server "
        f"returned non-2xx status code: {status}: {body}\n\nDebug source:\n{SECRET}"
    )


def test_url__names_a_place():
    place = locate("s3://bucket/results/run.zarr/")
    assert place == ObjectPath("s3://bucket", "results/run.zarr")
    assert str(place) == "s3://bucket/results/run.zarr"
    assert (place.name, str(place.parent)) == ("run.zarr", "s3://bucket/results")
    assert (
        str(document(Paths(place).ledger)) == "s3://bucket/results/run.zarr/_run/ledger/zarr.json"
    )
    assert (place / "run-000001.held").with_suffix(".released").name == "run-000001.released"
    assert pickle.loads(pickle.dumps(place)) == place
    assert local(Path("a")) == Path("a")
    with pytest.raises(TypeError, match="is in an object store"):
        local(place)


@pytest.mark.parametrize(
    ("error", "reason", "passes"),
    [
        (Exception(answer("500 Internal Server Error")), "S3 answers with status 500", True),
        (Exception(answer("503 Slow Down")), "S3 answers with status 503", True),
        (Exception(answer("429 Too Many Requests")), "S3 answers with status 429", True),
        (Exception(answer("409 Conflict")), "S3 answers with status 409", True),
        (Exception(answer("400 Bad Request")), "S3 answers with status 400", False),
        (Exception(answer("403 Forbidden")), "S3 denies access (status 403)", False),
        (Exception(answer("401 Unauthorized")), "S3 denies access (status 401)", False),
        (FileNotFoundError(answer("404 Not Found")), "No such object", False),
        (
            FileNotFoundError(answer("404 Not Found", "<Code>NoSuchBucket</Code>")),
            "the bucket does not exist",
            False,
        ),
        (Exception("HTTP error: error sending request"), "S3 does not answer", True),
        (
            Exception("Error performing PUT http://169.254.169.254/latest/api/token"),
            "there are no credentials for S3",
            False,
        ),
    ],
)
def test_error__says_what_can_be_done_and_no_secret(error, reason, passes):
    found = explained(error, "s3://bucket")
    assert found.strerror == reason
    assert getattr(found, "passes", False) is passes
    assert isinstance(found, FileNotFoundError) or found.remedy
    assert SECRET not in f"{found!r} {found}"
    with pytest.raises(StoreError) as told, os_errors(ObjectPath("s3://b", "x"), "writing"):
        raise found
    assert len(str(told.value).splitlines()) == 1
    assert str(told.value).startswith(f"s3://b/x: writing failed: {reason}; ")


def test_error__travels_between_processes():
    error = ObjectStoreError("reason", "remedy", passes=True)
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.strerror, copy.remedy) == ("reason", "remedy")


def test_requests__are_repeated_until_the_time_is_over(monkeypatch):
    pytest.importorskip("obstore")
    monkeypatch.setenv(object_requests.INSIST_VARIABLE, "0.5")
    tries = []

    def fails(obstore, client):
        tries.append(1)
        raise OSError(answer("500 Internal Server Error"))

    with pytest.raises(ObjectStoreError, match="status 500"):
        ask("s3://bucket", fails)
    assert len(tries) == 3  # after 0, 0.1 and 0.3 s; the next would be too late

    def refuses(obstore, client):
        tries.append(1)
        raise OSError(answer("403 Forbidden"))

    tries.clear()
    with pytest.raises(ObjectStoreError, match="status 403"):
        ask("s3://bucket", refuses)
    assert len(tries) == 1


@pytest.mark.parametrize("text", ["-1", "soon", "nan", "1e9"])
def test_time_to_insist__must_be_seconds(monkeypatch, text):
    monkeypatch.setenv(object_requests.INSIST_VARIABLE, text)
    with pytest.raises(StoreError, match="FASTALLIANCE_RETRY_SECONDS must be a number of seconds"):
        object_requests.insist_seconds()


FORKED = """\
import os
from fastalliance.errors import StoreError
from fastalliance.store import object_requests

object_requests._used_by.append(os.getpid())
child = os.fork()
if child == 0:
    try:
        object_requests.ask("s3://bucket", lambda obstore, client: None)
    except StoreError as error:
        print(error, flush=True)
    finally:
        os._exit(0)
os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked here")
def test_forked_process__is_told_and_does_not_hang():
    """A fresh interpreter forks: this one may have threads by now, of whatever was imported."""
    pytest.importorskip("obstore")
    done = subprocess.run(
        [sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=60, check=True
    )
    assert "forked after their first use" in done.stdout
    assert done.stderr == ""
