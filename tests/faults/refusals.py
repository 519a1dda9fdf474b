"""What a store says when it refuses."""

from __future__ import annotations

import pytest

from fastalliance.errors import StoreError


def one_line(error: pytest.ExceptionInfo[StoreError]) -> str:
    """Return an error's text, which must take one line."""
    text = str(error.value)
    assert len(text.splitlines()) == 1
    return text
