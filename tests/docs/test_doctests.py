"""The examples in docstrings run, those of every module of the package."""

import doctest
import importlib
import pkgutil

import pytest

import fastalliance

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(fastalliance.__path__, "fastalliance.")
    if not module.name.endswith("__main__")
)


def test_modules__are_all_found():
    assert "fastalliance.study.simulate" in MODULES
    assert len(MODULES) > 60


@pytest.mark.parametrize("name", MODULES)
def test_docstrings__examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    results = doctest.testmod(module, verbose=False, report=True)
    assert results.failed == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", sorted(fastalliance.__all__))
def test_public_names__are_documented(name):
    value = getattr(fastalliance, name)
    assert (value.__doc__ or "").strip()
    if callable(value) and not isinstance(value, type):  # of a class, its module has one
        examples = doctest.DocTestFinder(recurse=False).find(value, name)
        assert any(found.examples for found in examples), f"{name} has no example"
