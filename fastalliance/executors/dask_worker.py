"""The worker's side of the dask executor: the task that a plugin brings, and its tiles."""

from __future__ import annotations

import threading
from typing import Any

from distributed import WorkerPlugin

from fastalliance.errors import ClusterError

_PREFIX = "fastalliance "
_tasks: dict[str, Any] = {}  # by run: the task, pickled until its first tile
_lock = threading.Lock()


class NotShippedError(ClusterError):
    """A tile came to a worker to which no plugin had brought the task."""


class Ship(WorkerPlugin):  # type: ignore[misc]
    """Brings a task to every worker, those that come later too.

    Parameters
    ----------
    run : str
        Names the run.
    payload : bytes
        The pickled task.
    client : str
        Whose run it is; once that client is gone, nobody needs the task.
    """

    def __init__(self, run: str, payload: bytes, client: str) -> None:
        self.name = f"{_PREFIX}{client} {run}"
        self.run = run
        self.payload = payload

    def setup(self, worker: Any) -> None:
        """Keep the task; it is unpickled by the first tile, not in the worker's event loop."""
        _tasks[self.run] = self.payload

    def teardown(self, worker: Any) -> None:
        """Forget the task."""
        _tasks.pop(self.run, None)


def leftovers(dask_scheduler: Any) -> list[str]:
    """Return the names of plugins whose clients are gone, killed without a farewell.

    A scheduler runs this; it keeps plugins of workers as long as it lives.
    """
    ours = [name for name in dask_scheduler.worker_plugins if name.startswith(_PREFIX)]
    return [name for name in ours if name.split()[1] not in dask_scheduler.clients]


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
