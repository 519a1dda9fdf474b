"""The record of a model: formulas, parameters, outputs, source."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from fastalliance.errors import ModelError, ParameterError, declared, suggestion
from fastalliance.library.definition import check_definition, describe
from fastalliance.library.population import Population
from fastalliance.outputs import Output, Ratio
from fastalliance.parameters import Parameter

Formula = Callable[..., Any]
_SEQUENCES = (
    "parameters",
    "output_variables",
    "state_variables",
    "cautions",
    "requirements",
    "ratios",
    "structure",
)


@declared
@dataclass(frozen=True)
class Caution:
    """A condition on parameters and dt under which results deserve a warning.

    ``holds(p, dt)`` is true where the warning applies; `text` says what happens then.
    """

    text: str
    holds: Formula

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or not callable(self.holds):
            raise ModelError("fa.Caution takes a text and a function (p, dt)")


@declared
@dataclass(frozen=True)
class Requirement:
    """A condition that parameters and sizes must meet together.

    ``holds(p, dt, horizon)`` is true where it is met; `text` names the rule, for the error
    otherwise.
    """

    text: str
    holds: Formula

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or not callable(self.holds):
            raise ModelError("fa.Requirement takes a text and a function (p, dt, horizon)")


@declared
@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Model:
    """A model of one alliance, written as scalar formulas.

    Parameters
    ----------
    name, summary, citation : str
        Name in configurations, one sentence, and source.
    time_unit : str
        Unit of time, for example ``"month"``.
    horizon, dt : float
        Study defaults, in `time_unit`.
    parameters : sequence of Parameter
        In the order in which formulas see them as ``p``.
    state : type
        NamedTuple of floats.
    init : callable ``(p, stream) -> state``
    step : callable ``(s, p, stream, k, t, dt) -> state``
        Not given where there is a `population`.
    population : Population, optional
        Members, industries and the stages of a step, of a model whose instance has members; the
        sizes ``members`` and ``industries`` then stand in `structure`. `state` is the alliance's.
    outputs : callable ``(s, p) -> tuple of float``
        As many values as `output_variables`, in their order.
    output_variables : sequence of Output
    prepare : callable ``(p, dt) -> NamedTuple``, optional
        Per-replicate constants, computed once; they replace ``p`` in the other formulas.
    fastest_rate : callable ``(p) -> float``, optional
        Largest rate in 1/time; a dt with dt * rate > 1 is refused.
    cautions : sequence of Caution
        Conditions that deserve a warning.
    requirements : sequence of Requirement
        Conditions that parameters and sizes must meet together.
    keeps_nonfinite : bool
        Whether `step` keeps a state that left the finite numbers outside them. True of sums and
        relaxations; false where a clip such as ``max(0.0, x)`` could hide a NaN. Non-finite states
        are then looked for at the end only, not after every step.
    ratios : sequence of Ratio
        Pooled ratios of outputs.
    state_variables : sequence of Output, optional
        The states that trajectories record (all, if not given); described like the output of the
        same name where there is one.
    draw : callable ``(p, stream, k) -> NamedTuple``, optional
        The random numbers of a step, which then replace ``stream`` in `step`. They are drawn in a
        loop over lanes of their own, which is faster where a step is long.
    finished : callable ``(s) -> bool``, optional
        Whether the state can change no more; a block whose lanes are all finished stops early.
    structure : sequence of Parameter
        Sizes, of kind "integer": whole numbers that a study gives as ``structure={...}`` and that
        may be axes of a design. Formulas see them in ``p`` as constants of the compiled kernel,
        so that ``for i in range(p.members)`` unrolls; a field of the same name that `prepare`
        returns stays one. Those of a population are not compiled in, and may be real where its
        networks depend on them.
    switches : mapping of str to str
        Parameters whose value 0 switches a feature off, each with the field of ``p`` (of
        `prepare`'s result, where there is one) that is 0 then. Where the parameter is 0 in all of
        a tile, the kernel is compiled with the literal 0.0 in that field, so that
        ``if p.field > 0.0: ...`` costs nothing. Results do not depend on it.

    Raises
    ------
    ModelError
        A piece is missing, names clash, or a formula takes the wrong number of arguments.
    """

    name: str
    summary: str
    citation: str
    time_unit: str
    horizon: float
    dt: float
    parameters: Sequence[Parameter]
    state: Any
    init: Formula
    outputs: Formula
    output_variables: Sequence[Output]
    step: Formula | None = None
    population: Population | None = None
    prepare: Formula | None = None
    draw: Formula | None = None
    finished: Formula | None = None
    keeps_nonfinite: bool = False
    fastest_rate: Formula | None = None
    cautions: Sequence[Caution] = ()
    requirements: Sequence[Requirement] = ()
    ratios: Sequence[Ratio] = ()
    state_variables: Sequence[Output] | None = None
    structure: Sequence[Parameter] = ()
    switches: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in _SEQUENCES:
            value = getattr(self, name)
            if value is None and name == "state_variables":
                continue
            if isinstance(value, str) or not isinstance(value, Iterable):
                raise ModelError(f"model {self.name}: {name} must be a list, got {value!r}")
            object.__setattr__(self, name, tuple(value))
        for field_name, kind in (("cautions", Caution), ("requirements", Requirement)):
            for item in getattr(self, field_name):
                if not isinstance(item, kind):
                    raise ModelError(
                        f"model {self.name}: {field_name} must hold fa.{kind.__name__} objects, "
                        f"got {item!r}"
                    )
        if not isinstance(self.switches, Mapping):
            raise ModelError(
                f"model {self.name}: switches must be a mapping of names, got {self.switches!r}"
            )
        check_definition(self)

    @cached_property
    def given(self) -> type:
        """The NamedTuple of the parameters' and sizes' values, which formulas see as ``p``."""
        flags = self.population.flags if self.population is not None else ()
        return namedtuple("Parameters", [*(p.name for p in self.inputs), *flags])

    @property
    def inputs(self) -> tuple[Parameter, ...]:
        """Parameters, then sizes: the columns of a matrix of design points."""
        return (*self.parameters, *self.structure)

    @cached_property
    def recorded(self) -> tuple[Output, ...]:
        """The states that trajectories record, described."""
        if self.state_variables is not None:
            return tuple(self.state_variables)
        known = {output.name: output for output in self.output_variables}
        described = (known.get(name) for name in self.state._fields)
        return tuple(
            output or Output(name, description=f"state {name} of {self.name}")
            for name, output in zip(self.state._fields, described, strict=True)
        )

    def parameter(self, name: str, where: str = "") -> Parameter:
        """Return the parameter or size `name`, or raise ParameterError with the nearest name."""
        return self._find(self.inputs, name, where or "parameters", "parameter")

    def _find(self, among: Sequence[Parameter], name: str, where: str, kind: str) -> Parameter:
        for parameter in among:
            if parameter.name == name:
                return parameter
        if any(parameter.name == name for parameter in self.inputs):
            right = "parameters" if kind == "structural input" else "structure"
            raise ParameterError(f"{where}: give {name} of {self.name} under {right}")
        names = [parameter.name for parameter in among]
        raise ParameterError(
            f"{where}: {self.name} has no {kind} {name!r}{suggestion(name, names)}"
        )

    def defaults(self) -> Any:
        """Return the default values as the tuple that formulas see as ``p``."""
        sizes = [p.check(p.default, p.name) for p in self.structure]
        sizes = [
            int(v) if p.kind == "integer" else v for p, v in zip(self.structure, sizes, strict=True)
        ]
        flags = [0.0] * (len(self.given._fields) - len(self.inputs))  # type: ignore[attr-defined]
        return self.given(*(p.check(p.default, p.name) for p in self.parameters), *sizes, *flags)

    def resolve(self, values: Mapping[str, object]) -> dict[str, float]:
        """Return all parameters' values: `values` where given, else the defaults.

        Raises
        ------
        ParameterError
            An unknown name, a wrong type, or a value outside its bounds.
        """
        return self._resolve(self.parameters, values, "parameters", "parameter")

    def resolve_structure(self, values: Mapping[str, object]) -> dict[str, float]:
        """Return all sizes: `values` where given, else the defaults; raises as `resolve`."""
        sizes = self._resolve(self.structure, values, "structure", "structural input")
        whole = {size.name for size in self.structure if size.kind == "integer"}
        return {name: int(size) if name in whole else size for name, size in sizes.items()}

    def _resolve(
        self, among: Sequence[Parameter], values: Mapping[str, object], where: str, kind: str
    ) -> dict[str, float]:
        for name in values:
            self._find(among, name, where, kind)
        return {
            p.name: p.check(values.get(p.name, p.default), f"{self.name}.{p.name}") for p in among
        }

    def formulas(self) -> dict[str, Formula]:
        """Return the formulas that kernels compile, by name."""
        named = {
            "prepare": self.prepare,
            "init": self.init,
            "draw": self.draw,
            "step": self.step,
            "finished": self.finished,
            "outputs": self.outputs,
        }
        found = {name: function for name, function in named.items() if function is not None}
        return found | (dict(self.population.formulas()) if self.population is not None else {})

    def __reduce_ex__(self, protocol: Any) -> str | tuple[Any, ...]:
        """A built-in model travels by its name, so that the other process has its own."""
        from fastalliance import library

        if self.name in library.NAMES and library.get(self.name) is self:
            return library.get, (self.name,)
        return super().__reduce_ex__(protocol)

    def __str__(self) -> str:
        return describe(self)

    __repr__ = __str__
