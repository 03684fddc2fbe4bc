"""The CUDA kernels of CupyOps: one .cu file per family, and beside it the methods that launch them. See README.md.

Importing this imports no CuPy and compiles nothing.
"""

from __future__ import annotations

import sys

from ._deterministic import is_deterministic, set_deterministic
from ._device import CudaError, Device, current_device, devices
from ._launch import Kernel

__all__ = [
    "CudaError",
    "Device",
    "Kernel",
    "check_errors",
    "current_device",
    "is_deterministic",
    "kernel",
    "set_deterministic",
]


def kernel(stem: str, name: str) -> Kernel:
    """The kernel of that name in <stem>.cu, compiled for the current device at its first use.

    RAISES: CudaError, a RuntimeError, when it cannot be compiled or loaded; its cause is what CuPy raised.
    """
    return current_device().kernel(stem, name)


def check_errors() -> None:
    """Wait for the kernels that run on the devices used so far, and raise what one has found wrong with its arguments.

    RAISES: what the CPU backend raises for the same arguments, such as IndexError.
    """
    for device in devices.values():
        with sys.modules["cupy"].cuda.Device(device.number):
            device.errors.synchronize()
        device.errors.look()
