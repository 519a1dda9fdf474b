"""Recipes of random graphs: what each kind needs, checked and with every default filled in."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastalliance.errors import suggestion
from fastalliance.limits import MAX_SEED
from fastalliance.networks.checks import (
    MAX_ENTRIES,
    is_number,
    is_whole,
    number,
    present,
    refusal,
    require_entries,
    require_keys,
    show,
    whole,
)
from fastalliance.networks.files import read_lines, show_path, whole_number
from fastalliance.networks.graphs import Integers

_COMMON = ["kind", "seed", "pool"]
_KEYS = {
    "erdos_renyi": ["mean_degree", "probability"],
    "configuration": ["degrees"],
    "barabasi_albert": ["edges_per_member"],
    "stochastic_block": ["within", "between"],
}
_MAX_LISTED = 1000  # degrees that a description holds; of more, their digest


@dataclass(frozen=True)
class Recipe:
    """A checked recipe.

    Parameters
    ----------
    kind : str
        One of the kinds.
    members, industries, seed, pool : int
        Sizes, the recipe's own seed, and the number of graphs.
    values : dict
        What the kind needs: `probability`; `degrees` (array of each member's degree) or `shares`
        (array of degrees, array of their probabilities); `edges_per_member`; `within`, `between`.
    description : dict
        The recipe as plain data.
    """

    kind: str
    members: int
    industries: int
    seed: int
    pool: int
    values: dict[str, Any]
    description: dict[str, Any]


def read_recipe(
    given: Mapping[Any, Any], members: int | None, industries: int, folder: Path
) -> Recipe:
    """Return a recipe, checked.

    Raises
    ------
    ConfigError
        A key is unknown, missing or out of range, or the graphs would be too large.
    """
    kind = _kind(given)
    require_keys(given, _COMMON + _KEYS[kind], f" for {kind}")
    if members is None:
        raise refusal("a recipe needs structure.members, the number of members")
    plain = {"seed": 0, "pool": 1, **given}
    seed = whole(plain, "seed", 0, MAX_SEED)
    pool = whole(plain, "pool", 1, MAX_ENTRIES)
    values, shown, n_edges = _READERS[kind](plain, members, industries, folder)
    require_entries(pool, members, n_edges)
    description = {"kind": kind, **shown, "seed": seed, "pool": pool}
    return Recipe(kind, members, industries, seed, pool, values, description)


def _kind(given: Mapping[Any, Any]) -> str:
    if "kind" not in given:
        raise refusal(f"a recipe needs the key 'kind', one of {', '.join(_KEYS)}")
    kind = given["kind"]
    if not isinstance(kind, str) or kind not in _KEYS:
        hint = suggestion(kind, _KEYS) if isinstance(kind, str) else ""
        near = hint if "did you mean" in hint else ""
        raise refusal(f"must be one of {', '.join(_KEYS)}, got {show(kind)}{near}", "kind")
    return kind


# A reader returns the values, what describes them, and the expected number of edges of a graph.
_Read = tuple[dict[str, Any], dict[str, Any], float]


def _erdos_renyi(given: Mapping[str, Any], members: int, industries: int, folder: Path) -> _Read:
    if ("mean_degree" in given) == ("probability" in given):
        raise refusal("erdos_renyi needs either mean_degree or probability")
    if "mean_degree" in given:
        why = f" = members - 1 (structure.members is {members})"
        degree = number(given, "mean_degree", members - 1, why)
        probability = degree / max(members - 1, 1)
        shown = {"mean_degree": degree}
    else:
        probability = number(given, "probability", 1)
        shown = {"probability": probability}
    return {"probability": probability}, shown, probability * members * (members - 1) / 2


def _barabasi_albert(
    given: Mapping[str, Any], members: int, industries: int, folder: Path
) -> _Read:
    if members < 2:
        raise refusal("barabasi_albert needs at least 2 members")
    why = f" = members - 1 (structure.members is {members})"
    m = whole(given, "edges_per_member", 1, members - 1, why)
    values = {"edges_per_member": m}
    return values, values, float(m) * (members - m)


def _stochastic_block(
    given: Mapping[str, Any], members: int, industries: int, folder: Path
) -> _Read:
    if not is_whole(industries) or not 1 <= industries <= members:
        raise refusal(
            f"structure.industries must be a whole number from 1 to {members}, got "
            f"{show(industries)}"
        )
    values = {key: number(given, key, 1) for key in ("within", "between")}
    edges = values["within"] * members * (members / industries - 1) / 2
    if industries > 1:
        edges += values["between"] * members * (members - 1) / 2  # those within are drawn in vain
    return values, {**values, "industries": industries}, edges


def _configuration(given: Mapping[str, Any], members: int, industries: int, folder: Path) -> _Read:
    degrees = present(given, "degrees")
    if isinstance(degrees, Mapping):
        return _shares(degrees, members)
    if isinstance(degrees, str):
        listed = _degrees_of_file(folder / degrees)
        shown: Any = degrees
    elif isinstance(degrees, list | tuple | np.ndarray):
        listed, shown = list(degrees), None
    else:
        raise refusal(
            "must be a list of one degree a member, a mapping of degrees to shares, or a path to "
            f"a file with one degree a line, got {show(degrees)}",
            "degrees",
        )
    if len(listed) != members:
        raise refusal(
            f"must give one degree a member, structure.members is {members:,}, got {len(listed):,}",
            "degrees",
        )
    array = np.array([_degree(value, members) for value in listed], np.int64)
    if array.sum() % 2:
        raise refusal(
            f"must have an even sum, as each edge has two ends, got {array.sum():,}", "degrees"
        )
    return {"degrees": array}, {"degrees": shown or _plain(array)}, float(array.sum()) / 2


def _degree(value: object, members: int) -> int:
    if not is_whole(value) or not 0 <= int(value) < members:
        raise refusal(
            f"must be whole numbers from 0 to {members - 1} = members - 1, got {show(value)}",
            "degrees",
        )
    return int(value)


def _share(value: object) -> float:
    if not is_number(value) or not 0.0 <= float(value) <= 1.0:
        raise refusal(f"must have shares from 0 to 1, got {show(value)}", "degrees")
    return float(value)


def _degrees_of_file(path: Path) -> list[int]:
    found = []
    for line, cells in read_lines(path):
        if len(cells) != 1 or not whole_number(cells[0]):
            got = show(cells[0] if len(cells) == 1 else ",".join(cells))
            raise refusal(
                f"{show_path(path)}, line {line} must be one whole number, got {got}", "degrees"
            )
        found.append(int(cells[0]))
    return found


def _plain(degrees: Integers) -> Any:
    if len(degrees) <= _MAX_LISTED:
        return degrees.tolist()
    digest = hashlib.sha256(degrees.astype("<i8").tobytes()).hexdigest()
    return {"n_values": len(degrees), "sha256": digest}


def _shares(given: Mapping[Any, Any], members: int) -> _Read:
    """Return degrees and their probabilities; keys may be texts, as in JSON."""
    shares: dict[int, float] = {}
    for key, share in given.items():
        text = isinstance(key, str) and whole_number(key)
        degree = _degree(int(key) if text else key, members)
        if degree in shares:
            raise refusal(f"gives the share of degree {degree} twice", "degrees")
        shares[degree] = _share(share)
    total = math.fsum(shares.values())
    if abs(total - 1.0) > 1e-9:
        raise refusal(f"must have shares that sum to 1, got {total:.12g}", "degrees")
    used = np.array(sorted(degree for degree, share in shares.items() if share > 0.0), np.int64)
    weights = np.array([shares[int(degree)] for degree in used]) / total
    if members % 2 and np.all(used % 2):
        raise refusal(
            f"are all odd, and so is structure.members, {members:,}: their sum cannot be even",
            "degrees",
        )
    mean = float(used @ weights)
    shown = {str(degree): share for degree, share in sorted(shares.items())}
    return {"shares": (used, weights)}, {"degrees": shown}, mean * members / 2


_READERS = {
    "erdos_renyi": _erdos_renyi,
    "configuration": _configuration,
    "barabasi_albert": _barabasi_albert,
    "stochastic_block": _stochastic_block,
}
