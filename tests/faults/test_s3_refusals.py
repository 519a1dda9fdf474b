"""Object stores that cannot be used: exit 3 and one line that says why, soon, without secrets."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fastalliance.cli.exits import INTERRUPTED, STORE_REFUSED, WRONG_INPUT
from fastalliance.study import runner, tiles
from tests.cli.command import OWN_MODEL, command, done, started
from tests.faults.clusters import free_port
from tests.faults.s3_proxy import Fault
from tests.faults.s3_server import BUCKET, KEY_ID, SECRET, SECRETS, TOKEN
from tests.faults.s3_stores import (
    NOBODY,
    RETRY_SECONDS,
    Remote,
    assert_no_secrets,
    one_line,
    remote,
)

pytest.importorskip("moto")
pytest.importorskip("obstore")

STUDY = """\
model: ornstein_uhlenbeck
seed: 5
replicates: 4000
horizon: 60
design: {grid: {start: [0, 0.5, 1, 1.5, 2, 2.5]}}
"""
MODEL = ("--model-file", f"{OWN_MODEL}:MODEL")
RUN = ("run", "study.yaml", *MODEL, "--quiet", "--threads", "1", "--store")
RETRIES = 1.0
AT_ONCE = 3.0  # of this process, with everything loaded; one attempt takes milliseconds


@pytest.fixture(scope="module")
def s3() -> Iterator[Remote]:
    with remote() as made:
        yield made


@pytest.fixture(autouse=True)
def _one_test(s3: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv(RETRY_SECONDS, str(RETRIES))
    monkeypatch.setattr(tiles, "_MIN_TILE_STEPS", 1_000_000)
    monkeypatch.setattr(runner, "_RECORD_SECONDS", 0.0)
    Path("study.yaml").write_text(STUDY)
    with s3.one_test():
        yield


def refused(url: str, within: float, *arguments: str, code: int = STORE_REFUSED) -> str:
    """Run (or do something else), which must end with `code`, in time, and with one line."""
    began = time.monotonic()
    outcome = command(*(arguments or RUN), url)
    assert time.monotonic() - began < within
    assert outcome.code == code
    assert_no_secrets(outcome.out)
    return one_line(outcome.err)


# Access ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
def test_access_denied__ends_at_once(s3: Remote, status: int) -> None:
    s3.proxy.add(Fault.STATUS, status=status)
    url = s3.url("denied")
    text = refused(url, AT_ONCE)
    assert re.match(
        rf"{url}: (open|read)ing the store failed: S3 denies access \(status {status}", text
    )
    assert "AWS_ACCESS_KEY_ID" in text
    assert len(s3.proxy.requests()) <= 2, "it is not asked again and again"


DENIALS: dict[str, tuple[str, str]] = {
    "writing": ("PUT", ""),
    "listing": ("GET", "list-type"),
    "reading": ("GET HEAD", r"run\.zarr/.*[^/]$"),
    "deleting": ("POST DELETE", ""),
}


@pytest.mark.parametrize("denied", DENIALS)
def test_access_denied__to_a_part_of_what_a_run_does_ends_at_once(s3: Remote, denied: str) -> None:
    methods, target = DENIALS[denied]
    s3.proxy.add(Fault.STATUS, methods, target, status=403)
    assert "S3 denies access (status 403)" in refused(s3.url(f"no-{denied}"), AT_ONCE)
    assert s3.proxy.count(fault=Fault.STATUS) <= 20


def test_access_denied__in_the_middle_ends_at_once_and_resumes(s3: Remote) -> None:
    """As where temporary credentials expire."""
    url = s3.url("expired")
    s3.proxy.add(Fault.STATUS, "PUT", r"/_run/ledger/.*-", numbers=range(3, 1000), status=403)
    text = refused(url, AT_ONCE + 10)
    assert text.startswith(f"{url}: writing the ledger failed: S3 denies access (status 403); see")
    s3.proxy.reset()
    done(*RUN, url)
    assert 0 < s3.proxy.count("PUT", r"/statistics/c\.") < 6, "tiles in the ledger are kept"
    done(*RUN, s3.url("undisturbed"))
    assert s3.values_hash(url) == s3.values_hash(s3.url("undisturbed"))


def test_read_only_access__is_enough_to_read(s3: Remote) -> None:
    url = s3.url("shared")
    done(*RUN, url)
    s3.proxy.add(Fault.STATUS, "PUT POST DELETE", status=403)
    done("status", url)
    done("export", url, "--to", "result.csv")
    assert command("verify", url, *MODEL).code == 0
    done(*RUN, url)  # it is finished: nothing is written
    assert s3.proxy.count(fault=Fault.STATUS) == 0


# Places that are not there -----------------------------------------------------------------------


def test_missing_bucket__is_said_at_once(s3: Remote) -> None:
    url = "s3://no-such-bucket/run.zarr"
    for arguments in ((), ("status",), ("verify",)):
        text = refused(url, AT_ONCE, *arguments)
        assert text.startswith(url)
        assert "the bucket does not exist" in text


def no_host() -> str:
    return "http://no-such-host.invalid"


def nobody_listens() -> str:
    return f"http://127.0.0.1:{free_port()}"


@pytest.mark.parametrize("endpoint", [no_host, nobody_listens])
def test_server__that_is_not_there_is_given_up_in_time(
    monkeypatch: pytest.MonkeyPatch, endpoint: Callable[[], str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint())
    text = refused(f"s3://{BUCKET}/run.zarr", RETRIES + AT_ONCE)
    assert "S3 does not answer; see to the connection" in text


def test_server__that_is_silent_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        text = refused(f"s3://{BUCKET}/run.zarr", 3 * RETRIES + AT_ONCE)
    assert "S3 does not answer; see to the connection" in text


def test_no_credentials__is_said_in_time(s3: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", NOBODY)
    text = refused(s3.url("nobody"), RETRIES + AT_ONCE)
    assert "there are no credentials for S3" in text
    assert "AWS_ACCESS_KEY_ID" in text
    assert s3.proxy.requests() == []


@pytest.mark.parametrize(
    ("url", "part"),
    [
        (f"s3://{KEY_ID}:{TOKEN}@{BUCKET}/run.zarr", "neither credentials nor options"),
        (f"s3://{KEY_ID}:{SECRET}@{BUCKET}/run.zarr", "must name a bucket"),
        (f"s3://{BUCKET}/run.zarr?token={TOKEN}", "neither credentials nor options"),
        (f"s3://{BUCKET}", "must name a bucket and a place in it"),
        (f"s3://{BUCKET}/", "must name a bucket and a place in it"),
        ("s3:///run.zarr", "must name a bucket and a place in it"),
        (f"s3://{BUCKET}/a//run.zarr", "empty, relative or unprintable parts"),
        (f"s3://{BUCKET}/../run.zarr", "empty, relative or unprintable parts"),
        (f"s3://{BUCKET}/a\x1b[31m/run.zarr", "empty, relative or unprintable parts"),
        (f"s3://{BUCKET}/{'/'.join(['k' * 200] * 4)}", "at most 700 are possible"),
        (f"https://{KEY_ID}:{SECRET}@host/run.zarr", "are not supported"),
    ],
)
def test_url__that_is_none_is_refused_without_a_request(s3: Remote, url: str, part: str) -> None:
    text = refused(url, AT_ONCE, code=WRONG_INPUT)
    assert part in text
    assert "\x1b" not in text
    assert s3.proxy.requests() == []


# Secrets -----------------------------------------------------------------------------------------


def test_secrets__are_in_no_object_and_no_output(s3: Remote) -> None:
    url = s3.url("canary")
    texts = [str(command(*RUN[:-1], "--debug", "--store", url))]
    texts += [str(command(*arguments)) for arguments in (("status", url), ("verify", url, *MODEL))]
    objects = s3.server.objects("canary")
    assert len(objects) > 20
    assert_no_secrets(*texts, *objects, *objects.values())


@pytest.mark.parametrize("status", [400, 403, 404, 409, 500])
def test_secrets__that_a_server_repeats_are_not_shown(s3: Remote, status: int) -> None:
    """S3 answers a wrong signature with the key and with all that was signed."""
    said = f"<Error><Code>SignatureDoesNotMatch</Code>{' '.join(SECRETS)}</Error>"
    s3.proxy.add(Fault.STATUS, status=status, text=said)
    url = s3.url("repeated")
    for arguments in (RUN, ("status",)):
        outcome = command(*arguments, url)
        assert outcome.code == STORE_REFUSED
        one_line(outcome.err)
        debugged = command(*arguments[:1], *arguments[1:-1], "--debug", *arguments[-1:], url)
        assert_no_secrets(debugged.err, debugged.out)


# Signals -----------------------------------------------------------------------------------------


def interrupt(process: subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGINT)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for other processes")
def test_interrupt__during_an_outage_ends_the_run_and_it_resumes(s3: Remote) -> None:
    """A second Ctrl-C does not wait until the run gives the server up."""
    url = s3.url("interrupted")
    s3.proxy.add(Fault.DROP, "PUT", r"/_run/statistics/c\.")
    with started(*RUN, url, **{RETRY_SECONDS: "120"}) as process:
        while not s3.proxy.count("PUT", r"/_run/statistics/c\."):
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        s3.proxy.add(Fault.DROP)
        time.sleep(0.5)
        interrupt(process)
        time.sleep(0.5)
        interrupt(process)
        _, err = process.communicate(timeout=20)
    assert process.returncode == INTERRUPTED
    assert_no_secrets(err)
    s3.proxy.clear()
    done(*RUN, url)
