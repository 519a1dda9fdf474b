"""Laws of exit cascades that are known exactly, or as the number of members goes to infinity.

Mean field of the threshold rule, chain-binomial of the hazard rule, exact final sizes on the
complete graph, Watts (2002) and Gleeson and Cahalane (2007) on random graphs. Nothing here knows
the compiled model, nor its twin.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import gammaln, ndtr, pdtr

TIE = 1e-9  # a pressure this near to the threshold counts as reached

Response = Callable[[int, int], float]


# --- Everybody watches everybody: thresholds ------------------------------------------------------


def mean_field_share(mean: float, sd: float, seeds: float) -> float:
    """Return the smallest root r of r = s0 + (1 - s0) Phi((r - mu)/sd).

    That is the share that leaves in the end where everybody watches everybody, thresholds are
    normal and the members are infinitely many.
    """

    def excess(share: float) -> float:
        return seeds + (1.0 - seeds) * float(ndtr((share - mean) / sd)) - share

    grid = np.linspace(seeds, 1.0, 20_001)
    values = [excess(share) for share in grid]
    for i in range(len(grid) - 1):
        if values[i + 1] <= 0.0:
            return float(brentq(excess, grid[i], grid[i + 1], xtol=1e-15))
    return 1.0


def mean_field_deviation(mean: float, sd: float, seeds: float, members: int) -> float:
    """Return the standard deviation of the final share of a large, finite alliance.

    The empirical distribution of (1 - s0) N thresholds has the binomial variance at the root, and
    a share too many there draws the slope of the right-hand side after it.
    """
    root = mean_field_share(mean, sd, seeds)
    reached = float(ndtr((root - mean) / sd))
    density = math.exp(-(((root - mean) / sd) ** 2) / 2.0) / (sd * math.sqrt(2.0 * math.pi))
    binomial = math.sqrt((1.0 - seeds) * reached * (1.0 - reached) / members)
    return binomial / (1.0 - (1.0 - seeds) * density)


def final_sizes(untriggered: Sequence[float | Fraction]) -> list[Fraction]:
    """Return P(j of the n non-seeds have left in the end), j = 0..n, on the complete graph.

    `untriggered[j]` is the probability a_j that a non-seed is not triggered by the seeds and j
    exits more. With psi_k = 1 - sum_{j<k} C(k,j) psi_j a_j^(k-j), P(j) = C(n,j) psi_j a_j^(n-j):
    psi_j is the probability that a given set of j goes completely when it is alone with the seeds.
    Exact rationals, because the sums cancel.
    """
    a = [Fraction(value) for value in untriggered]
    n = len(a) - 1
    powers: list[list[Fraction]] = []  # powers[j][i] = a_j^i
    psi: list[Fraction] = []
    sizes = []
    for k in range(n + 1):
        failed = (math.comb(k, j) * psi[j] * powers[j][k - j] for j in range(k))
        psi.append(1 - sum(failed, Fraction(0)))
        powers.append([Fraction(1)])
        for _ in range(n - k):
            powers[k].append(powers[k][-1] * a[k])
        sizes.append(math.comb(n, k) * psi[k] * powers[k][n - k])
    return sizes


def normal_untriggered(mean: float, sd: float, members: int, seeds: int = 0) -> list[float]:
    """Return a_j of `final_sizes` for thresholds normal with `mean` and `sd`."""
    pressures = [(seeds + j) / (members - 1) for j in range(members - seeds)]
    # The last one, when everybody else has left, is never used against anybody: a_n^0.
    return [float(ndtr(-(x + TIE - mean) / sd)) for x in pressures] + [0.0]


# --- Hazards ------------------------------------------------------------------------------------


def exit_probability(hazard: float, imitation: float, pressure: float, dt: float = 1.0) -> float:
    """Return the probability that a member at risk leaves within a step."""
    return -math.expm1(-hazard * math.exp(imitation * pressure) * dt)


def chain_binomial(
    members: int, *, hazard: float, imitation: float, dt: float = 1.0
) -> NDArray[np.float64]:
    """Return the transition matrix over the number that has left, where all watch all.

    From i, the members still in leave independently of each other, all with the probability of the
    pressure i/(N - 1).
    """
    matrix = np.zeros((members + 1, members + 1))
    matrix[members, members] = 1.0
    for i in range(members):
        at_risk = members - i
        p = exit_probability(hazard, imitation, i / (members - 1), dt)
        for leaving in range(at_risk + 1):
            ways = math.comb(at_risk, leaving)
            matrix[i, i + leaving] = ways * p**leaving * (1.0 - p) ** (at_risk - leaving)
    return matrix


def after(matrix: NDArray[np.float64], steps: int, start: int = 0) -> NDArray[np.float64]:
    """Return the distribution of the state after `steps`, from `start`."""
    return np.linalg.matrix_power(matrix, steps)[start]


def subset_chain(
    pressure: Callable[[frozenset[int], int], float],
    thresholds: Sequence[float],
    *,
    hazard: float,
    imitation: float,
    dt: float = 1.0,
) -> NDArray[np.float64]:
    """Return the transition matrix over the sets of members that have left.

    `pressure(gone, i)` is the pressure on member i when the members of `gone` have left. State s
    stands for the set of the i with bit i of s on. Any structure, few members (2^N states).
    """
    members = len(thresholds)
    matrix = np.zeros((2**members, 2**members))
    for state in range(2**members):
        gone = frozenset(i for i in range(members) if state >> i & 1)
        row = {state: 1.0}
        for i in range(members):
            if i in gone:
                continue
            x = pressure(gone, i)
            reached = x >= thresholds[i] - TIE
            p = 1.0 if reached else exit_probability(hazard, imitation, x, dt)
            stays = {s: weight * (1.0 - p) for s, weight in row.items()}
            leaves = {s | 1 << i: weight * p for s, weight in row.items()}
            row = stays | leaves
        for s, weight in row.items():
            matrix[state, s] += weight
    return matrix


# --- Random graphs ------------------------------------------------------------------------------


def poisson(mean: float, n: int = 400) -> NDArray[np.float64]:
    """Return the probabilities of 0..n-1 under the Poisson distribution."""
    k = np.arange(n)
    return np.asarray(np.exp(k * math.log(mean) - mean - gammaln(k + 1.0)))


def vulnerable_degree(threshold: float) -> int:
    """Return K*, the largest degree at which one neighbour that left is enough."""
    degree = 0
    while 1.0 / (degree + 1) >= threshold - TIE:
        degree += 1
    return degree


def watts_branching(mean_degree: float, threshold: float) -> float:
    """Return z P(Pois(z) <= K* - 2): vulnerable neighbours reached per vulnerable neighbour."""
    largest = vulnerable_degree(threshold)
    return mean_degree * float(pdtr(largest - 2, mean_degree)) if largest >= 2 else 0.0


def watts_window(threshold: float, highest: float = 50.0) -> tuple[float, float] | None:
    """Return the mean degrees between which one exit can go round an infinite random graph.

    Erdos-Renyi graphs, the same threshold for all; None where there are no such degrees.
    """
    grid = np.linspace(1e-3, highest, 5_000)
    excess = [watts_branching(z, threshold) - 1.0 for z in grid]
    ends = [
        float(brentq(lambda z: watts_branching(z, threshold) - 1.0, low, high, xtol=1e-13))
        for (low, at_low), (high, at_high) in pairwise(zip(grid, excess, strict=True))
        if (at_low > 0.0) != (at_high > 0.0)
    ]
    return (ends[0], ends[1]) if len(ends) == 2 else None


def watts_trigger_probability(mean_degree: float, threshold: float) -> float:
    """Return the probability that one random exit sets off a global cascade.

    Erdos-Renyi, infinitely many members: it does unless none of its neighbours leads into the
    giant cluster of vulnerable members. h, the probability that an edge does not, is the smallest
    root of h = 1 - P(Pois(z) <= K* - 1) + sum_{j < K*} P(Pois(z) = j) h^j.
    """
    others = poisson(mean_degree)[: vulnerable_degree(threshold)]  # of a vulnerable neighbour
    powers = np.arange(len(others))
    h, before = 0.0, -1.0
    while h - before > 1e-16:
        h, before = float(1.0 - others.sum() + (others * h**powers).sum()), h
    return -math.expm1(mean_degree * (h - 1.0))


def same_threshold(threshold: float) -> Response:
    """Return F(m, k) of a threshold that all members share."""
    return lambda m, k: float((m / k if k else 0.0) >= threshold - TIE)


def normal_thresholds(mean: float, sd: float) -> Response:
    """Return F(m, k) of normal thresholds."""
    return lambda m, k: float(ndtr(((m / k if k else 0.0) + TIE - mean) / sd))


def gleeson_cahalane(
    degrees: Sequence[float] | NDArray[np.float64], seeds: float, response: Response
) -> float:
    """Return the share that leaves in the end on a configuration-model graph.

    `degrees[k]` is the probability of degree k, `seeds` the share rho0 of random seeds, and
    `response(m, k)` the probability F that a member of degree k leaves once m neighbours have.
    q <- rho0 + (1 - rho0) sum_k (k p_k / z) sum_m C(k-1, m) q^m (1-q)^(k-1-m) F(m, k), from rho0 to
    rest, and rho the same with p_k and all k neighbours (Gleeson and Cahalane, 2007).
    """
    largest = max(k for k, p in enumerate(degrees) if p > 1e-15)
    p = [float(probability) for probability in degrees[: largest + 1]]
    mean = sum(k * probability for k, probability in enumerate(p))
    answers = [np.array([response(m, k) for m in range(k + 1)]) for k in range(largest + 1)]
    ways = [np.array([float(math.comb(n, m)) for m in range(n + 1)]) for n in range(largest + 1)]

    def activated(k: int, watched: int, q: float) -> float:
        m = np.arange(watched + 1)
        chances = ways[watched] * q**m * (1.0 - q) ** (watched - m)
        return float(chances @ answers[k][: watched + 1])

    q, before = seeds, -1.0
    while abs(q - before) > 1e-14:
        edges = (k * p[k] / mean * activated(k, k - 1, q) for k in range(1, largest + 1))
        q, before = seeds + (1.0 - seeds) * sum(edges), q
    members = (p[k] * activated(k, k, q) for k in range(largest + 1))
    return seeds + (1.0 - seeds) * sum(members)
