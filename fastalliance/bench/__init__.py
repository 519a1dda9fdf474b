"""`fastalliance bench`: the kernels against vectorised NumPy and the idiomatic numba loop."""

from __future__ import annotations

from pathlib import Path


def bench(*, rounds: int = 7, tiny: bool = False, out: Path | None = None) -> str:
    """Measure the built-in contenders in turns, one thread each; return Markdown tables.

    Parameters
    ----------
    rounds : int
        Measurements of each contender.
    tiny : bool
        One replicate a point: shows that everything runs, not how fast.
    out : path, optional
        Directory into which ``bench.json`` and ``bench.md`` are written.
    """
    from fastalliance.bench import dyad, exit_cascade, multiparty
    from fastalliance.bench.timing import save

    comparisons = dyad.compare(rounds=rounds, tiny=tiny)
    comparisons += exit_cascade.compare(rounds=rounds, tiny=tiny)
    comparisons += multiparty.compare(rounds=rounds, tiny=tiny)
    if out is not None:
        save("bench", comparisons, out)
    return "\n".join(comparison.to_markdown() for comparison in comparisons)
