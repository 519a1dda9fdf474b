"""The record of a population: what a model has whose instance consists of members in industries.

A step is a sequence of stages over the members. A :class:`Sweep` visits every member, may change
it, and sums over members, by industry and over all; its formulas for the industry and for the
alliance then take in the sums. A :class:`Select` marks the members of highest score. All formulas
are scalar; loops over members, industries and instances are the engine's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from fastalliance.errors import declared
from fastalliance.outputs import Output
from fastalliance.parameters import Parameter

Formula = Callable[..., Any]


class At(NamedTuple):
    """Where a formula is evaluated.

    Parameters
    ----------
    member : int
        Index of the member, 0 in formulas of industries and of the alliance; in a formula that
        draws for pairs the pair's.
    industry : int
        Index of the industry, 0 in formulas of the alliance.
    step : int
        Number of the step; -1 at the start. In stages at the end that of the step to come.
    time, dt : float
        Time of the step's beginning and size of the step, in the model's time unit.
    """

    member: int
    industry: int
    step: int
    time: float
    dt: float


@declared
@dataclass(frozen=True, kw_only=True)
class Arrival:
    """Members that are replaced in a sweep: few of them, and each on its own.

    Parameters
    ----------
    where : callable ``(m, g, s, p, stream, at) -> bool``
        Asked before the sweep changes the member.
    member : callable ``(m, g, s, p, stream, at) -> NamedTuple``
        The fields that the newcomer sets, in place of those that the sweep has changed.
    switch : str
        Constant of ``p`` without which nobody arrives: where a driver has it as a literal 0, the
        formulas are left out.
    """

    where: Formula
    member: Formula
    switch: str


@declared
@dataclass(frozen=True, kw_only=True)
class Sweep:
    """One visit of all members, in the order of their indices.

    Parameters
    ----------
    name : str
        Name in messages.
    member : callable ``(m, g, s, p, stream, at) -> NamedTuple``, optional
        The fields of the member that change. `g` and `s` are its industry's and the alliance's
        values from before the sweep.
    draw : callable ``(p, stream, at) -> (NamedTuple, NamedTuple)``, optional
        Random numbers of the members 2j and 2j + 1, where j is `at.member`. `member`, and `where`
        of an arrival, then take the member's in the place of `stream`.
    arrival : Arrival, optional
        Who is replaced.
    when : callable ``(s, p, at) -> bool``, optional
        Whether the sweep changes anything in an alliance. Where it says no in all of a block, the
        sweep is skipped; where in some, `member` must leave the others as they are.
    sums : callable ``(m, g, s, p, at) -> NamedTuple of float``, optional
        What the member, after the change, adds to the sums.
    industry : callable ``(g, sums, s, p, at) -> NamedTuple``, optional
        The fields of an industry that change, from the sums over its members.
    alliance : callable ``(s, sums, p, at) -> NamedTuple``, optional
        The fields of the alliance's state that change, from the sums over all members.
    """

    name: str
    member: Formula | None = None
    draw: Formula | None = None
    arrival: Arrival | None = None
    when: Formula | None = None
    sums: Formula | None = None
    industry: Formula | None = None
    alliance: Formula | None = None

    def formulas(self) -> Iterator[tuple[str, Formula]]:
        """Yield the formulas under the names that the driver calls them by."""
        parts = ("member", "draw", "when", "sums", "industry", "alliance")
        yield from ((f"{self.name}_{part}", getattr(self, part)) for part in parts)
        if self.arrival is not None:
            yield f"{self.name}_where", self.arrival.where
            yield f"{self.name}_arrival", self.arrival.member


@declared
@dataclass(frozen=True, kw_only=True)
class Select:
    """Marks the members of highest score; of equal scores those of lower index.

    Parameters
    ----------
    name : str
        Name in messages.
    score : callable ``(m, g, s, p, at) -> float``
        Minus infinity: not eligible.
    count : callable ``(s, p, at) -> float``
        How many to mark (all eligible ones where there are fewer). Where it is 0 in all of a
        block, the stage is skipped and `field` keeps its values.
    field : str
        Field of the member that becomes 1.0 where it is marked, else 0.0.
    """

    name: str
    score: Formula
    count: Formula
    field: str

    def formulas(self) -> Iterator[tuple[str, Formula]]:
        """Yield the formulas under the names that the driver calls them by."""
        yield f"{self.name}_score", self.score
        yield f"{self.name}_count", self.count


@declared
@dataclass(frozen=True, kw_only=True)
class Ties:
    """What members learn from their neighbours in a network.

    Parameters
    ----------
    sends : callable ``(m, at) -> bool``
        Whether a member's event of this step is noticed by its neighbours.
    open : callable ``(m) -> bool``
        Whether a member can still change; others receive nothing, and are not visited where
        members are local.
    received : str
        Field of the member to which each neighbour's event adds 1.0, after the step.
    degree : str
        Field of the member that holds its number of neighbours.
    local : callable ``(p) -> bool``
        Whether a member can change only in a step after one in which it received something (or in
        the first), and only by what it received. Then steps visit those members alone, and
        industries are left as they are.
    """

    sends: Formula
    open: Formula
    received: str
    degree: str
    local: Formula


@declared
@dataclass(frozen=True, kw_only=True)
class MemberInput:
    """An array of one value a member that a study may give as ``structure={name: values}``.

    Parameters
    ----------
    name : str
        Name in `structure`. Formulas see in ``p`` the field ``given_<name>``, 1.0 where it was
        given, else 0.0.
    field : str
        Field of the member that holds the value before the first stage; 0.0 where not given.
    value : Parameter
        Bounds, unit and meaning of one value.
    """

    name: str
    field: str
    value: Parameter


@declared
@dataclass(frozen=True, kw_only=True)
class Population:
    """Members, industries and stages of a model; see :mod:`fastalliance.library.population`.

    Parameters
    ----------
    member, industry : type
        NamedTuples of floats: one member, and one industry's values. All start as 0.0.
    size : str
        Name of the structural input that is the number of members.
    start, step, end : sequence of Sweep and Select
        Stages before the first step, of every step, and after the last one. Those at the end run
        before every record of the states too: they must change nothing that a step reads.
    outputs : callable ``(m, p) -> tuple of float``
        As many values as `output_variables`: what is kept of a member on request.
    output_variables : sequence of Output
    rate : float
        Steps of members that a core makes in a second, about, for estimates of a study's time.
    paths : callable ``(m, p) -> tuple of float``, optional
        What trajectories record of a member on request, as many values as `path_variables`.
    path_variables : sequence of Output
    inputs : sequence of MemberInput
    ties : Ties, optional
        Present where the model can have a network.
    """

    member: Any
    industry: Any
    start: Sequence[Sweep | Select]
    step: Sequence[Sweep | Select]
    outputs: Formula
    output_variables: Sequence[Output]
    size: str = "members"
    rate: float = 200e6
    paths: Formula | None = None
    path_variables: Sequence[Output] = ()
    end: Sequence[Sweep | Select] = ()
    inputs: Sequence[MemberInput] = ()
    ties: Ties | None = None

    @property
    def stages(self) -> tuple[Sweep | Select, ...]:
        """All stages in order."""
        return (*self.start, *self.step, *self.end)

    @property
    def flags(self) -> tuple[str, ...]:
        """Fields of ``p`` that tell what was given: arrays, and a network."""
        names = [entry.name for entry in self.inputs]
        return tuple(f"given_{name}" for name in (*names, *(["network"] if self.ties else [])))

    def formulas(self) -> Iterator[tuple[str, Formula]]:
        """Yield the formulas under the names that the driver calls them by."""
        for stage in self.stages:
            yield from ((name, given) for name, given in stage.formulas() if given is not None)
        yield "member_outputs", self.outputs
        if self.paths is not None:
            yield "member_paths", self.paths
        if self.ties is not None:
            yield "sends", self.ties.sends
            yield "open", self.ties.open
            yield "local", self.ties.local


def unbounded(name: str, unit: str, description: str) -> Parameter:
    """Return the value of a member's array that may be any number, or infinite."""
    return Parameter(
        name, 0.0, lower=-math.inf, unit=unit, description=description, allow_infinite=True
    )
