"""Executors: tiles in, finished tiles out.

An executor is a callable ``(task, tiles, stop) -> iterator of results``; it runs ``task(tile)``
for every tile number and yields what comes back, in the order of completion. When `stop` is set it
starts no more tiles, finishes the running ones and ends.
"""

from fastalliance.executors.addresses import check_scheduler
from fastalliance.executors.connecting import connected
from fastalliance.executors.dask import run_on_dask
from fastalliance.executors.jobqueue import SYSTEMS
from fastalliance.executors.threads import run_on_threads, thread_count

__all__ = [
    "SYSTEMS",
    "check_scheduler",
    "connected",
    "run_on_dask",
    "run_on_threads",
    "thread_count",
]
