"""What the mixins that launch kernels have in common."""

from __future__ import annotations

from ..ops import Ops
from ._device import Device, current_device


class CudaOps(Ops):
    """Ops with a device to launch kernels on."""

    def _device(self) -> Device:
        """The device that CuPy computes on in this thread."""
        return current_device(self.xp)
