"""A study: a model, a design, replicates, and what to report; validated once, at the door."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt

from fastalliance.configuration import load_configuration, validate_fields
from fastalliance.errors import ConfigError, DesignError
from fastalliance.library.model import Model
from fastalliance.outputs import Output
from fastalliance.study import checks
from fastalliance.study.definition import NO_OBJECTS, define, population_sizes
from fastalliance.study.design import Design
from fastalliance.study.plain_structure import objects_in, plain_part
from fastalliance.study.plan import Plan
from fastalliance.study.resolved import configuration_hash, resolved, written
from fastalliance.study.statistics import Statistics
from fastalliance.study.tiles import Tiling, tiling_of

if TYPE_CHECKING:
    import xarray as xr

    from fastalliance.configuration import Configuration
    from fastalliance.study.progress import ProgressLike

Floats = npt.NDArray[np.float64]


class Study:
    """A parameter study of one model.

    Parameters
    ----------
    model : str or Model
        Name of a built-in model, or a model of your own.
    parameters : mapping, optional
        Parameters that do not vary; defaults elsewhere.
    design : Design or mapping, optional
        What varies: :func:`fastalliance.grid`, :func:`~fastalliance.sample`,
        :func:`~fastalliance.table`, or the configuration's form of it. Without one there is one
        point.
    replicates : int
        Replicates per design point, 1..2**24.
    seed : int
        Seed of the study, 0..2**64 - 1.
    horizon, dt : float, optional
        In the model's time unit; the model's defaults otherwise.
    structure : mapping, optional
        Structural inputs of the model: sizes, and for a population a ``network`` (networkx graph,
        SciPy sparse matrix, pairs, path or recipe) and arrays of one value a member.
    common_random_numbers : bool
        Same noise at every design point.
    statistics : mapping, optional
        ``{"quantiles": [...]}``.
    keep : mapping, optional
        ``{"replicates": True, "members": True, "trajectories": {"every": 1.0, "replicates": 4}}``.
    store : str, optional
        Where :meth:`run` keeps its result.
    execution : mapping, optional
        ``{"executor": "threads", "threads": "auto"}``; cannot change results.

    Raises
    ------
    ConfigError, ParameterError, DesignError, ModelError
        A field is wrong; the message names it, its rule and the value.

    Examples
    --------
    >>> import fastalliance as fa
    >>> study = fa.Study(model="dyad", design=fa.grid(initial_trust=[0.4, 0.6]), replicates=50)
    >>> float(study.run()["success_mean"].sel(initial_trust=0.6)) > 0.9
    True
    """

    def __init__(
        self,
        model: str | Model,
        *,
        parameters: Mapping[str, Any] | None = None,
        design: Design | Mapping[str, Any] | None = None,
        replicates: int = 1000,
        seed: int = 0,
        horizon: float | None = None,
        dt: float | None = None,
        structure: Mapping[str, Any] | None = None,
        common_random_numbers: bool = False,
        statistics: Mapping[str, Any] | None = None,
        keep: Mapping[str, Any] | None = None,
        store: str | Path | None = None,
        execution: Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(model, str | Model):
            raise ConfigError(f"model must be the name of a model or a fa.Model, got {model!r}")
        fields: dict[str, Any] = {
            "model": model.name if isinstance(model, Model) else model,
            "parameters": parameters,
            "replicates": replicates,
            "seed": seed,
            "horizon": horizon,
            "dt": dt,
            "structure": plain_part(structure),
            "common_random_numbers": common_random_numbers,
            "statistics": statistics,
            "keep": keep,
            "store": None if store is None else checks.path_text(store, "store"),
            "execution": execution,
        }
        fields = {name: value for name, value in fields.items() if value is not None}
        if design is not None and not isinstance(design, Design):
            if not isinstance(design, Mapping):
                raise DesignError(
                    f"design must be made by fa.grid, fa.table or fa.sample, got "
                    f"{type(design).__name__}; fa.table takes columns and DataFrames"
                )
            fields["design"] = design
        given = design if isinstance(design, Design) else None
        own = model if isinstance(model, Model) else None
        self._set_up(validate_fields(fields), own, given, objects_in(structure))

    @classmethod
    def from_yaml(
        cls,
        path: str | Path,
        *,
        overrides: Mapping[str, object] | Sequence[str] = (),
        model: Model | None = None,
    ) -> Self:
        """Return the study of a YAML, TOML or JSON configuration.

        Parameters
        ----------
        path : path
            The file.
        overrides : mapping or sequence of str
            ``{"replicates": 10}`` or ``["replicates=10"]``, by dotted path.
        model : Model, optional
            A model of your own, whose name the configuration gives.

        Raises
        ------
        FastAllianceError
            As the constructor, with the line of the file where it is known.
        """
        study = cls.__new__(cls)
        text = checks.path_text(path, "path")
        study._set_up(load_configuration(text, overrides), model, None, NO_OBJECTS)
        return study

    def _set_up(
        self,
        configuration: Configuration,
        model: Model | None,
        design: Design | None,
        objects: Mapping[str, Any],
    ) -> None:
        defined = define(configuration, model, design, objects)
        self.configuration = configuration
        self.model = defined.model
        self.replicates: int = configuration.replicates
        self.seed: int = configuration.seed
        self.common_random_numbers: bool = configuration.common_random_numbers
        self.horizon, self.dt, self.n_steps = defined.horizon, defined.dt, defined.n_steps
        self.record_steps = defined.record_steps
        self.recorded_replicates = defined.recorded_replicates
        self.design = defined.design
        self.coordinates = defined.coordinates
        self.fixed = defined.fixed
        self.given = defined.given

    @property
    def sizes(self) -> list[dict[str, float]]:
        """The sizes of populations that occur, thinned where they are many."""
        varied = checks.Varied(self.coordinates, self.design.kind == "grid")
        return population_sizes(self.model, self.fixed, varied)

    @property
    def most_members(self) -> int:
        """The largest number of members of any design point; 1 for a model without members."""
        if self.model.population is None:
            return 1
        size = self.model.population.size
        values = self.coordinates.get(size)
        return int(self.fixed[size] if values is None else values.max())

    @property
    def unit(self) -> str:
        """What a run's work is counted in."""
        return "instance-steps" if self.model.population is None else "member-steps"

    def work(self, first: int, count: int) -> int:
        """Return the steps of one replicate of each of these points, of all members."""
        population = self.model.population
        if population is None or population.size not in self.coordinates:
            return count * self.n_steps * self.most_members
        sizes = self.coordinates[population.size]
        return self.n_steps * self.design.total(population.size, sizes, first, count)

    @property
    def keeps_all_replicates(self) -> bool:
        """Whether the dimension `replicate` of a result has them all."""
        return self.configuration.keep.replicates or bool(self.member_outputs)

    @property
    def member_outputs(self) -> tuple[Output, ...]:
        """Outputs that are kept of every member; none unless ``keep.members``."""
        if not self.configuration.keep.members or self.model.population is None:
            return ()
        return tuple(self.model.population.output_variables)

    @property
    def quantiles(self) -> tuple[float, ...]:
        """Quantiles asked for."""
        return tuple(self.configuration.statistics.quantiles)

    def tiling(self, points_per_tile: int | None = None) -> Tiling:
        """Return how the study is cut into tiles; results do not depend on it."""
        return tiling_of(self, points_per_tile)

    def statistics(self, tiling: Tiling) -> Statistics:
        """Return how replicates become statistics."""
        return Statistics(
            outputs=tuple(self.model.output_variables),
            ratios=tuple(self.model.ratios),
            time_unit=self.model.time_unit,
            quantiles=self.quantiles,
            n_blocks=tiling.n_blocks,
        )

    def points(self, first: int, count: int) -> Floats:
        """Return parameters of design points first, ..., as (point, parameter)."""
        columns = self.design.columns(self.coordinates, first, count)
        matrix = np.empty((count, len(self.model.inputs)))
        for i, entry in enumerate(self.model.inputs):
            matrix[:, i] = columns.get(entry.name, self.fixed.get(entry.name))
        return matrix

    @cached_property
    def resolved(self) -> dict[str, Any]:
        """The full configuration as plain data, every default filled in."""
        return resolved(self)

    @property
    def configuration_hash(self) -> str:
        """SHA-256 of everything in the configuration that can change a result."""
        return configuration_hash(self)

    def to_yaml(self, path: str | Path | None = None) -> str:
        """Return the study as a configuration, and write it where a path is given."""
        return written(self, path)

    def plan(
        self,
        *,
        cores: int | None = None,
        calibrate: bool = False,
        points_per_tile: int | None = None,
    ) -> Plan:
        """Return the study's size, and what it takes: time, memory, files, bytes.

        Parameters
        ----------
        cores : int, optional
            Cores that all compute, on one machine or many; those of this process by default.
        calibrate : bool
            Measure a core's rate here, in two seconds and what compiling takes, not assume it.
        points_per_tile : int, optional
            Size of tiles, as in :meth:`run`.
        """
        from fastalliance.study.planning import planned

        return planned(self, cores, calibrate=calibrate, points_per_tile=points_per_tile)

    def run(
        self,
        *,
        store: str | Path | None = None,
        executor: str | None = None,
        scheduler: str | None = None,
        shard: str | None = None,
        threads: int | Literal["auto"] | None = None,
        jobs: int | None = None,
        progress: bool | ProgressLike = False,
        resume: bool = True,
        overwrite: bool = False,
        break_lock: bool = False,
        allow_version_change: bool = False,
        insecure: bool = False,
        points_per_tile: int | None = None,
    ) -> xr.Dataset:
        """Run the study and return its statistics as a dataset.

        Parameters
        ----------
        store : path, optional
            Keep the result there, resumably; the configuration's `store` otherwise, else memory.
        executor : {"threads", "dask", "shard"}, optional
            How tiles are run: on threads of this process (a shard too), or by dask workers.
        scheduler : str, optional
            Of executor dask: the scheduler's address, the path of its file, or a batch system
            ("slurm", ...). Without it a cluster is started on this machine, for it alone.
        shard : str, optional
            ``"I/N"``: run only part I of N, from 0, on a store that others share; the last part
            labels the result, which is unfinished until then.
        threads : int or "auto", optional
            Threads, or workers of a cluster that is started; all cores of this process by default.
        jobs : int, optional
            How many jobs of a batch system, with `threads` cores each.
        progress : bool or Progress
            Whether to show progress on standard error.
        resume : bool
            Whether an unfinished store of the same study may be continued.
        overwrite : bool
            Replace another study's store.
        break_lock, allow_version_change : bool
            Take over a lease; continue although the kernels changed.
        insecure : bool
            Of executor dask: a scheduler without TLS is accepted in a network that you trust.
        points_per_tile : int, optional
            Size of tiles; cannot change results.

        Returns
        -------
        xarray.Dataset
            Dimensions as the design's; in memory, or lazy where there is a store.

        Raises
        ------
        StoreError
            The store is refused.
        ClusterError
            The cluster cannot be reached, or was lost.
        TileError
            Some tiles failed on every try; the others are kept where there is a store.
        KeyboardInterrupt
            After Ctrl-C, when the running tiles have been kept.
        """
        from fastalliance.study.options import RunOptions
        from fastalliance.study.runner import run

        options = RunOptions.of(
            self.configuration,
            store=store,
            executor=executor,
            scheduler=scheduler,
            shard=shard,
            threads=threads,
            jobs=jobs,
            points_per_tile=points_per_tile,
            progress=progress,
            resume=resume,
            overwrite=overwrite,
            break_lock=break_lock,
            allow_version_change=allow_version_change,
            insecure=insecure,
        )
        return run(self, options)

    def replay(
        self,
        *,
        point: Mapping[str, float] | int = 0,
        replicate: int = 0,
        record_every: float | None = None,
        members: bool | None = None,
    ) -> xr.Dataset:
        """Run one replicate of one design point again; the same bits as in the study.

        Parameters
        ----------
        point : mapping of str to float, or int
            Values of the varied parameters (a grid's, within 1e-9), or the point's number.
        replicate : int
            Number of the replicate.
        record_every : float, optional
            Record the states at this interval.
        members : bool, optional
            Whether members are wanted too, as `simulate` gives them; if not said, where the study
            keeps them.

        Returns
        -------
        xarray.Dataset
            Outputs (replicate) and, when recorded, states X_path (replicate, time).
        """
        from fastalliance.study.simulate import replay

        return replay(self, point, replicate, record_every, members)

    def __repr__(self) -> str:
        shape = " x ".join(str(n) for n in self.design.shape) or "1"
        total = math.prod(self.design.shape) * self.replicates
        return f"<Study of {self.model.name}: {shape} points, {total:,} instances>"
