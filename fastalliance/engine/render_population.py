"""The source of a population's block driver: instances as lanes, members in the middle loop.

A block holds `lanes` instances; a member's fields lie side by side, a cache line each for 8 lanes.
Sums run in the order of members' indices whatever the lanes, so that every width gives the same
bits. Constants, the alliance's state and an industry's values lie in arrays of the function's own
stack, and members' in arrays that the caller gives: LLVM knows that the two cannot overlap. Without
that it checks for overlap at every member, and 8 lanes made 120 instead of 830 M member-steps/s (16
lanes 320, 64 lanes 600, with eight times the memory). Were the members' array made here, it would
have to prove that no stack array's address escapes, which it gives up at 100 uses of one.

One lane serves networks, where only the neighbours of those who sent something are visited when
the model says so, and populations whose block of eight would not fit into memory. Its members are
the lanes then (`render_strips.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

from fastalliance.engine.render_calls import Calls, PopulationFields, indented
from fastalliance.engine.render_sweep import Sweeps
from fastalliance.library.population import Select, Sweep

LANES = 8

HEAD = '''\
"""Block driver of the model {model}, {lanes} instances a block; rendered, not to be edited."""

from collections import namedtuple

import numpy as np

# Globals: the tuples Given, At, Stream and one of random numbers for every sweep that draws,
# shaped, stack_floats, stack_integers, mark_highest, tell and the model's formulas.
{definitions}


def run(points, inputs, first_neighbours, neighbours, key0, key1, first_point, first_replicate,
        n_replicates, common, dt, n_steps, record_steps, outputs, invalid, paths, kept,
        member_tracks, all_members, all_industries, scores, keys):
    n_draws, n_members = scores.shape  # as many as lanes, but LLVM does not know
    n_industries = all_industries.shape[0] // {industry_size}
    members = shaped(all_members, {members_shape})
    industries = shaped(all_industries, n_industries, {n_industry_fields}, {lanes})
    wanted = np.empty({lanes}, np.int64)
    id_low = stack_integers({lanes})
    id_high = stack_integers({lanes})
'''


def render_population(model: str, fields: PopulationFields) -> str:
    """Return the driver's source for `model`."""
    return _Driver(model, fields).source()


class _Driver:
    """Puts the driver together, piece by piece."""

    def __init__(self, model: str, fields: PopulationFields) -> None:
        self.model = model
        self.fields = fields
        self.population = fields.population
        self.call = Calls(fields)
        self.sweeps = Sweeps(fields, self.call)
        self.strips = self.sweeps.strips
        self.member_fields = self.call.member_fields
        self.industry_fields = self.call.industry_fields

    def source(self) -> str:
        fields = self.fields
        body = list(self._body())
        n_fields, n_own = len(self.member_fields), max(len(self.industry_fields), 1)
        head = HEAD.format(
            definitions="\n".join(self.call.definitions()),
            model=self.model,
            lanes=fields.lanes,
            members_shape=f"{n_fields}, n_members, 1"
            if fields.lanes == 1
            else f"n_members, {n_fields}, {fields.lanes}",
            n_industry_fields=n_own,
            industry_size=n_own * fields.lanes,
        )
        lines = [f"{name} = stack_floats({fields.lanes})" for name in self._stack_names()]
        if fields.lanes == 1:
            lines += self.strips.arrays()
        return head + "\n".join([*indented([*lines, *body], 1), ""])

    def _stack_names(self) -> Iterator[str]:
        """Names of the arrays of a block's constants, state, one industry, and sums."""
        yield from (f"p_{name}" for name in self.fields.constants)
        yield from (f"s_{name}" for name in self.fields.states)
        yield from (f"g_{name}" for name in self.industry_fields)
        stages = self.fields.stages.values()
        for i in range(max(len(stage.sums) for stage in stages)):
            yield f"part_{i}"
            yield f"whole_{i}"
        for i in range(max(len(stage.draw) for stage in stages)):
            yield f"drawn_{i}"
            yield f"second_{i}"
        yield from ("check", "arriving")

    def _body(self) -> Iterator[str]:
        if self.fields.has_network:
            yield from self.strips.lists()
        yield "n_instances = points.shape[0] * n_replicates"
        yield f"for low in range(0, n_instances, {self.fields.lanes}):"
        yield f"    n_lanes = min({self.fields.lanes}, n_instances - low)"
        yield from indented(self._instances(), 1)
        yield "    for k in range(-1, n_steps):"
        yield "        t = k * dt"
        yield "        if k < 0:"
        for stage in self.population.start:
            yield from indented(self._stage(stage), 3)
        yield from indented(self._tell(), 3)
        yield "        else:"
        yield from indented(self._step(), 3)
        yield from indented(self._check(), 2)
        yield from indented(self._observe(), 2)
        yield from indented(self._results(), 1)

    def _observe(self) -> Iterator[str]:
        """After a step: stages of the end where a record or the horizon is due, and the record."""
        yield "last = k + 1 == n_steps"
        if self.fields.has_finished:
            yield "if record_steps == 0:"
            yield "    n_finished = 0"
            yield f"    for lane in range({self.fields.lanes}):"
            yield f"        n_finished += 1 if {self.call('finished', 's')} else 0"
            yield f"    last = last or n_finished == {self.fields.lanes}"
        yield "due = record_steps > 0 and (k + 1) % record_steps == 0"
        yield "if due or last:"
        yield "    index = (k + 1) // record_steps if due else 0"
        yield "    k = n_steps if last else k + 1"
        yield "    t = k * dt"
        for stage in self.population.end:
            yield from indented(self._stage(stage), 1)
        yield "    if due:"
        yield from indented(self._record(), 2)
        yield "    if last:"
        yield "        break"

    def _instances(self) -> Iterator[str]:
        """Addresses, constants, the alliance's first state, and what members were given."""
        fields, flags = self.fields, self.population.flags
        columns = fields.parameters[: len(fields.parameters) - len(flags)]
        given = [f"points[point, {i}]" for i in range(len(columns))]
        given += [fields.literals[name] for name in flags]
        yield from (
            f"for lane in range({fields.lanes}):",
            "    instance = min(low + lane, n_instances - 1)",
            "    point = instance // n_replicates",
            "    replicate = first_replicate + instance % n_replicates",
            "    number = replicate if common else replicate + ((first_point + point) << 24)",
            "    id_low[lane] = number & 0xFFFFFFFF",
            "    id_high[lane] = (number >> 32) & 0xFFFFFF",
            f"    given = Given({', '.join(given)})",
            f"    p = {'prepare(given, dt)' if fields.has_prepare else 'given'}",
            "    s = init(p, Stream(key0, key1, id_low[lane], id_high[lane]))",
        )
        yield from (f"    p_{name}[lane] = p[{i}]" for i, name in enumerate(fields.constants))
        yield from (f"    s_{name}[lane] = s[{i}]" for i, name in enumerate(fields.states))
        yield "    check[lane] = 0.0"
        yield "graph = replicate % first_neighbours.shape[0]"
        yield "given_row = graph if inputs.shape[1] > 1 else 0"
        yield "for g in range(n_industries):"
        yield f"    for lane in range({fields.lanes}):"
        for i in range(len(self.industry_fields)):
            yield f"        industries[g, {i}, lane] = 0.0"
        first = list(self._first_values())
        if fields.lanes > 1 and first:
            first = [[line for lines in first for line in lines]]
        for lines in first:  # of a single instance each field in a loop of its own: wide stores
            yield "for i in range(n_members):"
            yield f"    for lane in range({fields.lanes}):"
            yield from indented(lines, 2)

    def _first_values(self) -> Iterator[list[str]]:
        """What members have before the first stage, a field at a time."""
        ties = self.population.ties if self.fields.has_network else None
        given = {
            entry.field: f"inputs[{j}, given_row, i]"
            for j, entry in enumerate(self.population.inputs)
            if self.fields.literals[f"given_{entry.name}"] == "1.0"
        }
        for name in self._read_unset():
            if name not in given and (ties is None or name != ties.degree):
                yield [f"{self.call.field(name)} = 0.0"]
        for name, value in given.items():
            yield [f"{self.call.field(name)} = {value}"]
        if ties is not None:
            ends = "first_neighbours[graph, i + 1] - first_neighbours[graph, i]"
            yield [f"{self.call.field(ties.degree)} = {ends}"]

    def _read_unset(self) -> list[str]:
        """Members' fields that may be read before the first stage has set them."""
        first = self.population.start[0] if self.population.start else None
        if not isinstance(first, Sweep) or first.when or first.arrival:
            return list(self.member_fields)
        name = f"{first.name}_member"
        reads = self.fields.reads[name] if first.member is not None else None
        unread = set() if reads is None else set(self.fields.stages[first.name].member) - reads
        return [field for field in self.member_fields if field not in unread]

    def _step(self) -> Iterator[str]:
        """Stages of a step; where members are local, of those alone that noticed something."""
        stages = self.population.step
        everyone = [line for stage in stages for line in self._stage(stage)]
        ties = self.population.ties
        only = stages[0] if len(stages) == 1 else None
        visits = ties is not None and self.fields.has_network
        if not (isinstance(only, Sweep) and visits and self.strips.fit(only)) or only.when:
            yield from everyone
            yield from self._tell()
            return
        yield "lane = 0"
        yield f"if k > 0 and {self.call('local', 'p')}:"
        yield from indented(self.sweeps.visit(only), 1)
        yield from indented(self.strips.tell(), 1)
        yield "else:"
        yield from indented(everyone, 1)
        yield from indented(self._tell(), 1)

    def _stage(self, stage: Sweep | Select) -> Iterator[str]:
        return self.sweeps.sweep(stage) if isinstance(stage, Sweep) else self._select(stage)

    def _select(self, stage: Select) -> Iterator[str]:
        yield from (
            "n_wanted = 0",
            f"for lane in range({self.fields.lanes}):",
            f"    wanted[lane] = int({self.call(f'{stage.name}_count', 's', 'p', 'at')})",
            "    n_wanted += max(wanted[lane], 0)",
            "if n_wanted > 0:",
            "    for g in range(n_industries):",
        )
        yield from indented(self.sweeps.members_of_industry(), 2)
        yield from indented(self._scores(stage), 2)
        yield f"    mark_highest(scores, wanted, keys, {self.call.marks(stage.field)})"

    def _scores(self, stage: Select) -> Iterator[str]:
        """Scores of an industry's members."""
        if self.fields.lanes == 1:
            yield from self.strips.score(stage)
            return
        arguments = ("m", "g", "s", "p", "at")
        score = self.call(f"{stage.name}_score", *arguments, member="i", industry="g")
        yield "for i in range(low_member, high_member):"
        yield f"    for lane in range({self.fields.lanes}):"
        yield f"        scores[lane, i] = {score}"

    def _tell(self) -> Iterator[str]:
        """Look who sends something among all members, and tell their neighbours."""
        if self.fields.has_network:
            yield from self.strips.senders()
            yield from self.strips.tell()

    def _check(self) -> Iterator[str]:
        total = " + ".join(f"s_{name}[lane]" for name in self.fields.states)
        yield f"for lane in range({self.fields.lanes}):"
        yield f"    total = {total}"
        yield "    check[lane] += total - total"

    def _record(self) -> Iterator[str]:
        yield "for lane in range(n_lanes):"
        yield "    point, replicate = divmod(low + lane, n_replicates)"
        yield "    finite = check[lane] == 0.0"
        for i, name in enumerate(self.fields.recorded):
            value = f"s_{name}[lane] if finite else np.nan"
            yield f"    paths[{i}, point, replicate, index] = {value}"
        if self.fields.n_paths == 0:
            return
        yield "    if member_tracks.shape[0] > 0:"
        yield "        for i in range(n_members):"
        yield f"            own_values = {self.call('member_paths', 'm', 'p')}"
        for i in range(self.fields.n_paths):
            value = f"own_values[{i}] if finite else np.nan"
            yield f"            member_tracks[{i}, point, replicate, i, index] = {value}"

    def _results(self) -> Iterator[str]:
        n_outputs = self.fields.n_outputs
        infinite = " or ".join(f"abs(values[{i}]) == np.inf" for i in range(n_outputs))
        yield from self._check()
        yield "for lane in range(n_lanes):"
        yield "    point, replicate = divmod(low + lane, n_replicates)"
        yield f"    values = {self.call('final', 's', 'p')}"
        yield f"    bad = check[lane] != 0.0 or {infinite}"
        yield "    invalid[point, replicate] = bad"
        for i in range(n_outputs):
            yield f"    outputs[{i}, point, replicate] = np.nan if bad else values[{i}]"
        yield "    if kept.shape[0] > 0:"
        yield "        for i in range(n_members):"
        yield f"            own_values = {self.call('member_outputs', 'm', 'p')}"
        for i in range(len(self.population.output_variables)):
            value = f"np.nan if bad else own_values[{i}]"
            yield f"            kept[{i}, point, replicate, i] = {value}"
