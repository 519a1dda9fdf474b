"""How the compiled multiparty alliance is compared with its slow twin.

What is counted, timed or decided is equal exactly, for every slot; real numbers agree to 1e-9
relative or 1e-12 absolute. The two round differently, so a run that comes within 1e-11 of a
decision (pressure and threshold, hazard and draw, draw of an entry and its probability, scores of
the last seed and the next) could go either way: it is said so, rather than compared.
"""

from __future__ import annotations

import numpy as np

import fastalliance as fa
from tests.oracle import multiparty
from tests.oracle.multiparty_cases import Case

MODEL = "multiparty"
EXACT = (
    "collapsed",
    "collapse_time",
    "central_exits",
    "central_members",
    "peripheral_exits",
    "peripheral_members",
    "exit_time",
    "entry_time",
)
OF_MEMBERS = ("exit_time", "entry_time", "centrality", "capability")
PATHS = ("membership_path", "trust_path", "synergy_path")
MEMBER_PATHS = tuple(f"member_{name}_path" for name in multiparty.STATES)
RELATIVE, ABSOLUTE, NEAREST = 1e-9, 1e-12, 1e-11


def assert_same(name, compiled, twin):
    """Compare one output, exactly where it is counted, timed or decided."""
    compiled, twin = np.asarray(compiled, dtype=float), np.asarray(twin, dtype=float)
    if name in EXACT:
        np.testing.assert_array_equal(compiled, twin, err_msg=name)
    else:
        np.testing.assert_allclose(compiled, twin, RELATIVE, ABSOLUTE, err_msg=name)


def assert_replicate_is_twin(dataset, twin, *, nearest=NEAREST):
    """Compare every output of one replicate, those of its members, and its paths at every step."""
    assert twin["margin"] > nearest, "the run is too near to a decision to be compared"
    for name in multiparty.OUTPUTS:
        assert_same(name, dataset[name].item(), twin[name])
    for name in (*OF_MEMBERS, *PATHS):
        if name in dataset:
            assert dataset[name].dims == (("member",) if name in OF_MEMBERS else ("time",))
            assert_same(name, dataset[name].values, twin[name])
    for name in MEMBER_PATHS:
        if name in dataset:
            assert dataset[name].dims == ("member", "time")
            assert_same(name, dataset[name].values, np.transpose(twin[name]))


def assert_simulation_is_twin(case: Case, *, seed, replicates=3, nearest=NEAREST):
    """Run alone, with members and every path; return the twin's runs."""
    times = {"horizon": case.horizon, "dt": case.dt}
    dataset = fa.simulate(
        MODEL,
        parameters=case.parameters,
        structure=case.structure(),
        replicates=replicates,
        seed=seed,
        record_every=case.dt,
        members=True,
        **times,
    )
    assert {*OF_MEMBERS, *PATHS, *MEMBER_PATHS} <= set(dataset.data_vars)
    n = multiparty.n_steps(case.horizon, case.dt)
    np.testing.assert_array_equal(dataset["time"].values, [k * case.dt for k in range(n + 1)])
    industry = [i * case.industries // case.slots for i in range(case.slots)]
    np.testing.assert_array_equal(dataset["industry"].values, industry)
    twins = []
    for r in range(replicates):
        address = {"seed": seed, "instance": r}
        twins.append(multiparty.run(case.parameters, **address, **times, **case.structure()))
        assert_replicate_is_twin(dataset.isel(replicate=r), twins[r], nearest=nearest)
    return twins


def study_of(sets, structure, *, trajectories=None, **fields):
    """Return a study with one point per parameter set that keeps replicates and members."""
    table = {name: [parameters[name] for parameters in sets] for name in sets[0]}
    keep = {"replicates": True, "members": True}
    if trajectories is not None:
        keep |= {"trajectories": trajectories}
    return fa.Study(model=MODEL, structure=structure, design=fa.table(table), keep=keep, **fields)
