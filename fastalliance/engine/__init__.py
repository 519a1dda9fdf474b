"""The engine: renders and compiles a model's block driver and runs points in memory."""

from fastalliance.engine.compile import driver_source, kernel_hash, require_resolved
from fastalliance.engine.population import block_bytes
from fastalliance.engine.run import Block, prepare_driver, run_points

__all__ = [
    "Block",
    "block_bytes",
    "driver_source",
    "kernel_hash",
    "prepare_driver",
    "require_resolved",
    "run_points",
]
