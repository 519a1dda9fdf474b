"""Requests to object stores: repeated where a fault may pass, and errors without secrets.

The client, obstore, takes its settings and credentials from the environment variables that each
provider has for them. It does not repeat requests here: it would not repeat all, and would keep
Python from noticing Ctrl-C meanwhile.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import re
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from datetime import timedelta
from types import ModuleType
from typing import Any, TypeVar

from fastalliance.errors import StoreError

INSIST_VARIABLE = "FASTALLIANCE_RETRY_SECONDS"
INSIST_SECONDS = 180.0  # that a request is repeated, where the variable says nothing else
SCHEMES = {"s3": "S3", "gs": "Google Cloud Storage", "az": "Azure Blob Storage"}
_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION",
    "gs": "GOOGLE_SERVICE_ACCOUNT",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
_SETTINGS = ("AWS_", "GOOGLE_", "AZURE_")
_ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_ENDPOINT", "AZURE_STORAGE_ENDPOINT"),
}
_ALLOW_HTTP = {"s3": "AWS_ALLOW_HTTP", "gs": "GOOGLE_ALLOW_HTTP", "az": "AZURE_ALLOW_HTTP"}
_STATUS = re.compile(r"status code: (\d{3})")
_METADATA_SERVICE = ("latest/api/token", "latest/meta-data", "metadata.google", "metadata/identity")
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound", "bucket does not exist")
_PAUSE = 0.1  # seconds before the first repetition; doubled each time
_LONGEST_PAUSE = 5.0
_SILENCE = 30.0  # seconds without a byte of the answer
_MUCH = 2**24  # bytes

Result = TypeVar("Result")
_used_by: list[int] = []
_guard: ContextVar[Callable[[], None] | None] = ContextVar("guard", default=None)
_most: ContextVar[float] = ContextVar("most", default=math.inf)


class ObjectStoreError(OSError):
    """A request that an object store refused or did not answer; the text holds no secret.

    Attributes
    ----------
    remedy : str
        What the user can do.
    passes : bool
        Whether it may succeed when it is repeated.
    """

    def __init__(self, reason: str, remedy: str, *, passes: bool = False) -> None:
        super().__init__(0, reason)
        self.remedy = remedy
        self.passes = passes

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.strerror, self.remedy)


class ConflictError(Exception):
    """A condition of a request does not hold: somebody else has created or changed the object."""


@contextlib.contextmanager
def brief(seconds: float) -> Iterator[None]:
    """Let requests of this thread be repeated for so long at the most, if they fail."""
    token = _most.set(seconds)
    try:
        yield
    finally:
        _most.reset(token)


@contextlib.contextmanager
def guarded(check: Callable[[], None]) -> Iterator[None]:
    """Let `check` raise before requests of this thread are repeated, as where a lease is lost."""
    token = _guard.set(check)
    try:
        yield
    finally:
        _guard.reset(token)


def ask(
    bucket: str,
    request: Callable[[ModuleType, Any], Result],
    *,
    n_bytes: int = 0,
    conditional: bool = False,
) -> Result:
    """Make a request with obstore and the client of a bucket, and repeat it for some minutes.

    Parameters
    ----------
    bucket : str
        URL of the bucket.
    request : callable
        Called with the package and the client.
    n_bytes : int
        What it sends, by which it is given time.
    conditional : bool
        Whether it has a condition, which may not hold.

    Raises
    ------
    FileNotFoundError
        There is no such object.
    ConflictError
        The condition does not hold, or another request to the same object is under way.
    ObjectStoreError
        Anything else.
    """
    obstore = _obstore()
    conflicts = (obstore.exceptions.AlreadyExistsError, obstore.exceptions.PreconditionError)
    guard = _guard.get()
    seconds, pause, started = min(insist_seconds(), _most.get()), _PAUSE, time.monotonic()
    # One that is not answered is better made again; one that sends much may take its time.
    silence = seconds if n_bytes > _MUCH else min(seconds, _SILENCE)
    while True:
        try:
            return request(obstore, _client(bucket, "", seconds, silence, 0, _surroundings()))
        except conflicts:
            if conditional:
                raise ConflictError from None
            found: OSError = _failed(bucket, 409)
        except ObjectStoreError:
            raise  # of a check that the request makes: explained, and repeated, already
        except (obstore.exceptions.BaseError, OSError) as error:
            found = explained(error, bucket)
        passes = isinstance(found, ObjectStoreError) and found.passes
        if not passes or time.monotonic() - started + pause > seconds:
            raise found
        time.sleep(pause)
        if guard is not None:
            with guarded(_nothing):  # the check makes requests, too
                guard()
        pause = min(2 * pause, _LONGEST_PAUSE)


def client_of(bucket: str, prefix: str) -> Any:
    """Return an obstore client whose keys are relative to `prefix`; it repeats requests itself."""
    _obstore()
    seconds = insist_seconds()
    return _client(bucket, prefix, seconds, min(seconds, _SILENCE), 1000, _surroundings())


def insist_seconds() -> float:
    """Return for how long a request is repeated that fails now and then."""
    text = os.environ.get(INSIST_VARIABLE, "")
    try:
        seconds = float(text) if text else INSIST_SECONDS
    except ValueError:
        seconds = -1.0
    if not 0.0 <= seconds < 1e6:
        raise StoreError(f"{INSIST_VARIABLE} must be a number of seconds >= 0, got {text[:40]!r}")
    return seconds


def explained(error: Exception, bucket: str) -> OSError:
    """Return an error of obstore as one that tells the user what to do, without its text.

    The text has many lines, and an answer may repeat what the environment holds.
    """
    text, scheme = str(error), bucket.partition("://")[0]
    match = _STATUS.search(text)
    status = int(match[1]) if match else None
    what = SCHEMES[scheme]
    if any(service in text for service in _METADATA_SERVICE):
        return ObjectStoreError(
            f"there are no credentials for {what}", f"set {_CREDENTIALS[scheme]}"
        )
    if any(word in text for word in _NO_BUCKET):
        return ObjectStoreError("the bucket does not exist", "create it, or choose another")
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(2, "No such object")
    if "builder error" in text:
        return ObjectStoreError(
            f"the endpoint of {what} is no URL, or has no TLS",
            f"give https://..., or set {_ALLOW_HTTP[scheme]}=true for http://",
        )
    if status in (401, 403):
        return ObjectStoreError(
            f"{what} denies access (status {status})",
            f"see to the credentials ({_CREDENTIALS[scheme]}) and to what they allow",
        )
    return _failed(bucket, status)


def _nothing() -> None:
    """Check nothing."""


def _failed(bucket: str, status: int | None) -> ObjectStoreError:
    what = SCHEMES[bucket.partition("://")[0]]
    reason = f"{what} answers with status {status}" if status else f"{what} does not answer"
    passes = status is None or status >= 500 or status in (408, 409, 429)
    remedy = "see to the connection, then run the same command again"
    return ObjectStoreError(reason, remedy, passes=passes)


def _obstore() -> ModuleType:
    """Return the package, once per process and never in a child that was forked after its use."""
    try:
        import obstore
    except ImportError:
        raise StoreError(
            "stores by s3://, gs:// and az:// need the package obstore: pip install "
            '"fastalliance[remote]"'
        ) from None
    if not _used_by:
        _used_by.append(os.getpid())
    if _used_by[0] != os.getpid():  # its threads are gone: the first request would hang
        raise StoreError(
            "object stores cannot be used in a process that was forked after their first use; "
            'start processes by multiprocessing.get_context("spawn")'
        )
    return obstore


@functools.lru_cache(maxsize=64)
def _client(
    bucket: str, prefix: str, seconds: float, silence: float, retries: int, surroundings: int
) -> Any:
    """Return a client; another where the surroundings are others."""
    from obstore.store import from_url

    options: Any = {
        "connect_timeout": timedelta(seconds=10),
        "timeout": timedelta(seconds=max(seconds, 1.0)),
        "read_timeout": timedelta(seconds=max(silence, 1.0)),
    }
    if _allows_http(bucket.partition("://")[0]):
        options["allow_http"] = True
    retry: Any = {"max_retries": retries, "retry_timeout": timedelta(seconds=seconds)}
    try:
        url = f"{bucket}/{prefix}" if prefix else bucket
        return from_url(url, client_options=options, retry_config=retry)
    except Exception as error:  # of many kinds, for what the environment holds
        scheme = bucket.partition("://")[0]
        raise StoreError(
            f"{bucket} cannot be opened with the settings in the environment "
            f"({type(error).__name__}); see to {_CREDENTIALS[scheme]}"
        ) from None


def _surroundings() -> int:
    """Return what tells apart the settings for object stores, which a notebook may change."""
    return hash(tuple(item for item in os.environ.items() if item[0].startswith(_SETTINGS)))


def _allows_http(scheme: str) -> bool:
    """Say whether the user has named an endpoint without TLS, as on a private network."""
    endpoints = [os.environ.get(name, "") for name in _ENDPOINTS[scheme]]
    allowed = os.environ.get(_ALLOW_HTTP[scheme], "").lower() in ("1", "true", "yes", "on")
    return allowed or any(endpoint.startswith("http://") for endpoint in endpoints)
