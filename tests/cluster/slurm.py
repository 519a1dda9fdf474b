"""Studies on a real SLURM of this machine: ``python -m tests.cluster.slurm``, as root, on Debian.

Not a part of the tests that ``make test`` runs: it installs SLURM where it is missing, and takes
some minutes. It prints what was run, killed and compared, and ends with 1 at the first fault.
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.cluster.array_jobs import array_of_three
from tests.cluster.batch_jobs import interrupted, lost_job, refused
from tests.cluster.runs import Report, Undisturbed
from tests.cluster.slurm_node import CPUS, SlurmError, SlurmNode, install

CHECKS = {
    "array": array_of_three,
    "lost": lost_job,
    "interrupted": interrupted,
    "refused": refused,
}


def main() -> int:
    """Run the checks that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.slurm", description=__doc__)
    parser.add_argument("checks", nargs="*", metavar="CHECK", help=", ".join(CHECKS))
    names = parser.parse_args().checks or list(CHECKS)
    if unknown := set(names) - set(CHECKS):
        parser.error(f"there is no check {unknown.pop()}; there are {', '.join(CHECKS)}")
    report, began = Report(), time.monotonic()
    try:
        install()
        with SlurmNode() as node:
            report.heading(f"{node.run('sinfo', '--version')}, one node that offers {CPUS} cores")
            undisturbed = Undisturbed.run(node.folder)
            report("undisturbed run on two threads")
            for name in names:
                try:
                    CHECKS[name](node, undisturbed, report)
                except BaseException:
                    print(node.log(), file=sys.stderr)
                    raise
    except SlurmError as error:
        print(f"\nFAILED: {error}", file=sys.stderr)
        return 1
    print(f"\nall as it should be, {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
