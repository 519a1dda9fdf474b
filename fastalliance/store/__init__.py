"""Where results are kept: a zarr group that survives kills and says what it lacks, or memory."""

from fastalliance.store.documents import SCHEMA_VERSION
from fastalliance.store.files import require_space
from fastalliance.store.layout import (
    ArraySpec,
    Coordinate,
    Layout,
    Region,
    Slab,
    TileData,
    TileStore,
    digest,
)
from fastalliance.store.lease import Owner
from fastalliance.store.memory import MemoryStore
from fastalliance.store.reading import Status, StoreHandle, read, status
from fastalliance.store.run_store import RunStore
from fastalliance.store.shards import Shard
from fastalliance.store.writer import TileWriter

__all__ = [
    "SCHEMA_VERSION",
    "ArraySpec",
    "Coordinate",
    "Layout",
    "MemoryStore",
    "Owner",
    "Region",
    "RunStore",
    "Shard",
    "Slab",
    "Status",
    "StoreHandle",
    "TileData",
    "TileStore",
    "TileWriter",
    "digest",
    "read",
    "require_space",
    "status",
]
