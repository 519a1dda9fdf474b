"""The S3 server of the tests keeps its promises; the proxy before it does what its rules say."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from tests.faults.s3_proxy import Fault, S3Proxy, proxy
from tests.faults.s3_server import BUCKET, ROOT, SECRETS, S3Server, environment, server

pytest.importorskip("moto")
pytest.importorskip("obstore")

Answer = tuple[int, bytes] | None
SIGNED = {  # moto does not look at signatures
    "Authorization": "AWS4-HMAC-SHA256 Credential=ID/20260101/us-east-1/s3/aws4_request, "
    "SignedHeaders=host, Signature=00"
}


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[S3Server, S3Proxy]]:
    with server() as made, proxy(made.port) as before:
        yield made, before


@pytest.fixture
def s3(running: tuple[S3Server, S3Proxy]) -> S3Server:
    made, before = running
    before.reset()
    made.delete(made.keys())
    return made


@pytest.fixture
def faulty(running: tuple[S3Server, S3Proxy], s3: S3Server) -> S3Proxy:
    return running[1]


def ask(port: int, method: str, key: str, body: bytes = b"", **headers: str) -> Answer:
    """Make one request, without any repetition; None if the connection is closed before the end."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, f"/{BUCKET}/{key}", body, {**SIGNED, **headers})
        with connection.getresponse() as reply:
            return reply.status, reply.read()
    except (ConnectionError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def code(answer: Answer) -> int | None:
    return None if answer is None else answer[0]


def create(port: int, key: str, body: bytes) -> int | None:
    return code(ask(port, "PUT", key, body, **{"If-None-Match": "*"}))


def test_server__lets_one_of_many_create_an_object(s3: S3Server) -> None:
    for round_ in range(5):
        together = threading.Barrier(8)
        answers: list[int | None] = []

        def race(body: bytes, key: str = f"race/{round_}", together=together, answers=answers):
            together.wait()
            answers.append(create(s3.port, key, body))

        racers = [threading.Thread(target=race, args=(b"%d" % n,)) for n in range(8)]
        for racer in racers:
            racer.start()
        for racer in racers:
            racer.join()
        assert sorted(map(str, answers)) == ["200", *["412"] * 7]


def test_server__writes_by_condition(s3: S3Server) -> None:
    import obstore

    tag = obstore.put(s3.store, "k", b"one")["e_tag"]
    assert obstore.put(s3.store, "k", b"two", mode={"e_tag": tag})["e_tag"] != tag
    with pytest.raises(obstore.exceptions.PreconditionError):
        obstore.put(s3.store, "k", b"three", mode={"e_tag": tag})
    assert s3.objects() == {"k": b"two"}


def test_server__refuses_bodies_that_were_cut(s3: S3Server, faulty: S3Proxy) -> None:
    faulty.add(Fault.CUT_REQUEST, "PUT")
    assert ask(faulty.port, "PUT", "cut", b"x" * 100_000) is None
    time.sleep(0.2)
    assert s3.keys() == []


def test_server__denies_requests_without_credentials(s3: S3Server) -> None:
    s3.put("k", b"data")
    connection = http.client.HTTPConnection("127.0.0.1", s3.port)
    connection.request("GET", f"/{BUCKET}/k")
    with connection.getresponse() as reply:
        assert reply.status == 403
    connection.close()


def test_server__ends_with_who_started_it() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.s3_server"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline().strip().isdigit()
    process.stdin.close()
    assert process.wait(timeout=20) == 0
    process.stdout.close()


def test_environment__has_the_credentials_of_the_tests_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "real")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "real")
    made = environment("http://127.0.0.1:1")
    assert "real" not in made.values()
    assert {made[f"AWS_{n}"] for n in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")} == {
        *SECRETS
    }
    assert made["PATH"] == os.environ["PATH"]


def test_proxy__without_rules_hands_on_all(s3: S3Server, faulty: S3Proxy) -> None:
    big = os.urandom(3_000_000)
    assert code(ask(faulty.port, "PUT", "a%20b/%C3%BC", big)) == 200
    assert s3.objects() == {"a b/ü": big}
    assert ask(faulty.port, "GET", "a%20b/%C3%BC") == (200, big)
    assert ask(faulty.port, "HEAD", "a%20b/%C3%BC") == (200, b"")
    partial = ask(faulty.port, "GET", "a%20b/%C3%BC", Range="bytes=10-19")
    assert partial == (206, big[10:20])
    assert code(ask(faulty.port, "GET", "none")) == 404
    assert create(faulty.port, "a%20b/%C3%BC", b"no") == 412
    assert code(ask(faulty.port, "DELETE", "a%20b/%C3%BC")) == 204
    assert s3.keys() == []
    seen = [(r.method, r.status, r.condition) for r in faulty.requests()]
    assert seen == [
        ("PUT", 200, ""),
        ("GET", 200, ""),
        ("HEAD", 200, ""),
        ("GET", 206, ""),
        ("GET", 404, ""),
        ("PUT", 412, "If-None-Match"),
        ("DELETE", 204, ""),
    ]


@pytest.mark.parametrize("status", [403, 500, 503])
def test_status__is_answered_without_the_server(s3: S3Server, faulty: S3Proxy, status: int) -> None:
    faulty.add(Fault.STATUS, "PUT", status=status)
    assert code(ask(faulty.port, "PUT", "k", b"data")) == status
    assert code(ask(faulty.port, "GET", "k")) == 404
    assert s3.keys() == []


def test_drop__does_nothing(s3: S3Server, faulty: S3Proxy) -> None:
    faulty.add(Fault.DROP, "PUT DELETE")
    s3.put("old", b"data")
    assert ask(faulty.port, "PUT", "k", b"data") is None
    assert ask(faulty.port, "DELETE", "old") is None
    assert s3.keys() == ["old"]


def test_lost_reply__the_server_has_done_it(s3: S3Server, faulty: S3Proxy) -> None:
    faulty.add(Fault.LOSE_REPLY, "PUT")
    assert create(faulty.port, "k", b"data") is None
    assert s3.objects() == {"k": b"data"}
    faulty.clear()
    assert create(faulty.port, "k", b"data") == 412


def test_cut_reply__in_the_middle_of_its_body(s3: S3Server, faulty: S3Proxy) -> None:
    faulty.add(Fault.CUT_REPLY, "GET")
    s3.put("k", b"x" * 1000)
    assert ask(faulty.port, "GET", "k") is None
    connection = http.client.HTTPConnection("127.0.0.1", faulty.port)
    connection.request("GET", f"/{BUCKET}/k", headers=SIGNED)
    with connection.getresponse() as reply:
        assert (reply.status, reply.getheader("Content-Length")) == (200, "1000")
        with pytest.raises(http.client.IncompleteRead) as cut:
            reply.read()
        assert len(cut.value.partial) == 500
    connection.close()


@pytest.mark.parametrize("fault", [Fault.SLOW, Fault.SLOW_REPLY])
def test_slow__answers_late(s3: S3Server, faulty: S3Proxy, fault: Fault) -> None:
    faulty.add(fault, "PUT", seconds=0.5)
    sender = threading.Thread(target=ask, args=(faulty.port, "PUT", "k", b"data"))
    began = time.monotonic()
    sender.start()
    time.sleep(0.25)
    assert s3.keys() == (["k"] if fault is Fault.SLOW_REPLY else [])
    sender.join()
    assert time.monotonic() - began >= 0.5
    assert s3.keys() == ["k"]


def test_rules__choose_requests(s3: S3Server, faulty: S3Proxy) -> None:
    faulty.add(Fault.STATUS, "PUT", r"/ledger/", numbers=[2, 3], status=503)
    faulty.add(Fault.STATUS, "PUT", conditional=True, status=500)
    faulty.add(Fault.STATUS, "PUT", r"/plain", conditional=False, status=403)
    answers = [code(ask(faulty.port, "PUT", f"ledger/{n}", b"x")) for n in range(4)]
    assert answers == [200, 503, 503, 200]
    assert create(faulty.port, "data", b"x") == 500
    assert code(ask(faulty.port, "PUT", "plain", b"x")) == 403
    assert code(ask(faulty.port, "PUT", "data", b"x")) == 200
    assert faulty.count(fault=Fault.STATUS) == 4
    assert faulty.count("PUT", "/ledger/") == 4
    assert faulty.count("GET") == 0
    faulty.clear()
    assert code(ask(faulty.port, "PUT", "ledger/2", b"x")) == 200


def test_probability__follows_the_seed(s3: S3Server, faulty: S3Proxy) -> None:
    def hits(seed: int) -> list[int | None]:
        faulty.clear()
        faulty.add(Fault.STATUS, "GET", probability=0.3, seed=seed, status=500)
        return [code(ask(faulty.port, "GET", "none")) for _ in range(40)]

    first = hits(1)
    assert 4 <= first.count(500) <= 20
    assert first == hits(1) != hits(2)


def test_client__repeats_on_one_connection(s3: S3Server, faulty: S3Proxy) -> None:
    """The client that the package uses, before a proxy that fails every third request."""
    import obstore
    from obstore.store import S3Store

    client = S3Store(
        BUCKET,
        endpoint=faulty.url,
        region="us-east-1",
        access_key_id=SECRETS[0],
        secret_access_key=SECRETS[1],
        client_options={"allow_http": True},
    )
    for number, fault in enumerate((Fault.STATUS, Fault.DROP, Fault.LOSE_REPLY, Fault.CUT_REPLY)):
        faulty.add(fault, numbers=range(1 + number, 60, 9))
    for number in range(12):
        obstore.put(client, f"k/{number}", b"%d" % number * 1000, use_multipart=False)
    for number in range(12):
        assert bytes(obstore.get(client, f"k/{number}").bytes()) == b"%d" % number * 1000
    assert len(s3.keys("k")) == 12
    assert all(faulty.count(fault=fault) >= 2 for fault in (Fault.STATUS, Fault.LOSE_REPLY))
