"""The backends to test on this machine, and how to make one. (A module of its own: several folders have a conftest.)"""

from __future__ import annotations

import os
import sys
from typing import Any, Callable, List

import fake_cuda  # noqa: F401, which puts the devices into the stand-in
import pytest
from cuda_emulation import build
from cuda_emulation.device import emulated_device
from fake_cupy import FAKE, MODULES, pretend_installed

from thinc_core.backends import CupyOps, Ops, get_ops, gpu_problem


def backend_names() -> List[str]:
    """Backends to test here; without a GPU, CupyOps on a stand-in for CuPy (fake_cupy.py) and emulated kernels.

    THINC_CORE_REQUIRE_GPU=1 makes a missing GPU a failure.
    """
    gpu = os.environ.get("THINC_CORE_REQUIRE_GPU") == "1" or (sys.platform != "darwin" and gpu_problem() is None)
    return ["reference", "numpy", "cupy" if gpu else "cuda_emulated"]


def make_ops(name: str, monkeypatch: Any, device: Callable[[], Any] = emulated_device) -> Ops:
    """A backend of the list above. device: gives what emulates it."""
    if name == "cuda_emulated":
        problem = build.problem()
        if problem is not None:
            pytest.skip(problem)
        pretend_installed(monkeypatch, MODULES)
        ops = CupyOps()
        ops.xp, ops._works = FAKE, True
        monkeypatch.setattr(CupyOps, "_device", lambda self: device())
        return ops
    if name == "cupy" and gpu_problem() is not None:
        pytest.fail(f"THINC_CORE_REQUIRE_GPU=1, but {gpu_problem()}")
    return Ops() if name == "reference" else get_ops(name)
