"""The source of sweeps of a single instance: its members are the lanes, a strip of them at a time.

A strip's results lie in arrays of the function's own stack, which overlap nothing, so that LLVM
vectorises the loop over its members; then they are stored, and added up in the order of members,
as wherever instances are the lanes. What adds nothing but zeros is left out, which changes no sum.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from fastalliance.engine.render_calls import Calls, PopulationFields, indented
from fastalliance.library.population import Select, Sweep

STRIP = 64
# an index with a sign could count from the end, and a load from two places does not vectorise
_MEMBER = ["i = low_strip + v", "j = np.uint64(i)"]


class Strips:
    """Renders sweeps and scores of a single instance, and what its members tell each other."""

    def __init__(self, fields: PopulationFields, call: Calls) -> None:
        self.fields = fields
        self.call = call

    def fit(self, stage: Sweep) -> bool:
        """Say whether members can be the lanes of a sweep."""
        return self.fields.lanes == 1 and stage.draw is None and stage.arrival is None

    def arrays(self) -> Iterator[str]:
        """The arrays of a strip."""
        stages = self.fields.stages.values()
        for i in range(max([1, *(len(stage.member) for stage in stages)])):
            yield f"own_{i} = stack_floats({STRIP})"
        for i in range(max(len(stage.sums) for stage in stages)):
            yield f"add_{i} = stack_floats({STRIP})"

    def sweep(self, stage: Sweep, own: list[int]) -> Iterator[str]:
        """Visit the members of an industry; of the sums, those in `own` are its own, too."""
        yield from _strips("low_member", "high_member")
        yield from indented(self._compute(stage, "i", _MEMBER, "j"), 1)
        for i, name in self._stored(stage):
            yield "    for v in range(n_strip):"
            yield f"        {self.call.field(name, 'np.uint64(low_strip + v)')} = own_{i}[v]"
        yield from indented(self._sum(stage, own), 1)

    def score(self, stage: Select) -> Iterator[str]:
        """Put down the scores of an industry's members."""
        arguments = ("m", "g", "s", "p", "at")
        score = self.call(f"{stage.name}_score", *arguments, member="i", industry="g", index="j")
        yield from _strips("low_member", "high_member")
        yield "    for v in range(n_strip):"
        yield from indented(_MEMBER, 2)
        yield f"        own_0[v] = {score}"
        yield "    for v in range(n_strip):"
        yield "        scores[0, np.uint64(low_strip + v)] = own_0[v]"

    def visit(self, stage: Sweep) -> Iterator[str]:
        """Visit those alone who were told something, and find out who sends something now."""
        yield from (f"whole_{i}[0] = 0.0" for i in range(len(self._sums(stage))))
        yield "n_senders = np.uint64(0)"
        yield from _strips("0", "n_visited")
        member = ["j = visited[np.uint64(low_strip + v)]"]
        yield from indented(self._compute(stage, "np.int64(j)", member, "j"), 1)
        yield "    for v in range(n_strip):"
        yield from indented(member, 2)
        for i, name in self._stored(stage):
            yield f"        {self.call.field(name, 'j')} = own_{i}[v]"
        yield f"        is_open[j] = 1 if {self.call('open', 'm', index='j')} else 0"
        yield "        listed[j] = 0"
        yield "        senders[n_senders] = j"
        yield f"        n_senders += np.uint64(1 if {self._sends('np.int64(j)', 'j')} else 0)"
        yield from indented(self._sum(stage, []), 1)

    def senders(self) -> Iterator[str]:
        """Find out among all members who sends something, and who is open."""
        yield "lane = 0"
        yield "n_senders = np.uint64(0)"
        yield "listed[:] = 0"
        yield "for i in range(n_members):"
        yield "    j = np.uint64(i)"
        yield f"    is_open[j] = 1 if {self.call('open', 'm', index='j')} else 0"
        yield from _strips("0", "n_members")
        yield "    n_sending = 0"
        yield "    for v in range(n_strip):"
        yield from indented(_MEMBER, 2)
        yield f"        n_sending += 1 if {self._sends('i', 'j')} else 0"
        yield "    if n_sending > 0:"
        yield "        for v in range(n_strip):"
        yield from indented(_MEMBER, 3)
        yield "            senders[n_senders] = j"
        yield f"            n_senders += np.uint64(1 if {self._sends('i', 'j')} else 0)"

    def tell(self) -> Iterator[str]:
        """Tell the neighbours of those who sent something, who are to be visited next."""
        ties = self.fields.population.ties
        assert ties is not None
        yield "n_visited = tell(first_neighbours[graph], neighbours, senders, np.int64(n_senders),"
        yield f"                 is_open, {self.call.marks(ties.received)}, told, listed, visited)"

    def lists(self) -> Iterator[str]:
        """The arrays that only networks need."""
        yield "visited = np.empty(n_members + 1, np.uint32)"
        yield "senders = np.empty(n_members + 1, np.uint32)"
        yield "told = np.empty(2 * n_members + 1, np.uint32)"
        yield "is_open = np.empty(n_members, np.uint8)"
        yield "listed = np.empty(n_members, np.uint8)"

    def _sends(self, member: str, index: str) -> str:
        return self.call("sends", "m", "at", member=member, index=index)

    def _sums(self, stage: Sweep) -> tuple[str, ...]:
        return self.fields.stages[stage.name].sums

    def _stored(self, stage: Sweep) -> list[tuple[int, str]]:
        """The fields that a sweep sets, with their places in what its formula returns."""
        fields = enumerate(self.fields.stages[stage.name].member)
        return [(i, name) for i, name in fields if name not in self.call.absent]

    def _compute(self, stage: Sweep, member: str, which: list[str], index: str) -> Iterator[str]:
        """Change the members of a strip, and find what they add, without storing any of it."""
        sums = self._sums(stage)
        if sums:
            yield "n_adding = 0"
        yield "for v in range(n_strip):"
        yield from indented(which, 1)
        call = partial(self.call, member=member, industry="g", index=index)
        changed: dict[str, str] = {}
        if stage.member is not None:
            c = call(f"{stage.name}_member", "m", "g", "s", "p", "stream", "at")
            yield f"    c = {c}"
            yield from (f"    own_{i}[v] = c[{i}]" for i, _ in self._stored(stage))
            fields = self.fields.stages[stage.name].member
            changed = {name: f"c[{i}]" for i, name in enumerate(fields)}
        if sums:
            a = call(f"{stage.name}_sums", "m", "g", "s", "p", "at", changed=changed)
            yield f"    a = {a}"
            yield from (f"    add_{i}[v] = a[{i}]" for i in range(len(sums)))
            some = " | ".join(f"(a[{i}] != 0.0)" for i in range(len(sums)))
            yield f"    n_adding += 1 if {some} else 0"

    def _sum(self, stage: Sweep, own: list[int]) -> Iterator[str]:
        if sums := self._sums(stage):
            yield "if n_adding > 0:"
            yield "    for v in range(n_strip):"
            yield from (f"        part_{i}[0] += add_{i}[v]" for i in own)
            yield from (f"        whole_{i}[0] += add_{i}[v]" for i in range(len(sums)))


def _strips(low: str, high: str) -> Iterator[str]:
    """The head of a loop over strips."""
    yield "lane = 0"
    yield f"for low_strip in range({low}, {high}, {STRIP}):"
    yield f"    n_strip = min({STRIP}, {high} - low_strip)"
