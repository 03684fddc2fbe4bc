"""MPSOps: CPU ops for models whose PyTorch parts run on Metal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING or sys.platform != "darwin":
    from .numpy_ops import NumpyOps as _CpuOps
else:
    from .apple_ops import AppleOps as _CpuOps


class MPSOps(_CpuOps):
    """Computes on the CPU; being current, it makes get_torch_default_device return Metal."""

    name = "mps"
