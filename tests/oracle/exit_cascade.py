"""Slow, obvious twin of the model `exit_cascade`: one alliance, one member at a time, plain Python.

Written from models/exit_cascade.md and models/README.md alone, never from a kernel; the numbers in
the comments are those of the page's "Step k". What the compiled model does for speed (several
alliances at once, early stops, touching only the neighbours of new exits) is left undone here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

from tests.oracle import philox

PURPOSE_UNIFORMS, PURPOSE_THRESHOLD, PURPOSE_SEED = 0, 1, 2
TIE = 1e-9  # a pressure this near to the threshold counts as reached

DEFAULTS: dict[str, float] = {
    "uncertainty": 1.0,
    "uncertainty_halflife": math.inf,
    "industry_weight": 0.7,
    "alliance_weight": 0.3,
    "tie_weight": 0.0,
    "immunity": 0.5,
    "centrality_skew": 4.0,
    "prominence_weight": 1.0,
    "threshold_mean": 0.45,
    "threshold_sd": 0.12,
    "base_hazard": 0.005,
    "imitation": 2.0,
    "memory": math.inf,
    "seed_exits": 0,
    "seed_rule": 0.0,
    "collapse_share": 0.5,
}
RULES = {"peripheral": -1.0, "random": 0.0, "central": 1.0}
MEMBERS, INDUSTRIES, HORIZON, DT = 200, 5, 48.0, 1.0

OUTPUTS = (
    "exits",
    "exit_share",
    "cascade_share",
    "last_exit_time",
    "first_exit_time",
    "peak_exits",
    "collapsed",
    "collapse_time",
    "central_exit_share",
)


def exp(x: float) -> float:
    """Return e to the power of `x`, infinite where it overflows."""
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def share(part: float, whole: float) -> float:
    """Return `part / whole`, 0 where the denominator is 0."""
    return part / whole if whole != 0 else 0.0


def n_steps(horizon: float, dt: float) -> int:
    """Return the number of steps; the horizon is a multiple of dt within 1e-9 relative."""
    n = round(horizon / dt)
    assert abs(n * dt - horizon) <= 1e-9 * horizon
    return n


def _shortest_paths(
    neighbours: Sequence[Sequence[int]], source: int
) -> tuple[list[int | None], list[int]]:
    """Return distance (None: out of reach) and number of shortest paths from `source` to all."""
    distance: list[int | None] = [None] * len(neighbours)
    paths = [0] * len(neighbours)
    distance[source], paths[source] = 0, 1
    layer, steps = [source], 0
    while layer:
        steps += 1
        following = []
        for i in layer:
            for j in neighbours[i]:
                if distance[j] is None:
                    distance[j] = steps
                    following.append(j)
                if distance[j] == steps:
                    paths[j] += paths[i]
        layer = following
    return distance, paths


def betweenness(neighbours: Sequence[Sequence[int]]) -> list[float]:
    """Return exact, unweighted, undirected betweenness by its definition, over its maximum."""
    n = len(neighbours)
    distances, paths = zip(*(_shortest_paths(neighbours, i) for i in range(n)), strict=True)
    between = [Fraction(0)] * n
    for s in range(n):
        for t in range(s + 1, n):
            if distances[s][t] is None:
                continue
            for v in range(n):
                if v in (s, t) or distances[s][v] is None:
                    continue
                if distances[s][v] + distances[v][t] == distances[s][t]:
                    between[v] += Fraction(paths[s][v] * paths[v][t], paths[s][t])
    highest = max(between)
    return [float(b / highest) if highest > 0 else 0.0 for b in between]


def highest(scores: Sequence[float], n: int) -> list[int]:
    """Return the indices of the `n` highest scores, ties by lower index."""
    return sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:n]


def start(
    p: Mapping[str, float],
    *,
    members: int,
    seed: int,
    instance: int,
    neighbours: Sequence[Sequence[int]] | None,
    thresholds: Sequence[float] | None,
    centralities: Sequence[float] | None,
) -> tuple[list[float], list[float], list[float], list[int]]:
    """Return centrality, threshold and exponential draw of each member, and the seeds."""
    centrality, threshold, draw, score = [], [], [], []
    if centralities is None and neighbours is not None:
        centralities = betweenness(neighbours)
    for i in range(members):
        u0, u1 = philox.uniforms(seed, instance, PURPOSE_UNIFORMS, 0, i)
        z0, _ = philox.normals(seed, instance, PURPOSE_THRESHOLD, 0, i)
        u, _ = philox.uniforms(seed, instance, PURPOSE_SEED, 0, i)
        b = u0 ** p["centrality_skew"] if centralities is None else centralities[i]
        centrality.append(b)
        draw.append(-math.log(u1))
        threshold.append(
            p["threshold_mean"] + p["threshold_sd"] * z0 if thresholds is None else thresholds[i]
        )
        score.append(p["seed_rule"] * b + (1.0 - abs(p["seed_rule"])) * u)
    return centrality, threshold, draw, highest(score, int(p["seed_exits"]))


def outputs(
    exit_time: Sequence[float],
    exits_path: Sequence[int],
    centrality: Sequence[float],
    p: Mapping[str, float],
    dt: float,
) -> dict[str, float]:
    """Return the outputs of an alliance from who left when."""
    members, seeds, exits = len(exit_time), exits_path[0], exits_path[-1]
    times = [time for time in exit_time if not math.isnan(time)]
    steps = [after - before for before, after in pairwise(exits_path)]
    collapses = [k for k, n in enumerate(exits_path) if n / members >= p["collapse_share"]]
    central = highest(centrality, max(1, members // 10))
    central_exits = sum(not math.isnan(exit_time[i]) for i in central)
    return {
        "exits": exits,
        "exit_share": exits / members,
        "cascade_share": share(exits - seeds, members - seeds),
        "last_exit_time": max(times, default=math.nan),
        "first_exit_time": min(times, default=math.nan),
        "peak_exits": max(steps, default=0),
        "collapsed": float(bool(collapses)),
        "collapse_time": collapses[0] * dt if collapses else math.nan,
        "central_exit_share": central_exits / len(central),
    }


def simulate(
    parameters: Mapping[str, float] | None = None,
    *,
    members: int = MEMBERS,
    industries: int = INDUSTRIES,
    seed: int,
    instance: int,
    horizon: float = HORIZON,
    dt: float = DT,
    neighbours: Sequence[Sequence[int]] | None = None,
    thresholds: Sequence[float] | None = None,
    centralities: Sequence[float] | None = None,
) -> dict[str, Any]:
    """Return every output of one alliance, and how it came about.

    Parameters
    ----------
    parameters : mapping, optional
        Values that differ from the defaults.
    members, industries : int
        Sizes.
    seed, instance : int
        Address of the random numbers.
    horizon, dt : float
        In quarters.
    neighbours : list of lists, optional
        The neighbours of each member.
    thresholds, centralities : list, optional
        Given values of each member.

    Returns
    -------
    dict
        The outputs; `exit_time` (NaN: never) and `centrality` of each member; `exits_path`, the
        number that has left at 0, dt, 2 dt, ...; and `margin`, how near the run came to a decision
        that a rounding error could reverse (relative to 1 or to the threshold, where it is larger).
    """
    p = DEFAULTS | dict(parameters or {})
    assert p.keys() == DEFAULTS.keys(), "unknown parameter"
    b, theta, xi, seeds = start(
        p,
        members=members,
        seed=seed,
        instance=instance,
        neighbours=neighbours,
        thresholds=thresholds,
        centralities=centralities,
    )
    industry = [i * industries // members for i in range(members)]
    m = [1.0 + p["prominence_weight"] * b[i] for i in range(members)]
    total = sum(m)
    totals = [0.0] * industries
    for i in range(members):
        totals[industry[i]] += m[i]

    exit_time = [math.nan] * members
    hazard = [0.0] * members
    exposure, exposures = 0.0, [0.0] * industries
    exposed_ties = [0.0] * members
    margin = math.inf

    def leave(i: int, time: float) -> None:
        nonlocal exposure
        exit_time[i] = time
        exposure += m[i]
        exposures[industry[i]] += m[i]
        if neighbours is not None:
            for j in neighbours[i]:
                exposed_ties[j] += 1.0

    for i in sorted(seeds):
        leave(i, 0.0)
    exits_path = [len(seeds)]

    for k in range(n_steps(horizon, dt)):
        # 1. uncertainty
        uncertainty = p["uncertainty"] * 2.0 ** (-k * dt / p["uncertainty_halflife"])
        leaving = []
        for i in range(members):
            if not math.isnan(exit_time[i]):
                continue
            # 2. exposure to the exits of industry peers, all members and neighbours
            degree = len(neighbours[i]) if neighbours is not None else 0
            x = (
                p["industry_weight"] * share(exposures[industry[i]], totals[industry[i]] - m[i])
                + p["alliance_weight"] * share(exposure, total - m[i])
                + p["tie_weight"] * share(exposed_ties[i], degree)
            )
            # 3. pressure
            pressure = uncertainty * (1.0 - p["immunity"] * b[i]) * x
            # 4. cumulative hazard
            if p["base_hazard"] > 0.0:
                hazard[i] += p["base_hazard"] * exp(p["imitation"] * pressure) * dt
            # 5. bandwagon, or the hazard's turn
            if pressure >= theta[i] - TIE or hazard[i] >= xi[i]:
                leaving.append(i)
            for distance, scale in (
                (pressure - (theta[i] - TIE), theta[i]),
                (hazard[i] - xi[i], xi[i]),
            ):
                if math.isfinite(distance):
                    margin = min(margin, abs(distance) / max(1.0, abs(scale)))
        # then exposures fade, and the new exits are added
        fade = math.exp(-dt / p["memory"])
        exposure *= fade
        exposures = [value * fade for value in exposures]
        exposed_ties = [value * fade for value in exposed_ties]
        for i in leaving:
            leave(i, (k + 1) * dt)
        exits_path.append(exits_path[-1] + len(leaving))

    result: dict[str, Any] = outputs(exit_time, exits_path, b, p, dt)
    return result | {
        "exit_time": exit_time,
        "centrality": b,
        "exits_path": exits_path,
        "margin": margin,
    }
