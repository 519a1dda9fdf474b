"""How a study is run: store, executor, progress; nothing of it can change a result."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from fastalliance.errors import ConfigError
from fastalliance.executors import SYSTEMS, check_scheduler
from fastalliance.store.shards import Shard
from fastalliance.study import checks
from fastalliance.study.progress import ProgressLike

if TYPE_CHECKING:
    from fastalliance.configuration import Configuration

EXECUTORS = ("threads", "dask", "shard")


@dataclass(frozen=True)
class RunOptions:
    """How a study is run; nothing here can change a result."""

    store: str | None = None
    executor: str = "threads"
    scheduler: str | None = None
    shard: Shard | None = None
    threads: int | str = "auto"
    jobs: int | None = None
    progress: bool | ProgressLike = False
    resume: bool = True
    overwrite: bool = False
    break_lock: bool = False
    allow_version_change: bool = False
    insecure: bool = False
    points_per_tile: int | None = None

    @classmethod
    def of(
        cls,
        configuration: Configuration,
        *,
        store: str | Path | None,
        executor: str | None,
        scheduler: str | None,
        shard: str | None,
        threads: int | str | None,
        jobs: int | None,
        points_per_tile: int | None,
        **others: Any,
    ) -> Self:
        """Return what was asked for, and from the configuration what was not."""
        execution = configuration.execution
        if threads is not None and threads != "auto":
            threads = checks.whole_number(threads, "threads", 1)
        if jobs is not None:
            jobs = checks.whole_number(jobs, "jobs", 1)
        if points_per_tile is not None:
            points_per_tile = checks.whole_number(points_per_tile, "points_per_tile", 1)
        part = None if shard is None else Shard.parse(shard)
        executor = executor or ("shard" if part else execution.executor)
        if scheduler is None and executor == "dask":
            scheduler = execution.scheduler
        meant = scheduler in SYSTEMS or scheduler == execution.scheduler
        if jobs is None and executor == "dask" and meant:
            jobs = execution.jobs
        return cls(
            store=configuration.store if store is None else checks.path_text(store, "store"),
            executor=executor,
            scheduler=scheduler,
            shard=part,
            threads=threads or execution.threads,
            jobs=jobs,
            points_per_tile=points_per_tile,
            **others,
        )

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
        if self.scheduler is not None:
            check_scheduler(self.scheduler)
        if self.scheduler in SYSTEMS and self.jobs is None:
            raise ConfigError(
                f"scheduler {self.scheduler} needs the number of jobs; give jobs (--jobs N)"
            )
        if self.jobs is not None and self.scheduler not in SYSTEMS:
            raise ConfigError(
                f"jobs belongs to a batch system, got scheduler {self.scheduler}; give scheduler "
                f"(--scheduler NAME): {', '.join(SYSTEMS)}"
            )
        if self.insecure and self.executor != "dask":
            raise ConfigError(
                f"insecure belongs to executor dask, got executor {self.executor}; leave it out"
            )
        self._check_shard()

    def _check_shard(self) -> None:
        if self.shard is None:
            if self.executor == "shard":
                raise ConfigError(
                    "executor shard runs one part of a study; say which: give shard (--shard I/N)"
                )
            return
        if self.executor != "shard":
            raise ConfigError(
                f"shard belongs to executor shard, got executor {self.executor}; leave one of them "
                "out"
            )
        if self.store is None:
            raise ConfigError(
                f"shard {self.shard} needs a store that all shards write to; give store (--store)"
            )
        if self.overwrite:  # the second shard would replace what the first has begun
            raise ConfigError(
                "overwrite does not go with shard; remove the store first, or replace it by a run "
                "without --shard"
            )
