"""The stylised facts of `multiparty`, repeated with random numbers of their own.

    python -m verification.multiparty_facts [--tiny] [--seed N]

Every mean, gap and probability that the model's page prints, at its settings and numbers of runs.
The page's were found at another seed, so standard errors are those of the difference between two
runs, the page's rounding included. Then which cell is larger, by paired differences: how many of a
fact's orders hold with the page's margin; the page's own seed is that of
`tests/exact/test_multiparty_facts.py`. At the end exact check X6, the mean field, with ten times
the page's runs. `--tiny` has a tenth of the runs, and leaves the orders out: they need all of them.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from itertools import pairwise

import xarray as xr

from tests.exact import multiparty_printed as page
from tests.exact.multiparty_cells import (
    HALF_UNIT,
    Contrast,
    Fact,
    Found,
    Printed,
    same_members,
)
from tests.exact.multiparty_theory import CASCADE, extrapolated, mean_field_exits
from verification.claims import Row, run

TINY_RUNS = 100
CASCADES = 40_000  # of each size


def compared(claim: str, found: Found, printed: Printed, runs: int, printed_runs: int) -> Row:
    """Return the row of a mean that the page has from `printed_runs` runs of its own.

    That all runs agree is no certainty: then one run's worth stands for the standard error.
    """
    error = found.error if found.error > 0.0 else 1.0 / runs
    theirs = printed.error
    if math.isnan(theirs) or theirs == 0.0:
        theirs = error * math.sqrt(runs / printed_runs)
    return Row(claim, printed.mean, found.mean, math.hypot(error, theirs, HALF_UNIT / 3**0.5))


def means(fact: Fact, ds: xr.Dataset, runs: int) -> Iterator[Row]:
    """Yield the rows of what the page prints of a fact."""
    for measure, cells in fact.printed.items():
        for i, printed in enumerate(cells):
            if printed is not None:
                cell = ", ".join(f"{name} {value:g}" for name, value in fact.cells[i].items())
                if "threshold_mean" in fact.cells[i]:
                    cell = cell.partition("base_hazard")[0] + "exits off"
                found = Contrast(measure, {i: 1.0}).of(ds)
                claim = f"{fact.name}: {measure}, {cell or 'defaults'}"
                yield compared(claim, found, printed, runs, fact.runs)
    for name, (contrast, printed) in fact.contrasts.items():
        yield compared(f"{fact.name}: {name}", contrast.of(ds), printed, runs, fact.runs)


def order_of(name: str, z_scores: list[float]) -> Row:
    """Return the row of how many orders hold, from how far each is above its margin."""
    n = len(z_scores)
    held = sum(z > 0.0 for z in z_scores)
    return Row(f"{name}: orders that hold, of {n}", n, held, 0.0)


def orders(fact: Fact, ds: xr.Dataset) -> Iterator[Row]:
    """Yield the row of which cell is larger."""
    margins = [order.gap(ds).z - order.errors for order in fact.orders]
    if fact is page.SHARPER:
        drops = [contrast.of(ds) for contrast, _ in fact.contrasts.values()]
        margins = [
            (large.mean - small.mean) / math.hypot(large.error, small.error) - 4.0
            for small, large in pairwise(drops)
        ]
    elif fact is page.BANDWAGON:
        margins = [
            Contrast(f"acceleration in year {year}", {cell: sign}).of(ds).z - 4.0
            for cell, sign in ((0, 1.0), (1, -1.0))
            for year in (2, 3)
        ]
    if margins:
        yield order_of(f"{fact.name}: {fact.claim}", margins)


def verify(tiny: bool, seed: int) -> Iterator[Row]:
    """Yield the rows."""
    for fact in page.FACTS:
        runs = TINY_RUNS if tiny else fact.runs
        ds = fact.run(runs, seed)
        yield from means(fact, ds, runs)
        if not tiny:
            yield from orders(fact, ds)
        if fact is page.EXITS_DESTROY_TRUST:
            found, few = same_members(TINY_RUNS if tiny else 200, seed), Printed(-0.320, 0.015)
            yield compared(
                "F6b: trust of the same members, with less without exits",
                found,
                few,
                TINY_RUNS if tiny else 200,
                200,
            )
    limit = extrapolated(runs=CASCADES // 100 if tiny else CASCADES, seed=seed)
    target = mean_field_exits(24 / 256, **CASCADE)
    yield Row("X6: mean field, 2 X_512 - X_256", target, limit.mean, limit.error)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    return run(verify, __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main())
