"""Results for other programs: NetCDF with everything, Parquet and CSV as tidy tables.

A tidy table has one row per design point (or per point and kept replicate) in C order of the
design, one column per varied parameter and per statistic; quantiles are columns such as
``joint_value_quantile_0.05``, choices and categories are named, and what is missing is empty. An
event table has one row per alliance, member and period at risk (`fastalliance.analysis.events`).
Units and provenance lie in Parquet's metadata, and beside a CSV in ``<name>.csv.json``.
"""

from __future__ import annotations

import contextlib
import csv
import importlib.util
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from fastalliance.analysis import names_of_codes
from fastalliance.analysis.events import EventTable
from fastalliance.analysis.exposure import Neighbours
from fastalliance.analysis.regions import regions
from fastalliance.errors import ConfigError, DesignError, FastAllianceError, exact

if TYPE_CHECKING:
    import xarray as xr

# Packages that write each format, all of the extra `export`.
_NEEDS = {".nc": ("h5netcdf", "h5py"), ".parquet": ("pyarrow",), ".csv": ()}
SUFFIXES = tuple(_NEEDS)
_REPLICATE, _QUANTILE = "replicate", "quantile"
_MAX_ROWS = 2**16  # rows of a table that are in memory at a time

Cells = npt.NDArray[Any]


def export(
    ds: xr.Dataset,
    path: str | os.PathLike[str],
    *,
    replicates: bool = False,
    events: bool = False,
    neighbours: Neighbours | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write a result for other programs.

    The file appears whole or not at all: it is written under another name beside it and renamed.

    Parameters
    ----------
    ds : Dataset
        As :func:`fastalliance.open` or ``Study.run`` return it.
    path : path
        Ends in ``.nc`` (everything, as it is), ``.parquet`` or ``.csv`` (a tidy table).
    replicates : bool
        A table of the kept replicates, one row per point and replicate, instead of the statistics.
    events : bool
        The person-period table of an exit model's members instead, written as it is computed.
    neighbours : Neighbours, optional
        For `events`: the graphs that tie the members, where a network is part of the model.
    overwrite : bool
        Replace an existing file.

    Returns
    -------
    list of Path
        The files that were written.

    Raises
    ------
    ConfigError
        The path has another suffix, or exists, or a package that writes it is missing.
    DesignError
        The result has no such table.
    FastAllianceError
        The file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import fastalliance as fa
    >>> ds = fa.Study("dyad", design=fa.grid(initial_trust=[0.4, 0.6]), replicates=10).run()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table, about = export(ds, pathlib.Path(folder) / "result.csv")
    ...     print(len(table.read_text().splitlines()))
    3
    """
    target = check_target(path, overwrite=overwrite, events=events)
    if events and replicates:
        raise ConfigError("an export is a table of replicates or of events, not both")
    if target.suffix == ".nc":
        if replicates:
            raise ConfigError("a NetCDF file holds replicates and statistics alike; leave that out")
        with _replacing(target) as file:
            _write_netcdf(ds, file)
        return [target]
    table: _Rows
    if events:
        table = EventTable.of(ds, neighbours=neighbours)
    else:
        table = _Table.of(ds, replicates=replicates)
    if target.suffix == ".parquet":
        with _replacing(target) as file:
            _write_parquet(table, ds.attrs, file)
        return [target]
    about = _beside(target)
    with _replacing(target) as file, _replacing(about) as beside:
        _write_csv(table, file)
        _write_about(table, ds.attrs, beside)
    return [target, about]


def check_target(
    path: str | os.PathLike[str], *, overwrite: bool = False, events: bool = False
) -> Path:
    """Return `path` if a result can be exported under that name.

    Raises
    ------
    ConfigError
        The suffix is none of `SUFFIXES`, a package that writes it is not installed, or something
        exists there that may not be replaced.
    """
    target = Path(path)
    if target.suffix not in SUFFIXES:
        got = f"{target.suffix!r} in {str(target)!r}" if target.suffix else repr(str(target))
        raise ConfigError(f"an export's file name must end in {', '.join(SUFFIXES)}, got {got}")
    if events and target.suffix == ".nc":
        raise ConfigError(
            f"events are a table: its file name must end in .parquet or .csv, got {str(target)!r}"
        )
    missing = [name for name in _NEEDS[target.suffix] if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"writing {target.suffix} needs {', '.join(missing)}: "
            'pip install "fastalliance[export]"'
        )
    for file in [target, _beside(target)] if target.suffix == ".csv" else [target]:
        if file.is_dir():
            raise ConfigError(f"{str(file)!r} is a directory, not a file to write")
        if file.exists() and not overwrite:
            raise ConfigError(f"{str(file)!r} exists; replace it with --overwrite (overwrite=True)")
    return target


def _beside(target: Path) -> Path:
    """Return where units and provenance of a CSV file go."""
    return target.with_name(f"{target.name}.json")


@contextlib.contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target` that takes its name in the end."""
    real = target.resolve()
    temporary = real.with_name(f".{real.name}.{secrets.token_hex(8)}.tmp")
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, real)
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())  # HDF5's takes several lines
        raise FastAllianceError(f"cannot write {str(target)!r}: {reason}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


class _Described(Protocol):
    """A column of any table: its name, type, attributes, and names of codes or none."""

    @property
    def name(self) -> str: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def attrs(self) -> Mapping[str, Any]: ...
    @property
    def names(self) -> Mapping[float, str]: ...


class _Rows(Protocol):
    """A table that is written: its columns, and their cells some rows at a time."""

    @property
    def columns(self) -> Sequence[_Described]: ...
    def parts(self) -> Iterator[list[Cells]]: ...


@dataclass(frozen=True)
class _Column:
    """A column of a tidy table.

    Attributes
    ----------
    name : str
    variable : DataArray
        Over some of the table's dimensions, in their order.
    names : dict of float to str
        Names of the codes of a choice or category; empty for numbers.
    """

    name: str
    variable: xr.DataArray
    names: Mapping[float, str]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return np.dtype(self.variable.dtype)

    @property
    def attrs(self) -> dict[str, Any]:
        """Unit, long name, description."""
        return {str(key): value for key, value in self.variable.attrs.items()}

    def cells(self, dims: Sequence[str], region: Sequence[slice], shape: Sequence[int]) -> Cells:
        """Return the values in a region of the table's dimensions, one per row."""
        own = [str(dim) for dim in self.variable.dims]
        part = self.variable[tuple(region[dims.index(dim)] for dim in own)].values
        spread = [n if dim in own else 1 for dim, n in zip(dims, shape, strict=True)]
        return np.broadcast_to(part.reshape(spread), shape).ravel()


@dataclass(frozen=True)
class _Table:
    """Rows over some dimensions of a dataset, in C order."""

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    columns: tuple[_Column, ...]

    @classmethod
    def of(cls, ds: xr.Dataset, *, replicates: bool) -> _Table:
        """Return the table of a result's statistics, or of its kept replicates."""
        dims = tuple(str(dim) for dim in ds["n_invalid"].dims)
        variables = _replicates(ds, dims) if replicates else _statistics(ds, dims)
        if replicates:
            dims = (*dims, _REPLICATE)
        index = [
            (str(name), coordinate)
            for name, coordinate in ds.coords.items()
            if set(coordinate.dims) <= set(dims)
        ]
        order = [*dims, *(name for name, _ in index if name not in dims)]
        index.sort(key=lambda item: order.index(item[0]))
        columns = tuple(
            _Column(
                name,
                variable.transpose(*(d for d in dims if d in variable.dims)),
                names_of_codes(variable),
            )
            for name, variable in [*index, *variables]
        )
        return cls(dims, tuple(ds.sizes[dim] for dim in dims), columns)

    def parts(self) -> Iterator[list[Cells]]:
        """Yield the columns' cells, so many rows at a time as memory should hold."""
        for region in regions(self.shape, _MAX_ROWS):
            shape = tuple(
                len(range(*s.indices(n))) for s, n in zip(region, self.shape, strict=True)
            )
            yield [column.cells(self.dims, region, shape) for column in self.columns]


def _statistics(ds: xr.Dataset, dims: tuple[str, ...]) -> list[tuple[str, xr.DataArray]]:
    found: list[tuple[str, xr.DataArray]] = []
    for key, variable in ds.data_vars.items():
        name = str(key)
        if set(variable.dims) == set(dims):
            found.append((name, variable))
        elif set(variable.dims) == {*dims, _QUANTILE}:
            for i, share in enumerate(ds[_QUANTILE].values):
                found.append((f"{name}_{exact(share)}", variable.isel({_QUANTILE: i}, drop=True)))
    if not [name for name, _ in found if name != "n_invalid"]:
        raise DesignError("the result has no statistics; export its replicates")
    return found


def _replicates(ds: xr.Dataset, dims: tuple[str, ...]) -> list[tuple[str, xr.DataArray]]:
    wanted = {*dims, _REPLICATE}
    found = [(str(n), v) for n, v in ds.data_vars.items() if set(v.dims) == wanted]
    if not found:
        raise DesignError(
            "the result holds no replicates; run the study with keep.replicates: true"
        )
    return found


def _write_csv(table: _Rows, path: Path) -> None:
    with path.open("x", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([column.name for column in table.columns])
        texts = [_text_of(column) for column in table.columns]
        for part in table.parts():
            columns = [map(text, cells.tolist()) for text, cells in zip(texts, part, strict=True)]
            writer.writerows(zip(*columns, strict=True))


def _text_of(column: _Described) -> Callable[[float], str]:
    """Return how a column's cells are written: names, or the shortest text of the same number."""
    names = column.names

    def text(value: float) -> str:
        if value != value:
            return ""
        return names.get(value) or repr(value).removesuffix(".0")

    return text


def _write_about(table: _Rows, attrs: Mapping[str, Any], path: Path) -> None:
    columns = {column.name: dict(column.attrs) for column in table.columns}
    about = {"columns": columns, "attributes": dict(attrs)}
    path.write_text(json.dumps(about, indent=1, default=_plain) + "\n", encoding="utf-8")


def _write_parquet(table: _Rows, attrs: Mapping[str, Any], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = [
        pa.field(
            column.name,
            pa.string() if column.names else pa.from_numpy_dtype(column.dtype),
            metadata={str(k): _as_text(v) for k, v in column.attrs.items()},
        )
        for column in table.columns
    ]
    metadata = {"fastalliance": json.dumps(dict(attrs), default=_plain)}
    schema = pa.schema(fields, metadata=metadata)
    with pq.ParquetWriter(path, schema) as writer:
        for part in table.parts():
            arrays = [
                pa.array(_named(column, cells), type=field.type, from_pandas=True)
                for column, cells, field in zip(table.columns, part, fields, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _named(column: _Described, cells: Cells) -> Cells | npt.NDArray[np.object_]:
    """Return the cells, codes replaced by their names: one text per code, not one per row."""
    if not column.names:
        return cells
    codes, positions = np.unique(cells, return_inverse=True)
    text = _text_of(column)
    return np.array([text(code) or None for code in codes.tolist()], dtype=object)[positions]


def _write_netcdf(ds: xr.Dataset, path: Path) -> None:
    plain = ds.drop_encoding()
    plain.attrs = {key: _netcdf_value(value) for key, value in ds.attrs.items()}
    for name in plain.variables:
        variable = plain[name]
        variable.attrs = {key: _netcdf_value(value) for key, value in variable.attrs.items()}
    plain.to_netcdf(path, engine="h5netcdf")


def _netcdf_value(value: Any) -> Any:
    """Return an attribute as NetCDF can hold it: numbers, lists of them, text; else JSON."""
    if isinstance(value, str | np.ndarray | np.number):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, list) and value and all(type(item) in (int, float) for item in value):
        return value
    return json.dumps(value, default=_plain)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=_plain)


def _plain(value: Any) -> Any:
    """Return the plain counterpart of a NumPy value, for JSON."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no place in JSON")
