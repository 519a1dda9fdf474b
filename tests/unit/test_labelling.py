"""Results are labelled in groups of tiles; which go together changes no bit."""

import numpy as np
import pytest

import fastalliance as fa
from fastalliance.study import labels, results
from fastalliance.study.tiles import Tiling, cut

SHAPES = [
    ((7,), 3, 5),
    ((6, 5), 4, 9),
    ((3, 4, 5), 7, 5000),
    ((4, 100), 10, 3),
    ((), 1, 9),
    ((9, 10), 40, 9000),
    ((3, 7, 11), 23, 1),
]


class Packed:
    """Tiles whose values depend on their number alone, with zeros and missing values."""

    def __init__(self, tiling: Tiling, statistics) -> None:
        raw = (len(statistics.quantile_outputs), tiling.points_per_tile, tiling.replicates_per_tile)
        packed = (tiling.points_per_tile, statistics.n_columns)
        self.shapes = {labels.STATISTICS: packed, labels.RAW: raw}

    def read_packed(self, name: str, first: int, last: int) -> np.ndarray:
        return np.array([self._tile(name, tile) for tile in range(first, last)])

    def _tile(self, name: str, tile: int) -> np.ndarray:
        chance = np.random.default_rng([tile, len(name)])
        values = 3.0 * chance.random(self.shapes[name]).round(2)
        values[chance.random(values.shape) < 0.05] = 0.0
        values[chance.random(values.shape) < 0.01] = np.nan
        return values


def labelled(tiling, statistics, done=None) -> list[dict]:
    store = Packed(tiling, statistics)
    return list(results.final_slabs(tiling, statistics, store, done))


@pytest.mark.parametrize("quantiles", [(), (0.1, 0.5)])
@pytest.mark.parametrize(("shape", "points", "replicates"), SHAPES)
@pytest.mark.parametrize("lacks", [None, {1, 4}])
def test_groups__change_no_bit(monkeypatch, shape, points, replicates, quantiles, lacks):
    tiling = cut(shape, replicates, 480, points)
    statistics = fa.Study("dyad", statistics={"quantiles": list(quantiles)}).statistics(tiling)
    done = None if lacks is None else set(range(tiling.n_tiles)) - lacks
    together = labelled(tiling, statistics, done)
    monkeypatch.setattr(results, "_POINTS", 1)
    alone = labelled(tiling, statistics, done)
    for left, right in zip(together, alone, strict=True):
        assert left.keys() == right.keys()
        for name, (region, values) in left.items():
            assert region == right[name][0]
            assert values.shape == right[name][1].shape
            assert values.tobytes() == right[name][1].tobytes()


@pytest.mark.parametrize("replicates", [3, 9000])
def test_points__get_the_values_of_their_own_tiles(replicates):
    tiling = cut((6, 50), replicates, 480, 7)
    statistics = fa.Study("dyad").statistics(tiling)
    store = Packed(tiling, statistics)
    ((slab),) = labelled(tiling, statistics)
    for box in range(tiling.n_boxes):
        first = box * tiling.n_blocks
        tile = tiling.tile(first)
        blocks = store.read_packed(labels.STATISTICS, first, first + tiling.n_blocks)
        columns = statistics.merge(list(blocks[:, : tile.n_points]))
        for name, values in statistics.finish(columns).items():
            np.testing.assert_array_equal(slab[name][1][tile.region].ravel(), values)


def test_points__that_lack_a_tile_are_nan():
    tiling = cut((6, 50), 9000, 480, 7)
    assert tiling.n_blocks == 3
    statistics = fa.Study("dyad").statistics(tiling)
    ((slab),) = labelled(tiling, statistics, set(range(tiling.n_tiles)) - {4})
    values = slab["n_invalid"][1].ravel()
    lacking = tiling.tile(4)
    expected = np.zeros(300, dtype=bool)
    expected[lacking.first_point : lacking.first_point + lacking.n_points] = True
    whole = labelled(tiling, statistics)[0]["n_invalid"][1].ravel()
    np.testing.assert_array_equal(values, np.where(expected, np.nan, whole))
