"""Any sequence of writing, recording, closing, crashing and resuming agrees with a dict."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fastalliance.errors import StoreError
from fastalliance.store import RunStore, TileData, ledger, read, status
from tests.faults import toy

N_TILES = 9
TILES = st.integers(0, N_TILES - 1)


class StoreMachine(RuleBasedStateMachine):
    """The model: digests of what was written, digests of what was recorded, and `complete`."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name) / "run.zarr"
        self.written: dict[int, str] = {}
        self.recorded: dict[int, str] = {}
        self.complete = False
        self.fan_out = ledger.FAN_OUT
        ledger.FAN_OUT = 2

    @initialize()
    def create(self) -> None:
        self.store = RunStore.open(self.path, toy.layout(N_TILES))

    @precondition(lambda self: not self.complete)
    @rule(tiles=st.lists(TILES, min_size=1, max_size=4))
    def write(self, tiles: list[int]) -> None:
        for tile in tiles:
            sha = self.store.write(tile, toy.tile_data(tile))
            assert self.written.setdefault(tile, sha) == sha

    @precondition(lambda self: not self.complete and self.written)
    @rule(data=st.data())
    def record(self, data: st.DataObject) -> None:
        tiles = data.draw(st.lists(st.sampled_from(sorted(self.written)), max_size=5))
        rows = [(tile, self.written[tile]) for tile in tiles]
        self.store.record(rows)
        self.recorded.update(rows)

    @precondition(lambda self: not self.complete and self.recorded)
    @rule(data=st.data())
    def contradict(self, data: st.DataObject) -> None:
        tile = data.draw(st.sampled_from(sorted(self.recorded)))
        good = toy.tile_data(tile)
        bad = TileData({"statistics": good.packed["statistics"] + 1.0}, good.direct)
        with pytest.raises(StoreError, match="computed twice"):
            self.store.write(tile, bad)
        with pytest.raises(StoreError, match="computed twice"):
            self.store.record([(tile, "0" * 64)])

    @rule()
    def close_and_resume(self) -> None:
        self.store.close()
        self.store = RunStore.open(self.path, toy.layout(N_TILES))

    @precondition(lambda self: not self.complete)
    @rule()
    def crash_and_resume(self) -> None:
        crashed = self.store
        self.store = RunStore.open(self.path, toy.layout(N_TILES), break_lock=True)
        with pytest.raises(StoreError, match="taken this store over"):
            crashed.write(0, toy.tile_data(0))

    @rule()
    def second_run(self) -> None:
        if self.complete:
            assert RunStore.open(self.path, toy.layout(N_TILES)).missing().size == 0
        else:
            with pytest.raises(StoreError, match="in use"):
                RunStore.open(self.path, toy.layout(N_TILES))

    @precondition(lambda self: not self.complete)
    @rule()
    def other_study(self) -> None:
        with pytest.raises(StoreError, match="another study"):
            RunStore.open(self.path, toy.layout(N_TILES, configuration_hash="other"))

    @rule()
    def overwrite(self) -> None:
        self.store.close()
        self.store = RunStore.open(self.path, toy.layout(N_TILES), overwrite=True)
        self.written, self.recorded, self.complete = {}, {}, False

    @precondition(lambda self: not self.complete)
    @rule()
    def finalise(self) -> None:
        if len(self.recorded) < N_TILES:
            with pytest.raises(StoreError, match="tiles are not done"):
                self.store.finalise(toy.slabs(self.store, N_TILES))
        else:
            self.store.finalise(toy.slabs(self.store, N_TILES))
            self.complete = True

    @precondition(lambda self: not self.complete)
    @rule()
    def complete_the_run(self) -> None:
        toy.drive(self.store, N_TILES)
        self.recorded = dict.fromkeys(range(N_TILES), "")
        self.complete = True

    @invariant()
    def missing_is_what_was_not_recorded(self) -> None:
        expected = [tile for tile in range(N_TILES) if tile not in self.recorded]
        assert self.store.missing().tolist() == expected

    @invariant()
    def readers_see_what_was_recorded(self) -> None:
        handle = read(self.path)
        assert handle.complete == self.complete == status(self.path).complete
        assert handle.done.tolist() == sorted(self.recorded)
        if self.complete:
            expected = [toy.tile_data(tile).packed["statistics"] for tile in range(N_TILES)]
            means = np.concatenate(expected)[:, 0]
            np.testing.assert_array_equal(handle.read_array("x_mean"), means)
            return
        values = handle.read_packed("statistics", 0, N_TILES)
        for tile in range(N_TILES):
            if tile in self.recorded:
                expected_tile = toy.tile_data(tile).packed["statistics"]
                np.testing.assert_array_equal(values[tile], expected_tile)
            else:
                assert np.isnan(values[tile]).all()

    def teardown(self) -> None:
        ledger.FAN_OUT = self.fan_out
        self.store.close()
        self.directory.cleanup()


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=8, stateful_step_count=12, deadline=None)
