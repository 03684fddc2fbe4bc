"""The mypy plugin over programs that fit and programs that do not (build_tools check runs the same)."""

import pytest

pytest.importorskip("mypy", reason="checks programs with mypy (pip install 'thinc_core[check]')")


@pytest.mark.slow
def test_programs() -> None:
    from build_tools.check_plugin import differences

    assert differences() == []


@pytest.mark.slow
def test_a_program_that_lacks_an_error_is_noticed(tmp_path, monkeypatch) -> None:
    """The check can fail: with another list of errors it says which are too many and which are missing."""
    from build_tools import check_plugin

    for path in check_plugin.SAMPLES.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_text(path.read_text())
    wrong = "misfits.py:1: error: nothing  [layer-mismatch-input]"
    (tmp_path / "misfits.txt").write_text(wrong)
    (tmp_path / "fits.py").write_text("x: int = 'text'\n")
    monkeypatch.setattr(check_plugin, "SAMPLES", tmp_path)
    monkeypatch.setattr(check_plugin, "public_names", lambda: "")
    found = check_plugin.differences()
    assert f"not said: {wrong}" in found
    assert any(line.startswith("said: fits.py:1: error: Incompatible types") for line in found)
    assert sum(line.startswith("said: misfits.py:") for line in found) == 16
