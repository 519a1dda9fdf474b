"""The commands and their arguments; nothing here imports what a command needs."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NoReturn

import fastalliance
from fastalliance.cli.exits import PROGRAM, UsageError
from fastalliance.configuration.messages import show

Command = Callable[[argparse.Namespace], int]

# Each command is the function of its name in a module of this package.
COMMANDS = {
    "init": "configurations",
    "validate": "configurations",
    "plan": "configurations",
    "run": "running",
    "status": "stores",
    "simulate": "replicates",
    "replay": "replicates",
    "verify": "verify",
    "plot": "stores",
    "export": "stores",
    "models": "catalogue",
    "schema": "configurations",
    "doctor": "diagnosis",
    "bench": "diagnosis",
}

_EPILOG = """\
exit codes: 0 done, 1 failed while running, 2 wrong usage or configuration,
3 store refused (another study's, in use, damaged),
4 some tiles failed, 130 interrupted
"""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are raised, to be shown as all others are."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options
        )
        # what begins so is a value, also where it is no number: --shard -1/3
        self._negative_number_matcher = re.compile(r"-\.?\d")

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def parse(arguments: Sequence[str]) -> tuple[Command, argparse.Namespace]:
    """Return the command that `arguments` ask for, and its options.

    Raises
    ------
    UsageError
        The arguments are wrong; the message says what would be right.
    SystemExit
        After printing help or the version.
    """
    parser, commands = _build()
    name = next((argument for argument in arguments if not argument.startswith("-")), None)
    if name is not None and name not in commands:
        near = difflib.get_close_matches(name, commands, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"there is no command {name!r}{hint} (see {PROGRAM} --help)")
    options, rest = parser.parse_known_args(arguments)
    if options.command is None:
        raise UsageError(f"no command is given (see {PROGRAM} --help)")
    command = commands[options.command]
    _move_stray_positional(options)
    if rest:
        command.error(_unknown(rest[0], command))
    required = getattr(options, "required", None)
    if required and getattr(options, required) is None:
        command.error(f"the following arguments are required: {required.upper()}")
    module = import_module(f"fastalliance.cli.{COMMANDS[options.command]}")
    function: Command = getattr(module, options.command)
    return function, options


def _move_stray_positional(options: argparse.Namespace) -> None:
    """Let ``run --set a=1 study.yaml`` mean what it says: --set takes values with a = only."""
    name = getattr(options, "positional", None)
    if name is None or getattr(options, name) is not None:
        return
    stray = [text for text in options.set if "=" not in text]
    if stray:
        setattr(options, name, stray[0])
        options.set.remove(stray[0])


def _unknown(argument: str, command: argparse.ArgumentParser) -> str:
    if not argument.startswith("-"):
        return f"unexpected argument {argument!r}"
    name = argument.split("=")[0]
    known = [option for option in command._option_string_actions if option.startswith("--")]
    near = difflib.get_close_matches(name, known, n=1)
    return f"there is no option {name}" + (f"; did you mean {near[0]}?" if near else "")


def _build() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    parser = _Parser(
        prog=PROGRAM,
        description="Monte Carlo studies of strategic alliances: trust tipping points and exits.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "--version", action="version", version=f"{PROGRAM} {fastalliance.__version__}"
    )
    parser.add_argument("--debug", action="store_true", help="show tracebacks of errors")
    group = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    commands: dict[str, argparse.ArgumentParser] = {}

    def add(name: str, text: str) -> argparse.ArgumentParser:
        command = group.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        command.add_argument(
            "--debug",
            action="store_true",
            default=argparse.SUPPRESS,
            help="show tracebacks of errors",
        )
        commands[name] = command
        return command

    _add_configuration_commands(add)
    _add_run(add("run", "run a study, or resume it"))
    _add_replicate_commands(add)
    _add_verify(add("verify", "prove a stored result: read all of it, compute tiles anew"))
    _add_store_commands(add)
    _add_others(add)
    return parser, commands


Add = Callable[[str, str], argparse.ArgumentParser]


def _add_configuration_commands(add: Add) -> None:
    init = add("init", "write a commented starter configuration")
    init.add_argument("file", metavar="FILE", nargs="?", default="study.yaml")
    validate = add("validate", "check a configuration without computing anything")
    _add_study_arguments(validate)
    plan = add("plan", "show the size of a study, and what it takes: time, memory, files, bytes")
    _add_study_arguments(plan)
    plan.add_argument(
        "--cores", metavar="N", type=_count, help="of one machine or many; default: this process's"
    )
    plan.add_argument(
        "--calibrate",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="measure a core's rate, in two seconds and compiling; otherwise a usual one is taken",
    )
    _add_points_per_tile(plan)


def _add_points_per_tile(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--points-per-tile", metavar="N", type=_count, help="size of tiles; changes no result"
    )


def _add_study_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("config", metavar="CONFIG", nargs="?", help="YAML, TOML or JSON file")
    command.set_defaults(positional="config", required="config")
    _add_set(command, "replicates=100")
    _add_model_file(command)


def _add_set(command: argparse.ArgumentParser, example: str) -> None:
    command.add_argument(
        "--set",
        metavar="FIELD=VALUE",
        nargs="+",
        action="extend",
        default=[],
        help=f"set fields by their dotted names, as in {example}",
    )


def _add_model_file(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--model-file",
        metavar="FILE:NAME",
        help="your own model: a Python file, which is run, and the model's name in it",
    )


def _add_run(run: argparse.ArgumentParser) -> None:
    _add_study_arguments(run)
    run.add_argument("--store", metavar="URL", help="where to keep the result; resumed if there")
    run.add_argument("--plot", metavar="FILE", help="draw the result: .png, .svg or .pdf")
    run.add_argument("--executor", metavar="NAME", help="threads, dask or shard")
    run.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="of executor dask: tcp://host:port, tls://..., a scheduler file, or a batch system "
        "(slurm, pbs, sge, lsf, htcondor, oar, moab)",
    )
    run.add_argument("--jobs", metavar="N", type=_count, help="of a batch system: how many jobs")
    run.add_argument(
        "--shard", metavar="I/N", help="run only part I of N, from 0; others run the others"
    )
    run.add_argument(
        "--threads",
        metavar="N",
        type=_threads,
        help="threads, workers of a dask cluster that is started, or cores of a job; auto: all "
        "cores",
    )
    _add_points_per_tile(run)
    run.add_argument("--overwrite", action="store_true", help="replace the store if it exists")
    run.add_argument(
        "--break-lock", action="store_true", help="take the store over from another run"
    )
    run.add_argument(
        "--allow-version-change",
        action="store_true",
        help="resume although the kernels have changed",
    )
    run.add_argument(
        "--insecure",
        action="store_true",
        help="of executor dask: a scheduler without TLS is accepted, in a network that you trust",
    )
    run.add_argument("--quiet", action="store_true", help="show no progress")


def _add_replicate_commands(add: Add) -> None:
    simulate = add("simulate", "simulate a few replicates and show every output")
    simulate.add_argument("model", metavar="MODEL", nargs="?", help="name of a built-in model")
    simulate.set_defaults(positional="model")
    _add_set(simulate, "parameters.initial_trust=0.55")
    _add_model_file(simulate)
    simulate.add_argument("--replicates", metavar="N", type=_whole, help="default 1")
    simulate.add_argument("--seed", metavar="N", type=_whole, help="default 0")
    simulate.add_argument(
        "--horizon", metavar="TIME", type=float, help="simulated time, in the model's time unit"
    )
    simulate.add_argument("--dt", metavar="TIME", type=float, help="time step")
    _add_drawing(simulate)
    replay = add("replay", "run one replicate of a study again")
    replay.add_argument("store", metavar="STORE")
    replay.add_argument(
        "--point",
        metavar="NAME=VALUE,...",
        help="the design point, by its values or its number (default 0, the first)",
    )
    replay.add_argument(
        "--replicate", metavar="N", type=_whole, help="from 0 (default); the study need not have it"
    )
    replay.add_argument(
        "--tile",
        metavar="N",
        type=_whole,
        help="all of a tile that failed in a run, instead of one replicate: goes with --model-file "
        "only",
    )
    _add_model_file(replay)
    _add_drawing(replay)


def _add_drawing(command: argparse.ArgumentParser) -> None:
    command.add_argument("--plot", metavar="FILE", help="draw trajectories: .png, .svg or .pdf")
    command.add_argument(
        "--every", metavar="TIME", type=float, help="time between two points of a drawn trajectory"
    )
    command.add_argument(
        "--members", action="store_true", help="draw every member of the alliance: its trust"
    )


def _add_verify(verify: argparse.ArgumentParser) -> None:
    verify.add_argument("store", metavar="STORE")
    verify.add_argument("--all", action="store_true", help="compute every tile anew")
    verify.add_argument("--tiles", metavar="N", type=_count, help="how many tiles (default 8)")
    verify.add_argument(
        "--seed", metavar="N", type=_whole, default=0, help="draws which tiles (default 0)"
    )
    verify.add_argument(
        "--repair", action="store_true", help="compute anew what is damaged or missing"
    )
    _add_model_file(verify)
    verify.add_argument(
        "--threads", metavar="N", type=_threads, default="auto", help="default auto: all cores"
    )
    verify.add_argument("--quiet", action="store_true", help="show no progress")


def _add_store_commands(add: Add) -> None:
    add("status", "show what a store holds and lacks").add_argument("store", metavar="STORE")
    plot = add("plot", "draw a stored result: probabilities, maps, thresholds, cascades of exits")
    plot.add_argument("store", metavar="STORE")
    plot.add_argument(
        "--kind",
        metavar="KIND",
        help="map, curves, trajectories, survival (of members) or sizes (of cascades); by default "
        "map or curves",
    )
    plot.add_argument(
        "--by", metavar="GROUP", help="of survival: a curve for each industry or centrality decile"
    )
    plot.add_argument("--output", metavar="NAME", action="append", help="what to draw; repeatable")
    plot.add_argument(
        "--at",
        metavar="AXIS=VALUE",
        nargs="+",
        action="extend",
        default=[],
        help="fix an axis at its nearest value",
    )
    plot.add_argument(
        "--to", metavar="FILE", help=".png, .svg or .pdf; by default a .png beside the store"
    )
    export = add("export", "write a stored result as NetCDF, Parquet or CSV")
    export.add_argument("store", metavar="STORE")
    export.add_argument("--to", metavar="FILE", required=True, help=".nc, .parquet or .csv")
    export.add_argument(
        "--replicates", action="store_true", help="a table of the kept replicates, a row each"
    )
    export.add_argument(
        "--events",
        action="store_true",
        help="the person-period table of members' exits: a row for each period at risk",
    )
    export.add_argument("--overwrite", action="store_true", help="replace the file if it exists")


def _add_others(add: Add) -> None:
    models = add("models", "list the models, or show one's parameters and outputs")
    models.add_argument("name", metavar="NAME", nargs="?")
    _add_model_file(models)
    add("schema", "print the JSON Schema of configurations, for editors")
    add("doctor", "check this installation and machine, and measure its speed")
    bench = add("bench", "compare the kernel with NumPy and a plain numba loop")
    bench.add_argument("--rounds", metavar="N", type=_count, default=7, help="default 7")
    bench.add_argument(
        "--tiny", action="store_true", help="show that everything runs, not how fast"
    )
    bench.add_argument("--to", metavar="DIRECTORY", help="write bench.json and bench.md there")


def _threads(text: str) -> int | str:
    if text == "auto":
        return text
    return _count(text, "auto or ")


def _count(text: str, other: str = "") -> int:
    number = _integer(text) if text.isdecimal() else None
    if number is None or number < 1:
        raise argparse.ArgumentTypeError(f"must be {other}a whole number >= 1, got {show(text)}")
    return number


def _whole(text: str) -> int:
    number = _integer(text)
    if number is None:
        raise argparse.ArgumentTypeError(f"must be a whole number, got {show(text)}")
    return number


def _integer(text: str) -> int | None:
    """Return a whole number, None where the text is none, or has more digits than Python reads."""
    try:
        return int(text)
    except ValueError:
        return None
