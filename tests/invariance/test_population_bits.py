"""Populations give the same bits for any number of lanes, threads and tiles, kept or not."""

import numpy as np
import pytest

import fastalliance as fa
from fastalliance.engine import population, run_points
from fastalliance.engine.structure import Structure
from tests.invariance.studies import exit_cascade

MODEL = fa.model("exit_cascade")
VARIED = {
    "defaults": {},
    "seeds": {"seed_exits": 3, "seed_rule": "central"},
    "no hazard": {"base_hazard": 0.0, "seed_exits": 2},
    "no spread": {"threshold_sd": 0.0, "imitation": -1.5},
    "memory": {"memory": 4.0, "uncertainty_halflife": 9.0, "uncertainty": 1.4},
}


def _points(parameters, members, industries):
    sizes = MODEL.resolve_structure({"members": members, "industries": industries})
    values = {**MODEL.resolve(parameters), **sizes}
    return np.array([[values[p.name] for p in MODEL.inputs]])


def _run(points, **options):
    given = {"seed": 9, "n_replicates": 21, "dt": 1.0, "n_steps": 30, "keep_members": True}
    return run_points(MODEL, points, **{**given, **options})


def _same(a, b):
    for one, other in zip((a.outputs, a.members), (b.outputs, b.members), strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("parameters", VARIED.values(), ids=list(VARIED))
@pytest.mark.parametrize(("members", "industries"), [(2, 1), (13, 4), (64, 64), (200, 5)])
def test_lanes__one_or_eight(parameters, members, industries, monkeypatch):
    points = _points(parameters, members, industries)
    wide = _run(points)
    assert wide.members.shape == (2, 1, 21, members)
    monkeypatch.setattr(population, "WIDE_MEMBERS", 0)
    _same(wide, _run(points))


def test_lanes__a_network_without_weight_changes_nothing():
    """The kernel for networks, one instance at a time, against the one without."""
    points = _points({"seed_exits": 2}, 40, 3)
    chain = np.arange(39)
    firsts = np.concatenate([[0], np.cumsum([1, *[2] * 38, 1])])[np.newaxis]
    neighbours = np.concatenate([[1], *[[i - 1, i + 1] for i in chain[1:]], [38]])
    network = Structure(np.zeros((2, 1, 40)), ("network",), firsts, neighbours)
    _same(_run(points), _run(points, structures=lambda sizes: network))


def test_early_stop__changes_nothing():
    """Recording looks at every step to the horizon; without it a settled block stops."""
    points = _points({"base_hazard": 0.0, "seed_exits": 5}, 50, 5)
    whole = _run(points, record_steps=1)
    _same(_run(points), whole)
    exits = whole.paths[0, 0, :, :]
    np.testing.assert_array_equal(exits[:, -1], whole.outputs[0, 0])
    assert (np.diff(exits, axis=1) >= 0).all()


def test_calls__cut_anywhere():
    points = np.concatenate([_points({"uncertainty": u}, 30, 4) for u in (0.8, 1.0, 1.2)])
    whole = _run(points)
    for p in range(3):
        for first, count in ((0, 5), (5, 16)):
            part = _run(points[p : p + 1], first_point=p, first_replicate=first, n_replicates=count)
            block = whole.outputs[:, p : p + 1, first : first + count]
            assert part.outputs.tobytes() == np.ascontiguousarray(block).tobytes()


def test_sizes__as_axes():
    """Alliances of several sizes in one call, each as it is alone; NaN beyond the smaller ones."""
    points = np.concatenate([_points({}, members, 3) for members in (9, 30, 9)])
    whole = _run(points)
    for p, members in enumerate((9, 30, 9)):
        alone = _run(points[p : p + 1], first_point=p)
        assert whole.outputs[:, p].tobytes() == alone.outputs[:, 0].tobytes()
        np.testing.assert_array_equal(whole.members[:, p, :, :members], alone.members[:, 0])
        assert np.isnan(whole.members[:, p, :, members:]).all()


@pytest.fixture(scope="module")
def study():
    return exit_cascade()


def test_study__threads_tiles_and_store(study, tmp_path):
    plain = study.run(threads=1)
    for options in ({"threads": 2, "points_per_tile": 1}, {"store": tmp_path / "cascade.zarr"}):
        other = study.run(**options)
        for name in plain.variables:
            np.testing.assert_array_equal(plain[name].values, other[name].values, err_msg=name)


def test_blocks__larger_alliances_have_smaller_ones(tmp_path):
    """Statistics merge over blocks of replicates, whose size depends on the members alone."""
    study = fa.Study(
        "exit_cascade",
        structure={"members": 2**17},
        parameters={"base_hazard": 0.0},
        replicates=40,
        horizon=2.0,
        seed=1,
        keep={"replicates": True},
    )
    assert study.tiling().replicates_per_tile == 32
    ds = study.run()
    exits = ds["exits"].values
    assert exits.std() > 0
    np.testing.assert_allclose(ds["exits_mean"], exits.mean(), rtol=1e-14)
    np.testing.assert_allclose(ds["exits_std"], exits.std(ddof=1), rtol=1e-12)


def test_replay__of_a_study_and_of_members(study):
    whole = study.run()
    point = {"uncertainty": 1.1, "immunity": 0.5}
    again = study.replay(point=point, replicate=17)
    for name in ("exits", "collapsed", "exit_time", "centrality"):
        kept = whole[name].sel(**point, replicate=17)
        np.testing.assert_array_equal(again[name].sel(replicate=17), kept)
