"""Statistics per design point: reduced per tile, merged over blocks in a fixed order, labelled.

A tile's replicates (one block of fixed size) become one row of columns per point; the rows of a
point's blocks merge pairwise in block order, so that results do not depend on tiles or threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fastalliance.outputs import Output, Ratio
from fastalliance.study.checks import invalid_attrs
from fastalliance.study.summaries import (
    BinarySummary,
    CategorySummary,
    MomentsSummary,
    RatioSummary,
    Summary,
    Variable,
    exact_quantiles,
)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Statistics:
    """All summaries of a model's outputs.

    Parameters
    ----------
    outputs : tuple of Output
    ratios : tuple of Ratio
    time_unit : str
        Unit of outputs of kind "time".
    quantiles : tuple of float
        In 0..1; none by default.
    n_blocks : int
        Blocks of replicates per point; with more than one, quantiles need the raw outputs, which
        `finish` then takes.
    """

    outputs: tuple[Output, ...]
    ratios: tuple[Ratio, ...]
    time_unit: str
    quantiles: tuple[float, ...] = ()
    n_blocks: int = 1

    @property
    def summaries(self) -> list[Summary]:
        """One summary per output, then one per ratio."""
        summaries: list[Summary] = [self._summary(output) for output in self.outputs]
        return summaries + [RatioSummary(ratio) for ratio in self.ratios]

    def _summary(self, output: Output) -> Summary:
        if output.kind == "binary":
            return BinarySummary(output)
        if output.kind == "category":
            return CategorySummary(output)
        unit = self.time_unit if output.kind == "time" else output.unit
        return MomentsSummary(output, unit, self.quantiles, in_block=self.n_blocks == 1)

    @property
    def quantile_outputs(self) -> tuple[str, ...]:
        """Outputs whose raw values quantiles need; empty without quantiles."""
        numeric = [o.name for o in self.outputs if o.kind not in ("binary", "category")]
        return tuple(numeric) if self.quantiles else ()

    @property
    def n_columns(self) -> int:
        """Columns of a tile's packed statistics; the first counts invalid replicates."""
        return 1 + sum(summary.n_columns for summary in self.summaries)

    def variables(self) -> list[Variable]:
        """Return the declarations of all result variables."""
        variables = [variable for s in self.summaries for variable in s.variables()]
        return [*variables, Variable("n_invalid", invalid_attrs())]

    def reduce(self, outputs: Floats, invalid: npt.NDArray[np.bool_]) -> Floats:
        """Return (point, column) of one block: outputs (output, point, replicate)."""
        named = {o.name: outputs[i] for i, o in enumerate(self.outputs)}
        with np.errstate(all="ignore"):  # squares beyond the doubles are infinite, as they should
            parts = [summary.reduce(named) for summary in self.summaries]
        return np.concatenate([invalid.sum(axis=1, dtype=np.float64)[:, None], *parts], axis=1)

    def merge(self, blocks: Sequence[Floats]) -> Floats:
        """Merge the columns of blocks, each (point, column), pairwise in their order."""
        level = list(blocks)
        while len(level) > 1:
            pairs = [self._merge(*level[i : i + 2]) for i in range(0, len(level) - 1, 2)]
            level = pairs + level[2 * len(pairs) :]
        return level[0]

    def _merge(self, left: Floats, right: Floats) -> Floats:
        parts, low = [left[:, :1] + right[:, :1]], 1
        for summary in self.summaries:
            columns = slice(low, low + summary.n_columns)
            with np.errstate(all="ignore"):
                parts.append(summary.merge(left[:, columns], right[:, columns]))
            low += summary.n_columns
        return np.concatenate(parts, axis=1)

    def finish(self, columns: Floats, raw: Floats | None = None) -> dict[str, Floats]:
        """Return the values of all variables, each (point,) or (point, extra).

        Parameters
        ----------
        columns : float64 (point, column)
            Merged columns.
        raw : float64 (quantile output, point, replicate), optional
            Needed for quantiles with more than one block.
        """
        results: dict[str, Floats] = {}
        low = 1
        for summary in self.summaries:
            part = columns[:, low : low + summary.n_columns]
            low += summary.n_columns
            if isinstance(summary, MomentsSummary) and not summary.in_block and self.quantiles:
                assert raw is not None
                values = raw[self.quantile_outputs.index(summary.output.name)]
                part = np.concatenate(
                    [part, *(q[:, None] for q in exact_quantiles(values, self.quantiles))], axis=1
                )
            names = [variable.name for variable in summary.variables()]
            with np.errstate(all="ignore"):
                results.update(zip(names, summary.finish(part), strict=True))
        results["n_invalid"] = columns[:, 0]
        return results
