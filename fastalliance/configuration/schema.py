"""The record of a configuration: every field, its type, its rule and its default."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    WrapValidator,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic_core.core_schema import ValidatorFunctionWrapHandler

from fastalliance.configuration.messages import MAX_KEY_LENGTH, Origin, show
from fastalliance.configuration.rules import (
    Finite,
    Location,
    PathText,
    PointCount,
    Positive,
    Replicates,
    Seed,
    Share,
    Truth,
    Value,
    Values,
    choice,
    distinct,
    of_length,
    refusal,
    rule,
    whole_hint,
)
from fastalliance.errors import exact
from fastalliance.limits import MAX_POINTS

# Branches of unions appear in the places of pydantic's errors under these names, which are longer
# than any key of a configuration.
LIST_BRANCH = "list".ljust(MAX_KEY_LENGTH + 1)
RULE_BRANCH = "rule".ljust(MAX_KEY_LENGTH + 1)
FILE_BRANCH = "file".ljust(MAX_KEY_LENGTH + 1)
COLUMNS_BRANCH = "columns".ljust(MAX_KEY_LENGTH + 1)
BRANCHES = frozenset((LIST_BRANCH, RULE_BRANCH, FILE_BRANCH, COLUMNS_BRANCH))

EXECUTORS = ("threads", "dask", "shard")
METHODS = ("sobol", "latin_hypercube", "uniform")
_EXACTLY_ONE: JsonDict = {"minProperties": 1, "maxProperties": 1}


class Section(BaseModel):
    """A mapping of the configuration, whose fields are all known and strictly typed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    def to_plain(self) -> dict[str, Any]:
        """Return the section as plain data; fields that are None are left out."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: _plain(value) for name, value in fields.items() if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, Section):
        return value.to_plain()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _exactly_one(section: Section) -> None:
    names = list(type(section).model_fields)
    given = [name for name in names if getattr(section, name) is not None]
    if len(given) != 1:
        got = " and ".join(given) or "none of them"
        raise refusal(f"must have exactly one of {', '.join(names)}, got {got}")


def _nonempty(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    if not isinstance(value, dict):
        raise refusal(f"must be a mapping of names, got {show(value)}")
    if not value:
        raise refusal("must not be empty")
    return handler(value)


def _spaced(ends: tuple[float, float, int]) -> tuple[float, float, int]:
    first, last, number = ends
    if first == last and number > 1:
        raise refusal(f"must not repeat a value, got {exact(first)} {number} times")
    return ends


def _of_one_sign(ends: tuple[float, float, int]) -> tuple[float, float, int]:
    first, last, _ = ends
    if first == 0.0 or last == 0.0 or (first > 0.0) != (last > 0.0):
        got = f"{exact(first)} and {exact(last)}"
        raise refusal(f"must have two ends of one sign, neither 0, got {got}")
    return ends


def _stepping(steps: tuple[float, float, float]) -> tuple[float, float, float]:
    first, end, step = steps
    if step == 0.0:
        raise refusal("must have a step that is not 0")
    number = (end - first) / step
    if not number > 0.0:
        raise refusal(
            f"is empty: steps of {exact(step)} do not lead from {exact(first)} to {exact(end)}"
        )
    if not number <= MAX_POINTS:
        raise refusal(
            f"has more than 2^32 values: {exact(first)} to {exact(end)} in steps of {exact(step)}"
        )
    return steps


Ends = Annotated[
    tuple[Finite, Finite, PointCount],
    Field(strict=False),  # a list is read as a tuple
    of_length("[first, last, number of values]", 3),
]
Steps = Annotated[
    tuple[Finite, Finite, Finite], Field(strict=False), of_length("[first, end, step]", 3)
]


class AxisRule(Section):
    """Values of an axis by a rule: exactly one of `linspace`, `arange` and `geomspace`."""

    model_config = ConfigDict(json_schema_extra=_EXACTLY_ONE)

    linspace: Annotated[Ends, AfterValidator(_spaced)] | None = Field(
        default=None, description="[first, last, number]: equally spaced, both ends included"
    )
    arange: Annotated[Steps, AfterValidator(_stepping)] | None = Field(
        default=None, description="[first, end, step]: equal steps, the end excluded"
    )
    geomspace: Annotated[Ends, AfterValidator(_of_one_sign), AfterValidator(_spaced)] | None = (
        Field(default=None, description="[first, last, number]: equal ratios, both ends included")
    )

    @model_validator(mode="after")
    def _check(self) -> AxisRule:
        _exactly_one(self)
        return self


def _axis_branch(value: object) -> str:
    return RULE_BRANCH if isinstance(value, dict | AxisRule) else LIST_BRANCH


def _table_branch(value: object) -> str:
    return COLUMNS_BRANCH if isinstance(value, dict) else FILE_BRANCH


def _axis(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    if not isinstance(value, list | dict | AxisRule):
        raise refusal(
            "must be a list of values, {linspace: [first, last, number]}, {arange: [first, end, "
            f"step]}} or {{geomspace: [first, last, number]}}, got {show(value)}"
        )
    return handler(value)


Axis = Annotated[
    Annotated[Annotated[Values, AfterValidator(distinct)], Tag(LIST_BRANCH)]
    | Annotated[AxisRule, Tag(RULE_BRANCH)],
    Discriminator(_axis_branch),
    WrapValidator(_axis),
]


def _increasing(bounds: tuple[float, float]) -> tuple[float, float]:
    low, high = bounds
    if not low < high:
        raise refusal(f"must be [low, high] with low < high, got [{exact(low)}, {exact(high)}]")
    return bounds


Range = Annotated[
    tuple[Finite, Finite],
    Field(strict=False),
    of_length("[low, high]", 2),
    AfterValidator(_increasing),
]


class Sample(Section):
    """A sample of points in a box of parameters."""

    n: PointCount = Field(
        description="number of points; for sobol a power of 2 keeps them evenly spread"
    )
    method: Annotated[Literal["sobol", "latin_hypercube", "uniform"], choice(METHODS)] = Field(
        default="sobol", description="scrambled Sobol' sequence, Latin hypercube, or independent"
    )
    seed: Seed = Field(default=0, description="seed of the points, apart from that of the study")
    ranges: Annotated[dict[str, Range], Field(min_length=1), WrapValidator(_nonempty)] = Field(
        description="parameter: [low, high]"
    )


def _equally_long(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        (first, n), *others = lengths.items()
        name, m = next(item for item in others if item[1] != n)
        raise refusal(
            f"must have columns of one length, got {n} values of {show(first)} "
            f"and {m} of {show(name)}"
        )
    return columns


Columns = Annotated[
    dict[str, Values],
    Field(min_length=1),
    WrapValidator(_nonempty),
    AfterValidator(_equally_long),
]
TableFile = Annotated[PathText, rule("the path of a CSV file, or a mapping of equally long lists")]


class Design(Section):
    """The points of a study: exactly one of `grid`, `sample` and `table`."""

    model_config = ConfigDict(json_schema_extra=_EXACTLY_ONE)

    grid: Annotated[dict[str, Axis], Field(min_length=1), WrapValidator(_nonempty)] | None = Field(
        default=None, description="parameter: its values; all combinations are the points"
    )
    sample: Sample | None = Field(default=None, description="points drawn in a box")
    table: (
        Annotated[
            Annotated[TableFile, Tag(FILE_BRANCH)] | Annotated[Columns, Tag(COLUMNS_BRANCH)],
            Discriminator(_table_branch),
        ]
        | None
    ) = Field(
        default=None,
        description="an explicit list of points: a CSV file, or a mapping of equally long lists",
    )

    @model_validator(mode="after")
    def _check(self) -> Design:
        _exactly_one(self)
        return self


class Statistics(Section):
    """What is computed per point beyond mean, spread and count."""

    quantiles: Annotated[list[Share], Field(fail_fast=True), AfterValidator(distinct)] = Field(
        default=[], description="quantiles of every output over the replicates, each from 0 to 1"
    )


class Trajectories(Section):
    """The recorded paths of a model's states."""

    every: Positive = Field(description="time between records, in the model's time unit")
    replicates: Replicates = Field(description="number of replicates recorded at every point")


class Keep(Section):
    """Raw results that are kept beside the statistics."""

    replicates: Truth = Field(default=False, description="keep the outputs of every replicate")
    members: Truth = Field(default=False, description="keep the outputs of every member")
    trajectories: Trajectories | None = Field(default=None, description="paths of the states")


Threads = Annotated[
    Literal["auto"] | Annotated[int, Field(ge=1)],
    rule("auto or a whole number >= 1", whole_hint),
]


class Execution(Section):
    """How a study is run; no part of it can change results."""

    executor: Annotated[Literal["threads", "dask", "shard"], choice(EXECUTORS)] = Field(
        default="threads", description="threads of this machine, a dask cluster, or one shard of n"
    )
    threads: Threads = Field(
        default="auto",
        description="threads, workers of a dask cluster that is started, or cores of a job; auto: "
        "one per core, or what dask's configuration has for a job",
    )
    scheduler: Annotated[str, Field(min_length=1), rule("an address or a file")] | None = Field(
        default=None,
        description="of executor dask: a scheduler's address, its file, or a batch system",
    )
    jobs: Annotated[int, Field(ge=1), rule("a whole number >= 1", whole_hint)] | None = Field(
        default=None, description="of a batch system: how many jobs"
    )


class Configuration(Section):
    """A study of fastalliance."""

    model: Annotated[str, Field(min_length=1), rule("the name of a model")] = Field(
        description="name of the model; `fastalliance models` lists them"
    )
    seed: Seed = Field(default=0, description="seed of all random draws")
    replicates: Replicates = Field(
        default=1000, description="simulated alliances per point of the design"
    )
    horizon: Positive | None = Field(
        default=None, description="simulated time in the model's time unit; null: the model's own"
    )
    dt: Positive | None = Field(
        default=None, description="time step in the model's time unit; null: the model's own"
    )
    parameters: dict[str, Value] = Field(
        default={}, description="parameters that differ from the model's defaults"
    )
    structure: dict[str, Any] = Field(
        default={}, description="structural inputs of the model: members, industries, network, ..."
    )
    design: Design | None = Field(
        default=None, description="the points of the study; null: the one point of `parameters`"
    )
    common_random_numbers: Truth = Field(
        default=False, description="use the same draws at every point"
    )
    statistics: Statistics = Field(default=Statistics(), description="statistics per point")
    keep: Keep = Field(default=Keep(), description="raw results to keep")
    store: Location | None = Field(
        default=None, description="path or URL of the zarr store; null: keep results in memory"
    )
    execution: Execution = Field(default=Execution(), description="how the study is run")

    _origin: Origin = PrivateAttr(default_factory=Origin)

    @model_validator(mode="after")
    def _check(self) -> Configuration:
        paths = self.keep.trajectories
        if paths and paths.replicates > self.replicates:
            raise refusal(
                f"must be <= replicates, which is {self.replicates}, got {paths.replicates}",
                at="keep.trajectories.replicates",
            )
        return self

    @property
    def source(self) -> str:
        """Name of the file the configuration was read from; empty if there is none."""
        return self._origin.source

    @property
    def source_directory(self) -> Path | None:
        """Directory to which a relative `design.table` refers; None if there is no file."""
        return self._origin.directory

    def where(self, path: str) -> str:
        """Return where a field was written.

        Parameters
        ----------
        path : str
            Dotted path, for example ``"parameters.trust_gain"``.

        Returns
        -------
        str
            ``"tipping.yaml, line 7"`` (the line of what the field lies in, if it has none of its
            own), ``"--set parameters.trust_gain"``, ``"tipping.yaml"``, or ``""`` for keywords of
            Python. Safe to print.
        """
        return self._origin.where(path)
