"""The source of a model's block driver, rendered with every field named.

LLVM vectorises the lane loop only when each field is a plain load and store: a driver that indexed
tuples generically ran at 5 M instance-steps/s, the rendered one at more than 80 M. Time is the
outer loop, lanes the inner one; a block's states and constants stay in the L1 cache.

A row of `work` is 0.0 as long as a lane's states have been finite at every step, and NaN from then
on: a later clip cannot hide what happened. Recorded paths are NaN from there. The look costs 6 %
of the dyad's step; a model that keeps non-finite states does without, and is looked at in the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LANES = 64
FINISHED_CHECK = 4  # steps between two looks at whether a whole block is finished


@dataclass(frozen=True)
class DriverFields:
    """Names that the driver spells out: parameters, constants, states, outputs' number."""

    parameters: tuple[str, ...]
    sizes: tuple[str, ...]  # those of the parameters that are structure
    constants: tuple[str, ...]
    draws: tuple[str, ...]  # of the model's own draw formula; empty without one
    states: tuple[str, ...]
    recorded: tuple[str, ...]
    n_outputs: int
    has_prepare: bool
    has_finished: bool
    keeps_nonfinite: bool
    literals: Mapping[str, str]  # what is the same in a whole call and compiled in: sizes, zeros


TEMPLATE = '''\
"""Block driver of the model {model}; rendered, not to be edited."""

import numpy as np

# Globals: the tuples Given, Constants, State, Stream and the formulas prepare, init, step,
# finished, final. Fields of Constants: {constant_fields}.
# Fields of State: {state_fields}.


def run(points, key0, key1, first_point, first_replicate, n_replicates, common, dt, n_steps,
        record_steps, outputs, invalid, paths):
    n_instances = points.shape[0] * n_replicates
    work = np.empty(({n_rows}, {lanes}))
    ids = np.empty((2, {lanes}), np.int64)
    for low in range(0, n_instances, {lanes}):
        n_lanes = min({lanes}, n_instances - low)
        for lane in range({lanes}):
            instance = min(low + lane, n_instances - 1)
            point = instance // n_replicates
            replicate = first_replicate + instance % n_replicates
            number = replicate if common else replicate + ((first_point + point) << 24)
            id_low = number & 0xFFFFFFFF
            id_high = (number >> 32) & 0xFFFFFF
            ids[0, lane] = id_low
            ids[1, lane] = id_high
            given = Given({given})
            p = {prepare}
            s = init(p, Stream(key0, key1, id_low, id_high))
{store_constants}
{store_initial}
            total = {total}
            work[{check_row}, lane] = total - total
        if record_steps > 0:
            row = 0
            for lane in range(n_lanes):
                    point, replicate = divmod(low + lane, n_replicates)
{record}
        for k in range(n_steps):
            t = k * dt
{draw}
            for lane in range({lanes}):
                s = step(
                    State({load_state}),
                    Constants({load_constants}),
                    {random},
                    k, t, dt,
                )
{store_state}
{check_each_step}
            if record_steps > 0 and (k + 1) % record_steps == 0:
                row = (k + 1) // record_steps
                for lane in range(n_lanes):
                    point, replicate = divmod(low + lane, n_replicates)
{record}
{stop}
        for lane in range(n_lanes):
            point, replicate = divmod(low + lane, n_replicates)
            values = final(State({load_state}), Constants({load_constants}))
            total = {stored_total}
            bad = work[{check_row}, lane] + (total - total) != 0.0 or {infinite}
            invalid[point, replicate] = bad
{store_outputs}
'''

DRAW = """\
            for lane in range({lanes}):
                d = draw(
                    Constants({load_constants}),
                    {stream},
                    k,
                )
{store_draws}"""
CHECK = """\
                total = {total}
                work[{check_row}, lane] += total - total"""
STREAM = "Stream(key0, key1, ids[0, lane], ids[1, lane])"

STOP = """\
            elif k % {every} == {every} - 1 and record_steps == 0:
                n_finished = 0
                for lane in range({lanes}):
                    if finished(State({load_state})):
                        n_finished += 1
                if n_finished == {lanes}:
                    break
"""


def _lines(indent: int, lines: Sequence[str]) -> str:
    return "\n".join(" " * indent + line for line in lines)


def render(model: str, fields: DriverFields) -> str:
    """Return the driver's source for `model`.

    It expects as globals the NamedTuple classes ``Given``, ``Constants``, ``State`` and
    ``Stream``, and the formulas ``prepare`` and ``finished`` (where there are any), ``init``,
    ``step`` and ``final``, the model's ``outputs``.
    """
    n_constants = len(fields.constants)
    check_row = n_constants + len(fields.states)
    draw_rows = range(check_row + 1, check_row + 1 + len(fields.draws))
    state_rows = dict(zip(fields.states, range(n_constants, check_row), strict=True))
    literals = fields.literals
    constants = [
        literals.get(name, f"work[{row}, lane]") for row, name in enumerate(fields.constants)
    ]
    sizes = {name: text for name, text in literals.items() if name in fields.sizes}
    given = [sizes.get(name, f"points[point, {i}]") for i, name in enumerate(fields.parameters)]
    load_state = ", ".join(f"work[{row}, lane]" for row in state_rows.values())
    store_state = [f"work[{row}, lane] = s[{i}]" for i, row in enumerate(state_rows.values())]
    finite = f"work[{check_row}, lane] == 0.0 and abs(work[{{0}}, lane]) < np.inf"
    recorded = f"work[{{0}}, lane] if {finite} else np.nan"
    record = [
        f"paths[{i}, point, replicate, row] = {recorded.format(state_rows[name])}"
        for i, name in enumerate(fields.recorded)
    ]
    store_outputs = [
        f"outputs[{i}, point, replicate] = np.nan if bad else values[{i}]"
        for i in range(fields.n_outputs)
    ]
    total = " + ".join(f"s[{i}]" for i in range(len(state_rows)))
    check = CHECK.format(total=total, check_row=check_row)
    load_constants = ", ".join(constants)
    draw = DRAW.format(
        lanes=LANES,
        load_constants=load_constants,
        stream=STREAM,
        store_draws=_lines(16, [f"work[{row}, lane] = d[{i}]" for i, row in enumerate(draw_rows)]),
    )
    load_draws = ", ".join(f"work[{row}, lane]" for row in draw_rows)
    stop = STOP.format(every=FINISHED_CHECK, lanes=LANES, load_state=load_state)
    return TEMPLATE.format(
        model=model,
        lanes=LANES,
        constant_fields=", ".join(fields.constants),
        state_fields=", ".join(fields.states),
        n_rows=check_row + 1 + len(fields.draws),
        draw=draw if fields.draws else "",
        random=f"Draws({load_draws})" if fields.draws else STREAM,
        check_row=check_row,
        given=", ".join(given),
        prepare="prepare(given, dt)" if fields.has_prepare else "given",
        store_constants=_lines(12, [f"work[{i}, lane] = p[{i}]" for i in range(n_constants)]),
        store_initial=_lines(12, store_state),
        load_state=load_state,
        load_constants=load_constants,
        store_state=_lines(16, store_state),
        check_each_step="" if fields.keeps_nonfinite else check,
        total=total,
        stored_total=" + ".join(f"work[{row}, lane]" for row in state_rows.values()),
        infinite=" or ".join(f"abs(values[{i}]) == np.inf" for i in range(fields.n_outputs)),
        record=_lines(20, record),
        stop=stop if fields.has_finished else "",
        store_outputs=_lines(12, store_outputs),
    )
