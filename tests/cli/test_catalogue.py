"""The commands `models`, `doctor` and `bench`."""

from pathlib import Path

import pytest

import fastalliance as fa
from fastalliance.cli import catalogue
from tests.cli.command import OWN_MODEL, command, done, refused
from tests.unit.test_structure import MODEL as SIZED


def test_models__lists_them_with_what_they_are() -> None:
    out = done("models")
    for name in fa.models():
        assert f"\n{name} " in out
    assert max(map(len, out.splitlines())) <= 80


def test_models__shows_every_parameter_and_output_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    out = done("models", "dyad")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    model = fa.model("dyad")
    for p in model.parameters:
        assert f"{p.name} {p.default:g} {p.bounds} {p.unit} {p.description}" in lines
    for o in model.output_variables:
        assert f"{o.name} {o.kind} {o.unit} {o.description}" in lines


@pytest.mark.parametrize("columns", ["80", "100"])
def test_models__wraps_and_loses_nothing(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    out = done("models", "dyad")
    assert max(map(len, out.splitlines())) <= int(columns)
    words = out.split()
    for p in fa.model("dyad").parameters:
        assert p.name in words
        assert set(p.description.split()) <= set(words)


def test_models__sizes_are_a_table_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    catalogue._show_model(SIZED)
    out = capsys.readouterr().out
    sizes = out.split("\nstructure ")[1].split("\n\n")[0]
    assert "members" in sizes
    assert "probability" not in sizes


def test_models__shows_a_model_of_ones_own() -> None:
    file = f"{OWN_MODEL}:MODEL"
    out = done("models", "--model-file", file)
    assert out.startswith("ornstein_uhlenbeck: ")
    assert "\nrate " in out.split("\nparameter ")[1]
    assert "\npositive " in out.split("\noutput ")[1]
    assert done("models", "ornstein_uhlenbeck", "--model-file", file) == out
    assert "not 'dyad'" in refused("models", "dyad", "--model-file", file)


def test_models__unknown() -> None:
    assert refused("models", "dyda") == "model: there is no model 'dyda'; did you mean 'dyad'?"


def test_doctor__finds_this_installation_sound() -> None:
    outcome = command("doctor")
    assert outcome.code == 0, outcome
    rows = {line.split()[0]: line for line in outcome.out.splitlines()}
    assert rows["fastalliance"].split()[1] == fa.__version__
    assert "ok" in rows["bits"]
    assert "instance-steps/s on one core" in rows["speed"]
    assert max(map(len, outcome.out.splitlines())) <= 80


def test_doctor__fails_where_bits_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    import fastalliance.engine.check as check

    def other(model: fa.Model) -> check.ModelCheck:
        return check.ModelCheck(model.name, 3, 50, identical=False, largest_difference=1e-12)

    monkeypatch.setattr(check, "check_model", other)
    monkeypatch.setattr("fastalliance.cli.diagnosis._SECONDS", 0.01)
    outcome = command("doctor")
    assert outcome.code == 1
    assert "FAILED" in outcome.out


def test_doctor__names_a_cache_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from fastalliance.engine import compile

    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    monkeypatch.setenv("FASTALLIANCE_CACHE_DIR", str(shared))
    monkeypatch.setattr("fastalliance.cli.diagnosis._SECONDS", 0.01)
    monkeypatch.setattr("fastalliance.library.get", lambda name: SIZED)  # compiled in no time
    compile._drivers.clear()
    outcome = command("doctor")
    assert outcome.code == 0
    words = " ".join(outcome.out.split())
    assert "writable by others" in words
    assert not list(shared.iterdir())


def test_bench__prints_a_table_and_writes_it() -> None:
    out = done("bench", "--tiny", "--rounds", "1", "--to", "measured")
    assert "| fastalliance |" in out
    assert {path.name for path in Path("measured").iterdir()} == {"bench.json", "bench.md"}
    assert "--rounds: must be a whole number >= 1" in refused("bench", "--rounds", "0")
