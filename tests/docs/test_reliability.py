"""Every test that the page on reliability names is there, and so are its variables."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(\w+/test_\w+\.py)::(\w+)`", PAGE)))


def test_page__names_tests_in_every_row():
    rows = [
        line
        for line in PAGE.splitlines()
        if re.match(r"\| (?!fault|threat|what |variable|-)", line)
    ]
    tables = [row for row in rows if "FASTALLIANCE_" not in row]
    assert len(tables) > 40
    assert all(re.search(r"\.py::\w+`", row) for row in tables)


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_page__names_a_test_that_exists(file, name):
    source = (ROOT / "tests" / file).read_text(encoding="utf-8")
    assert re.search(rf"^(def|class) {name}\b", source, re.M)


@pytest.mark.parametrize("variable", sorted(set(re.findall(r"FASTALLIANCE_\w+", PAGE))))
def test_page__names_a_variable_that_tests_read(variable):
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py")]
    assert any(f'"{variable}"' in source and "environ" in source for source in sources)
