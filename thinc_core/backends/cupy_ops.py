"""CupyOps: the ops on CUDA devices. Importable without CuPy.

What has a kernel in cuda/ is launched by the mixins there; the rest, and whatever a kernel cannot take, is the
reference's array code on the device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Optional, Tuple, Union

from . import _gpu, checks
from .cuda._arrays import here
from .cuda.activations import CudaActivations
from .cuda.attention import CudaAttention
from .cuda.dropout import CudaDropout
from .cuda.gather import CudaGather
from .cuda.gemm import CudaGemm
from .cuda.hash import CudaHash
from .cuda.layernorm import CudaLayerNorm
from .cuda.lstm import CudaLSTM
from .cuda.maxout import CudaMaxout
from .cuda.optim import CudaOptim
from .cuda.pad import CudaPad
from .cuda.reduce import CudaReduce
from .cuda.seq2col import CudaSeq2col
from .cuda.softmax import CudaSoftmax

if TYPE_CHECKING:
    from ..types import DeviceTypes, DTypes

CUDA_DEVICE = 2  # kDLCUDA, of the DLPack standard


class CupyOps(
    CudaActivations,
    CudaAttention,
    CudaDropout,
    CudaGather,
    CudaGemm,
    CudaHash,
    CudaLayerNorm,
    CudaLSTM,
    CudaMaxout,
    CudaOptim,
    CudaPad,
    CudaReduce,
    CudaSeq2col,
    CudaSoftmax,
):
    """GPU backend. xp is None when CuPy cannot be imported; what needs the device then says why.

    device_id: for information only; CuPy's current device is the one that computes.
    """

    name = "cupy"
    xp: Any = None
    _xp2: Any = None

    def __init__(self, device_type: DeviceTypes = "gpu", device_id: int = 0, **kwargs: Any) -> None:
        super().__init__(device_type, device_id, **kwargs)
        from ..compat import cupy, cupyx

        self.xp, self._xp2 = cupy, cupyx
        self._works = False

    def _need_device(self, op: str) -> None:
        """Say why there is no GPU instead of letting the first use of CuPy fail in a way of its own."""
        if self._works:
            return
        problem = _gpu.gpu_problem() or (
            "CuPy was installed after this process had looked for it" if self.xp is None else None
        )
        if problem is not None:
            raise ValueError(f"{op}: the cupy ops need a GPU; {problem}")
        self._works = True

    def _arrays(self, op: str, **arrays: Any) -> None:
        self._need_device(op)
        super()._arrays(op, **arrays)

    def to_numpy(self, data: Any, *, byte_order: Optional[str] = None) -> Any:
        copied = super().to_numpy(data, byte_order=byte_order)
        if checks.is_cupy(data):  # the copy has waited for the kernels: what they found wrong is known
            self._device().errors.look()
        return copied

    def _read_later(self, X: Any) -> Callable[[], Any]:
        return self._device().read_later(X)

    def alloc(
        self, shape: Union[int, Tuple[int, ...]], *, dtype: Optional[DTypes] = "float32", zeros: bool = True
    ) -> Any:
        self._need_device("alloc")
        return super().alloc(shape, dtype=dtype, zeros=zeros)

    def asarray(self, data: Any, dtype: Optional[DTypes] = None) -> Any:
        self._need_device("asarray")
        if not checks.is_cupy(data) and self._is_on_device(data):
            data = self.xp.from_dlpack(data.detach() if hasattr(data, "detach") else data)
        if checks.is_cupy(data) and self._several is not False and not here(self, data):
            data = self.xp.asarray(data)  # copies from the other device to the current one
        return super().asarray(data, dtype=dtype)

    def _is_on_device(self, data: Any) -> bool:
        """Whether another library's array lies in CUDA memory, where it can be used without a copy."""
        return hasattr(data, "__dlpack_device__") and data.__dlpack_device__()[0] == CUDA_DEVICE
