"""The command line itself: help, wrong usage, exit codes, warnings, bugs, closed pipes."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from fastalliance.cli import exits, main
from fastalliance.cli.parser import COMMANDS
from fastalliance.errors import (
    ConfigError,
    DesignError,
    FastAllianceError,
    ModelError,
    ParameterError,
    StoreError,
)
from tests.cli.command import command, done, refused

LATER = {"threshold", "sensitivity", "report", "explore"}


def test_help__lists_the_commands_of_this_version_within_80_columns() -> None:
    out = done("--help")
    for name in COMMANDS:
        assert f"\n    {name} " in out
    assert not LATER & set(COMMANDS)
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_help__of_every_command(name: str) -> None:
    out = done(name, "--help")
    assert out.startswith(f"usage: fastalliance {name}")
    assert "--debug" in out


def test_version() -> None:
    import fastalliance

    assert done("--version") == f"fastalliance {fastalliance.__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["init", "a.yaml"]])
def test_light_commands__import_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from fastalliance.cli import main; code = main(sys.argv[1:]);"
        "print(code, *sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    exit_code, *loaded = run.stderr.split()
    assert exit_code == "0"
    heavy = {"numba", "numpy", "xarray", "dask", "zarr", "pydantic", "matplotlib", "rich", "yaml"}
    assert not heavy & set(loaded)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "no command is given (see fastalliance --help)"),
        (["rum"], "there is no command 'rum'; did you mean run?"),
        (["explore"], "there is no command 'explore'"),
        (["run"], "the following arguments are required: CONFIG (see fastalliance run --help)"),
        (["run", "a.yaml", "b.yaml"], "unexpected argument 'b.yaml'"),
        (["run", "a.yaml", "--sore=x"], "there is no option --sore; did you mean --store?"),
        (["run", "a.yaml", "--schedule", "x"], "there is no option --schedule"),
        (["run", "a.yaml", "--over"], "there is no option --over"),
        (["run", "a.yaml", "--threads", "0"], "--threads: must be auto or a whole number >= 1"),
        (["run", "a.yaml", "--threads", "2.5"], "--threads: must be auto or a whole number >= 1"),
        (["simulate", "dyad", "--replicates", "few"], "--replicates: must be a whole number"),
        (["export", "a.zarr"], "the following arguments are required: --to"),
        (["status"], "the following arguments are required: STORE"),
    ],
)
def test_wrong_usage__is_one_line_and_exit_2(arguments: list[str], expected: str) -> None:
    assert expected in refused(*arguments)


def test_python_m__is_the_same_command() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "fastalliance", "rum"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    assert run.stderr.startswith("fastalliance: error: there is no command 'rum'")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("wrong"), 2),
        (ParameterError("wrong"), 2),
        (DesignError("wrong"), 2),
        (ModelError("wrong"), 2),
        (StoreError("wrong"), 3),
        (FastAllianceError("wrong"), 1),
    ],
)
def test_exit_code__of_each_error(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> int:
        raise error

    assert exits.guard(fail, debug=False) == code
    assert capsys.readouterr().err == "fastalliance: error: wrong\n"


def test_debug__shows_the_traceback_below_the_line() -> None:
    Path("study.yaml").write_text("model: dyed\n")
    plain, debug = command("validate", "study.yaml"), command("validate", "study.yaml", "--debug")
    assert plain.code == debug.code == 2
    assert "Traceback" not in plain.err
    first, *rest = debug.err.splitlines()
    assert first == plain.err.strip()
    assert rest[0].startswith("Traceback")
    assert command("--debug", "validate", "study.yaml").err.splitlines()[1] == rest[0]


def test_bug__is_one_line_that_names_debug(monkeypatch: pytest.MonkeyPatch) -> None:
    import fastalliance.cli.configurations as module

    def fail(options: object) -> int:
        raise KeyError("\x1b[31mx\nsecond line")

    monkeypatch.setattr(module, "schema", fail)
    outcome = command("schema")
    assert outcome.code == 1
    (line,) = outcome.err.splitlines()
    assert line.startswith("fastalliance: error: unexpected KeyError")
    assert line.endswith("run again with --debug for the traceback")
    assert "\x1b" not in line


def test_memory_error__is_said_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    import fastalliance.cli.configurations as module

    def fail(options: object) -> int:
        raise MemoryError

    monkeypatch.setattr(module, "schema", fail)
    outcome = command("schema")
    assert outcome.code == 1
    assert outcome.err.startswith("fastalliance: error: not enough memory")


def test_warning__is_one_line_without_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    import fastalliance.cli.configurations as module
    from fastalliance.study.checks import ResultWarning

    def warn(options: object) -> int:
        warnings.warn("first\nsecond \x1b[31m", ResultWarning, stacklevel=1)
        return 0

    monkeypatch.setattr(module, "schema", warn)
    before = warnings.showwarning
    outcome = command("schema")
    assert outcome.err == "fastalliance: warning: first second \\x1b[31m\n"
    assert warnings.showwarning is before


def test_interrupt__outside_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    import fastalliance.cli.configurations as module

    def interrupt(options: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "schema", interrupt)
    outcome = command("schema")
    assert (outcome.code, outcome.err) == (130, "fastalliance: interrupted\n")


def test_main__called_from_a_thread() -> None:
    import threading

    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(main(["nothing"])))
    thread.start()
    thread.join()
    assert codes == [2]


def test_closed_pipe__ends_in_silence() -> None:
    read, write = os.pipe()
    os.close(read)
    run = subprocess.run(
        [sys.executable, "-m", "fastalliance", "schema"],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert (run.returncode, run.stderr) == (0, "")


def test_full_device__is_an_error_and_no_traceback() -> None:
    with open("/dev/full", "w") as full:
        run = subprocess.run(
            [sys.executable, "-m", "fastalliance", "schema"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert run.returncode == 1
    assert "No space left on device" in run.stderr
    assert "Traceback" not in run.stderr


def test_characters_that_the_terminal_lacks__are_escaped() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "fastalliance", "models", "dyäd"],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert run.returncode == 2
    assert b"dy\\xe4d" in run.stderr


def test_set__before_the_configuration() -> None:
    Path("study.yaml").write_text("model: dyad\nhorizon: 1\n")
    before = done("plan", "--no-calibrate", "--set", "replicates=3", "dt=0.5", "study.yaml")
    again = ("study.yaml", "--set", "replicates=3", "--set", "dt=0.5")
    assert before == done("plan", "--no-calibrate", *again)
    assert "replicates per point              3\n" in before
