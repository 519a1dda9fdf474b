"""The benchmarks of exit cascades run, and every baseline computes the model it is timed on."""

from __future__ import annotations

import random
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from benchmarks import exit_cascade, watts
from benchmarks.baselines import exit_cascade_ndlib, exit_cascade_networkx
from fastalliance.bench import exit_cascade_numba, exit_cascade_numpy
from fastalliance.bench.exit_cascade import BUILT_IN, Setting, compare
from fastalliance.bench.exit_cascade_draws import Draws
from fastalliance.bench.populations import Contender
from fastalliance.bench.timing import Comparison, Timing
from fastalliance.library.exit_cascade import OUTPUTS, PARAMETERS
from tests.chance import LIMIT, SEED
from tests.oracle import exit_cascade as twin
from tests.oracle import philox
from tests.oracle.cascade_cases import Alliance, random_alliance, random_parameters
from tests.unit.benchmark_checks import agree, check_results, name_of

KERNEL, *BASELINES = BUILT_IN
DRAWN = [exit_cascade_numba, exit_cascade_numpy]
ON_NETWORKS = [exit_cascade_ndlib, exit_cascade_networkx]
NEAREST = 1e-11  # to a decision, at which roundings that differ could decide differently


def drawn_by_the_twin(parameters: dict, alliance: Alliance, replicates: int) -> Draws:
    rows = []
    for instance in range(replicates):
        given = {k: v for k, v in alliance.twin().items() if k != "industries"}
        drawn = twin.start(parameters, seed=SEED, instance=instance, **given)[:3]
        address = (SEED, instance, twin.PURPOSE_SEED, 0)
        keys = [philox.uniforms(*address, member)[0] for member in range(alliance.members)]
        rows.append([*drawn, keys])
    return Draws(*np.array(rows, dtype=np.float64).transpose(1, 0, 2))


def points_of(parameters: dict, n: int) -> np.ndarray:
    return np.tile([float(parameters[p.name]) for p in PARAMETERS], (n, 1))


def test_names__are_those_of_the_page() -> None:
    assert [output.name for output in OUTPUTS] == list(twin.OUTPUTS)
    assert [parameter.name for parameter in PARAMETERS] == list(twin.DEFAULTS)


@pytest.mark.parametrize("baseline", DRAWN, ids=name_of)
def test_baselines_of_given_draws__equal_the_twin_replicate_by_replicate(
    baseline: ModuleType,
) -> None:
    rng = random.Random(SEED)
    for _ in range(60):
        alliance = random_alliance(rng, network=False)
        parameters = random_parameters(rng, alliance.members) | {"tie_weight": 0.0}
        time = {"horizon": 24.0, "dt": rng.choice((1.0, 0.5))}
        twins = [
            twin.simulate(parameters, seed=SEED, instance=r, **time, **alliance.twin())
            for r in range(2)
        ]
        assert min(run["margin"] for run in twins) > NEAREST
        outputs = baseline.run_drawn(
            points_of(parameters, 2),
            drawn_by_the_twin(parameters, alliance, 2),
            dt=time["dt"],
            n_steps=round(24.0 / time["dt"]),
            n_industries=alliance.industries,
        )
        expected = [[float(run[output.name]) for run in twins] for output in OUTPUTS]
        np.testing.assert_allclose(outputs, expected, rtol=1e-12, err_msg=str(parameters))


@pytest.mark.parametrize("baseline", DRAWN, ids=name_of)
@pytest.mark.parametrize(("above", "exits"), [(5e-10, 5), (2e-9, 0)])
def test_baselines__count_a_tie_as_reached(baseline: ModuleType, above: float, exits: int) -> None:
    changed = {"alliance_weight": 1.0, "industry_weight": 0.0, "base_hazard": 0.0}
    zeros = np.zeros((1, 5))
    thresholds = np.arange(5)[np.newaxis] / 4.0 + above  # one more leaves in every step
    outputs = baseline.run_drawn(
        points_of(twin.DEFAULTS | changed, 1),
        Draws(zeros, thresholds, np.ones((1, 5)), zeros),
        dt=1.0,
        n_steps=48,
        n_industries=1,
    )
    assert outputs[0, 0] == exits


@pytest.mark.parametrize("baseline", DRAWN, ids=name_of)
def test_baselines_of_the_kernels_draws__equal_the_kernel(baseline: ModuleType) -> None:
    changed = {"seed_exits": 6.0, "seed_rule": 0.5, "memory": 30.0, "threshold_mean": 0.4}
    setting = Setting("draws", changed, seed=SEED)
    parameters = twin.DEFAULTS | changed
    draws = drawn_by_the_twin(parameters, Alliance(200, 5), 12)
    outputs = baseline.run_drawn(
        points_of(parameters, 12), draws, dt=1.0, n_steps=48, n_industries=5
    )
    np.testing.assert_allclose(setting.run(KERNEL.run, 12)[:, 0], outputs, rtol=1e-9)


@pytest.mark.parametrize("contender", BASELINES, ids=lambda contender: contender.name)
@pytest.mark.parametrize(
    "changed",
    [{}, {"seed_exits": 4.0, "centrality_skew": 1.0, "threshold_mean": 0.4, "immunity": 0.8}],
    ids=["defaults", "seeds"],
)
def test_contenders_with_their_own_draws__agree_in_distribution(
    contender: Contender, changed: dict
) -> None:
    setting = Setting("chance", changed, n_members=60, n_industries=4, seed=SEED)
    own, kernel = setting.run(contender.run, 4000)[:, 0], setting.run(KERNEL.run, 8000)[:, 0]
    for output, a, b in zip(OUTPUTS, own, kernel, strict=True):
        assert agree(np.isnan(a).astype(float), np.isnan(b).astype(float)), output.name
        assert agree(a[~np.isnan(a)], b[~np.isnan(b)]), output.name
    assert agree(own[1] ** 2, kernel[1] ** 2)  # the spread of exit_share


@pytest.mark.parametrize("contender", BASELINES, ids=lambda contender: contender.name)
def test_contenders_at_the_defaults__give_the_page_s_exit_share(contender: Contender) -> None:
    outputs = Setting("defaults", seed=SEED).run(contender.run, 4000)[:, 0]
    share = dict(zip((output.name for output in OUTPUTS), outputs, strict=True))["exit_share"]
    error = np.std(share, ddof=1) * np.sqrt(1.0 / 4000 + 1.0 / 20_000)  # F1 has 20,000
    assert abs(share.mean() - 0.5135) < LIMIT * error + 5e-5


def test_chunks__of_numpy_do_not_matter_to_the_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exit_cascade_numpy, "CHUNK", 100)
    points = np.vstack([points_of(twin.DEFAULTS | {"seed_exits": n}, 1) for n in (0, 20)])
    size = {"dt": 1.0, "n_steps": 4, "n_members": 20, "n_industries": 2}
    outputs = exit_cascade_numpy.run(points, seed=SEED, n_replicates=7, **size)
    assert outputs.shape == (len(OUTPUTS), 2, 7)
    assert (outputs[0, 1] == 20).all()
    assert (outputs[0, 0] < 20).all()


@pytest.mark.parametrize("baseline", ON_NETWORKS, ids=name_of)
def test_baselines_on_networks__reach_the_twins_final_sizes(baseline: ModuleType) -> None:
    if why := baseline.missing():
        pytest.skip(why)
    rng = np.random.default_rng(SEED)
    for mean_degree in (2.0, 5.0):
        edges = watts.random_edges(60, mean_degree, int(rng.integers(2**31)))
        thresholds = np.clip(rng.normal(0.3, 0.15, 60), 0.01, 1.0)
        neighbours: list[list[int]] = [[] for _ in range(60)]
        for i, j in edges.tolist():
            neighbours[i].append(j)
            neighbours[j].append(i)
        built = baseline.build(edges, thresholds)
        for instance in range(4):
            run = twin.simulate(
                watts.TIES_ALONE | {"seed_exits": 3},
                members=60,
                industries=1,
                seed=SEED,
                instance=instance,
                horizon=60.0,
                neighbours=neighbours,
                thresholds=thresholds.tolist(),
                centralities=[0.0] * 60,
            )
            seeds = [i for i, time in enumerate(run["exit_time"]) if time == 0.0]
            assert baseline.final_size(built, seeds) == run["exits"]


def test_random_edges__are_a_simple_graph_of_the_mean_degree() -> None:
    edges = watts.random_edges(2000, 4.0, seed=SEED)
    assert (edges[:, 0] < edges[:, 1]).all()
    assert len(np.unique(edges, axis=0)) == len(edges)
    assert abs(len(edges) - 4000) < LIMIT * np.sqrt(4000)


def test_per_instance__shows_milliseconds() -> None:
    timings = [Timing("fast", 10, (1.0, 2.0, 1.0)), Timing("slow", 10, (4.0, 4.0, 6.0))]
    table = watts.PerInstance(Comparison("title", "instances", timings, {"absent": "not here"}))
    text = table.to_markdown()
    assert "| fast | 100 | 100 | |" in text
    assert "| slow | 400 | 400 | 4 x | 2 to 6 |" in text
    assert "| absent | skipped: not here |" in text


def test_watts__refuses_final_sizes_that_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exit_cascade_networkx, "TIE", -1.0)
    monkeypatch.setattr(exit_cascade_networkx, "missing", str)
    pytest.importorskip("networkx")
    with pytest.raises(RuntimeError, match="networkx loop: final sizes differ"):
        watts.compare_on_networks(rounds=1, tiny=True)


def test_compare__counts_member_steps_alike() -> None:
    setting = Setting("small", n_members=10, n_industries=2, n_steps=4)
    (comparison,) = compare(settings=[setting], rounds=1, tiny=True)
    assert {timing.work for timing in comparison.timings} == {2 * 10 * 4}
    assert comparison.unit == "member-steps"


def test_exit_cascade_benchmark__runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exit_cascade.main(["--tiny", "--rounds", "1", "--out", str(tmp_path)])
    names = check_results(tmp_path, "exit_cascade", 6)
    assert names[:3] == ["fastalliance", "vectorised NumPy", "numba loop"]
    assert "NDlib" in capsys.readouterr().out  # measured, or said to be skipped


def test_watts_benchmark__runs(tmp_path: Path) -> None:
    watts.main(["--tiny", "--rounds", "1", "--out", str(tmp_path)])
    names = check_results(tmp_path, "watts", 1)
    assert len(names) == 3 - sum(bool(baseline.missing()) for baseline in ON_NETWORKS)
