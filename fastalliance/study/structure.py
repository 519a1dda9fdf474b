"""What a study gives the members of its populations beside sizes: arrays and a network."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fastalliance.engine.structure import NOTHING, Structure
from fastalliance.errors import ConfigError, ParameterError, suggestion
from fastalliance.library.model import Model
from fastalliance.library.population import MemberInput
from fastalliance.networks import (
    Networks,
    approximate_betweenness,
    betweenness,
    load_networks,
)
from fastalliance.store import Coordinate
from fastalliance.study.summaries import describe

Floats = npt.NDArray[np.float64]
Sizes = tuple[float, ...]  # members, industries, and what else the model's structure has
NETWORK = "network"
CENTRALITIES = "centralities"
APPROXIMATE = "approximate"
_PIVOTS = 1000  # of approximate betweenness: correlation with the exact one 0.93 and more
_LISTED = 100  # values that a configuration's description lists; else their digest


class GivenStructure:
    """Arrays of members' values and a network, checked, and built for each size when needed.

    Parameters
    ----------
    model : Model
    given : mapping
        Entries of a study's structure that are no sizes.
    folder : Path
        Where relative paths begin.

    Raises
    ------
    ConfigError, ParameterError
        The model takes no such thing, or a value is wrong.
    """

    def __init__(self, model: Model, given: Mapping[str, Any], folder: Path) -> None:
        self.model = model
        self.folder = folder
        self.network = given.get(NETWORK)
        self.approximate = _is_approximate(given.get(CENTRALITIES))
        self.inputs: tuple[MemberInput, ...] = (
            tuple(model.population.inputs) if model.population is not None else ()
        )
        self._require_known(given)
        self.arrays = {
            entry.name: _array(entry, given[entry.name], folder)
            for entry in self.inputs
            if given.get(entry.name) is not None and not self._is_asked(entry.name)
        }
        if self.approximate and self.network is None:
            raise ConfigError(
                "structure.centralities: approximate needs a network; give structure.network"
            )
        self._lock = threading.RLock()
        self._networks: dict[Sizes, Networks] = {}
        self._centralities: dict[Sizes, Floats] = {}

    def _is_asked(self, name: str) -> bool:
        return name == CENTRALITIES and self.approximate

    def _require_known(self, given: Mapping[str, Any]) -> None:
        model = self.model
        names = [entry.name for entry in self.inputs]
        if model.population is not None and model.population.ties is not None:
            names.append(NETWORK)
        sizes = [size.name for size in model.structure]
        for name in given:
            if name not in names:
                raise ParameterError(
                    f"structure: {model.name} has no structural input {name!r}"
                    f"{suggestion(name, [*sizes, *names])}"
                )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of what members are given: arrays, centralities of a network, and the network."""
        found = [
            entry.name
            for entry in self.inputs
            if entry.name in self.arrays
            or (entry.name == CENTRALITIES and self.network is not None)
        ]
        return (*found, *([NETWORK] if self.network is not None else []))

    @property
    def is_recipe(self) -> bool:
        """Whether the network is made by a recipe, for any number of members."""
        return isinstance(self.network, Mapping)

    @property
    def members(self) -> int | None:
        """The number of members of what was given; None where it fits any."""
        for array in self.arrays.values():
            if array.shape[1] > 1:
                return int(array.shape[1])
        if self.network is None or self.is_recipe:
            return None
        if not isinstance(self.network, Networks):
            self.network = load_networks(self.network, members=None, folder=self.folder)
        return self.network.n_members

    def check(self, sizes: Sizes) -> None:
        """Refuse what does not fit a population of these sizes.

        Raises
        ------
        ConfigError
            An array has another length, or the network cannot have so many members.
        """
        for name, array in self.arrays.items():
            if array.shape[1] not in (1, sizes[0]):
                raise ConfigError(
                    f"structure.{name} has {array.shape[1]:,} values, but there are "
                    f"{int(sizes[0]):,} members"
                )
        n_graphs = self.networks(sizes).n_graphs if self.network is not None else 1
        for name, array in self.arrays.items():
            if len(array) not in (1, n_graphs):
                raise ConfigError(
                    f"structure.{name} must have one row, or one for each of {n_graphs} graphs; "
                    f"it has {len(array)}"
                )

    def networks(self, sizes: Sizes) -> Networks:
        """Return the network of populations of these sizes."""
        with self._lock:
            if sizes not in self._networks:
                members, industries = int(sizes[0]), int(sizes[1])
                if isinstance(self.network, Networks):
                    if self.network.n_members != members:
                        raise ConfigError(
                            f"structure.network has {self.network.n_members:,} members, but "
                            f"structure.members is {members:,}"
                        )
                    found = self.network
                else:
                    found = load_networks(
                        self._recipe(sizes),
                        members=members,
                        industries=industries,
                        folder=self.folder,
                    )
                self._networks[sizes] = found
            return self._networks[sizes]

    def _recipe(self, sizes: Sizes) -> Any:
        """Return the network as given, with the mean degree of these sizes where it varies."""
        names = [size.name for size in self.model.structure]
        degree = dict(zip(names, sizes, strict=True)).get("mean_degree", 0.0)
        if not degree:
            return self.network
        if not isinstance(self.network, Mapping) or self.network.get("kind") != "erdos_renyi":
            raise ConfigError(
                "structure.mean_degree belongs to a network {kind: erdos_renyi}, which is not given"
            )
        return {**self.network, "mean_degree": degree}

    def centralities(self, sizes: Sizes) -> Floats | None:
        """Return members' centralities (graph, member), given or of the network; else None."""
        if CENTRALITIES in self.arrays:
            return self.arrays[CENTRALITIES]
        if self.network is None or all(entry.name != CENTRALITIES for entry in self.inputs):
            return None
        with self._lock:
            if sizes not in self._centralities:
                networks = self.networks(sizes)
                self._centralities[sizes] = (
                    approximate_betweenness(networks, min(_PIVOTS, networks.n_members), 0)
                    if self.approximate
                    else betweenness(networks)
                )
            return self._centralities[sizes]

    def adopt(self, sizes: Sizes, centralities: Floats) -> None:
        """Take over the centralities of these very graphs, computed before."""
        with self._lock:
            self._centralities.setdefault(sizes, centralities)

    def __call__(self, sizes: Sizes) -> Structure:
        """Return what the kernels of populations of these sizes are given."""
        if self.network is None and not self.arrays:
            return NOTHING
        values = {**self.arrays}
        centralities = self.centralities(sizes)
        if centralities is not None:
            values[CENTRALITIES] = centralities
        n_graphs = max((len(array) for array in values.values()), default=1)
        inputs = np.zeros((len(self.inputs), n_graphs, int(sizes[0])))
        for i, entry in enumerate(self.inputs):
            if entry.name in values:
                inputs[i] = values[entry.name]
        given = [entry.name for entry in self.inputs if entry.name in values]
        if self.network is None:
            return Structure(inputs, tuple(given), NOTHING.first_neighbours, NOTHING.neighbours)
        networks = self.networks(sizes)
        return Structure(inputs, (*given, NETWORK), networks.indptr, networks.indices)

    def describe(self, sizes: Sizes | None) -> dict[str, Any]:
        """Return what was given as plain data: short lists, recipes, digests of the rest."""
        found: dict[str, Any] = {name: _described(array) for name, array in self.arrays.items()}
        if self.approximate:
            found[CENTRALITIES] = APPROXIMATE
        if self.network is not None and sizes is not None:
            found[NETWORK] = dict(self.networks(sizes).description)
        elif self.network is not None:
            found[NETWORK] = {"recipe": dict(self.network)}
        return found

    def plain(self, sizes: Sizes | None) -> dict[str, Any]:
        """Return the arrays and the network as a configuration could give them."""
        found: dict[str, Any] = {
            name: array.item() if array.size == 1 else np.squeeze(array).tolist()
            for name, array in self.arrays.items()
        }
        if self.approximate:
            found[CENTRALITIES] = APPROXIMATE
        if self.is_recipe or isinstance(self.network, str):
            found[NETWORK] = self.network
        elif self.network is not None and sizes is not None:
            _, first, second = _ends(self.networks(sizes))
            found[NETWORK] = np.stack([first, second], axis=1).tolist()
            found["members"] = int(sizes[0])
        return found

    def coordinates(self, sizes: Sizes) -> list[Coordinate]:
        """Return what was given as coordinates of the result, so that it can be run again."""
        found: list[Coordinate] = []
        if self.network is not None:
            networks = self.networks(sizes)
            graph, first, second = _ends(networks)
            for name, values, text in (
                ("tie_graph", graph, "number of the graph that the tie is in"),
                ("tie_first", first, "one member of the tie"),
                ("tie_second", second, "the other member of the tie"),
            ):
                found.append(Coordinate(name, ("tie",), values, describe(name, "1", text)))
        values = {**self.arrays}
        centralities = self.centralities(sizes)
        if centralities is not None:
            values[CENTRALITIES] = centralities
        n_graphs = max((len(array) for array in values.values()), default=1)
        for name, array in values.items():
            array = np.broadcast_to(array, (n_graphs, int(sizes[0]))).copy()
            attrs = describe(f"given_{name}", "1", f"{name} that members have in every replicate")
            found.append(Coordinate(f"given_{name}", ("graph", "member"), array, attrs))
        return found


def restored(given: Mapping[str, Any], read: Any, members: int) -> dict[str, Any]:
    """Return the structural inputs of a stored study from its description and coordinates.

    Parameters
    ----------
    given : mapping
        The stored configuration's entries that are no sizes.
    read : callable (name) -> array
        Reads a coordinate.
    members : int
    """
    found = dict(given)
    for name in given:
        if name != NETWORK and not isinstance(given[name], str | int | float):
            found[name] = read(f"given_{name}")
    if "sha256" in (given.get(NETWORK) or {}):
        found[NETWORK] = stored_networks(given[NETWORK], read, members)
        if not isinstance(given.get(CENTRALITIES), int | float):
            found[CENTRALITIES] = read(f"given_{CENTRALITIES}")
    elif NETWORK in given:
        found[NETWORK] = given[NETWORK]["recipe"]
    return found


def stored_networks(description: Mapping[str, Any], read: Any, members: int) -> Networks:
    """Return the networks of a store from its ties."""
    graph = np.asarray(read("tie_graph"), dtype=np.int64)
    ends = np.stack([np.asarray(read("tie_first")), np.asarray(read("tie_second"))], axis=1)
    n_graphs = int(description["n_graphs"])
    both = np.concatenate([ends, ends[:, ::-1]]).astype(np.int64)
    row = np.concatenate([graph, graph]) * members + both[:, 0]
    order = np.lexsort((both[:, 1], row))
    starts = np.searchsorted(row[order], np.arange(n_graphs * members + 1))
    indptr = np.stack([starts[g * members : (g + 1) * members + 1] for g in range(n_graphs)])
    return Networks(
        indptr.astype(np.int64),
        np.ascontiguousarray(both[order, 1]),
        None,
        dict(description),
    )


def _ends(networks: Networks) -> tuple[Any, Any, Any]:
    """Return the graph and both ends of every tie, each tie once."""
    counts = networks.degrees().ravel()
    rows = np.repeat(np.arange(counts.size), counts)
    graph, first = np.divmod(rows, networks.n_members)
    once = first < networks.indices
    return graph[once], first[once], networks.indices[once]


def _is_approximate(value: Any) -> bool:
    if not isinstance(value, str) or value.endswith((".csv", ".txt")):
        return False
    if value != APPROXIMATE:
        raise ConfigError(
            f"structure.centralities must be a list, a CSV file or {APPROXIMATE!r}, got {value!r}"
        )
    return True


def _array(entry: MemberInput, given: Any, folder: Path) -> Floats:
    """Return given values as (graph, member), checked against the bounds of one value.

    A single number stands for all members, of any number of them.
    """
    where = f"structure.{entry.name}"
    if isinstance(given, int | float) and not isinstance(given, bool):
        return np.array([[entry.value.check(given, where)]])
    if isinstance(given, str | os.PathLike):
        given = _read_column(folder / os.fspath(given), where)
    if not isinstance(given, Sequence | np.ndarray) and not hasattr(given, "__array__"):
        raise ConfigError(f"{where} must be a number, a list or a path, got {given!r}")
    try:
        array = np.array(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise ConfigError(f"{where} must hold one number a member") from None
    array = array[np.newaxis] if array.ndim == 1 else array
    if array.ndim != 2 or array.shape[1] < 2:
        raise ConfigError(f"{where} must hold one number a member, at least two in all")
    value = entry.value
    inside = (array >= value.lower) & (array <= value.upper)
    inside &= np.isfinite(array) | (value.allow_infinite & ~np.isnan(array))
    if not inside.all():
        graph, member = np.argwhere(~inside)[0]
        rule = value.bounds if value.bounds != "any" else "a number"
        raise ParameterError(
            f"{where} must be {rule}, got {array[graph, member]:g} for member {member}"
        )
    return np.ascontiguousarray(array)


def _read_column(path: Path, where: str) -> list[float]:
    """Return the numbers of a text file with one a line; a first line of text is a header."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{where}: cannot read {str(path)!r}: {reason}") from None
    values: list[float] = []
    for i, line in enumerate(lines):
        try:
            values.append(float(line))
        except ValueError:
            if i > 0:
                raise ConfigError(
                    f"{where}: {str(path)!r}: {line!r} is no number; one number a line is wanted"
                ) from None
    return values


def _described(array: Floats) -> Any:
    if array.size == 1:
        return array.item()
    if array.size <= _LISTED and len(array) == 1 and np.isfinite(array).all():
        return array[0].tolist()
    sha = hashlib.sha256(np.ascontiguousarray(array, dtype="<f8").tobytes()).hexdigest()
    return {"n_values": int(array.size), "sha256": sha}
