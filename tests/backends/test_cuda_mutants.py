"""The rows of cases.py have teeth: a wrong line in a CUDA kernel, one of mutant_tables.py, makes one of them fail."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from any_backend import make_ops
from cases import CASES
from cuda_emulation import build, mutants
from cuda_emulation.device import EmulatedDevice
from running import check, drawn

unusual = build.problem() or ("a sanitized process ends at the first wrong line" * bool(build.SANITIZE))
pytestmark = pytest.mark.skipif(bool(unusual), reason=str(unusual))


@cache
def device() -> EmulatedDevice:
    return EmulatedDevice(mutants.compiled())


def test_wrong_lines_are_found() -> None:
    found = mutants.reports()
    assert [name for name, row in found.items() if not row] == []
    assert list(found) == [mutant.name for mutant in mutants.VALUE_MUTANTS]


def test_without_a_wrong_line_the_rows_are_right(monkeypatch: Any) -> None:
    ops, names = (
        make_ops("cuda_emulated", monkeypatch, device),
        {op for each in mutants.VALUE_MUTANTS for op in each.ops},
    )
    for case in CASES:
        if case.op in names:
            check(ops, case, drawn(case, *mutants.SIZES[0], "float32"))
