"""Every Python block of the README and of docs/ runs, page by page, in one namespace per page."""

import importlib.util
import unittest
import warnings
from pathlib import Path
from typing import List

import pytest

sybil = pytest.importorskip("sybil", reason="runs the code blocks of the pages (pip install 'thinc_core[test]')")
from sybil.document import Document  # noqa: E402
from sybil.parsers.myst import PythonCodeBlockParser, SkipParser  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]


class UnrunBlock(UserWarning):
    """A block that was not run, shown at the end of the tests."""


def pages() -> List[Path]:
    """The pages whose code is meant to be run."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
    return [path for path in found if path.exists() and "_build" not in path.parts]


def installed(name: str) -> bool:
    """For blocks with optional packages: <!--- skip: next if(not installed("torch"), reason="needs PyTorch") -->"""
    return importlib.util.find_spec(name) is not None


PAGES = [pytest.param(page, marks=pytest.mark.torch) if page.stem == "frameworks" else page for page in pages()]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
@pytest.mark.filterwarnings("default::test_docs.UnrunBlock")
def test_code_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = Document.parse(str(page), SkipParser(), PythonCodeBlockParser())
    document.namespace["installed"] = installed
    monkeypatch.chdir(tmp_path)
    for example in document.examples():
        try:
            example.evaluate()
        except unittest.SkipTest as skipped:  # of this block alone
            warnings.warn(f"{page.name}, line {example.line}: {skipped}", UnrunBlock, stacklevel=2)


def test_pages_are_found() -> None:
    assert ROOT / "README.md" in pages()


def test_every_layer_is_on_its_page() -> None:
    from thinc_core import layers

    page = (ROOT / "docs" / "layers.md").read_text(encoding="utf-8")
    missing = [name for name in layers.__all__ if f"`{name}`" not in page]
    assert not missing, f"add to docs/layers.md: {missing}"


def test_the_table_of_onnx_is_that_of_the_code() -> None:
    from thinc_core.onnx import COVERED, REFUSED

    page = (ROOT / "docs" / "frameworks.md").read_text(encoding="utf-8")
    lines = page[page.index("| layer | in ONNX |") :].split("\n\n")[0].splitlines()[2:]
    table = {
        name: text for line in lines for names, text in [line.strip("| ").split(" | ")] for name in names.split(", ")
    }
    wanted = {f"`{name}`": f"yes, {text}" if text else "yes" for name, text in COVERED.items()}
    assert table == {**wanted, **{f"`{name}`": f"no: {reason}" for name, reason in REFUSED.items()}}
