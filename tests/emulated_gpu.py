"""A whole process with an emulated GPU: CuPy's stand-in is imported as CuPy, and kernels run in the emulator.

Unlike the ops of any_backend.py, require_gpu, models, training and the commands find the device by themselves.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any, Dict, Iterator, Optional
from unittest import mock

import fake_cuda
from cuda_emulation import build
from cuda_emulation.device import emulated_device
from fake_cupy import CUPY_FACTS, CURRENT, MODULES

from thinc_core import backends, compat
from thinc_core.backends.cuda import _device


def problem() -> Optional[str]:
    """Why there can be none on this machine, or None."""
    return build.problem()


@contextlib.contextmanager
def _imported(modules: Dict[str, Any]) -> Iterator[None]:
    """These modules within the block. What else is imported there stays: PyTorch cannot be imported a second time."""
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


@contextlib.contextmanager
def installed() -> Iterator[None]:
    """Within the block the process has the devices of fake_cuda.py; afterwards everything is as before."""
    before = backends._process_ops, backends.context_ops.get(), getattr(backends._thread, "ops", None)
    facts = {name: value for name, value in vars(compat).items() if name not in CUPY_FACTS}
    emulators = {number: emulated_device() for number in range(fake_cuda.DEVICES)}
    modules = {**MODULES, "cupy.cuda": fake_cuda.CUDA}
    with (
        _imported(modules),
        mock.patch.dict(vars(compat), facts, clear=True),
        mock.patch.dict(_device.devices, emulators, clear=True),
    ):
        try:
            yield
        finally:
            CURRENT.device = 0
            fake_cuda.set_allocator(None)
            backends._process_ops, context, thread = before
            backends.context_ops.set(context)
            backends._thread.ops = thread
