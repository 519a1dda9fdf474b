"""The source of a sweep over the members of a population, in all lanes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fastalliance.engine.render_calls import Calls, PopulationFields, StageFields, indented
from fastalliance.engine.render_strips import Strips
from fastalliance.library.population import Sweep


class Sweeps:
    """Renders sweeps: over all members, or over those alone that noticed something."""

    def __init__(self, fields: PopulationFields, call: Calls) -> None:
        self.fields = fields
        self.call = call
        self.strips = Strips(fields, call)
        self.lanes = f"for lane in range({fields.lanes}):"

    def sweep(self, stage: Sweep) -> Iterator[str]:
        """A sweep, skipped where its `when` says no in all lanes."""
        if stage.when is None:
            yield from self._all_members(stage)
            return
        yield "n_touched = 0"
        yield self.lanes
        yield f"    n_touched += 1 if {self.call(f'{stage.name}_when', 's', 'p', 'at')} else 0"
        yield "if n_touched > 0:"
        yield from indented(self._all_members(stage), 1)

    def _all_members(self, stage: Sweep) -> Iterator[str]:
        found = self.fields.stages[stage.name]
        if found.sums:
            yield self.lanes
            yield from (f"    whole_{i}[lane] = 0.0" for i in range(len(found.sums)))
        if stage.member is not None or stage.sums is not None:
            own = self.call.sums_read(f"{stage.name}_industry") if stage.industry else []
            yield "for g in range(n_industries):"
            yield from indented(self.members_of_industry(), 1)
            if own:
                yield f"    {self.lanes}"
                yield from (f"        part_{i}[lane] = 0.0" for i in own)
            yield from indented(self._members(stage, found, own), 1)
            if stage.industry is not None:
                name = f"{stage.name}_industry"
                arguments = ("g", "sums", "s", "p", "at")
                yield f"    {self.lanes}"
                yield f"        c = {self.call(name, *arguments, industry='g', sums='part')}"
                yield from (
                    f"        industries[g, {self.call.industry_fields.index(name)}, lane] = c[{i}]"
                    for i, name in enumerate(found.industry)
                )
        yield from self._alliance(stage, found)

    def visit(self, stage: Sweep) -> Iterator[str]:
        """A sweep over the members that were told something; industries stay as they are."""
        yield "lane = 0"
        yield "g = 0  # of no consequence: members are local"
        yield from self.load_own("")
        yield from self.strips.visit(stage)
        yield from self._alliance(stage, self.fields.stages[stage.name])

    def _members(self, stage: Sweep, found: StageFields, own: list[int]) -> Iterator[str]:
        """The visit of an industry's members."""
        if self.strips.fit(stage):
            yield from self.strips.sweep(stage, own)
            return
        yield "for i in range(low_member, high_member):"
        yield from indented(self._member(stage, found, own), 1)

    def _member(self, stage: Sweep, found: StageFields, own: list[int]) -> Iterator[str]:
        """The visit of one member in all lanes: draws, change, arrivals, sums."""
        if stage.draw is not None:
            yield from self._draw(stage, found)
        arrival = stage.arrival
        if arrival is None or self.fields.literals.get(arrival.switch) == "0.0":
            yield self.lanes
            yield from indented(self._change(stage, found, own), 1)
            return
        where = self._of_member(f"{stage.name}_where", self._source(stage))
        yield "n_arriving = 0"
        yield self.lanes
        yield f"    arriving[lane] = 1.0 if {where} else 0.0"
        yield "    n_arriving += 1 if arriving[lane] > 0.0 else 0"
        if stage.member is not None:
            yield self.lanes
            yield from indented(self._set(stage, "member", found.member), 1)
        yield "if n_arriving > 0:"
        yield f"    {self.lanes}"
        yield "        if arriving[lane] > 0.0:"
        yield from indented(self._set(stage, "arrival", found.arrival), 3)
        if stage.sums is not None:
            yield self.lanes
            yield from indented(self._add(stage, found, own, {}), 1)

    def _draw(self, stage: Sweep, found: StageFields) -> Iterator[str]:
        """Random numbers of a member: drawn for two, at the first of them.

        A loop over eight draws LLVM would unroll before it could vectorise it.
        """
        n_drawn = len(found.draw)
        yield "if i & 1 == 0:"
        yield "    for lane in range(n_draws):"
        draw = self.call(f"{stage.name}_draw", "p", "stream", "at", member="i >> 1")
        yield f"        first, second = {draw}"
        yield from (f"        drawn_{i}[lane] = first[{i}]" for i in range(n_drawn))
        yield from (f"        second_{i}[lane] = second[{i}]" for i in range(n_drawn))
        yield "else:"
        yield f"    for lane in range({self.fields.lanes}):"
        yield from (f"        drawn_{i}[lane] = second_{i}[lane]" for i in range(n_drawn))

    def _source(self, stage: Sweep) -> str:
        """The argument that random numbers come from."""
        return "stream" if stage.draw is None else "random"

    def _of_member(self, name: str, source: str) -> str:
        return self.call(name, "m", "g", "s", "p", source, "at", member="i", industry="g")

    def _set(self, stage: Sweep, part: str, fields: tuple[str, ...]) -> Iterator[str]:
        source = self._source(stage) if part == "member" else "stream"
        yield f"c = {self._of_member(f'{stage.name}_{part}', source)}"
        for i, name in enumerate(fields):
            if name not in self.call.absent:
                yield f"{self.call.field(name)} = c[{i}]"

    def _change(self, stage: Sweep, found: StageFields, own: list[int]) -> Iterator[str]:
        changed: dict[str, str] = {}
        if stage.member is not None:
            yield from self._set(stage, "member", found.member)
            changed = {name: f"c[{i}]" for i, name in enumerate(found.member)}
        if stage.sums is not None:
            yield from self._add(stage, found, own, changed)

    def _add(
        self, stage: Sweep, found: StageFields, own: list[int], changed: Mapping[str, str]
    ) -> Iterator[str]:
        """Add a member to the sums of the alliance, and to those of its industry in `own`."""
        arguments = ("m", "g", "s", "p", "at")
        name = f"{stage.name}_sums"
        yield f"a = {self.call(name, *arguments, member='i', industry='g', changed=changed)}"
        for i in range(len(found.sums)):
            if i in own:
                yield f"part_{i}[lane] += a[{i}]"
            yield f"whole_{i}[lane] += a[{i}]"

    def _alliance(self, stage: Sweep, found: StageFields) -> Iterator[str]:
        if stage.alliance is None:
            return
        yield self.lanes
        yield f"    c = {self.call(f'{stage.name}_alliance', 's', 'sums', 'p', 'at')}"
        yield from (f"    s_{name}[lane] = c[{i}]" for i, name in enumerate(found.alliance))

    def members_of_industry(self) -> Iterator[str]:
        """The range of an industry's members, and its values."""
        yield "low_member = (g * n_members + n_industries - 1) // n_industries"
        yield "high_member = ((g + 1) * n_members + n_industries - 1) // n_industries"
        yield self.lanes
        yield from self.load_own("    ")

    def load_own(self, indent: str) -> Iterator[str]:
        """The values of an industry."""
        for i, name in enumerate(self.call.industry_fields):
            yield f"{indent}g_{name}[lane] = industries[g, {i}, lane]"
