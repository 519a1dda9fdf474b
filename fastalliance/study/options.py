"""How a study is run: store, executor, progress; nothing of it can change a result."""

from __future__ import annotations

from dataclasses import dataclass

from fastalliance.errors import ConfigError
from fastalliance.store.shards import Shard
from fastalliance.study.progress import ProgressLike

EXECUTORS = ("threads", "dask", "shard")


@dataclass(frozen=True)
class RunOptions:
    """How a study is run; nothing here can change a result."""

    store: str | None = None
    executor: str = "threads"
    scheduler: str | None = None
    shard: Shard | None = None
    threads: int | str = "auto"
    progress: bool | ProgressLike = False
    resume: bool = True
    overwrite: bool = False
    break_lock: bool = False
    allow_version_change: bool = False
    points_per_tile: int | None = None

    def check(self) -> None:
        """Raise ConfigError for options that do not go together."""
        if self.executor not in EXECUTORS:
            raise ConfigError(
                f"executor must be one of {', '.join(EXECUTORS)}, got {self.executor!r}"
            )
        if self.scheduler is not None and self.executor != "dask":
            raise ConfigError(
                f"scheduler belongs to executor dask, got executor {self.executor}; give both, or "
                "leave scheduler out"
            )
        if (self.shard is None) != (self.executor != "shard"):
            raise ConfigError(
                f"executor shard needs shard (--shard I/N) and the other way round, got executor "
                f"{self.executor} and shard {self.shard}"
            )
        if self.shard is not None and self.store is None:
            raise ConfigError(
                f"shard {self.shard} needs a store that all shards write to; give store (--store)"
            )
