"""What commands show on a terminal of 80 columns."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import OWN_MODEL

pty = pytest.importorskip("pty")
termios = pytest.importorskip("termios")

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def shown(*arguments: str | Path) -> list[str]:
    """Run `fastalliance` on a terminal of 80 columns and return the lines that it shows."""
    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (50, 80))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    process = subprocess.Popen(
        [sys.executable, "-m", "fastalliance", *map(str, arguments)],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={**environment, "TERM": "xterm-256color"},
    )
    os.close(terminal)
    written = b""
    while True:
        try:
            part = os.read(controller, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        written += part
    os.close(controller)
    assert process.wait() == 0, written
    return re.split(r"[\r\n]+", _CONTROL.sub("", written.decode()))


def test_run__a_bar_and_a_summary_that_fit() -> None:
    Path("study.yaml").write_text(
        "model: dyad\nreplicates: 50\nhorizon: 30\n"
        "design: {grid: {initial_trust: [0.4, 0.5, 0.6], private_orientation: [0, 0.1]}}\n"
    )
    lines = shown("run", "study.yaml")
    assert any(re.search(r"━ 100% [\d,]+ M instance-steps/s took [\d.]+ s", line) for line in lines)
    assert any(re.match(r"P\(success\) crosses 1/2 at$", line) for line in lines)
    assert max(map(len, lines)) <= 80


def test_run__invalid_replicates_and_their_warning() -> None:
    text = OWN_MODEL.read_text().replace("s.x - p.rate", "s.x * 1e9 - p.rate")
    Path("own.py").write_text(text)
    Path("own.yaml").write_text("model: ornstein_uhlenbeck\nreplicates: 10\n")
    lines = shown("run", "own.yaml", "--model-file", "own.py:MODEL")
    assert any(line.startswith("INVALID: 10 replicates at 1 point") for line in lines)


@pytest.mark.parametrize(
    "arguments",
    [
        ["models"],
        ["models", "dyad"],
        ["simulate", "dyad", "--replicates", "5"],
        ["simulate", "dyad", "--replicates", "60"],
    ],
)
def test_tables__fit(arguments: list[str]) -> None:
    lines = shown(*arguments)
    assert len(lines) > 2
    assert max(map(len, lines)) <= 80
