"""Loading a user's model from the file and name that the command line gives."""

import sys
from pathlib import Path

import numpy as np
import pytest

import fastalliance as fa
from fastalliance.study.model_file import load

TEXT = (Path(__file__).parents[2] / "docs" / "examples" / "ornstein_uhlenbeck.py").read_text()


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = Path("own.py")
    path.write_text(TEXT)
    return path


def complaint(spec: str) -> str:
    """Return the one line of the error that loading `spec` gives."""
    with pytest.raises(fa.ModelError) as caught:
        load(spec)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_load__a_model_that_runs(own: Path) -> None:
    model = load("own.py:MODEL")
    assert model.name == "ornstein_uhlenbeck"
    assert np.isfinite(fa.simulate(model, replicates=3)["x"]).all()


def test_load__module_has_a_stable_name_and_leaves_nothing_beside_the_file(own: Path) -> None:
    before = list(sys.path)
    name = load("own.py:MODEL").step.__module__
    assert load(f"{own.absolute()}:MODEL").step.__module__ == name
    assert sys.modules[name].__file__ == str(own.resolve())
    assert sys.path == before
    assert [path.name for path in Path().iterdir()] == ["own.py"]


def test_load__files_of_one_name_in_two_directories_do_not_mix(own: Path) -> None:
    Path("other").mkdir()
    Path("other/own.py").write_text(TEXT.replace("horizon=60.0", "horizon=30.0"))
    first, second = load("own.py:MODEL"), load("other/own.py:MODEL")
    assert (first.horizon, second.horizon) == (60.0, 30.0)
    assert first.step.__module__ != second.step.__module__


def test_load__sees_a_change_at_once(own: Path) -> None:
    assert load("own.py:MODEL").horizon == 60.0
    own.write_text(TEXT.replace("horizon=60.0", "horizon=61.0"))
    assert load("own.py:MODEL").horizon == 61.0


def test_load__modules_beside_the_file(own: Path) -> None:
    Path("drift_of_own_model.py").write_text("def drift(x, rate):\n    return -rate * x\n")
    own.write_text(
        "from drift_of_own_model import drift\n"
        + TEXT.replace("s.x - p.rate * s.x * dt", "s.x + drift(s.x, p.rate) * dt")
    )
    assert np.isfinite(fa.simulate(load("own.py:MODEL"), replicates=2)["x"]).all()
    del sys.modules["drift_of_own_model"]


@pytest.mark.parametrize("spec", ["own.py", "own.py:", ":MODEL", "own.py:a.b", "own.py:1"])
def test_load__what_is_no_file_and_name(own: Path, spec: str) -> None:
    assert complaint(spec) == f"a model file is given as FILE.py:NAME, got {spec!r}"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("none.py:MODEL", "model file none.py cannot be read: No such file or directory"),
        (".:MODEL", "model file . cannot be read: Is a directory"),
        ("o\0n.py:MODEL", "model file o\\x00n.py cannot be read: embedded null byte"),
        ("own.py:MODLE", "model file own.py has no model 'MODLE'; did you mean 'MODEL'?"),
        ("own.py:x", "model file own.py has no model 'x'; valid names: MODEL"),
        (
            "own.py:step",
            "model file own.py: step must be a fa.Model, it is of type function; "
            "valid names: MODEL",
        ),
    ],
)
def test_load__wrong_file_or_name(own: Path, spec: str, expected: str) -> None:
    assert complaint(spec) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1\nimport nothing_of_this_name\n", "line 2: ModuleNotFoundError: No module named"),
        ("x = 1\n\ny = (\n", "line 3: "),
        ("def f():\n    return 1 / 0\n\nf()\n", "line 2: ZeroDivisionError: division by zero"),
        ("raise ValueError('one\\ntwo \\x1b[31m')\n", "line 1: ValueError: one two \\x1b[31m"),
        ("import sys\nsys.exit('no')\n", "line 2: SystemExit: no"),
        ("assert False\n", "line 1: AssertionError"),
        ("x = '\0'\n", "model file own.py"),
        (TEXT.replace("dt=0.125", "dt=-1.0"), "model ornstein_uhlenbeck: dt must be a positive"),
        (TEXT.replace("return p.rate\n", "return p.rate\n\nimport nope\n"), "No module named"),
    ],
)
def test_load__error_in_the_file_names_the_line(own: Path, text: str, expected: str) -> None:
    own.write_text(text)
    before = set(sys.modules)
    message = complaint("own.py:MODEL")
    assert message.startswith("model file own.py")
    assert expected in message
    assert not {name for name in set(sys.modules) - before if name.startswith("_fastalliance")}


def test_load__interrupt_is_none_of_its_errors(own: Path) -> None:
    own.write_text("raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load("own.py:MODEL")


def test_load__definition_that_is_incomplete_names_line_and_piece(own: Path) -> None:
    own.write_text(TEXT.replace("    outputs=outputs,\n", ""))
    message = complaint("own.py:MODEL")
    assert "line" in message
    assert "outputs" in message
