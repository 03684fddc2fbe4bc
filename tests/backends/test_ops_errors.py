# ruff: noqa: E501  (one row per error, its whole text on it)
"""Wrong arguments: the same type and the same text from every backend."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any, Dict

import numpy
import pytest
from cases import ELEMENTWISE
from fake_cupy import pretend_installed
from running import copied, on_backend

from thinc_core.backends import Ops
from thinc_core.backends.reference.optim import StepRates

f = numpy.ones
i = numpy.zeros


def ints(*values: Any, dtype: str = "int32") -> Any:
    return numpy.array(values, dtype=dtype)


def frozen(array: Any) -> Any:
    array.flags.writeable = False
    return array


def ragged(lengths: Any, T: int = 5, **more: Any) -> Dict[str, Any]:
    return {"X": f((T, 3), "f"), "lengths": ints(*lengths), **more}


def affine(**changed: Any) -> Dict[str, Any]:
    return {"X": f((4, 3), "f"), "W": f((5, 3), "f"), "b": f(5, "f"), **changed}


def affine_maxout(**changed: Any) -> Dict[str, Any]:
    return {"X": f((4, 3), "f"), "W": f((5, 2, 3), "f"), "b": f((5, 2), "f"), **changed}


def backward(**changed: Any) -> Dict[str, Any]:
    grads = {"dW": f((5, 3), "f"), "db": f(5, "f")}
    return {"dY": f((4, 5), "f"), "X": f((4, 3), "f"), "W": f((5, 3), "f"), **grads, **changed}


def backward_maxout(**changed: Any) -> Dict[str, Any]:
    args = affine_maxout()
    grads = {"dW": f((5, 2, 3), "f"), "db": f((5, 2), "f")}
    return {"dY": f((4, 5), "f"), "which": i((4, 5), "i"), "X": args["X"], "W": args["W"], **grads, **changed}


def steps(**changed: Any) -> Dict[str, Any]:
    names = ("weights", "gradients", "mom1", "mom2", "averages")
    args = {name: [f((2, 2), "f") if name[:3] != "mom" else f(4, "f"), f(3, "f")] for name in names}
    return {**args, "rates": [StepRates(1, 0.1), StepRates(1, 0.1)], **changed}


def bags(**changed: Any) -> Dict[str, Any]:
    given = {"keys": ints(1, 2, 3), "values": f(3, "f"), "lengths": ints(1, 2)}
    return {**given, "W": f(10, "f"), "b": f(2, "f"), **changed}


def backward_bags(**changed: Any) -> Dict[str, Any]:
    given = {name: value for name, value in bags().items() if name != "b"}
    return {"dY": f((2, 2), "f"), **given, "dW": f(10, "f"), "db": f(2, "f"), **changed}


def adam(**changed: Any) -> Dict[str, Any]:
    arrays = {name: f(4, "f") for name in ("weights", "gradient", "mom1", "mom2")}
    return {**arrays, "beta1": 0.9, "beta2": 0.9, "eps": 0.1, "learn_rate": 0.1, **changed}


def layernorm(**changed: Any) -> Dict[str, Any]:
    return {"X": f((4, 3), "f"), "G": f(3, "f"), "b": f(3, "f"), **changed}


def backprop_layernorm(**changed: Any) -> Dict[str, Any]:
    rows = {"mu": f(4, "f"), "rstd": f(4, "f")}
    grads = {"dG": f(3, "f"), "db": f(3, "f")}
    return {"dY": f((4, 3), "f"), "X": f((4, 3), "f"), "G": f(3, "f"), **rows, **grads, **changed}


def tables(**changed: Any) -> Dict[str, Any]:
    pair = [f((4, 3), "f"), f((5, 2), "f")]
    return {"tables": pair, "ids": i((6, 2), "u8"), "columns": [0, 1], "seeds": [0, 1], **changed}


def dtables(**changed: Any) -> Dict[str, Any]:
    args = tables()
    pair = args.pop("tables")
    return {"dY": f((6, 5), "f"), **args, "dtables": pair, **changed}


MANY = 2**32 + 1  # which a cast to 32 bits would turn into 1
ERRORS = [
    # Kinds, ranks and shapes
    ("relu", {"X": [1.0, 2.0]}, TypeError, "relu: X must be a numpy array; got list (call model.ops.asarray)"),
    ("mish", {"X": None}, TypeError, "mish: X must be a numpy array; got NoneType (call model.ops.asarray)"),
    ("mish", {"X": i(3, "i")}, TypeError, "mish: X must have a float dtype; got int32 (call ops.asarray_f)"),
    ("backprop_gelu", {"dY": f(3, "f"), "X": i(3, "i")}, TypeError, "backprop_gelu: X must have a float dtype; got int32 (call ops.asarray_f)"),
    ("relu", {"X": frozen(f(3, "f")), "inplace": True}, ValueError, "relu: the array changed in place is overwritten and must be writable; got a read-only array (pass a copy)"),
    ("backprop_relu", {"dY": f((2, 3), "f"), "Y": f((3, 2), "f")}, ValueError, "backprop_relu: dY and Y must have the same shape; got (2, 3) and (3, 2)"),
    ("backprop_mish", {"dY": f((2, 3), "f"), "X": f((1, 3), "f")}, ValueError, "backprop_mish: dY and X must have the same shape; got (2, 3) and (1, 3)"),
    ("backprop_gelu", {"dY": f(3, "f"), "X": f((), "f")}, ValueError, "backprop_gelu: dY and X must have the same shape; got (3,) and ()"),
    ("backprop_swish", {"dY": f(3, "f"), "X": f(3, "f"), "Y": f(4, "f")}, ValueError, "backprop_swish: dY and X and Y must have the same shape; got (3,) and (3,) and (4,)"),
    ("rmsnorm", {"X": f((4, 3), "f"), "G": f(4, "f")}, ValueError, "rmsnorm: G must have shape (3,); got (4,)"),
    ("backprop_rmsnorm", {"dY": f((4, 3), "f"), "X": f((4, 3), "f"), "G": f(3, "f"), "rstd": f(3, "f"), "dG": f(3, "f")}, ValueError, "backprop_rmsnorm: rstd must have shape (4,); got (3,)"),
    ("backprop_rmsnorm", {"dY": f((4, 3), "f"), "X": f((4, 3), "f"), "G": f(3, "f"), "rstd": f(4, "f"), "dG": frozen(f(3, "f"))}, ValueError, "backprop_rmsnorm: dG is overwritten and must be writable; got a read-only array (pass a copy)"),
    ("attention", {"QKV": f((5, 12), "f"), "lengths": ints(2, 3), "n_heads": 3}, ValueError, "attention: the width of QKV must be a multiple of 3 * n_heads; got 12 and 3"),
    ("attention", {"QKV": f((5, 12), "f"), "lengths": ints(2, 2), "n_heads": 2}, IndexError, "attention: lengths must sum up to the number of rows; got a sum of 4 for 5 rows"),
    ("attention", {"QKV": f((5, 12), "f"), "lengths": ints(2, 3), "n_heads": 0}, ValueError, "attention: n_heads must be >= 1; got 0"),
    ("attention", {"QKV": f((5, 12), "f"), "lengths": ints(2, 3), "n_heads": 2, "mask": f(25, "f")}, ValueError, "attention: mask must have shape (26,); got (25,)"),
    ("backprop_attention", {"dY": f((5, 3), "f"), "QKV": f((5, 12), "f"), "weights": f(26, "f"), "lengths": ints(2, 3), "n_heads": 2}, ValueError, "backprop_attention: dY must have shape (5, 4); got (5, 3)"),
    ("backprop_attention", {"dY": f((5, 4), "f"), "QKV": f((5, 12), "f"), "weights": f(13, "f"), "lengths": ints(2, 3), "n_heads": 2}, ValueError, "backprop_attention: weights must have shape (26,); got (13,)"),
    ("rotary", {"X": f((5, 12), "f"), "lengths": ints(2, 3), "n_heads": 2, "D": 3}, ValueError, "rotary: D must be even and X (width 12) hold all heads; got 2 heads of 3"),
    ("backprop_rotary", {"dY": f((5, 12), "f"), "lengths": ints(2, 3), "n_heads": 4, "D": 4}, ValueError, "backprop_rotary: D must be even and dY (width 12) hold all heads; got 4 heads of 4"),
    ("rotary", {"X": f((5, 12), "f"), "lengths": ints(2, 3), "n_heads": 0, "D": 2**70}, ValueError, f"rotary: D must be even and X (width 12) hold all heads; got 0 heads of {2**70}"),
    ("backprop_rotary", {"dY": f((5, 12), "f"), "lengths": ints(2, 3), "n_heads": 2**70, "D": 0}, ValueError, f"backprop_rotary: D must be even and dY (width 12) hold all heads; got {2**70} heads of 0"),
    ("backprop_softmax", {"Y": f(3, "f"), "dY": f(4, "f")}, ValueError, "backprop_softmax: Y and dY must have the same shape; got (3,) and (4,)"),
    ("softmax_sequences", {"Xs": f((2, 2, 2), "f"), "lengths": ints(2)}, NotImplementedError, "softmax_sequences: Xs must have 2 dimensions; got shape (2, 2, 2)"),
    # Dropout
    ("dropout", {"X": f(3, "f"), "drop": numpy.nan, "seed": 1}, ValueError, "dropout: drop must be a probability; got nan"),
    ("dropout", {"X": f(3, "f"), "drop": 0.5, "seed": 2**53}, OverflowError, "dropout: seed must be in [0, 9007199254740992); got 9007199254740992"),
    ("dropout_seed", {"drop": numpy.nan}, ValueError, "dropout_seed: drop must be a probability; got nan"),
    ("get_dropout_mask", {"shape": (3,), "drop": numpy.nan}, ValueError, "get_dropout_mask: drop must be a probability; got nan"),
    ("affine_maxout_layernorm", affine_maxout(G=f(5, "f"), shift=f(5, "f"), drop=numpy.nan), ValueError, "affine_maxout_layernorm: drop must be a probability; got nan"),
    # Matrix products
    ("gemm", {"x": f((4, 3), "f"), "y": f((5, 2), "f"), "trans2": True}, ValueError, "gemm: Shape mismatch, inner dimensions must agree; got x (4, 3) and y.T (2, 5)"),
    ("gemm", {"x": f((4, 3), "f"), "y": f((4, 2), "f")}, ValueError, "gemm: Shape mismatch, inner dimensions must agree; got x (4, 3) and y (4, 2)"),
    ("gemm", {"x": f((4, 3), "f"), "y": f(3, "f")}, ValueError, "gemm: y must have 2 dimensions; got shape (3,)"),
    ("gemm", {"x": f((4, 3), "f"), "y": f((3, 2), "d")}, ValueError, "gemm: x and y must have the same dtype; got float32 and float64"),
    ("gemm", {"x": f((4, 3), "i"), "y": f((3, 2), "i")}, ValueError, "gemm: x must have a float dtype; got int32 (call ops.asarray_f)"),
    ("gemm", {"x": [[1.0]], "y": f((3, 2), "f")}, TypeError, "gemm: x must be a numpy array; got list (call model.ops.asarray)"),
    ("gemm", {"x": f((4, 3), "f"), "y": f((3, 2), "f"), "out": f((4, 3), "f")}, ValueError, "gemm: out must have shape (4, 2); got (4, 3)"),
    ("gemm", {"x": f((4, 3), "f"), "y": f((3, 2), "f"), "out": f((4, 2), "d")}, ValueError, "gemm: out must have dtype float32; got float64"),
    ("gemm", {"x": f((4, 3), "f"), "y": f((3, 2), "f"), "out": frozen(f((4, 2), "f"))}, ValueError, "gemm: out is overwritten and must be writable; got a read-only array (pass a copy)"),
    ("gemm", {"x": f((4, 3), "f"), "y": f((3, 2), "f"), "accumulate": True}, ValueError, "gemm: accumulate needs the array to add to; got out=None"),
    ("affine", affine(W=f((5, 4), "f")), ValueError, "affine: Shape mismatch, X and W must have the same last dimension; got X (4, 3) and W (5, 4)"),
    ("affine", affine(b=f(4, "f")), ValueError, "affine: b must have shape (5,); got (4,)"),
    ("affine", affine(b=f(5, "d")), ValueError, "affine: X, W and b must have the same dtype; got float32 and float32 and float64"),
    ("affine", affine(X=f(3, "f")), ValueError, "affine: X must have 2 dimensions; got shape (3,)"),
    ("affine_relu", affine(W=f((5, 4), "f")), ValueError, "affine_relu: Shape mismatch, X and W must have the same last dimension; got X (4, 3) and W (5, 4)"),
    ("affine_activation", affine(activation="gelu", W=f((5, 4), "f")), ValueError, "affine_activation: Shape mismatch, X and W must have the same last dimension; got X (4, 3) and W (5, 4)"),
    ("affine_activation", affine(activation="tanh"), ValueError, "affine_activation: activation must be one of relu, gelu, gelu_approx, mish, swish, sigmoid, dish, hard_swish, hard_swish_mobilenet, hard_sigmoid, hard_tanh, relu_k; got 'tanh'"),
    ("affine_activation", affine(activation=None), ValueError, "affine_activation: activation must be one of relu, gelu, gelu_approx, mish, swish, sigmoid, dish, hard_swish, hard_swish_mobilenet, hard_sigmoid, hard_tanh, relu_k; got None"),
    ("affine_maxout_layernorm", affine_maxout(G=f(4, "f"), shift=f(5, "f")), ValueError, "affine_maxout_layernorm: G must have shape (5,); got (4,)"),
    ("affine_maxout_layernorm", affine_maxout(G=f(5, "f"), shift=f(3, "f")), ValueError, "affine_maxout_layernorm: shift must have shape (5,); got (3,)"),
    ("affine_maxout_layernorm", affine_maxout(G=f(5, "f"), shift=f(5, "f"), b=f(10, "f")), ValueError, "affine_maxout_layernorm: b must have shape (5, 2); got (10,)"),
    ("affine_maxout", affine_maxout(W=f((5, 3), "f")), ValueError, "affine_maxout: W must have 3 dimensions; got shape (5, 3)"),
    ("affine_maxout", affine_maxout(W=f((5, 0, 3), "f"), b=f((5, 0), "f")), ValueError, "affine_maxout: P must be >= 1; got 0"),
    ("affine_maxout", affine_maxout(b=f(10, "f")), ValueError, "affine_maxout: b must have shape (5, 2); got (10,)"),
    ("backprop_affine", backward(dY=f((4, 4), "f")), ValueError, "backprop_affine: dY must have shape (4, 5); got (4, 4)"),
    ("backprop_affine", backward(dW=f((3, 5), "f")), ValueError, "backprop_affine: W and dW must have the same shape; got (5, 3) and (3, 5)"),
    ("backprop_affine", backward(dW=frozen(f((5, 3), "f"))), ValueError, "backprop_affine: dW is overwritten and must be writable; got a read-only array (pass a copy)"),
    ("backprop_affine", backward(db=f((5, 1), "f")), ValueError, "backprop_affine: db must have shape (5,); got (5, 1)"),
    ("backprop_affine_maxout", backward_maxout(which=i((4, 5), "i") + 2), IndexError, "backprop_affine_maxout: which must be in [0, 2); got 2 at [0, 0]"),
    ("backprop_affine_maxout", backward_maxout(which=i((4, 5), "i") - 1), IndexError, "backprop_affine_maxout: which must be in [0, 2); got -1 at [0, 0]"),
    ("backprop_affine_maxout", backward_maxout(which=i((5, 4), "i")), ValueError, "backprop_affine_maxout: dY and which must have the same shape; got (4, 5) and (5, 4)"),
    # Maxout
    ("maxout", {"X": f((2, 3), "f")}, ValueError, "maxout: X must have 3 dimensions; got shape (2, 3)"),
    ("maxout", {"X": f((2, 3, 0), "f")}, ValueError, "maxout: P must be >= 1; got 0"),
    ("backprop_maxout", {"dY": f((1, 2), "f"), "which": ints([0, 3]), "P": 3}, IndexError, "backprop_maxout: which must be in [0, 3); got 3 at [0, 1]"),
    ("backprop_maxout", {"dY": f((1, 2), "f"), "which": ints([0, -1]), "P": 3}, IndexError, "backprop_maxout: which must be in [0, 3); got -1 at [0, 1]"),
    ("backprop_maxout", {"dY": f((1, 2), "f"), "which": ints([0, MANY], dtype="int64"), "P": 3}, IndexError, f"backprop_maxout: which must be in [0, 3); got {MANY} at [0, 1]"),
    ("backprop_maxout", {"dY": f((1, 2), "f"), "which": ints([0, 1, 2]), "P": 3}, ValueError, "backprop_maxout: dY and which must have the same shape; got (1, 2) and (1, 3)"),
    ("backprop_maxout", {"dY": f((1, 2), "f"), "which": i((1, 2), "i"), "P": 0}, ValueError, "backprop_maxout: P must be >= 1; got 0"),
    ("backprop_maxout", {"dY": f((1, 2), "f"), "which": f((1, 2), "f"), "P": 2}, TypeError, "backprop_maxout: which must have an integer dtype; got float32 (call ops.asarray_i)"),
    # Ragged sequences
    ("reduce_sum", ragged([1, -1, 5]), ValueError, "reduce_sum: all sequence lengths must be >= 0; got -1 at position 1"),
    ("reduce_sum", ragged([2, 2]), IndexError, "reduce_sum: lengths must sum up to the number of rows; got a sum of 4 for 5 rows"),
    ("reduce_mean", ragged([2, 4]), IndexError, "reduce_mean: lengths must sum up to the number of rows; got a sum of 6 for 5 rows"),
    ("reduce_mean", ragged([6, -1]), IndexError, "reduce_mean: lengths must sum up to the number of rows; got a sum of 6 for 5 rows"),
    ("reduce_mean", ragged([]), IndexError, "reduce_mean: lengths must sum up to the number of rows; got a sum of 0 for 5 rows"),
    ("reduce_max", ragged([3, 2, 0]), ValueError, "reduce_max: all sequence lengths must be > 0; got 0 at position 2 (use reduce_sum for empty sequences)"),
    ("reduce_first", ragged([3, 0, 2]), ValueError, "reduce_first: all sequence lengths must be > 0; got 0 at position 1"),
    ("reduce_last", ragged([2, 2]), IndexError, "reduce_last: lengths must sum up to the number of rows; got a sum of 4 for 5 rows"),
    ("reduce_sum", {"X": f(5, "f"), "lengths": ints(5)}, ValueError, "reduce_sum: X must have 2 dimensions; got shape (5,)"),
    ("reduce_sum", {"X": f((5, 3), "f"), "lengths": f(5, "f")}, TypeError, "reduce_sum: lengths must have an integer dtype; got float32 (call ops.asarray_i)"),
    ("reduce_sum", {"X": f((1, 3), "f"), "lengths": ints(MANY, dtype="int64")}, IndexError, f"reduce_sum: lengths must sum up to the number of rows; got a sum of {MANY} for 1 rows"),
    ("backprop_reduce_sum", {"d_sums": f((2, 3), "f"), "lengths": ints(1, -2)}, ValueError, "backprop_reduce_sum: all sequence lengths must be >= 0; got -2 at position 1"),
    ("backprop_reduce_mean", {"d_means": f((2, 3), "f"), "lengths": ints(1, 2, 3)}, ValueError, "backprop_reduce_mean: d_means must have one row per length; got 2 rows and 3 lengths"),
    ("backprop_reduce_max", {"d_maxes": f((2, 1), "f"), "which": ints([0], [2]), "lengths": ints(3, 2)}, IndexError, "backprop_reduce_max: which must be in [0, 2) for the sequence at position 1; got 2 at [1, 0]"),
    ("backprop_reduce_max", {"d_maxes": f((2, 1), "f"), "which": ints([-1], [0]), "lengths": ints(3, 2)}, IndexError, "backprop_reduce_max: which must be in [0, 3) for the sequence at position 0; got -1 at [0, 0]"),
    ("backprop_reduce_max", {"d_maxes": f((2, 3), "f"), "which": i((2, 2), "i"), "lengths": ints(3, 2)}, ValueError, "backprop_reduce_max: d_maxes and which must have the same shape; got (2, 3) and (2, 2)"),
    ("backprop_reduce_max", {"d_maxes": f((2, 3), "f"), "which": i((2, 3), "i"), "lengths": ints(3)}, ValueError, "backprop_reduce_max: d_maxes must have one row per length; got 2 rows and 1 lengths"),
    ("backprop_reduce_max", {"d_maxes": f((2, 1), "f"), "which": ints([0], [0]), "lengths": ints(3, 0)}, ValueError, "backprop_reduce_max: all sequence lengths must be > 0; got 0 at position 1"),
    ("backprop_reduce_first", {"d_firsts": f((0, 3), "f"), "starts_ends": ints(0)}, ValueError, "backprop_reduce_first: starts_ends must have size 0 or at least 2; got size 1"),
    ("backprop_reduce_first", {"d_firsts": f((2, 3), "f"), "starts_ends": ints(0, 3, 2)}, ValueError, "backprop_reduce_first: starts_ends must be >= 0 and increase; got [0, 3, 2]"),
    ("backprop_reduce_last", {"d_lasts": f((2, 3), "f"), "lasts": ints(-1, 2)}, ValueError, "backprop_reduce_last: lasts must be >= 0 and increase; got [-1, 2]"),
    ("backprop_reduce_last", {"d_lasts": f((2, 3), "f"), "lasts": ints(0, 1, 2)}, ValueError, "backprop_reduce_last: d_lasts must have shape (3, 3); got (2, 3)"),
    ("backprop_softmax_sequences", {"dY": f((2, 3), "f"), "Y": f((2, 2), "f"), "lengths": ints(2)}, ValueError, "backprop_softmax_sequences: dY and Y must have the same shape; got (2, 3) and (2, 2)"),
    # Windows
    ("seq2col", {"seq": f((5, 3), "f"), "nW": -1}, ValueError, "seq2col: nW must be >= 0; got -1"),
    ("seq2col", {"seq": f((5, 3), "f"), "nW": 1, "lengths": ints(2, 2)}, IndexError, "seq2col: lengths must sum up to the number of rows; got a sum of 4 for 5 rows"),
    ("seq2col", {"seq": f((5, 3), "f"), "nW": 1, "lengths": ints(2, -1, 4)}, ValueError, "seq2col: all sequence lengths must be >= 0; got -1 at position 1"),
    ("seq2col", {"seq": f(5, "f"), "nW": 1}, ValueError, "seq2col: seq must have 2 dimensions; got shape (5,)"),
    ("backprop_seq2col", {"dY": f((5, 10), "f"), "nW": 1}, ValueError, "backprop_seq2col: the width of dY must be a multiple of 2 * nW + 1 = 3; got 10"),
    # Tables
    ("gather_add", {"table": f((4, 2), "f"), "indices": ints([0, 1], [4, 2])}, IndexError, "gather_add: indices must be in [0, 4); got 4 at [1, 0]"),
    ("gather_add", {"table": f((4, 2), "f"), "indices": ints([0, -1])}, IndexError, "gather_add: indices must be in [0, 4); got -1 at [0, 1]"),
    ("gather_add", {"table": f((4, 2), "f"), "indices": ints([0, MANY], dtype="uint64")}, IndexError, f"gather_add: indices must be in [0, 4); got {MANY} at [0, 1]"),
    ("gather_add", {"table": f((4, 2), "f"), "indices": ints(0, 1)}, ValueError, "gather_add: indices must have 2 dimensions; got shape (2,)"),
    ("gather_add", {"table": f((4, 2), "f"), "indices": f((1, 2), "f")}, TypeError, "gather_add: indices must have an integer dtype; got float32 (call ops.asarray_i)"),
    ("scatter_add", {"table": f((4, 2), "f"), "indices": ints(0, 4), "values": f((2, 2), "f")}, IndexError, "scatter_add: indices must be in [0, 4); got 4 at [1]"),
    ("scatter_add", {"table": f((4, 2), "f"), "indices": ints(0, MANY, dtype="int64"), "values": f((2, 2), "f")}, IndexError, f"scatter_add: indices must be in [0, 4); got {MANY} at [1]"),
    ("scatter_add", {"table": f((0, 2), "f"), "indices": ints(0), "values": f((1, 2), "f")}, IndexError, "scatter_add: indices must be in [0, 0); got 0 at [0]"),
    ("scatter_add", {"table": f((4, 2), "f"), "indices": ints(0, 1), "values": f((2, 3), "f")}, ValueError, "scatter_add: values must broadcast to indices.shape + table.shape[1:] = (2, 2); got (2, 3)"),
    ("scatter_add", {"table": frozen(f((4, 2), "f")), "indices": ints(0), "values": f((1, 2), "f")}, ValueError, "scatter_add: table is overwritten and must be writable; got a read-only array (pass a copy)"),
    ("hash", {"ids": ints(1), "seed": -1}, OverflowError, "hash: seed must be in [0, 4294967296); got -1"),
    ("hash", {"ids": ints(1), "seed": 2**32}, OverflowError, "hash: seed must be in [0, 4294967296); got 4294967296"),
    ("hash", {"ids": ints([1]), "seed": 0}, ValueError, "hash: ids must have 1 dimensions; got shape (1, 1)"),
    ("hash", {"ids": f(3, "d"), "seed": 0}, ValueError, "hash: ids must have an integer dtype; got float64 (call ops.asarray_i)"),
    ("ngrams", {"n": 2, "keys": f(3, "d")}, ValueError, "ngrams: keys must have an integer dtype; got float64 (call ops.asarray_i)"),
    ("hash_embed", {"table": f((0, 3), "f"), "ids": ints(1), "seed": 0}, ValueError, "hash_embed: the number of rows of table must be >= 1; got 0"),
    ("backprop_hash_embed", {"dY": f((2, 3), "f"), "ids": ints(1), "seed": 0, "dtable": f((4, 3), "f")}, ValueError, "backprop_hash_embed: dY must have shape (1, 3); got (2, 3)"),
    ("hash_embeds", tables(tables=[f((4, 3), "f")]), ValueError, "hash_embeds: tables, columns and seeds must be lists of one length, at least 1; got 1, 2 and 2"),
    ("hash_embeds", tables(tables=[], columns=[], seeds=[]), ValueError, "hash_embeds: tables, columns and seeds must be lists of one length, at least 1; got 0, 0 and 0"),
    ("hash_embeds", tables(tables=f((2, 4, 3), "f")), TypeError, "hash_embeds: tables must be a list; got a numpy array"),
    ("hash_embeds", tables(tables=[f((4, 3), "f"), [1.0]]), TypeError, "hash_embeds: tables[1] must be a numpy array; got list (call model.ops.asarray)"),
    ("hash_embeds", tables(tables=[f((4, 3), "f"), f((5, 2), "d")]), TypeError, "hash_embeds: tables must have the same dtype; got float32 and float64"),
    ("hash_embeds", tables(tables=[f((4, 3), "f"), f((0, 2), "f")]), ValueError, "hash_embeds: the number of rows of tables[1] must be >= 1; got 0"),
    ("hash_embeds", tables(tables=[f((4, 3), "i"), f((5, 2), "i")]), TypeError, "hash_embeds: tables[0] must have a float dtype; got int32 (call ops.asarray_f)"),
    ("hash_embeds", tables(ids=i(6, "u8")), ValueError, "hash_embeds: ids must have 2 dimensions; got shape (6,)"),
    ("hash_embeds", tables(ids=f((6, 2), "f")), TypeError, "hash_embeds: ids must have an integer dtype; got float32 (call ops.asarray_i)"),
    ("hash_embeds", tables(columns=[0, 2]), IndexError, "hash_embeds: columns must be in [0, 2); got 2 at [1]"),
    ("hash_embeds", tables(columns=[-1, 0]), IndexError, "hash_embeds: columns must be in [0, 2); got -1 at [0]"),
    ("hash_embeds", tables(columns=[0, 1.0]), TypeError, "hash_embeds: columns must be integers; got 1.0"),
    ("hash_embeds", tables(seeds=[0, True]), TypeError, "hash_embeds: seeds must be integers; got True"),
    ("hash_embeds", tables(seeds=[0, 2**64]), OverflowError, "hash_embeds: seed must be in [0, 4294967296); got 18446744073709551616"),
    ("backprop_hash_embeds", dtables(dY=f((6, 4), "f")), ValueError, "backprop_hash_embeds: dY must have shape (6, 5); got (6, 4)"),
    ("backprop_hash_embeds", dtables(dtables=[f((4, 3), "f"), frozen(f((5, 2), "f"))]), ValueError, "backprop_hash_embeds: dtables[1] is overwritten and must be writable; got a read-only array (pass a copy)"),
    ("backprop_hash_embeds", dtables(seeds=[0, -1]), OverflowError, "backprop_hash_embeds: seed must be in [0, 4294967296); got -1"),
    ("position_encode", {"N": 2, "D": 3, "out": f((2, 4), "f")}, ValueError, "position_encode: out must have shape (2, 3); got (2, 4)"),
    ("position_encode", {"N": 2, "D": 3, "out": f((2, 3), "i")}, ValueError, "position_encode: out must have a float dtype; got int32 (call ops.asarray_f)"),
    # Bags of keys
    ("sparse_affine", bags(keys=f(3, "f")), ValueError, "sparse_affine: keys must have an integer dtype; got float32 (call ops.asarray_i)"),
    ("sparse_affine", bags(values=f(2, "f")), ValueError, "sparse_affine: values must have shape (3,); got (2,)"),
    ("sparse_affine", bags(values=f(3, "d")), TypeError, "sparse_affine: values, W and b must have the same dtype; got float64 and float32 and float32"),
    ("sparse_affine", bags(lengths=ints(1, 1)), IndexError, "sparse_affine: lengths must sum up to the number of rows; got a sum of 2 for 3 rows"),
    ("sparse_affine", bags(lengths=ints(4, -1)), IndexError, "sparse_affine: lengths must sum up to the number of rows; got a sum of 4 for 3 rows"),
    ("sparse_affine", bags(lengths=ints(3, -1, 1)), ValueError, "sparse_affine: all sequence lengths must be >= 0; got -1 at position 1"),
    ("sparse_affine", bags(lengths=f(3, "f")), TypeError, "sparse_affine: lengths must have an integer dtype; got float32 (call ops.asarray_i)"),
    ("sparse_affine", bags(W=f(11, "f")), ValueError, "sparse_affine: W must have as many weights for each of the 2 outputs, from 1 to 2^31 - 1; got 11"),
    ("sparse_affine", bags(W=f(0, "f")), ValueError, "sparse_affine: W must have as many weights for each of the 2 outputs, from 1 to 2^31 - 1; got 0"),
    ("sparse_affine", bags(W=f((2, 5), "f")), ValueError, "sparse_affine: W must have 1 dimensions; got shape (2, 5)"),
    ("sparse_affine", bags(b=f((), "f")), ValueError, "sparse_affine: b must have 1 dimensions; got shape ()"),
    ("sparse_affine", bags(b=f(0, "f")), ValueError, "sparse_affine: the number of values of b must be >= 1; got 0"),
    ("sparse_affine", bags(v1_indexing=f(2, "f")), TypeError, "sparse_affine: v1_indexing must be true or false; got a numpy array"),
    ("backprop_sparse_affine", backward_bags(dY=f((2, 3), "f")), ValueError, "backprop_sparse_affine: dY must have shape (2, 2); got (2, 3)"),
    ("backprop_sparse_affine", backward_bags(dY=f((2, 2), "d")), TypeError, "backprop_sparse_affine: dY and values must have the same dtype; got float64 and float32"),
    ("backprop_sparse_affine", backward_bags(dW=f(8, "f")), ValueError, "backprop_sparse_affine: W and dW must have the same shape; got (10,) and (8,)"),
    ("backprop_sparse_affine", backward_bags(dW=frozen(f(10, "f"))), ValueError, "backprop_sparse_affine: dW is overwritten and must be writable; got a read-only array (pass a copy)"),
    ("backprop_sparse_affine", backward_bags(db=f((), "f")), ValueError, "backprop_sparse_affine: db must have 1 dimensions; got shape ()"),
    ("backprop_sparse_affine", backward_bags(W=f((), "f")), ValueError, "backprop_sparse_affine: W must have 1 dimensions; got shape ()"),
    ("backprop_sparse_affine", backward_bags(db=f(3, "f")), ValueError, "backprop_sparse_affine: W must have as many weights for each of the 3 outputs, from 1 to 2^31 - 1; got 10"),
    # Layer norm and optimiser
    ("layernorm", layernorm(G=f(4, "f")), ValueError, "layernorm: G must have shape (3,); got (4,)"),
    ("layernorm", layernorm(X=f((2, 2, 3), "f")), ValueError, "layernorm: X must have 2 dimensions; got shape (2, 2, 3)"),
    ("backprop_layernorm", backprop_layernorm(mu=f(3, "f")), ValueError, "backprop_layernorm: mu must have shape (4,); got (3,)"),
    ("backprop_layernorm", backprop_layernorm(db=f(4, "f")), ValueError, "backprop_layernorm: db must have shape (3,); got (4,)"),
    ("backprop_layernorm", backprop_layernorm(dG=frozen(f(3, "f"))), ValueError, "backprop_layernorm: dG is overwritten and must be writable; got a read-only array (pass a copy)"),
    ("adam", adam(mom1=f(5, "f")), ValueError, "adam: weights, gradient, mom1, mom2 must have the same shape; got (4,) and (4,) and (5,) and (4,)"),
    ("adam", adam(gradient=frozen(f(4, "f"))), ValueError, "adam: gradient is overwritten and must be writable; got a read-only array (pass a copy)"),
    ("adam", adam(weights=f(4, "i")), TypeError, "adam: weights must have a float dtype; got int32 (call ops.asarray_f)"),
    ("apply_gradients", steps(rates=[]), ValueError, "apply_gradients: weights, gradients, mom1, mom2, averages and rates must be lists of one length; got 2, 2, 2, 2, 2 and 0"),
    ("apply_gradients", steps(mom1=None), TypeError, "apply_gradients: mom1 must be a list; got NoneType"),
    ("apply_gradients", steps(mom1=[None, None]), TypeError, "apply_gradients: mom1[0] must be an array where mom2[0] is one; got None"),
    ("apply_gradients", steps(mom1=[f((2, 2), "f"), f(3, "f")]), ValueError, "apply_gradients: mom1[0] must have shape (4,); got (2, 2)"),
    ("apply_gradients", steps(gradients=[f((2, 2), "f"), f(4, "f")]), ValueError, "apply_gradients: gradients[1] must have shape (3,); got (4,)"),
    ("apply_gradients", steps(weights=[f((2, 2), "i"), f(3, "f")]), TypeError, "apply_gradients: weights[0] must have a float dtype; got int32 (call ops.asarray_f)"),
    ("apply_gradients", steps(gradients=[f((2, 2), "f"), None]), TypeError, "apply_gradients: gradients[1] must be a numpy array; got NoneType (call model.ops.asarray)"),
    ("apply_gradients", steps(averages=[f((2, 2), "f"), frozen(f(3, "f"))]), ValueError, "apply_gradients: averages[1] is overwritten and must be writable; got a read-only array (pass a copy)"),
    ("apply_gradients", steps(rates=[StepRates(1, 0.1), (1, 0.1)]), TypeError, "apply_gradients: rates[1] must be a StepRates; got tuple"),
    ("apply_gradients", steps(rates=[StepRates(1, 0.1), StepRates(1, "x")]), TypeError, "apply_gradients: rates[1].learn_rate must be a number; got 'x'"),
    ("apply_gradients", steps(unscale=None), TypeError, "apply_gradients: unscale must be a number; got None"),
    ("apply_gradients", steps(found_inf=f(1, "f")), TypeError, "apply_gradients: found_inf must have dtype int32; got float32"),
    ("clip_gradient", {"gradient": frozen(f(4, "f")), "threshold": 1.0}, ValueError, "clip_gradient: gradient is overwritten and must be writable; got a read-only array (pass a copy)"),
    ("update_averages", {"ema": f(4, "f"), "weights": f(3, "f"), "t": 1}, ValueError, "update_averages: ema, weights must have the same shape; got (4,) and (3,)"),
]  # fmt: skip


@pytest.mark.parametrize("op, args, error, text", ERRORS, ids=[f"{row[0]}-{k}" for k, row in enumerate(ERRORS)])
def test_error(ops: Any, op: str, args: Dict[str, Any], error: Any, text: str) -> None:
    before, moved = copied(args), on_backend(ops, args)
    if ops.xp is not numpy and "read-only" in text:
        pytest.skip("arrays on a GPU cannot be made read-only")
    with pytest.raises(error) as caught:
        getattr(ops, op)(**moved)
    assert str(caught.value) == text.replace("numpy", ops.xp.__name__)
    if ops.xp is not numpy and op == "scatter_add" and error is IndexError:
        return  # found by the kernel that adds the others
    for name, value in before.items():
        for old, new in zip(*(each if isinstance(each, list) else [each] for each in (value, moved[name]))):
            if isinstance(old, numpy.ndarray):
                numpy.testing.assert_array_equal(ops.to_numpy(new), old, err_msg=f"{name} was changed before the error")


GRADIENTS = sorted({case.op for case in ELEMENTWISE if case.op.startswith("backprop_")} | {"backprop_relu_k"})


@pytest.mark.parametrize("op", GRADIENTS)
def test_gradients_do_not_broadcast(ops: Any, op: str) -> None:
    saved = [name for name in inspect.signature(getattr(ops, op)).parameters if name in ("X", "Y")]
    for name in saved:
        for shape in ((1, 3), (3,), (2, 1), ()):
            args = {each: ops.asarray(f((2, 3), "f")) for each in ["dY", *saved]}
            args[name] = ops.asarray(f(shape, "f"))
            with pytest.raises(ValueError, match=r"must have the same shape; got \(2, 3\) and "):
                getattr(ops, op)(**args)


def test_errors_can_be_caught_as_callers_learnt_to(ops: Any) -> None:
    """Typed buffers used to raise ValueError for a wrong dtype, and some checks were assertions."""
    with pytest.raises(ValueError):
        ops.gather_add(ops.asarray2f([[1]]), ops.asarray2f([[0]]))
    for lengths in ([1], [3, -1]):
        with pytest.raises(AssertionError):
            ops.seq2col(ops.alloc2f(2, 2), 1, lengths=ops.asarray1i(lengths))
    with pytest.raises(AssertionError):
        ops.position_encode(2, 3, out=ops.alloc2f(2, 4))


def test_checks_are_no_assertions() -> None:
    """Python -O drops assert statements; what protects memory stays."""
    code = """
import numpy
from thinc_core.backends import NumpyOps, Ops
X, two, minus = numpy.zeros((3, 2), "f"), numpy.array([2]), numpy.array([-1])
assert False, "this is dropped"
for ops in (NumpyOps(), Ops()):
    for call, error in (
        (lambda: ops.seq2col(X, 1, lengths=two), IndexError),
        (lambda: ops.seq2col(X, 1, lengths=minus), ValueError),
        (lambda: ops.reduce_sum(X, two), IndexError),
        (lambda: ops.gather_add(X, numpy.array([[3]])), IndexError),
        (lambda: ops.position_encode(2, 2, out=X), ValueError),
        (lambda: ops.gemm(X, X.T, out=X), ValueError),
        (lambda: ops.backprop_maxout(X, numpy.full((3, 2), -1), 2), IndexError),
    ):
        try:
            call()
        except error:
            print("refused")
"""
    done = subprocess.run([sys.executable, "-O", "-c", code], capture_output=True, encoding="utf-8")
    assert done.stdout.split() == ["refused"] * 14, done.stderr


class FakeCupy:
    """An array module of another device, to see what happens when devices are mixed."""

    __name__ = "cupy"

    class ndarray:
        __module__ = "cupy"
        ndim = 2
        shape = (2, 2)


@pytest.mark.parametrize(
    "op, names", [("relu", "X"), ("maxout", "X"), ("gemm", "x y"), ("affine", "X W b"), ("softmax", "x")]
)
def test_array_of_another_device(monkeypatch: Any, op: str, names: str) -> None:
    from thinc_core.backends import CupyOps, NumpyOps

    pretend_installed(monkeypatch, {"cupy": FakeCupy()})
    foreign = {name: FakeCupy.ndarray() for name in names.split()}
    first = names.split()[0]
    for ops in (Ops(), NumpyOps()):
        with pytest.raises(TypeError) as caught:
            getattr(ops, op)(**foreign)
        hint = "call model.ops.asarray; or model.to_gpu(0) computes on the GPU"
        assert str(caught.value) == f"{op}: {first} is a cupy array but the current ops are numpy ({hint})"
    on_gpu = CupyOps()
    on_gpu.xp, on_gpu._works = FakeCupy(), True
    with pytest.raises(TypeError) as caught:
        getattr(on_gpu, op)(**{name: f((2, 2), "f") for name in names.split()})
    hint = "call model.ops.asarray; or model.to_cpu() computes on the CPU"
    assert str(caught.value) == f"{op}: {first} is a numpy array but the current ops are cupy ({hint})"


def fails_with(monkeypatch: Any, error: Exception) -> Any:
    """Ops().sigmoid, in whose body something raises the error."""

    def fail(*args: Any) -> Any:
        raise error

    ops = Ops()
    monkeypatch.setattr(ops, "_sigmoid", fail)
    return lambda: ops.sigmoid(f(2, "f"))


FAULTS = [AttributeError, NameError, AssertionError, KeyError, ZeroDivisionError, FloatingPointError, ImportError]


@pytest.mark.parametrize("fault", [*FAULTS, MemoryError, RuntimeWarning])
def test_a_fault_of_our_own_is_not_made_one_of_an_argument(monkeypatch: Any, fault: Any) -> None:
    error = fault("text")
    with pytest.raises(fault) as caught:
        fails_with(monkeypatch, error)()
    assert caught.value is error


@pytest.mark.parametrize("kind", [TypeError, ValueError, IndexError, OverflowError, NotImplementedError])
def test_what_python_says_of_an_argument_gets_the_name(monkeypatch: Any, kind: Any) -> None:
    with pytest.raises(kind, match=r"^sigmoid: text$"):
        fails_with(monkeypatch, kind("text"))()


def test_maxout_of_what_has_no_largest(ops: Any) -> None:
    if ops.name == "cupy":
        pytest.skip("a GPU array cannot be of a structured dtype")
    with pytest.raises(TypeError, match="maxout: X must have a float or integer dtype; got"):
        ops.maxout(numpy.zeros((2, 2, 2), dtype=[("a", "f4")]))


@pytest.mark.parametrize("axis", [True, None, 1.5])
def test_axis_of_softmax_is_an_integer(ops: Any, axis: Any) -> None:
    X = ops.asarray2f([[1.0], [2.0]])
    for op, args in (("softmax", (X,)), ("backprop_softmax", (X, X))):
        with pytest.raises(TypeError, match=f"^{op}: axis must be an integer; got {axis}$"):
            getattr(ops, op)(*args, axis=axis)
