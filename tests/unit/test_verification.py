"""The verification scripts pass at a tiny size, and fail where the model is not what they claim."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from benchmarks.baselines import exit_cascade_ndlib
from fastalliance.analysis.events import EventTable
from tests.exact import cascade_theory, multiparty_printed
from tests.unit import cascades
from verification import (
    claims,
    event_history,
    gleeson_cahalane,
    multiparty_facts,
    ndlib_cascades,
    watts,
)
from verification.claims import MissingError, Row

NEEDS = {
    watts: (),
    gleeson_cahalane: (),
    ndlib_cascades: ("ndlib", "networkx"),
    multiparty_facts: (),
    event_history: ("statsmodels", "pandas", "pyarrow"),
}


def require(script: ModuleType) -> None:
    for package in NEEDS[script]:
        pytest.importorskip(package)


@pytest.mark.parametrize("script", NEEDS, ids=lambda script: script.__name__.rpartition(".")[2])
def test_script__holds(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    require(script)
    assert script.main(["--tiny"]) == 0, capsys.readouterr().out
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["claim", "target", "estimate", "s.e.", "z"]
    assert lines[-1].startswith(f"{len(lines) - 3} rows: {len(lines) - 3} within 4")
    assert len(lines) > 10


def test_watts__fails_at_another_threshold(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(watts, "PUBLISHED", {})
    monkeypatch.setattr(watts, "SIZES", {3.0: 10_000})
    monkeypatch.setitem(watts.TIES_ALONE, "uncertainty", 0.75)  # a threshold of 0.24 in effect
    assert watts.main(["--tiny"]) == 1
    assert "P(trigger), z = 3" in next(
        line for line in capsys.readouterr().out.splitlines() if line.endswith("FAILS")
    )


def test_gleeson_cahalane__fails_where_seeds_are_forgotten(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gleeson_cahalane, "CASES", ((0.05, 0.4, 0.1),))
    right = cascade_theory.gleeson_cahalane
    monkeypatch.setattr(
        cascade_theory, "gleeson_cahalane", lambda p, s, response: right(p, s / 2, response)
    )
    assert gleeson_cahalane.main(["--tiny"]) == 1
    assert capsys.readouterr().out.count("FAILS") == 3


def test_ndlib__differs_without_the_tolerance_of_ties(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    require(ndlib_cascades)
    monkeypatch.setattr(exit_cascade_ndlib, "TIE", 0.0)
    assert ndlib_cascades.main(["--tiny"]) == 1
    failed = [line for line in capsys.readouterr().out.splitlines() if line.endswith("FAILS")]
    assert len(failed) == 1
    assert "ties" in failed[0]
    assert "NDlib" in failed[0]


def test_multiparty_facts__fail_under_more_uncertainty(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fact = multiparty_printed.WHO_LEAVES
    other = dataclasses.replace(fact, shared={**fact.shared, "uncertainty": 1.3})
    monkeypatch.setattr(multiparty_printed, "FACTS", [other])
    assert multiparty_facts.main(["--tiny"]) == 1
    failed = [line for line in capsys.readouterr().out.splitlines() if line.endswith("FAILS")]
    assert {line.partition(",")[0] for line in failed} >= {"F3: collapsed", "F3: exit_share"}


def test_multiparty_orders__fail_where_one_is_the_other_way_round() -> None:
    fact = dataclasses.replace(multiparty_printed.WHO_LEAVES, runs=300)
    ds = fact.run()
    (row,) = multiparty_facts.orders(fact, ds)
    assert (row.target, row.error) == (6.0, 0.0)
    wrong = [order._replace(low=order.high, high=order.low) for order in fact.orders[:1]]
    (row,) = multiparty_facts.orders(dataclasses.replace(fact, orders=wrong), ds)
    assert not row.holds
    assert row.estimate == 0.0


@pytest.fixture(scope="module")
def histories() -> pd.DataFrame:
    """Events of alliances that know nothing of the package's kernel."""
    ds, _ = cascades.cascades(
        members=30,
        industries=3,
        replicates=60,
        horizon=30.0,
        parameters=event_history.HAZARD_ALONE | {"base_hazard": 0.01, "imitation": 2.0},
    )
    table = EventTable.of(ds)
    names = [column.name for column in table.columns]
    parts = [pd.DataFrame(dict(zip(names, cells, strict=True))) for cells in table.parts()]
    return pd.concat(parts, ignore_index=True)


def test_refit__recovers_what_made_the_events(histories: pd.DataFrame) -> None:
    require(event_history)
    rows = list(event_history.refit("plain loops", histories, 0.01, 2.0))
    assert [row.claim for row in rows] == [
        "imitation, plain loops",
        "ln(base_hazard dt), plain loops",
    ]
    assert all(row.holds and 0.0 < row.error < 0.5 for row in rows)


@pytest.mark.parametrize(("hazard", "imitation"), [(0.02, 2.0), (0.01, 0.0), (0.01, 4.0)])
def test_refit__fails_at_other_parameters(
    histories: pd.DataFrame, hazard: float, imitation: float
) -> None:
    require(event_history)
    assert not all(row.holds for row in event_history.refit("wrong", histories, hazard, imitation))


@pytest.mark.parametrize(
    ("row", "z", "holds"),
    [
        (Row("", 1.0, 1.3, 0.1), 3.0, True),
        (Row("", 1.0, 0.59, 0.1), -4.1, False),
        (Row("", 5.0, 5.0, 0.0), 0.0, True),
        (Row("", 5.0, 4.0, 0.0), -math.inf, False),
        (Row("", 1.0, math.nan, 0.1), math.nan, False),
    ],
)
def test_row__is_judged_by_z(row: Row, z: float, holds: bool) -> None:
    assert row.z == pytest.approx(z, nan_ok=True)
    assert row.holds is holds


def test_clustered__takes_the_error_between_graphs() -> None:
    values = np.tile([0.0, 1.0], 50)  # replicate r on graph r mod 2: every graph has one value
    row = claims.clustered("", 0.5, values, 2)
    assert row.estimate == 0.5
    assert row.error == pytest.approx(0.5)
    assert claims.clustered("", 0.0, np.zeros(100, dtype=np.bool_), 2).error == 0.01


def test_run__says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    def verify(tiny: bool, seed: int) -> Iterator[Row]:
        raise MissingError("a package: pip install it")
        yield  # a generator

    assert claims.run(verify, None, []) == 2
    assert "missing: a package" in capsys.readouterr().err
