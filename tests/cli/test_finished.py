"""A run of a finished study is found finished at once, without what is slow to import."""

import subprocess
import sys
from pathlib import Path

from tests.cli.command import done

STUDY = "model: dyad\nreplicates: 5\nhorizon: 1\ndesign: {grid: {initial_trust: [0.2, 0.4, 0.6]}}\n"
CODE = """
import sys
from fastalliance.cli import main
code = main(["run", "study.yaml", "--store", "run.zarr", "--quiet"])
print("imported", *sorted({"matplotlib", "dask.array", "distributed"} & set(sys.modules)))
sys.exit(code)
"""


def test_finished_study__needs_neither_matplotlib_nor_dask_arrays() -> None:
    Path("study.yaml").write_text(STUDY)
    done("run", "study.yaml", "--store", "run.zarr", "--quiet")
    again = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert "nothing, the store was complete" in again.stdout
    assert again.stdout.splitlines()[-1].split() == ["imported"]
