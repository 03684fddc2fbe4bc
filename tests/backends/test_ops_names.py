"""The public attributes of the original's NumpyOps, which programs written for it rely on: here they all are, with
parameters of the same names, in the same order, with the same defaults. (Listed from thinc 8.3.14 with inspect.)"""

from __future__ import annotations

import inspect
import re
from typing import List

import pytest

from thinc_core.backends import AppleOps, CupyOps, MPSOps, NumpyOps, Ops

ATTRIBUTES = """
adam(weights, gradient, mom1, mom2, beta1, beta2, eps, learn_rate, mod_rate=1.0)
affine(X, W, b)
alloc(shape, *, dtype='float32', zeros=True)
alloc1f(d0, *, dtype='float32', zeros=True)
alloc1i(d0, *, dtype='int32', zeros=True)
alloc2f(d0, d1, *, dtype='float32', zeros=True)
alloc2i(d0, d1, *, dtype='int32', zeros=True)
alloc3f(d0, d1, d2, *, dtype='float32', zeros=True)
alloc3i(d0, d1, d2, *, dtype='int32', zeros=True)
alloc4f(d0, d1, d2, d3, *, dtype='float32', zeros=True)
alloc4i(d0, d1, d2, d3, *, dtype='int32', zeros=True)
alloc_f(shape, *, dtype='float32', zeros=True)
alloc_i(shape, *, dtype='int32', zeros=True)
as_contig(data, dtype=None)
asarray(data, dtype=None)
asarray1f(data, *, dtype='float32')
asarray1i(data, *, dtype='int32')
asarray2f(data, *, dtype='float32')
asarray2i(data, *, dtype='int32')
asarray3f(data, *, dtype='float32')
asarray3i(data, *, dtype='int32')
asarray4f(data, *, dtype='float32')
asarray4i(data, *, dtype='int32')
asarray_f(data, *, dtype='float32')
asarray_i(data, *, dtype='int32')
backprop_clipped_linear(dY, X, slope=1.0, offset=0.0, min_val=0.0, max_val=1.0, inplace=False)
backprop_dish(dY, X, inplace=False)
backprop_gelu(dY, X, inplace=False)
backprop_gelu_approx(dY, X, inplace=False)
backprop_hard_sigmoid(dY, X, inplace=False)
backprop_hard_swish(dY, X, inplace=False)
backprop_hard_swish_mobilenet(dY, X, inplace=False)
backprop_hard_tanh(dY, X, inplace=False)
backprop_lstm(dY, lengths, params, fwd_state)
backprop_maxout(dY, which, P)
backprop_mish(dY, X, threshold=20.0, inplace=False)
backprop_reduce_first(d_firsts, starts_ends)
backprop_reduce_last(d_lasts, lasts)
backprop_reduce_max(d_maxes, which, lengths)
backprop_reduce_mean(d_means, lengths)
backprop_reduce_sum(d_sums, lengths)
backprop_relu(dY, Y, inplace=False)
backprop_relu_k(dY, X, n=6.0, inplace=False)
backprop_seq2col(dY, nW, *, lengths=None)
backprop_sigmoid(dY, Y, *, inplace=False)
backprop_softmax(Y, dY, *, axis=-1, temperature=1.0)
backprop_softmax_sequences(dY, Y, lengths)
backprop_swish(dY, X, Y, inplace=False)
cblas()
clip_gradient(gradient, threshold)
clipped_linear(X, slope=1.0, offset=0.0, min_val=0.0, max_val=1.0, inplace=False)
dish(X, inplace=False)
dsigmoid(Y, *, inplace=False)
dtanh(Y, *, inplace=False)
erf(X)
flatten(X, dtype=None, pad=0, ndim_if_empty=2)
gather_add(table, indices)
gelu(X, inplace=False)
gelu_approx(X, inplace=False)
gemm(x, y, *, out=None, trans1=False, trans2=False)
get_dropout_mask(shape, drop)
hard_sigmoid(X, inplace=False)
hard_swish(X, inplace=False)
hard_swish_mobilenet(X, inplace=False)
hard_tanh(X, inplace=False)
hash(ids, seed)
insert_into(shape, Xs)
list2padded(seqs)
logloss(y_true, y_pred)
lstm_forward_inference(params, H0, C0, X, size_at_t)
lstm_forward_training(params, H0, C0, X, size_at_t)
maxout(X)
minibatch(size, sequence, *, shuffle=False, buffer=1)
mish(X, threshold=20.0, inplace=False)
multibatch(size, sequence, *others, shuffle=False, buffer=1)
name
ngrams(n, keys)
pad(seqs, round_to=1)
padded2list(padded)
position_encode(N, D, period=10000, out=None)
reduce_first(X, lengths)
reduce_last(X, lengths)
reduce_max(X, lengths)
reduce_mean(X, lengths)
reduce_sum(X, lengths)
relu(X, inplace=False)
relu_k(X, n=6.0, inplace=False)
reshape(array, shape)
reshape1(array, d0)
reshape1f(array, d0)
reshape1i(array, d0)
reshape2(array, d0, d1)
reshape2f(array, d0, d1)
reshape2i(array, d0, d1)
reshape3(array, d0, d1, d2)
reshape3f(array, d0, d1, d2)
reshape3i(array, d0, d1, d2)
reshape4(array, d0, d1, d2, d3)
reshape4f(array, d0, d1, d2, d3)
reshape4i(array, d0, d1, d2, d3)
reshape_f(array, shape)
reshape_i(array, shape)
scatter_add(table, indices, values)
sechsq(X)
seq2col(seq, nW, *, lengths=None)
sigmoid(X, *, inplace=False)
softmax(x, *, inplace=False, axis=-1, temperature=1.0)
softmax_sequences(Xs, lengths, *, inplace=False, axis=-1)
swish(X, inplace=False)
tile(X, reps)
to_numpy(data, *, byte_order=None)
unflatten(X, lengths, pad=0)
unpad(padded, lengths)
update_averages(ema, weights, t, max_decay=0.9999)
xp
"""
# Ours may have more, for those who ask by name.
ADDED = {"gemm": ["accumulate"], "minibatch": ["rng"], "multibatch": ["rng"], "get_dropout_mask": ["rng"]}
ADDED["backprop_seq2col"] = ["plus"]
CLASSES = [cls for cls in (Ops, NumpyOps, CupyOps, MPSOps, AppleOps) if cls is not None]


def parameters(line: str) -> List[str]:
    """What stands in the brackets: "name", "name=default", "*" before what must be named, "*name" for any number."""
    return [part for part in line.rstrip(")").partition("(")[2].split(", ") if part]


def ours(cls: type, name: str) -> List[str]:
    found, named = [], False
    for parameter in list(inspect.signature(getattr(cls, name)).parameters.values())[1:]:
        if parameter.name in ADDED.get(name, ()):
            assert parameter.kind is parameter.KEYWORD_ONLY
            continue
        if parameter.name == "out" and parameter.kind is parameter.KEYWORD_ONLY:  # gemm and position_encode have theirs
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            named = True
            found.append(f"*{parameter.name}")
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not named:
            named = True
            found.append("*")
        default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
        found.append(parameter.name + default)
    return found


@pytest.mark.parametrize("line", ATTRIBUTES.split("\n")[1:-1])
@pytest.mark.parametrize("cls", CLASSES)
def test_attribute_of_the_original(cls: type, line: str) -> None:
    name = re.split(r"\W", line)[0]
    assert hasattr(cls, name)
    if "(" in line:
        theirs, mine = parameters(line), ours(cls, name)
        # What had to be named may be given by its place here.
        assert [each for each in mine if each != "*"] == [each for each in theirs if each != "*"]
        if "*" in mine:
            assert "*" in theirs
            assert mine.index("*") >= theirs.index("*")


def test_all_of_them_are_listed() -> None:
    assert len(ATTRIBUTES.split("\n")) - 2 == 115
