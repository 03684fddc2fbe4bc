"""The table of layers that to_onnx covers: what builds each, and the batches that it is run on."""

from dataclasses import dataclass
from typing import Any, Callable, List

import numpy
from layers.containers import pack

from thinc_core import layers
from thinc_core.layers import (
    GRU,
    LSTM,
    CauchySimilarity,
    Dropout,
    Gelu,
    HashEmbed,
    Linear,
    LoRA,
    Maxout,
    Mish,
    ParametricAttention,
    ParametricAttention_v2,
    Relu,
    SelfAttention,
    StaticVectors,
    TransformerBlock,
)
from thinc_core.layers._activations import ACTIVATIONS
from thinc_core.layers.resizable import resize_linear_weighted
from thinc_core.model import Model

NI, NO = 4, 3
LENGTHS = [2, 0, 3, 1, 3]
OTHERS = [1, 4, 1]  # another batch: what is written holds for any number of rows and sequences


@dataclass
class Case:
    """A layer by its name, what builds it, and the kinds of batches that it is fed."""

    layer: str
    make: Callable[[], Model]
    kinds: Any = ("array",)
    label: str = ""
    nonempty: bool = False

    @property
    def id(self) -> str:
        return f"{self.layer}{self.label}"

    def batches(self, kind: str, ops: Any) -> List[Any]:
        """Two batches of a kind, of different sizes."""
        sizes = [[length or 1 for length in LENGTHS] if self.nonempty else LENGTHS, OTHERS]
        return [batch(kind, lengths, seed, ops) for seed, lengths in enumerate(sizes)]


def batch(kind: str, lengths: List[int], seed: int, ops: Any) -> Any:
    random = numpy.random.RandomState(seed)
    rows = sum(lengths)
    if kind == "ids":
        return random.randint(0, 8, size=(rows,)).astype("int64")
    if kind == "keys":
        return random.randint(0, 2**63, size=(rows,)).astype("uint64") * 2
    if kind in ("columns of ids", "columns of keys"):
        return numpy.stack([batch(kind[len("columns of ") :], lengths, seed + 7 * i, ops) for i in range(3)], axis=1)
    Xs = [random.normal(size=(length, NI), scale=2).astype("f") for length in lengths]
    return pack(ops, kind, Xs, numpy.zeros((0, NI), dtype="f"))


def case(
    layer: str, *args: Any, kinds: Any = ("array",), label: str = "", nonempty: bool = False, **kwargs: Any
) -> Case:
    return Case(layer, lambda: getattr(layers, layer)(*args, **kwargs), kinds, label, nonempty)


def lora() -> Model:
    return LoRA(Linear(NO, NI), rank=2)


def linear(nO: int = NO, nI: int = NI) -> Model:
    return Linear(nO, nI)


def rows(layer: Model) -> Model:
    return layers.with_array2d(layer)


def static_vectors(folder: Any, keys: Any = None, **more: Any) -> Model:
    """The table of a file that is written first."""
    path = folder / "vectors.npy"
    numpy.save(path, numpy.random.RandomState(3).normal(size=(7, 5)).astype("f"))
    if keys is not None:
        numpy.save(folder / "keys.npy", keys)
        more["keys"] = str(folder / "keys.npy")
    return StaticVectors(str(path), **more)


EVERY = ("array", "list", "ragged", "padded")
PACKED = ("ragged", "padded")
SEQUENCES = ("list", "ragged", "padded")
DENSE = "Linear Relu Gelu Mish Dish Swish HardSwish HardSwishMobilenet HardSigmoid HardTanh ReluK Sigmoid SwiGLU Maxout"
TABLE = {5: 3, 2: 9, 7: 1}

CASES = [
    *[case(name, NO, NI) for name in DENSE.split()],
    case("ClippedLinear", NO, NI, slope=-0.5, offset=0.25, min_val=-0.2, max_val=0.6),
    case("Maxout", NO, NI, nP=2, normalize=True, dropout=0.2, label="-normalized"),
    case("Softmax", NO, NI),
    case("Softmax_v2", NO, NI, temperature=2.5),
    case("Softmax_v2", NO, NI, normalize_outputs=False, label="-logits"),
    case("MultiSoftmax", (2, 3), NI),
    case("MultiSoftmax_v2", (2, 3), NI),
    case("MultiSoftmax_v2", (2, 3), NI, normalize_outputs=False, label="-logits"),
    case("LayerNorm", NI),
    case("RMSNorm", NI),
    case("BatchNorm", NI),
    case("Dropout", 0.5, kinds=EVERY),
    Case("LoRA", lora),
    *[
        case("activation", name, kinds=EVERY if name == "selu" else ("array",), label=f"-{name}")
        for name in ACTIVATIONS
    ],
    case("sigmoid_activation"),
    case("softmax_activation"),
    case("Logistic"),
    case("CauchySimilarity", NI, kinds=("pair",)),
    Case("siamese", lambda: layers.siamese(linear(), CauchySimilarity(NO)), ("pair",)),
    # Combinators.
    Case("chain", lambda: layers.chain(Relu(5, NI, normalize=True), Dropout(0.1), linear(NO, 5))),
    Case("clone", lambda: layers.clone(Mish(NI, NI), 3)),
    Case("add", lambda: layers.add(linear(), Mish(NO, NI), Gelu(NO, NI))),
    Case("add", lambda: layers.add(layers.noop(), rows(linear(NI))), SEQUENCES, "-sequences"),
    Case("concatenate", lambda: layers.concatenate(linear(), layers.noop())),
    Case("concatenate", lambda: layers.concatenate(rows(linear()), layers.noop()), SEQUENCES, "-sequences"),
    Case("residual", lambda: layers.residual(Mish(NI, NI))),
    Case("residual", lambda: layers.residual(rows(Mish(NI, NI))), SEQUENCES, "-sequences"),
    Case("tuplify", lambda: layers.tuplify(linear(), layers.noop(), Mish(2, NI))),
    Case("noop", layers.noop, EVERY),
    Case("resizable", lambda: layers.resizable(linear(), resize_linear_weighted)),
    Case("with_cpu", lambda: layers.with_cpu(rows(linear()), layers.noop().ops), EVERY),
    Case("with_debug", lambda: layers.with_debug(linear(), on_forward=lambda *args: None)),
    Case("with_nvtx_range", lambda: layers.with_nvtx_range(layers.with_nvtx_range(linear()))),
    Case("with_getitem", lambda: layers.with_getitem(-1, linear()), ("pair",)),
    Case("with_reshape", lambda: layers.with_reshape(linear()), ("array", "array3d")),
    case("array_getitem", (slice(1, None, 2), slice(0, -1))),
    case("array_getitem", (slice(0, None), 2), label="-column"),
    case("array_getitem", (slice(None), [2, 0, 2]), label="-list"),
    # Sequences.
    Case("with_array", lambda: layers.with_array(Gelu(NO, NI)), ("array", "list", "ragged")),
    Case("with_array", lambda: layers.with_array(layers.sigmoid_activation()), EVERY, "-3d"),
    Case("with_array2d", lambda: layers.with_array2d(Maxout(NO, NI)), EVERY),
    Case("with_list", lambda: layers.with_list(layers.with_array(linear())), SEQUENCES),
    Case("with_ragged", lambda: layers.with_ragged(layers.expand_window()), SEQUENCES),
    Case("with_padded", lambda: layers.with_padded(LSTM(NO, NI)), (*SEQUENCES, "array3d")),
    case("list2array", kinds=("list",)),
    case("list2ragged", kinds=("list",)),
    case("list2padded", kinds=("list",)),
    case("ragged2list", kinds=("ragged",)),
    case("padded2list", kinds=("padded",)),
    case("expand_window", kinds=("array", "ragged")),
    case("expand_window", 2, kinds=("array", "ragged"), label="-wide"),
    case("Conv1D", NO, NI, kernel_size=4, dilation=2, kinds=("array", "ragged")),
    case("Conv1D", NO, NI, padding="causal", kinds=("array", "ragged"), label="-causal"),
    *[case(f"reduce_{how}", kinds=("ragged",)) for how in ("sum", "mean")],
    *[case(f"reduce_{how}", kinds=("ragged",), nonempty=True) for how in ("first", "last", "max")],
    Case("ParametricAttention", lambda: ParametricAttention(NI), ("ragged",)),
    Case("ParametricAttention_v2", lambda: ParametricAttention_v2(nO=NI, key_transform=Gelu(NI, NI)), ("ragged",)),
    Case("SelfAttention", lambda: SelfAttention(6, NI, nH=3), PACKED),
    Case(
        "SelfAttention", lambda: SelfAttention(4, NI, nH=2, causal=True, rotary=True), ("ragged", "padded"), "-causal"
    ),
    Case("TransformerBlock", lambda: TransformerBlock(NI, nH=2, nF=5), SEQUENCES),
    Case(
        "TransformerBlock",
        lambda: TransformerBlock(NI, nH=1, norm="RMSNorm", activation="SwiGLU", rotary=True),
        ("ragged",),
        "-modern",
    ),
    case("LSTM", NO, NI, kinds=("padded",)),
    case("LSTM", 6, NI, bi=True, depth=2, kinds=("padded",), label="-deep"),
    case("GRU", NO, NI, kinds=("padded",)),
    case("GRU", 6, NI, bi=True, depth=2, kinds=("padded",), label="-deep"),
    Case("bidirectional", lambda: layers.bidirectional(rows(linear()), rows(Mish(2, NI))), ("padded",)),
    Case("bidirectional_v2", lambda: layers.bidirectional_v2(LSTM(NO, NI), GRU(2, NI)), ("padded",)),
    # Tables.
    case("Embed", NO, 8, kinds=("ids",)),
    case("Embed", NO, 8, column=1, kinds=("columns of ids",), label="-column"),
    case("HashEmbed", NO, 11, seed=5, kinds=("keys", "ids")),
    case("HashEmbed", NO, 11, column=2, seed=2**32 - 1, kinds=("columns of keys",), label="-column"),
    Case("uniqued", lambda: layers.uniqued(HashEmbed(NO, 11, column=0, seed=1)), ("columns of ids",)),
    case("remap_ids", TABLE, 4, "int64", kinds=("ids",)),
    case("remap_ids", {-1: 2, 3: 1}, kinds=("ids",), label="-negative"),
    case("remap_ids_v2", TABLE, 4, column=1, kinds=("columns of ids",)),
    case("premap_ids", {**TABLE, 2**64 - 1: 6}, 4, kinds=("ids",)),
]
