"""Samples: points spread over ranges of parameters."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fastalliance.errors import DesignError, exact, suggestion
from fastalliance.limits import MAX_SEED
from fastalliance.study.axes import require_values

Floats = npt.NDArray[np.float64]
Method = Literal["sobol", "latin_hypercube", "uniform"]
METHODS: tuple[Method, ...] = ("sobol", "latin_hypercube", "uniform")
_MAX_SOBOL = 2**30  # of SciPy's generator, which has 30 bits


def sample_source(n: Any, ranges: Any, method: Any, seed: Any) -> dict[str, Any]:
    """Return a sample's description as plain data, checked.

    Raises
    ------
    DesignError
        A range is empty, or the method, the number or the seed is wrong.
    """
    n = _whole(n, "n", 1)
    if method not in METHODS:
        raise DesignError(
            f"design.sample.method must be one of {', '.join(METHODS)}, got {method!r}"
            f"{suggestion(str(method), METHODS)}"
        )
    if not isinstance(ranges, Mapping) or not ranges:
        raise DesignError(
            f"design.sample.ranges must give low and high of parameters by name, got {ranges!r}"
        )
    require_values(n * len(ranges), "design.sample")
    if method == "sobol" and n > _MAX_SOBOL:
        raise DesignError(f"design.sample.n must be <= 2^30 for sobol, got {n:,}")
    return {
        "n": n,
        "method": method,
        "seed": _whole(seed, "seed", 0),
        "ranges": {str(name): _range(name, pair) for name, pair in ranges.items()},
    }


def sample_axes(source: Mapping[str, Any]) -> dict[str, list[float]]:
    """Return the values per parameter of a sample that `sample_source` has described."""
    ranges = source["ranges"]
    unit = _unit_sample(source["n"], len(ranges), source["method"], source["seed"])
    return {
        name: np.clip(low + (high - low) * unit[:, i], low, high).tolist()
        for i, (name, (low, high)) in enumerate(ranges.items())
    }


def _whole(value: Any, field: str, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise DesignError(f"design.sample.{field} must be a whole number, got {value!r}")
    if not least <= int(value) <= MAX_SEED:
        raise DesignError(f"design.sample.{field} must be from {least} to 2^64 - 1, got {value}")
    return int(value)


def _range(name: Any, pair: Any) -> list[float]:
    where = f"design.sample.ranges.{name}"
    try:
        low, high = pair
    except (TypeError, ValueError):
        raise DesignError(f"{where} must be [low, high], got {pair!r}") from None
    for end in (low, high):
        if isinstance(end, bool | np.bool_) or not isinstance(end, numbers.Real):
            raise DesignError(f"{where} must be [low, high], two numbers, got {pair!r}")
    low, high = float(low), float(high)
    if not (low < high and math.isfinite(high - low)):
        got = f"[{exact(low)}, {exact(high)}]"
        raise DesignError(f"{where} must be finite with low < high, got {got}")
    return [low, high]


def _unit_sample(n: int, dimensions: int, method: Method, seed: int) -> Floats:
    from scipy.stats import qmc

    if method == "uniform":
        return np.random.default_rng(seed).random((n, dimensions))
    if method == "latin_hypercube":
        return np.asarray(qmc.LatinHypercube(dimensions, rng=seed).random(n))
    sampler = qmc.Sobol(dimensions, rng=seed)
    return np.asarray(sampler.random_base2((n - 1).bit_length())[:n])
