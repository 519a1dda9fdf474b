"""A faulty network before an S3 server: a proxy in threads of this process, with rules.

Rules are added and cleared while it runs; the first that hits a request is done to it. Every
request is written down with what was done to it, for tests to count.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import re
import socket
import sys
import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Fault(StrEnum):
    """What is done to a request.

    STATUS is answered by the proxy, DROP closes the connection, CUT_REQUEST closes it in the
    middle of the request's body: in all three the server does nothing. LOSE_REPLY closes the
    connection after the server has done what was asked; CUT_REPLY does so in the middle of the
    reply's body. SLOW waits before it asks the server, SLOW_REPLY after it has.
    """

    STATUS = "status"
    DROP = "drop"
    CUT_REQUEST = "cut request"
    LOSE_REPLY = "lose reply"
    CUT_REPLY = "cut reply"
    SLOW = "slow"
    SLOW_REPLY = "slow reply"


@dataclass
class Rule:
    """A fault, and the requests that it hits.

    Attributes
    ----------
    fault : Fault
        What is done.
    methods : collection of str
        GET, HEAD, PUT, POST, DELETE; empty for all.
    target : str
        A regular expression that is searched in the request's target (``/bucket/key?query``).
    conditional : bool, optional
        Only requests with (or without) ``If-Match`` or ``If-None-Match``.
    numbers : collection of int, optional
        Which of the requests that fit, counted from 1; by default, all.
    probability : float
        With which each of these is hit, by random numbers of the rule's own.
    seed : int
        Of those numbers.
    status : int
        Of the answer, for Fault.STATUS.
    seconds : float
        To wait, for the slow ones.
    text : str
        The answer's body, for Fault.STATUS; by default, an error as S3 writes it.
    """

    fault: Fault
    methods: Collection[str] = ()
    target: str = ""
    conditional: bool | None = None
    numbers: Collection[int] | None = None
    probability: float = 1.0
    seed: int = 0
    status: int = 500
    seconds: float = 0.0
    text: str = ""
    fitting: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def hits(self, method: str, target: str, conditional: bool) -> bool:
        """Say whether a request is hit, and count it."""
        if self.methods and method not in self.methods:
            return False
        if self.conditional not in (None, conditional) or not re.search(self.target, target):
            return False
        self.fitting += 1
        chosen = self.numbers is None or self.fitting in self.numbers
        return chosen and self._random.random() < self.probability


@dataclass(frozen=True)
class Request:
    """A request as it came, and what was done to it.

    Attributes
    ----------
    method, target : str
        As in its first line.
    condition : str
        ``If-Match``, ``If-None-Match``, or nothing.
    key_id : str
        Who signed it.
    fault : Fault or None
        What was done to it.
    status : int or None
        What the client was sent.
    """

    method: str
    target: str
    condition: str
    key_id: str
    fault: Fault | None
    status: int | None


class S3Proxy:
    """A running proxy; see `proxy`."""

    def __init__(self, server_port: int) -> None:
        self.server_port = server_port
        self.stopped = threading.Event()
        self.broken: list[str] = []
        self._rules: list[Rule] = []
        self._requests: list[Request] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def add(self, fault: Fault, methods: str = "", target: str = "", **more: object) -> Rule:
        """Add a rule for methods such as ``"PUT POST"``, and return it."""
        rule = Rule(fault, methods.split(), target, **more)  # type: ignore[arg-type]
        with self._lock:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Forget all rules; requests that wait already go on waiting."""
        with self._lock:
            self._rules.clear()

    def reset(self) -> None:
        """Forget all rules and requests."""
        with self._lock:
            self._rules.clear()
            self._requests.clear()

    def requests(self, methods: str = "", target: str = "") -> list[Request]:
        """Return the requests so far, of some methods, with some pattern in their targets."""
        wanted = methods.split()
        with self._lock:
            return [
                request
                for request in self._requests
                if (not wanted or request.method in wanted) and re.search(target, request.target)
            ]

    def count(self, methods: str = "", target: str = "", fault: Fault | None = None) -> int:
        """Return how many requests there were; of those hit by a fault, if one is given."""
        found = self.requests(methods, target)
        return len(found if fault is None else [r for r in found if r.fault is fault])

    def judge(self, method: str, target: str, conditional: bool) -> Rule | None:
        """Return the rule that hits a request, if any."""
        with self._lock:
            return next((r for r in self._rules if r.hits(method, target, conditional)), None)

    def note(self, request: Request) -> None:
        with self._lock:
            self._requests.append(request)

    def close(self) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextlib.contextmanager
def proxy(server_port: int) -> Iterator[S3Proxy]:
    """Yield a running proxy before the server at a port; what broke in it is an error here."""
    made = S3Proxy(server_port)
    try:
        yield made
    finally:
        made.close()
    assert not made.broken, made.broken


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    proxy: S3Proxy

    def handle_error(self, request: object, client_address: object) -> None:
        error = sys.exception()
        if not isinstance(error, ConnectionError):  # clients that are killed, or give up, leave
            self.proxy.broken.append(f"{type(error).__name__}: {error}")


class _Handler(BaseHTTPRequestHandler):
    """A connection of a client, which has one to the server behind it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self._upstream = http.client.HTTPConnection("127.0.0.1", self.server.proxy.server_port)

    def finish(self) -> None:
        self._upstream.close()
        super().finish()

    def do_GET(self) -> None:
        proxy = self.server.proxy
        body = self._body()
        named = (name for name in ("If-Match", "If-None-Match") if name in self.headers)
        condition = next(named, "")
        rule = proxy.judge(self.command, self.path, bool(condition))
        fault = rule.fault if rule is not None else None
        # Written down before it is answered: who has the answer finds the request counted.
        signed = re.search(r"Credential=(\w+)/", self.headers.get("Authorization", ""))
        note = (self.command, self.path, condition, signed[1] if signed else "", fault)
        if rule is not None and fault in (Fault.STATUS, Fault.DROP, Fault.CUT_REQUEST):
            status = rule.status if fault is Fault.STATUS else None
            proxy.note(Request(*note, status))
            self._unserved(rule, body)
            return
        if rule is not None and fault is Fault.SLOW:
            proxy.stopped.wait(rule.seconds)
        status, headers, reply = self._ask(body)
        if rule is not None and fault is Fault.SLOW_REPLY:
            proxy.stopped.wait(rule.seconds)
        proxy.note(Request(*note, None if fault is Fault.LOSE_REPLY else status))
        if fault is Fault.LOSE_REPLY:
            self._hang_up()
        elif fault is Fault.CUT_REPLY:
            self._answer(status, headers, reply, sent=len(reply) // 2)
            self._hang_up()
        else:
            self._answer(status, headers, reply)

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _unserved(self, rule: Rule, body: bytes) -> None:
        """Do what a rule says without the server's help."""
        if rule.fault is Fault.STATUS:
            code = {403: "AccessDenied", 503: "SlowDown"}.get(rule.status, "InternalError")
            said = rule.text or f"<Error><Code>{code}</Code><Message>by rule</Message></Error>"
            text = said.encode()
            self._answer(rule.status, {"Content-Type": "application/xml"}, text)
            return
        if rule.fault is Fault.CUT_REQUEST:
            self._forward(body[: len(body) // 2])
            self._upstream.close()
        self._hang_up()

    def _body(self) -> bytes:
        length = int(self.headers.get("Content-Length") or 0)
        assert "Transfer-Encoding" not in self.headers, "no client of ours sends chunked bodies"
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionError("the client has gone")
        return body

    def _forward(self, body: bytes) -> None:
        """Send the request on, with its headers as they are, and as much of its body as given."""
        upstream = self._upstream
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in ("connection", "expect"):
                upstream.putheader(name, value)
        upstream.endheaders(body)

    def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        self._forward(body)
        with self._upstream.getresponse() as reply:
            data = reply.read()
            left_out = ("connection", "transfer-encoding")
            headers = {k: v for k, v in reply.getheaders() if k.lower() not in left_out}
            return reply.status, headers, data

    def _answer(
        self, status: int, headers: dict[str, str], body: bytes, sent: int | None = None
    ) -> None:
        lines = {name.title(): value for name, value in headers.items()}
        if self.command != "HEAD":
            lines["Content-Length"] = str(len(body))
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        head = f"HTTP/1.1 {status} {http.client.responses[status]}\r\n{text}\r\n".encode("latin-1")
        content = b"" if self.command == "HEAD" else body
        self.wfile.write(head + content[:sent])

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
