"""What a store keeps of its populations' arrays and network, taken back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fastalliance.errors import StoreError
from fastalliance.networks import Networks
from fastalliance.store import StoreHandle
from fastalliance.study.given_network import of_ties
from fastalliance.study.member_arrays import Floats, described
from fastalliance.study.structure import CENTRALITIES, NETWORK, TIES

if TYPE_CHECKING:
    from fastalliance.library.model import Model
    from fastalliance.study.study import Study

_GIVEN_CENTRALITIES = f"given_{CENTRALITIES}"


def restored(handle: StoreHandle, model: Model) -> dict[str, Any]:
    """Return the structure of a store's study, arrays and networks in the places of their digests.

    Raises
    ------
    StoreError
        The store lacks them, or they are not those that it describes.
    """
    structure: dict[str, Any] = handle.attrs["configuration"].get("structure") or {}
    sizes = {size.name for size in model.structure}
    found: dict[str, Any] = {}
    for name, described_as in structure.items():
        if name == NETWORK:
            found[name] = _network(handle, described_as, int(structure.get("members", 0)))
        elif name in sizes or not isinstance(described_as, Mapping):
            found[name] = described_as
        else:
            found[name] = _array(handle, name, described_as)
    return found


def _array(handle: StoreHandle, name: str, description: Any) -> Floats:
    """Return a given array; where the network is a pool, one row may stand for all graphs."""
    values = np.asarray(handle.read_array(f"given_{name}"), dtype=np.float64)
    for array in (values, values[:1]):
        if described(array) == description:
            return array
    raise StoreError(f"given_{name} of {handle.path} is not what the configuration describes")


def _network(handle: StoreHandle, description: Mapping[str, Any], members: int) -> Any:
    """Return the graphs of a store from its ties, or the recipe where sizes vary."""
    if "sha256" not in description:
        return dict(description["recipe"])
    if TIES[0] in handle.arrays:
        ends = [handle.read_array(name) for name in TIES]
    else:
        ends = [np.empty(0, dtype=np.int64)] * len(TIES)
    found: Networks = of_ties(ends, members, description)
    if found.sha256 != description["sha256"]:
        raise StoreError(f"the ties of {handle.path} are not what the configuration describes")
    return found


def take_over_centralities(study: Study, handle: StoreHandle) -> bool:
    """Let a store's own study have the betweenness that the store keeps; say whether it did.

    Computed anew it would have the same bits, minutes later.
    """
    structure = handle.attrs["configuration"].get("structure") or {}
    network = structure.get(NETWORK)
    if not isinstance(network, Mapping) or "sha256" not in network:
        return False
    if _GIVEN_CENTRALITIES not in handle.arrays:
        return False
    values = np.asarray(handle.read_array(_GIVEN_CENTRALITIES))
    return study.given.adopt(study.fixed, str(network["sha256"]), values)
