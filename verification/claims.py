"""What the verification scripts share: rows of target, estimate, standard error and z, judged."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

LIMIT = 4.0  # of |z|: a false alarm in 16,000 rows


class MissingError(Exception):
    """A package that a script needs is not installed."""


class Row(NamedTuple):
    """One claim and what was found.

    Attributes
    ----------
    claim : str
        What is estimated, with its setting.
    target, estimate, error : float
        Value claimed, value found, and its standard error; 0 where the two must be equal.
    """

    claim: str
    target: float
    estimate: float
    error: float

    @property
    def z(self) -> float:
        """How many standard errors the estimate lies from the target."""
        difference = self.estimate - self.target
        if difference == 0.0:
            return 0.0
        return difference / self.error if self.error > 0.0 else math.copysign(math.inf, difference)

    @property
    def holds(self) -> bool:
        """Whether the claim holds; not where anything is NaN."""
        return abs(self.z) <= LIMIT


Verify = Callable[[bool, int], Iterable[Row]]


def clustered(claim: str, target: float, values: np.ndarray, n_graphs: int) -> Row:
    """Return the row of a mean over replicates, of which replicate r lives on graph r mod n_graphs.

    The standard error is that between graphs, which holds the one between replicates. Where the
    values are 0 or 1 it is at least one replicate's worth: that none did is no certainty.
    """
    graphs = values.reshape(-1, n_graphs).mean(axis=0)
    error = float(np.std(graphs, ddof=1)) / math.sqrt(n_graphs)
    least = 1.0 / values.size if values.dtype == np.bool_ else 0.0
    return Row(claim, target, float(graphs.mean()), max(error, least))


def judge(rows: Iterable[Row]) -> int:
    """Print a table, row by row, and return how many rows fail."""
    print(f"{'claim':<72}{'target':>12}{'estimate':>13}{'s.e.':>10}{'z':>8}")
    n_rows = n_failed = 0
    for row in rows:
        verdict = "" if row.holds else "  FAILS"
        numbers = f"{row.target:12.6g}{row.estimate:13.6g}{row.error:10.2g}{row.z:8.2f}"
        print(f"{row.claim:<72}{numbers}{verdict}", flush=True)
        n_rows += 1
        n_failed += not row.holds
    print(f"\n{n_rows} rows: {n_rows - n_failed} within {LIMIT:g} standard errors, {n_failed} not")
    return n_failed


def run(verify: Verify, doc: str | None, arguments: list[str] | None) -> int:
    """Run a script's command line and return its exit code: 0 all hold, 1 not, 2 cannot run."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tiny", action="store_true", help="small and quick, as CI runs it")
    parser.add_argument("--seed", type=int, default=7, help="of graphs and cascades; default 7")
    options = parser.parse_args(arguments)
    try:
        return 1 if judge(verify(options.tiny, options.seed)) else 0
    except MissingError as error:
        print(f"missing: {error}", file=sys.stderr)
        return 2
