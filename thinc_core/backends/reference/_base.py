"""What the op families share: the array module and four small helpers."""

from __future__ import annotations

import sys
from typing import Any, Callable

import numpy

from .. import checks
from .._dtypes import is_float, is_half


class Base:
    """The attributes every family relies on. Letters in the docstrings are those of the architecture notes:
    B batch, T rows of all sequences, O out, I in, P pieces, K hashes, V table rows."""

    name: str = "base"
    xp: Any = numpy

    def _arrays(self, op: str, **arrays: Any) -> None:
        """Every argument must be an array of this backend's module that holds real numbers."""
        for name, value in arrays.items():
            checks.array(op, name, value, self.xp)
            checks.numbers(op, name, value)

    def _wide(self, X: Any) -> Any:
        """X, or a float32 copy of float16 and bfloat16: half precision is stored, never computed with."""
        return X.astype("float32") if is_half(X.dtype) else X

    def _result(self, op: str, Y: Any, X: Any, inplace: bool) -> Any:
        """Y in X's float dtype; written into X, and X returned, when inplace."""
        if not checks.flag(op, "inplace", inplace):
            return self.xp.asarray(Y, dtype=X.dtype if is_float(X.dtype) else None)  # NumPy makes 0-d arrays scalars
        checks.writable(op, "the array changed in place", X)
        X[...] = Y
        return X

    def _floor(self, X: Any) -> Any:
        """X with -inf replaced by the lowest finite value, so that it times an exact zero is zero and not NaN."""
        return self.xp.maximum(X, self.xp.finfo(X.dtype).min)

    def _host(self, op: str, name: str, values: Any) -> Any:
        """Integers (array of any integer dtype and device, list, tuple) as a 1-d int64 NumPy array on the host."""
        if isinstance(values, numpy.ndarray):
            checks.array(op, name, values, numpy)
        if checks.is_cupy(values):
            checks.device(op, name, values, sys.modules["cupy"])
        values = values.get() if checks.is_cupy(values) else checks.host(op, name, values)
        if values.size == 0:
            return numpy.zeros((0,), dtype="int64")
        checks.integers(op, name, values)
        checks.ndim(op, name, values, 1)
        return values.astype("int64", copy=False)

    def _read_later(self, X: Any) -> Callable[[], Any]:
        """A function that gives what X holds now, as a NumPy array. A GPU's backend waits only when it is called."""
        values = self.xp.array(X)
        return lambda: values

    def _known(self, values: Any) -> Any:
        """(B,) int32 on the device of values that the host has: lengths and the like, which it will ask for again."""
        return self.xp.asarray(numpy.asarray(values, dtype="int32"))

    def _owners(self, lengths: Any) -> Any:
        """(T,) index of the sequence each row belongs to. lengths: (B,) int64 on the host."""
        return self.xp.asarray(numpy.repeat(numpy.arange(len(lengths)), lengths))

    # What layers ask for while a batch goes through them: the same values as ops give, sooner.

    def _joined(self, seqs: Any, pad: int = 0) -> Any:
        """flatten(seqs, pad=pad), to be read only: where the members lie end to end it may be a view of them."""
        return self.flatten(seqs, pad=pad)  # type: ignore[attr-defined]

    def _batch_lengths(self, sizes: Any) -> Any:
        """The lengths of a batch (B,) int32, which nobody may change. sizes: list of int."""
        return self.asarray1i(sizes)  # type: ignore[attr-defined]
