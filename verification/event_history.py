"""An independent regression recovers the hazard from the exported event history.

    python -m verification.event_history [--tiny] [--seed N]

Exits at known `base_hazard` and `imitation`, without thresholds; the person-period table of
`fastalliance export --events`; a complementary log-log regression of `exited` on `pressure` by
statsmodels. As P(exit in a period) = 1 - exp(-h0 exp(beta P) dt), the slope is beta and the
intercept ln(h0 dt), exactly, at any dt. Standard errors are those of the regression.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import math
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import fastalliance as fa
from fastalliance.cli import main as fastalliance
from verification.claims import MissingError, Row, run

if TYPE_CHECKING:
    import pandas as pd

HAZARD_ALONE = {"threshold_mean": math.inf, "immunity": 0.0}
# Name, parameters, dt.
CASES: tuple[tuple[str, dict[str, float], float], ...] = (
    ("defaults", {"base_hazard": 0.005, "imitation": 2.0}, 1.0),
    ("half the step", {"base_hazard": 0.005, "imitation": 2.0}, 0.5),
    ("no imitation", {"base_hazard": 0.02, "imitation": 0.0}, 1.0),
    ("contrarians", {"base_hazard": 0.03, "imitation": -1.5}, 1.0),
    (
        "industry alone",
        {"base_hazard": 0.004, "imitation": 3.0, "industry_weight": 1.0, "alliance_weight": 0.0},
        1.0,
    ),
    (
        "alliance alone, 6 central seeds",
        {
            "base_hazard": 0.01,
            "imitation": 2.0,
            "industry_weight": 0.0,
            "alliance_weight": 1.0,
            "seed_exits": 6,
            "seed_rule": 1.0,
        },
        1.0,
    ),
    (
        "exits and uncertainty fade",
        {"base_hazard": 0.01, "imitation": 4.0, "memory": 8.0, "uncertainty_halflife": 24.0},
        1.0,
    ),
    ("immunity", {"base_hazard": 0.008, "imitation": 2.5, "immunity": 0.8}, 1.0),
)


def history(parameters: Mapping[str, float], dt: float, replicates: int, seed: int) -> pd.DataFrame:
    """Return the person-period table of a study, by way of its store and its Parquet file."""
    import pandas as pd

    with tempfile.TemporaryDirectory() as folder:
        store, table = Path(folder) / "exits.zarr", Path(folder) / "events.parquet"
        study = fa.Study(
            model="exit_cascade",
            parameters=HAZARD_ALONE | dict(parameters),
            structure={"members": 60, "industries": 3},
            replicates=replicates,
            seed=seed,
            dt=dt,
            keep={"members": True},
        )
        study.run(store=store).close()
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            code = fastalliance(["export", str(store), "--events", "--to", str(table)])
        if code != 0:
            raise RuntimeError(f"fastalliance export --events ended with {code}")
        return pd.read_parquet(table, columns=["exited", "pressure"])


def refit(name: str, table: pd.DataFrame, hazard: float, imitation: float) -> Iterator[Row]:
    """Yield the rows of a regression of `exited` on `pressure`; `hazard` is that of one period."""
    import statsmodels.api as sm

    family = sm.families.Binomial(link=sm.families.links.CLogLog())
    fit = sm.GLM(table["exited"], sm.add_constant(table[["pressure"]]), family=family).fit()
    truth = {
        "imitation": ("pressure", imitation),
        "ln(base_hazard dt)": ("const", math.log(hazard)),
    }
    for what, (column, target) in truth.items():
        error = float(fit.bse[column])
        yield Row(f"{what}, {name}", target, float(fit.params[column]), error)


def verify(tiny: bool, seed: int) -> Iterator[Row]:
    """Yield the rows.

    Raises
    ------
    MissingError
        statsmodels, pandas or pyarrow is not installed.
    """
    needed = ("statsmodels", "pandas", "pyarrow")
    if missing := [name for name in needed if importlib.util.find_spec(name) is None]:
        raise MissingError(f'{", ".join(missing)}: pip install "fastalliance[verify]"')
    for i, (name, parameters, dt) in enumerate(CASES):
        table = history(parameters, dt, 16 if tiny else 400, seed + i)
        hazard, imitation = parameters["base_hazard"] * dt, parameters["imitation"]
        yield from refit(f"{name} ({int(table['exited'].sum()):,} exits)", table, hazard, imitation)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    return run(verify, __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main())
