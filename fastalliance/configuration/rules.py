"""Types of fields whose errors are one rule each: "must be a whole number >= 1, got '1000'"."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError, WrapValidator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidatorFunctionWrapHandler

from fastalliance.configuration.messages import show
from fastalliance.configuration.scalars import resolve
from fastalliance.errors import suggestion
from fastalliance.limits import MAX_POINTS, MAX_REPLICATES, MAX_SEED

Hint = Callable[[object], str]


def refusal(text: str, at: str = "") -> PydanticCustomError:
    """Return the error that says `text` after the name of its field, or of the field `at` in it."""
    return PydanticCustomError("rule", "{text}", {"text": text, "at": at})


def rule(text: str, hint: Hint | None = None) -> WrapValidator:
    """Return an annotation under which every failure of a field is the same sentence.

    Parameters
    ----------
    text : str
        What the field must be.
    hint : callable
        Given the refused value, what to append.
    """

    def check(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            if first["type"] == "rule":  # more particular than this rule
                raise refusal(first["msg"]) from None
            more = hint(value) if hint else ""
            raise refusal(f"must be {text}, got {show(value)}{more}") from None

    return WrapValidator(check)


def number_hint(value: object) -> str:
    """Return advice for a text that was meant as a number."""
    if not isinstance(value, str):
        return ""
    if value.lower().lstrip("+-") in ("inf", "infinity"):
        return "; infinity is written .inf"
    try:
        meant = resolve(value)
    except ValueError:
        return ""
    number = isinstance(meant, int | float) and not isinstance(meant, bool)
    return "; write it without quotes" if number else ""


def whole_hint(value: object) -> str:
    """Return advice for a float or text that was meant as a whole number."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return f"; write {int(value)}"
    return number_hint(value)


def truth_hint(value: object) -> str:
    """Return advice for the words that other readers take for true and false."""
    words = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
    meant = words.get(value.lower()) if isinstance(value, str) else None
    return f"; write {meant}" if meant else ""


def choice(names: Sequence[str]) -> WrapValidator:
    """Return the rule of a field that is one of some names."""

    def hint(value: object) -> str:
        near = suggestion(value, names) if isinstance(value, str) else ""
        return near if near.startswith("; did you mean") else ""

    return rule(f"one of {', '.join(names)}", hint)


def _not_nan(value: float | str) -> float | str:
    if isinstance(value, float) and math.isnan(value):
        raise refusal(f"must be a number, got {show(value)}")
    return value


def _path(value: str) -> str:
    if "\0" in value:
        raise refusal(f"must be a path without NUL, got {show(value)}")
    for component in value.split("/"):
        if len(component.encode()) > 255:
            raise refusal(f"has a part longer than 255 bytes: {show(component)}")
    return value


def distinct(values: list[Any]) -> list[Any]:
    """Return the values of a list, none of which may stand twice."""
    seen: set[Hashable] = set()
    for value in values:
        if value in seen:
            raise refusal(f"must not repeat a value, got {show(value)} twice")
        seen.add(value)
    return values


def listed(values: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    """Refuse what is no list, or an empty one, before its items are looked at."""
    if not isinstance(values, list):
        raise refusal(f"must be a list, got {show(values)}")
    if not values:
        raise refusal("must not be empty")
    return handler(values)


def of_length(shape: str, length: int) -> WrapValidator:
    """Return the rule of a list with a fixed number of items; `shape` shows it."""

    def check(values: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        if not isinstance(values, list) or len(values) != length:
            raise refusal(f"must be {shape}, got {show(values)}")
        return handler(values)

    return WrapValidator(check)


Truth = Annotated[bool, rule("true or false", truth_hint)]
Seed = Annotated[
    int, Field(ge=0, le=MAX_SEED), rule("a whole number from 0 to 2^64 - 1", whole_hint)
]
Replicates = Annotated[
    int,
    Field(ge=1, le=MAX_REPLICATES),
    rule(f"a whole number from 1 to 2^24 = {MAX_REPLICATES}", whole_hint),
]
PointCount = Annotated[
    int, Field(ge=1, le=MAX_POINTS), rule("a whole number from 1 to 2^32", whole_hint)
]
Finite = Annotated[float, Field(allow_inf_nan=False), rule("a finite number", number_hint)]
Positive = Annotated[
    float, Field(gt=0, allow_inf_nan=False), rule("a finite number > 0", number_hint)
]
Share = Annotated[
    float, Field(ge=0, le=1, allow_inf_nan=False), rule("a number from 0 to 1", number_hint)
]
# Infinity is a value of some parameters (a halflife, a threshold); the model knows which.
Value = Annotated[
    float | str, AfterValidator(_not_nan), rule("a number, or the name of a choice", number_hint)
]
Values = Annotated[list[Value], Field(fail_fast=True, min_length=1), WrapValidator(listed)]
PathText = Annotated[str, Field(min_length=1), AfterValidator(_path)]
Location = Annotated[PathText, rule("a path or URL")]
