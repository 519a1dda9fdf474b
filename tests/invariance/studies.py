"""A small study of each model, with all that a study can keep, and the digest of a result."""

from __future__ import annotations

import hashlib

import networkx as nx
import numpy as np
import xarray as xr

import fastalliance as fa


def digest(ds: xr.Dataset) -> str:
    """Return a SHA-256 of all decoded values.

    Coordinates that label none of them, as the ties of a network, are not shown of a store.
    """
    sha = hashlib.sha256()
    dims = {dim for name in ds.data_vars for dim in ds[name].dims}
    names = [str(name) for name in ds.variables if dims.issuperset(ds[name].dims)]
    for name in sorted(names):
        values = np.ascontiguousarray(ds[name].values)
        sha.update(f"{name} {values.dtype} {values.shape}".encode())
        sha.update(np.where(np.isnan(values), np.nan, values).tobytes())
    return sha.hexdigest()


def dyad(**changes) -> fa.Study:
    fields = {
        "model": "dyad",
        "parameters": {"incident_rate": 0.02},
        "design": fa.grid(
            initial_trust=np.linspace(0.3, 0.8, 5), trust_noise=[0.0, 0.1], value_share=[0.4, 0.5]
        ),
        "replicates": 150,
        "seed": 2**63 + 11,
        "horizon": 12.0,
        "statistics": {"quantiles": [0.1, 0.5]},
        "keep": {"replicates": True, "trajectories": {"every": 3.0, "replicates": 2}},
    }
    return fa.Study(**{**fields, **changes})


def exit_cascade(**changes) -> fa.Study:
    fields = {
        "model": "exit_cascade",
        "design": fa.grid(uncertainty=[0.9, 1.1], immunity=[0.0, 0.5, 1.0]),
        "structure": {"members": 40, "industries": 4},
        "replicates": 300,
        "seed": 12,
        "keep": {"members": True, "replicates": True},
        "statistics": {"quantiles": [0.5]},
    }
    return fa.Study(**{**fields, **changes})


def networked(**changes) -> fa.Study:
    """Return a study of exits over the ties of a given graph; central members by betweenness."""
    fields = {
        "structure": {"network": nx.barabasi_albert_graph(40, 2, seed=5), "industries": 4},
        "parameters": {"tie_weight": 0.5},
        "replicates": 60,
    }
    return exit_cascade(**{**fields, **changes})


def multiparty(**changes) -> fa.Study:
    fields = {
        "model": "multiparty",
        "design": fa.grid(
            entry_rate=[0.0, 0.1], trust_noise=[0.0, 0.1], initial_trust=[0.55, 0.6, 0.7]
        ),
        "parameters": {"seed_exits": 2, "initial_share": 0.75},
        "structure": {"slots": 20, "industries": 4},
        "replicates": 100,
        "seed": 2**63 + 12,
        "horizon": 24.0,
        "keep": {
            "members": True,
            "replicates": True,
            "trajectories": {"every": 6.0, "replicates": 7},
        },
        "statistics": {"quantiles": [0.5]},
    }
    return fa.Study(**{**fields, **changes})


STUDIES = {
    "dyad": dyad,
    "exit_cascade": exit_cascade,
    "exit_cascade, network": networked,
    "multiparty": multiparty,
}
