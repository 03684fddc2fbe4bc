"""Saved models against the original, where it is installed: it loads ours, we load its, and both predict the same.

Run it with the original beside us: `pip install thinc pytest hypothesis`, then `pytest tests/layers/test_original.py`.
It prints the largest difference of each layer with `-rA`, or `-s`.
"""

import warnings
from dataclasses import dataclass
from typing import Any, Callable, Tuple

import numpy
import pytest

from thinc_core import layers, types
from thinc_core.backends import NumpyOps

from .case import LENGTHS, NI, NO
from .test_layers_contract import CASES

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("thinc.api", reason="compares with the original (pip install thinc)")
    import thinc.layers
    import thinc.types
    from thinc.layers.resizable import resize_linear_weighted as their_resize

from thinc_core.layers.resizable import resize_linear_weighted as our_resize

OURS, THEIRS = (layers, types, our_resize), (thinc.layers, thinc.types, their_resize)
DENSE = """
    Linear Relu Mish Gelu Swish Dish HardSwish HardSwishMobilenet ClippedLinear HardSigmoid HardTanh ReluK Sigmoid
    Softmax Softmax_v2 Maxout
""".split()
NORMALIZED = [name for name in DENSE if name not in ("Linear", "Sigmoid", "Softmax", "Softmax_v2")]
TABLE = {"mapping_table": {3: 1, 5: 2}, "default": 0}


@dataclass
class Pair:
    """A model of both libraries: make(L) out of the layers L of one of them, and the kind of batch that it takes.

    mended: what we predict, from what the original predicts, where that is known to be something else.
    """

    id: str
    make: Callable[[Any], Any]
    kind: str = "array"
    mended: Callable[[Any], Any] = lambda Y: Y


def dense(name: str, **settings: Any) -> Pair:
    return Pair("_".join([name, *settings]), lambda L: getattr(L, name)(NO, NI, **settings))


def square(L: Any) -> Any:
    return L.Mish(NI, NI)


def two_groups(logits: Any) -> Any:
    first, second = (NumpyOps().softmax(numpy.ascontiguousarray(part)) for part in (logits[:, :2], logits[:, 2:]))
    return numpy.concatenate([first, second], axis=1)


PAIRS = [
    *[dense(name) for name in DENSE],
    *[dense(name, normalize=True, dropout=0.2) for name in NORMALIZED],
    dense("Maxout", nP=2),
    dense("Softmax_v2", normalize_outputs=False, temperature=2.0),
    dense("ClippedLinear", slope=-0.5, offset=0.25, min_val=-0.2, max_val=0.6),
    Pair("MultiSoftmax", lambda L: L.MultiSoftmax((2, 1), NI), mended=two_groups),
    Pair("LayerNorm", lambda L: L.LayerNorm(NI)),
    Pair("CauchySimilarity", lambda L: L.CauchySimilarity(NI), "pair"),
    Pair("SparseLinear", lambda L: L.SparseLinear(NO, 64), "bags"),
    Pair("SparseLinear_odd", lambda L: L.SparseLinear(NO, 10), "bags"),
    Pair("SparseLinear_v2", lambda L: L.SparseLinear_v2(NO, 50), "bags"),
    Pair("Embed", lambda L: L.Embed(NO, 20, dropout=0.1), "ids"),
    Pair("Embed_column", lambda L: L.Embed(NO, 20, column=1), "id rows"),
    Pair("HashEmbed", lambda L: L.HashEmbed(NO, 20, seed=7), "ids"),
    Pair("HashEmbed_column", lambda L: L.HashEmbed(NO, 20, seed=8, column=1), "id rows"),
    Pair("ParametricAttention", lambda L: L.ParametricAttention(NI), "ragged"),
    Pair("ParametricAttention_v2", lambda L: L.ParametricAttention_v2(nO=NI), "ragged"),
    Pair("ParametricAttention_v2_keys", lambda L: L.ParametricAttention_v2(key_transform=square(L), nO=NI), "ragged"),
    Pair("LSTM", lambda L: L.LSTM(NO, NI), "padded"),
    Pair("LSTM_bi_deep", lambda L: L.LSTM(NO + 1, NI, bi=True, depth=2, dropout=0.1), "padded"),
    Pair("LSTM_with_padded", lambda L: L.with_padded(L.LSTM(NO, NI, depth=3)), "list"),
    Pair(
        "bidirectional", lambda L: L.bidirectional(L.with_array2d(square(L)), L.with_array2d(L.Relu(2, NI))), "padded"
    ),
    # Trees: nodes have to be in the same order, whatever is made of them when they run.
    Pair("chain", lambda L: L.chain(L.Relu(5, NI, normalize=True), L.chain(L.Maxout(5, 5), L.Softmax(NO, 5)))),
    Pair("clone", lambda L: L.clone(square(L), 3)),
    Pair("add", lambda L: L.add(L.Linear(NO, NI), L.Mish(NO, NI), L.Relu(NO, NI))),
    Pair("concatenate", lambda L: L.concatenate(L.Linear(NO, NI), L.chain(square(L), L.Relu(2, NI)), L.Linear(1, NI))),
    Pair("residual", lambda L: L.residual(L.Maxout(NI, NI, normalize=True, dropout=0.1))),
    Pair("tuplify", lambda L: L.tuplify(L.Linear(NO, NI), L.Mish(2, NI))),
    Pair("siamese", lambda L: L.siamese(square(L), L.CauchySimilarity(NI)), "pair"),
    Pair("uniqued", lambda L: L.uniqued(L.Embed(NO, 20, column=0), column=0), "id rows"),
    Pair("remapped", lambda L: L.chain(L.remap_ids_v2(**TABLE, column=0), flat(L), L.Embed(NO, 20)), "id rows"),
    Pair("with_array", lambda L: L.with_array(L.chain(L.expand_window(1), L.Maxout(NO, 3 * NI)), pad=1), "list"),
    Pair("with_array2d", lambda L: L.with_array2d(square(L)), "padded"),
    Pair("with_list", lambda L: L.with_list(L.with_array(square(L))), "ragged"),
    Pair("with_padded", lambda L: L.with_padded(L.with_array2d(square(L))), "ragged"),
    Pair("with_ragged", lambda L: L.with_ragged(L.ParametricAttention(NI)), "list"),
    Pair("with_flatten", lambda L: L.with_flatten(L.chain(L.list2ragged(), L.reduce_sum(), square(L))), "nested"),
    Pair("with_flatten_v2", lambda L: L.with_flatten_v2(L.with_array(square(L))), "nested"),
    Pair("with_getitem", lambda L: L.with_getitem(1, square(L)), "pair"),
    Pair("with_reshape", lambda L: L.with_reshape(square(L)), "array3d"),
    Pair("with_cpu", lambda L: L.with_cpu(square(L), square(L).ops)),
    Pair("with_debug", lambda L: L.with_debug(square(L))),
    Pair("resizable", lambda L: L.resizable(L.Linear(NO, NI), OURS[2] if L is layers else THEIRS[2])),
    Pair("map_list", lambda L: L.map_list(square(L)), "list"),
    Pair("pooled", lambda L: L.chain(L.list2ragged(), L.reduce_max(), L.Relu(NO, NI, dropout=0.2)), "list"),
]
EACH = pytest.mark.parametrize("pair", PAIRS, ids=[pair.id for pair in PAIRS])
LARGEST = {}


def flat(L: Any) -> Any:
    return L.array_getitem((slice(0, None), 0))


def batch(kind: str, T: Any) -> Any:
    """A batch in the containers of one library."""
    random = numpy.random.RandomState(1)
    Xs = [random.normal(size=(length or 1, NI)).astype("f") for length in LENGTHS]
    lengths = numpy.asarray([len(X) for X in Xs], dtype="int32")
    padded = NumpyOps().list2padded(Xs)
    flat = numpy.concatenate(Xs)
    keys = random.randint(0, 20, size=(len(flat), 2)).astype("uint64")
    return {
        "array": flat,
        "list": Xs,
        "ragged": T.Ragged(flat, lengths),
        "padded": T.Padded(padded.data, padded.size_at_t, padded.lengths, padded.indices),
        "array3d": padded.data,
        "nested": [Xs[:2], Xs[2:]],
        "pair": (flat, 2 - flat),
        "ids": numpy.ascontiguousarray(keys[:, 0]),
        "id rows": keys,
        "bags": (numpy.ascontiguousarray(keys[:, 0]), flat[:, 0].copy(), lengths),
    }[kind]


def outputs(Y: Any) -> Tuple[Any, ...]:
    if isinstance(Y, (list, tuple)):
        return tuple(array for item in Y for array in outputs(item))
    return (Y.dataXd,) if hasattr(Y, "dataXd") else (Y.data,) if hasattr(Y, "size_at_t") else (Y,)


def filled(model: Any) -> Any:
    """The model with random parameters; none comes out as it was made."""
    random = numpy.random.RandomState(0)
    model.initialize()
    for node in model.walk():
        if any(node.has_param(name) is None for name in node.param_names):
            node.initialize()  # the shared layer of the original's siamese
        for name in node.param_names:
            node.set_param(name, random.normal(scale=0.5, size=node.get_param(name).shape).astype("f"))
    return model


@EACH
@pytest.mark.parametrize("source, target", [(OURS, THEIRS), (THEIRS, OURS)], ids=["ours to theirs", "theirs to ours"])
def test_models_go_over(pair, source, target):
    saved = filled(pair.make(source[0]))
    data = saved.to_bytes()
    loaded = pair.make(target[0]).from_bytes(data)
    assert loaded.to_bytes() == data
    assert loaded.can_from_bytes(data)
    ours, theirs = (loaded, saved) if target is OURS else (saved, loaded)
    found = outputs(ours.predict(batch(pair.kind, types)))
    expected = outputs(pair.mended(theirs.predict(batch(pair.kind, thinc.types))))
    assert [Y.shape for Y in found] == [Y.shape for Y in expected]
    for Y, Yt in zip(found, expected):
        LARGEST[pair.id] = max(LARGEST.get(pair.id, 0.0), float(numpy.abs(Y - Yt).max(initial=0)))
        numpy.testing.assert_allclose(Y, Yt, rtol=2e-5, atol=2e-6)


@EACH
def test_trees_are_the_same(pair):
    ours, theirs = list(pair.make(layers).walk()), list(pair.make(thinc.layers).walk())
    for what in ("name", "dim_names", "param_names", "ref_names"):
        assert [getattr(node, what) for node in ours] == [getattr(node, what) for node in theirs]
    assert [sorted(node.attrs) for node in ours] == [sorted(node.attrs) for node in theirs]


def test_every_layer_with_parameters_goes_over():
    """Of those in the table of all layers that the original has too."""

    def owners(models):
        return {node._func.__module__ for model in models for node in model.walk() if node.param_names}

    missing = owners(case.make() for case in CASES) - owners(pair.make(layers) for pair in PAIRS)
    assert {name for name in missing if hasattr(thinc.layers, name.rpartition(".")[2])} == set()


def test_summary():
    print(f"\n{len(PAIRS)} models, both directions; largest difference of a prediction:")
    for name, difference in LARGEST.items():
        print(f"  {name:32} {difference:.1e}")
