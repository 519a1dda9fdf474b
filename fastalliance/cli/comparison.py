"""The table of a probability under each of several named values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastalliance.analysis import names_of_codes
from fastalliance.cli.console import Column, number, print_line, show_table
from fastalliance.plotting.schema import estimate_name

if TYPE_CHECKING:
    import xarray as xr

_MAX_ROWS = 11


def show_comparison(ds: xr.Dataset, output: str, axes: Sequence[str]) -> None:
    """Print P(output) and half its interval, a column for each name along the first axis.

    Parameters
    ----------
    ds : Dataset
        Statistics over `axes`, one or two of them; the first one's values have names.
    output : str
        A 0/1 output.
    axes : sequence of str
    """
    first, *rest = axes
    names = names_of_codes(ds[first])
    values = ds[first].values.tolist()
    columns = [Column(names.get(value) or number(value), right=True) for value in values]
    lines = [ds] if not rest else [ds.isel({rest[0]: i}) for i in spread(ds.sizes[rest[0]])]
    heads = [[]] if not rest else [[_named(line, rest[0])] for line in lines]
    rows = [
        [*head, *(_with_interval(line.isel({first: i}), output) for i in range(len(values)))]
        for head, line in zip(heads, lines, strict=True)
    ]
    print_line()
    title = f"P({output}) by {first}, +- half its 95 % interval"
    show_table([*(Column(name, right=True) for name in rest), *columns], rows, title)


def spread(n: int) -> list[int]:
    """Return up to about ten of n indices, evenly spread, both ends among them."""
    stride = max(-(-(n - 1) // (_MAX_ROWS - 1)), 1)
    return sorted({*range(0, n, stride), n - 1})


def _named(ds: xr.Dataset, axis: str) -> str:
    value = float(ds[axis])
    return names_of_codes(ds[axis]).get(value) or number(value)


def _with_interval(ds: xr.Dataset, output: str) -> str:
    estimate = float(ds[estimate_name(ds, output)])
    half = (float(ds[f"{output}_high"]) - float(ds[f"{output}_low"])) / 2.0
    return f"{estimate:.3f} +- {half:.3f}" if half == half else "not computed"
