"""What a study gives the members of its populations beside sizes: arrays and a network."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fastalliance.configuration.messages import show
from fastalliance.engine.structure import NOTHING, Structure
from fastalliance.errors import ConfigError, DesignError, ParameterError, suggestion
from fastalliance.library.model import Model
from fastalliance.library.population import MemberInput
from fastalliance.networks import (
    MAX_EXACT_MEMBERS,
    Networks,
    approximate_betweenness,
    betweenness,
)
from fastalliance.store import Coordinate
from fastalliance.study.given_network import (
    LOCK,
    MEAN_DEGREE,
    GivenNetwork,
    NetworkKey,
    Sizes,
    n_bytes,
    ties,
)
from fastalliance.study.member_arrays import SUFFIXES, described, read_array
from fastalliance.study.recent import Recent
from fastalliance.study.summaries import describe

Floats = npt.NDArray[np.float64]
At = Callable[[str], AbstractContextManager[None]]
NETWORK = "network"
CENTRALITIES = "centralities"
APPROXIMATE = "approximate"
TIES = ("tie_graph", "tie_first", "tie_second")
_PIVOTS = 1000  # of approximate betweenness: correlation with the exact one 0.93 and more
_KEPT_BYTES = 2**28  # of members' values of several sizes, in memory at a time


class GivenStructure:
    """Arrays of members' values and a network, checked, and built for each size when needed.

    Parameters
    ----------
    model : Model
    given : mapping
        Entries of a study's structure that are no sizes.
    folder : Path
        Where relative paths begin.
    varied : collection of str
        Names of the sizes that the design varies.
    at : callable (field) -> context manager
        Adds to an error where the field was written.

    Raises
    ------
    ConfigError, ParameterError
        The model takes no such thing, or a value is wrong.
    """

    def __init__(
        self,
        model: Model,
        given: Mapping[str, Any],
        folder: Path,
        varied: Collection[str] = (),
        at: At = lambda field: nullcontext(),
    ) -> None:
        self.model = model
        self.varied = tuple(varied)
        self.inputs: tuple[MemberInput, ...] = (
            tuple(model.population.inputs) if model.population is not None else ()
        )
        given = {name: value for name, value in given.items() if value is not None}
        for name in given:
            with at(f"structure.{name}"):
                self._require_known(name)
        self.network: GivenNetwork | None = None
        if NETWORK in given:
            self.network = GivenNetwork(given[NETWORK], folder, self.varied)
        with at(f"structure.{CENTRALITIES}"):
            self.approximate = _is_approximate(given.get(CENTRALITIES))
            if self.approximate and self.network is None:
                raise ConfigError(
                    "structure.centralities: approximate needs a network; give structure.network"
                )
        self.arrays: dict[str, Floats] = {}
        self._paths: dict[str, str] = {}
        for entry in self.inputs:
            value = given.get(entry.name)
            if value is None or (entry.name == CENTRALITIES and self.approximate):
                continue
            with at(f"structure.{entry.name}"):
                self.arrays[entry.name] = read_array(entry, value, folder)
            if isinstance(value, str | Path):
                self._paths[entry.name] = str((folder / value).absolute())
        self._centralities: Recent[NetworkKey, Floats] = Recent(_size, _KEPT_BYTES)
        self._inputs: Recent[tuple[float, ...], Floats] = Recent(_size, _KEPT_BYTES)

    def _require_known(self, name: str) -> None:
        model = self.model
        names = [entry.name for entry in self.inputs]
        if model.population is not None and model.population.ties is not None:
            names.append(NETWORK)
        if name not in names:
            sizes = [size.name for size in model.structure]
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
            if entry.name in self.arrays or (entry.name == CENTRALITIES and self._has_betweenness)
        ]
        return (*found, *([NETWORK] if self.network is not None else []))

    @property
    def _size(self) -> str:
        """Name of the size that is the number of members."""
        return self.model.structure[0].name

    @property
    def _has_betweenness(self) -> bool:
        """Whether members' centralities are those in the network."""
        takes = any(entry.name == CENTRALITIES for entry in self.inputs)
        return self.network is not None and takes and CENTRALITIES not in self.arrays

    @property
    def members(self) -> int | None:
        """The number of members of what was given; None where it fits any.

        A network may lack isolated members, of which arrays know; else its own number counts.
        """
        lengths = (array.shape[1] for array in self.arrays.values() if array.shape[1] > 1)
        length = next(lengths, None)
        if self.network is None or self.network.is_recipe:
            return length
        return self.network.members(at_least=length)

    def check(self, sizes: Iterable[Sizes], at: At = lambda field: nullcontext()) -> None:
        """Refuse what does not fit populations of these sizes, all that occur in the study.

        Raises
        ------
        ConfigError, DesignError
            An array has another length, or the network cannot have so many members.
        """
        sizes = list(sizes)
        for name, array in self.arrays.items():
            with at(f"structure.{name}"):
                self._check_length(name, array, sizes)
        if self.network is None:
            with at(f"structure.{MEAN_DEGREE}"):
                if any(size.get(MEAN_DEGREE) for size in sizes):
                    raise ConfigError(
                        "structure.mean_degree belongs to a network {kind: erdos_renyi}; give "
                        "structure.network"
                    )
        else:
            with at(f"structure.{NETWORK}"):
                self._check_betweenness(sizes)
                self.network.check(sizes)
        for name, array in self.arrays.items():
            with at(f"structure.{name}"):
                self._check_rows(name, array, sizes)

    def _check_length(self, name: str, array: Floats, sizes: list[Sizes]) -> None:
        if array.shape[1] == 1:
            return
        if self._size in self.varied:
            raise DesignError(
                f"structure.{name} gives each member's value, so {self._size} cannot vary in the "
                f"design; give one number for all, or leave {name} out"
            )
        members = int(sizes[0][self._size])
        if array.shape[1] != members:
            raise ConfigError(
                f"structure.{name} must have one value a member, for {members:,} members; it has "
                f"{array.shape[1]:,}"
            )

    def _check_rows(self, name: str, array: Floats, sizes: list[Sizes]) -> None:
        if len(array) == 1:
            return
        n_graphs = 1
        if self.network is not None:
            n_graphs = self.network.at(self.network.key(sizes[0])).n_graphs
        if len(array) != n_graphs:
            raise ConfigError(
                f"structure.{name} must have one row, or one for each graph of the network's pool "
                f"({n_graphs}); it has {len(array)}"
            )

    def _check_betweenness(self, sizes: list[Sizes]) -> None:
        """Refuse more members than exact betweenness takes before it is asked for, in a run."""
        most = max(int(size[self._size]) for size in sizes)
        if self._has_betweenness and not self.approximate and most > MAX_EXACT_MEMBERS:
            raise ConfigError(
                f"structure.centralities: exact betweenness takes at most {MAX_EXACT_MEMBERS:,} "
                f"members, the network has {most:,}; give one value a member, one number for all, "
                "or approximate"
            )

    def _at_sizes(self, sizes: tuple[float, ...]) -> Sizes:
        return dict(zip((size.name for size in self.model.structure), sizes, strict=True))

    def _betweenness(self, key: NetworkKey) -> Floats:
        """Return members' centralities in the network, (graph, member)."""
        assert self.network is not None
        networks = self.network.at(key)

        def compute() -> Floats:
            if self.approximate:
                return approximate_betweenness(networks, min(_PIVOTS, networks.n_members), 0)
            return betweenness(networks)

        with LOCK:
            return self._centralities.get(key, compute)

    def adopt(self, fixed: Sizes, sha256: str, centralities: Floats) -> bool:
        """Take over centralities that were computed before; say whether they are of these graphs.

        Parameters
        ----------
        fixed : mapping of str to float
            Sizes that do not vary.
        sha256 : str
            Digest of the graphs that they were computed of.
        centralities : float64 (graph, member)
        """
        if self.network is None or not self._has_betweenness:
            return False
        key = self.network.fixed_key(fixed)
        if key is None or self.network.at(key).sha256 != sha256:
            return False
        networks = self.network.at(key)
        whole = centralities.shape == (networks.n_graphs, networks.n_members)
        if not whole or not ((centralities >= 0.0) & (centralities <= 1.0)).all():
            return False
        with LOCK:
            self._centralities.put(key, np.ascontiguousarray(centralities, dtype=np.float64))
        return True

    def __call__(self, sizes: tuple[float, ...]) -> Structure:
        """Return what the kernels of populations of these sizes are given."""
        if self.network is None and not self.arrays:
            return NOTHING
        named = self._at_sizes(sizes)
        with LOCK:
            inputs = self._inputs.get(sizes, lambda: self._filled(named))
        if self.network is None:
            return Structure(inputs, self.names, NOTHING.first_neighbours, NOTHING.neighbours)
        networks = self.network.at(self.network.key(named))
        return Structure(inputs, self.names, networks.indptr, networks.indices)

    def _filled(self, sizes: Sizes) -> Floats:
        """Return all inputs as (input, graph, member), 0 where not given."""
        values = {**self.arrays}
        if self.network is not None and self._has_betweenness:
            values[CENTRALITIES] = self._betweenness(self.network.key(sizes))
        n_graphs = max((len(array) for array in values.values()), default=1)
        inputs = np.zeros((len(self.inputs), n_graphs, int(sizes[self._size])))
        for i, entry in enumerate(self.inputs):
            if entry.name in values:
                inputs[i] = values[entry.name]
        return inputs

    def n_bytes(self, sizes: Iterable[Sizes]) -> int:
        """Return about how much memory is taken by what members of all these sizes are given."""
        sizes = list(sizes)
        if not self.names:
            return 0
        largest = max(sizes, key=lambda size: (size[self._size], size.get(MEAN_DEGREE, 0.0)))
        n_graphs = max((len(array) for array in self.arrays.values()), default=1)
        of_graphs = 0
        if self.network is not None:
            networks = self.network.at(self.network.key(largest))
            n_graphs, of_graphs = networks.n_graphs, n_bytes(networks)
        of_one = of_graphs + 8 * (len(self.inputs) + 1) * n_graphs * int(largest[self._size])
        return min(len(sizes) * of_one, max(of_one, 3 * _KEPT_BYTES))

    def describe(self, fixed: Sizes) -> dict[str, Any]:
        """Return what was given as plain data: short lists, recipes, digests of the rest."""
        found: dict[str, Any] = {name: described(array) for name, array in self.arrays.items()}
        if self.approximate:
            found[CENTRALITIES] = APPROXIMATE
        if self.network is not None:
            found[NETWORK] = self.network.describe(fixed)
        return found

    def plain(self, fixed: Sizes) -> dict[str, Any]:
        """Return the arrays and the network as a configuration could give them.

        Files stay files, under absolute paths; other arrays and graphs are written out.
        """
        found: dict[str, Any] = {
            name: array.item() if array.size == 1 else _rows(array)
            for name, array in self.arrays.items()
        }
        found.update(self._paths)
        if self.approximate:
            found[CENTRALITIES] = APPROXIMATE
        if self.network is not None:
            found.update(self.network.plain(fixed))
        return found

    def coordinates(self, fixed: Sizes) -> Iterator[Coordinate]:
        """Yield what was given and does not vary as coordinates of the result, to be run again."""
        key = self.network.fixed_key(fixed) if self.network is not None else None
        values = {**self.arrays}
        if self.network is not None and key is not None:
            yield from _tie_coordinates(self.network.at(key))
            if self._has_betweenness:
                values[CENTRALITIES] = self._betweenness(key)
        if self._size not in fixed:  # then each array is one number, which the configuration has
            return
        n_graphs = max((len(array) for array in values.values()), default=1)
        for name, array in values.items():
            array = np.broadcast_to(array, (n_graphs, int(fixed[self._size]))).copy()
            attrs = describe(f"given_{name}", "1", f"{name} that members have in every replicate")
            yield Coordinate(f"given_{name}", ("graph", "member"), array, attrs)


def identity(structure: Mapping[str, Any]) -> dict[str, Any]:
    """Return of a described structure what can change a result: of graphs, their digest.

    Where they come from, and what was tidied away when they were read, cannot.
    """
    network = structure.get(NETWORK)
    if not isinstance(network, Mapping) or "sha256" not in network:
        return dict(structure)
    return {**structure, NETWORK: {"sha256": network["sha256"]}}


def _tie_coordinates(networks: Networks) -> Iterator[Coordinate]:
    texts = ("number of the graph that the tie is in", "one member of the tie", "the other member")
    for name, values, text in zip(TIES, ties(networks), texts, strict=True):
        if values.size:
            yield Coordinate(name, ("tie",), values, describe(name, "1", text))


def _rows(array: Floats) -> Any:
    return array[0].tolist() if len(array) == 1 else array.tolist()


def _size(array: Floats) -> int:
    return int(array.nbytes)


def _is_approximate(value: Any) -> bool:
    if not isinstance(value, str) or value.endswith(SUFFIXES):
        return False
    if value != APPROXIMATE:
        near = suggestion(value, [APPROXIMATE])
        raise ConfigError(
            f"structure.centralities must be a number, a list, a {' or '.join(SUFFIXES)} file, or "
            f"{APPROXIMATE}, got {show(value)}{near if 'did you mean' in near else ''}"
        )
    return True
