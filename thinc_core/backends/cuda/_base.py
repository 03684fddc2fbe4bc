"""What the mixins that launch kernels have in common."""

from __future__ import annotations

from typing import Optional

from ..ops import Ops
from ._device import Device, current_device


class CudaOps(Ops):
    """Ops with a device to launch kernels on."""

    _several: Optional[bool] = None  # devices; None before the first array was looked at

    def _device(self) -> Device:
        """The device that CuPy computes on in this thread."""
        return current_device(self.xp)
