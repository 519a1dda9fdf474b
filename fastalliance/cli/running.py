"""The command `run`: a study from its configuration to a summary, a store and a picture."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from fastalliance.cli.configurations import load_study
from fastalliance.cli.exits import DONE
from fastalliance.errors import DesignError

if TYPE_CHECKING:
    import xarray as xr

    from fastalliance.study.progress import ProgressLike
    from fastalliance.study.study import Study


def run(options: argparse.Namespace) -> int:
    """Run a study, or resume it, and show its summary."""
    from fastalliance.cli.console import print_line
    from fastalliance.cli.summary import show_summary
    from fastalliance.study.progress import make_progress

    study = load_study(options)
    if options.plot is not None:
        _check_drawable(study, options.plot)
    store = options.store if options.store is None else _checked_store(study, options.store)
    watch = Watch(make_progress(not options.quiet, study.unit))
    ds = _computed(options, study, store, watch)
    kept = store or study.configuration.store
    if not ds.attrs["complete"]:  # of a shard: others are still at work
        print_line(
            f"shard {options.shard} is done; {ds.attrs['tiles_done']:,} of "
            f"{ds.attrs['n_tiles']:,} tiles are in {kept}, and whichever shard ends last labels "
            "the result"
        )
        return DONE
    show_summary(ds, study, watch)
    print_line()
    if kept is None:
        print_line(f"not kept; to keep it, add --store results/{Path(options.config).stem}.zarr")
    else:
        print_line(f"store: {kept}")
    if options.plot is not None:
        from fastalliance.plotting import plot_study

        plot_study(ds, path=options.plot)
        print_line(f"picture: {options.plot}")
    return DONE


def _computed(
    options: argparse.Namespace, study: Study, store: str | None, watch: Watch
) -> xr.Dataset:
    """Run the study as the options say, and note the time it took."""
    began = time.monotonic()
    ds = study.run(
        store=store,
        executor=_executor(options, study),
        scheduler=options.scheduler,
        shard=options.shard,
        threads=options.threads,
        jobs=options.jobs,
        points_per_tile=options.points_per_tile,
        progress=watch,
        overwrite=options.overwrite,
        break_lock=options.break_lock,
        allow_version_change=options.allow_version_change,
        insecure=options.insecure,
    )
    watch.wall_seconds = time.monotonic() - began
    return ds


def _executor(options: argparse.Namespace, study: Study) -> str:
    """Return the executor; a scheduler is dask's."""
    said = options.executor or ("dask" if options.scheduler else None)
    return str(said or ("shard" if options.shard else study.configuration.execution.executor))


@dataclass
class Watch:
    """Passes a run's progress on and remembers how much work it did, in steps."""

    shown: ProgressLike
    total: int = 0
    found: int = 0  # done in earlier runs
    computed: int = 0
    threads: int = 0  # the most that ran tiles at once, of a cluster's workers too
    seconds: float = 0.0  # from the first tile to the last label
    wall_seconds: float = 0.0  # of the whole run, compilation included

    def start(self, total: int, done: int) -> None:
        """Begin with `done` of `total` steps done in earlier runs."""
        self.total, self.found = total, done
        self.shown.start(total, done)

    def begin(self) -> None:
        """Begin the clock: the kernel is compiled."""
        self._began = time.monotonic()
        self.shown.begin()

    def use(self, threads: int) -> None:
        """Note how many threads run tiles."""
        self.threads = max(self.threads, threads)
        self.shown.use(threads)

    def advance(self, steps: int) -> None:
        """Add steps that were just done."""
        self.computed += steps
        self.shown.advance(steps)

    def finish(self) -> None:
        """Stop the clock."""
        self.seconds = time.monotonic() - self._began
        self.shown.finish()

    def __enter__(self) -> Self:
        self.shown.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.shown.__exit__(kind, error, traceback)


def _checked_store(study: Study, url: str) -> str:
    """Return the argument of --store, held to the same rules as the configuration's field."""
    from fastalliance.configuration import validate_fields

    fields = {"model": study.model.name, "store": url}
    return str(validate_fields(fields, source="--store").store)


def _check_drawable(study: Study, path: str) -> None:
    """Refuse before the run what could not be drawn after it."""
    from fastalliance.plotting.figure import check_path

    check_path(path)
    axes = [n for n in study.design.shape if n > 1]
    if study.design.kind == "grid" and len(axes) > 2:
        raise DesignError(
            f"--plot: a picture shows at most two axes, and the design has {len(axes)}; run it "
            "without --plot, then fix axes with fastalliance plot STORE --at AXIS=VALUE"
        )
