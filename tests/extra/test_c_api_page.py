"""The example of docs/c_api.md, built and run as it stands on the page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import List

import pytest
from outside import require_compiler, run_python

PAGE = Path(__file__).resolve().parents[2] / "docs" / "c_api.md"


def blocks(language: str) -> List[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.skipif(not PAGE.exists(), reason="the page is in a checkout")
def test_example_builds_and_runs(tmp_path: Path) -> None:
    require_compiler()
    (source,), (setup, use) = blocks("cython"), blocks("python")
    (tmp_path / "best_tags.pyx").write_text(source, encoding="utf-8")
    (tmp_path / "setup.py").write_text(setup, encoding="utf-8")
    run_python(["setup.py", "build_ext", "--inplace"], tmp_path)
    run_python(["-c", use], tmp_path)
