"""The mypy plugin over programs that fit and programs that do not (build_tools check runs the same)."""

import pytest

pytest.importorskip("mypy", reason="checks programs with mypy (pip install 'thinc_core[check]')")


OPERATORS = """from thinc_core.api import Model, Relu, Softmax, chain, reduce_mean

with Model.define_operators({">>": chain}):
    reveal_type(Relu(3) >> Softmax(2))
    Relu(3) >> Relu(3) >> reduce_mean()
"""


def test_operators(tmp_path) -> None:
    """Also the one test of the plugin that is not slow."""
    from build_tools import check_plugin

    (tmp_path / "program.py").write_text(OPERATORS)
    said = check_plugin.mypy(tmp_path, ["program.py"])
    floats = "thinc_core.types.arrays.Floats2d"
    fits, output, input_ = (line.partition(": ")[2] for line in said)
    assert fits == f'note: Revealed type is "thinc_core.model.Model[{floats}, {floats}]"'
    left, right = 'layer 1 (Relu >> Relu) gives "Floats2d"', 'layer 2 (reduce_mean) takes "Ragged"'
    assert output == f"error: {left}, but {right}  [layer-mismatch-output]"
    assert input_ == f"error: {right}, but {left}  [layer-mismatch-input]"


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
