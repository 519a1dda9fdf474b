"""A real S3 server (moto) as a process of its own, on a free port of the loopback interface.

``python -m tests.faults.s3_server`` prints its port and serves until its standard input ends, so
that it never outlives the process that started it.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import os
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BUCKET = "alliances"
KEY_ID = "AKIDCANARY0000EXAMPLE"
SECRET = "canary/secret+of/the+tests/0123456789abcd"
TOKEN = "canary-session-token-0123456789"
SECRETS = (KEY_ID, SECRET, TOKEN)


def environment(url: str) -> dict[str, str]:
    """Return the environment of a client: the usual variables, and none of this machine's own."""
    own = ("AWS_", "AZURE_", "GOOGLE_", "FASTALLIANCE_FAULT")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(own)},
        "AWS_ACCESS_KEY_ID": KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_SESSION_TOKEN": TOKEN,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": url,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


class S3Server:
    """A running server with one bucket; its objects by their keys, past any proxy."""

    def __init__(self, port: int) -> None:
        from obstore.store import S3Store

        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("PUT", f"/{BUCKET}")
        with connection.getresponse() as reply:
            assert reply.status == 200
        connection.close()
        self.store = S3Store(
            BUCKET,
            endpoint=self.url,
            region="us-east-1",
            access_key_id=KEY_ID,
            secret_access_key=SECRET,
            client_options={"allow_http": True},
        )

    def keys(self, prefix: str = "") -> list[str]:
        """Return the keys below a prefix, which ends where a ``/`` could stand."""
        import obstore

        listed = obstore.list(self.store, prefix or None)
        return sorted(entry["path"] for batch in listed for entry in batch)

    def get(self, key: str) -> bytes:
        import obstore

        return bytes(obstore.get(self.store, key).bytes())

    def put(self, key: str, data: bytes) -> None:
        import obstore

        obstore.put(self.store, key, data, use_multipart=False)

    def delete(self, keys: str | Iterable[str]) -> None:
        import obstore

        obstore.delete(self.store, keys if isinstance(keys, str) else list(keys))

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        """Return all objects below a prefix."""
        return {key: self.get(key) for key in self.keys(prefix)}


@contextlib.contextmanager
def server() -> Iterator[S3Server]:
    """Yield a running server; it is killed in the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.s3_server"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(""),
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.strip().isdigit(), f"the S3 server did not start: {line!r}"
        yield S3Server(int(line))
    finally:
        process.kill()
        process.communicate()


def one_at_a_time(app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Make a server's answers atomic, and let it refuse bodies that were cut, both as S3 does.

    Moto looks whether an object exists, then writes it; of two conditional PUTs in its threads
    both won in 2 of 100 rounds.
    """
    lock = threading.Lock()

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length) if length else b""
        if len(body) < length:
            start_response("400 Bad Request", [("Content-Type", "application/xml")])
            return [b"<Error><Code>IncompleteBody</Code></Error>"]
        environ["wsgi.input"] = io.BytesIO(body)
        with lock:
            return list(app(environ, start_response))

    return serve


class _Handler(BaseHTTPRequestHandler):
    """Hands requests to moto's application; keeps connections, as S3 does.

    Werkzeug's server closes each: a small request took 2.9 ms of its processor, not 0.8.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        answer: list[Any] = []
        body = b"".join(self.server.app(self._environ(), lambda *a: answer.extend(a)))
        status, headers = answer[:2]
        lines = {name.title(): value for name, value in headers}
        lines.setdefault("Date", self.date_time_string())
        if self.command != "HEAD":
            lines["Content-Length"] = str(len(body))
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        head = f"HTTP/1.1 {status}\r\n{text}\r\n".encode("latin-1")
        self.wfile.write(head + (b"" if self.command == "HEAD" else body))

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

    def _environ(self) -> dict[str, Any]:
        path, _, query = self.path.partition("?")
        headers = {name.upper().replace("-", "_"): text for name, text in self.headers.items()}
        return {
            **{f"HTTP_{name}": text for name, text in headers.items()},
            "REQUEST_METHOD": self.command,
            "REQUEST_URI": self.path,
            "RAW_URI": self.path,
            "SCRIPT_NAME": "",
            "PATH_INFO": urllib.parse.unquote(path, "latin-1"),
            "QUERY_STRING": query,
            "CONTENT_TYPE": headers.get("CONTENT_TYPE", ""),
            "CONTENT_LENGTH": headers.get("CONTENT_LENGTH", "0"),
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": str(self.server.server_port),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": self.rfile,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    app: Callable[..., Iterable[bytes]]


def main() -> None:
    from moto.moto_server.werkzeug_app import create_backend_app

    served = _Server(("127.0.0.1", 0), _Handler)
    # S3 alone: moto's own server asks at every request which service is meant, half of its time.
    served.app = one_at_a_time(create_backend_app("s3"))
    threading.Thread(target=served.serve_forever, daemon=True).start()
    print(served.server_port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
