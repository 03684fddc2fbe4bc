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

unusual = build.problem() or (
    "wrong lines may read beyond an array, which ends a sanitized process" * bool(build.SANITIZE)
)
pytestmark = pytest.mark.skipif(bool(unusual), reason=str(unusual))
MUTANTS = [
    pytest.param(mutant, id=f"{number}-{mutant.file}-{mutant.ops[0]}")
    for number, mutant in enumerate(mutants.VALUE_MUTANTS, 1)
]


@cache
def device() -> EmulatedDevice:
    return EmulatedDevice(mutants.library())


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_wrong_line_is_found(mutant: Any, monkeypatch: Any) -> None:
    ops = make_ops("cuda_emulated", monkeypatch, device)
    assert mutants.noticed(ops, device(), mutant), mutant.name


def test_without_a_wrong_line_the_rows_are_right(monkeypatch: Any) -> None:
    ops, names = (
        make_ops("cuda_emulated", monkeypatch, device),
        {op for each in mutants.VALUE_MUTANTS for op in each.ops},
    )
    for case in CASES:
        if case.op in names:
            check(ops, case, drawn(case, *mutants.SIZES[0], "float32"))
