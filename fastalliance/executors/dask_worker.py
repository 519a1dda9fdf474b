"""The worker's side of the dask executor: the task that a plugin brings, and its tiles."""

from __future__ import annotations

import threading
from typing import Any

from distributed import WorkerPlugin

from fastalliance.errors import ClusterError

_tasks: dict[str, Any] = {}  # by run: the task, pickled until its first tile
_lock = threading.Lock()


class NotShippedError(ClusterError):
    """A tile came to a worker to which no plugin had brought the task."""


class Ship(WorkerPlugin):  # type: ignore[misc]
    """Brings a task to every worker, those that come later too."""

    def __init__(self, run: str, payload: bytes) -> None:
        self.name = f"fastalliance-{run}"
        self.run = run
        self.payload = payload

    def setup(self, worker: Any) -> None:
        """Keep the task; it is unpickled by the first tile, not in the worker's event loop."""
        _tasks[self.run] = self.payload

    def teardown(self, worker: Any) -> None:
        """Forget the task."""
        _tasks.pop(self.run, None)


def run_tile(run: str, tile: int) -> Any:
    """Run one tile."""
    with _lock:
        task = _tasks.get(run)
        if isinstance(task, bytes):
            import cloudpickle

            task = _tasks[run] = cloudpickle.loads(task)
    if task is None:
        raise NotShippedError(
            "a worker was not given the study: the dask scheduler was started anew; run the same "
            "command again to resume"
        )
    return task(tile)
