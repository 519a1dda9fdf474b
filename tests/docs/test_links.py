"""Every relative link of the documentation leads somewhere, and every command it names exists."""

import re
from pathlib import Path

import pytest

from fastalliance import cli

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links__lead_somewhere(page):
    links = [link for link in LINK.findall(page.read_text()) if "://" not in link]
    missing = [link for link in links if not (page.parent / link).exists()]
    assert not missing


def test_files__that_the_readme_names_exist():
    named = re.findall(
        r"`((?:tests|docs|configs|benchmarks)/[\w./-]+)`", (ROOT / "README.md").read_text()
    )
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_commands__that_the_readme_shows_exist(capsys):
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    shown = set(re.findall(r"^fastalliance (\w+)", "".join(blocks), re.M))
    assert cli.main(["--help"]) == 0
    known = capsys.readouterr().out
    assert shown
    assert [command for command in shown if f"    {command} " not in known] == []
