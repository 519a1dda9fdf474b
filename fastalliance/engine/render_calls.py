"""Calls of a population's formulas as source text, with every field named.

A formula is passed tuples of the fields that it reads, and 0.0 for one of which it reads nothing:
what is dropped only after inlining took two thirds of the time to compile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from fastalliance.library.population import Population

_NOTHING: dict[str, str] = {}


@dataclass(frozen=True)
class StageFields:
    """Names of what a stage's formulas return; empty where it has no such formula."""

    member: tuple[str, ...] = ()
    draw: tuple[str, ...] = ()
    arrival: tuple[str, ...] = ()
    sums: tuple[str, ...] = ()
    industry: tuple[str, ...] = ()
    alliance: tuple[str, ...] = ()


@dataclass(frozen=True)
class PopulationFields:
    """Everything that the driver spells out.

    Attributes
    ----------
    population : Population
    parameters : tuple of str
        With the sizes, and then the flags.
    constants, states, recorded : tuple of str
    n_outputs, n_paths : int
        Of the alliance, and of a member's trajectories.
    stages : mapping of str to StageFields
    reads : mapping of str to frozenset of str or None
        Fields that a formula reads; None: maybe all.
    has_prepare, has_finished, has_network : bool
    literals : mapping of str to str
    lanes : int
    """

    population: Population
    parameters: tuple[str, ...]
    constants: tuple[str, ...]
    states: tuple[str, ...]
    recorded: tuple[str, ...]
    n_outputs: int
    n_paths: int
    stages: Mapping[str, StageFields]
    reads: Mapping[str, frozenset[str] | None]
    has_prepare: bool
    has_finished: bool
    has_network: bool
    literals: Mapping[str, str]
    lanes: int


class Calls:
    """Renders calls, and a member's fields as they lie in ``members``.

    A block of several lanes has them side by side, a cache line each: one stream through memory. A
    single lane has an array for each field, so that the few that a step in a network needs stay in
    the cache.
    """

    def __init__(self, fields: PopulationFields) -> None:
        self.fields = fields
        self.kinds: dict[str, list[str]] = {}
        self.member_fields: tuple[str, ...] = fields.population.member._fields
        self.industry_fields: tuple[str, ...] = fields.population.industry._fields
        ties = fields.population.ties
        without = ties is not None and not fields.has_network
        self.absent = (ties.received, ties.degree) if without and ties is not None else ()

    def __call__(
        self,
        name: str,
        *arguments: str,
        member: str = "0",
        industry: str = "0",
        index: str = "i",
        changed: Mapping[str, str] = _NOTHING,
        sums: str = "whole",
    ) -> str:
        """Return the text of a call.

        Parameters
        ----------
        name : str
            The formula's name in the driver.
        *arguments : str
            m, g, s, p, stream, random, sums, at: in the formula's order.
        member, industry : str
            Indices of the member and of the industry, for `at`.
        index : str
            Index of the member whose fields are passed.
        changed : mapping of str to str
            Texts that stand for fields of the member.
        sums : str
            Prefix of the arrays of sums.
        """

        def of_member(field: str) -> str:
            return "0.0" if field in self.absent else changed.get(field, self.field(field, index))

        def of_constants(field: str) -> str:
            return self.fields.literals.get(field, f"p_{field}[lane]")

        def of_sums(field: str) -> str:
            return f"{sums}_{self._stage(name).sums.index(field)}[lane]"

        found: dict[str, Callable[[], str]] = {
            "m": lambda: self._tuple(name, "Member", self.member_fields, of_member),
            "g": lambda: self._tuple(name, "Industry", self.industry_fields, "g_{}[lane]".format),
            "s": lambda: self._tuple(name, "State", self.fields.states, "s_{}[lane]".format),
            "p": lambda: self._tuple(name, "Constants", self.fields.constants, of_constants),
            "stream": lambda: "Stream(key0, key1, id_low[lane], id_high[lane])",
            "random": lambda: self._random(name),
            "sums": lambda: self._tuple(name, "Sums", self._stage(name).sums, of_sums),
            "at": lambda: f"At({member}, {industry}, k, t, dt)",
        }
        return f"{name}({', '.join(found[argument]() for argument in arguments)})"

    def _reads(self, name: str, field: str) -> bool:
        reads = self.fields.reads[name]
        return reads is None or field in reads

    def definitions(self) -> list[str]:
        """Return definitions of the tuples that the calls so far take."""
        return [f"{kind} = namedtuple({kind!r}, {fields!r})" for kind, fields in self.kinds.items()]

    def _tuple(
        self, name: str, kind: str, fields: Iterable[str], text: Callable[[str], str]
    ) -> str:
        """Return a tuple of the fields that the formula `name` reads."""
        read = [field for field in fields if self._reads(name, field)]
        if not read:
            return "0.0"
        self.kinds[f"{name}_{kind}"] = read
        return f"{name}_{kind}({', '.join(map(text, read))})"

    def field(self, name: str, index: str = "i", lane: str = "lane") -> str:
        """Return the text of a member's field."""
        row = self.member_fields.index(name)
        if self.fields.lanes == 1:
            return f"members[{row}, {index}, {lane}]"
        return f"members[{index}, {row}, {lane}]"

    def marks(self, name: str) -> str:
        """Return the text of a field of all members, (member, lane)."""
        row = self.member_fields.index(name)
        return f"members[{row}]" if self.fields.lanes == 1 else f"members[:, {row}]"

    def _stage(self, name: str) -> StageFields:
        return self.fields.stages[name.rsplit("_", 1)[0]]

    def _random(self, name: str) -> str:
        stage, n_drawn = name.rsplit("_", 1)[0], len(self._stage(name).draw)
        return f"{stage}_Random({', '.join(f'drawn_{i}[lane]' for i in range(n_drawn))})"

    def sums_read(self, name: str) -> list[int]:
        """Return which of its stage's sums a formula reads."""
        return [i for i, field in enumerate(self._stage(name).sums) if self._reads(name, field)]


def indented(lines: Iterable[str], levels: int) -> Iterator[str]:
    """Return lines of source, so many levels further in."""
    return (f"{'    ' * levels}{line}" for line in lines)
