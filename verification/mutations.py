"""Do the tests notice? Breaks a copy of the package, one line at a time, and runs what must go red.

    python -m verification.mutations [--list] [--tiny] [--only NAME ...]

Each mutation of the `broken_*.py` beside this file is applied to a copy of the working tree in a
temporary directory, never to the tree itself. First the named tests
run unbroken, and must pass. A mutation is caught if at least one test of each of its names fails,
and survives otherwise. Exit code 0: all caught; 1: some survived; 2: the list does not fit the
tree, or a run went wrong.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from verification import (
    broken_cascades,
    broken_clusters,
    broken_kernels,
    broken_multiparty,
    broken_studies,
)
from verification.mutation import Mutation

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("fastalliance", "tests", "benchmarks", "configs", "docs", "verification")
COPIED_FILES = ("pyproject.toml", "README.md", "CHANGELOG.md", "Makefile")
TINY = "ddof-0"
TIMEOUT = 600.0  # seconds for the tests of one mutation


MUTATIONS = [
    *broken_kernels.MUTATIONS,
    *broken_studies.MUTATIONS,
    *broken_cascades.MUTATIONS,
    *broken_multiparty.MUTATIONS,
    *broken_clusters.MUTATIONS,
]


class MisfitError(Exception):
    """The list does not fit the tree, or a run went wrong."""


def select(names: list[str] | None) -> list[Mutation]:
    """Return the mutations of those names, all without names."""
    known = {mutation.name: mutation for mutation in MUTATIONS}
    unknown = set(names or ()) - set(known)
    if unknown:
        raise MisfitError(f"no mutation is called {', '.join(sorted(unknown))}; see --list")
    return [known[name] for name in names] if names else MUTATIONS


def mutated(mutation: Mutation, root: Path) -> str:
    """Return the text of the mutation's file below `root`, with the mutation in it."""
    text = (root / "fastalliance" / mutation.file).read_text(encoding="utf-8")
    found = text.count(mutation.old)
    if found != 1:
        raise MisfitError(
            f"{mutation.name}: {mutation.file} has its old text {found} times, not once"
        )
    return text.replace(mutation.old, mutation.new)


def tests_of(name: str, root: Path) -> list[str]:
    """Return the tests, and classes of them, that a mutation's name of tests stands for."""
    file, _, begin = name.partition("::")
    source = (root / "tests" / file).read_text(encoding="utf-8")
    found = re.findall(r"^(?:def|class) ([tT]est\w+)", source, re.M)
    tests = [f"tests/{file}::{name}" for name in found if name.startswith(begin)]
    if not tests:
        raise MisfitError(f"no test begins like {name}")
    return tests


def copy_tree(target: Path) -> None:
    """Copy what the tests need of the working tree."""
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc", "results", ".*")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target / name, ignore=ignored)
    for name in COPIED_FILES:
        if (ROOT / name).exists():
            shutil.copy2(ROOT / name, target / name)


def run_tests(root: Path, tests: Iterable[str], timeout: float = TIMEOUT) -> set[str]:
    """Run tests of the copy, with an empty kernel cache, and return those that fail."""
    with tempfile.TemporaryDirectory(prefix="fastalliance-mutation-cache-") as cache:
        environment = {
            **os.environ,
            "PYTHONPATH": str(root),
            "PYTHONDONTWRITEBYTECODE": "1",  # two mutations in a second would share a .pyc
            "FASTALLIANCE_CACHE_DIR": cache,
        }
        _require_copy(root, environment)
        command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-rf", "-p", "no:cacheprovider"]
        try:
            done = subprocess.run(
                [*command, *sorted(set(tests))],
                cwd=root,
                env=environment,
                capture_output=True,
                text=True,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired:
            raise MisfitError(f"the tests took more than {timeout:g} s") from None
    if done.returncode not in (0, 1):
        raise MisfitError(f"pytest ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    failed = re.findall(r"^FAILED (tests/\S+?::\w+)", done.stdout, re.M)
    return set(failed)


def _require_copy(root: Path, environment: dict[str, str]) -> None:
    """Make sure that the tests will import the copy, not an installed package."""
    code = "import fastalliance; print(fastalliance.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True
    )
    if Path(found.stdout.strip()).resolve().parent != (root / "fastalliance").resolve():
        raise MisfitError(f"the tests would import {found.stdout or found.stderr}, not the copy")


def survivors_of(mutation: Mutation, root: Path) -> list[str]:
    """Break the copy, run the mutation's tests, mend the copy; return the names that stay green."""
    path = root / "fastalliance" / mutation.file
    whole = path.read_bytes()
    wanted = {name: tests_of(name, root) for name in mutation.tests}
    path.write_text(mutated(mutation, root), encoding="utf-8")
    try:
        failed = run_tests(root, [test for tests in wanted.values() for test in tests])
    finally:
        path.write_bytes(whole)
    return [name for name, tests in wanted.items() if not failed & set(tests)]


def check_unbroken(mutations: list[Mutation], root: Path) -> None:
    """Refuse to go on where a named test fails without any mutation."""
    tests = {test for m in mutations for name in m.tests for test in tests_of(name, root)}
    failed = run_tests(root, tests, TIMEOUT * len(mutations))
    if failed:
        raise MisfitError(f"these fail unbroken: {', '.join(sorted(failed))}")


def run(mutations: list[Mutation]) -> int:
    """Run mutations in a copy of the tree, print a table, and return the number of survivors."""
    width = max(len(mutation.name) for mutation in mutations)
    n_survived = 0
    with tempfile.TemporaryDirectory(prefix="fastalliance-mutations-") as folder:
        root = Path(folder)
        copy_tree(root)
        for mutation in mutations:
            mutated(mutation, root)  # all fit, before anything takes time
        check_unbroken(mutations, root)
        print(f"{'mutation':{width}}  result    seconds  file", flush=True)
        for mutation in mutations:
            began = time.monotonic()
            green = survivors_of(mutation, root)
            n_survived += bool(green)
            result = "SURVIVED" if green else "caught"
            took = time.monotonic() - began
            print(f"{mutation.name:{width}}  {result:8}  {took:7.1f}  {mutation.file}", flush=True)
            for name in green:
                print(f"{'':{width}}  green: {name}", flush=True)
    print(
        f"\n{len(mutations)} mutations: {len(mutations) - n_survived} caught, {n_survived} survived"
    )
    return n_survived


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m verification.mutations", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these mutations")
    parser.add_argument("--list", action="store_true", help="print the mutations and run nothing")
    parser.add_argument("--tiny", action="store_true", help=f"only {TINY}, which is quick")
    options = parser.parse_args(arguments)
    try:
        mutations = select([TINY] if options.tiny else options.only)
        if options.list:
            for mutation in mutations:
                print(f"{mutation.name}: {mutation.file}: {mutation.old!r} -> {mutation.new!r}")
            return 0
        return 1 if run(mutations) else 0
    except MisfitError as error:
        print(f"mutations: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
