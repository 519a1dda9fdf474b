"""The benchmarks run, and every baseline computes the model that it is timed on."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from benchmarks import dyad, end_to_end, threads
from benchmarks.baselines import dyad_c
from benchmarks.contenders import CONTENDERS
from fastalliance.bench import bench
from fastalliance.bench.dyad import NAMES, Contender, Setting
from fastalliance.bench.timing import Comparison, Task, Timing, interleave, save
from tests.chance import LIMIT, SEED, z_of_difference
from tests.oracle import dyad as twin
from tests.strategies import FEATURES, random_dyad_parameters
from tests.unit.benchmark_checks import check_results

N_STEPS, DT = 160, 0.125
KERNEL = CONTENDERS[0]
ADDRESSED = [contender for contender in CONTENDERS if contender.addressed]
OWN = [contender for contender in CONTENDERS if not contender.addressed]


def names(contenders: list[Contender]) -> list[str]:
    return [contender.name for contender in contenders]


def random_points(n: int, off: tuple[str, ...] = ()) -> np.ndarray:
    generator = random.Random(SEED)
    points = np.empty((n, len(NAMES)))
    for row in points:
        parameters = random_dyad_parameters(generator)
        for feature in off:
            parameters |= FEATURES[feature]
        row[:] = [parameters[name] for name in NAMES]
    return points


def by_the_twin(points: np.ndarray, instances: np.ndarray) -> np.ndarray:
    """Outputs (output, point, replicate) of instance numbers (point, replicate)."""
    outputs = np.empty((len(twin.OUTPUTS), *instances.shape))
    for (i, j), instance in np.ndenumerate(instances):
        values = twin.simulate(
            dict(zip(NAMES, points[i].tolist(), strict=True)),
            seed=SEED,
            instance=int(instance),
            horizon=N_STEPS * DT,
            dt=DT,
        )
        outputs[:, i, j] = [values[name] for name in twin.OUTPUTS]
    return outputs


def skip_if_missing(contender: Contender) -> None:
    if why := contender.missing():
        pytest.skip(why)


@pytest.mark.parametrize("contender", CONTENDERS, ids=names(list(CONTENDERS)))
def test_contenders__agree_with_the_twin_where_nothing_is_drawn(contender: Contender) -> None:
    skip_if_missing(contender)
    points = random_points(40, off=("noise", "incidents"))
    settings = {"seed": SEED, "dt": DT, "n_steps": N_STEPS, "noise": False, "incidents": False}
    outputs = contender.run(points, n_replicates=2, **settings)
    instances = np.broadcast_to(np.arange(40)[:, np.newaxis], (40, 2))
    np.testing.assert_allclose(outputs, by_the_twin(points, instances), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("contender", ADDRESSED, ids=names(ADDRESSED))
def test_addressed_contenders__equal_the_twin_replicate_by_replicate(contender: Contender) -> None:
    skip_if_missing(contender)
    points, first_point, first_replicate = random_points(40), 2**30, 9
    outputs = contender.run(
        points,
        seed=SEED,
        first_point=first_point,
        first_replicate=first_replicate,
        n_replicates=2,
        dt=DT,
        n_steps=N_STEPS,
        noise=True,
        incidents=True,
    )
    replicates = first_replicate + np.arange(2)
    instances = (first_point + np.arange(40))[:, np.newaxis] * 2**24 + replicates
    np.testing.assert_allclose(outputs, by_the_twin(points, instances), rtol=1e-9, atol=1e-9)


def test_addressed_contenders__share_common_random_numbers() -> None:
    skip_if_missing(ADDRESSED[-1])
    settings = {"seed": SEED, "dt": DT, "n_steps": N_STEPS, "common_random_numbers": True}
    points = random_points(8)
    kernel, c = (run.run(points, n_replicates=70, first_point=3, **settings) for run in ADDRESSED)
    np.testing.assert_allclose(c, kernel, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("contender", OWN, ids=names(OWN))
def test_contenders_with_their_own_draws__agree_in_distribution(contender: Contender) -> None:
    skip_if_missing(contender)
    chance = {
        "noise_correlation": 0.5,
        "incident_rate": 0.1,
        "incident_favourable": 0.3,
        "dissolution_engagement": 0.2,
    }
    setting = Setting("chance", chance, n_points=4, n_steps=N_STEPS, seed=SEED)
    own, kernel = setting.run(contender.run, 500), setting.run(KERNEL.run, 4000)
    for name in ("trust_a", "trust_b", "joint_value", "dissolved"):
        i = twin.OUTPUTS.index(name)
        for point in range(1, setting.n_points - 1):  # trust 0 and 1 are drawn nearly without noise
            assert abs(z_of_difference(own[i, point], kernel[i, point])) < LIMIT, (name, point)
    products = [outputs[0, 1:3] * outputs[1, 1:3] for outputs in (own, kernel)]
    assert abs(z_of_difference(*products)) < LIMIT  # the correlation of both trusts


def test_c_baseline__says_why_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert "compiler" in dyad_c.missing()


def test_benchmark__skips_what_is_missing(tmp_path: Path) -> None:
    absent = Contender("absent", KERNEL.run, n_replicates=1, missing=lambda: "it is not here")
    setting = Setting("small", n_points=2, n_steps=8)
    (comparison,) = dyad.compare([KERNEL, absent], [setting], rounds=1, tiny=True)
    assert comparison.skipped == {"absent": "it is not here"}
    assert "| absent | skipped: it is not here |" in comparison.to_markdown()


def test_interleave__takes_turns_in_alternating_order() -> None:
    calls: list[str] = []
    tasks = [Task(name, lambda name=name: calls.append(name), 10) for name in "ab"]
    ticks = iter(range(100))
    timings = interleave(tasks, 3, clock=lambda: float(next(ticks)))
    assert "".join(calls) == "ab" + "ab" + "ba" + "ab"
    assert [timing.seconds for timing in timings] == [(1.0, 1.0, 1.0)] * 2
    assert timings[0].median_rate == 10.0


def test_comparison__ratios_of_medians_and_within_rounds(tmp_path: Path) -> None:
    timings = [Timing("fast", 12, (1.0, 2.0, 1.0)), Timing("slow", 12, (4.0, 4.0, 6.0))]
    comparison = Comparison("title", "steps", timings)
    assert comparison.ratio("slow") == 4.0
    assert comparison.ratio_range("slow") == (2.0, 6.0)
    assert "| slow | 3e-06 | 3e-06 | 4 x | 2 to 6 |" in comparison.to_markdown()
    json_path, markdown_path = save("name", [comparison], tmp_path)
    (table,) = json.loads(json_path.read_text())["tables"]
    assert [entry["ratio"] for entry in table["timings"]] == [1.0, 4.0]
    assert comparison.to_markdown() in markdown_path.read_text()


def test_built_in_benchmark__runs(tmp_path: Path) -> None:
    text = bench(rounds=1, tiny=True, out=tmp_path)
    assert "vectorised NumPy" in text
    check_results(tmp_path, "bench", 14)


def test_dyad_benchmark__runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dyad.main(["--tiny", "--rounds", "1", "--out", str(tmp_path)])
    check_results(tmp_path, "dyad", 3)
    assert "hand-written C" in capsys.readouterr().out


def test_threads_benchmark__runs(tmp_path: Path) -> None:
    threads.main(["--tiny", "--rounds", "1", "--out", str(tmp_path)])
    names = check_results(tmp_path, "threads", 3 if dyad_c.missing() else 4)
    assert names[:4] == ["2 threads", "1 thread", "2 processes", "1 process"]


def test_compare_pairs__gains_of_what_processes_gain(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {"2 a": (1.0, 2.0), "1 a": (3.0, 3.0), "2 p": (2.0, 1.0), "1 p": (3.0, 2.0)}
    monkeypatch.setattr(
        threads, "interleave", lambda tasks, _: [Timing(t.name, 6, seconds[t.name]) for t in tasks]
    )
    tasks = {name: Task(name, lambda: None, 6) for name in seconds}
    pairs = {"a": [tasks["2 a"], tasks["1 a"]], threads.PROCESSES: [tasks["2 p"], tasks["1 p"]]}
    *_, gains = threads.compare_pairs(pairs, 2, {})
    assert gains.to_dict()["rows"] == {"a": [2.0, 0.75]}
    assert "| a | 1.38 | 0.75 | 2 |" in gains.to_markdown()


def test_end_to_end_benchmark__runs(tmp_path: Path) -> None:
    end_to_end.main(["--tiny", "--rounds", "1", "--out", str(tmp_path)])
    check_results(tmp_path, "end_to_end", 2)
    rows = json.loads((tmp_path / "end_to_end.json").read_text())["tables"][1]["rows"]
    assert all(2**20 < row["peak_bytes"] < 2**30 for row in rows)
