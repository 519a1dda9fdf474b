"""A process to be killed: opens or resumes the toy run at the path given, and finishes it.

``python -m tests.faults.toy_run PATH [--overwrite] [--shard I/N] [--seconds-per-tile S]``
"""

from __future__ import annotations

import argparse
import sys
import time

from fastalliance.errors import StoreError
from fastalliance.store import RunStore, Shard, ledger
from tests.faults import toy

N_TILES = 12


def main(given: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("path")
    parser.add_argument("--overwrite", action="store_true")
    parser.add_argument("--shard", type=Shard.parse)
    parser.add_argument("--hold", action="store_true")
    parser.add_argument("--seconds-per-tile", type=float, default=0.0)
    parser.add_argument("--seconds-per-slab", type=float, default=0.0)
    arguments = parser.parse_args(given)
    ledger.FAN_OUT = 3  # so that a run of 12 tiles merges ledger files too
    try:
        with RunStore.open(
            arguments.path,
            toy.layout(N_TILES),
            overwrite=arguments.overwrite,
            shard=arguments.shard,
        ) as store:
            print("open", flush=True)
            if arguments.hold:
                sys.stdin.read()
            toy.drive(
                store,
                N_TILES,
                batch=1,
                pause=lambda: time.sleep(arguments.seconds_per_tile),
                pause_at_end=lambda: time.sleep(arguments.seconds_per_slab),
            )
    except StoreError as error:
        print(error, file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
