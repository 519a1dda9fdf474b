"""First passage of dX = (X - X^3) dt + s dW: the integrals, and the same for its Euler chain.

With U = X^4/4 - X^2/2 and D = s^2/2. An Euler chain is only looked at every dt and passes an end
later than the continuous path does; to first order in sqrt(dt) as if the end lay
0.5826 s sqrt(dt) further out (0.5826 = -zeta(1/2)/sqrt(2 pi); Broadie, Glasserman and Kou, 1997).
"""

from __future__ import annotations

import math

import numpy as np
from scipy.integrate import dblquad, quad
from scipy.special import ndtr

OVERSHOOT = 0.5825971579390107


def potential(x: float) -> float:
    """Return U(x)."""
    return x**4 / 4.0 - x**2 / 2.0


def splitting_probability(start: float, low: float, high: float, noise: float) -> float:
    """Return the probability of reaching `high` before `low`, in continuous time."""
    d = noise**2 / 2.0

    def part(a: float, b: float) -> float:
        return quad(lambda x: math.exp(potential(x) / d), a, b, epsabs=1e-13, epsrel=1e-12)[0]

    return part(low, start) / part(low, high)


def mean_first_passage(start: float, high: float, noise: float) -> float:
    """Return the mean time to reach `high` with nothing below, in continuous time."""
    d = noise**2 / 2.0

    def density(z: float, y: float) -> float:
        return math.exp((potential(y) - potential(z)) / d)

    # Below -6 the density is smaller than exp(-300/d) of its peak.
    return dblquad(density, start, high, -6.0, lambda y: y, epsabs=1e-10, epsrel=1e-9)[0] / d


def of_euler_chain(
    start: float, low: float, high: float, noise: float, dt: float, nodes: int = 600
) -> tuple[float, float]:
    """Return the Euler chain's own splitting probability and mean time to absorption.

    Both solve an integral equation over the points between the ends, here on Gauss-Legendre nodes
    (Nystrom's method): h(x) = P(next >= high) + E[h(next); inside], m(x) = dt + E[m(next); inside].
    """
    points, weights = np.polynomial.legendre.leggauss(nodes)
    points = low + (high - low) * (points + 1.0) / 2.0
    weights = weights * (high - low) / 2.0
    spread = noise * math.sqrt(dt)
    origins = np.append(points, start)
    goals = origins + (origins - origins**3) * dt
    distance = (points[None, :] - goals[:, None]) / spread
    inside = np.exp(-(distance**2) / 2.0) * weights / (spread * math.sqrt(2.0 * math.pi))
    above = ndtr((goals - high) / spread)
    matrix = np.eye(nodes) - inside[:nodes]
    reach = np.linalg.solve(matrix, above[:nodes])
    time = np.linalg.solve(matrix, np.full(nodes, dt))
    return float(inside[nodes] @ reach + above[nodes]), float(inside[nodes] @ time + dt)
