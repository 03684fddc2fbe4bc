"""Fixtures of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_jobs import write_conllu


@pytest.fixture
def conllu(tmp_path: Path) -> Path:
    """A small CoNLL-U file."""
    return write_conllu(tmp_path)
