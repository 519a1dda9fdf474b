"""Tiles cut points times replicates into boxes times blocks: each exactly once, none too large."""

import math
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fastalliance.study import labels, tiles
from fastalliance.study.tiles import BLOCK, Tiling, cut

shapes = st.lists(st.integers(1, 13), max_size=4).map(tuple)
sizes = st.one_of(st.none(), st.integers(1, 200))
replicates = st.integers(1, 3 * BLOCK)
steps = st.integers(1, 10**6)


@settings(max_examples=200, deadline=None)
@given(shapes, replicates, steps, sizes)
@example((), 1, 1, None)
@example((7,), BLOCK, 480, 3)
@example((2, 3), BLOCK + 1, 480, 4)
def test_tiles__cover_points_and_replicates_exactly_once(shape, n, n_steps, size):
    tiling = cut(shape, n, n_steps, size)
    seen = np.zeros((math.prod(shape), tiling.n_blocks), dtype=int)
    for number, tile in enumerate(tiling):
        assert tile.number == number
        assert tile.block * BLOCK == tile.first_replicate == tile.replicates.start
        assert tile.replicates.stop - tile.replicates.start == tile.n_replicates
        assert 1 <= tile.n_replicates <= BLOCK
        seen[tile.first_point : tile.first_point + tile.n_points, tile.block] += 1
    assert number + 1 == tiling.n_tiles == tiling.n_boxes * tiling.n_blocks
    assert (seen == 1).all()
    blocks = [tiling.tile(i).n_replicates for i in range(tiling.n_blocks)]
    assert sum(blocks) == n
    assert blocks[:-1] == [BLOCK] * (len(blocks) - 1)


@settings(max_examples=200, deadline=None)
@given(shapes, replicates, steps, sizes)
def test_tiles__region_holds_the_points_of_the_tile_in_c_order(shape, n, n_steps, size):
    numbers = np.arange(math.prod(shape)).reshape(shape)
    for tile in cut(shape, n, n_steps, size):
        region = numbers[tile.region].ravel()
        expected = np.arange(tile.first_point, tile.first_point + tile.n_points)
        np.testing.assert_array_equal(region, expected)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.integers(1, 10**5), max_size=4).map(tuple),
    st.integers(1, 2**24),
    st.integers(1, 2**31 - 1),
)
def test_tiles__sizes_are_within_limits(shape, n, n_steps):
    tiling = cut(shape, n, n_steps)
    instances = tiling.points_per_tile * tiling.replicates_per_tile
    assert instances <= tiles._MAX_TILE_INSTANCES
    single = tiling.points_per_tile == 1
    assert single or instances * n_steps <= tiles._MAX_TILE_STEPS
    assert tiling.points_per_tile <= math.prod(shape)


@settings(max_examples=100, deadline=None)
@given(shapes, st.integers(1, 400))
def test_tiles__keep_to_the_size_asked_for(shape, size):
    tiling = cut(shape, 10, 480, size)
    assert tiling.points_per_tile <= size
    if size >= math.prod(shape):
        assert tiling.n_boxes == 1


@pytest.mark.parametrize("shape", [(10**15,), (10**5, 10**5, 10**5), (2**16, 2**16)])
def test_tiles__of_huge_designs_take_no_memory(shape):
    tracemalloc.start()
    begin = time.process_time()
    tiling = cut(shape, 2**24, 480)
    last = tiling.tile(tiling.n_tiles - 1)
    took, (_, peak) = time.process_time() - begin, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert last.first_point + last.n_points == math.prod(shape)
    assert last.first_replicate + last.n_replicates == 2**24
    assert peak < 100_000
    assert took < 1.0


def test_tiles__do_not_depend_on_replicates_within_a_block():
    few, many = cut((40, 40), 100, 480, 7), cut((40, 40), 200, 480, 7)
    assert few.box_shape == many.box_shape


@settings(max_examples=200, deadline=None)
@given(shapes, st.integers(1, 60), st.integers(1, 200))
def test_slabs__cover_boxes_and_points_once_in_order(shape, size, slab_points):
    tiling = cut(shape, 10, 480, size)
    numbers = np.arange(math.prod(shape)).reshape(shape)
    boxes, points = [], []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(labels, "_SLAB_POINTS", slab_points)
        chunks = labels.slab_shape(tiling)
        for region, slab in labels.slabs(tiling):
            boxes.extend(slab)
            points.extend(numbers[region].ravel())
            inside = [tiling.tile(box) for box in slab]
            assert sum(tile.n_points for tile in inside) == numbers[region].size
            assert all(part.start % chunk == 0 for part, chunk in zip(region, chunks, strict=True))
            assert numbers[region].size <= max(slab_points, tiling.points_per_tile)
    assert boxes == list(range(tiling.n_boxes))
    assert points == list(range(numbers.size))


@pytest.mark.parametrize("shape", [(2, 5_000_000), (10**7,), (3, 2, 10**6), (10**7, 1)])
def test_slabs__bound_memory_whatever_the_shape(shape):
    tiling = Tiling(shape, (*[1] * (len(shape) - 1), 1000), 10)
    if shape[-1] == 1:
        tiling = Tiling(shape, (1000, 1), 10)
    for region, _ in labels.slabs(tiling):
        assert math.prod(part.stop - part.start for part in region) <= labels._SLAB_POINTS
