"""Opening a store as a dataset: a finished one lazily, an unfinished one as far as it goes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from fastalliance.errors import StoreError
from fastalliance.store import StoreHandle, read
from fastalliance.study import labels
from fastalliance.study.checks import path_text, warn
from fastalliance.study.results import final_slabs
from fastalliance.study.statistics import Statistics
from fastalliance.study.tiles import Tiling

if TYPE_CHECKING:
    import xarray as xr


def open(store: str | os.PathLike[str], *, chunks: Any = None) -> xr.Dataset:
    """Open a store of a study as a lazy dataset.

    Every chunk's checksum is verified as it is read. An unfinished store opens with a warning;
    ``ds.attrs["complete"]`` is False then and points that are not done are NaN.

    Parameters
    ----------
    store : path
        The store; it need not be finished.
    chunks : optional
        As in :func:`xarray.open_zarr`; ``"auto"`` gives dask arrays.

    Returns
    -------
    xarray.Dataset
        Dimensions as the design's.

    Raises
    ------
    StoreError
        No store, a newer format, an array or codec that fastalliance does not write, or damage.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import fastalliance as fa
    >>> folder = tempfile.TemporaryDirectory()
    >>> store = pathlib.Path(folder.name) / "run.zarr"
    >>> _ = fa.Study("dyad", replicates=10).run(store=store)
    >>> int(open(store)["success_count"])
    10
    >>> folder.cleanup()
    """
    return dataset(path_text(store, "store"), chunks)


def dataset(store: str, chunks: Any = None, *, quiet: bool = False) -> xr.Dataset:
    """Return a store's dataset; `quiet`: without a warning where it is unfinished."""
    handle = read(store)
    ds = _lazy(handle, chunks)
    if handle.complete:
        return _in_order(handle, ds)
    try:
        partial = _partial(handle)
    except StoreError:
        if not read(store).complete:
            raise
        return dataset(store, chunks, quiet=quiet)  # another process has just finished it
    done, total = len(handle.rows), handle.n_tiles
    if not quiet:
        warn(
            f"{handle.path} is unfinished: {done} of {total} tiles are done, points of the others "
            "are NaN; run the study again to resume it"
        )
    ds.attrs.update(tiles_done=done, n_tiles=total)
    return _in_order(handle, ds.assign(partial))


def _lazy(handle: StoreHandle, chunks: Any) -> xr.Dataset:
    import xarray as xr

    ds: xr.Dataset = xr.open_zarr(handle.zarr_store(), consolidated=False, chunks=chunks)
    ds.attrs = {**handle.attrs, "complete": handle.complete}
    return ds


def _attribute(handle: StoreHandle, name: str) -> Any:
    if name not in handle.attrs:
        raise StoreError(f"{handle.path} is damaged: its attributes lack {name!r}")
    return handle.attrs[name]


def _statistics(handle: StoreHandle, tiling: Tiling) -> Statistics:
    quantiles = _attribute(handle, "configuration").get("statistics", {}).get("quantiles", ())
    return labels.statistics_from(_attribute(handle, "outputs"), quantiles, tiling.n_blocks)


def _in_order(handle: StoreHandle, ds: xr.Dataset) -> xr.Dataset:
    """Return the variables in the model's order; a directory lists them in any."""
    names = [str(name) for name in ds.data_vars]
    return ds[labels.ordered(_attribute(handle, "outputs"), names)]


def _partial(handle: StoreHandle) -> dict[str, tuple[tuple[str, ...], Any, dict[str, Any]]]:
    """Return the statistics of the points that are done."""
    tiling = Tiling.from_plain(_attribute(handle, "tiling"))
    statistics = _statistics(handle, tiling)
    dims = tuple(_attribute(handle, "tiling")["dims"])
    specs = {v.name: labels.final_spec(v, tiling, dims) for v in statistics.variables()}
    arrays = {name: labels.empty(spec) for name, spec in specs.items()}
    for slab in final_slabs(tiling, statistics, handle, set(handle.rows)):
        for name, (region, values) in slab.items():
            arrays[name][region] = values
    return {name: (spec.dims, arrays[name], spec.attrs) for name, spec in specs.items()}
