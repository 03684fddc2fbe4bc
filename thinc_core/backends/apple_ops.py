"""AppleOps: the CPU ops of macOS, whose matrix products go through Accelerate."""

from __future__ import annotations

from .numpy_ops import NumpyOps


class AppleOps(NumpyOps):
    """NumpyOps under the name that configurations for macOS use. The BLAS seam chooses Accelerate there by itself."""

    name = "apple"
