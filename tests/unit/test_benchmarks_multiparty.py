"""The benchmark of `multiparty` runs, and both baselines compute the model they are timed on."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from benchmarks import multiparty
from fastalliance.bench import multiparty_numba, multiparty_numpy
from fastalliance.bench.multiparty import BUILT_IN, SETTINGS, Setting, compare
from fastalliance.bench.multiparty_draws import Draws
from fastalliance.bench.populations import Contender
from fastalliance.library.multiparty import MODEL, OUTPUTS
from tests.chance import LIMIT, SEED
from tests.oracle import multiparty as twin
from tests.oracle import philox
from tests.oracle.multiparty_cases import CASES, CLOSED, LIVELY, OPEN, Case, random_parameters
from tests.unit.benchmark_checks import agree, check_results, name_of

KERNEL, *BASELINES = BUILT_IN
DRAWN = [multiparty_numba, multiparty_numpy]
NAMES = [output.name for output in OUTPUTS]
NEAREST = 1e-11  # to a decision, at which roundings that differ could decide differently
UNDRAWN = {"trust_noise": 0.0, "entry_rate": 0.0}  # nothing is drawn but the first firms
SMALL = [name for name, case in CASES.items() if case.slots <= 65]


def points_of(parameters: dict, n: int) -> np.ndarray:
    return np.tile([float(parameters[p.name]) for p in MODEL.parameters], (n, 1))


def first_firm(p: dict, instance: int, slot: int) -> tuple[float, ...]:
    z0, z1 = philox.normals(SEED, instance, twin.FIRM, 0, slot)
    u0, u1 = philox.uniforms(SEED, instance, twin.CLOCK, 0, slot)
    z_trust, _ = philox.normals(SEED, instance, twin.TRUST0, 0, slot)
    return (
        math.exp(p["capability_sd"] * z0 - p["capability_sd"] ** 2 / 2.0),
        u0 ** p["centrality_skew"],
        p["threshold_mean"] + p["threshold_sd"] * z1,
        -math.log(u1),
        twin.clip01(p["initial_trust"] + p["initial_trust_sd"] * z_trust),
        philox.uniforms(SEED, instance, twin.SEED, 0, slot)[0],
    )


def draws_of(parameters: dict, slots: int, n: int) -> Draws:
    rows = [[first_firm(parameters, r, slot) for slot in range(slots)] for r in range(n)]
    return Draws(*np.array(rows).transpose(2, 0, 1))


def run_drawn(baseline: ModuleType, case: Case, n: int) -> np.ndarray:
    parameters = twin.DEFAULTS | case.parameters
    return baseline.run_drawn(
        points_of(parameters, n),
        draws_of(parameters, case.slots, n),
        dt=case.dt,
        n_steps=round(case.horizon / case.dt),
        n_industries=case.industries,
    )


def undrawn(case: Case, parameters: dict) -> Case:
    return replace(case, parameters=parameters | UNDRAWN)


def assert_baselines_equal_the_twin(case: Case, n: int = 2) -> list[dict]:
    times = {"horizon": case.horizon, "dt": case.dt}
    twins = [
        twin.run(case.parameters, seed=SEED, instance=r, **case.structure(), **times)
        for r in range(n)
    ]
    assert min(run["margin"] for run in twins) > NEAREST
    expected = [[float(run[name]) for run in twins] for name in NAMES]
    for baseline in DRAWN:
        outputs = run_drawn(baseline, case, n)
        about = f"{name_of(baseline)} {case}"
        np.testing.assert_allclose(outputs, expected, rtol=1e-11, atol=1e-12, err_msg=about)
    return twins


def test_names__are_those_of_the_page() -> None:
    assert list(twin.OUTPUTS) == NAMES
    assert {parameter.name for parameter in MODEL.parameters} == twin.DEFAULTS.keys()


@pytest.mark.parametrize("name", SMALL)
def test_baselines_of_given_firms__equal_the_twin_replicate_by_replicate(name: str) -> None:
    assert_baselines_equal_the_twin(undrawn(CASES[name], CASES[name].parameters))


def test_baselines_of_given_firms__equal_the_twin_anywhere() -> None:
    rng = random.Random(SEED)
    partly = 0
    for _ in range(40):
        slots = rng.choice((2, 3, 8, 13, 24))
        case = Case(slots=slots, industries=rng.randint(1, min(slots, 6)))
        twins = assert_baselines_equal_the_twin(undrawn(case, random_parameters(rng, case)))
        partly += sum(0.0 < run["exit_share"] < 1.0 for run in twins)
    assert partly >= 20  # neither standing still nor all gone


@pytest.mark.parametrize("baseline", DRAWN, ids=name_of)
@pytest.mark.parametrize(("above", "share"), [(5e-13, 1.0), (2e-12, 0.0)])
def test_baselines__count_a_tie_as_reached(
    baseline: ModuleType, above: float, share: float
) -> None:
    changed = {"alliance_weight": 1.0, "industry_weight": 0.0, "base_hazard": 0.0}
    changed |= {"prominence_weight": 0.0, "payoff_weight": 0.0} | UNDRAWN
    ones, thresholds = np.ones((1, 5)), np.arange(5)[np.newaxis] / 4.0 + above
    outputs = baseline.run_drawn(  # one more leaves in every step
        points_of(twin.DEFAULTS | changed, 1),
        Draws(ones, 0.0 * ones, thresholds, ones, 0.7 * ones, ones),
        dt=0.25,
        n_steps=40,
        n_industries=1,
    )
    assert outputs[NAMES.index("exit_share"), 0] == share


def test_empty_alliances__may_stay_in_their_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    case = undrawn(replace(CASES["lively"], horizon=15.0), LIVELY)
    monkeypatch.setattr(multiparty_numpy, "EMPTY_SHARE", 0.0)
    left_out = run_drawn(multiparty_numpy, case, 20)
    monkeypatch.setattr(multiparty_numpy, "EMPTY_SHARE", 1.0)
    np.testing.assert_array_equal(run_drawn(multiparty_numpy, case, 20), left_out)
    empty = np.count_nonzero(left_out[NAMES.index("membership")] == 0.0)
    assert 0 < empty < 20


CHANCE = {
    "defaults": {},
    "lively": LIVELY,
    "entry": SETTINGS[3].parameters,
    "generations": OPEN | {"entry_rate": 1.0, "base_hazard": 0.1, "network_effect": 3.0},
    "noise": CLOSED | {"trust_noise": 0.3, "trust_gain": 0.0, "trust_loss": 0.0},
    "seeds": {"seed_exits": 4.0, "seed_rule": 0.0, "seed_industry": 1.0, "seed_time": 3.0},
}


@pytest.mark.parametrize("contender", BASELINES, ids=lambda contender: contender.name)
@pytest.mark.parametrize("changed", CHANCE.values(), ids=CHANCE)
def test_contenders_with_their_own_draws__agree_in_distribution(
    contender: Contender, changed: dict
) -> None:
    setting = Setting("chance", changed, n_members=24, n_industries=3, n_steps=160, seed=SEED)
    own, kernel = setting.run(contender.run, 3000)[:, 0], setting.run(KERNEL.run, 6000)[:, 0]
    assert np.isfinite(own).all()
    for name, a, b in zip(NAMES, own, kernel, strict=True):
        assert agree(a, b), name
        centre = b.mean()
        assert agree((a - centre) ** 2, (b - centre) ** 2), f"spread of {name}"
    assert agree(own[0] * own[7], kernel[0] * kernel[7])  # membership and trust together


@pytest.mark.parametrize("contender", BASELINES, ids=lambda contender: contender.name)
@pytest.mark.parametrize(
    ("initial_trust", "collapsed", "trust"), [(0.5, 1.0, 0.0), (0.55, 0.961, 0.04), (0.6, 0.16, 0)]
)
def test_contenders__give_the_page_s_tipping(
    contender: Contender, initial_trust: float, collapsed: float, trust: float
) -> None:
    setting = Setting("tipping", {"initial_trust": initial_trust}, seed=SEED)
    outputs = dict(zip(NAMES, setting.run(contender.run, 500)[:, 0], strict=True))
    error = math.sqrt(collapsed * (1.0 - collapsed) * (1.0 / 500 + 1.0 / 1000))  # F1 has 1000
    assert abs(outputs["collapsed"].mean() - collapsed) <= LIMIT * error + 5e-4
    if trust > 0.0:
        error = outputs["trust"].std(ddof=1) * math.sqrt(1.0 / 500 + 1.0 / 1000)
        assert abs(outputs["trust"].mean() - trust) < LIMIT * error + 5e-4


@pytest.mark.parametrize("contender", BUILT_IN, ids=lambda contender: contender.name)
def test_nobody_leaves__in_the_setting_of_that_name(contender: Contender) -> None:
    assert CLOSED.items() >= SETTINGS[5].parameters.items()
    outputs = replace(SETTINGS[5], n_steps=200).run(contender.run, 20)[:, 0]
    assert (outputs[NAMES.index("membership")] == 1.0).all()


def test_chunks__of_numpy_do_not_matter_to_the_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiparty_numpy, "CHUNK", 100)
    points = np.vstack([points_of(twin.DEFAULTS | CLOSED | {"seed_exits": n}, 1) for n in (0, 20)])
    size = {"dt": 1.0, "n_steps": 20, "n_members": 20, "n_industries": 2}
    outputs = multiparty_numpy.run(points, seed=SEED, n_replicates=7, **size)
    assert outputs.shape == (len(OUTPUTS), 2, 7)
    assert (outputs[0, 1] == 0.0).all()
    assert (outputs[0, 0] == 1.0).all()


def test_compare__counts_member_steps_alike() -> None:
    setting = Setting("small", n_members=10, n_industries=2, n_steps=4)
    (comparison,) = compare(settings=[setting], rounds=1, tiny=True)
    assert {timing.work for timing in comparison.timings} == {2 * 10 * 4}
    assert comparison.unit == "member-steps"


def test_multiparty_benchmark__runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    multiparty.main(["--tiny", "--rounds", "1", "--out", str(tmp_path)])
    names = check_results(tmp_path, "multiparty", len(SETTINGS))
    assert names == ["fastalliance", "vectorised NumPy", "numba loop"] * len(SETTINGS)
    assert "nobody leaves" in capsys.readouterr().out
    assert "Infinity" not in (tmp_path / "multiparty.json").read_text()
