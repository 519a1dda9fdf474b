"""Parameters of models: name, default, bounds, unit, and checks with readable errors."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeGuard

import numpy as np

from fastalliance.errors import ModelError, ParameterError, declared, exact, is_name, suggestion

ParameterKind = Literal["real", "integer", "choice"]
_MAX_INTEGER = 2**53  # kernels receive whole numbers as floats


@declared
@dataclass(frozen=True)
class Parameter:
    """One parameter of a model.

    Parameters
    ----------
    name : str
        Name used in Python, configurations and results; a Python identifier.
    default : float
        Value where none is given (a name of `choices` for kind "choice").
    lower, upper : float
        Inclusive bounds. An infinite value is allowed only where its own bound is infinite and
        `allow_infinite` is true.
    above : float, optional
        Exclusive lower bound (``above=0.0`` for a time constant).
    unit : str
        Unit of the value; "1" for shares and probabilities.
    description : str
        One phrase or sentence.
    kind : {"real", "integer", "choice"}
        Kernels receive every kind as a float; a choice as its code.
    choices : mapping of str to float, optional
        Names and codes of a choice, or names of some values of a real parameter.
    allow_infinite : bool
        Whether plus infinity is a meaningful value (a halflife, a threshold).
    label : str
        What pictures call it, where the name in words says too little.

    Raises
    ------
    ModelError
        A name, bound, choice or default is wrong.

    Examples
    --------
    >>> Parameter("trust_gain", 0.25, lower=0.0, unit="1/month").bounds
    '>= 0'
    """

    name: str
    default: float | str = 0.0
    lower: float = -math.inf
    upper: float = math.inf
    above: float | None = None
    unit: str = "1"
    description: str = ""
    kind: ParameterKind = "real"
    choices: Mapping[str, float] | None = None
    allow_infinite: bool = False
    label: str = ""

    def __post_init__(self) -> None:
        if not is_name(self.name):
            raise ModelError(f"parameter name {self.name!r} must be a Python identifier")
        where = f"parameter {self.name}"
        for field in ("unit", "description", "label"):
            if not isinstance(getattr(self, field), str):
                raise ModelError(f"{where}: {field} must be text, got {getattr(self, field)!r}")
        if self.kind not in ("real", "integer", "choice"):
            raise ModelError(f"{where}: kind must be real, integer or choice, got {self.kind!r}")
        if self.kind == "choice" and not self.choices:
            raise ModelError(f"{where}: a parameter of kind 'choice' needs choices")
        if self.kind == "integer" and self.choices:
            raise ModelError(f"{where}: choices belong to kind 'choice', or name values of a real")
        self._check_bounds(where)
        self._check_codes(where)
        try:
            self.check(self.default, self.name)
        except ParameterError as error:
            raise ModelError(f"default of parameter {error}") from None

    def _check_bounds(self, where: str) -> None:
        low = self.lower if self.above is None else self.above
        for bound in (self.lower, self.upper, low):
            if not _is_number(bound) or math.isnan(bound):
                raise ModelError(f"{where}: a bound must be a number, got {bound!r}")
        if low > self.upper or (low == self.upper and self.above is not None):
            raise ModelError(
                f"{where}: no value lies between the bounds {exact(low)} and {exact(self.upper)}"
            )

    def _check_codes(self, where: str) -> None:
        codes = list((self.choices or {}).values())
        for name, code in (self.choices or {}).items():
            if not is_name(name):
                raise ModelError(f"{where}: choice {name!r} must be a Python identifier")
            if not _is_number(code) or not math.isfinite(code):
                raise ModelError(
                    f"{where}: the code of choice {name} must be a number, got {code!r}"
                )
            if codes.count(code) > 1:
                raise ModelError(f"{where}: the code {exact(code)} stands for more than one choice")

    @property
    def long_name(self) -> str:
        """The name in words, for labels."""
        return self.label or self.name.replace("_", " ")

    @property
    def bounds(self) -> str:
        """The bounds as text: ``"0..1"``, ``">= 0"``, ``"> 0"``, ``"any"``, or the choices."""
        names = " | ".join(self.choices or {})
        if self.kind == "choice":
            return names
        return f"{self._range} ({names})" if names else self._range

    @property
    def _range(self) -> str:
        lower, upper = self._bound(self.lower), self._bound(self.upper)
        low = f">= {lower}" if self.above is None else f"> {self._bound(self.above)}"
        bounded_below = self.above is not None or self.lower > -math.inf
        if bounded_below and self.upper < math.inf:
            return f"{lower}..{upper}" if self.above is None else f"{low} and <= {upper}"
        if bounded_below:
            return low
        return f"<= {upper}" if self.upper < math.inf else "any"

    def _bound(self, value: float) -> str:
        whole = self.kind == "integer" and math.isfinite(value)
        return f"{value:,.0f}" if whole else exact(value)

    def requirement(self, refused: float) -> str:
        """Return what a value must be that is not inside the bounds, for messages."""
        inside = "" if self.bounds == "any" else self.bounds + self._in_unit()
        if math.isfinite(refused):
            return inside
        if self.allow_infinite and self.upper == math.inf:
            return f"{inside or 'finite'} or inf"
        return f"finite and {inside}" if inside else "finite"

    def check(self, value: object, where: str) -> float:
        """Return `value` as a float inside the bounds.

        Parameters
        ----------
        value : number or str
            The value; a str only for a choice.
        where : str
            What to call it in a message, for example ``"dyad.trust_gain"``.

        Raises
        ------
        ParameterError
            The value has the wrong type or lies outside the bounds.
        """
        if self.kind == "choice" or (self.choices and isinstance(value, str)):
            return self._check_choice(value, where)
        if not _is_number(value):
            raise ParameterError(f"{where} must be a number, got {value!r}")
        try:
            number = float(value)
        except OverflowError:
            raise ParameterError(f"{where} is beyond double precision") from None
        if self.kind == "integer" and not number.is_integer():
            raise ParameterError(f"{where} must be a whole number, got {exact(number)}")
        if self.kind == "integer" and abs(value) > _MAX_INTEGER:  # a float might have lost the 1
            raise ParameterError(f"{where} must be a whole number up to 2^53, got {exact(value)}")
        finite = math.isfinite(number) or (self.allow_infinite and number == math.inf)
        inside = self.lower <= number <= self.upper
        if self.above is not None:
            inside = inside and number > self.above
        if not (finite and inside):
            raise ParameterError(f"{where} must be {self.requirement(number)}, got {exact(value)}")
        return number

    def _check_choice(self, value: object, where: str) -> float:
        assert self.choices is not None
        if isinstance(value, str) and value in self.choices:
            return float(self.choices[value])
        if _is_number(value) and value in self.choices.values():
            return float(value)
        hint = suggestion(value, self.choices) if isinstance(value, str) else ""
        raise ParameterError(
            f"{where} must be one of {', '.join(self.choices)}, got {value!r}{hint}"
        )

    def _in_unit(self) -> str:
        if self.unit == "1":
            return ""
        return f" per {self.unit[2:]}" if self.unit.startswith("1/") else f" {self.unit}"


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)


def share(name: str, default: float, description: str) -> Parameter:
    """Return a parameter in 0..1 without unit."""
    return Parameter(name, default, lower=0.0, upper=1.0, description=description)


def nonnegative(name: str, default: float, unit: str, description: str) -> Parameter:
    """Return a parameter >= 0."""
    return Parameter(name, default, lower=0.0, unit=unit, description=description)


def time_constant(name: str, default: float, unit: str, description: str) -> Parameter:
    """Return a parameter > 0 in units of time."""
    return Parameter(name, default, above=0.0, unit=unit, description=description)


def steepness(name: str, default: float, description: str) -> Parameter:
    """Return the steepness of a logistic response, 0..50."""
    return Parameter(name, default, lower=0.0, upper=50.0, description=description)
