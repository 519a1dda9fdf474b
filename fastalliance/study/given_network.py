"""The network that a study gives its populations: one graph or a pool, or one of each size."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastalliance.errors import ConfigError, DesignError
from fastalliance.networks import Networks, load_networks
from fastalliance.study.recent import Recent

Integers = npt.NDArray[np.int64]
Sizes = Mapping[str, float]
FIELD = "structure.network"
MEAN_DEGREE = "mean_degree"
_ERDOS_RENYI = "erdos_renyi"
_KEPT_BYTES = 2**28  # of graphs of several sizes, in memory at a time
# Of all studies: what takes long in here holds the interpreter anyway, and a study is picklable.
LOCK = threading.RLock()


class NetworkKey(NamedTuple):
    """What a network depends on: sizes that its recipe does not read are None."""

    members: int
    industries: int | None
    mean_degree: float | None


class GivenNetwork:
    """A network as it was given, and the graphs that it means for populations of given sizes.

    Parameters
    ----------
    given : networkx graph, sparse matrix, pairs, path, recipe or Networks
    folder : Path
        Where relative paths begin.
    varied : collection of str
        Names of the sizes that the design varies.
    """

    def __init__(self, given: Any, folder: Path, varied: Collection[str] = ()) -> None:
        self.given = given
        self.folder = folder
        self.varied = varied
        self._one: Networks | None = given if isinstance(given, Networks) else None
        self._of_sizes: Recent[NetworkKey, Networks] = Recent(n_bytes, _KEPT_BYTES)

    @property
    def is_recipe(self) -> bool:
        """Whether graphs are made by a recipe, for any number of members."""
        return isinstance(self.given, Mapping)

    @property
    def kind(self) -> Any:
        """The kind of a recipe; None of other networks."""
        return self.given.get("kind") if self.is_recipe else None

    def members(self, at_least: int | None) -> int:
        """Return the number of members that the network tells, or `at_least` if it knows fewer.

        Not of a recipe, which is for any number.

        Raises
        ------
        ConfigError
            The network is wrong, or does not tell, and neither does `at_least`.
        """
        with LOCK:
            if self._one is None:
                try:
                    found = load_networks(self.given, members=None, folder=self.folder)
                except ConfigError:
                    if at_least is None:
                        raise
                    return at_least
                if at_least is not None and found.n_members < at_least:
                    return at_least
                self._one = found
            return self._one.n_members

    def check(self, sizes: Iterable[Sizes]) -> None:
        """Refuse what has no network of some of these sizes, all that occur.

        Graphs are made only where there is one size.

        Raises
        ------
        ConfigError, DesignError
            The network, or its recipe, does not fit.
        """
        if "members" in self.varied and not self.is_recipe:
            raise DesignError(
                f"{FIELD} has its own number of members, so members cannot vary in the design; "
                "give a recipe of random graphs"
            )
        keys = list(dict.fromkeys(self.key(size) for size in sizes))
        if len(keys) == 1:
            self.at(keys[0])
            return
        from fastalliance.networks.recipes import read_recipe

        for key in keys:
            read_recipe(self._recipe(key), key.members, key.industries or 1, self.folder)

    def key(self, sizes: Sizes) -> NetworkKey:
        """Return what the network depends on of a population's sizes."""
        degree = sizes.get(MEAN_DEGREE, 0.0)
        asked = degree > 0.0 or MEAN_DEGREE in self.varied
        if asked:
            self._require_degree(degree)
        in_blocks = self.kind == "stochastic_block"
        return NetworkKey(
            int(sizes["members"]),
            int(sizes["industries"]) if in_blocks else None,
            float(degree) if asked and self.is_recipe else None,
        )

    def _require_degree(self, degree: float) -> None:
        """Refuse a mean degree that is not this network's, or that its recipe gives too."""
        if self._one is not None and isinstance(self.given, Networks):  # of a recipe, once made
            if self._one.description.get("recipe", {}).get(MEAN_DEGREE) == degree:
                return
        elif self.kind == _ERDOS_RENYI:
            for name in (MEAN_DEGREE, "probability"):
                if name in self.given:
                    raise ConfigError(
                        f"structure.mean_degree and {FIELD}.{name} both say how many ties there "
                        "are; drop one of them"
                    )
            return
        raise ConfigError(
            "structure.mean_degree belongs to a network {kind: erdos_renyi}, which is not given"
        )

    def fixed_key(self, fixed: Sizes) -> NetworkKey | None:
        """Return what the network depends on where that does not vary; else None."""
        needed = ["members"] if not self.is_recipe else ["members", MEAN_DEGREE]
        if self.kind == "stochastic_block":
            needed.append("industries")
        varies = any(name in self.varied for name in needed)
        return None if varies else self.key(fixed)

    def at(self, key: NetworkKey) -> Networks:
        """Return the graphs of populations of these sizes."""
        with LOCK:
            if self.is_recipe:
                return self._of_sizes.get(key, lambda: self._made(key))
            if self._one is None:
                self._one = load_networks(self.given, members=key.members, folder=self.folder)
            if self._one.n_members != key.members:
                raise ConfigError(
                    f"{FIELD} has {self._one.n_members:,} members, structure.members is "
                    f"{key.members:,}; leave structure.members out"
                )
            return self._one

    def _made(self, key: NetworkKey) -> Networks:
        return load_networks(
            self._recipe(key),
            members=key.members,
            industries=key.industries or 1,
            folder=self.folder,
        )

    def _recipe(self, key: NetworkKey) -> dict[str, Any]:
        own = {} if key.mean_degree is None else {MEAN_DEGREE: key.mean_degree}
        return {**self.given, **own}

    def describe(self, fixed: Sizes) -> dict[str, Any]:
        """Return plain data: source, counts and digest of graphs, or a recipe of several sizes."""
        key = self.fixed_key(fixed)
        if key is not None:
            return dict(self.at(key).description)
        return {"recipe": {"seed": 0, "pool": 1, **self.given}}

    def plain(self, fixed: Sizes) -> dict[str, Any]:
        """Return entries of `structure` by which a configuration anywhere gives this network.

        Raises
        ------
        ConfigError
            It is a pool of graphs without their recipe.
        """
        if isinstance(self.given, str | os.PathLike):
            return {"network": _absolute(self.folder, os.fspath(self.given))}
        if self.is_recipe:
            degrees = self.given.get("degrees")
            found = {"degrees": _absolute(self.folder, degrees)} if _is_path(degrees) else {}
            return {"network": {**self.given, **found}}
        networks = self.at(self.key(fixed))
        if networks.n_graphs == 1:
            _, first, second = ties(networks)
            pairs = np.stack([first, second], axis=1).tolist()
            return {"network": pairs, "members": networks.n_members}
        recipe = dict(networks.description.get("recipe", {}))
        recipe.pop("industries", None)  # an entry of structure
        if not recipe or "sha256" in recipe.get("degrees", ()):
            raise ConfigError(
                f"{FIELD} is a pool of {networks.n_graphs} graphs, which a configuration cannot "
                "hold; give its recipe instead"
            )
        if fixed.get(MEAN_DEGREE):
            recipe.pop(MEAN_DEGREE, None)
        return {"network": recipe, "members": networks.n_members}


def _is_path(value: Any) -> bool:
    return isinstance(value, str | os.PathLike)


def _absolute(folder: Path, path: Any) -> str:
    return str((folder / path).absolute())


def n_bytes(networks: Networks) -> int:
    """Return the bytes of graphs in memory."""
    return int(networks.indptr.nbytes + networks.indices.nbytes)


def ties(networks: Networks) -> tuple[Integers, Integers, Integers]:
    """Return the graph and both ends of every tie, each tie once."""
    counts = networks.degrees().ravel()
    rows = np.repeat(np.arange(counts.size), counts)
    graph, first = np.divmod(rows, networks.n_members)
    once = first < networks.indices
    return graph[once], first[once], networks.indices[once]


def of_ties(
    ends: Sequence[npt.NDArray[Any]], members: int, description: Mapping[str, Any]
) -> Networks:
    """Return the graphs of some ties: graph, first and second member of each.

    `description` is that of the graphs that the ties are from; its digest tells whether these are
    the same.
    """
    from fastalliance.networks.graphs import build

    graph, first, second = (np.asarray(column, dtype=np.int64) for column in ends)
    pairs = np.stack([first, second], axis=1)
    graphs = [pairs[graph == j] for j in range(int(description["n_graphs"]))]
    found = build(graphs, members, {})
    kept = {**description, "sha256": found.sha256}
    return Networks(found.indptr, found.indices, None, kept)
