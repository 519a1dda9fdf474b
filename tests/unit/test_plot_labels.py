"""The words on pictures: values with their units, in the form of the axes."""

from __future__ import annotations

import pytest
import xarray as xr

from fastalliance.plotting.labels import fixed_note, label, value_of


def coordinate(name: str, value: float, **attrs: object) -> xr.DataArray:
    return xr.DataArray(value, name=name, attrs=attrs)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (coordinate("initial_trust", 0.6, units="1"), "initial trust 0.6"),
        (coordinate("initial_trust", 1 / 3), "initial trust 0.3333"),
        (coordinate("entry_rate", 0.1, units="1/month"), "entry rate 0.1 [1/month]"),
        (
            coordinate("seed_time", 3, units="month", long_name="time of the forced exit"),
            "time of the forced exit 3 [month]",
        ),
        (coordinate("trust_noise", 0.2, units="month^-1/2"), "trust noise 0.2 [month^-1/2]"),
        (coordinate("fee", 2, units="$"), r"fee 2 [\$]"),
        (coordinate("rule", 1, flag_values=[0.0, 1.0], flag_meanings="off on"), "rule on"),
    ],
)
def test_values__have_their_units_in_brackets_as_axes_have(found: xr.DataArray, text: str) -> None:
    assert value_of(found) == text
    unit = label(found).partition(" [")[2]
    assert value_of(found).partition(" [")[2] == unit
    assert fixed_note({"a": found, "b": found}) == f"at {text}, {text}"
