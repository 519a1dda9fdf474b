"""Members' exits as results keep them: who left when, alliance by alliance."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastalliance.analysis.regions import regions
from fastalliance.errors import DesignError

if TYPE_CHECKING:
    import xarray as xr

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

EXIT_TIME, ENTRY_TIME = "exit_time", "entry_time"
CENTRALITY, INDUSTRY = "centrality", "industry"
REPLICATE, MEMBER = "replicate", "member"
_MAX_VALUES = 2**22  # values of a member array that are in memory at a time


@dataclass(frozen=True)
class Alliances:
    """Members of some alliances that follow one another in C order of points and replicates.

    Attributes
    ----------
    numbers : integers of shape (alliances,)
        Running numbers: point times the number of replicates, plus the replicate's position.
    entry_steps : integers of shape (alliances, members)
        Entry times in steps of dt; 0 for initial members, n_steps + 1 for who never enters.
    exit_steps : integers of shape (alliances, members)
        Exit times in steps of dt; 0 for who leaves at the start, n_steps + 1 for who never leaves.
    centrality : floats of shape (alliances, members)
        NaN for who never enters.
    others : mapping of str to floats of shape (alliances, members)
        What was asked for beside these.
    """

    numbers: Integers
    entry_steps: Integers
    exit_steps: Integers
    centrality: Floats
    others: Mapping[str, Floats] = field(default_factory=dict)

    def part(self, low: int, high: int) -> Alliances:
        """Return the alliances low, ..., high - 1 of these."""
        return Alliances(
            self.numbers[low:high],
            self.entry_steps[low:high],
            self.exit_steps[low:high],
            self.centrality[low:high],
            {name: values[low:high] for name, values in self.others.items()},
        )


@dataclass(frozen=True)
class Histories:
    """The members' exits of a result, checked.

    Attributes
    ----------
    ds : Dataset
        Has `exit_time` and `centrality` (design dimensions, replicate, member).
    dims : tuple of str
        The design's dimensions.
    dt : float
        Time step.
    n_steps : int
    """

    ds: xr.Dataset
    dims: tuple[str, ...]
    dt: float
    n_steps: int

    @classmethod
    def of(cls, ds: xr.Dataset) -> Histories:
        """Return the members' exits of a result.

        Raises
        ------
        DesignError
            The result holds none; the message says how to keep them.
        """
        if any(name not in ds.variables for name in (EXIT_TIME, CENTRALITY)):
            raise DesignError(_absence(ds))
        size = size_name(ds)
        if size in ds.coords:
            if ds.coords[size].ndim:
                raise DesignError(
                    f"{size} varies over the design: choose one size (at, --at {size}=VALUE, or "
                    f"ds.sel({size}=VALUE))"
                )
            # Smaller alliances are padded to the size of the largest.
            ds = ds.isel({MEMBER: slice(0, int(ds.coords[size]))})
        dims = tuple(str(d) for d in ds[EXIT_TIME].dims if d not in (REPLICATE, MEMBER))
        dt = float(ds.attrs["dt"])
        n_steps = round(float(ds.attrs["horizon"]) / dt)
        return cls(ds, dims, dt, n_steps)

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the design's dimensions."""
        return tuple(self.ds.sizes[dim] for dim in self.dims)

    @property
    def n_points(self) -> int:
        """Number of design points."""
        return math.prod(self.shape)

    @property
    def n_replicates(self) -> int:
        """Number of kept alliances per point."""
        return int(self.ds.sizes[REPLICATE])

    @property
    def n_members(self) -> int:
        """Number of members of an alliance."""
        return int(self.ds.sizes[MEMBER])

    @property
    def entered(self) -> bool:
        """Whether the result tells when members entered; else all are in from the start."""
        return ENTRY_TIME in self.ds.variables

    @property
    def time_unit(self) -> str:
        """The unit of time."""
        return str(self.ds.attrs.get("time_unit", self.ds[EXIT_TIME].attrs.get("units", "1")))

    @cached_property
    def industries(self) -> Integers:
        """The members' industries at every design point, (points, members), or (1, members)."""
        if INDUSTRY in self.ds.variables:
            return np.asarray(self.ds[INDUSTRY].values, dtype=np.int64)[np.newaxis]
        if "industries" in self.ds.coords:
            counts = spread(self.ds.coords["industries"], self).astype(np.int64)
        else:
            counts = np.array([int(self.ds.attrs["configuration"]["structure"]["industries"])])
        return np.arange(self.n_members) * counts[:, np.newaxis] // self.n_members

    @cached_property
    def fewest_members(self) -> int:
        """How many members the alliance had that had the fewest ever; slots if there is none."""
        if not self.entered:
            return self.n_members
        counts = (np.isfinite(block.centrality).sum(axis=1) for block in self.blocks())
        return min((int(n.min()) for n in counts if n.size), default=self.n_members)

    def blocks(self, others: Sequence[str] = ()) -> Iterator[Alliances]:
        """Yield all alliances that are there, so many at a time as memory should hold.

        With the variables `others` of their members. Alliances that a store lacks yet are left out:
        their centralities are NaN.
        """
        order = (*self.dims, REPLICATE, MEMBER)
        names = (EXIT_TIME, CENTRALITY, *([ENTRY_TIME] if self.entered else []), *others)
        variables = {name: self.ds[name].transpose(*order) for name in names}
        first = 0
        for region in regions((*self.shape, self.n_replicates), self._alliances_at_once()):
            read = {name: _rows(variable[region]) for name, variable in variables.items()}
            centrality = read[CENTRALITY]
            numbers = np.arange(first, first + len(centrality))
            first += len(centrality)
            there = np.isfinite(centrality)
            known = there.any(axis=1) if self.entered else there.all(axis=1)
            start = np.zeros(centrality.shape)
            yield Alliances(
                numbers[known],
                self._steps(read.get(ENTRY_TIME, start)[known]),
                self._steps(read[EXIT_TIME][known]),
                centrality[known],
                {name: read[name][known] for name in others},
            )

    def _steps(self, times: Floats) -> Integers:
        """Return times in steps; n_steps + 1 for what never happens."""
        never = np.isnan(times)
        steps = np.rint(np.where(never, 0.0, times) / self.dt).astype(np.int64)
        steps[never] = self.n_steps + 1
        return np.asarray(steps)

    def _alliances_at_once(self) -> int:
        return max(_MAX_VALUES // self.n_members, 1)


def size_name(ds: xr.Dataset) -> str:
    """Return what a result's model calls the size of its alliances."""
    return str(ds.attrs.get("population", "members"))


def spread(coordinate: xr.DataArray, histories: Histories) -> npt.NDArray[Any]:
    """Return a coordinate's value at every design point."""
    own = tuple(d for d in histories.dims if d in coordinate.dims)
    values = np.asarray(coordinate.transpose(*own).values)
    shape = tuple(histories.ds.sizes[d] if d in own else 1 for d in histories.dims)
    return np.broadcast_to(values.reshape(shape), histories.shape).ravel()


def _rows(variable: xr.DataArray) -> Floats:
    """Return the values as (alliances, members)."""
    values = np.asarray(variable.values, dtype=np.float64)
    return values.reshape(-1, values.shape[-1])


def _absence(ds: xr.Dataset) -> str:
    model = ds.attrs.get("model", "this model")
    known = {*map(str, ds.variables), *_declared(ds)}
    if not known & {"exits", "exits_mean", "exit_share", "exit_share_mean", EXIT_TIME}:
        return f"the model {model} has no members that leave; exit_cascade and multiparty have"
    return (
        "the result holds no members; run the study with keep: {members: true}, "
        "or simulate with members=True"
    )


def _declared(ds: xr.Dataset) -> set[str]:
    """Return the names of the outputs that the result's attributes declare."""
    outputs = ds.attrs.get("outputs", {})
    return {str(output["name"]) for output in outputs.get("outputs", ())} if outputs else set()
