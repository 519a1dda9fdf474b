"""How the compiled exit cascade is compared with its slow twin.

What is counted, timed or decided is equal exactly, for every member; real numbers agree to 1e-9
relative. The two round differently, so a run that comes within 1e-11 of a decision could go either
way; that none does is checked along with the rest (ties lie 1e-9 inside, by the page's tolerance).
"""

from __future__ import annotations

import numpy as np

import fastalliance as fa
from tests.oracle import exit_cascade

MODEL = "exit_cascade"
REAL = ("exit_share", "cascade_share", "central_exit_share", "centrality")
COMPARED = (*exit_cascade.OUTPUTS, "exit_time", "centrality")
RELATIVE, SUBNORMAL, NEAREST = 1e-9, 1e-300, 1e-11

# Everything on at once, in a regime in which some alliances fall and others stand.
LIVELY = {
    "uncertainty": 1.1,
    "uncertainty_halflife": 60.0,
    "industry_weight": 0.6,
    "alliance_weight": 0.5,
    "tie_weight": 0.4,
    "immunity": 0.4,
    "centrality_skew": 2.5,
    "prominence_weight": 1.7,
    "threshold_mean": 0.4,
    "threshold_sd": 0.15,
    "base_hazard": 0.012,
    "imitation": 2.2,
    "memory": 30.0,
    "seed_exits": 1,
    "seed_rule": 0.3,
    "collapse_share": 0.4,
}


def assert_replicate_is_twin(dataset, twin):
    """Compare every output of one replicate, and those of its members where they are kept."""
    assert twin["margin"] > NEAREST
    for name in COMPARED:
        if name not in dataset:
            assert name in ("exit_time", "centrality")
            continue
        compiled, expected = dataset[name].values, np.asarray(twin[name], dtype=float)
        if name in REAL:
            np.testing.assert_allclose(compiled, expected, RELATIVE, SUBNORMAL, err_msg=name)
        else:
            np.testing.assert_array_equal(compiled, expected, err_msg=name)


def assert_simulation_is_twin(parameters, alliance, *, seed, replicates=3, horizon=48.0, dt=1.0):
    """Run alone, with members and the path of exits; return the twin's runs."""
    dataset = fa.simulate(
        MODEL,
        parameters=parameters,
        structure=alliance.structure(),
        replicates=replicates,
        seed=seed,
        horizon=horizon,
        dt=dt,
        record_every=dt,
        members=True,
    )
    twins = []
    for r in range(replicates):
        address = {"seed": seed, "instance": r, "horizon": horizon, "dt": dt}
        twins.append(exit_cascade.simulate(parameters, **address, **alliance.twin()))
        here = dataset.isel(replicate=r)
        assert here["exit_time"].dims == here["centrality"].dims == ("member",)
        assert here["exits_path"].dims == ("time",)
        np.testing.assert_array_equal(here["exits_path"].values, twins[r]["exits_path"])
        assert_replicate_is_twin(here, twins[r])
    np.testing.assert_array_equal(
        dataset["time"].values, [k * dt for k in range(dataset.sizes["time"])]
    )
    return twins


def study_of(sets, alliance, **fields):
    """Return a study with one point per parameter set that keeps replicates and members."""
    table = {name: [parameters[name] for parameters in sets] for name in sets[0]}
    keep = {"replicates": True, "members": True}
    structure = alliance.structure()
    return fa.Study(model=MODEL, structure=structure, design=fa.table(table), keep=keep, **fields)
