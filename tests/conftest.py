"""Fixtures for the whole suite: a backend by name, an instruction set by name."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Iterator

import emulated_gpu
import pytest
from any_backend import backend_names, make_ops
from optional import import_or_skip

from thinc_core.backends import NumpyOps, Ops, active_isa, set_isa, supported_isas


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


@pytest.fixture
def gpu() -> Iterator[None]:
    """The process has a CUDA device, an emulated one, which require_gpu and all that follows find by themselves."""
    problem = emulated_gpu.problem()
    if problem is not None:
        pytest.skip(problem)
    with emulated_gpu.installed():
        yield


def pytest_collection_modifyitems(items: Any) -> None:
    """Tests with PyTorch come first: one process of pytest-xdist gets all of them, and alone has to import it."""
    items.sort(
        key=lambda item: "torch" not in getattr(item, "fixturenames", ()) and not item.get_closest_marker("torch")
    )


@pytest.fixture
def torch() -> Any:
    """PyTorch, imported when the first test asks for it."""
    return import_or_skip("torch")
