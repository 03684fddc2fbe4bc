"""Allocation, conversion and reshaping."""

from __future__ import annotations

import sys
from typing import Any

import numpy
import pytest

from thinc_core.backends import CupyOps, NumpyOps, Ops

CPU = [Ops(), NumpyOps()]


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
@pytest.mark.parametrize("kind, dtype", [("f", "float32"), ("i", "int32")])
def test_alloc_by_rank(ops: Any, rank: int, kind: str, dtype: str) -> None:
    shape = (2, 3, 4, 5)[:rank]
    method = getattr(ops, f"alloc{rank}{kind}")
    array = method(*shape)
    assert array.shape == shape
    assert array.dtype == dtype
    assert not array.any()
    assert method(*shape, dtype="uint64").dtype == "uint64"
    assert method(*shape, zeros=False).shape == shape


@pytest.mark.parametrize("method", ["alloc", "alloc_f", "alloc_i"])
def test_alloc_of_any_shape(ops: Any, method: str) -> None:
    alloc = getattr(ops, method)
    assert alloc(3).shape == (3,)
    assert alloc((2, 0)).shape == (2, 0)
    assert alloc(()).shape == ()
    assert alloc((2,), dtype=None).dtype == "float64"
    assert alloc((2,), zeros=False).shape == (2,)
    with pytest.raises(ValueError):
        alloc((-1,))


@pytest.mark.parametrize("suffix", ["", "f", "i"])
def test_reshape(ops: Any, suffix: str) -> None:
    array = ops.xp.arange(24, dtype="int64")
    for rank, shape in enumerate([(24,), (4, 6), (2, 3, 4), (2, 3, 2, 2)], start=1):
        result = getattr(ops, f"reshape{rank}{suffix}")(array, *shape)
        assert result.shape == shape
        assert result.dtype == "int64"
        assert ops.xp.shares_memory(result, array)
    reshape = getattr(ops, f"reshape_{suffix}" if suffix else "reshape")
    assert reshape(array, (-1, 8)).shape == (3, 8)
    assert reshape(array, 24).shape == (24,)
    with pytest.raises(ValueError):
        reshape(array, (5, 5))


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
@pytest.mark.parametrize("kind, dtype", [("f", "float32"), ("i", "int32")])
def test_asarray_by_rank(ops: Any, rank: int, kind: str, dtype: str) -> None:
    data = numpy.arange(16).reshape((2, 2, 2, 2)[: rank - 1] + (-1,)).tolist()
    method = getattr(ops, f"asarray{rank}{kind}")
    array = method(data)
    assert isinstance(array, ops.xp.ndarray)
    assert array.ndim == rank
    assert array.dtype == dtype
    assert array.tolist() == data
    assert method(data, dtype="float64").dtype == "float64"
    assert method([1, 2, 3]).ndim == 1  # the rank is not checked


def test_asarray_keeps_what_it_is_given(ops: Any) -> None:
    array = ops.asarray(numpy.arange(3.0))
    assert ops.asarray(array) is array
    assert ops.asarray(array, dtype="float64") is array
    assert ops.asarray(array, "float32").dtype == "float32"
    assert ops.asarray_f(array).dtype == "float32"
    assert ops.asarray_i(array).dtype == "int32"
    assert ops.asarray([1, 2]).dtype == "int64"
    assert ops.asarray([1.0, 2]).dtype == "float64"
    assert ops.asarray(3).shape == ()
    assert ops.asarray((1, 2)).tolist() == [1, 2]


def test_asarray_mixes_keys_above_and_below_the_signed_range(ops: Any) -> None:
    keys = [1, 2**63, 2**64 - 1]
    assert ops.asarray(keys, dtype="uint64").tolist() == keys


@pytest.mark.parametrize("nonsense", [None, {}, {"a": 1}, object()])
def test_asarray_of_what_is_no_array(ops: Any, nonsense: Any) -> None:
    with pytest.raises(TypeError, match="asarray: data must be numbers"):
        ops.asarray(nonsense)


class Tensor:
    """As much of a PyTorch tensor as asarray looks at."""

    def __init__(self, data: Any, requires_grad: bool = True):
        self.data, self.requires_grad = data, requires_grad

    def detach(self) -> Tensor:
        return Tensor(self.data, False)

    def cpu(self) -> Tensor:
        return self

    def numpy(self) -> Any:
        if self.requires_grad:
            raise RuntimeError("detach first")
        return self.data


@pytest.mark.parametrize("ops", CPU, ids=["reference", "numpy"])
def test_asarray_takes_tensors_without_a_copy(ops: Any) -> None:
    data = numpy.ones((2, 3), dtype="float32")
    assert ops.asarray(Tensor(data)) is data
    assert ops.asarray(Tensor(data), dtype="float64").dtype == "float64"


@pytest.mark.parametrize("ops", CPU, ids=["reference", "numpy"])
def test_asarray_takes_tensors_of_pytorch(torch: Any, ops: Any) -> None:
    tensor = torch.tensor([1.0, 2.5], requires_grad=True)
    array = ops.asarray(tensor)
    assert (array.dtype, array.tolist()) == ("float32", [1.0, 2.5])
    array[0] = 7
    assert tensor.tolist() == [7.0, 2.5]
    for dtype, expected in ((None, "float32"), ("float64", "float64")):
        array = ops.asarray(tensor.bfloat16(), dtype=dtype)
        assert (array.dtype, array.tolist()) == (expected, [7.0, 2.5])


def test_as_contig(ops: Any) -> None:
    array = ops.asarray2f([[1, 2], [3, 4]])
    assert ops.as_contig(array) is array
    assert ops.as_contig(array, "float32") is array
    turned = ops.as_contig(array.T)
    assert turned.flags["C_CONTIGUOUS"]
    assert turned.tolist() == [[1, 3], [2, 4]]
    assert ops.as_contig(array, "float64").dtype == "float64"
    scalar = ops.asarray(3.0)
    assert ops.as_contig(scalar, "float32").shape == ()
    with pytest.raises(AttributeError):
        ops.as_contig([1, 2])


def test_to_numpy(ops: Any) -> None:
    array = ops.asarray2i([[1, 2]])
    host = ops.to_numpy(array)
    assert isinstance(host, numpy.ndarray)
    assert host.tolist() == [[1, 2]]
    assert ops.to_numpy(host) is host
    with pytest.raises(ValueError, match="to_numpy: data must be an array"):
        ops.to_numpy([1, 2])


@pytest.mark.parametrize("byte_order", ["<", ">", "=", "|"])
def test_to_numpy_in_another_byte_order(ops: Any, byte_order: str) -> None:
    array = ops.asarray1i([1, 2, 3])
    host = ops.to_numpy(array, byte_order=byte_order)
    assert host.tolist() == [1, 2, 3]
    foreign = byte_order == (">" if sys.byteorder == "little" else "<")
    assert host.dtype.isnative is not foreign
    assert ops.to_numpy(host, byte_order="=").dtype.isnative


def test_cblas_is_for_cpu_backends() -> None:
    for ops in (Ops(), CupyOps()):
        with pytest.raises(NotImplementedError, match=type(ops).__name__):
            ops.cblas()


def test_insert_into(ops: Any) -> None:
    Xs = [ops.asarray2f([[1, 2]]), ops.asarray2f([[3, 4], [5, 6]])]
    assert ops.insert_into((2, 3, 2), Xs).tolist() == [[[1, 2], [0, 0], [0, 0]], [[3, 4], [5, 6], [0, 0]]]


def test_constructor() -> None:
    ops = Ops(numpy)  # the first argument is the device type, whatever it is
    assert ops.device_type is numpy
    assert ops.device_id == -1
    assert ops.xp is numpy
    assert (NumpyOps().device_type, NumpyOps().device_id) == ("cpu", -1)
    assert (CupyOps().device_type, CupyOps().device_id) == ("gpu", 0)
    assert Ops("cpu", 3, anything="goes").device_id == 3
    with pytest.raises(TypeError):
        NumpyOps(anything="goes")
    assert NumpyOps() != NumpyOps()


def test_ops_can_be_copied_and_pickled() -> None:
    import copy
    import pickle

    for ops in (Ops(), NumpyOps("cpu", 5)):
        for twin in (copy.deepcopy(ops), pickle.loads(pickle.dumps(ops))):
            assert type(twin) is type(ops)
            assert twin.device_id == ops.device_id
