"""Any sequence of opening, working, closing and dying shards agrees with a set of tiles."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fastalliance.errors import StoreError
from fastalliance.store import RunStore, Shard, claims, ledger, process, read, status
from tests.faults import toy

N_TILES = 9
WANTED = [None, Shard(0, 2), Shard(1, 2), Shard(0, 3), Shard(1, 3), Shard(2, 3)]


def exclude(first: Shard | None, second: Shard | None) -> bool:
    """Say whether two runs must not have the store at once."""
    return first is None or second is None or first == second or first.count != second.count


class ShardMachine(RuleBasedStateMachine):
    """The model: who runs, what was recorded, whether the store is complete."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name) / "run.zarr"
        self.running: dict[Shard | None, RunStore] = {}
        self.dead: list[RunStore] = []
        self.recorded: set[int] = set()
        self.complete = False
        self.before = (ledger.FAN_OUT, claims.SETTLED_AFTER)
        ledger.FAN_OUT, claims.SETTLED_AFTER = 2, 0.01

    @rule(wanted=st.sampled_from(WANTED))
    def open(self, wanted: Shard | None) -> None:
        if not self.complete and any(exclude(wanted, other) for other in self.running):
            with pytest.raises(StoreError, match=f"process {os.getpid()} on "):
                RunStore.open(self.path, toy.layout(N_TILES), shard=wanted)
            return
        store = RunStore.open(self.path, toy.layout(N_TILES), shard=wanted)
        assert store.complete == self.complete
        if self.complete:
            assert store.missing().size == 0
            return
        own = range(N_TILES) if wanted is None else wanted.tiles(N_TILES).tolist()
        assert store.missing().tolist() == [tile for tile in own if tile not in self.recorded]
        self.running[wanted] = store

    @precondition(lambda self: self.running)
    @rule(data=st.data(), most=st.integers(1, 5))
    def work(self, data: st.DataObject, most: int) -> None:
        store = self._one(data)
        for tile in store.missing().tolist()[:most]:
            store.record([(tile, store.write(tile, toy.tile_data(tile)))])
            self.recorded.add(tile)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        store = self._one(data)
        left = store.missing(everyone=True).tolist()
        assert left == [tile for tile in range(N_TILES) if tile not in self.recorded]
        if left:
            with pytest.raises(StoreError, match=f"{len(left)} of 9 tiles are not done"):
                store.finalise(toy.slabs(store, N_TILES))
            return
        store.finalise(toy.slabs(store, N_TILES))
        assert store.complete
        self.complete = True

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        store = self._one(data)
        store.close()
        del self.running[store.shard]

    @precondition(lambda self: self.running and not self.complete)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        """Leave the lease as a process does that is killed."""
        store = self._one(data)
        held = store._lease
        assert held is not None
        held._stop.set()
        file = held.directory / f"{held.name}-{held.generation:06d}.held"
        token = f"{process.host_tag()}-{os.getpid()}-1"
        file.write_text(json.dumps({**json.loads(file.read_text()), "token": token}))
        del self.running[store.shard]
        self.dead.append(store)

    @precondition(lambda self: self.dead and not self.complete)
    @rule(data=st.data())
    def be_stopped_only(self, data: st.DataObject) -> None:
        """Whoever was thought dead, and whose place is taken, writes no more."""
        store = data.draw(st.sampled_from(self.dead))
        if any(exclude(store.shard, other) for other in self.running):
            with pytest.raises(StoreError, match="over"):
                store.write(0, toy.tile_data(0))

    @invariant()
    def readers_see_the_union(self) -> None:
        if not self.path.exists():
            return
        handle = read(self.path)
        assert handle.complete == self.complete
        assert set(handle.done.tolist()) == self.recorded
        found = status(self.path)
        assert found.shards.keys() == {shard for shard in self.running if shard is not None}
        assert (found.owner is not None) == (None in self.running)

    def _one(self, data: st.DataObject) -> RunStore:
        names = sorted(self.running, key=str)
        return self.running[data.draw(st.sampled_from(names))]

    def teardown(self) -> None:
        ledger.FAN_OUT, claims.SETTLED_AFTER = self.before
        for store in self.running.values():
            store.close()
        self.directory.cleanup()


TestShards = ShardMachine.TestCase
TestShards.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
