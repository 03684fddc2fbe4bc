"""Fixtures for the whole suite: a backend by name, an instruction set by name."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Iterator, List

import pytest
from cuda_emulation import build
from cuda_emulation.device import emulated_device
from fake_cupy import FAKE, MODULES, pretend_installed

from thinc_core.backends import CupyOps, NumpyOps, Ops, active_isa, get_ops, gpu_problem, set_isa, supported_isas


def pytest_sessionstart(session: Any) -> None:
    """Refuse a run that claims to test sanitized code (build_tools check --asan) and does not."""
    folder = os.environ.get("THINC_CORE_SANITIZED")
    if folder:
        path = Path(sys.modules[NumpyOps.__module__].__file__ or "")
        if not path.is_relative_to(folder) or b"__asan_init" not in path.read_bytes():
            pytest.exit(f"THINC_CORE_SANITIZED: the extension must be one with sanitizers in {folder}; got {path}", 2)
        wanted = os.environ.get("THINC_CORE_ISA", active_isa())
        if active_isa() != wanted:
            pytest.exit(f"THINC_CORE_ISA: {wanted} must be active; got {active_isa()}", 2)


def backend_names() -> List[str]:
    """Backends to test here; without a GPU, CupyOps on a stand-in for CuPy (fake_cupy.py) and emulated kernels.

    THINC_CORE_REQUIRE_GPU=1 makes a missing GPU a failure.
    """
    gpu = os.environ.get("THINC_CORE_REQUIRE_GPU") == "1" or (sys.platform != "darwin" and gpu_problem() is None)
    return ["reference", "numpy", "cupy" if gpu else "cuda_emulated"]


def make_ops(name: str, monkeypatch: Any) -> Ops:
    """A backend of the list above."""
    if name == "cuda_emulated":
        problem = build.problem()
        if problem is not None:
            pytest.skip(problem)
        pretend_installed(monkeypatch, MODULES)
        ops = CupyOps()
        ops.xp, ops._works = FAKE, True
        monkeypatch.setattr(ops, "_device", emulated_device)
        return ops
    if name == "cupy" and gpu_problem() is not None:
        pytest.fail(f"THINC_CORE_REQUIRE_GPU=1, but {gpu_problem()}")
    return Ops() if name == "reference" else get_ops(name)


@pytest.fixture(params=backend_names())
def ops(request: Any, monkeypatch: Any) -> Ops:
    """Every backend that this machine has."""
    return make_ops(request.param, monkeypatch)


@pytest.fixture(params=[name for name in backend_names() if name != "reference"])
def fast_ops(request: Any, monkeypatch: Any) -> Ops:
    """Every backend that has to agree with the reference."""
    return make_ops(request.param, monkeypatch)


@pytest.fixture(params=supported_isas())
def isa(request: Any) -> Iterator[str]:
    """Every instruction set of this machine, forced; afterwards the one from before."""
    before = active_isa()
    set_isa(request.param)
    yield request.param
    set_isa(before)
