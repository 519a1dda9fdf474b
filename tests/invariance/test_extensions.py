"""What a study of populations had before stays when it grows; `test_bits.py` has the dyad's."""

from __future__ import annotations

import numpy as np
import pytest

import fastalliance as fa
from tests.invariance.studies import STUDIES

NAMES = [name for name in STUDIES if name != "dyad"]
FIRST_AXIS = {"exit_cascade": "uncertainty", "multiparty": "entry_rate"}


def outputs(name: str) -> list[str]:
    return [output.name for output in STUDIES[name]().model.output_variables]


@pytest.mark.parametrize("name", NAMES)
def test_bits__more_replicates_keep_the_first(name: str) -> None:
    few, more = (STUDIES[name](replicates=n, keep={"replicates": True}).run() for n in (20, 50))
    for output in outputs(name):
        kept = more[output].isel(replicate=slice(20)).values
        np.testing.assert_array_equal(few[output].values, kept, err_msg=output)


@pytest.mark.parametrize("name", NAMES)
def test_bits__longer_first_axis_or_table_keeps_old_points(name: str) -> None:
    axis = FIRST_AXIS[name.partition(",")[0]]
    values = [0.3, 0.1, 0.7, 0.2]
    for design in (lambda n: fa.grid(**{axis: values[:n]}), lambda n: fa.table({axis: values[:n]})):
        kept = {"replicates": 20, "keep": {"replicates": True}}
        short, long = (STUDIES[name](design=design(n), **kept).run() for n in (2, 4))
        for output in outputs(name):
            before, after = short[output].values, long[output].values[:2]
            np.testing.assert_array_equal(before, after, err_msg=output)
        assert any(
            (long[output].values[2] != long[output].values[3]).any() for output in outputs(name)
        )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("changes", [{"keep": {}}, {"statistics": {}}], ids=str)
def test_bits__options_leave_the_rest_alone(name: str, changes: dict[str, object]) -> None:
    full, less = STUDIES[name]().run(), STUDIES[name](**changes).run()
    assert set(less.data_vars) < set(full.data_vars)
    for variable in less.data_vars:
        values = less[variable].values, full[variable].values
        np.testing.assert_array_equal(*values, err_msg=str(variable))
