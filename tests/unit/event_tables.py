"""What the tests of event histories share: tables of results, graphs, and what members saw."""

import dataclasses

import numpy as np
import pandas as pd
import xarray as xr

from fastalliance.analysis.events import EventTable

COLUMNS = [
    *("alliance", "replicate", "member", "industry", "period", "time", "at_risk", "exited"),
    *("centrality", "industry_exits", "alliance_exits", "uncertainty", "pressure"),
]

HARD = {"uncertainty_halflife": 6.0, "memory": 4.0, "tie_weight": 0.5, "base_hazard": 0.03}


@dataclasses.dataclass
class Graphs:
    """Neighbours in compressed rows."""

    indptr: np.ndarray
    indices: np.ndarray

    @classmethod
    def of(cls, adjacency: list[np.ndarray]) -> "Graphs":
        n = len(adjacency[0])
        bounds, entries = [], 0
        for graph in adjacency:
            bounds.append(entries + np.concatenate(([0], np.cumsum(graph.sum(axis=1)))))
            entries += int(graph.sum())
        indices = np.concatenate([np.nonzero(graph)[1] for graph in adjacency])
        assert bounds[-1].shape == (n + 1,)
        return cls(np.array(bounds), indices)


def random_graphs(n_graphs: int, n_members: int) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    graphs = []
    for _ in range(n_graphs):
        upper = np.triu(rng.random((n_members, n_members)) < 0.15, 1)
        upper[:, 0] = upper[0, :] = False  # a member without neighbours
        graphs.append(upper | upper.T)
    return graphs


def table(
    ds: xr.Dataset, *, neighbours: Graphs | None = None, max_rows: int = 2**18
) -> pd.DataFrame:
    events = EventTable.of(ds, neighbours=neighbours)
    parts = list(events.parts(max_rows))
    names = [column.name for column in events.columns]
    columns = [np.concatenate(cells) for cells in zip(*parts, strict=True)]
    for column, cells in zip(events.columns, columns, strict=True):
        assert cells.dtype == column.dtype
    return pd.DataFrame(dict(zip(names, columns, strict=True)))


def check_seen(found: pd.DataFrame, seen, *, ties: bool) -> None:
    names = {"pressure": "pressure", "industry_exits": "industry", "alliance_exits": "alliance"}
    if ties:
        names["tie_exits"] = "ties"
    for column, attribute in names.items():
        expected = [
            getattr(seen[alliance // 6, alliance % 6], attribute)[period, member]
            for alliance, period, member in zip(
                found["alliance"], found["period"], found["member"], strict=True
            )
        ]
        np.testing.assert_allclose(found[column], expected, rtol=1e-12, atol=1e-14)
        assert found[column].max() > 0.05
