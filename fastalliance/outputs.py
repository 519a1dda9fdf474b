"""Declarations of what a model reports: outputs, ratios of outputs, and recorded states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fastalliance.errors import ModelError, declared, is_name

OutputKind = Literal["real", "binary", "count", "category", "time"]
OUTPUT_KINDS: tuple[OutputKind, ...] = ("real", "binary", "count", "category", "time")


@declared
@dataclass(frozen=True)
class Output:
    """One number that a model reports per replicate.

    Parameters
    ----------
    name : str
        Name of the result variable; a Python identifier.
    kind : {"real", "binary", "count", "category", "time"}
        ``binary`` is 0 or 1, ``category`` one of the codes of `categories`, ``time`` is in the
        model's time unit and NaN where it did not happen.
    unit : str
        Unit of the value; "1" for shares and probabilities.
    description : str
        One sentence; becomes the variable's ``description`` attribute.
    categories : mapping of str to int, optional
        Names and codes of a category output.

    Raises
    ------
    ModelError
        A name, kind or category is wrong.

    Examples
    --------
    >>> Output("fate", "category", categories={"success": 0, "dissolved": 1}).long_name
    'fate'
    """

    name: str
    kind: OutputKind = "real"
    unit: str = "1"
    description: str = ""
    categories: Mapping[str, int] | None = None

    def __post_init__(self) -> None:
        _check_text("output", self.name, self.unit, self.description)
        if self.kind not in OUTPUT_KINDS:
            raise ModelError(
                f"output {self.name}: kind must be one of {', '.join(OUTPUT_KINDS)}, "
                f"got {self.kind!r}"
            )
        if (self.kind == "category") != (self.categories is not None):
            raise ModelError(
                f"output {self.name}: categories are given exactly for kind 'category', "
                f"got kind {self.kind!r} and categories {self.categories!r}"
            )
        if self.categories is not None:
            self._check_categories(self.categories)

    def _check_categories(self, categories: Mapping[str, int]) -> None:
        if not isinstance(categories, Mapping):
            raise ModelError(
                f"output {self.name}: categories must be a mapping of name to code, "
                f"got {categories!r}"
            )
        codes = list(categories.values())
        if not codes:
            raise ModelError(f"output {self.name}: categories is empty; name at least one")
        for name, code in categories.items():
            if not is_name(name):
                raise ModelError(
                    f"output {self.name}: category {name!r} must be a Python identifier"
                )
            if isinstance(code, bool) or not isinstance(code, int):
                raise ModelError(
                    f"output {self.name}: the code of category {name} must be a whole number, "
                    f"got {code!r}"
                )
            if codes.count(code) > 1:
                raise ModelError(
                    f"output {self.name}: the code {code} stands for more than one category"
                )

    @property
    def long_name(self) -> str:
        """The name in words, for labels."""
        return self.name.replace("_", " ")


@declared
@dataclass(frozen=True)
class Ratio:
    """A pooled ratio of two outputs' sums over the replicates of a point.

    Its standard error is the delta method's; it is NaN where the denominator's sum is 0.
    """

    name: str
    numerator: str
    denominator: str
    unit: str = "1"
    description: str = ""

    def __post_init__(self) -> None:
        _check_text("ratio", self.name, self.unit, self.description)


def _check_text(what: str, name: object, unit: object, description: object) -> None:
    if not is_name(name):
        raise ModelError(f"{what} name {name!r} must be a Python identifier")
    for field, text in (("unit", unit), ("description", description)):
        if not isinstance(text, str):
            raise ModelError(f"{what} {name}: {field} must be text, got {text!r}")
