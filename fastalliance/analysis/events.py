"""Event histories: one row for every period in which a member could have left.

The person-period table of a discrete-time event-history analysis, with the covariates that the
models of `docs/models/exit_cascade.md` and `docs/models/multiparty.md` give a member at the start
of the period.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastalliance.analysis.choices import names_of_codes
from fastalliance.analysis.exposure import (
    Graphs,
    Neighbours,
    group_exposures,
    group_totals,
    tie_shares,
)
from fastalliance.analysis.members import MEMBER, REPLICATE, Alliances, Histories, spread
from fastalliance.errors import DesignError

if TYPE_CHECKING:
    import xarray as xr

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Cells = npt.NDArray[Any]

MAX_ROWS = 2**18  # rows that are in memory at a time

_PARAMETERS = (
    "uncertainty",
    "uncertainty_halflife",
    "industry_weight",
    "alliance_weight",
    "tie_weight",
    "immunity",
    "prominence_weight",
    "memory",
)
# What a model means that has none of these, and a payoff instead: nothing fades, nobody is tied.
_FADING = {"uncertainty_halflife": np.inf, "memory": np.inf, "tie_weight": 0.0}
_PAYOFF = "payoff_weight"
_CAPABILITY = "capability"
_TIES = ("tie_graph", "tie_first", "tie_second")
_MEANINGS = {
    "alliance": "running number of the alliance over design points and replicates",
    "replicate": "number of the replicate",
    "member": "number of the member in its alliance",
    "industry": "industry of the member",
    "period": "number of the period, from 0",
    "time": "start of the period",
    "at_risk": "1: the member is in the alliance at the start of the period",
    "exited": "whether the member leaves in this period, 0 or 1",
    "centrality": "centrality of the member, 0 to 1",
    "capability": "stand-alone profit of the member",
    "industry_exits": "prominence-weighted share of the other members of the industry that left",
    "alliance_exits": "prominence-weighted share of the other members that left",
    "tie_exits": "share of the member's network neighbours that left",
    "uncertainty": "how much peers' exits weigh in a member's judgement",
    "pressure": "peer pressure on the member: uncertainty, shielding and weighted exits together",
    "peer_pressure": "the peers' part of the pressure on the member, its payoff left out",
}
_TYPES = {"alliance": np.int64, "at_risk": np.int8, "exited": np.int8} | dict.fromkeys(
    ("replicate", "member", "industry", "period"), np.int32
)


@dataclass(frozen=True)
class EventColumn:
    """A column of the table: its name, type, attributes, and names of codes where it has codes."""

    name: str
    dtype: np.dtype[Any]
    attrs: Mapping[str, Any]
    names: Mapping[float, str] = field(default_factory=dict)


class _Rows(NamedTuple):
    """Which alliance (of a batch), which member and which period each row is about."""

    alliance: Integers
    member: Integers
    period: Integers


@dataclass(frozen=True)
class EventTable:
    """The person-period table of a result: members have rows from their entry up to their exit.

    Who has left at the start has none. Where slots may be refilled, what peers' exits mean to a
    member is not known, because later firms are not kept: the table lacks these columns then.

    Attributes
    ----------
    histories : Histories
    design : mapping of str to DataArray
        What varies over the design.
    neighbours : Neighbours or None
    """

    histories: Histories
    design: Mapping[str, xr.DataArray]
    neighbours: Neighbours | None

    @classmethod
    def of(cls, ds: xr.Dataset, *, neighbours: Neighbours | None = None) -> EventTable:
        """Return the table of a result; nothing is read yet.

        Parameters
        ----------
        ds : Dataset
            Result of exit_cascade or multiparty with members.
        neighbours : Neighbours, optional
            The graphs that tie the members, where the result does not hold them itself. A network
            adds the column `tie_exits`.

        Raises
        ------
        DesignError
            The result holds no members, or the model has no such peer pressure, or there is a
            network but the result does not hold it.
        """
        histories = Histories.of(ds)
        for name in _PARAMETERS:
            if not _knows(ds, name) and not (name in _FADING and _knows(ds, _PAYOFF)):
                raise DesignError(
                    "event histories are of exit_cascade and multiparty; the model "
                    f"{ds.attrs.get('model')} has no parameter {name}"
                )
        if neighbours is None:
            neighbours = _neighbours(histories)
        table = cls(histories, _design(histories), neighbours)
        table._check_network()
        return table

    def parts(self, max_rows: int | None = None) -> Iterator[list[Cells]]:
        """Yield the columns' cells in the order of alliances, members, periods; some rows a time.

        Up to `max_rows` rows (default: `MAX_ROWS`), or one member's if it alone has more.
        """
        max_rows = max_rows or MAX_ROWS
        n_steps, n_members = self.histories.n_steps, self.histories.n_members
        at_once = max(max_rows // (n_steps * n_members), 1)
        width = n_members if at_once > 1 else min(max(max_rows // n_steps, 1), n_members)
        others = [_CAPABILITY] if _CAPABILITY in self.own else []
        for block in self.histories.blocks(others):
            for low in range(0, len(block.numbers), at_once):
                batch = _Batch(self, block.part(low, low + at_once))
                for first in range(0, n_members, width):
                    yield batch.cells(range(first, min(first + width, n_members)))

    def parameter(self, name: str) -> Floats:
        """Return a parameter's value at every design point."""
        histories = self.histories
        if name in histories.ds.coords:
            return spread(histories.ds.coords[name], histories)
        value = _configured(histories.ds).get(name, _FADING.get(name))
        return np.full(histories.n_points, float(value))

    @cached_property
    def knows_peers(self) -> bool:
        """Whether all exits that members see are kept: no slot is ever refilled."""
        refilled = _knows(self.histories.ds, "entry_rate") and self.parameter("entry_rate").any()
        return not refilled

    def _check_network(self) -> None:
        histories = self.histories
        if self.neighbours is None:
            structure = histories.ds.attrs["configuration"].get("structure") or {}
            if structure.get("network") is not None and self.parameter("tie_weight").any():
                raise DesignError(
                    "the result does not hold its networks, as they differ over the design: "
                    "run a study of one of them (its size and mean_degree in structure)"
                )
        elif self.neighbours.indptr.shape[1] != histories.n_members + 1:
            raise DesignError(
                f"neighbours are of {self.neighbours.indptr.shape[1] - 1:,} members, the result "
                f"has {histories.n_members:,}"
            )

    @cached_property
    def columns(self) -> tuple[EventColumn, ...]:
        """What the columns are, in their order."""
        unit = self.histories.time_unit
        columns = [_own_column(name, _MEANINGS[name], unit) for name in self.own]
        design = [
            EventColumn(
                f"{name}_parameter" if name in _MEANINGS else name,
                variable.dtype,
                variable.attrs,
                names_of_codes(variable),
            )
            for name, variable in self.design.items()
        ]
        return (columns[0], *design, *columns[1:])

    @cached_property
    def own(self) -> tuple[str, ...]:
        """Names of the columns beside the design's, in their order."""
        ds = self.histories.ds
        pressures = ("pressure", "peer_pressure")
        left_out = {pressures[0] if _knows(ds, _PAYOFF) else pressures[1]}
        if _CAPABILITY not in ds.variables:
            left_out.add(_CAPABILITY)
        if self.neighbours is None:
            left_out.add("tie_exits")
        if not self.knows_peers:
            left_out |= {"industry_exits", "alliance_exits", "uncertainty", *pressures}
        return tuple(name for name in _MEANINGS if name not in left_out)


class _Batch:
    """Alliances of a table, with the exposure of their members."""

    def __init__(self, table: EventTable, alliances: Alliances) -> None:
        histories = table.histories
        self._table = table
        self._histories = histories
        self._alliances = alliances
        self._points = alliances.numbers // histories.n_replicates
        self._p = {name: table.parameter(name)[self._points] for name in _PARAMETERS}
        prominence = self._p["prominence_weight"][:, np.newaxis]
        # Slots that were never filled have no weight.
        self._weights = np.nan_to_num(1.0 + prominence * alliances.centrality, nan=0.0)
        self._fading = np.exp(-histories.dt / self._p["memory"])

    def cells(self, members: range) -> list[Cells]:
        """Return the columns' cells of some members of all alliances."""
        histories, alliances = self._histories, self._alliances
        rows = _rows(alliances, members, histories.n_steps)
        time: Floats = (rows.period * histories.dt).astype(np.float64)
        exit_step = alliances.exit_steps[rows.alliance, rows.member]
        own = {
            "alliance": alliances.numbers[rows.alliance],
            "replicate": self._replicates[rows.alliance],
            "member": rows.member,
            "industry": self._industries[rows.alliance, rows.member],
            "period": rows.period,
            "time": time,
            "at_risk": np.ones(rows.period.size),
            "exited": rows.period + 1 == exit_step,
            "centrality": alliances.centrality[rows.alliance, rows.member],
        }
        if _CAPABILITY in self._table.own:
            own[_CAPABILITY] = alliances.others[_CAPABILITY][rows.alliance, rows.member]
        if self._table.knows_peers:
            own |= self._covariates(rows, members, time)
        points = self._points[rows.alliance]
        design = [spread(v, histories)[points] for v in self._table.design.values()]
        cells = [own["alliance"], *design]
        cells += [own[name] for name in self._table.own if name != "alliance"]
        return [
            np.asarray(values, dtype=column.dtype)
            for values, column in zip(cells, self._table.columns, strict=True)
        ]

    @cached_property
    def _replicates(self) -> Integers:
        positions = self._alliances.numbers % self._histories.n_replicates
        return np.asarray(self._histories.ds[REPLICATE].values, dtype=np.int64)[positions]

    def _covariates(self, rows: _Rows, members: range, time: Floats) -> dict[str, Floats]:
        p = {name: values[rows.alliance] for name, values in self._p.items()}
        found = {
            "industry_exits": self._group_shares(rows, *self._of_industries),
            "alliance_exits": self._group_shares(rows, *self._of_alliance),
        }
        exposure = (
            p["industry_weight"] * found["industry_exits"]
            + p["alliance_weight"] * found["alliance_exits"]
        )
        if self._table.neighbours is not None:
            found["tie_exits"] = self._tie_shares(rows, members, self._table.neighbours)
            exposure += p["tie_weight"] * found["tie_exits"]
        uncertainty = p["uncertainty"] * np.exp2(-time / p["uncertainty_halflife"])
        centrality = self._alliances.centrality[rows.alliance, rows.member]
        pressure = uncertainty * (1.0 - p["immunity"] * centrality) * exposure
        either = dict.fromkeys(("pressure", "peer_pressure"), pressure)
        return {**found, "uncertainty": uncertainty, **either}

    @cached_property
    def _industries(self) -> Integers:
        """The industry of each member, (alliances, members)."""
        of_points = self._histories.industries
        shape = (len(self._points), self._histories.n_members)
        return np.broadcast_to(of_points[self._points % len(of_points)], shape)

    @cached_property
    def _of_industries(self) -> tuple[Integers, Floats, Floats]:
        return self._exposed(self._industries, int(self._industries.max()) + 1)

    @cached_property
    def _of_alliance(self) -> tuple[Integers, Floats, Floats]:
        return self._exposed(np.zeros_like(self._industries), 1)

    def _exposed(self, groups: Integers, n_groups: int) -> tuple[Integers, Floats, Floats]:
        """Return the members' groups, the groups' exposure by period, and their totals."""
        steps, n_steps = self._alliances.exit_steps, self._histories.n_steps
        exposures = group_exposures(steps, self._weights, groups, n_groups, self._fading, n_steps)
        return groups, exposures, group_totals(self._weights, groups, n_groups)

    def _group_shares(
        self, rows: _Rows, groups: Integers, exposures: Floats, totals: Floats
    ) -> Floats:
        """Return the share of the others of the member's group that left; 0 where there is none."""
        group = groups[rows.alliance, rows.member]
        others = totals[rows.alliance, group] - self._weights[rows.alliance, rows.member]
        left = exposures[rows.alliance, rows.period, group]
        return np.divide(left, others, out=np.zeros_like(left), where=others > 0)

    def _tie_shares(self, rows: _Rows, members: range, neighbours: Neighbours) -> Floats:
        n_steps = self._histories.n_steps
        shares = np.empty((len(self._points), n_steps, len(members)))
        for i, replicate in enumerate(self._replicates):
            indptr = neighbours.indptr[replicate % len(neighbours.indptr)]
            steps = self._alliances.exit_steps[i]
            shares[i] = tie_shares(
                steps, indptr, neighbours.indices, members, float(self._fading[i]), n_steps
            )
        return shares[rows.alliance, rows.period, rows.member - members.start]


def _rows(alliances: Alliances, members: range, n_steps: int) -> _Rows:
    """Return the rows of some members: one for each period from entry to exit or the horizon."""
    some = np.s_[:, members.start : members.stop]
    first = alliances.entry_steps[some].ravel()
    at_risk = np.maximum(np.minimum(alliances.exit_steps[some].ravel(), n_steps) - first, 0)
    who = np.repeat(np.arange(at_risk.size), at_risk)
    before = np.cumsum(at_risk) - at_risk
    period = np.arange(who.size) - np.repeat(before - first, at_risk)
    return _Rows(who // len(members), who % len(members) + members.start, period)


def _knows(ds: xr.Dataset, name: str) -> bool:
    """Return whether the model of a result has a parameter of this name."""
    return name in ds.coords or name in _configured(ds)


def _configured(ds: xr.Dataset) -> Mapping[str, Any]:
    found: Mapping[str, Any] = ds.attrs.get("configuration", {}).get("parameters", {})
    return found


def _neighbours(histories: Histories) -> Neighbours | None:
    """Return the network that the result holds, if it holds one; one without ties has none."""
    structure = histories.ds.attrs.get("configuration", {}).get("structure") or {}
    network = structure.get("network") or {}
    held = all(name in histories.ds.variables for name in _TIES)
    if not (held or "sha256" in network):
        return None
    graphs, first, second = (
        np.asarray(histories.ds[name].values, dtype=np.int64)
        if name in histories.ds.variables
        else np.empty(0, dtype=np.int64)
        for name in _TIES
    )
    return Graphs.of_ties(graphs, first, second, int(network["n_graphs"]), histories.n_members)


def _design(histories: Histories) -> dict[str, xr.DataArray]:
    """Return the coordinates of the design, in the order of its dimensions."""
    coordinates = {str(name): c for name, c in histories.ds.coords.items()}
    found = {
        name: c
        for name, c in coordinates.items()
        if set(c.dims) <= set(histories.dims) and name not in (REPLICATE, MEMBER)
    }
    order = [*(d for d in histories.dims if d in found), *(n for n in found)]
    return {name: found[name] for name in dict.fromkeys(order)}


def _own_column(name: str, meaning: str, time_unit: str) -> EventColumn:
    unit = time_unit if name == "time" else "1"
    attrs = {"units": unit, "long_name": name.replace("_", " "), "description": meaning}
    return EventColumn(name, np.dtype(_TYPES.get(name, np.float64)), attrs)
