"""The command `verify`: a store's files, and tiles computed anew, compared bit for bit."""

from __future__ import annotations

import argparse

from fastalliance.cli.configurations import load_model
from fastalliance.cli.exits import DONE, STORE_REFUSED, UsageError, say

_SHOWN = 10  # problems, a line each


def verify(options: argparse.Namespace) -> int:
    """Prove a stored result to its owner, and repair what is damaged if that is wanted."""
    from fastalliance.cli.console import Column, print_line, show_table
    from fastalliance.study.verifying import verify as run
    from fastalliance.study.verifying_choice import HANDFUL
    from fastalliance.study.verifying_report import COLUMNS

    if options.all and options.tiles is not None:
        raise UsageError("give --all or --tiles, not both")
    found = run(
        options.store,
        model=load_model(options),
        tiles="all" if options.all else options.tiles or HANDFUL,
        seed=options.seed,
        repair=options.repair,
        threads=options.threads,
        progress=not options.quiet,
    )
    heads = (Column(name, right=name != COLUMNS[0]) for name in COLUMNS)
    show_table(tuple(heads), found.rows())
    for item in found.repaired[:_SHOWN]:
        print_line(f"repaired: {item}")
    for problem in found.problems[:_SHOWN] if len(found.problems) > 1 else ():
        print_line(problem)
    hidden = max(len(found.repaired), len(found.problems)) - _SHOWN
    if hidden > 0:
        print_line(f"... and {hidden:,} more")
    if not found:
        say(f"error: {found.path}: {found.verdict}")
        return STORE_REFUSED
    print_line(found.verdict)
    return DONE
