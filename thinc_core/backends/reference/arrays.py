"""Allocation, conversion and reshaping of arrays."""

# The array types describe what callers do with arrays, not everything that array code can do.
# mypy: disable-error-code="attr-defined,return-value"

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional, Sequence, Tuple, Union

import numpy

from .. import checks
from ._base import Base

if TYPE_CHECKING:
    from ...types import (
        Array1d,
        Array2d,
        Array3d,
        Array4d,
        ArrayT,
        ArrayXd,
        DTypes,
        DTypesFloat,
        DTypesInt,
        Floats1d,
        Floats2d,
        Floats3d,
        Floats4d,
        FloatsXd,
        Ints1d,
        Ints2d,
        Ints3d,
        Ints4d,
        IntsXd,
    )
    from ..cblas import CBlas


class Arrays(Base):
    def alloc(
        self, shape: Union[int, Tuple[int, ...]], *, dtype: Optional[DTypes] = "float32", zeros: bool = True
    ) -> Any:
        """A new array.

        shape: one number or several.  dtype: None means float64.  zeros: filled with zeros; False: left as it is.
        RETURNS: shape, dtype.
        RAISES: ValueError for a negative dimension.
        """
        try:
            return self.xp.zeros(shape, dtype=dtype) if zeros else self.xp.empty(shape, dtype=dtype)
        except Exception as error:
            checks.reword("alloc", error)

    def alloc1f(self, d0: int, *, dtype: Optional[DTypesFloat] = "float32", zeros: bool = True) -> Floats1d:
        """A new array of floats of shape (d0,); any dtype is allowed. See alloc."""
        return self.alloc((d0,), dtype=dtype, zeros=zeros)

    def alloc2f(self, d0: int, d1: int, *, dtype: Optional[DTypesFloat] = "float32", zeros: bool = True) -> Floats2d:
        """A new array of floats of shape (d0, d1); any dtype is allowed. See alloc."""
        return self.alloc((d0, d1), dtype=dtype, zeros=zeros)

    def alloc3f(
        self, d0: int, d1: int, d2: int, *, dtype: Optional[DTypesFloat] = "float32", zeros: bool = True
    ) -> Floats3d:
        """A new array of floats of shape (d0, d1, d2); any dtype is allowed. See alloc."""
        return self.alloc((d0, d1, d2), dtype=dtype, zeros=zeros)

    def alloc4f(
        self, d0: int, d1: int, d2: int, d3: int, *, dtype: Optional[DTypesFloat] = "float32", zeros: bool = True
    ) -> Floats4d:
        """A new array of floats of shape (d0, d1, d2, d3); any dtype is allowed. See alloc."""
        return self.alloc((d0, d1, d2, d3), dtype=dtype, zeros=zeros)

    def alloc_f(
        self, shape: Union[int, Tuple[int, ...]], *, dtype: Optional[DTypesFloat] = "float32", zeros: bool = True
    ) -> FloatsXd:
        """A new array of floats of any shape; any dtype is allowed. See alloc."""
        return self.alloc(shape, dtype=dtype, zeros=zeros)

    def alloc1i(self, d0: int, *, dtype: Optional[DTypesInt] = "int32", zeros: bool = True) -> Ints1d:
        """A new array of integers of shape (d0,); any dtype is allowed. See alloc."""
        return self.alloc((d0,), dtype=dtype, zeros=zeros)

    def alloc2i(self, d0: int, d1: int, *, dtype: Optional[DTypesInt] = "int32", zeros: bool = True) -> Ints2d:
        """A new array of integers of shape (d0, d1); any dtype is allowed. See alloc."""
        return self.alloc((d0, d1), dtype=dtype, zeros=zeros)

    def alloc3i(self, d0: int, d1: int, d2: int, *, dtype: Optional[DTypesInt] = "int32", zeros: bool = True) -> Ints3d:
        """A new array of integers of shape (d0, d1, d2); any dtype is allowed. See alloc."""
        return self.alloc((d0, d1, d2), dtype=dtype, zeros=zeros)

    def alloc4i(
        self, d0: int, d1: int, d2: int, d3: int, *, dtype: Optional[DTypesInt] = "int32", zeros: bool = True
    ) -> Ints4d:
        """A new array of integers of shape (d0, d1, d2, d3); any dtype is allowed. See alloc."""
        return self.alloc((d0, d1, d2, d3), dtype=dtype, zeros=zeros)

    def alloc_i(
        self, shape: Union[int, Tuple[int, ...]], *, dtype: Optional[DTypesInt] = "int32", zeros: bool = True
    ) -> IntsXd:
        """A new array of integers of any shape; any dtype is allowed. See alloc."""
        return self.alloc(shape, dtype=dtype, zeros=zeros)

    def reshape(self, array: ArrayT, shape: Union[int, Tuple[int, ...]]) -> ArrayT:
        """The array in another shape, a view where possible.

        shape: one number or several; -1 stands for what is left.
        RAISES: ValueError when the number of elements differs.
        """
        try:
            return array.reshape(shape)
        except Exception as error:
            checks.array("reshape", "array", array, self.xp)
            checks.reword("reshape", error)

    def reshape1(self, array: ArrayXd, d0: int) -> Array1d:
        """The array in shape (d0,); the dtype stays. See reshape."""
        return self.reshape(array, (d0,))

    def reshape2(self, array: ArrayXd, d0: int, d1: int) -> Array2d:
        """The array in shape (d0, d1); the dtype stays. See reshape."""
        return self.reshape(array, (d0, d1))

    def reshape3(self, array: ArrayXd, d0: int, d1: int, d2: int) -> Array3d:
        """The array in shape (d0, d1, d2); the dtype stays. See reshape."""
        return self.reshape(array, (d0, d1, d2))

    def reshape4(self, array: ArrayXd, d0: int, d1: int, d2: int, d3: int) -> Array4d:
        """The array in shape (d0, d1, d2, d3); the dtype stays. See reshape."""
        return self.reshape(array, (d0, d1, d2, d3))

    def reshape1f(self, array: FloatsXd, d0: int) -> Floats1d:
        """The array in shape (d0,); the dtype stays. See reshape."""
        return self.reshape(array, (d0,))

    def reshape2f(self, array: FloatsXd, d0: int, d1: int) -> Floats2d:
        """The array in shape (d0, d1); the dtype stays. See reshape."""
        return self.reshape(array, (d0, d1))

    def reshape3f(self, array: FloatsXd, d0: int, d1: int, d2: int) -> Floats3d:
        """The array in shape (d0, d1, d2); the dtype stays. See reshape."""
        return self.reshape(array, (d0, d1, d2))

    def reshape4f(self, array: FloatsXd, d0: int, d1: int, d2: int, d3: int) -> Floats4d:
        """The array in shape (d0, d1, d2, d3); the dtype stays. See reshape."""
        return self.reshape(array, (d0, d1, d2, d3))

    def reshape_f(self, array: FloatsXd, shape: Union[int, Tuple[int, ...]]) -> FloatsXd:
        """The array in another shape; the dtype stays. See reshape."""
        return self.reshape(array, shape)

    def reshape1i(self, array: IntsXd, d0: int) -> Ints1d:
        """The array in shape (d0,); the dtype stays. See reshape."""
        return self.reshape(array, (d0,))

    def reshape2i(self, array: IntsXd, d0: int, d1: int) -> Ints2d:
        """The array in shape (d0, d1); the dtype stays. See reshape."""
        return self.reshape(array, (d0, d1))

    def reshape3i(self, array: IntsXd, d0: int, d1: int, d2: int) -> Ints3d:
        """The array in shape (d0, d1, d2); the dtype stays. See reshape."""
        return self.reshape(array, (d0, d1, d2))

    def reshape4i(self, array: IntsXd, d0: int, d1: int, d2: int, d3: int) -> Ints4d:
        """The array in shape (d0, d1, d2, d3); the dtype stays. See reshape."""
        return self.reshape(array, (d0, d1, d2, d3))

    def reshape_i(self, array: IntsXd, shape: Union[int, Tuple[int, ...]]) -> IntsXd:
        """The array in another shape; the dtype stays. See reshape."""
        return self.reshape(array, shape)

    def asarray(self, data: Any, dtype: Optional[DTypes] = None) -> Any:
        """Anything array-like as an array of this backend, without a copy where possible.

        data: array of any library (a tensor with gradients is detached), number or nested sequence.
        dtype: of the result; None: what the data has, for Python numbers int64 or float64, for bfloat16 float32.
        RETURNS: an array; not necessarily contiguous.
        RAISES: TypeError for None, dictionaries and other objects without numbers.
        """
        try:
            if not isinstance(data, self.xp.ndarray):
                data = self.xp.asarray(self._to_host(data, dtype))
            return data if dtype is None else data.astype(dtype, copy=False)
        except Exception as error:
            checks.reword("asarray", error)

    def _to_host(self, data: Any, dtype: Optional[DTypes]) -> Any:
        """data as a NumPy array."""
        if isinstance(data, numpy.ndarray):
            return data
        if checks.is_cupy(data):
            return data.get()
        if hasattr(data, "detach") and hasattr(data, "cpu"):
            host = data.detach().cpu()
            # NumPy has no bfloat16: float32 holds its values, as in torch2xp.
            return (host.float() if str(getattr(data, "dtype", "")) == "torch.bfloat16" else host).numpy()
        if hasattr(data, "numpy"):
            return data.numpy()
        host = numpy.array(data, dtype=dtype)
        if host.dtype.kind == "O":
            raise checks.KindError(f"asarray: data must be numbers; got {checks.kind_of(data)}")
        return host

    def asarray1f(self, data: Union[Floats1d, Sequence[float]], *, dtype: Optional[DTypes] = "float32") -> Floats1d:
        """data as float32 unless told otherwise; the rank is not checked. See asarray."""
        return self.asarray(data, dtype=dtype)

    def asarray2f(
        self, data: Union[Floats2d, Sequence[Sequence[float]]], *, dtype: Optional[DTypes] = "float32"
    ) -> Floats2d:
        """data as float32 unless told otherwise; the rank is not checked. See asarray."""
        return self.asarray(data, dtype=dtype)

    def asarray3f(
        self, data: Union[Floats3d, Sequence[Sequence[Sequence[float]]]], *, dtype: Optional[DTypes] = "float32"
    ) -> Floats3d:
        """data as float32 unless told otherwise; the rank is not checked. See asarray."""
        return self.asarray(data, dtype=dtype)

    def asarray4f(
        self,
        data: Union[Floats4d, Sequence[Sequence[Sequence[Sequence[float]]]]],
        *,
        dtype: Optional[DTypes] = "float32",
    ) -> Floats4d:
        """data as float32 unless told otherwise; the rank is not checked. See asarray."""
        return self.asarray(data, dtype=dtype)

    def asarray_f(self, data: Union[FloatsXd, Sequence[Any]], *, dtype: Optional[DTypes] = "float32") -> FloatsXd:
        """data as float32 unless told otherwise, of any rank. See asarray."""
        return self.asarray(data, dtype=dtype)

    def asarray1i(self, data: Union[Ints1d, Sequence[int]], *, dtype: Optional[DTypes] = "int32") -> Ints1d:
        """data as int32 unless told otherwise; the rank is not checked. See asarray."""
        return self.asarray(data, dtype=dtype)

    def asarray2i(self, data: Union[Ints2d, Sequence[Sequence[int]]], *, dtype: Optional[DTypes] = "int32") -> Ints2d:
        """data as int32 unless told otherwise; the rank is not checked. See asarray."""
        return self.asarray(data, dtype=dtype)

    def asarray3i(
        self, data: Union[Ints3d, Sequence[Sequence[Sequence[int]]]], *, dtype: Optional[DTypes] = "int32"
    ) -> Ints3d:
        """data as int32 unless told otherwise; the rank is not checked. See asarray."""
        return self.asarray(data, dtype=dtype)

    def asarray4i(
        self, data: Union[Ints4d, Sequence[Sequence[Sequence[Sequence[int]]]]], *, dtype: Optional[DTypes] = "int32"
    ) -> Ints4d:
        """data as int32 unless told otherwise; the rank is not checked. See asarray."""
        return self.asarray(data, dtype=dtype)

    def asarray_i(self, data: Union[IntsXd, Sequence[Any]], *, dtype: Optional[DTypes] = "int32") -> IntsXd:
        """data as int32 unless told otherwise, of any rank. See asarray."""
        return self.asarray(data, dtype=dtype)

    def as_contig(self, data: ArrayT, dtype: Optional[DTypes] = None) -> ArrayT:
        """The array in C order and in the given dtype: itself when it is so already, else a copy."""
        if not hasattr(data, "flags"):
            raise AttributeError(f"as_contig: data must be an array; got {checks.kind_of(data)} (call ops.asarray)")
        try:
            if data.flags["C_CONTIGUOUS"] and (dtype is None or data.dtype == dtype):
                return data
            return self.xp.array(data, dtype=dtype, order="C")
        except Exception as error:
            checks.reword("as_contig", error)

    def to_numpy(self, data: Any, *, byte_order: Optional[str] = None) -> Any:
        """An array of this backend as a NumPy array.

        data: array.  byte_order: "<", ">", "=" or "|" for the order of the bytes in the result; None: as it is.
        RETURNS: NumPy array, without a copy where possible.
        RAISES: TypeError (a ValueError too) when data is no array.
        """
        if checks.is_cupy(data):
            data = data.get()
        if not isinstance(data, numpy.ndarray):
            raise checks.KindError(f"to_numpy: data must be an array; got {checks.kind_of(data)} (call ops.asarray)")
        try:
            return data.astype(data.dtype.newbyteorder(byte_order), copy=False) if byte_order else data
        except Exception as error:
            checks.reword("to_numpy", error)

    def cblas(self) -> CBlas:
        """The table of C-level BLAS functions for Cython callers; only CPU backends have one.

        RAISES: NotImplementedError on every other backend.
        """
        raise NotImplementedError(f"cblas: only CPU backends have a table of BLAS functions; got {type(self).__name__}")
