"""Calls that may never return: a dask client waits without end for a scheduler that hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, call: Callable[[], T]) -> T:
    """Return what a call returns; it is left to itself where it takes longer.

    Parameters
    ----------
    seconds : float
    call : callable
        Runs on a thread of its own, which does not keep the process from ending.

    Raises
    ------
    TimeoutError
        It has not returned yet.
    Exception
        Whatever it raises.
    """
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=run, name="within", daemon=True).start()
    return answer.result(seconds)
