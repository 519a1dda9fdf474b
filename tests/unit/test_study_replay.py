"""Any replicate of any point runs again alone, with the bits that it had in the study."""

import math

import numpy as np
import pytest

import fastalliance as fa
from fastalliance.study.tiles import BLOCK
from tests.unit.small_model import MODEL

OUTPUTS = [output.name for output in MODEL.output_variables]
DESIGNS = {
    "grid": fa.grid(start=[0.0, 1.0, 2.0], hit_rate=[0.1, 0.4], mode=["calm", "wild"]),
    "table": fa.table({"start": [0.5, 0.1, 0.5], "hit_rate": [0.1, 0.4, 0.4]}),
    "sample": fa.sample(5, ranges={"start": (0.0, 1.0), "members": (1, 9)}, seed=2),
    "none": None,
}
KEEP = {"replicates": True, "trajectories": {"every": 1.0, "replicates": 4}}


def study(**fields) -> fa.Study:
    return fa.Study(MODEL, **{"replicates": 12, "seed": 2**63 + 5, **fields})


def points_of(ds, design) -> dict[str, np.ndarray]:
    """Return kept replicates and paths as (point, ...)."""
    n_points = 1 if design is None else design.n_points
    names = [*OUTPUTS, "level_path", "hits_path"]
    extra = {name: 2 if name.endswith("_path") else 1 for name in names}
    return {n: ds[n].values.reshape(n_points, *ds[n].shape[-extra[n] :]) for n in names}


@pytest.mark.parametrize("common", [False, True], ids=["independent", "common"])
@pytest.mark.parametrize("name", DESIGNS)
def test_replay__has_the_bits_of_the_kept_replicate(name, common):
    made = study(design=DESIGNS[name], keep=KEEP, common_random_numbers=common)
    kept = points_of(made.run(points_per_tile=2), DESIGNS[name])
    for point in {0, made.design.n_points // 2, made.design.n_points - 1}:
        for replicate in (0, 3, 11):
            again = made.replay(point=point, replicate=replicate, record_every=1.0)
            assert again["replicate"].values.tolist() == [replicate]
            for output in OUTPUTS:
                np.testing.assert_array_equal(
                    again[output].values[0], kept[output][point, replicate]
                )
            if replicate < 4:
                for path in ("level_path", "hits_path"):
                    np.testing.assert_array_equal(
                        again[path].values[0], kept[path][point, replicate]
                    )


def test_replay__common_random_numbers_differ_from_independent_ones():
    design = fa.table({"start": [0.5, 0.5]})
    for common in (False, True):
        made = study(design=design, common_random_numbers=common)
        paths = [made.replay(point=p, replicate=1, record_every=0.5)["hits_path"] for p in (0, 1)]
        many = [
            made.replay(point=p, replicate=r)["n_hits"].item() for p in (0, 1) for r in range(9)
        ]
        assert (many[:9] == many[9:]) is common
        assert paths[0].dims == ("replicate", "time")


def test_replay__of_a_replicate_beyond_the_first_block():
    made = study(replicates=BLOCK + 10, keep={"replicates": True}, horizon=2.0)
    kept = made.run()
    for replicate in (BLOCK - 1, BLOCK, BLOCK + 9):
        again = made.replay(replicate=replicate)
        for output in OUTPUTS:
            np.testing.assert_array_equal(again[output].values[0], kept[output].values[replicate])


def test_replay__by_values_finds_the_point():
    made = study(design=DESIGNS["grid"])
    for i, start in enumerate([0.0, 1.0, 2.0]):
        for j, rate in enumerate([0.1, 0.4]):
            for k, mode in enumerate(["calm", "wild"]):
                again = made.replay(
                    point={"mode": mode, "hit_rate": rate, "start": start + 1e-10}, replicate=2
                )
                assert again.attrs["point"] == i * 4 + j * 2 + k
                assert again["start"].item() == start
    table = study(design=DESIGNS["table"])
    assert table.replay(point={"start": 0.5, "hit_rate": 0.4}).attrs["point"] == 2
    assert study().replay(point={}).attrs["point"] == 0


def test_replay__takes_the_nearest_of_close_values():
    made = study(design=fa.grid(target=[1e-12, 2e-12, 3e-12]))
    assert made.replay(point={"target": 2e-12}).attrs["point"] == 1
    table = study(design=fa.table({"target": [1e-12, 2e-12, 3e-12]}))
    assert table.replay(point={"target": 3e-12}).attrs["point"] == 2


def test_replay__finds_infinity():
    made = study(design=fa.grid(halflife=[1.0, math.inf]))
    assert made.replay(point={"halflife": math.inf}).attrs["point"] == 1
    assert made.replay(point={"halflife": 1.0}).attrs["point"] == 0


def test_replay__takes_a_selection_of_the_dataset():
    made = study(design=DESIGNS["grid"])
    point = made.run().isel(start=1, hit_rate=1, mode=1)
    values = {name: point[name].values[()] for name in ("start", "hit_rate", "mode")}
    assert made.replay(point=values).attrs["point"] == 7
    assert made.replay(point=np.int64(7), replicate=np.int32(3)).attrs["point"] == 7


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"point": {"start": 0.0}}, fa.DesignError, "give a value of hit_rate, mode too"),
        (
            {"point": {"rate": 0.5}},
            fa.DesignError,
            "'rate' does not vary in this study; start, hit",
        ),
        (
            {"point": {"start": 0.4, "hit_rate": 0.1, "mode": 0}},
            fa.DesignError,
            "start has no design value 0.4; the nearest is 0",
        ),
        (
            {"point": {"start": 0.0, "hit_rate": 0.1, "mode": "clam"}},
            fa.ParameterError,
            "point.mode must be one of calm, rough, wild, got 'clam'",
        ),
        (
            {"point": {"start": 0.0, "hit_rate": 0.1, "mode": "rough"}},
            fa.DesignError,
            "mode has no design value 1",
        ),
        ({"point": 12}, fa.ConfigError, "point must be a whole number from 0 to 11, got 12"),
        ({"point": -1}, fa.ConfigError, "point must be a whole number from 0 to 11, got -1"),
        ({"point": True}, fa.ConfigError, "point must be a whole number from 0 to 11, got True"),
        ({"point": 1.0}, fa.ConfigError, "point must be a whole number"),
        ({"point": "1"}, fa.ConfigError, "point must be a whole number"),
        ({"replicate": -1}, fa.ConfigError, "replicate must be a whole number from 0 to 16777215"),
        ({"replicate": 2**24}, fa.ConfigError, "replicate must be a whole number"),
        ({"replicate": 1.0}, fa.ConfigError, "replicate must be a whole number"),
        ({"replicate": True}, fa.ConfigError, "replicate must be a whole number"),
        ({"replicate": None}, fa.ConfigError, "replicate must be a whole number"),
        ({"record_every": 0.7}, fa.ConfigError, "record_every must be a multiple of dt 0.5"),
        ({"record_every": "1"}, fa.ConfigError, "record_every must be a positive, finite number"),
        ({"record_every": True}, fa.ConfigError, "record_every must be a positive, finite number"),
        ({"record_every": math.inf}, fa.ConfigError, "record_every must be a positive, finite"),
        ({"record_every": -1.0}, fa.ConfigError, "record_every must be a positive, finite number"),
    ],
)
def test_replay__refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        study(design=DESIGNS["grid"]).replay(**arguments)


def test_replay__of_a_table_has_no_point_of_mixed_values():
    with pytest.raises(fa.DesignError, match="no design point has these values"):
        study(design=DESIGNS["table"]).replay(point={"start": 0.1, "hit_rate": 0.1})


# --- simulate -------------------------------------------------------------------------------------


def test_simulate__one_replicate_is_that_of_many():
    many = fa.simulate(MODEL, replicates=9, seed=3, record_every=0.5)
    assert many["level_path"].dims == ("replicate", "time")
    for number in range(9):
        one = fa.simulate(MODEL, replicate=number, seed=3, record_every=0.5)
        for name in [*OUTPUTS, "level_path", "hits_path", "first_hit_path"]:
            np.testing.assert_array_equal(one[name].values[0], many[name].values[number])
        assert one["replicate"].values.tolist() == [number]


def test_simulate__is_point_0_of_a_study():
    ds = fa.simulate(MODEL, parameters={"hit_rate": 0.4}, replicates=12, seed=2**63 + 5)
    kept = study(parameters={"hit_rate": 0.4}, keep={"replicates": True}).run()
    for name in OUTPUTS:
        np.testing.assert_array_equal(ds[name].values, kept[name].values)


def test_simulate__labels_everything():
    ds = fa.simulate(MODEL, replicates=2, record_every=1.0)
    for name in ds.variables:
        assert {"units", "long_name", "description"} <= set(ds[name].attrs), name
    assert ds["time"].attrs["units"] == "month"
    assert ds.attrs["model"] == "small"
    assert ds.attrs["complete"] is True


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"replicates": 0}, "replicates must be a whole number from 1"),
        ({"replicates": None}, "replicates must be a whole number"),
        ({"replicates": 2.0}, "replicates must be a whole number"),
        ({"replicate": -1}, "replicate must be a whole number from 0"),
        ({"replicate": 0.5}, "replicate must be a whole number from 0"),
        ({"replicate": 1, "replicates": 2}, "give replicates, or the number of one replicate"),
        ({"seed": -1}, "seed must be a whole number from 0"),
        ({"record_every": 3.0}, "record_every must divide the horizon 4"),
        ({"horizon": 4.1}, "horizon must be a multiple of dt"),
        (
            {"replicates": 2**24, "dt": 0.25, "record_every": 0.25},
            "result would take .* GiB; simulate fewer",
        ),
    ],
)
def test_simulate__refuses(arguments, message):
    with pytest.raises(fa.ConfigError, match=message):
        fa.simulate(MODEL, **arguments)


def test_replay__members_on_request():
    made = fa.Study(
        "multiparty", structure={"slots": 6, "industries": 2}, replicates=4, seed=3, horizon=6.0
    )
    with_members = made.replay(replicate=2, record_every=2.0, members=True)
    assert with_members["member_trust_path"].dims == ("replicate", "member", "time")
    assert "exit_time" not in made.replay(replicate=2)
    simulated = fa.simulate(
        "multiparty",
        structure={"slots": 6, "industries": 2},
        replicate=2,
        seed=3,
        horizon=6.0,
        record_every=2.0,
        members=True,
    )
    for name in simulated.data_vars:
        np.testing.assert_array_equal(with_members[name].values, simulated[name].values)
    with pytest.raises(fa.ConfigError, match="members: dyad has no members"):
        fa.Study("dyad").replay(members=True)
