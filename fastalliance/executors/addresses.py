"""Addresses of schedulers: they hold no passwords, and with TLS they want certificates.

What dask says of missing certificates names neither the setting nor the file.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from fastalliance.errors import ClusterError, ConfigError
from fastalliance.executors.jobqueue import SYSTEMS

_SETTING = "distributed.comm.tls."
_VARIABLE = "DASK_DISTRIBUTED__COMM__TLS__"
_NEEDED = {"ca-file": "CA_FILE", "client.cert": "CLIENT__CERT"}
_FILES = (*_NEEDED, "client.key")  # the key may stand in the certificate's file
_FORM = re.compile(r"(tcp|tls|wss?|ucx)://(\[[\w:.%]+\]|[^\s:/?#\[\]]+):(?P<port>[0-9]{1,5})")
_MAX_PORT = 2**16 - 1


def check_scheduler(scheduler: str) -> None:
    """Refuse what is neither an address, nor a scheduler file, nor a batch system.

    Nothing is asked of a scheduler for it.

    Parameters
    ----------
    scheduler : str
        An address, the path of a scheduler file, or the name of a batch system.

    Raises
    ------
    ConfigError
        It is none of them, or an address that no dask scheduler can have (a wrong scheme, no host,
        no port), or holds a password, which the message does not show.
    ClusterError
        The scheduler file is none.
    """
    if scheduler in SYSTEMS:
        return
    is_address = "://" in scheduler
    is_file = not is_address and Path(scheduler).is_file()
    _require_no_password(_address(scheduler) if is_file else scheduler)
    if is_address:
        _require_form(scheduler)
    elif not is_file:
        raise ConfigError(
            f"there is no scheduler file {scheduler}; give a file, or an address "
            f"tcp://host:port, or a batch system: {', '.join(SYSTEMS)}"
        )


def _require_form(address: str) -> None:
    if address.startswith("inproc://"):  # of a cluster in this process
        return
    form = _FORM.fullmatch(address)
    if not (form and 1 <= int(form["port"]) <= _MAX_PORT):
        raise ConfigError(
            "scheduler must be tcp://host:port, tls://host:port (or ws, wss, ucx), a scheduler "
            f"file, or a batch system ({', '.join(SYSTEMS)}), got {address[:200]!r}"
        )


def _require_no_password(address: str) -> None:
    """Refuse an address with a name or a password, which messages and logs would show."""
    if "@" in address:
        raise ConfigError(
            "a scheduler's address holds neither a name nor a password: give tcp://host:port, or "
            "tls://host:port with certificates in dask's configuration"
        )


def require_certificates(scheduler: str) -> None:
    """Refuse a scheduler with TLS for which dask's configuration has no certificates.

    Parameters
    ----------
    scheduler : str
        An address, or the path of a scheduler file that exists.

    Raises
    ------
    ClusterError
        A setting is missing or names no file; or the scheduler file is none.
    """
    import dask

    if not _address(scheduler).startswith("tls://"):
        return
    for name in _FILES:
        value = dask.config.get(f"{_SETTING}{name}", default=None)
        if not value and name in _NEEDED:
            variables = " and ".join(f"{_VARIABLE}{name}" for name in _NEEDED.values())
            raise ClusterError(
                f"the dask scheduler at {scheduler} wants certificates, and {_SETTING}{name} of "
                f"dask's configuration is not set; name the files there, or in {variables}"
            )
        if value and "\n" not in value and not Path(value).is_file():  # or the PEM text itself
            raise ClusterError(
                f"{_SETTING}{name} of dask's configuration names no file: {value!r}; the dask "
                f"scheduler at {scheduler} wants it"
            )


def _address(scheduler: str) -> str:
    if "://" in scheduler:
        return scheduler
    try:
        address = json.loads(Path(scheduler).read_text(encoding="utf-8"))["address"]
    except (OSError, ValueError, KeyError, TypeError):
        address = None
    if not isinstance(address, str) or "://" not in address:
        raise ClusterError(
            f"{scheduler} is no scheduler file of dask; give one, or an address tcp://host:port"
        )
    return address
