"""Designs: grids, tables, samples and CSV files, their numbering, and their refusals."""

import math

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import fastalliance as fa
from tests.unit.small_model import MODEL


def study(design, **options) -> fa.Study:
    return fa.Study(MODEL, design=design, **options)


def column(points: np.ndarray, name: str) -> list[float]:
    return points[:, [p.name for p in MODEL.parameters].index(name)].tolist()


# --- numbering ------------------------------------------------------------------------------------


def test_grid__numbers_points_in_c_order():
    grid = study(fa.grid(start=[1.0, 2.0, 3.0], members=[1, 2], target=[0.0, 5.0]))
    assert grid.design.dims == ("start", "members", "target")
    assert grid.design.shape == (3, 2, 2)
    points = grid.points(0, 12)
    assert column(points, "start") == [1.0] * 4 + [2.0] * 4 + [3.0] * 4
    assert column(points, "members") == [1.0, 1.0, 2.0, 2.0] * 3
    assert column(points, "target") == [0.0, 5.0] * 6
    assert column(points, "rate") == [0.5] * 12
    np.testing.assert_array_equal(grid.points(5, 3), points[5:8])


def test_table__keeps_rows_in_order():
    table = study(fa.table({"start": [3.0, 1.0, 3.0], "members": [1, 2, 3]}))
    assert table.design.dims == ("point",)
    points = table.points(0, 3)
    assert column(points, "start") == [3.0, 1.0, 3.0]
    assert column(points, "members") == [1.0, 2.0, 3.0]


def test_no_design__is_one_point():
    one = study(None)
    assert one.design.dims == ()
    assert one.design.n_points == 1
    assert column(one.points(0, 1), "halflife") == [math.inf]


# --- what counts as a list of values --------------------------------------------------------------

LISTS = [
    [1.0, 2.0],
    (1, 2),
    range(1, 3),
    np.array([1.0, 2.0]),
    np.array([1, 2], dtype=np.uint8),
    np.array([1.0, 2.0], dtype=np.float32),
    pd.Series([1.0, 2.0], index=["a", "b"]),
    xr.DataArray([1.0, 2.0], dims="start"),
    [np.float64(1.0), np.int64(2)],
]


@pytest.mark.parametrize("values", LISTS, ids=lambda values: type(values).__name__)
def test_grid__takes_lists_of_all_kinds(values):
    coordinate = study(fa.grid(start=values)).coordinates["start"]
    assert coordinate.dtype == np.float64
    assert coordinate.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "values",
    [0.5, "12", b"12", None, {1.0, 2.0}, {1.0: 2.0}, (x for x in (1.0, 2.0)), np.float64(1.0)],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("make", [lambda v: fa.grid(start=v), lambda v: fa.table({"start": v})])
def test_values__that_are_no_list_are_refused(values, make):
    with pytest.raises(fa.DesignError, match=r"design\.(grid|table)\.start must be a list of val"):
        make(values)


@pytest.mark.parametrize("values", [[[1.0, 2.0], [3.0, 4.0]], [[1.0], [2.0, 3]], np.zeros((2, 2))])
def test_values__of_more_dimensions_are_refused(values):
    with pytest.raises((fa.DesignError, fa.ParameterError), match=r"start(\[0\] .*)? must be"):
        study(fa.grid(start=values))


def test_values__that_are_masked_are_refused():
    with pytest.raises(fa.DesignError, match=r"design\.grid\.start holds masked values"):
        fa.grid(start=np.ma.array([1.0, 2.0], mask=[False, True]))
    assert fa.grid(start=np.ma.array([1.0, 2.0])).n_points == 2


def test_choices__by_name_or_code():
    for values in (["wild", "calm"], np.array(["wild", "calm"]), [5, 0], np.array([5, 0])):
        assert study(fa.grid(mode=values)).coordinates["mode"].tolist() == [5.0, 0.0]
    for values, bad in ((["wild", "clam"], "clam"), ([5, 2], "2"), ([5, True], "True")):
        with pytest.raises(fa.ParameterError, match=rf"mode\[1\].*must be one of calm.*{bad}"):
            study(fa.grid(mode=values))


# --- refusals -------------------------------------------------------------------------------------

REFUSED = [
    ("empty", {"start": []}, fa.DesignError, r"design\.grid\.start is empty"),
    ("repeated", {"start": [1.0, 2.0, 1.0]}, fa.DesignError, r"start holds 1 more than once"),
    ("repeated zero", {"start": [0.0, -0.0]}, fa.DesignError, r"start holds .?0 more than once"),
    ("nan", {"start": [1.0, math.nan]}, fa.ParameterError, r"start\[1\] .*got nan"),
    ("inf", {"start": [1.0, math.inf]}, fa.ParameterError, r"start\[1\] .*-10\.\.10.*got inf"),
    ("inf in nowhere", {"target": [math.inf]}, fa.ParameterError, r"target\[0\] .*finite"),
    ("below", {"start": [0.0, -11.0]}, fa.ParameterError, r"start\[1\] .*-10\.\.10 value, got -11"),
    ("above", {"start": [0.0, 11.0]}, fa.ParameterError, r"start\[1\] .*got 11"),
    ("exclusive", {"scale": [1.0, 0.0]}, fa.ParameterError, r"scale\[1\] .*> 0, got 0"),
    ("fraction", {"members": [1, 2.5]}, fa.ParameterError, r"members\[1\] .*whole number.*2\.5"),
    ("a truth", {"start": [0.5, True]}, fa.ParameterError, r"start\[1\] .*a number, got True"),
    ("beyond", {"target": [1, 10**400]}, fa.ParameterError, r"target\[1\] .*beyond double prec"),
    ("truth", {"start": [True, False]}, fa.ParameterError, r"start\[0\] .*a number, got True"),
    ("text", {"start": [1.0, "1"]}, fa.ParameterError, r"start\[1\] .*must be a number"),
    ("missing", {"start": [1.0, None]}, fa.ParameterError, r"start\[1\] .*must be a number"),
    ("unknown", {"strat": [1.0]}, fa.ParameterError, r"small has no parameter 'strat'.*'start'"),
]


@pytest.mark.parametrize(
    ("axes", "error", "message"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_grid__refuses(axes, error, message):
    with pytest.raises(error, match=message):
        study(fa.grid(**axes))


def test_infinity__is_a_value_where_the_parameter_says_so():
    assert study(fa.grid(halflife=[1.0, math.inf])).coordinates["halflife"][1] == math.inf


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, "design.table is empty"),
        ({"start": []}, "design.table is empty"),
        ({"start": [1.0], "members": [1, 2]}, "equally long, got start 1, members 2"),
        ([{"start": 1.0}], "must be a mapping of columns or a DataFrame, got list"),
        (np.zeros((2, 2)), "must be a mapping of columns or a DataFrame, got ndarray"),
        ({0: [1.0]}, "a column's name must be text, got 0"),
    ],
)
def test_table__refuses(columns, message):
    with pytest.raises(fa.DesignError, match=message):
        fa.table(columns)


def test_table__of_a_data_frame():
    frame = pd.DataFrame({"start": [1.0, 2.0], "mode": ["calm", "wild"]}, index=[7, 9])
    coordinates = study(fa.table(frame)).coordinates
    assert coordinates["start"].tolist() == [1.0, 2.0]
    assert coordinates["mode"].tolist() == [0.0, 5.0]


def test_table__of_a_data_frame_with_a_hole_or_a_column_twice():
    hole = pd.DataFrame({"start": [1.0, None]})
    with pytest.raises(fa.ParameterError, match=r"design\.table\.start\[1\] .*got nan"):
        study(fa.table(hole))
    twice = pd.DataFrame([[1.0, 2.0]], columns=["start", "start"])
    with pytest.raises(fa.DesignError, match="names the column 'start' twice"):
        fa.table(twice)


# --- CSV ------------------------------------------------------------------------------------------


def from_csv(tmp_path, text: str | bytes) -> fa.Study:
    path = tmp_path / "points.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return study({"table": str(path)})


@pytest.mark.parametrize(
    "text",
    [
        "start,members,mode\n1.5,2,calm\n2.5,3,wild\n",
        "\ufeffstart, members ,mode\r\n1.5,2,calm\r\n\r\n2.5, 3 , wild\r\n",
        'start,"members",mode\n"1.5",2,"calm"\n2.5,3,wild',
    ],
    ids=["plain", "excel", "quoted"],
)
def test_csv__is_read(tmp_path, text):
    coordinates = from_csv(tmp_path, text).coordinates
    assert {name: values.tolist() for name, values in coordinates.items()} == {
        "start": [1.5, 2.5],
        "members": [2.0, 3.0],
        "mode": [0.0, 5.0],
    }


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", fa.DesignError, "has no rows below its header"),
        ("start\n", fa.DesignError, "has no rows below its header"),
        ("start,members\n1,2\n\n1\n", fa.DesignError, "line 4 has 1 cells, the header 2"),
        ("start,members\n1,2,3\n", fa.DesignError, "line 2 has 3 cells, the header 2"),
        ("start,start\n1,2\n", fa.DesignError, "names a column twice"),
        ("start\n1\nx\n", fa.ParameterError, r"start\[1\] .*must be a number, got 'x'"),
        ("start\n1_0\n", fa.ParameterError, r"start\[0\] .*must be a number, got '1_0'"),
        ("start\nnan\n", fa.ParameterError, r"start\[0\] .*got nan"),
        ("start,members\n1,\n", fa.ParameterError, r"members\[0\] .*must be a number, got ''"),
        ("strat\n1\n", fa.ParameterError, "did you mean 'start'"),
        (b"start\n\xff\n", fa.DesignError, "cannot read"),
    ],
)
def test_csv__refuses(tmp_path, text, error, message):
    with pytest.raises(error, match=message):
        from_csv(tmp_path, text)


def test_csv__that_is_not_there(tmp_path):
    with pytest.raises(fa.DesignError, match=r"cannot read .*nothing\.csv"):
        study({"table": str(tmp_path / "nothing.csv")})
    with pytest.raises(fa.DesignError, match="cannot read"):
        study({"table": str(tmp_path)})
