"""What the mixins that launch kernels have in common."""

from __future__ import annotations

from typing import Any, Optional

from ..ops import Ops
from . import _hosts
from ._device import Device, current_device


class CudaOps(Ops):
    """Ops with a device to launch kernels on."""

    _several: Optional[bool] = None  # devices; None before the first array was looked at

    def _device(self) -> Device:
        """The device that CuPy computes on in this thread."""
        return current_device(self.xp)

    def _known(self, values: Any) -> Any:
        return _hosts.remember(super()._known(values), values)

    def _host(self, op: str, name: str, values: Any) -> Any:
        found = _hosts.known(values)
        return super()._host(op, name, values) if found is None else found.values
