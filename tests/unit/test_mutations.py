"""The list of mutations fits the tree, and the script tells a caught one from a survivor."""

from __future__ import annotations

import pytest

from verification import mutations
from verification.mutation import Mutation
from verification.mutations import MUTATIONS


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_mutation__fits_the_tree(mutation: Mutation) -> None:
    text = mutations.mutated(mutation, mutations.ROOT)  # raises unless the text is there once
    compile(text, mutation.file, "exec")
    assert mutation.new in text
    assert all(mutations.tests_of(name, mutations.ROOT) for name in mutation.tests)


def test_names__are_different() -> None:
    names = [mutation.name for mutation in MUTATIONS]
    assert len(set(names)) == len(names) >= 30


def test_tiny__is_caught(capsys: pytest.CaptureFixture[str]) -> None:
    assert mutations.main(["--tiny"]) == 0
    assert "1 mutations: 1 caught, 0 survived" in capsys.readouterr().out


def test_survivor__is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    harmless = Mutation(
        "harmless",
        "study/summaries.py",
        "second / (count - 1.0)",
        "second / (count - 1.00)",
        ("unit/test_statistics.py::test_moments",),
    )
    monkeypatch.setattr(mutations, "MUTATIONS", [harmless])
    assert mutations.main([]) == 1
    out = capsys.readouterr().out
    assert "green: unit/test_statistics.py::test_moments" in out
    assert "1 mutations: 0 caught, 1 survived" in out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"old": "no such text"}, "has its old text 0 times, not once"),
        ({"old": "count"}, "not once"),
        ({"tests": ("unit/test_statistics.py::test_nothing",)}, "no test begins like"),
    ],
)
def test_misfit__is_said(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, object],
    message: str,
) -> None:
    (tiny,) = mutations.select([mutations.TINY])
    misfit = tiny._replace(**change)
    monkeypatch.setattr(mutations, "MUTATIONS", [misfit])
    assert mutations.main([]) == 2
    assert message in capsys.readouterr().err


def test_list__runs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert mutations.main(["--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(MUTATIONS)
    assert mutations.main(["--only", "nothing"]) == 2
