"""Commands on configurations: `init`, `validate`, `plan`, `schema`."""

from __future__ import annotations

import argparse
import re
import shlex
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from fastalliance.cli.exits import DONE
from fastalliance.configuration.messages import printable
from fastalliance.errors import ConfigError, FastAllianceError

if TYPE_CHECKING:
    from fastalliance.library import Model
    from fastalliance.study.study import Study


def init(options: argparse.Namespace) -> int:
    """Write a commented starter configuration under a name that is free."""
    path = Path(options.file)
    name = printable(str(path))
    if path.suffix not in (".yaml", ".yml"):
        raise ConfigError(f"{name}: the starter is YAML, so the name must end in .yaml or .yml")
    text = _starter(path.stem)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(f"{name} exists and is left as it is; choose another name") from None
    except OSError as error:
        raise FastAllianceError(f"{name}: cannot be written: {error.strerror}") from error
    argument = shlex.quote(name)
    print(f"wrote {name}; next:")
    print(f"  fastalliance plan {argument}    # how large it is")
    print(f"  fastalliance run {argument}     # run it")
    return DONE


def _starter(stem: str) -> str:
    """Return the starter's text for a file of that name."""
    import json

    text = resources.files(__package__).joinpath("starter.yaml").read_text(encoding="utf-8")
    store = f"results/{stem}.zarr"
    if not re.fullmatch(r"[\w./-]+", store, re.ASCII):
        store = json.dumps(store)  # a quoted text of YAML, too
    return text.replace("STORE", store).replace("STEM", printable(stem))


def validate(options: argparse.Namespace) -> int:
    """Check a configuration without computing anything."""
    from fastalliance.cli.console import counted
    from fastalliance.study.plan import size_text, time_text

    study = load_study(options)
    _check_scheduler(study, options.config)
    plan = study.plan()
    print(
        f"ok: {plan.model}, {counted(plan.points, 'point')} x "
        f"{counted(plan.replicates, 'replicate')} x {counted(plan.steps, 'step')}; "
        f"{size_text(plan.total_bytes)}, "
        f"{time_text(plan.seconds)} on {counted(plan.cores, 'core')}"
    )
    return DONE


def _check_scheduler(study: Study, source: str) -> None:
    """Refuse a scheduler that no run would take; none is asked whether it is there."""
    from fastalliance.executors import check_scheduler

    scheduler = study.configuration.execution.scheduler
    if scheduler is None:
        return
    try:
        check_scheduler(scheduler)
    except FastAllianceError as error:
        raise ConfigError(f"{printable(source)}: execution.scheduler: {error}") from None


def plan(options: argparse.Namespace) -> int:
    """Show the size of a study, and what it takes, as a table."""
    from fastalliance.cli.console import show_pairs

    planned = load_study(options).plan(
        cores=options.cores,
        calibrate=options.calibrate,
        points_per_tile=options.points_per_tile,
    )
    show_pairs(planned.rows())
    return DONE


def schema(options: argparse.Namespace) -> int:
    """Print the JSON Schema of configurations."""
    import json

    from fastalliance.configuration import json_schema

    print(json.dumps(json_schema(), indent=2))
    return DONE


def load_study(options: argparse.Namespace) -> Study:
    """Return the study that CONFIG, --set and --model-file describe."""
    from fastalliance.study.study import Study

    return Study.from_yaml(options.config, overrides=options.set, model=load_model(options))


def load_model(options: argparse.Namespace) -> Model | None:
    """Return the model of --model-file, or None without that option."""
    if options.model_file is None:
        return None
    from fastalliance.study.model_file import load

    return load(options.model_file)
