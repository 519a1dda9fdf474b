"""Alliances of `multiparty` give the same bits for any lanes, threads, tiles, switches and records.

A block of points that has noise and entry somewhere is compiled with both; alone, a point without
them runs code that has neither. Both must give the same.
"""

from __future__ import annotations

import numpy as np
import pytest

import fastalliance as fa
from fastalliance.engine import population, run_points
from fastalliance.engine.compile import LANES
from fastalliance.engine.run import literals
from fastalliance.store import status
from tests.faults import toy
from tests.invariance.studies import multiparty as study
from tests.invariance.test_interruptions import Interrupted

MODEL = fa.model("multiparty")
SETTINGS = {
    "defaults": {},
    "no noise": {"trust_noise": 0.0, "seed_exits": 2},
    "seeds of an industry": {"seed_exits": 3, "seed_rule": 0.0, "seed_industry": 0},
    "entry": {"entry_rate": 0.2, "initial_share": 0.5, "initial_trust": 0.8, "base_hazard": 0.02},
    "entry, no noise": {"entry_rate": 0.4, "initial_share": 0.3, "trust_noise": 0.0},
    "private": {"private_orientation": 0.15, "network_effect": 2.0, "bargaining": 0.5},
    "no exits": {"threshold_mean": np.inf, "threshold_sd": 0.0, "base_hazard": 0.0},
    "nobody at the start": {"initial_share": 0.0, "entry_rate": 0.3},
    "all leave": {"threshold_mean": 0.1, "uncertainty": 2.0, "base_hazard": 0.02},
}
OUTPUTS = [output.name for output in MODEL.output_variables]
SIZES = [(2, 1), (13, 4), (64, 64), (65, 3)]


def points_of(*settings, slots=20, industries=3):
    """Return rows of parameters and sizes."""
    sizes = MODEL.resolve_structure({"slots": slots, "industries": industries})
    rows = [{**MODEL.resolve(parameters), **sizes} for parameters in settings]
    return np.array([[row[p.name] for p in MODEL.inputs] for row in rows])


def run(points, **options):
    given = {
        "seed": 9,
        "n_replicates": 21,
        "dt": 0.25,
        "n_steps": 120,
        "keep_members": True,
    }
    return run_points(MODEL, points, **{**given, **options})


def assert_same(one, other, *names):
    for name in names or ("outputs", "members"):
        left, right = getattr(one, name), getattr(other, name)
        np.testing.assert_array_equal(left, right, err_msg=name)
        assert left.tobytes() == right.tobytes(), name


def test_settings__differ_in_what_is_compiled():
    compiled = {literals(MODEL, points_of(p))[-2:] for p in SETTINGS.values()}
    assert len(compiled) == 4
    mixed = literals(MODEL, points_of(*SETTINGS.values()))
    assert not {"noise_scale", "entry_hazard"} & {name for name, _ in mixed}


@pytest.mark.parametrize(("slots", "industries"), SIZES)
def test_lanes__one_or_eight(slots, industries, monkeypatch):
    points = points_of(*SETTINGS.values(), slots=slots, industries=industries)
    recorded = {"record_steps": 24, "record_members": True}
    wide = run(points, **recorded)
    assert wide.members.shape == (4, len(SETTINGS), 21, slots)
    assert wide.member_paths.shape == (4, len(SETTINGS), 21, slots, 6)
    monkeypatch.setattr(population, "WIDE_MEMBERS", 0)
    assert dict(literals(MODEL, points))[LANES] == "1"
    assert_same(wide, run(points, **recorded), "outputs", "members", "paths", "member_paths")


def test_switches__beside_others_or_alone():
    """Each point in a block with noise and entry, and with the code that it has alone."""
    points = points_of(*SETTINGS.values())
    mixed = run(points)
    for p, name in enumerate(SETTINGS):
        alone = run(points[p : p + 1], first_point=p)
        for which in ("outputs", "members"):
            block = np.ascontiguousarray(getattr(mixed, which)[:, p : p + 1])
            assert block.tobytes() == getattr(alone, which).tobytes(), (name, which)


def test_switches__a_rate_of_nothing_is_off():
    """Entry at a rate too small ever to happen, and noise too small to be felt, change nothing."""
    off = run(points_of({"trust_noise": 0.0}), common_random_numbers=True)
    tiny = {"entry_rate": 1e-300, "trust_noise": 1e-300}
    assert_same(off, run(points_of(tiny), common_random_numbers=True))


def test_records__change_nothing():
    """Recording looks at every step; without it a block stops in which all alliances are empty."""
    points = points_of(*SETTINGS.values())
    plain = run(points, keep_members=False)
    assert plain.members is None
    for options in (
        {"keep_members": True},
        {"record_steps": 1},
        {"record_steps": 40, "record_members": True},
        {"record_steps": 8, "keep_members": True, "record_members": True},
    ):
        other = run(points, **{"keep_members": False, **options})
        assert_same(plain, other, "outputs")
        if other.paths is not None:
            assert_ends(other)
    assert_same(run(points), run(points, record_steps=1), "members")


def assert_ends(block):
    """Compare the ends of what was recorded with the outputs, and members with their number."""
    ends = [OUTPUTS.index(name) for name in ("membership", "trust", "synergy")]
    np.testing.assert_array_equal(block.paths[..., -1], block.outputs[ends])
    if block.member_paths is None:
        return
    present = ~np.isnan(block.member_paths[0])
    np.testing.assert_array_equal(present.mean(axis=2), block.paths[0])


def test_early_stop__of_empty_alliances_changes_nothing():
    """All of a block are empty long before the horizon, and one of another is not."""
    points = points_of(SETTINGS["all leave"], {"initial_share": 0.0})
    options = {"n_replicates": 40, "n_steps": 480}
    stopped, whole = run(points, **options), run(points, record_steps=1, **options)
    assert_same(stopped, whole)
    membership = whole.paths[0]
    assert (membership[..., -1] == 0.0).all()
    assert (membership[0, :, 240] == 0.0).all()
    collapse_time = whole.outputs[OUTPUTS.index("collapse_time")]
    assert (collapse_time[0] < 60.0).all()
    assert (collapse_time[1] == 120.0).all()


def test_calls__cut_anywhere():
    points = points_of(SETTINGS["defaults"], SETTINGS["entry"], SETTINGS["no noise"])
    whole = run(points)
    for p in range(3):
        for first, count in ((0, 5), (5, 16)):
            part = run(points[p : p + 1], first_point=p, first_replicate=first, n_replicates=count)
            block = whole.outputs[:, p : p + 1, first : first + count]
            assert part.outputs.tobytes() == np.ascontiguousarray(block).tobytes()


def test_sizes__as_axes():
    """Alliances of several sizes in one call, each as alone; NaN beyond the smaller ones."""
    sizes = (9, 30, 9)
    points = np.concatenate([points_of(SETTINGS["entry"], slots=slots) for slots in sizes])
    whole = run(points, record_steps=60, record_members=True)
    for p, slots in enumerate(sizes):
        alone = run(points[p : p + 1], first_point=p, record_steps=60, record_members=True)
        assert whole.outputs[:, p].tobytes() == alone.outputs[:, 0].tobytes()
        for which in ("members", "member_paths"):
            of_all, of_one = getattr(whole, which), getattr(alone, which)
            np.testing.assert_array_equal(of_all[:, p, :, :slots], of_one[:, 0])
            assert np.isnan(of_all[:, p, :, slots:]).all()


# --- Studies --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain():
    return study().run(threads=1)


@pytest.mark.parametrize(
    "options",
    [
        {"threads": 2},
        {"threads": 1, "points_per_tile": 1},
        {"threads": 2, "points_per_tile": 5},
        {"store": "multiparty.zarr", "threads": 2, "points_per_tile": 3},
    ],
    ids=str,
)
def test_study__threads_tiles_and_store(plain, options, tmp_path):
    if "store" in options:
        options = options | {"store": tmp_path / options["store"]}
    other = study().run(**options)
    assert set(other.variables) == set(plain.variables)
    for name in plain.variables:
        np.testing.assert_array_equal(plain[name].values, other[name].values, err_msg=name)


def test_study__what_is_kept_leaves_the_rest_alone(plain):
    less = study(keep={}).run()
    assert set(less.data_vars) < set(plain.data_vars)
    for name in less.data_vars:
        np.testing.assert_array_equal(less[name].values, plain[name].values, err_msg=name)


@pytest.mark.parametrize("replicate", [0, 6, 93])
def test_replay__of_a_replicate(plain, replicate):
    point = {"entry_rate": 0.1, "trust_noise": 0.0, "initial_trust": 0.7}
    again = study().replay(point=point, replicate=replicate, record_every=6.0)
    for name in (*OUTPUTS, "exit_time", "entry_time", "centrality", "capability"):
        kept = plain[name].sel(**point, replicate=replicate)
        np.testing.assert_array_equal(again[name].sel(replicate=replicate), kept, err_msg=name)
    if replicate < 7:
        for name in ("membership_path", "trust_path", "synergy_path"):
            kept = plain[name].sel(**point, replicate=replicate)
            np.testing.assert_array_equal(again[name].sel(replicate=replicate), kept)


@pytest.mark.parametrize("threads", [1, 2])
def test_interruptions__leave_no_trace(tmp_path, threads):
    store = tmp_path / "run.zarr"
    done = 0
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt, match="run again to resume"):
            study().run(store=store, threads=threads, points_per_tile=1, progress=Interrupted())
        before, done = done, status(store).n_done
        assert before < done < 12
    study().run(store=store, threads=threads, points_per_tile=1)
    undisturbed = tmp_path / "undisturbed.zarr"
    study().run(store=undisturbed, threads=1)
    assert toy.values_hash(store) == toy.values_hash(undisturbed)
